"""The random null: every metric on random unit vectors, for every width in the models table."""

import json
from pathlib import Path

from infogeo import logs
from infogeo.artefacts import write_table
from infogeo.nulls import random_null

if __name__ == "__main__":
    with logs.rule(snakemake):
        models = [json.loads(Path(path).read_text()) for path in snakemake.input.models]
        table = random_null(
            widths=[model["width"] for model in models],
            prefixes=snakemake.params.n,
            eps2=snakemake.params.eps2,
            lambdas=snakemake.params.lambdas,
            draws=snakemake.params.draws,
            seed=snakemake.params.seed,
        )
        write_table(table, snakemake.output[0], snakemake.params.fingerprint)
