"""Fit the laws of published values as those of measured ones."""

from infogeo.jobs import binding
from infogeo.files import artefacts, tables
from infogeo.laws.published_laws import published_laws
from infogeo.sources import published


def main(files, params, output) -> None:
    """Read the published values, fit, and write the laws."""
    rows = published.read(params.tables)
    laws = published_laws(rows, draws=params.draws, seed=params.seed)
    artefacts.write_table(laws, output.laws, params.fingerprint)
    tables.write_csv(laws, output.table)


if __name__ == "__main__":
    binding.run(main, snakemake)
