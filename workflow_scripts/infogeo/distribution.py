"""Is information distributed? How many earlier tokens a model needs for its next-token prediction.

Rules and false-verdict rates: docs/verdicts.md.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from infogeo import resampling
from infogeo.context_summary import Sample, described, families, nothing_kept, over_draws

LEVEL = 0.9  # of the effect that the earlier tokens have on the next-token distribution
HALF = 0.5  # share of the earlier tokens that divides "distributed" from "concentrated"
MIN_TEXTS, MIN_CLUSTERS = 8, 4
COLUMNS = [
    "corpus", "family", "model", "N", "width", "layers", "n", "texts",
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


def tokens_needed(curves: Curves, clusters, *, draws: int, seed: int) -> dict:
    """The share of tokens for LEVEL recovery under the best selector, and under random.

    The best (selector, sink), random left out, is the one that needs the fewest tokens on one
    half of the texts, and is scored on the other half; the mean of both ways. Random is scored on
    the same texts with the same sink.

    Parameters
    ----------
    curves : Curves
    clusters : (texts,) array
    draws, seed : int
        Of the bootstrap: clusters are resampled within each half, and the best is chosen anew in
        each draw.

    Returns
    -------
    dict
        share90, share90_random, gap (random − best) with _low and _high; censored; best_selector
        and best_sink chosen on all texts. Where the share is not reached on the grid, the
        estimate is NaN, its lower end counts it as the largest share that was run and its upper
        end as 1.
    """
    rivals = np.array([i for i, (name, _) in enumerate(curves.names) if name != "random"])
    sinks = [sink for _, sink in curves.names]
    random = np.array([  # of each (selector, sink): random with the same sink; −1: not run
        curves.names.index(("random", sink)) if ("random", sink) in curves.names else -1
        for sink in sinks
    ])  # fmt: skip

    def shares(texts, weights):  # → (2, draws, names + 1): low and high ends; the last is NaN
        kl = curves.kl[texts].reshape(len(texts), -1)
        kl = (weights @ kl).reshape(len(weights), len(curves.names), -1)
        base = (weights @ curves.base[texts])[..., None]
        with np.errstate(divide="ignore", invalid="ignore"):
            found = np.stack(needed(1 - kl / base, curves.shares))
        return np.pad(found, [(0, 0), (0, 0), (0, 1)], constant_values=np.nan)

    def best(found):  # of (2, draws, names + 1): positions (draws,)
        return rivals[np.nan_to_num(found[1][:, rivals], nan=np.inf).argmin(-1)]

    def both_ways(first, second):  # → (2, 2, draws): best and random, low and high ends
        out = 0
        for chosen_on, scored_on in ((first, second), (second, first)):
            chosen = best(chosen_on)
            picked = [
                np.take_along_axis(scored_on, i[None, :, None], axis=-1)[..., 0]
                for i in (chosen, random[chosen])
            ]
            out = out + np.stack(picked) / 2
        return out

    split = halves(clusters, seed)
    once = [shares(texts, np.full((1, len(texts)), 1 / len(texts))) for texts in split]
    many = [
        shares(texts, resampling.text_weights(clusters[texts], draws=draws, seed=seed + i))
        for i, texts in enumerate(split)
    ]  # of different seeds: halves with equally many clusters are resampled independently
    estimate, resampled = both_ways(*once)[..., 0], both_ways(*many)
    everything = np.arange(len(clusters))
    whole = shares(everything, np.full((1, len(clusters)), 1 / len(clusters)))
    selector, sink = curves.names[best(whole)[0]]

    out = {"best_selector": selector, "best_sink": sink}
    (best_low, best_high), (random_low, random_high) = resampled
    for name, point, low, high in (
        ("share90", estimate[0], best_low, best_high),
        ("share90_random", estimate[1], random_low, random_high),
        ("gap", estimate[1] - estimate[0][::-1], random_low - best_high, random_high - best_low),
    ):
        known = np.ptp(point) < 1e-12  # the low and the high end agree: reached on the grid
        out[name] = point.mean() if known else np.nan
        out[f"{name}_low"] = resampling.interval(low)[0]
        out[f"{name}_high"] = resampling.interval(high)[1]
    return out | {"censored": bool(np.ptp(estimate[0]) >= 1e-12)}


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


def curves_of(sample: Sample, frame: pd.DataFrame, n: int) -> tuple[Curves, np.ndarray]:
    """The keep curves of one model, and the texts (positions in the sample) that have all of them.

    Parameters
    ----------
    sample : Sample
    frame : pandas.DataFrame
        One model's ablation table, draws averaged.
    n : int
        Tokens per text.
    """
    keep = frame[frame["mode"] == "keep"].sort_values("k", kind="stable")
    names = list(dict.fromkeys(zip(keep["selector"], keep["sink"], strict=True)))
    index, kl = sample.wide(keep, ["selector", "sink", "share", "k"], "kl")
    base = nothing_kept(sample, frame)
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


def _why_not(curves: Curves, clusters) -> str:
    count = len(np.unique(clusters))
    if len(clusters) < MIN_TEXTS or count < MIN_CLUSTERS:
        return (f"{len(clusters)} texts of {count} sources: at least {MIN_TEXTS} texts of "
                f"{MIN_CLUSTERS} sources are needed")  # fmt: skip
    if not (curves.base.mean(0) > 0).all():
        return "dropping all earlier tokens changes nothing: mean KL_0 is 0"
    if all(name == "random" for name, _ in curves.names):
        return "no selector besides random"
    return ""


def distribution(
    corpus: str,
    models: list[dict],
    read: dict,
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
        As for `context_summary.gain`.
    read : dict
        ablation, ablation_status, ridge: slug → table.
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
    found = {}
    for family in families(models):
        slugs = [model["slug"] for model in family]
        of_ablation, of_ridge = (
            Sample((read[name][slug] for slug in slugs), draws=draws, seed=seed)
            for name in ("ablation", "ridge")
        )
        for slug in slugs:
            status = read["ablation_status"][slug].iloc[0]
            row = {"gap_residual": status["gap_residual"], "n": n, "texts": 0, "censored": False,
                   "best_selector": "", "best_sink": ""}  # fmt: skip
            row |= _participation(of_ridge, read["ridge"][slug], f"eps2={headline_eps2:g}")
            frame = read["ablation"][slug]
            problem = status["problem"] or ("" if len(frame) else "no text was ablated")
            if not problem:
                curves, texts = curves_of(of_ablation, over_draws(frame), n)
                clusters = of_ablation.clusters[texts]
                row["texts"] = len(texts)
                problem = _why_not(curves, clusters)
            if not problem:
                row |= tokens_needed(curves, clusters, draws=draws, seed=seed)
            low, high = (row.get(f"share90_{end}", np.nan) for end in ("low", "high"))
            row |= {"model": slug, "problem": problem, "verdict": verdict(low, high)}
            found[slug] = row
    rows = [found[model["slug"]] | described(corpus, model) for model in models]
    for row in rows:
        row["sentence"] = sentence(row)
    return pd.DataFrame(rows).reindex(columns=COLUMNS)


def _participation(sample: Sample, frame: pd.DataFrame, regulariser: str) -> dict:
    """Mean participation share of the ridge weights of the last token, with its interval."""
    frame = frame[frame["regulariser"] == regulariser]
    if not len(frame):
        return {}
    _, values = sample.wide(frame, ["regulariser"], "participation_share")
    names = ("participation_share", "participation_low", "participation_high")
    return dict(zip(names, np.ravel(sample.mean(values)), strict=True))
