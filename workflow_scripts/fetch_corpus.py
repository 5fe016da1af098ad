"""Bring one corpus into the common form, split it, and draw the texts to be measured."""

from infogeo.files.artefacts import write_table
from infogeo.jobs import logs
from infogeo.sources import corpora

if __name__ == "__main__":
    with logs.rule(snakemake):
        params = snakemake.params
        evaluation, train, summary = corpora.fetch(
            source=params.source,
            where=params.where,
            texts=params.texts,
            min_characters=params.min_characters,
            train_share=params.train_share,
            seed=params.seed,
            text_column=params.text_column,
            label_column=params.label_column,
            workers=snakemake.threads,
            listing=snakemake.input.listing or None,
            expected=params.expected,
        )
        write_table(train, snakemake.output.train, params.fingerprint)
        write_table(evaluation, snakemake.output.evaluation, params.fingerprint)
        print(f"{snakemake.wildcards.corpus}: {summary}", flush=True)
