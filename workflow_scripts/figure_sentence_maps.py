"""Figure: mean embeddings of texts in two dimensions, by PCA and by UMAP."""

from infogeo.figures import sentences as sentence_figures
from infogeo.figures.laws import save
from infogeo.files.artefacts import read_table
from infogeo.jobs import logs

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
