"""KL divergence, recovery and shifts per model where it runs on some of its tokens only."""

import numpy as np
import pandas as pd

from infogeo.context.shared_texts import SharedTexts, joined
from infogeo.inference import resampling
from infogeo.sources.cards import by_family, model_columns

ABLATION_COLUMNS = [
    "corpus", "family", "model", "N", "width", "layers", "run", "step",
    "selector", "sink", "mode", "share", "k",
    "kl", "kl_low", "kl_high", "recovery", "recovery_low", "recovery_high",
    "delta_nll", "delta_nll_low", "delta_nll_high", "cosine_mean", "cosine_last", "texts",
]  # fmt: skip


def over_draws(frame: pd.DataFrame) -> pd.DataFrame:
    """An ablation table with the draws of a random selector averaged within each text."""
    keys = ["doc_id", "source", "selector", "sink", "mode", "share", "k"]
    values = ["kl", "delta_nll", "cosine_mean", "cosine_last"]
    return frame.groupby(keys, sort=False)[values].mean().reset_index()


def nothing_kept(shared: SharedTexts, frame: pd.DataFrame) -> dict[str, np.ndarray]:
    """Sink → KL_0 (texts,): the KL divergence where nothing but the last token, and the first
    where it is forced, is kept."""
    none = frame[(frame["mode"] == "keep") & (frame["k"] == 0)].drop_duplicates(["doc_id", "sink"])
    index, values = shared.wide(none, ["sink"], "kl")
    return dict(zip(index["sink"], values.T, strict=True))


def summarise_ablation(corpus: str, models: list[dict], frames: dict, *, draws: int, seed: int):
    """KL divergence, recovery and shifts of the models run on some of their tokens.

    Parameters
    ----------
    corpus, models, draws, seed
        As for `gain_summary.summarise_gain`.
    frames : dict
        Slug → long table of doc_id, source, selector, sink, mode, share, k, draw, kl, delta_nll,
        cosine_mean, cosine_last.

    Returns
    -------
    pandas.DataFrame
        ABLATION_COLUMNS. recovery = 1 − mean KL / mean KL_0 with the KL_0 of the same sink in
        both modes, numerator and denominator resampled together; NaN where mean KL_0 is 0.
    """
    keys, parts = ["selector", "sink", "mode", "share", "k"], []
    for family in by_family(models):
        shared = SharedTexts((frames[m["slug"]] for m in family), draws=draws, seed=seed)
        for model in family:
            frame = over_draws(frames[model["slug"]])
            if not len(frame):
                continue
            base = nothing_kept(shared, frame)
            index, kl = shared.wide(frame, keys, "kl")
            rows = index.assign(texts=np.isfinite(kl).sum(0))
            rows["kl"], rows["kl_low"], rows["kl_high"] = shared.mean(kl)
            absent = np.full(len(shared.doc_ids), np.nan)
            zero = np.stack([base.get(sink, absent) for sink in index["sink"]], axis=-1)
            estimates = recovery(np.full((1, len(kl)), 1.0), kl, zero)[0]
            low, high = resampling.interval(recovery(shared.weights, kl, zero))
            rows = rows.assign(recovery=estimates, recovery_low=low, recovery_high=high)
            for name in ("delta_nll", "cosine_mean", "cosine_last"):
                mean, low, high = shared.mean(shared.wide(frame, keys, name)[1])
                rows = rows.assign(**{name: mean, f"{name}_low": low, f"{name}_high": high})
            parts.append(rows.assign(**model_columns(corpus, model)))
    return joined(parts, ABLATION_COLUMNS)


def recovery(weights, kl, base):
    """1 − mean KL / mean KL_0 for each weighting of the texts; NaN where mean KL_0 is 0.

    Parameters
    ----------
    weights : (draws, texts) array
    kl, base : (texts, columns) arrays

    Returns
    -------
    (draws, columns) array
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (weights @ kl) / (weights @ base)
    return np.where(np.isfinite(share), 1 - share, np.nan)
