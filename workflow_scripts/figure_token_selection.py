"""Figure: what the selectors' tokens explain, and lasso against attention."""

from infogeo import context_figures, logs
from infogeo.artefacts import read_table
from infogeo.plotting import save

if __name__ == "__main__":
    with logs.rule(snakemake):
        (path,), (expected,) = snakemake.input, snakemake.params.expected
        figure = context_figures.token_selection(
            read_table(path, expected), corpus=snakemake.wildcards.corpus
        )
        save(figure, snakemake.output)
