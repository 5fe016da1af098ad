"""Figure: models of one width and different depth, side by side."""

from infogeo.jobs import binding
from infogeo.figures.style import save
from infogeo.figures.width_pairs import width_pairs
from infogeo.files.artefacts import read_tables


def main(files, params, output) -> None:
    """Read the tables, and draw the figure."""
    laws, pairs = read_tables(files, params.expected)
    figure = width_pairs(
        laws,
        pairs,
        corpus=params.corpus,
        n=params.n,
        eps2=params.eps2,
        depth=params.depth,
        metrics=params.metrics,
    )
    save(figure, output)


if __name__ == "__main__":
    binding.run(main, snakemake)
