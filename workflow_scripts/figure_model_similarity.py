"""Figure: how similar models are on the same texts."""

from infogeo.jobs import binding
from infogeo.figures.similarity import model_similarity
from infogeo.figures.style import save
from infogeo.files.artefacts import read_table


def main(files, params, output) -> None:
    """Read the table, and draw the figure."""
    models = read_table(files[0], params.expected)
    save(model_similarity(models, corpus=params.corpus), output)


if __name__ == "__main__":
    binding.run(main, snakemake)
