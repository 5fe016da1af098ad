"""Figure: negative log-likelihood and predictive entropy against N."""

from infogeo.figures import laws as plotting
from infogeo.files.artefacts import read_table
from infogeo.jobs import logs

if __name__ == "__main__":
    with logs.rule(snakemake):
        laws, points = (
            read_table(path, expected)
            for path, expected in zip(snakemake.input, snakemake.params.expected, strict=True)
        )
        figure = plotting.conditional_entropy(
            laws,
            points,
            corpus=snakemake.wildcards.corpus,
            n=snakemake.params.n,
            axis=snakemake.params.axis,
        )
        plotting.save(figure, snakemake.output)
