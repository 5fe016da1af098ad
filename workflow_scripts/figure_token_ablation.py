"""Figure: recovery under token ablation, and how many tokens are needed."""

from infogeo.figures import context as context_figures
from infogeo.figures.laws import save
from infogeo.files.artefacts import read_tables
from infogeo.jobs import binding


def main(files, params, output) -> None:
    """Read the tables, and draw the figure."""
    tables = read_tables(files, params.expected)
    figure = context_figures.token_ablation(*tables, corpus=params.corpus)
    save(figure, output)


if __name__ == "__main__":
    binding.run(main, snakemake)
