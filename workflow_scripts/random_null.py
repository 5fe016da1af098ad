"""The random null: every metric on random unit vectors, for every width of the models."""

from infogeo.files.artefacts import write_table
from infogeo.geometry.nulls import random_null
from infogeo.jobs import logs
from infogeo.sources import cards

if __name__ == "__main__":
    with logs.rule(snakemake):
        models = [cards.read(path) for path in snakemake.input.models]
        table = random_null(
            widths=[model[key] for model in models for key in ("width", "final_width")],
            prefixes=snakemake.params.n,
            eps2=snakemake.params.eps2,
            lambdas=snakemake.params.lambdas,
            draws=snakemake.params.draws,
            seed=snakemake.params.seed,
        )
        write_table(table, snakemake.output[0], snakemake.params.fingerprint)
