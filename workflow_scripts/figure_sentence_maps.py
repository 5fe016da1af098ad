"""Figure: mean embeddings of texts in two dimensions, by PCA and by UMAP."""

from infogeo import logs, sentence_figures
from infogeo.artefacts import read_table
from infogeo.plotting import save

if __name__ == "__main__":
    with logs.rule(snakemake):
        maps, scores = (
            read_table(path, expected)
            for path, expected in zip(snakemake.input, snakemake.params.expected, strict=True)
        )
        figure = sentence_figures.sentence_maps(
            maps, scores, corpus=snakemake.wildcards.corpus, depth=snakemake.params.depth
        )
        save(figure, snakemake.output)
