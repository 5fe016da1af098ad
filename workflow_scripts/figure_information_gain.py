"""Figure: information gain, its identity with ridge regression, and surprisal."""

from infogeo import context_figures, logs
from infogeo.artefacts import read_table
from infogeo.plotting import save

if __name__ == "__main__":
    with logs.rule(snakemake):
        tables = (
            read_table(path, expected)
            for path, expected in zip(snakemake.input, snakemake.params.expected, strict=True)
        )
        figure = context_figures.information_gain(
            *tables, corpus=snakemake.wildcards.corpus, eps2=snakemake.params.eps2
        )
        save(figure, snakemake.output)
