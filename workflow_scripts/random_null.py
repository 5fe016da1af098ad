"""The random null: every metric on random unit vectors, for every width of the models."""

from infogeo.jobs import binding
from infogeo.files.artefacts import write_table
from infogeo.geometry.nulls import random_null
from infogeo.sources import cards


def main(files, params, output) -> None:
    """Read the widths of the models, and write the metrics."""
    models = [cards.read(path) for path in files.models]
    table = random_null(
        widths=[model[key] for model in models for key in ("width", "final_width")],
        prefixes=params.n,
        eps2=params.eps2,
        lambdas=params.lambdas,
        orders=params.orders,
        draws=params.draws,
        seed=params.seed,
    )
    write_table(table, output[0], params.fingerprint)


if __name__ == "__main__":
    binding.run(main, snakemake)
