"""Figure: mean embeddings of texts in two dimensions, by PCA and by UMAP."""

from infogeo.jobs import binding
from infogeo.figures.sentence_maps import sentence_maps
from infogeo.figures.style import save
from infogeo.files.artefacts import read_tables


def main(files, params, output) -> None:
    """Read the tables, and draw the figure."""
    maps, scores = read_tables(files, params.expected)
    figure = sentence_maps(maps, scores, corpus=params.corpus, depth=params.depth)
    save(figure, output)


if __name__ == "__main__":
    binding.run(main, snakemake)
