"""Bring one corpus into the common form, split it, and draw the texts to be measured."""

from infogeo.jobs import binding
from infogeo.files.artefacts import write_table
from infogeo.sources import corpora


def main(files, params, output) -> None:
    """Read the sources, and write both tables of texts."""
    evaluation, train, summary = corpora.fetch(
        source=params.source,
        where=params.where,
        texts=params.texts,
        min_characters=params.min_characters,
        train_share=params.train_share,
        seed=params.seed,
        text_column=params.text_column,
        label_column=params.label_column,
        workers=params.threads,
        listing=files.listing or None,
        expected=params.expected,
    )
    write_table(train, output.train, params.fingerprint)
    write_table(evaluation, output.evaluation, params.fingerprint)
    print(f"{params.corpus}: {summary}", flush=True)


if __name__ == "__main__":
    binding.run(main, snakemake)
