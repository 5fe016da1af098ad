"""Figure: the label AUC of every layer beside measures without labels."""

from infogeo.jobs import binding
from infogeo.figures.style import save
from infogeo.figures.which_layer import which_layer
from infogeo.files.artefacts import read_table


def main(files, params, output) -> None:
    """Read the tables, and draw the figure."""
    paths = files.layers, files.measures, files.profiles
    tables = [read_table(*pair) for pair in zip(paths, params.expected, strict=True)]
    save(which_layer(*tables, corpus=params.corpus, n=params.n_of_measures), output)


if __name__ == "__main__":
    binding.run(main, snakemake)
