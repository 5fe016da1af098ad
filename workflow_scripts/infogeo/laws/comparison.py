"""What a law compares: the models of one family at a key and depth, on texts that all have."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from infogeo.geometry.depths import layer_at
from infogeo.geometry.metrics import CONDITIONAL, DESCRIPTIVE, PREFIX_BITS
from infogeo.inference import resampling
from infogeo.laws import reading
from infogeo.laws.measured import OfModel, Texts
from infogeo.laws.settings import Settings
from infogeo.sources import cards, comparable


def incomparable(models: list[dict], metric: str) -> str:
    """Why these models may not be compared, or "": a comparison has one dtype and one tokenizer."""
    if problem := comparable.mixed_dtypes(models):
        return problem
    if metric != PREFIX_BITS and comparable.mixed_tokenizers(models):
        return f"models with different tokenizers are compared in {PREFIX_BITS} only"
    return ""


@dataclass
class Comparison:
    """The models of one family that have a key at a depth, on the texts that all of them have.

    Attributes
    ----------
    key : dict
        corpus, family, scope, metric, depth, convention, first, n.
    models : list of dict
        One per row of `values`.
    layers : list of str
        The layer taken of each.
    values : (models, texts) array
    used : (texts,) array
        Positions of the texts.
    weights : (draws, texts) array or None
        Resamples of text clusters; None for a dataset scope.
    """

    key: dict
    models: list
    layers: list
    values: np.ndarray
    used: np.ndarray
    weights: np.ndarray | None

    def curve(self, values) -> tuple[np.ndarray, np.ndarray | None]:
        """ln of means over texts, and what resampling the texts does to it.

        Parameters
        ----------
        values : (rows, texts) array

        Returns
        -------
        centres : (rows,) array
        shifts : (draws, rows) array or None
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            centres = np.log(values.mean(-1))
            if self.weights is None:
                return centres, None
            return centres, np.log(self.weights @ values.T) - centres


def averaged(curve, points):
    """A curve over models as one over points: ln y of the replicates of a point averaged."""
    centres, shifts = curve
    y = np.array([centres[point].mean() for point in points])
    if shifts is None:
        return y, None
    return y, np.stack([shifts[:, point].mean(-1) for point in points], axis=1)


class Choice(NamedTuple):
    """The models and texts of a comparison, and why no law may be fitted over them, or ""."""

    comparison: Comparison | None
    counts: dict  # columns of the law: models, texts and clusters, taken and left out
    remarks: list[str]
    problem: str


class Family:
    """What was measured of the models of one family on a corpus, and of their twins.

    Parameters
    ----------
    corpus : str
    models : list of dict
        See `infogeo.laws.fit.scaling_laws`.
    measure : callable
    texts : Texts
        Those to which `measure` adds the texts.
    settings : Settings
    """

    def __init__(self, corpus: str, models: list[dict], measure: Callable, texts: Texts,
                 settings: Settings):  # fmt: skip
        self.corpus, self.models, self.settings = corpus, models, settings
        self.measured = {model["slug"]: OfModel(*measure(model)) for model in models}
        self.sources = np.array(texts.sources)
        self._resamples: dict[bytes, np.ndarray] = {}

    def measured_keys(self) -> list[tuple]:
        """(scope, convention, first, n, metric) of all to which laws are fitted.

        Those that need a prediction are among them where no model of the family makes one.
        """
        keys = dict.fromkeys(
            (scope, *key)
            for model in self.models
            for scope, _, *key in self.measured[model["slug"]].trained.row
            if key[-1] not in DESCRIPTIVE
        )
        if all(map(cards.no_prediction, self.models)):
            lengths = dict.fromkeys(n for *_, n, _ in keys)
            keys |= {("text", "", "", n, metric): None for metric in CONDITIONAL for n in lengths}
        return list(keys)

    def compare(self, depth: str, scope: str, convention: str, first: str, n: int, metric: str):
        """Choose layers and texts for one key and depth.

        Returns
        -------
        key : dict
            The law's key columns, but for the axis.
        choice : Choice
        """
        key = {
            "corpus": self.corpus, "family": self.models[0]["family"], "scope": scope,
            "metric": metric, "depth": depth, "convention": convention, "first": first, "n": n,
        }  # fmt: skip
        chosen, layers, values = [], [], []
        for model in self.models:
            measured, layer = self.measured[model["slug"]].trained, ""
            if depth:
                tolerance = self.settings.depth_tolerance
                layer = layer_at(depth, model["layers"], measured.layers, tolerance)
            rows = measured.get((scope, layer, convention, first, n, metric), len(self.sources))
            if rows is not None:
                chosen.append(model)
                layers.append(layer)
                values.append(rows[0])
        counts = {"models": len(chosen), "models_left_out": len(self.models) - len(chosen)}
        if not chosen:
            reason = cards.no_prediction(self.models[0])
            problem = "no model has a layer at this depth" if depth else reason
            return key, Choice(None, counts, [], problem)
        table = np.stack(values)  # (models, texts)
        used = np.flatnonzero(np.isfinite(table).all(0))
        problem, remarks = incomparable(chosen, metric), []
        if not len(used):
            problem = problem or "no text has a finite value in every model"
        if scope == "text":
            counts["texts"] = len(used)
            counts["texts_left_out"] = int((~np.isnan(table)).any(0).sum()) - len(used)
            counts["clusters"] = len(np.unique(self.sources[used]))
            if broken := int(np.isinf(table).any(0).sum()):
                remarks.append(f"{broken} texts with a value that is not finite left out")
        if not len(used):
            return key, Choice(None, counts, remarks, problem)
        weights = self._weights(used) if scope == "text" else None
        compared = Comparison(key, chosen, layers, table[:, used], used, weights)
        return key, Choice(compared, counts, remarks, problem)

    def _weights(self, used) -> np.ndarray:
        """The resamples of one set of texts."""
        name = used.tobytes()
        if name not in self._resamples:
            self._resamples[name] = resampling.text_weights(
                self.sources[used], draws=self.settings.draws, seed=self.settings.seed
            )
        return self._resamples[name]

    def shuffled(self, compared: Comparison) -> reading.Shuffled | None:
        """The same models on texts with shuffled words; None where this is no control of the key.

        Over the texts that have both, with the same resamples of them. A metric of a text's
        probability is itself how well the text is read.
        """
        key, tables = compared.key, []
        if key["scope"] != "text":
            return None
        rest = tuple(key[name] for name in ("convention", "first", "n", "metric"))
        nll = ("text", "", "", "", key["n"], "nll")
        lacking = np.full(len(compared.used), np.nan)
        for model, layer, values in zip(
            compared.models, compared.layers, compared.values, strict=True
        ):
            of = self.measured[model["slug"]]
            names = (of.shuffled, ("text", layer, *rest)), (of.trained, nll), (of.shuffled, nll)
            others = (where and where.get(name, len(self.sources)) for where, name in names)
            others = [lacking if row is None else row[0, compared.used] for row in others]
            tables.append([values, *others])
        tables = np.array(tables).swapaxes(0, 1)  # (4, models, texts), of `Read`
        return reading.shuffled(tables, compared.weights)

    def twins(self, compared: Comparison):
        """The twins' curve over models and each draw's mean (models, draws), or None."""
        key, tables = compared.key, []
        for model, layer in zip(compared.models, compared.layers, strict=True):
            twin = self.measured[model["slug"]].untrained
            rest = (key[name] for name in ("convention", "first", "n", "metric"))
            name = (key["scope"], layer, *rest)
            draws = twin and twin.get(name, len(self.sources))
            if draws is None or not np.isfinite(draws[:, compared.used]).all():
                return None
            tables.append(draws[:, compared.used])  # (draws, texts)
        means = [table.mean(-1) for table in tables]
        return compared.curve(np.stack([table.mean(0) for table in tables])), means
