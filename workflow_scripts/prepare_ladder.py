"""Train a ladder's tokenizer and lay out its training tokens, once for all of its models."""

from pathlib import Path

from infogeo.jobs import binding
from infogeo.files.artefacts import read_table
from infogeo.sources import ladder_data


def main(files, params, output) -> None:
    """Read the texts, and write tokenizer and tokens."""
    [expected] = params.expected
    prepared = ladder_data.prepare(
        read_table(files.train, expected, ["text"])["text"].tolist(),
        read_table(files.evaluation, expected, ["text"])["text"].tolist(),
        folder=Path(output.prepared).parent,
        vocabulary=params.vocabulary,
        context=params.context,
        tokens=params.tokens,
        seed=params.seed,
        fingerprint=params.fingerprint,
    )
    print(
        f"{params.ladder}: {prepared['vocabulary']:,} tokens in the vocabulary; "
        f"{prepared['tokens']:,} tokens of {prepared['documents']:,} texts to train on, "
        f"{prepared['heldout_texts']:,} texts held out",
        flush=True,
    )


if __name__ == "__main__":
    binding.run(main, snakemake)
