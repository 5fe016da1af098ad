"""Figure: entropies against N with fits, and every control beside the data."""

from infogeo.jobs import binding
from infogeo.figures.entropy import entropy_scaling
from infogeo.figures.style import save
from infogeo.files.artefacts import read_tables


def main(files, params, output) -> None:
    """Read the tables, and draw the figure."""
    laws, points = read_tables(files, params.expected)
    figure = entropy_scaling(
        laws,
        points,
        corpus=params.corpus,
        n=params.n,
        eps2=params.eps2,
        depth=params.depth,
        axis=params.axis,
        beside=params.beside,
    )
    save(figure, output)


if __name__ == "__main__":
    binding.run(main, snakemake)
