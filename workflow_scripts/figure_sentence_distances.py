"""Figure: ordered distances between texts, and how well each distance separates labels."""

from infogeo.figures import sentences as sentence_figures
from infogeo.figures.laws import save
from infogeo.files.artefacts import read_table
from infogeo.jobs import binding
from infogeo.sentences.file import load


def main(files, params, output) -> None:
    """Read the tables, and draw the figure."""
    corpus = params.corpus
    scores = read_table(files.scores, params.expected_scores)
    shown = sentence_figures.shown_models(scores, corpus)["largest"]
    at = params.models.index(shown)
    largest = load(files.sentences[at], params.expected[at])
    figure = sentence_figures.sentence_distances(scores, largest, corpus=corpus, depth=params.depth)
    save(figure, output)


if __name__ == "__main__":
    binding.run(main, snakemake)
