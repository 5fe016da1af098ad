"""Figure: ordered distances between texts, and how well each distance separates labels."""

from infogeo.jobs import binding
from infogeo.figures.sentence_distances import sentence_distances
from infogeo.figures.sentence_models import shown_models
from infogeo.figures.style import save
from infogeo.files.artefacts import read_table
from infogeo.sentences.file import load


def main(files, params, output) -> None:
    """Read the tables, and draw the figure."""
    corpus = params.corpus
    scores = read_table(files.scores, params.expected_scores)
    largest, shown = None, shown_models(scores, corpus).get("largest")
    if shown:
        at = params.models.index(shown)
        largest = load(files.sentences[at], params.expected[at])
    figure = sentence_distances(scores, largest, corpus=corpus, depth=params.depth)
    save(figure, output)


if __name__ == "__main__":
    binding.run(main, snakemake)
