"""A page of the maps of every model: texts on hover, model and depth to choose."""

from infogeo.jobs import binding
from infogeo.figures import sentence_view
from infogeo.files.artefacts import read_table


def main(files, params, output) -> None:
    """Read maps and texts, and write the page."""
    maps = read_table(files.maps, params.expected_maps)
    corpus = read_table(files.corpus, params.expected_corpus)
    texts = dict(zip(corpus["doc_id"], corpus["text"], strict=True))
    sentence_view.write(output[0], maps, texts, corpus=params.corpus)


if __name__ == "__main__":
    binding.run(main, snakemake)
