"""Figure: negative log-likelihood and predictive entropy against N."""

from infogeo.jobs import binding
from infogeo.figures.conditional_entropy import conditional_entropy
from infogeo.figures.style import save
from infogeo.files.artefacts import read_tables


def main(files, params, output) -> None:
    """Read the tables, and draw the figure."""
    laws, points = read_tables(files, params.expected)
    figure = conditional_entropy(
        laws,
        points,
        corpus=params.corpus,
        n=params.n,
        axis=params.axis,
        beside=params.beside,
    )
    save(figure, output)


if __name__ == "__main__":
    binding.run(main, snakemake)
