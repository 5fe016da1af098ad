"""Figure: what the selectors' tokens explain, and lasso against attention."""

from infogeo.figures import context as context_figures
from infogeo.figures.laws import save
from infogeo.files.artefacts import read_table
from infogeo.jobs import logs

if __name__ == "__main__":
    with logs.rule(snakemake):
        (path,), (expected,) = snakemake.input, snakemake.params.expected
        figure = context_figures.token_selection(
            read_table(path, expected), corpus=snakemake.wildcards.corpus
        )
        save(figure, snakemake.output)
