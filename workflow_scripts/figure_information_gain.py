"""Figure: information gain, its identity with ridge regression, and surprisal."""

from infogeo.figures import context as context_figures
from infogeo.figures.laws import save
from infogeo.files.parts import Parts
from infogeo.geometry.metrics import EPS2, Regulariser
from infogeo.jobs import binding


def main(files, params, output) -> None:
    """Read the tables, and draw the figure."""
    corpus, eps2 = params.corpus, params.eps2
    tied = {"corpus": corpus, "regulariser": str(Regulariser(EPS2, eps2))}
    drawn = [{"corpus": corpus}, tied, tied, tied]
    tables = (
        context_figures.of_figure(Parts(path, expected), name, **keys)
        for (name, path), expected, keys in zip(files.items(), params.expected, drawn, strict=True)
    )
    figure = context_figures.information_gain(*tables, corpus=corpus, eps2=eps2)
    save(figure, output)


if __name__ == "__main__":
    binding.run(main, snakemake)
