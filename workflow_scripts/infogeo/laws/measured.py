"""Long tables of measurements as arrays over texts, and their means per model."""

from collections.abc import Iterable
from copy import copy
from typing import NamedTuple

import numpy as np
import pandas as pd

from infogeo.files.errors import InfogeoError
from infogeo.files.parts import Parts
from infogeo.geometry import metrics
from infogeo.geometry.depths import relative_depth, width_at
from infogeo.inference import resampling
from infogeo.sources.cards import replicate_name

KEYS = list(metrics.KEYS)
WORDS = ["doc_id", "source", *(name for name in KEYS if name != "n")]


def long_table(path, fingerprint: str) -> Parts:
    """A file of measurements as `Measured` takes it: what repeats in each row is read once."""
    return Parts(path, fingerprint, words=WORDS)


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
        cells: dict[tuple, int] = {}  # (key, draw) → number, in order of appearance
        ranks: list[dict] = [{} for _ in KEYS]  # the values of each column, likewise
        coded = [_coded(frame, texts, cells, ranks) for frame in filter(len, parts)]
        keys = sorted(
            {key for key, _ in cells},
            key=lambda key: [r[k] for r, k in zip(ranks, key, strict=True)],
        )
        draws = 1 + max((draw for _, draw in cells), default=0)
        width = {key: len(texts.sources) if key[0] == "text" else 1 for key in keys}
        ends = np.cumsum([draws * width[key] for key in keys], dtype=np.int64)
        start = {key: end - draws * width[key] for key, end in zip(keys, ends, strict=True)}
        starts = np.array([start[key] + draw * width[key] for key, draw in cells], np.int64)
        values = np.full(ends[-1] if keys else 0, np.nan)  # key after key: (draws, texts)
        measured = 0
        while coded:
            part = coded.pop()
            values[starts[part.cell] + part.position] = np.where(
                np.isfinite(part.value), part.value, np.inf
            )
            measured += len(part.value)
        if len(values) - np.count_nonzero(np.isnan(values)) < measured:
            raise InfogeoError(
                "a table of measurements holds a text's value twice; make the table anew"
            )
        self.row: dict[tuple, np.ndarray] = {  # (draws, texts)
            key: values[start[key] : end].reshape(draws, -1)
            for key, end in zip(keys, ends, strict=True)
        }
        self.layers = list(dict.fromkeys(layer for _, layer, *_ in self.row if layer))

    def only(self, layers) -> "Measured":
        """Some of the layers, and what belongs to none; the others may be forgotten."""
        selected = copy(self)
        wanted = {*layers, ""}
        selected.row = {key: rows.copy() for key, rows in self.row.items() if key[1] in wanted}
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


class Coded(NamedTuple):
    """The rows of a part of a table: number of the key and draw, position of the text, value."""

    cell: np.ndarray
    position: np.ndarray
    value: np.ndarray


def _coded(frame: pd.DataFrame, texts: Texts, cells: dict, ranks: list[dict]) -> Coded:
    """A part of a table by numbers; outside scope text position 0.

    New keys and draws are added to `cells`, and what is new in a column of the key to its dict of
    `ranks`.
    """
    ids, doc_ids = pd.factorize(frame["doc_id"])
    first = np.zeros(len(doc_ids), np.int64)
    first[ids[::-1]] = np.arange(len(frame))[::-1]
    sources = frame["source"].iloc[first].to_numpy()
    position = np.zeros(len(doc_ids), np.int32)
    named = np.array([doc_id != "" for doc_id in doc_ids], bool)
    position[named] = texts.add(np.asarray(doc_ids)[named], sources[named])

    code, levels = np.zeros(len(frame), np.int64), []
    for name in [*KEYS, "draw"]:
        codes, values = pd.factorize(frame[name]) if name in frame else (0, [0])
        levels.append([int(value) if name in ("n", "draw") else value for value in values])
        code = code * max(len(values), 1) + codes
    for rank, values in zip(ranks, levels, strict=False):
        for value in values:
            rank.setdefault(value, len(rank))
    code, different = pd.factorize(code)
    places = np.unravel_index(different, [max(len(values), 1) for values in levels])
    *keys, draws = (
        [values[i] for i in place] for values, place in zip(levels, places, strict=True)
    )
    known = zip(zip(*keys, strict=True), draws, strict=True)
    numbers = np.array([cells.setdefault(cell, len(cells)) for cell in known], np.int32)
    return Coded(numbers[code], position[ids], frame["value"].to_numpy(float))


# ---------------------------------------------------------------- means per model and layer

TOGETHER = 64  # metrics that are resampled in one product

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


class Intervals:
    """95 % intervals of means over texts, whose clusters are resampled; those of one set of texts
    together.

    Parameters
    ----------
    sources : (texts,) array
        The cluster of each text.
    draws, seed : int
    """

    def __init__(self, sources, draws: int, seed: int):
        self.sources, self.draws, self.seed = sources, draws, seed
        self._weights: dict[bytes, np.ndarray] = {}
        self._asked: dict[bytes, list] = {}

    def weights(self, used) -> np.ndarray:
        """The resamples (draws, texts) of the texts at the positions `used`."""
        name = used.tobytes()
        if name not in self._weights:
            self._weights[name] = resampling.text_weights(
                self.sources[used], draws=self.draws, seed=self.seed
            )
        return self._weights[name]

    def ask(self, row: dict, name: str, used, values) -> None:
        """Set name_low and name_high of a row, by `fill` at the latest."""
        asked = self._asked.setdefault(used.tobytes(), [])
        asked.append((row, name, values))
        if len(asked) == TOGETHER:
            self._answer(used.tobytes())

    def fill(self) -> None:
        """Set all that was asked for."""
        for used in list(self._asked):
            self._answer(used)

    def _answer(self, used: bytes) -> None:
        rows, names, values = zip(*self._asked.pop(used), strict=True)
        weights = self.weights(np.frombuffer(used, np.int64))
        ends = resampling.percentiles((np.stack(values) @ weights.T).T)
        for row, name, low, high in zip(rows, names, *ends, strict=True):
            row |= {f"{name}_low": low, f"{name}_high": high}


def _means(layers: int, measured: OfModel, sources, draws, seed) -> list[dict]:
    """The rows of one model."""
    rows, intervals = [], Intervals(sources, draws, seed)
    for key in measured.trained.row:
        scope, layer, convention, first, n, metric = key
        values, twins, shuffled = (of and of.get(key, len(sources)) for of in measured)
        values = values[0]  # (texts,); of twins (draws, texts)
        used = np.flatnonzero(np.isfinite(values))
        about = {
            "scope": scope, "layer": layer, "relative_depth": relative_depth(layer, layers),
            "convention": convention, "first": first, "n": n, "metric": metric,
            "texts": len(used), "texts_not_finite": int(np.isinf(values).sum()),
        }  # fmt: skip
        values = values[used]
        twins = None if twins is None else twins[:, used]
        rows.append(about | _summary(values, twins))
        if scope == "text" and len(used):
            intervals.ask(rows[-1], "y", used, values)
        if shuffled is not None and len(both := used[np.isfinite(shuffled[0, used])]):
            of_both = shuffled[0, both]
            rows[-1]["shuffled"] = of_both.mean()
            intervals.ask(rows[-1], "shuffled", both, of_both)
        if metric == "entropy" and twins is not None and len(used):
            weights = intervals.weights(used) if scope == "text" else None
            rows.append(
                about | {"metric": "diff_effective_rank"} | _difference(values, twins, weights)
            )
    intervals.fill()
    return rows


def _summary(values, twins) -> dict:
    """Mean of a model's values (texts,), and of its twins' (draws, texts)."""
    means = np.full(1, np.nan) if twins is None or not len(values) else twins.mean(-1)
    return {
        "y": values.mean() if len(values) else np.nan,
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
