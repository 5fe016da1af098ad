"""Text view: the tokens of a few texts, coloured by lasso, attention and ridge weights."""

from infogeo.jobs import binding
from infogeo.figures import text_view
from infogeo.files.artefacts import read_table
from infogeo.files.parts import LazyTables


def main(files, params, output) -> None:
    """Read the weights of each model and the texts, and write the page."""
    models = LazyTables(read_table, params.models, files.tokens, params.expected)
    corpus = read_table(files.corpus, params.expected_corpus)
    text_view.write(
        output[0],
        models.items(),
        dict(zip(corpus["doc_id"], corpus["text"], strict=True)),
        corpus=params.corpus,
        k=params.k,
        most=params.view_texts,
    )


if __name__ == "__main__":
    binding.run(main, snakemake)
