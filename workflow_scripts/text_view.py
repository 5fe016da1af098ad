"""Text view: the tokens of a few texts, coloured by lasso, attention and ridge weights."""

from infogeo.figures import text_view
from infogeo.files.artefacts import read_table
from infogeo.files.parts import Lazily
from infogeo.jobs import logs

if __name__ == "__main__":
    with logs.rule(snakemake):
        params = snakemake.params
        models = Lazily(read_table, params.models, snakemake.input.tokens, params.expected)
        corpus = read_table(snakemake.input.corpus, params.expected_corpus)
        text_view.write(
            snakemake.output[0],
            models.items(),
            dict(zip(corpus["doc_id"], corpus["text"], strict=True)),
            corpus=snakemake.wildcards.corpus,
            k=params.k,
            most=params.view_texts,
        )
