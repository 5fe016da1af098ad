"""Figure: ordered distances between texts, and how well each distance separates labels."""

from infogeo.figures import sentences as sentence_figures
from infogeo.figures.laws import save
from infogeo.files.artefacts import read_table
from infogeo.jobs import logs
from infogeo.sentences.file import load

if __name__ == "__main__":
    with logs.rule(snakemake):
        params, corpus = snakemake.params, snakemake.wildcards.corpus
        scores = read_table(snakemake.input.scores, params.expected_scores)
        shown = sentence_figures.shown_models(scores, corpus)["largest"]
        at = params.models.index(shown)
        largest = load(snakemake.input.sentences[at], params.expected[at])
        figure = sentence_figures.sentence_distances(
            scores, largest, corpus=corpus, depth=params.depth
        )
        save(figure, snakemake.output)
