"""Figure: recovery under token ablation, and how many tokens are needed."""

from infogeo.figures import context as context_figures
from infogeo.figures.laws import save
from infogeo.files.artefacts import read_table
from infogeo.jobs import logs

if __name__ == "__main__":
    with logs.rule(snakemake):
        tables = (
            read_table(path, expected)
            for path, expected in zip(snakemake.input, snakemake.params.expected, strict=True)
        )
        figure = context_figures.token_ablation(*tables, corpus=snakemake.wildcards.corpus)
        save(figure, snakemake.output)
