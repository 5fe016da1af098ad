"""Explained shares of the selectors per model, and how often lasso beats each of them."""

import numpy as np
import pandas as pd
from scipy import stats

from infogeo.context.shared_texts import SharedTexts, joined
from infogeo.sources.cards import by_family, model_columns

SELECTION_COLUMNS = [
    "corpus", "family", "model", "N", "width", "layers", "run", "step", "selector", "sink", "k",
    "held_out", "held_out_low", "held_out_high", "in_sample", "in_sample_low", "in_sample_high",
    "jaccard", "relative_position", "texts", "sources",
    "lasso_wins", "lasso_wins_low", "lasso_wins_high",
    "median_difference", "wilcoxon_p", "wilcoxon_p_holm",
]  # fmt: skip


def summarise_selection(corpus: str, models: list[dict], frames: dict, *, draws: int, seed: int):
    """Explained shares of the selectors, and how often lasso beats each of them.

    Parameters
    ----------
    corpus, models, draws, seed
        As for `gain_summary.summarise_gain`.
    frames : dict
        Slug → long table of doc_id, source, selector, sink, k, metric, value.

    Returns
    -------
    pandas.DataFrame
        SELECTION_COLUMNS. lasso_wins is the share of texts in which lasso, with the same sink and
        k, explains strictly more of the held-out coordinates; a tie is no win. median_difference:
        lasso less the selector. wilcoxon_p: two-sided signed-rank test, zero differences left
        out, 1 where all are zero; it takes texts as independent, which the interval of lasso_wins
        does not. wilcoxon_p_holm: Holm over k. NaN in the rows of lasso itself.

    Notes
    -----
    Verified against scipy on single cells.
    """
    keys, parts = ["selector", "sink", "k"], []
    for family in by_family(models):
        shared = SharedTexts((frames[m["slug"]] for m in family), draws=draws, seed=seed)
        for model in family:
            frame = frames[model["slug"]]
            index, values = shared.wide(frame[frame["metric"] == "held_out"], keys, "value")
            rows = index.assign(
                texts=np.isfinite(values).sum(0), sources=shared.sources_of(np.isfinite(values))
            )
            rows["held_out"], rows["held_out_low"], rows["held_out_high"] = shared.mean(values)
            rows = rows.join(_against_lasso(index, values, shared))
            for metric in ("in_sample", "jaccard", "relative_position"):
                at, values = shared.wide(frame[frame["metric"] == metric], keys, "value")
                mean, low, high = shared.mean(values)
                at = at.assign(**{metric: mean, f"{metric}_low": low, f"{metric}_high": high})
                rows = rows.merge(at, "left", keys)
            parts.append(rows.assign(**model_columns(corpus, model)))
    return joined(parts, SELECTION_COLUMNS)


def _against_lasso(index: pd.DataFrame, values, shared: SharedTexts) -> pd.DataFrame:
    """The paired columns; values (texts, rows of index)."""
    place = {key: i for i, key in enumerate(index.itertuples(index=False, name=None))}
    rivals = [place.get(("lasso", sink, k), -1) for _, sink, k in place]
    lasso = np.pad(values, [(0, 0), (0, 1)], constant_values=np.nan)[:, rivals]
    lasso[:, index["selector"] == "lasso"] = np.nan
    difference = lasso - values  # (texts, rows)
    known = np.isfinite(difference)
    wins, low, high = shared.mean(np.where(known, difference > 0, np.nan))
    out = pd.DataFrame({"lasso_wins": wins, "lasso_wins_low": low, "lasso_wins_high": high})
    pairs = [column[some] for column, some in zip(difference.T, known.T, strict=True)]
    out["median_difference"] = [np.median(pair) if len(pair) else np.nan for pair in pairs]
    out["wilcoxon_p"] = [_signed_rank(pair) for pair in pairs]
    out["wilcoxon_p_holm"] = np.nan
    tested = out["wilcoxon_p"].notna().to_numpy()
    for rows in index[tested].groupby(["selector", "sink"]).groups.values():
        p = out.loc[rows, "wilcoxon_p"].to_numpy()
        out.loc[rows, "wilcoxon_p_holm"] = holm(p)
    return out


def holm(p) -> np.ndarray:
    """p values (tests,) adjusted for their number (Holm 1979).

    Notes
    -----
    Verified against statsmodels' multipletests, which collects garbage at every call.
    """
    order = np.argsort(p)
    steps = np.maximum.accumulate(np.asarray(p)[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(steps, 1)
    return adjusted


def _signed_rank(difference) -> float:
    if not len(difference):
        return np.nan
    difference = difference[difference != 0]
    return float(stats.wilcoxon(difference).pvalue) if len(difference) else 1.0


def shown_k(selection: pd.DataFrame) -> int:
    """The k that reports show: the largest that was run, at most 8."""
    ks = selection["k"].unique()
    return int(max(ks[ks <= 8], default=0))
