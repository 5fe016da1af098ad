"""Figure: information gain, its identity with ridge regression, and surprisal."""

from infogeo.figures import context as context_figures
from infogeo.figures.laws import save
from infogeo.files.parts import Parts
from infogeo.geometry.metrics import EPS2, Regulariser
from infogeo.jobs import logs

if __name__ == "__main__":
    with logs.rule(snakemake):
        corpus, eps2 = snakemake.wildcards.corpus, snakemake.params.eps2
        tied = {"corpus": corpus, "regulariser": str(Regulariser(EPS2, eps2))}
        drawn = [{"corpus": corpus}, tied, tied, tied]
        tables = (
            context_figures.of_figure(Parts(path, expected), name, **keys)
            for (name, path), expected, keys in zip(
                snakemake.input.items(), snakemake.params.expected, drawn, strict=True
            )
        )
        figure = context_figures.information_gain(*tables, corpus=corpus, eps2=eps2)
        save(figure, snakemake.output)
