"""Two models side by side: paired differences of every metric over the texts that both have."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pandas as pd

from infogeo.geometry import metrics
from infogeo.geometry.depths import layers_at, relative_depth
from infogeo.inference import multiple_tests, resampling
from infogeo.laws.difference_rates import rate_without_difference
from infogeo.laws.measured import Measured, OfModel, Texts
from infogeo.laws.reading import MARGIN, Read, gain_of_reading, reason_not_comparable
from infogeo.sources import comparable

LEAST_SOURCES = 3
NO_VERDICT = "not available"
# Of a verdict: with fewer, intervals are too short (docs/verdicts.md).
VERDICT_SOURCES = 20
ONE_VALUE = "one value a corpus: no interval"
ANOTHER_TOKENIZER = f"models with different tokenizers are compared in {metrics.PREFIX_BITS} only"
# Encoders have no likelihood.
NO_SHUFFLED = "shuffled words: not measured of both models with likelihoods (controls.shuffled)"
ENDS = ["family", "model", "commit", "N", "width", "layer"]
COLUMNS = [
    "corpus", *ENDS, *(f"other_{name}" for name in ENDS), "relative_depth",
    "scope", "convention", "first", "n", "metric", "texts", "texts_left_out", "sources",
    "value", "other_value", "difference", "low", "high", "p", "q", "untrained_difference",
    "shuffled", "other_shuffled", "shuffled_texts_left_out",
    "equal_difference", "equal_low", "equal_high", "strict_low", "strict_high",
    "verdict", "false_rate", "problems",
]  # fmt: skip


def difference_table(corpora: list[tuple], **settings) -> pd.DataFrame:
    """The differences of all pairs on all corpora, with q values over them.

    Parameters
    ----------
    corpora : list of (str, list of (dict, dict), callable)
        Corpus; pairs of models (slug, family, commit, params_non_embedding, width, layers,
        tokenizer_sha256); and what gives a model by its slug and the `Texts` of the corpus: what
        was measured of it (OfModel).
    **settings
        Of `differences`.

    Returns
    -------
    pandas.DataFrame
        COLUMNS. difference: value − other_value, of the mean over the texts that both models have,
        with its 95 % interval and p over resampled sources. untrained_difference: the same of the
        means of the twins, which differ in width and depth alone. shuffled: of the texts with
        their words in random order. equal_difference: the difference at equal likelihood, see
        `reading`, likewise; strict: the same with `reading.MARGIN` times what better reading adds
        taken out. verdict: docs/verdicts.md; false_rate: how often two models that do not differ
        would get another one than "inconclusive", see `difference_rates`.
    """
    rows = []
    for corpus, pairs, read in corpora:
        texts = Texts()
        of = lru_cache(maxsize=4)(lambda slug, read=read, texts=texts: OfModel(*read(slug, texts)))
        for one, other in pairs:
            both = of(one["slug"]), of(other["slug"])
            of_pair = differences(one, other, *both, texts, **settings)
            rows += [{"corpus": corpus} | row for row in of_pair]
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.assign(q=multiple_tests.benjamini_hochberg(table["p"]))


def differences(
    one: dict,
    other: dict,
    measured: OfModel,
    other_measured: OfModel,
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
    measured, other_measured : OfModel
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
    rate = lru_cache(maxsize=8)(
        lambda used: rate_without_difference(
            weights(used), sources[np.frombuffer(used, np.int64)], seed
        )
    )
    weights = lru_cache(maxsize=8)(
        lambda used: resampling.text_weights(
            sources[np.frombuffer(used, np.int64)], draws=draws, seed=seed
        )
    )
    of_both = measured, other_measured
    trained = [of.trained for of in of_both]
    layers = _layers(one, other, *trained, depths, depth_tolerance)
    for key, other_key in _keys(*trained, layers):
        named = dict(zip(metrics.KEYS, key, strict=True))
        row = ends | named | {
            "other_layer": dict(zip(metrics.KEYS, other_key, strict=True))["layer"],
            "relative_depth": relative_depth(named["layer"], one["layers"]),
        }  # fmt: skip
        if apart and named["metric"] != metrics.PREFIX_BITS:
            yield row | {"problems": ANOTHER_TOKENIZER, "verdict": NO_VERDICT}
            continue
        trained, untrained, shuffled = (
            [
                of and of.get(name, len(sources))
                for of, name in zip(pair, (key, other_key), strict=True)
            ]
            for pair in zip(*of_both, strict=True)
        )
        row |= _compared(trained, untrained, sources, weights, rate, named["scope"] == "text")
        if named["scope"] == "text" and named["metric"] not in metrics.CONDITIONAL:
            tables = _tables(trained, shuffled, of_both, named["n"], len(sources))
            equal = _at_equal_likelihood(tables, sources, weights)
            problems, both_ways = (
                (row["problems"], equal.pop("problems", "")),
                equal.pop("sources", 0),
            )
            row |= equal | {"problems": "; ".join(filter(None, problems))}
            yield row | {"verdict": verdict(row | {"sources": both_ways}, controlled=True)}
        else:
            yield row | {"verdict": verdict(row, controlled=False)}


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


def _compared(values, twins, sources, weights: Callable, rate: Callable, of_texts: bool) -> dict:
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
    name = used.astype(np.int64).tobytes()
    drawn = weights(name) @ np.subtract(*both[:, used])
    low, high = resampling.percentiles(drawn)
    least = min((drawn <= 0).sum(), (drawn >= 0).sum())
    p = min(1.0, 2 * (1 + least) / (1 + len(drawn)))
    if row["sources"] >= VERDICT_SOURCES:
        row["false_rate"] = rate(name)
    return row | {"low": low, "high": high, "p": p, "problems": ""}


def _tables(trained, shuffled, of_both, n: int, texts: int) -> np.ndarray | None:
    """Values and nll of both models, of the texts and of their shuffled words: (4, 2, texts)."""
    nll = ("text", "", "", "", n, "nll")
    read = [of.trained.get(nll, texts) for of in of_both]
    badly = [of.shuffled and of.shuffled.get(nll, texts) for of in of_both]
    rows = [trained, shuffled, read, badly]
    if any(row is None for pair in rows for row in pair):
        return None
    return np.array(rows)[:, :, 0]


def _at_equal_likelihood(tables, sources, weights: Callable) -> dict:
    """The columns of shuffled words, and of the difference at equal likelihood; problems.

    And sources: of the texts that have values in both ways.
    """
    if tables is None:
        return {"problems": NO_SHUFFLED}
    used, both = np.isfinite(tables[0]).all(axis=0), np.isfinite(tables).all(axis=(0, 1))
    row = {"shuffled_texts_left_out": int((used & ~both).sum())}
    if not both.any():
        return row | {"problems": "shuffled words: no text is long enough in both models"}
    tables = tables[..., both]
    read = Read(*tables.mean(axis=-1))
    row |= dict(zip(("shuffled", "other_shuffled"), read.shuffled, strict=True))
    if problem := reason_not_comparable(read):
        return row | {"problems": problem}
    row["equal_difference"] = np.subtract(*(read.value - gain_of_reading(read)))
    row["sources"] = count = len(np.unique(sources[both]))
    if count < LEAST_SOURCES:
        problem = f"shuffled words: no interval: {count} sources, {LEAST_SOURCES} are needed"
        return row | {"problems": problem}
    if count < VERDICT_SOURCES <= len(np.unique(sources[used])):
        row["problems"] = (
            f"shuffled words: no verdict: {count} sources, {VERDICT_SOURCES} are needed"
        )
    W = weights(np.flatnonzero(used).tobytes())[:, both[used]]
    with np.errstate(invalid="ignore"):  # a draw may hold none of them
        W = W / W.sum(axis=1, keepdims=True)
    drawn = Read(*(W @ tables.swapaxes(1, 2)))  # (draws, 2) each
    for name, times in (("equal", 1.0), ("strict", MARGIN)):
        less = np.subtract(*(drawn.value - times * gain_of_reading(drawn)).T)
        row |= dict(zip((f"{name}_low", f"{name}_high"), resampling.interval(less), strict=True))
    if np.isnan(row["equal_low"]):
        row["problems"] = "shuffled words: not every resample of the sources has a value"
    return row


def verdict(row: dict, controlled: bool) -> str:
    """Whether two models differ, and by more than by how well they read. Rule: docs/verdicts.md.

    Parameters
    ----------
    row : dict
        sources, low and high; of what is `controlled` also difference, and low and high of equal
        and strict.
    controlled : bool
        Whether the difference has to hold at equal likelihood too.

    Returns
    -------
    str
        "supported", "reading artefact", "inconclusive" or "not available".
    """
    low, high = (row.get(name, np.nan) for name in ("low", "high"))
    equal, strict = (
        np.array([row.get(f"{name}_{end}", np.nan) for end in ("low", "high")])
        for name in ("equal", "strict")
    )
    if row["sources"] < VERDICT_SOURCES or np.isnan([low, high]).any():
        return NO_VERDICT
    if controlled and np.isnan([*equal, *strict]).any():
        return NO_VERDICT
    if low <= 0 <= high:
        return "inconclusive"
    if not controlled:
        return "supported"
    sign = np.sign(low)
    if (sign * np.array([equal, strict]) > 0).all():
        return "supported"
    if (sign * equal < sign * row["difference"] / 2).all():
        return "reading artefact"
    return "inconclusive"
