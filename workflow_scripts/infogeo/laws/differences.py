"""Two models side by side: paired differences of every metric over the texts that both have."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pandas as pd

from infogeo.geometry import metrics
from infogeo.geometry.depths import layers_at, relative_depth
from infogeo.inference import multiple_tests, resampling
from infogeo.laws.measured import Measured, Texts
from infogeo.sources import comparable

LEAST_SOURCES = 3
ONE_VALUE = "one value a corpus: no interval"
ANOTHER_TOKENIZER = f"models with different tokenizers are compared in {metrics.PREFIX_BITS} only"
ENDS = ["family", "model", "commit", "N", "width", "layer"]
COLUMNS = [
    "corpus", *ENDS, *(f"other_{name}" for name in ENDS), "relative_depth",
    "scope", "convention", "first", "n", "metric", "texts", "texts_left_out", "sources",
    "value", "other_value", "difference", "low", "high", "p", "q", "untrained_difference",
    "problems",
]  # fmt: skip


def difference_table(corpora: list[tuple], **settings) -> pd.DataFrame:
    """The differences of all pairs on all corpora, with q values over them.

    Parameters
    ----------
    corpora : list of (str, list of (dict, dict), callable)
        Corpus; pairs of models (slug, family, commit, params_non_embedding, width, layers,
        tokenizer_sha256); and what gives a model by its slug and the `Texts` of the corpus:
        Measured, and that of its twins.
    **settings
        Of `differences`.

    Returns
    -------
    pandas.DataFrame
        COLUMNS. difference: value − other_value, of the mean over the texts that both models have,
        with its 95 % interval and p over resampled sources. untrained_difference: the same of the
        means of the twins, which differ in width and depth alone.
    """
    rows = []
    for corpus, pairs, read in corpora:
        texts = Texts()
        of = lru_cache(maxsize=4)(lambda slug, read=read, texts=texts: read(slug, texts))
        for one, other in pairs:
            both = of(one["slug"]), of(other["slug"])
            of_pair = differences(one, other, *both, texts, **settings)
            rows += [{"corpus": corpus} | row for row in of_pair]
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.assign(q=multiple_tests.benjamini_hochberg(table["p"]))


def differences(
    one: dict,
    other: dict,
    measured: tuple[Measured, Measured],
    other_measured: tuple[Measured, Measured],
    texts: Texts,
    *,
    depths: list[str],
    depth_tolerance: float,
    draws: int,
    seed: int,
):
    """Yield the rows of one pair: every metric that both have, at every pair of layers.

    Parameters
    ----------
    one, other : dict
        See `difference_table`.
    measured, other_measured : (Measured, Measured)
        Of each model, and of its twins.
    texts : Texts
    depths, depth_tolerance
        Where models of different numbers of blocks are compared; of equal ones every layer is.
    draws, seed : int
        Of the bootstrap over sources.
    """
    sources = np.array(texts.sources)
    ends = {
        f"{side}{name}": model[field]
        for side, model in (("", one), ("other_", other))
        for name, field in (("family", "family"), ("model", "slug"), ("commit", "commit"),
                            ("N", "params_non_embedding"), ("width", "width"))
    }  # fmt: skip
    apart = comparable.mixed_tokenizers([one, other])
    weights = lru_cache(maxsize=8)(
        lambda used: resampling.text_weights(
            sources[np.frombuffer(used, np.int64)], draws=draws, seed=seed
        )
    )
    layers = _layers(one, other, measured[0], other_measured[0], depths, depth_tolerance)
    for key, other_key in _keys(measured[0], other_measured[0], layers):
        named = dict(zip(metrics.KEYS, key, strict=True))
        row = ends | named | {
            "other_layer": dict(zip(metrics.KEYS, other_key, strict=True))["layer"],
            "relative_depth": relative_depth(named["layer"], one["layers"]),
        }  # fmt: skip
        if apart and named["metric"] != metrics.PREFIX_BITS:
            yield row | {"problems": ANOTHER_TOKENIZER}
            continue
        values = [
            [of.get(name, len(sources)) for of, name in ((first, key), (second, other_key))]
            for first, second in zip(measured, other_measured, strict=True)
        ]
        yield row | _compared(*values, sources, weights, named["scope"] == "text")


def _layers(one, other, measured, other_measured, depths, tolerance) -> list[tuple[str, str]]:
    """The layers that are set side by side, and that of what has none."""
    if one["layers"] == other["layers"]:
        shared = [layer for layer in measured.layers if layer in other_measured.layers]
        return [(layer, layer) for layer in [*shared, ""]]
    at = [
        layers_at(depths, model["layers"], of.layers, tolerance)
        for model, of in ((one, measured), (other, other_measured))
    ]
    return [(layer, at[1][depth]) for depth, layer in at[0].items() if depth in at[1]] + [("", "")]


def _keys(measured: Measured, other: Measured, layers: list[tuple[str, str]]):
    """Yield the keys that both models have, each with that of the other model's layer."""
    place = metrics.KEYS.index("layer")
    other_layers = dict(layers)
    for key in measured.row:
        if key[place] in other_layers:
            other_key = (*key[:place], other_layers[key[place]], *key[place + 1 :])
            if other_key in other.row:
                yield key, other_key


def _compared(values, twins, sources, weights: Callable, of_texts: bool) -> dict:
    """The columns that hold numbers, of values (1, texts) and twins (draws, texts) of both."""
    both = np.concatenate(values)  # (2, texts)
    used = np.flatnonzero(np.isfinite(both).all(axis=0))
    row = {
        "texts": len(used) if of_texts else 0, "sources": 0,
        "texts_left_out": int((~np.isnan(both)).any(axis=0).sum()) - len(used) if of_texts else 0,
    }  # fmt: skip
    if not len(used):
        return row | {"problems": "no text has a finite value in both models"}
    means = both[:, used].mean(axis=1)
    row |= {"value": means[0], "other_value": means[1], "difference": means[0] - means[1]}
    if all(twin is not None for twin in twins):
        row["untrained_difference"] = np.subtract(*(twin[:, used].mean() for twin in twins))
    if not of_texts:
        return row | {"problems": ONE_VALUE}
    row["sources"] = len(np.unique(sources[used]))
    if row["sources"] < LEAST_SOURCES:
        return row | {
            "problems": f"no interval: {row['sources']} sources, {LEAST_SOURCES} are needed"
        }
    drawn = weights(used.astype(np.int64).tobytes()) @ np.subtract(*both[:, used])
    low, high = resampling.percentiles(drawn)
    least = min((drawn <= 0).sum(), (drawn >= 0).sum())
    p = min(1.0, 2 * (1 + least) / (1 + len(drawn)))
    return row | {"low": low, "high": high, "p": p, "problems": ""}
