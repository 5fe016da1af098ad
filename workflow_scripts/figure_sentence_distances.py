"""Figure: ordered distances between texts, and how well each distance separates labels."""

from infogeo import logs, sentence_figures, sentences
from infogeo.artefacts import read_table
from infogeo.plotting import save

if __name__ == "__main__":
    with logs.rule(snakemake):
        params, corpus = snakemake.params, snakemake.wildcards.corpus
        scores = read_table(snakemake.input.scores, params.expected_scores)
        shown = sentence_figures.shown_models(scores, corpus)["largest"]
        at = params.models.index(shown)
        largest = sentences.load(snakemake.input.sentences[at], params.expected[at])
        figure = sentence_figures.sentence_distances(
            scores, largest, corpus=corpus, depth=params.depth
        )
        save(figure, snakemake.output)
