"""Fit the laws of published values as those of measured ones."""

from infogeo.files import artefacts, tables
from infogeo.jobs import logs
from infogeo.laws.published_laws import published_laws
from infogeo.sources import published

if __name__ == "__main__":
    with logs.rule(snakemake):
        params, output = snakemake.params, snakemake.output
        rows = published.read(params.tables)
        laws = published_laws(rows, draws=params.draws, seed=params.seed)
        artefacts.write_table(laws, output.laws, params.fingerprint)
        tables.write_csv(laws, output.table)
