"""The random null: every metric on random unit vectors of the widths that the models have."""

from infogeo import logs
from infogeo.artefacts import write_table
from infogeo.nulls import random_null

if __name__ == "__main__":
    with logs.rule(snakemake):
        table = random_null(
            widths=snakemake.params.widths,
            prefixes=snakemake.params.n,
            eps2=snakemake.params.eps2,
            draws=snakemake.params.draws,
            seed=snakemake.params.seed,
        )
        write_table(table, snakemake.output[0], snakemake.params.fingerprint)
