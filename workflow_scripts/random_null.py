"""The random null: every metric on random unit vectors, for every width in the models table."""

from infogeo import cards, logs
from infogeo.artefacts import write_table
from infogeo.nulls import random_null

if __name__ == "__main__":
    with logs.rule(snakemake):
        table = random_null(
            widths=[cards.read(path)["width"] for path in snakemake.input.models],
            prefixes=snakemake.params.n,
            eps2=snakemake.params.eps2,
            lambdas=snakemake.params.lambdas,
            draws=snakemake.params.draws,
            seed=snakemake.params.seed,
        )
        write_table(table, snakemake.output[0], snakemake.params.fingerprint)
