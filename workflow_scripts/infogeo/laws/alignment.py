"""Whether larger models of a family are more alike, beyond what their untrained twins are.

The rule of the verdict was written before its rates were measured: docs/verdicts.md.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import special

from infogeo.files.numbers import counted
from infogeo.geometry.similarity import CKA, compare
from infogeo.geometry.similarity_inference import LEAST_SOURCES, without_each_source
from infogeo.geometry.similarity_rows import SharedTexts, fisher
from infogeo.geometry.text_rows import Rows
from infogeo.inference import resampling
from infogeo.sources import comparable, replicates, runs
from infogeo.sources.cards import by_family

LEAST_POINTS = 5
KINDS = (Rows("means", "in"), Rows("means", "out"))
COLUMNS = [
    "corpus", "family", "layer", "n", "scope", "first", "measure", "models", "points", "texts",
    "sources", "slope", "slope_low", "slope_high", "excess_slope", "excess_slope_low",
    "excess_slope_high", "verdict", "problems",
]  # fmt: skip
NO_TWINS = "two draws of the untrained twins of every model"


class Trend(NamedTuple):
    """Change of a similarity (Fisher's z) with ln N, and its 95 % interval."""

    slope: float
    low: float
    high: float


NO_TREND = Trend(np.nan, np.nan, np.nan)


def trend(x, z, left) -> Trend:
    """How the similarity of two models goes with their size, at equal distance in size.

    Least squares over pairs: z on 1, the mean of both ln N, and their distance.

    Parameters
    ----------
    x : (points,) array
        ln N.
    z : (points, points) array
        Fisher's z of the similarities; the diagonal is not read.
    left : (sources, points, points) array
        The same without the texts of each source.

    Returns
    -------
    Trend
        NO_TREND below LEAST_POINTS, or where a pair has no similarity. The interval is of the
        jackknife over points, which share pairs, and of that over sources: variances add up, and
        t has points − 3 degrees of freedom, or sources − 1 where these are fewer.

    Notes
    -----
    Verified against planted slopes. Coverage and rates: tests/bench/alignment.py.
    """
    x = np.asarray(x, float)
    one, other = np.triu_indices(len(x), 1)
    curves = np.concatenate([z[None], left])[:, one, other].T  # (pairs, 1 + sources)
    if len(x) < LEAST_POINTS or not np.isfinite(curves).all():
        return NO_TREND
    X = np.column_stack([np.ones(len(one)), (x[one] + x[other]) / 2, np.abs(x[one] - x[other])])

    def slopes(pairs):
        return np.linalg.lstsq(X[pairs], curves[pairs], rcond=None)[0][1]

    of_all = slopes(np.full(len(one), True))
    of_points = [slopes((one != point) & (other != point))[0] for point in range(len(x))]
    variance = _jackknife(np.array(of_points)) + _jackknife(of_all[1:])
    freedom = min(len(x) - 3, len(left) - 1)
    half = special.stdtrit(freedom, 0.975) * np.sqrt(variance)
    return Trend(of_all[0], of_all[0] - half, of_all[0] + half)


def _jackknife(left) -> float:
    return (len(left) - 1) / len(left) * ((left - left.mean()) ** 2).sum()


def verdict(raw: Trend, excess: Trend) -> str:
    """Whether larger models are more alike. Rule: docs/verdicts.md.

    Parameters
    ----------
    raw, excess : Trend
        Of the models, and of the models less their untrained twins.
    """
    if not (np.isfinite(raw.high) and np.isfinite(excess.high)):
        return "not available"
    if raw.low > 0 and excess.low > 0:
        return "supported"
    return "contradicted" if raw.high < 0 else "inconclusive"


def alignment_table(corpora: list[tuple]) -> pd.DataFrame:
    """Whether larger models are more alike, for every family and corpus.

    Parameters
    ----------
    corpora : list of (str, list of dict, callable, callable)
        Corpus, models (slug, family, width, layers, params_total, params_non_embedding,
        tokenizer_sha256, replicate, run, step), and what gives rows of a model and of its twins;
        see `SharedTexts`.

    Returns
    -------
    pandas.DataFrame
        COLUMNS: of the debiased CKA of mean states, with the first token of each text and without.
        slope: change of its Fisher's z with ln N; excess_slope: of z less the twins'.
    """
    rows = []
    for corpus, models, *of_slug in corpora:
        for family in by_family(runs.last_of_runs(models)):
            about = {"corpus": corpus, "family": family[0]["family"]}
            rows += [about | row for row in _of_family(family, of_slug)]
    return pd.DataFrame(rows, columns=COLUMNS)


def _of_family(models: list[dict], of_slug: list[Callable]) -> list[dict]:
    """The rows of a family, one for each of KINDS."""
    points, clash = replicates.points(models, "non_embedding")
    row = {"measure": CKA, "models": len(models), "points": len(points)}
    problem = clash
    if comparable.mixed_tokenizers(models):
        problem = "models with different tokenizers read other texts in n tokens"
    elif len(points) < LEAST_POINTS:
        problem = f"{counted(len(points), 'size')}: {LEAST_POINTS} are needed"
    if problem:
        return _without_verdict(row, problem)
    shared = SharedTexts([model["slug"] for model in models], *of_slug)
    clusters = resampling.clusters(shared.doc_ids, shared.sources)
    row |= {"layer": shared.layer, "n": shared.n, "texts": len(clusters)}
    row |= {"sources": (count := len(set(clusters)))}
    if count < LEAST_SOURCES:
        return _without_verdict(row, f"{counted(count, 'source')}: {LEAST_SOURCES} are needed")
    x = np.log([models[point[0]]["params_non_embedding"] for point in points])
    return [row | kind._asdict() | _of_kind(shared, kind, clusters, x, points) for kind in KINDS]


def _without_verdict(row: dict, problem: str) -> list[dict]:
    row = row | {"verdict": "not available", "problems": problem}
    return [row | kind._asdict() for kind in KINDS]


def _of_kind(shared: SharedTexts, kind: Rows, clusters, x, points) -> dict:
    """Both trends and the verdict of one kind of rows."""

    def at_points(z):
        one = np.stack([z[..., point, :].mean(axis=-2) for point in points], axis=-2)
        return np.stack([one[..., point].mean(axis=-1) for point in points], axis=-1)

    rows = list(shared.of_models(kind).values())
    compared = compare(rows, CKA, sources=clusters, keep=True)
    z, left = (
        at_points(fisher(values))
        for values in (compared.values, compared.spread(without_each_source(compared)))
    )
    raw, excess = trend(x, z, left), NO_TREND
    problem = "" if np.isfinite(raw.high) else "a pair of models has no similarity"
    twins = shared.of_twins(kind, CKA, sources=clusters, keep=True)
    if twins is not None:
        compared = twins.compared
        of_twins, of_twins_left = (
            at_points(twins.of_models(values))
            for values in (compared.values, compared.spread(without_each_source(compared)))
        )
        excess = trend(x, z - of_twins, left - of_twins_left)
    if not problem and not np.isfinite(excess.high):
        whole = twins is not None and (twins.place >= 0).all()
        problem = "a pair of untrained twins has no similarity" if whole else NO_TWINS
    row = {"verdict": verdict(raw, excess), "problems": problem}
    for name, given in (("slope", raw), ("excess_slope", excess)):
        row |= dict(zip((name, f"{name}_low", f"{name}_high"), given, strict=True))
    return row
