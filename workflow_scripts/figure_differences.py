"""Figure: two models side by side, metric by metric."""

from infogeo.jobs import binding
from infogeo.figures.differences import paired_differences
from infogeo.figures.style import save
from infogeo.files.artefacts import read_table
from infogeo.geometry.metrics import at_eps2


def main(files, params, output) -> None:
    """Read the table, and draw the figure."""
    figure = paired_differences(
        read_table(files[0], params.expected),
        corpus=params.corpus,
        n=params.n,
        depth=params.depth,
        metrics=[(at_eps2(metric, params.eps2), kind) for metric, kind in params.metrics],
    )
    save(figure, output)


if __name__ == "__main__":
    binding.run(main, snakemake)
