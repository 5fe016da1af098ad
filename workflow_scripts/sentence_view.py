"""A page of the maps of every model: texts on hover, model and depth to choose."""

from infogeo.figures import sentence_view
from infogeo.files.artefacts import read_table
from infogeo.jobs import logs

if __name__ == "__main__":
    with logs.rule(snakemake):
        params = snakemake.params
        maps = read_table(snakemake.input.maps, params.expected_maps)
        corpus = read_table(snakemake.input.corpus, params.expected_corpus)
        texts = dict(zip(corpus["doc_id"], corpus["text"], strict=True))
        sentence_view.write(snakemake.output[0], maps, texts, corpus=snakemake.wildcards.corpus)
