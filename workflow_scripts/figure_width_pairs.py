"""Figure: models of one width and different depth, side by side."""

from infogeo.figures import laws as plotting
from infogeo.files.artefacts import read_table
from infogeo.jobs import logs

if __name__ == "__main__":
    with logs.rule(snakemake):
        laws, pairs = (
            read_table(path, expected)
            for path, expected in zip(snakemake.input, snakemake.params.expected, strict=True)
        )
        figure = plotting.width_pairs(
            laws,
            pairs,
            corpus=snakemake.wildcards.corpus,
            n=snakemake.params.n,
            eps2=snakemake.params.eps2,
            depth=snakemake.params.depth,
            metrics=snakemake.params.metrics,
        )
        plotting.save(figure, snakemake.output)
