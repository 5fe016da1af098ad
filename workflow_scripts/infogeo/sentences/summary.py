"""How well every model's distances between texts separate the labels, and two claims about that.

The rules of the verdicts were written before the data: docs/verdicts.md. The headline is the AUC
of `js_centred` at the headline depth; everything else is exploratory.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from infogeo.files.errors import InfogeoError
from infogeo.inference import resampling, scaling
from infogeo.jobs.progress import Heartbeat
from infogeo.sentences.scores import LEAST, SCORES
from infogeo.sentences.separation import Judged, Separation
from infogeo.sources import replicates
from infogeo.sources.cards import by_family, model_columns

HEADLINE = ("js_centred", "auc")  # distance, score
COVARIANCE = ("js_unit", "js_centred", "bures_unit", "bures_centred")
MEANS = ("cosine", "cosine_centred")  # what covariance has to beat
BASELINES = ("bag_of_words", "length")  # without a model: depth ""
REFERENCES = (*MEANS, *BASELINES)


def _bounds(names) -> list[str]:
    """Each name, and its interval's columns."""
    return [column for name in names for column in (name, f"{name}_low", f"{name}_high")]


SCORE_COLUMNS = [
    "corpus", "family", "model", "N", "width", "layers", "depth", "distance", "score", "headline",
    "texts", "labels", "sources", "chance", "value", "low", "high", "p", "q",
    "untrained", "untrained_low", "untrained_high",
    *_bounds(f"minus_{name}" for name in REFERENCES),
]  # fmt: skip
TREND_COLUMNS = [
    "corpus", "family", "depth", "distance", "score", "headline",
    "models", "models_left_out", "points", "texts", "texts_left_out",
    *_bounds(["slope"]), "trend_verdict", "trend_p", "trend_q",
    *_bounds(["excess_slope"]), *_bounds(["value"]),
    *_bounds(f"minus_{name}" for name in (*REFERENCES, "untrained")),
    "covariance_verdict", "covariance_p", "covariance_q", "problems",
]  # fmt: skip


@dataclass(frozen=True)
class Study:
    """Every distance of every model of a corpus, judged on the texts that all of them have.

    Attributes
    ----------
    corpus : str
    models : list of dict
        slug, family, params_total, params_non_embedding, width, layers, replicate.
    separation : Separation
    cells : dict
        (slug, depth, distance) → Judged; depth "": baselines.
    twins : dict
        (slug, depth, distance) → values (draws, scores) and the influence of the sources on their
        mean (sources, scores).
    texts_left_out : int
        Texts that some model lacks, or whose label has no second source.
    """

    corpus: str
    models: list
    separation: Separation
    cells: dict
    twins: dict
    texts_left_out: int

    def cell(self, slug: str, depth: str, distance: str) -> Judged | None:
        """One judged distance, or None; a baseline is found from every depth."""
        return self.cells.get((slug, "" if distance in BASELINES else depth, distance))

    def gap(self, slug: str, depth: str, distance: str, reference: str):
        """Scores less those of a reference, or of the untrained twins ("untrained").

        Returns
        -------
        values : (scores,) array
        influence : (sources, scores) array
            NaN where there is no such reference, or it is the distance itself.
        """
        cell = self.cell(slug, depth, distance)
        if reference == "untrained":
            values, influence = self.twins.get((slug, depth, distance), (None, None))
            other = None if values is None else (values.mean(axis=0), influence)
        else:
            found = None if reference == distance else self.cell(slug, depth, reference)
            other = None if found is None else (found.values, found.influence)
        if other is None:
            return np.full_like(cell.values, np.nan), np.full_like(cell.influence, np.nan)
        return cell.values - other[0], cell.influence - other[1]


def study(
    corpus: str,
    models: list[dict],
    trained: dict,
    untrained: dict,
    *,
    neighbours: int,
    permutations: int,
    seed: int,
) -> Study:
    """Judge every distance of a corpus.

    Parameters
    ----------
    corpus : str
    models : list of dict
        slug, family, params_total, params_non_embedding, width, layers, replicate.
    trained, untrained : dict
        Slug → distances.Sentences, of which one is held at a time; a model may lack twins.
    neighbours, permutations, seed : int
        As for `infogeo.sentences.separation.Separation`.

    Raises
    ------
    InfogeoError
        Where no text is in all models, a text has two labels or sources, or labels cannot be
        judged.
    """
    slugs = [model["slug"] for model in models]
    about: dict[str, tuple] = {}
    shared, total = None, 0
    for part in (trained, untrained):
        for sentences in (part[slug] for slug in slugs if slug in part):
            for text in zip(sentences.doc_ids, sentences.labels, sentences.sources, strict=True):
                if about.setdefault(text[0], text[1:]) != text[1:]:
                    raise InfogeoError(
                        f"results/sentences/{corpus}: the text {text[0]!r} has another label or "
                        "source in one model than in another. Make them anew: "
                        "snakemake -R sentence_geometry"
                    )
            own = set(sentences.doc_ids)
            shared = own if shared is None else shared & own
            total += len(sentences.distances)
    doc_ids = [doc_id for doc_id in about if doc_id in shared]
    if not doc_ids:
        raise InfogeoError(
            f"sentence study of {corpus}: no text is in every one of the {len(models)} models. "
            "Their tokenizers leave too few tokens of too many texts: lower sentences.n"
        )
    labels, sources = zip(*(about[doc_id] for doc_id in doc_ids), strict=True)
    separation = Separation(labels, resampling.clusters(doc_ids, sources), neighbours=neighbours,
                            permutations=permutations, seed=seed)  # fmt: skip
    cells, twins = {}, {}
    beat = Heartbeat(f"separation of labels of {corpus}", total, "distances")
    done = 0
    for slug in slugs:
        for (_, depth, name), distance in _distances(trained[slug], doc_ids):
            cells[slug, depth, name] = separation.judge(distance)
            done += 1
        draws: dict[tuple, list] = {}
        for (_, depth, name), distance in _distances(untrained.get(slug), doc_ids):
            scores = separation.values(distance), separation.influence(distance)
            draws.setdefault((slug, depth, name), []).append(scores)
            done += 1
        for key, scores in draws.items():
            values, influence = (np.stack(part) for part in zip(*scores, strict=True))
            twins[key] = values, influence.mean(axis=0)
        beat.update(done)
    beat.close()
    left_out = len(about) - len(doc_ids) + separation.texts.left_out
    return Study(corpus, models, separation, cells, twins, left_out)


def _distances(sentences, doc_ids):
    """(key, distance) of a model, in the order of doc_ids."""
    if sentences is None:
        return
    place = {doc_id: row for row, doc_id in enumerate(sentences.doc_ids)}
    rows = np.array([place[doc_id] for doc_id in doc_ids])
    for key, distance in sentences.distances.items():
        yield key, np.asarray(distance)[np.ix_(rows, rows)]


def is_headline(depth: str, distance: str, score: str, headline_depth: str) -> bool:
    """Whether a row was declared a headline before the run."""
    return (depth, distance, score) == (headline_depth, *HEADLINE)


# ---------------------------------------------------------------- scores


def scores(study: Study, *, headline_depth: str) -> pd.DataFrame:
    """One row per model, depth, distance and score.

    Parameters
    ----------
    study : Study
    headline_depth : str

    Returns
    -------
    pandas.DataFrame
        SCORE_COLUMNS. low, high: 95 % over sources, within what the score can be; p: permutation
        test, chance: mean of the permuted scores; untrained: mean, least and largest draw of the
        twins; minus_*: paired differences from a reference of the same model and depth. q: see
        `with_q_values`.
    """
    separation, rows = study.separation, []
    held = {
        "texts": len(separation.texts), "labels": separation.texts.onehot.shape[1],
        "sources": len(separation.texts.members),
    }  # fmt: skip
    models = {model["slug"]: model for model in study.models}
    for (slug, depth, distance), cell in study.cells.items():
        low, high = separation.interval(cell.values, cell.influence)
        columns = {
            "chance": cell.chance, "value": cell.values, "p": cell.p,
            "low": np.maximum(low, LEAST), "high": np.minimum(high, 1.0),
        }  # fmt: skip
        if (slug, depth, distance) in study.twins:
            values, _ = study.twins[slug, depth, distance]
            columns |= {"untrained": values.mean(0), "untrained_low": values.min(0),
                        "untrained_high": values.max(0)}  # fmt: skip
        for name in REFERENCES:
            gap, influence = study.gap(slug, depth, distance, name)
            columns |= _estimate(separation, f"minus_{name}", gap, influence)
        for at, score in enumerate(SCORES):
            row = model_columns(study.corpus, models[slug]) | held
            row |= {"depth": depth, "distance": distance, "score": score}
            row["headline"] = is_headline(depth, distance, score, headline_depth)
            rows.append(row | {name: column[at] for name, column in columns.items()})
    return pd.DataFrame(rows).reindex(columns=SCORE_COLUMNS)


def _estimate(separation: Separation, name: str, value, influence) -> dict:
    """The columns of an estimate with its interval."""
    low, high = separation.interval(value, influence)
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def with_q_values(frame: pd.DataFrame) -> pd.DataFrame:
    """Benjamini–Hochberg q values over the exploratory rows of all corpora; headlines have none.

    Takes scores (p → q) or trends (trend_p → trend_q, covariance_p → covariance_q).
    """
    frame = frame.copy()
    exploratory = ~frame["headline"].astype(bool)
    for p in ("p", "trend_p", "covariance_p"):
        if p in frame:
            q = p.removesuffix("p") + "q"
            frame[q] = np.nan
            frame.loc[exploratory, q] = scaling.benjamini_hochberg(frame.loc[exploratory, p])
    return frame


# ---------------------------------------------------------------- claims about a family


def trends(study: Study, *, headline_depth: str, draws: int, seed: int) -> pd.DataFrame:
    """One row per family, depth, distance and score: the change with ln N, and the mean over sizes.

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
        averaged; other models of one shape are points of their own, and then there is no slope.
        slope: of the score on ln N, the interval of `scaling.slope`; sources are crossed with
        models. excess_slope: of the score less the untrained twins'. value, minus_*:
        means over points, 95 % over sources, the models taken as they are. covariance_p: the
        larger p (one-sided t) of minus_cosine and minus_cosine_centred.
    """
    keys = dict.fromkeys((depth, distance) for _, depth, distance in study.cells if depth)
    rows = []
    for family in by_family(study.models):
        for depth, distance in keys:
            there = [m for m in family if (m["slug"], depth, distance) in study.cells]
            if there:
                about = {"corpus": study.corpus, "family": family[0]["family"], "depth": depth,
                         "distance": distance, "models": len(there),
                         "models_left_out": len(family) - len(there)}  # fmt: skip
                rows += _trend(study, about, there, headline_depth, draws, seed)
    return pd.DataFrame(rows).reindex(columns=TREND_COLUMNS)


def _trend(study, about, models, headline_depth, draws, seed) -> list[dict]:
    """The rows of one family, depth and distance."""
    separation, depth, distance = study.separation, about["depth"], about["distance"]
    points, clash = replicates.points(models, "non_embedding")
    grouped = [[models[position]["slug"] for position in point] for point in points]
    N = {model["slug"]: model["params_non_embedding"] for model in models}
    X = scaling.design(np.log([N[group[0]] for group in grouped]))

    def averaged(pairs):
        """Values (points, scores) and influence (sources, points, scores) from slug → pair."""
        means = [[np.mean([pairs[slug][part] for slug in group], axis=0) for group in grouped]
                 for part in (0, 1)]  # fmt: skip
        return np.stack(means[0]), np.stack(means[1], axis=1)

    cells = {slug: study.cells[slug, depth, distance] for slug in N}
    curve = averaged({slug: (cell.values, cell.influence) for slug, cell in cells.items()})
    gaps = {name: averaged({slug: study.gap(slug, depth, distance, name) for slug in N})
            for name in (*REFERENCES, "untrained")}  # fmt: skip
    if clash:
        slopes = excess = [scaling.nowhere(clash)] * len(SCORES)
    else:
        slopes = _slopes(separation, X, curve, draws, seed)
        excess = _slopes(separation, X, gaps["untrained"], draws, seed)
    means = {"value": curve} | {f"minus_{name}": gap for name, gap in gaps.items()}
    columns = {}
    for name, (values, influence) in means.items():
        columns |= _estimate(separation, name, values.mean(0), influence.mean(1))
    p = np.max([_above(separation, gaps[name]) for name in MEANS], axis=0)
    rows = []
    for at, score in enumerate(SCORES):
        slope = slopes[at]
        row = about | {
            "score": score, "headline": is_headline(depth, distance, score, headline_depth),
            "points": len(grouped), "texts": len(separation.texts),
            "texts_left_out": study.texts_left_out,
            "slope": slope.exponent, "slope_low": slope.low, "slope_high": slope.high,
            "trend_verdict": grows(slope, excess[at]),
            "trend_p": 2 * min(slope.p_falls, 1 - slope.p_falls),
            "excess_slope": excess[at].exponent, "excess_slope_low": excess[at].low,
            "excess_slope_high": excess[at].high,
            "covariance_verdict": "", "covariance_p": np.nan,
        }  # fmt: skip
        row |= {name: column[at] for name, column in columns.items()}
        problems = [slope.problem]
        if distance in COVARIANCE:
            ends = [(row[f"minus_{name}_low"], row[f"minus_{name}_high"]) for name in MEANS]
            row |= {"covariance_verdict": says_more(*ends), "covariance_p": p[at]}
            problems += [f"not every model has {name} at this depth" for name in MEANS
                         if np.isnan(row[f"minus_{name}"])]  # fmt: skip
        if np.isnan(row["minus_untrained"]):
            problems.append("not every model has untrained twins at this depth")
        rows.append(row | {"problems": "; ".join(filter(None, problems))})
    return rows


def _slopes(separation, X, curve, draws, seed) -> list[scaling.Slope]:
    """The slope of each score; curve: values (points, scores), influence (sources, points, ...)."""
    values, influence = curve
    shifts = separation.shifts(influence, draws=draws, seed=seed)  # (draws, points, scores)
    return [scaling.slope(X, values[:, at], shifts[..., at], separation.texts.df)
            for at in range(len(SCORES))]  # fmt: skip


def _above(separation, gap) -> np.ndarray:
    """One-sided p (scores,) of "the mean over points of this difference is not above 0"."""
    value, influence = gap[0].mean(axis=0), gap[1].mean(axis=1)
    error = np.sqrt((influence**2).sum(axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        return special.stdtr(separation.texts.df, -value / error)


def grows(slope: scaling.Slope, excess: scaling.Slope) -> str:
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
