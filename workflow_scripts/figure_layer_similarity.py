"""Figure: how similar the layers of some models are."""

from infogeo.jobs import binding
from infogeo.figures.similarity import layer_similarity
from infogeo.figures.style import save
from infogeo.files.artefacts import read_table


def main(files, params, output) -> None:
    """Read the table, and draw the figure."""
    layers = read_table(files[0], params.expected)
    save(layer_similarity(layers, corpus=params.corpus), output)


if __name__ == "__main__":
    binding.run(main, snakemake)
