"""Figure: recovery under token ablation, and how many tokens are needed."""

from infogeo import context_figures, logs
from infogeo.artefacts import read_table
from infogeo.plotting import save

if __name__ == "__main__":
    with logs.rule(snakemake):
        tables = (
            read_table(path, expected)
            for path, expected in zip(snakemake.input, snakemake.params.expected, strict=True)
        )
        figure = context_figures.token_ablation(*tables, corpus=snakemake.wildcards.corpus)
        save(figure, snakemake.output)
