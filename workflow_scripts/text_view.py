"""Text view: the tokens of a few texts, coloured by lasso, attention and ridge weights."""

from infogeo import logs, text_view
from infogeo.artefacts import read_table

if __name__ == "__main__":
    with logs.rule(snakemake):
        frames = (
            read_table(path, expected)
            for path, expected in zip(
                snakemake.input.tokens, snakemake.params.expected, strict=True
            )
        )
        corpus = read_table(snakemake.input.corpus, snakemake.params.expected_corpus)
        text_view.write(
            snakemake.output[0],
            list(zip(snakemake.params.models, frames, strict=True)),
            dict(zip(corpus["doc_id"], corpus["text"], strict=True)),
            corpus=snakemake.wildcards.corpus,
            k=snakemake.params.k,
            most=snakemake.params.view_texts,
        )
