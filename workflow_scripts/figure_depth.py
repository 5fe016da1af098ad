"""Figure: entropies and exponents against relative depth."""

from infogeo.jobs import binding
from infogeo.figures.depth import depth_profiles
from infogeo.figures.style import save
from infogeo.files.artefacts import read_tables


def main(files, params, output) -> None:
    """Read the tables, and draw the figure."""
    laws, profiles = read_tables(files, params.expected)
    figure = depth_profiles(
        laws,
        profiles,
        corpus=params.corpus,
        n=params.n,
        eps2=params.eps2,
        axis=params.axis,
    )
    save(figure, output)


if __name__ == "__main__":
    binding.run(main, snakemake)
