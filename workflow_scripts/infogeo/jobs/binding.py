"""What a rule hands to the function `main` of its script."""

import gc
from types import SimpleNamespace

from infogeo.jobs import logs


def parameters(snakemake) -> SimpleNamespace:
    """What a job is to compute, by name, whether its rule states it in params or in wildcards.

    Parameters
    ----------
    snakemake
        Of the script of a rule.

    Returns
    -------
    types.SimpleNamespace
        The params, the wildcards, `threads` and `checkpoints_at_once`; see `borrowed.weights`.
        Where the rule states a placement also `launch`: placement, workers, threads and
        resources; see `work.Launch`.
    """
    resources = dict(snakemake.resources.items())
    bound = SimpleNamespace(
        **dict(snakemake.params.items()),
        **dict(snakemake.wildcards.items()),
        threads=snakemake.threads,
        checkpoints_at_once=resources.get("checkpoints_at_once", 0),
    )
    if "placement" in resources:
        bound.launch = {
            "placement": resources["placement"],
            "workers": resources["workers"],
            "threads": snakemake.threads,
            "resources": resources,
        }
    return bound


def of_each_corpus(corpora, *of_all):
    """Yield every corpus and its parts of sequences that hold all models of one after the other.

    Parameters
    ----------
    corpora : list of str
    *of_all : iterables
        As many items for each corpus as there are models.
    """
    parts = [_parts(values, len(corpora)) for values in of_all]
    yield from zip(corpora, *parts, strict=True)


def _parts(values, count: int) -> list[list]:
    """The values in so many parts of equal length."""
    values = list(values)
    size = len(values) // count
    return [values[i * size : (i + 1) * size] for i in range(count)]


def run(main, snakemake) -> None:
    """Call a script's main(files, params, output) with those of its rule; see `logs.rule`.

    What imports have made is never garbage: a search through it takes 0.4 s with PyTorch, and jobs
    search often.
    """
    gc.freeze()
    with logs.rule(snakemake):
        main(snakemake.input, parameters(snakemake), snakemake.output)
