"""Figure: information gain, its identity with ridge regression, and surprisal."""

from infogeo.jobs import binding
from infogeo.figures.information_gain import information_gain
from infogeo.figures.style import save
from infogeo.figures.tables import select_parts
from infogeo.files.parts import Parts
from infogeo.geometry.metrics import EPS2, Regulariser


def main(files, params, output) -> None:
    """Read the tables, and draw the figure."""
    corpus, eps2 = params.corpus, params.eps2
    tied = {"corpus": corpus, "regulariser": str(Regulariser(EPS2, eps2))}
    drawn = [{"corpus": corpus}, tied, tied, tied]
    tables = (
        select_parts(Parts(path, expected), "context", name, **keys)
        for (name, path), expected, keys in zip(files.items(), params.expected, drawn, strict=True)
    )
    figure = information_gain(*tables, corpus=corpus, eps2=eps2)
    save(figure, output)


if __name__ == "__main__":
    binding.run(main, snakemake)
