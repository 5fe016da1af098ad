"""Figure: intrinsic dimension against depth and scale."""

from infogeo.jobs import binding
from infogeo.figures.dimension import intrinsic_dimension
from infogeo.figures.style import save
from infogeo.files.artefacts import read_table


def main(files, params, output) -> None:
    """Read the table, and draw the figure."""
    dimensions = read_table(files[0], params.expected)
    save(intrinsic_dimension(dimensions, corpus=params.corpus, n=params.n), output)


if __name__ == "__main__":
    binding.run(main, snakemake)
