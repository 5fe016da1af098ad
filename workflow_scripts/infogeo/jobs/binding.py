"""What a rule hands to the function `main` of its script."""

import gc
import sys
from types import SimpleNamespace

from infogeo.jobs import logs

# In a job's own process nothing is garbage until `run`: what searches find in imports is nothing,
# and they take a fifth of the imports' time.
if hasattr(sys.modules["__main__"], "snakemake"):
    gc.disable()


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
        `launch`: placement and workers (where the rule states none: its own process), threads and
        resources; see `work.Launch`.
    """
    resources = dict(snakemake.resources.items())
    launch = {
        "placement": resources.get("placement", "debug"),
        "workers": resources.get("workers", 1),
        "threads": snakemake.threads,
        "resources": resources,
    }
    return SimpleNamespace(
        **dict(snakemake.params.items()),
        **dict(snakemake.wildcards.items()),
        threads=snakemake.threads,
        checkpoints_at_once=resources.get("checkpoints_at_once", 0),
        launch=launch,
    )


def of_twins(files, places: list[int]) -> list:
    """The files of the untrained twins of each model on each corpus.

    Parameters
    ----------
    files : list of path
        Of twins that models of one architecture share, each of them once; of several draws one
        after the other.
    places : list of int
        Which of the twins are those of each model.
    """
    draws = len(files) // (max(places) + 1) if places else 0
    return [file for place in places for file in files[place * draws : (place + 1) * draws]]


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
    gc.enable()
    with logs.rule(snakemake):
        main(snakemake.input, parameters(snakemake), snakemake.output)
