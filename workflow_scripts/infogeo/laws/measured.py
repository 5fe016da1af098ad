"""Long tables of measurements as arrays over texts, and their means per model."""

from collections.abc import Iterable
from copy import copy
from typing import NamedTuple

import numpy as np
import pandas as pd

from infogeo.files.errors import InfogeoError
from infogeo.geometry import metrics
from infogeo.geometry.depths import relative_depth, width_at
from infogeo.inference import resampling
from infogeo.sources.cards import replicate_name

KEYS = list(metrics.KEYS)


class Texts:
    """The texts of a corpus: a position and a bootstrap cluster for each."""

    def __init__(self):
        self.position: dict[str, int] = {}
        self.sources: list[str] = []

    def add(self, doc_ids, sources) -> np.ndarray:
        """Positions (texts,) of these texts; new ones are appended. No source: its own cluster."""
        for doc_id, source in zip(doc_ids, sources, strict=True):
            if doc_id not in self.position:
                self.position[doc_id] = len(self.sources)
                self.sources.append(source or doc_id)
        return np.array([self.position[doc_id] for doc_id in doc_ids], dtype=np.int64)

    def rows(self, doc_ids, used) -> np.ndarray:
        """Where the texts at the positions `used` (texts,) are in `doc_ids`; −1: nowhere."""
        place = np.full(len(self.sources), -1)
        for row, doc_id in enumerate(doc_ids):
            if doc_id in self.position:
                place[self.position[doc_id]] = row
        return place[used]


class Measured:
    """One model's long table as arrays (draws, texts) by `metrics.KEYS`.

    Missing values are NaN, values that are not finite are inf. Scopes other than "text" have one
    column.

    Parameters
    ----------
    parts : iterable of pandas.DataFrame
        doc_id, source, `metrics.KEYS`, value; draw (int) for twins. One of
        them is in memory at a time.
    texts : Texts
        Shared by the models of a corpus; grows.

    Attributes
    ----------
    row : dict
        The keys that were measured.
    layers : list of str

    Raises
    ------
    InfogeoError
        Where a value occurs twice.
    """

    def __init__(self, parts: Iterable[pd.DataFrame], texts: Texts):
        pieces_of: dict[
            tuple, dict[int, list]
        ] = {}  # key → draw → (positions, values) of each part
        ranks: list[dict] = [{} for _ in KEYS]  # the values of each column, in order of appearance
        for frame in filter(len, parts):
            for key, draw, positions, values in _pieces(frame, texts, ranks):
                pieces_of.setdefault(key, {}).setdefault(draw, []).append((positions, values))
        shape = 1 + max((max(draws) for draws in pieces_of.values()), default=0), len(texts.sources)
        self.row: dict[tuple, np.ndarray] = {}  # (draws, texts)
        for key in sorted(
            pieces_of, key=lambda key: [r[k] for r, k in zip(ranks, key, strict=True)]
        ):
            rows = np.full(shape if key[0] == "text" else (shape[0], 1), np.nan)
            for draw, pieces in pieces_of.pop(key).items():
                positions, values = (np.concatenate(part) for part in zip(*pieces, strict=True))
                if len(np.unique(positions)) < len(positions):
                    raise InfogeoError(
                        "a table of measurements holds a text's value twice; make the table anew"
                    )
                rows[draw, positions] = np.where(np.isfinite(values), values, np.inf)
            self.row[key] = rows
        self.layers = list(dict.fromkeys(layer for _, layer, *_ in self.row if layer))

    def only(self, layers) -> "Measured":
        """Some of the layers, and what belongs to none; the others may be forgotten."""
        selected = copy(self)
        selected.row = {key: rows for key, rows in self.row.items() if key[1] in (*layers, "")}
        selected.layers = [layer for layer in self.layers if layer in layers]
        return selected

    def get(self, key: tuple, count: int) -> np.ndarray | None:
        """Values (draws, count), one column for a dataset scope; None where there is no such key.

        `count` is the number of texts of the corpus; those that this model lacks are NaN.
        """
        if key not in self.row:
            return None
        values = self.row[key]
        if key[0] != "text":
            return values
        missing = count - values.shape[1]
        return np.pad(values, [(0, 0), (0, missing)], constant_values=np.nan) if missing else values


class OfModel(NamedTuple):
    """What was measured of a model on a corpus, of its twins, and of texts with shuffled words."""

    trained: Measured
    untrained: Measured | None = None
    shuffled: Measured | None = None


def _pieces(frame: pd.DataFrame, texts: Texts, ranks: list[dict]):
    """Yield (key, draw, positions, values) of what a table holds; outside scope text position 0.

    What is new in a column of the key gets the next rank in the column's dict.
    """
    ids, doc_ids = pd.factorize(frame["doc_id"])
    first = np.zeros(len(doc_ids), np.int64)
    first[ids[::-1]] = np.arange(len(frame))[::-1]
    sources = frame["source"].to_numpy()[first]
    position = np.zeros(len(doc_ids), np.int64)
    named = np.array([doc_id != "" for doc_id in doc_ids], bool)
    position[named] = texts.add(np.asarray(doc_ids)[named], sources[named])
    position, measured = position[ids], frame["value"].to_numpy(float)

    code, levels = np.zeros(len(frame), np.int64), []
    for name in [*KEYS, "draw"]:
        codes, values = pd.factorize(frame[name]) if name in frame else (0, [0])
        levels.append([int(value) if name in ("n", "draw") else value for value in values])
        code = code * max(len(values), 1) + codes
    for rank, values in zip(ranks, levels, strict=False):
        for value in values:
            rank.setdefault(value, len(rank))
    order = np.argsort(code, kind="stable")
    code, starts = np.unique(code[order], return_index=True)
    places = np.unravel_index(code, [max(len(values), 1) for values in levels])
    for place, rows in zip(zip(*places, strict=True), np.split(order, starts[1:]), strict=True):
        *key, draw = (values[i] for values, i in zip(levels, place, strict=True))
        yield tuple(key), draw, position[rows], measured[rows]


# ---------------------------------------------------------------- means per model and layer

PROFILE_COLUMNS = [
    "corpus", "family", "model", "N", "params_total", "width", "layers",
    "run", "step", "train_tokens", "replicate",
    "scope", "layer", "relative_depth", "convention", "first", "n", "metric",
    "texts", "texts_not_finite", "y", "y_low", "y_high",
    "untrained", "untrained_low", "untrained_high", "shuffled", "shuffled_low", "shuffled_high",
]  # fmt: skip


def profile(
    corpus: str,
    model: dict,
    measured: OfModel,
    texts: Texts,
    *,
    draws: int,
    seed: int,
) -> pd.DataFrame:
    """Means of every metric of a model per layer, over all texts that the model has.

    Parameters
    ----------
    corpus : str
    model : dict
        slug, family, params_non_embedding, params_total, width, final_width, layers; run, step,
        train_tokens and replicate, where known.
    measured : OfModel
    texts : Texts
    draws, seed : int
        Of the bootstrap over text clusters.

    Returns
    -------
    pandas.DataFrame
        PROFILE_COLUMNS. y with its 95 % percentile interval; untrained: the mean, the least and
        the largest draw of the twins; shuffled: as y, of those of the texts that are long enough
        with their words in random order too. Rows of metric diff_effective_rank are
        exp(mean H untrained) − exp(mean H trained) (Wei, Tan et al. 2024, 2401.17139).
    """
    fixed = {
        "corpus": corpus, "family": model["family"], "model": model["slug"],
        "N": model["params_non_embedding"], "params_total": model["params_total"],
        "layers": model["layers"], "run": model.get("run") or "", "step": model.get("step"),
        "train_tokens": model.get("train_tokens"),
        "replicate": replicate_name(model.get("replicate")),
    }  # fmt: skip
    means = _means(model["layers"], OfModel(*measured), np.array(texts.sources), draws, seed)
    rows = [fixed | row | {"width": width_at(row["layer"], model)} for row in means]
    return pd.DataFrame(rows, columns=PROFILE_COLUMNS).astype(
        {"step": "Int64", "train_tokens": "Int64"}
    )


def _means(layers: int, measured: OfModel, sources, draws, seed):
    """The rows of one model."""
    weights: dict[bytes, np.ndarray] = {}

    def resamples(used):
        if used.tobytes() not in weights:
            resampled = resampling.text_weights(sources[used], draws=draws, seed=seed)
            weights[used.tobytes()] = resampled
        return weights[used.tobytes()]

    for key in measured.trained.row:
        scope, layer, convention, first, n, metric = key
        values, twins, shuffled = (of and of.get(key, len(sources)) for of in measured)
        values = values[0]  # (texts,); of twins (draws, texts)
        used = np.flatnonzero(np.isfinite(values))
        row = {
            "scope": scope, "layer": layer, "relative_depth": relative_depth(layer, layers),
            "convention": convention, "first": first, "n": n, "metric": metric,
            "texts": len(used), "texts_not_finite": int(np.isinf(values).sum()),
        }  # fmt: skip
        values = values[used]
        twins = None if twins is None else twins[:, used]
        W = resamples(used) if scope == "text" and len(used) else None
        row |= _of_shuffled(shuffled, used, resamples)
        yield row | _summary(values, twins, W)
        if metric == "entropy" and twins is not None and len(used):
            row = {name: value for name, value in row.items() if "shuffled" not in name}
            yield row | {"metric": "diff_effective_rank"} | _difference(values, twins, W)


def _of_shuffled(shuffled, used, resamples) -> dict:
    """Mean and interval of the texts `used`, as far as they have a value with shuffled words."""
    names = ("shuffled", "shuffled_low", "shuffled_high")
    if shuffled is None:
        return {}
    both = used[np.isfinite(shuffled[0, used])]
    if not len(both):
        return {}
    values = shuffled[0, both]
    ends = resampling.percentiles(resamples(both) @ values)
    return dict(zip(names, (values.mean(), *ends), strict=True))


def _summary(values, twins, weights) -> dict:
    """Mean and interval of a model's values (texts,), and of its twins' (draws, texts)."""
    low, high = (np.nan, np.nan) if weights is None else resampling.percentiles(weights @ values)
    means = np.full(1, np.nan) if twins is None or not len(values) else twins.mean(-1)
    return {
        "y": values.mean() if len(values) else np.nan, "y_low": low, "y_high": high,
        "untrained": means.mean(), "untrained_low": means.min(), "untrained_high": means.max(),
    }  # fmt: skip


def _difference(values, twins, weights) -> dict:
    """Diff-eRank with its interval over resampled text clusters."""

    def gap(trained, untrained):
        return np.exp(untrained) - np.exp(trained)

    low, high = np.nan, np.nan
    if weights is not None:
        low, high = resampling.percentiles(gap(weights @ values, weights @ twins.mean(0)))
    return {"y": gap(values.mean(), twins.mean()), "y_low": low, "y_high": high}
