"""Intrinsic dimensions of all models on all corpora, beside those of their untrained twins."""

import pandas as pd

from infogeo.jobs import binding
from infogeo.files import artefacts, tables
from infogeo.files.parts import LazyTables
from infogeo.laws.dimension_table import dimension_table
from infogeo.sources import cards

FIELDS = (
    "params_total", "params_non_embedding", "width", "final_width", "layers", "commit", "source",
)  # fmt: skip


def main(files, params, output) -> None:
    """Read one model after the other, and write the table."""
    models = cards.described(
        files.models,
        FIELDS,
        slug=params.models,
        family=params.families,
        run=params.runs,
        step=params.steps,
    )
    with_twins = [model["slug"] for model in models if cards.has_model(model)]
    parts = []
    for corpus, measured, expected, untrained, expected_untrained in binding.of_each_corpus(
        params.corpora,
        files.measured,
        params.expected,
        binding.of_twins(files.untrained, params.places_of_twins),
        params.expected_untrained,
    ):
        of_models = LazyTables(artefacts.read_table, params.models, measured, expected)
        of_twins = LazyTables(artefacts.read_table, with_twins, untrained, expected_untrained)
        parts.append(dimension_table(corpus, models, of_models, of_twins))
    table = cards.with_commits(pd.concat(parts, ignore_index=True), models)
    artefacts.write_table(table, output.table, params.fingerprint)
    tables.write_csv(table, output.csv)


if __name__ == "__main__":
    binding.run(main, snakemake)
