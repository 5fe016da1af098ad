"""Is information distributed? How many earlier tokens a model needs for its next-token prediction.

Rules and false-verdict rates: docs/verdicts.md.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from infogeo.context.ablation_summary import nothing_kept, over_draws
from infogeo.context.shared_texts import SharedTexts
from infogeo.geometry.metrics import EPS2, Regulariser
from infogeo.inference import regression
from infogeo.sources.cards import by_family, model_columns, no_prediction

LEVEL = 0.9  # of the effect that the earlier tokens have on the next-token distribution
HALF = 0.5  # share of the earlier tokens that divides "distributed" from "concentrated"
MIN_TEXTS, MIN_CLUSTERS = 8, 4
STEPS = 1001  # shares at which the test behind an interval is made
COLUMNS = [
    "corpus", "family", "model", "N", "width", "layers", "replicate", "run", "step", "n", "texts",
    "best_selector", "best_sink", "share90", "share90_low", "share90_high", "censored",
    "share90_random", "share90_random_low", "share90_random_high", "gap", "gap_low", "gap_high",
    "participation_share", "participation_low", "participation_high",
    "gap_residual", "verdict", "sentence", "problem",
]  # fmt: skip


class Curves(NamedTuple):
    """The KL divergences of one model where only some tokens are kept.

    Attributes
    ----------
    names : list of (selector, sink)
    shares : (names, points) array
        Share of the earlier tokens that is kept, ascending.
    kl : (texts, names, points) array
        Nats; draws of the random selector averaged.
    base : (texts, names) array
        KL_0 of the same sink.
    """

    names: list[tuple[str, str]]
    shares: np.ndarray
    kl: np.ndarray
    base: np.ndarray


def needed(recovered, shares):
    """The smallest share of kept tokens from which recovery stays at LEVEL or above.

    Parameters
    ----------
    recovered : (..., points) array
        Recovery at the shares, linear between them.
    shares : (..., points) array
        Ascending.

    Returns
    -------
    low, high : (...) arrays
        The same number where it is known. Where the last point is below LEVEL, the share lies
        somewhere above it: low is the last share, high is 1, since all tokens recover everything.
        NaN where a recovery is NaN.

    Notes
    -----
    Verified against closed forms.
    """
    shares = np.broadcast_to(shares, recovered.shape)
    below = recovered < LEVEL
    points = recovered.shape[-1]
    last = points - 1 - below[..., ::-1].argmax(-1)  # the last point below
    last = np.where(below.any(-1), last, 0)
    after = np.minimum(last + 1, points - 1)

    def at(values, i):
        return np.take_along_axis(values, i[..., None], axis=-1)[..., 0]

    r, r_after, s, s_after = (at(v, i) for v in (recovered, shares) for i in (last, after))
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = s + (s_after - s) * (LEVEL - r) / (r_after - r)
    reached = below.any(-1) & (r_after >= LEVEL)
    low = np.where(reached, crossing, np.where(below.any(-1), shares[..., -1], shares[..., 0]))
    high = np.where(reached, crossing, np.where(below.any(-1), 1.0, shares[..., 0]))
    known = np.isfinite(recovered).all(-1)
    return np.where(known, low, np.nan), np.where(known, high, np.nan)


def halves(clusters, seed: int) -> list[np.ndarray]:
    """Two halves of the texts (positions) that share no cluster; half of the clusters each."""
    names, codes = np.unique(clusters, return_inverse=True)
    order = np.random.default_rng([seed, len(names)]).permutation(len(names))
    first = np.isin(codes, order[: len(names) // 2])
    return [np.flatnonzero(first), np.flatnonzero(~first)]


def tokens_needed(curves: Curves, clusters, *, seed: int) -> dict:
    """The share of tokens for LEVEL recovery under the best selector, and under random.

    The best (selector, sink) is the one that needs the fewest tokens on one half of the texts,
    random left out. It is scored on the other half; both halves are scored together. Random is
    scored on the same texts with the same sink.

    Parameters
    ----------
    curves : Curves
    clusters : (texts,) array
    seed : int
        Of the halves.

    Returns
    -------
    dict
        share90, share90_random, gap (random − best) with _low and _high; censored; best_selector
        and best_sink chosen on all texts. Where the share is not reached on the grid, the estimate
        is NaN. Its lower end then counts the largest share that was run, its upper end 1. A
        selector that was chosen wrongly needs more than the best: so share90_low is the least lower
        end of any selector on all texts, among which the best one is.

    Notes
    -----
    Intervals turn a test around: a share s is too small where mean KL − (1 − LEVEL) mean KL_0 at s
    is above 0, and enough where it is below. The test of that mean over texts is Student's t over
    clusters. That of the gap is Student's t on the jackknife over clusters, the selectors kept.
    Rates: tests/bench/distribution.py.
    """
    rivals = np.array([i for i, (name, _) in enumerate(curves.names) if name != "random"])
    random = {sink: i for i, (name, sink) in enumerate(curves.names) if name == "random"}
    codes = np.unique(clusters, return_inverse=True)[1]
    top = curves.shares[:, -1].min()
    grid = np.linspace(0, top, STEPS)
    lacking = lacks(curves, grid)  # (texts, names, grid)

    def best(texts) -> int:
        shares = needed(1 - curves.kl[texts].mean(0) / curves.base[texts].mean(0)[:, None],
                        curves.shares)[1]  # fmt: skip
        return int(rivals[shares[rivals].argmin()])

    first, second = halves(clusters, seed)
    scored = np.empty(len(clusters), int)
    scored[first], scored[second] = best(second), best(first)
    selector, sink = curves.names[best(np.arange(len(clusters)))]
    out = {"best_selector": selector, "best_sink": sink, "censored": False}
    of_best = lacking[np.arange(len(scored)), scored]  # (texts, grid)
    shares = {"share90": of_best}
    sinks = [curves.names[i][1] for i in scored]
    if random.keys() >= set(sinks):
        rows = [random[sink] for sink in sinks]
        shares["share90_random"] = lacking[np.arange(len(scored)), rows]
    for name in ("share90", "share90_random"):
        known = name in shares
        point = crossing(shares[name].mean(0), grid) if known else np.nan
        low, high = ends(shares[name], codes, grid) if known else (np.nan, np.nan)
        out |= {name: point, f"{name}_low": low, f"{name}_high": high}
    out["censored"] = bool(np.isnan(out["share90"]))
    out["share90_low"] = min(ends(lacking[:, i], codes, grid)[0] for i in rivals)
    out |= dict.fromkeys(("gap", "gap_low", "gap_high"), np.nan)
    if "share90_random" in shares:
        out |= gap(of_best, shares["share90_random"], codes, grid)
    return out


def lacks(curves: Curves, grid) -> np.ndarray:
    """KL − (1 − LEVEL) KL_0 of each text at each share of a grid, (texts, names, grid)."""
    out = np.empty((*curves.base.shape, len(grid)))
    for i, shares in enumerate(curves.shares):
        place = np.interp(grid, shares, np.arange(len(shares)))
        before = np.minimum(place.astype(int), len(shares) - 2)
        part = place - before
        kl = curves.kl[:, i]
        out[:, i] = kl[:, before] * (1 - part) + kl[:, before + 1] * part
    return out - (1 - LEVEL) * curves.base[..., None]


def crossing(lacking, grid) -> float:
    """The share from which a curve (grid,) stays at or below 0, linear between; NaN: none."""
    above = np.flatnonzero(lacking > 0)
    if not len(above):
        return float(grid[0])
    last = above[-1]
    if last == len(grid) - 1:
        return np.nan
    part = lacking[last] / (lacking[last] - lacking[last + 1])
    return float(grid[last] + part * (grid[last + 1] - grid[last]))


def ends(lacking, codes, grid) -> tuple[float, float]:
    """The largest share that is too small, and the least from which all are enough."""
    sums = np.zeros((codes.max() + 1, len(grid)))
    np.add.at(sums, codes, lacking)
    error = np.sqrt(sums.var(0, ddof=1) / len(sums))
    bound = regression.t_quantile(len(sums) - 1) * error
    mean = sums.mean(0)
    tiny = 1e-12 * np.abs(sums).max()  # rounding of what is exactly 0
    low, high = crossing(mean - bound - tiny, grid), crossing(mean + bound - tiny, grid)
    return float(grid[-1]) if np.isnan(low) else low, 1.0 if np.isnan(high) else high


def gap(best, random, codes, grid) -> dict:
    """gap, gap_low, gap_high: the share under random less that under the best selector.

    Where either is not reached, the gap is NaN. Its ends count the share as the largest that was
    run or as 1, whichever is further.
    """

    def apart(keep):
        return crossing(random[keep].mean(0), grid) - crossing(best[keep].mean(0), grid)

    clusters = codes.max() + 1
    left = np.array([apart(codes != code) for code in range(clusters)])
    value = apart(np.full(len(codes), True))
    if np.isfinite([value, *left]).all():
        variance = (clusters - 1) / clusters * ((left - left.mean()) ** 2).sum()
        half = regression.t_quantile(clusters - 1) * np.sqrt(variance)
        return {"gap": value, "gap_low": value - half, "gap_high": value + half}
    (low, high), (random_low, random_high) = ends(best, codes, grid), ends(random, codes, grid)
    return {"gap": np.nan, "gap_low": random_low - high, "gap_high": random_high - low}


def verdict(low: float, high: float) -> str:
    """The verdict on "information is distributed", from the interval of share90.

    Returns
    -------
    str
        "distributed" where more than half of the earlier tokens are needed even by the best
        selector, "concentrated" where fewer than half are enough, else "inconclusive"; "not
        available" where there is no interval.
    """
    if not (np.isfinite(low) and np.isfinite(high)):
        return "not available"
    if low > HALF:
        return "distributed"
    return "concentrated" if high < HALF else "inconclusive"


def sentence(row: dict) -> str:
    """One plain sentence about a model, from its row of the table."""
    if row["verdict"] == "not available":
        return f"{row['model']}: not available ({row['problem']})."

    def share(name):
        point, low, high = (100 * row[f"{name}{end}"] for end in ("", "_low", "_high"))
        if not np.isfinite(low):
            return "an unknown share"
        most = f"{point:.0f} %" if np.isfinite(point) else f"more than {low:.0f} %"
        return f"{most} [{low:.0f} %, {high:.0f} %]"

    return (
        f"{row['model']}: 90 % of the effect of the earlier tokens on the next-token prediction "
        f"needs {share('share90')} of them under {row['best_selector']} (first token "
        f"{row['best_sink']}), {share('share90_random')} under random: {row['verdict']}."
    )


def curves_of(shared: SharedTexts, frame: pd.DataFrame, n: int) -> tuple[Curves, np.ndarray]:
    """The keep curves of one model, and the positions of the shared texts that have all of them.

    Parameters
    ----------
    shared : SharedTexts
    frame : pandas.DataFrame
        One model's ablation table, draws averaged.
    n : int
        Tokens per text.
    """
    keep = frame[frame["mode"] == "keep"].sort_values("k", kind="stable")
    names = list(dict.fromkeys(zip(keep["selector"], keep["sink"], strict=True)))
    index, kl = shared.wide(keep, ["selector", "sink", "share", "k"], "kl")
    base = nothing_kept(shared, frame)
    columns = [
        np.flatnonzero((index["selector"] == selector) & (index["sink"] == sink))
        for selector, sink in names
    ]
    k = index["k"].to_numpy()[np.stack(columns)]  # (names, points)
    forced = np.array([sink == "forced" for _, sink in names])[:, None]
    curves = Curves(
        names,
        np.minimum(k + forced, n - 1) / (n - 1),  # a forced first token is kept besides the k
        kl[:, np.stack(columns)],
        np.stack([base[sink] for _, sink in names], axis=-1),
    )
    complete = np.isfinite(curves.kl).all((1, 2)) & np.isfinite(curves.base).all(1)
    chosen = np.flatnonzero(complete)
    return curves._replace(kl=curves.kl[chosen], base=curves.base[chosen]), chosen


def too_few(texts: int, sources: int) -> str:
    """Why a model cannot be judged on so few texts, or ""."""
    if texts >= MIN_TEXTS and sources >= MIN_CLUSTERS:
        return ""
    return (f"{texts} texts of {sources} sources: at least {MIN_TEXTS} texts of "
            f"{MIN_CLUSTERS} sources are needed")  # fmt: skip


def _reason_unavailable(curves: Curves, clusters) -> str:
    if problem := too_few(len(clusters), len(np.unique(clusters))):
        return problem
    if not (curves.base.mean(0) > 0).all():
        return "dropping all earlier tokens changes nothing: mean KL_0 is 0"
    if all(name == "random" for name, _ in curves.names):
        return "no selector besides random"
    return ""


def distribution(
    corpus: str,
    models: list[dict],
    tables: dict,
    *,
    n: int,
    headline_eps2: float,
    draws: int,
    seed: int,
) -> pd.DataFrame:
    """The verdict on "information is distributed" for each model.

    Parameters
    ----------
    corpus : str
    models : list of dict
        As for `gain_summary.summarise_gain`; also kind.
    tables : dict
        ablation, ablation_status, ridge: slug → table, of causal models.
    n : int
        Tokens per text.
    headline_eps2 : float
        The participation share is that of the ridge weights with λ = nε²/d.
    draws, seed : int

    Returns
    -------
    pandas.DataFrame
        COLUMNS, a row per model.
    """
    by_model = {
        model["slug"]: {
            "n": n, "texts": 0, "censored": False, "best_selector": "", "best_sink": "",
            "verdict": "not available", "problem": no_prediction(model), "model": model["slug"],
        }
        for model in models
        if no_prediction(model)
    }  # fmt: skip
    for family in by_family([model for model in models if not no_prediction(model)]):
        slugs = [model["slug"] for model in family]
        of_ablation, of_ridge = (
            SharedTexts((tables[name][slug] for slug in slugs), draws=draws, seed=seed)
            for name in ("ablation", "ridge")
        )
        for slug in slugs:
            status = tables["ablation_status"][slug].iloc[0]
            row = {"gap_residual": status["gap_residual"], "n": n, "texts": 0, "censored": False,
                   "best_selector": "", "best_sink": ""}  # fmt: skip
            row |= _participation(
                of_ridge, tables["ridge"][slug], str(Regulariser(EPS2, headline_eps2))
            )
            frame = tables["ablation"][slug]
            problem = status["problem"] or ("" if len(frame) else "no text was ablated")
            if not problem:
                curves, texts = curves_of(of_ablation, over_draws(frame), n)
                clusters = of_ablation.clusters[texts]
                row["texts"] = len(texts)
                problem = _reason_unavailable(curves, clusters)
            if not problem:
                row |= tokens_needed(curves, clusters, seed=seed)
            low, high = (row.get(f"share90_{end}", np.nan) for end in ("low", "high"))
            row |= {"model": slug, "problem": problem, "verdict": verdict(low, high)}
            by_model[slug] = row
    rows = [by_model[model["slug"]] | model_columns(corpus, model) for model in models]
    for row in rows:
        row["sentence"] = sentence(row)
    return pd.DataFrame(rows).reindex(columns=COLUMNS).astype({"step": "Int64"})


def _participation(shared: SharedTexts, frame: pd.DataFrame, regulariser: str) -> dict:
    """Mean participation share of the ridge weights of the last token, with its interval."""
    frame = frame[frame["regulariser"] == regulariser]
    if not len(frame):
        return {}
    _, values = shared.wide(frame, ["regulariser"], "participation_share")
    names = ("participation_share", "participation_low", "participation_high")
    return dict(zip(names, np.ravel(shared.mean(values)), strict=True))
