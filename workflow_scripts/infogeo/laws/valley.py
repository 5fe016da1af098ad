"""The mid-layer valley of the entropy: is it the first token?

In many models the centred entropy of a text falls after the first blocks and rises before the last.
2510.06477 traces that valley to the massive state of the first token. Here its depth is measured
with that token and without it, on texts that did not choose the layer.
"""

import numpy as np
import pandas as pd

from infogeo.inference.regression import t_quantile
from infogeo.laws.measured import Measured, Texts

# The valley is the first token's where less than this share of it is left without that token.
HALF = 0.5
MIN_SOURCES = 8  # of texts: with fewer the interval covers too little (tests/bench/valley.py)
COLUMNS = [
    "corpus", "family", "model", "n", "texts", "sources", "layer", "layer_out",
    "valley", "valley_low", "valley_high", "out", "out_low", "out_high",
    "beyond_half", "beyond_half_low", "beyond_half_high", "verdict", "problem",
]  # fmt: skip


def of_model(
    corpus: str, model: dict, measured: Measured, texts: Texts, *, n: int, seed: int
) -> dict:
    """The valley of one model on a corpus.

    Parameters
    ----------
    corpus : str
    model : dict
        slug, family and layers.
    measured : Measured
        With the centred entropies of all layers.
    texts : Texts
    n : int
        Tokens of a text.
    seed : int
        Of the halves of the sources.

    Returns
    -------
    dict
        COLUMNS. valley: depth in nats with the first token, its interval; out: without it;
        beyond_half: out less half of valley.
    """
    row = dict.fromkeys(COLUMNS, np.nan) | {
        "corpus": corpus, "family": model["family"], "model": model["slug"], "n": n,
        "texts": 0, "sources": 0, "layer": "", "layer_out": "", "verdict": "not available",
    }  # fmt: skip
    layers = [str(layer) for layer in range(model["layers"] + 1)]
    if missing := [layer for layer in layers if layer not in measured.layers]:
        return row | {"problem": f"layers {', '.join(missing)} not measured: states.layers"}
    if len(layers) < 4:
        return row | {"problem": "fewer than 3 blocks: no layer lies between others"}
    keys = [("text", layer, "centred", first, n, "entropy") for first in ("in", "out")
            for layer in layers]  # fmt: skip
    values = np.stack([measured.get(key, len(texts.sources))[0] for key in keys])
    used = np.flatnonzero(np.isfinite(values).all(axis=0))
    sources = np.array(texts.sources)[used]
    row |= {"texts": len(used), "sources": len(np.unique(sources))}
    if row["sources"] < MIN_SOURCES:
        return row | {"problem": f"texts of {row['sources']} sources: {MIN_SOURCES} are needed"}
    with_first, without = values[:, used].reshape(2, len(layers), -1)  # (layers, texts)
    halves = half_of_sources(sources, seed)
    of_text, out_of_text = (depths(curve, halves) for curve in (with_first, without))
    named = {"valley": of_text, "out": out_of_text, "beyond_half": out_of_text - HALF * of_text}
    for name, of_texts in named.items():
        mean, half = mean_over_sources(of_texts, sources)
        row |= {name: mean, f"{name}_low": mean - half, f"{name}_high": mean + half}
    row["layer"], row["layer_out"] = (
        layers[lowest(curve.mean(axis=1))[0]] for curve in (with_first, without)
    )
    row["verdict"] = verdict(row)
    row["problem"] = "" if row["verdict"] != "not available" else "no valley with the first token"
    return row


def mean_over_sources(values, sources) -> tuple[float, float]:
    """Mean of values (texts,) and half of its 95 % t interval, clustered by source.

    Few sources have an honest interval so: verdicts err in at most 6 %, from 8 sources on
    (tests/bench/valley.py; docs/verdicts.md has the table).
    """
    mean = values.mean()
    _, codes = np.unique(sources, return_inverse=True)
    clusters = codes.max() + 1
    of_sources = np.bincount(codes, values - mean) / len(values)
    error = np.sqrt(clusters / (clusters - 1) * (of_sources**2).sum())
    return mean, t_quantile(clusters - 1) * error


def half_of_sources(sources, seed: int) -> np.ndarray:
    """Which of the texts (texts,) belong to the first half of the sources, drawn at random."""
    names, codes = np.unique(sources, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(names))
    return order[codes] < len(names) // 2


def lowest(means) -> tuple[int, int]:
    """The lowest layer between the first and the last, and that of the two which is lower."""
    return 1 + int(np.argmin(means[1:-1])), 0 if means[0] <= means[-1] else len(means) - 1


def depths(curve, halves) -> np.ndarray:
    """How far the lowest layer lies below the lower end, (texts,), layers chosen on other texts.

    Parameters
    ----------
    curve : (layers, texts) array
    halves : (texts,) array of bool
    """
    depth = np.empty(curve.shape[1])
    for half in (halves, ~halves):
        bottom, end = lowest(curve[:, ~half].mean(axis=1))
        depth[half] = curve[end, half] - curve[bottom, half]
    return depth


def verdict(row) -> str:
    """Whether the valley is the first token: less than half of it is left without that token.

    Parameters
    ----------
    row : mapping
        Of `of_model`.

    Returns
    -------
    {"supported", "contradicted", "inconclusive", "not available"}
        Not available where there is no valley with the first token.
    """
    if not row["valley_low"] > 0:
        return "not available"
    if row["beyond_half_high"] < 0:
        return "supported"
    return "contradicted" if row["beyond_half_low"] > 0 else "inconclusive"


def table(rows: list[dict]) -> pd.DataFrame:
    """Rows of `of_model` as a table."""
    return pd.DataFrame(rows, columns=COLUMNS)
