"""What scores of separation show of a family: whether they rise with N, and whether covariance
says more than the mean.

The rules of the verdicts were written before the data: docs/verdicts.md.
"""

import numpy as np
import pandas as pd
from scipy import special

from infogeo.inference import regression
from infogeo.sentences.scores import SCORES
from infogeo.sentences.study import MEANS, REFERENCES, Study
from infogeo.sentences.summary import HEADLINE, bounds, estimate, is_headline
from infogeo.sources import comparable, replicates, runs
from infogeo.sources.cards import by_family

COVARIANCE = ("js_unit", "js_centred", "bures_unit", "bures_centred")
TREND_COLUMNS = [
    "corpus", "family", "depth", "first", "distance", "score", "headline",
    "models", "models_left_out", "points", "texts", "texts_left_out",
    *bounds(["slope"]), "trend_verdict", "trend_p", "trend_q",
    *bounds(["excess_slope"]), *bounds(["value"]),
    *bounds(f"minus_{name}" for name in (*REFERENCES, "untrained", "out")),
    "covariance_verdict", "covariance_p", "covariance_q", "problems",
]  # fmt: skip


def trend_table(study: Study, *, headline_depth: str, draws: int, seed: int) -> pd.DataFrame:
    """The change of each score with ln N, and its mean over sizes.

    One row per family, depth, distance with the first token or without it, and score.

    Parameters
    ----------
    study : Study
    headline_depth : str
    draws, seed : int
        Of the resamples of sources behind the slope's interval.

    Returns
    -------
    pandas.DataFrame
        TREND_COLUMNS. Replicates are one point (`infogeo.sources.replicates`), their scores
        averaged. There is no slope over other models of one shape, different tokenizers (their
        texts are cut at other bytes) or different dtypes.
        slope: of the score on ln N, the interval of `regression.slope`; sources are crossed with
        models. excess_slope: of the score less the untrained twins'. value, minus_*:
        means over points, 95 % over sources, the models taken as they are. covariance_p: the
        larger p (one-sided t) of minus_cosine and minus_cosine_centred.
    """
    keys = dict.fromkeys(tuple(key) for _, *key in study.cells if key[0])
    rows = []
    for family in by_family(runs.last_of_runs(study.models)):
        for key in keys:
            measured = [m for m in family if (m["slug"], *key) in study.cells]
            if measured:
                cell = {"corpus": study.corpus, "family": family[0]["family"],
                         **dict(zip(("depth", "first", "distance"), key, strict=True)),
                         "models": len(measured),
                         "models_left_out": len(family) - len(measured)}  # fmt: skip
                rows += _trend(study, cell, measured, headline_depth, draws, seed)
    return pd.DataFrame(rows).reindex(columns=TREND_COLUMNS)


def not_available(
    corpus: str, models: list[dict], problem: str, *, headline_depth: str
) -> pd.DataFrame:
    """The headline of each family, and the cosine beside it, of texts that cannot be judged.

    Parameters
    ----------
    corpus : str
    models : list of dict
    problem : str
        Why they cannot.
    headline_depth : str

    Returns
    -------
    pandas.DataFrame
        TREND_COLUMNS.
    """
    covariance, score = HEADLINE
    nothing = {"corpus": corpus, "depth": headline_depth, "first": "in", "score": score,
               "points": 0, "texts": 0, "trend_verdict": "not available",
               "problems": problem}  # fmt: skip
    rows = [
        nothing
        | {"family": family[0]["family"], "models": 0, "models_left_out": len(family)}
        | {"distance": distance, "headline": distance == covariance, "covariance_verdict": verdict}
        for family in by_family(runs.last_of_runs(models))
        for distance, verdict in ((covariance, "not available"), ("cosine", ""))
    ]
    return pd.DataFrame(rows).reindex(columns=TREND_COLUMNS)


def _trend(study, cell, models, headline_depth, draws, seed) -> list[dict]:
    """The rows of one family, depth and distance."""
    separation, key = study.separation, (cell["depth"], cell["first"], cell["distance"])
    points, clash = replicates.points(models, "non_embedding")
    grouped = [[models[position]["slug"] for position in point] for point in points]
    N = {model["slug"]: model["params_non_embedding"] for model in models}
    X = regression.design(np.log([N[group[0]] for group in grouped]))

    def averaged(pairs):
        """Values (points, scores) and influence (sources, points, scores) from slug → pair."""
        means = [[np.mean([pairs[slug][part] for slug in group], axis=0) for group in grouped]
                 for part in (0, 1)]  # fmt: skip
        return np.stack(means[0]), np.stack(means[1], axis=1)

    judged = {slug: study.cells[slug, *key] for slug in N}
    curve = averaged({slug: (own.values, own.influence) for slug, own in judged.items()})
    gaps = {name: averaged({slug: study.gap(slug, *key, name) for slug in N})
            for name in (*REFERENCES, "untrained", "out")}  # fmt: skip
    reason = "; ".join(filter(None, [clash, _incomparable(models)]))
    if reason:
        slopes = excess = [regression.no_slope(reason)] * len(SCORES)
    else:
        slopes = _slopes(separation, X, curve, draws, seed)
        excess = _slopes(separation, X, gaps["untrained"], draws, seed)
    columns = {}
    means = {"value": curve} | {f"minus_{name}": gap for name, gap in gaps.items()}
    for name, (values, influence) in means.items():
        columns |= estimate(separation, name, values.mean(0), influence.mean(1))
    p = np.max([_above(separation, gaps[name]) for name in MEANS], axis=0)
    shared = cell | {"points": len(grouped), "texts": len(separation.texts),
             "texts_left_out": study.texts_left_out}  # fmt: skip
    return [
        shared
        | {"score": score, "headline": is_headline(*key, score, headline_depth)}
        | _conclusions(cell["distance"], slopes[at], excess[at], p[at],
                       {name: column[at] for name, column in columns.items()})
        for at, score in enumerate(SCORES)
    ]  # fmt: skip


def _incomparable(models: list[dict]) -> str:
    """Why these models may not be compared with each other, or ""."""
    tokenizers = ""
    if comparable.mixed_tokenizers(models):
        tokenizers = (
            "models with different tokenizers are not compared: their texts of n tokens differ"
        )
    return "; ".join(filter(None, [comparable.mixed_dtypes(models), tokenizers]))


def _conclusions(distance, slope, excess, p, means: dict) -> dict:
    """The columns of one score: its slopes, its means over models, both verdicts and problems."""
    row = means | {
        "slope": slope.exponent, "slope_low": slope.low, "slope_high": slope.high,
        "trend_verdict": grows(slope, excess),
        "trend_p": 2 * min(slope.p_falls, 1 - slope.p_falls),
        "excess_slope": excess.exponent, "excess_slope_low": excess.low,
        "excess_slope_high": excess.high,
        "covariance_verdict": "", "covariance_p": np.nan,
    }  # fmt: skip
    problems = [slope.problem]
    if distance in COVARIANCE:
        ends = [(row[f"minus_{name}_low"], row[f"minus_{name}_high"]) for name in MEANS]
        row |= {"covariance_verdict": says_more(*ends), "covariance_p": p}
        problems += [f"not every model has {name} at this depth" for name in MEANS
                     if np.isnan(row[f"minus_{name}"])]  # fmt: skip
    if np.isnan(row["minus_untrained"]):
        problems.append("not every model has untrained twins at this depth")
    return row | {"problems": "; ".join(filter(None, problems))}


def _slopes(separation, X, curve, draws, seed) -> list[regression.Slope]:
    """The slope of each score; curve: values (points, scores), influence (sources, points, ...)."""
    values, influence = curve
    shifts = separation.shifts(influence, draws=draws, seed=seed)  # (draws, points, scores)
    return [regression.slope(X, values[:, at], shifts[..., at], separation.texts.df)
            for at in range(len(SCORES))]  # fmt: skip


def _above(separation, gap) -> np.ndarray:
    """One-sided p (scores,) of "the mean over points of this difference is not above 0"."""
    value, influence = gap[0].mean(axis=0), gap[1].mean(axis=1)
    error = np.sqrt((influence**2).sum(axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        return special.stdtr(separation.texts.df, -value / error)


def grows(slope: regression.Slope, excess: regression.Slope) -> str:
    """The verdict on "larger models separate meaning better".

    Parameters
    ----------
    slope : Slope
        Of the score on ln N.
    excess : Slope
        Of the score less that of the untrained twins; NaN where they were not measured.
    """
    if not np.isfinite(slope.high):
        return "not available"
    if slope.low > 0 and excess.low > 0:  # NaN > 0 is false
        return "supported"
    return "contradicted" if slope.high < 0 else "inconclusive"


def says_more(*intervals) -> str:
    """The verdict on "covariance says more than the mean".

    Parameters
    ----------
    *intervals : pairs of float
        Ends of the intervals of the score less that of each distance of means. All have to lie
        above 0 (intersection–union: each is tested at one-sided 2.5 %, and no correction for
        their number is needed); one below 0 contradicts.
    """
    if not np.isfinite(intervals).all():
        return "not available"
    if all(low > 0 for low, _ in intervals):
        return "supported"
    return "contradicted" if any(high < 0 for _, high in intervals) else "inconclusive"
