"""Figure: what the selectors' tokens explain, and lasso against attention."""

from infogeo.figures import context as context_figures
from infogeo.figures.laws import save
from infogeo.files.artefacts import read_table
from infogeo.jobs import binding


def main(files, params, output) -> None:
    """Read the tables, and draw the figure."""
    (path,), (expected,) = files, params.expected
    figure = context_figures.token_selection(read_table(path, expected), corpus=params.corpus)
    save(figure, output)


if __name__ == "__main__":
    binding.run(main, snakemake)
