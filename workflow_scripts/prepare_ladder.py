"""Train a ladder's tokenizer and lay out its training tokens, once for all of its models."""

from pathlib import Path

from infogeo.files.artefacts import read_table
from infogeo.jobs import logs
from infogeo.sources import ladder_data

if __name__ == "__main__":
    with logs.rule(snakemake):
        params, [expected] = snakemake.params, snakemake.params.expected
        prepared = ladder_data.prepare(
            read_table(snakemake.input.train, expected, ["text"])["text"].tolist(),
            read_table(snakemake.input.evaluation, expected, ["text"])["text"].tolist(),
            folder=Path(snakemake.output.prepared).parent,
            vocabulary=params.vocabulary,
            context=params.context,
            tokens=params.tokens,
            seed=params.seed,
            fingerprint=params.fingerprint,
        )
        print(
            f"{snakemake.wildcards.ladder}: {prepared['vocabulary']:,} tokens in the vocabulary; "
            f"{prepared['tokens']:,} tokens of {prepared['documents']:,} texts to train on, "
            f"{prepared['heldout_texts']:,} texts held out",
            flush=True,
        )
