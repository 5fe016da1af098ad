"""Figure: what the selectors' tokens explain, and lasso against attention."""

from infogeo.jobs import binding
from infogeo.figures.style import save
from infogeo.figures.token_selection import token_selection
from infogeo.files.artefacts import read_table


def main(files, params, output) -> None:
    """Read the tables, and draw the figure."""
    (path,), (expected,) = files, params.expected
    figure = token_selection(read_table(path, expected), corpus=params.corpus)
    save(figure, output)


if __name__ == "__main__":
    binding.run(main, snakemake)
