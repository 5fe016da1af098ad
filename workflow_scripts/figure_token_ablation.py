"""Figure: recovery under token ablation, and how many tokens are needed."""

from infogeo.jobs import binding
from infogeo.figures.style import save
from infogeo.figures.token_ablation import token_ablation
from infogeo.files.artefacts import read_tables


def main(files, params, output) -> None:
    """Read the tables, and draw the figure."""
    tables = read_tables(files, params.expected)
    figure = token_ablation(*tables, corpus=params.corpus)
    save(figure, output)


if __name__ == "__main__":
    binding.run(main, snakemake)
