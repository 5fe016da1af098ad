"""A balanced sample of the labelled texts of a corpus, and why every other text is left out."""

from infogeo.jobs import binding
from infogeo.files.artefacts import read_table, write_table
from infogeo.sentences.sample import balanced_sample, summary


def main(files, params, output) -> None:
    """Read the texts, choose, and write who is taken."""
    corpus = read_table(files[0], params.expected[0], ["doc_id", "text", "label", "source"])
    sample = balanced_sample(corpus, params.texts_per_label, params.seed)
    print(summary(sample, params.texts_per_label), flush=True)
    write_table(sample, output[0], params.fingerprint)


if __name__ == "__main__":
    binding.run(main, snakemake)
