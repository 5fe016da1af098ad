"""A balanced sample of the labelled texts of a corpus, and why every other text is left out."""

from infogeo.files.artefacts import read_table, write_table
from infogeo.jobs import logs
from infogeo.sentences.sample import balanced_sample

if __name__ == "__main__":
    with logs.rule(snakemake):
        params = snakemake.params
        corpus = read_table(
            snakemake.input[0], params.expected[0], ["doc_id", "text", "label", "source"]
        )
        sample = balanced_sample(corpus, params.texts_per_label, params.seed)
        taken = sample[sample["left_out"] == ""]
        print(f"{len(taken)} of {len(sample)} texts, {taken['label'].nunique()} labels", flush=True)
        write_table(sample, snakemake.output[0], params.fingerprint)
