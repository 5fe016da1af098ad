"""Rows of several models, and of their untrained twins, of the texts that all of them have."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from infogeo.geometry.similarity import MEASURES, Compared, compare
from infogeo.geometry.similarity_inference import MOST
from infogeo.geometry.text_rows import KINDS, Rows, TextRows
from infogeo.inference import resampling


class SharedTexts:
    """The texts that some models of one tokenizer share, and the rows of these.

    Parameters
    ----------
    slugs : list of str
    rows_of : callable
        Slug → TextRows of a model.
    twins_of : callable
        Slug and layer → (name, list of TextRows): whose twins they are, and the rows of each draw
        there; None where there are none.

    Attributes
    ----------
    slugs : list of str
    layer : str
    n : int
    doc_ids, sources : lists of str
        Of the texts.
    """

    def __init__(self, slugs: list[str], rows_of: Callable, twins_of: Callable):
        self.slugs = slugs
        self._models = {slug: rows_of(slug) for slug in slugs}
        self._twins: dict[str, list[TextRows]] = {}
        self._name: dict[str, str] = {}
        for slug, rows in self._models.items():
            if (given := twins_of(slug, rows.layer)) is not None:
                self._name[slug], self._twins[given[0]] = given
        first = self._models[slugs[0]]
        every = [*self._models.values(), *(rows for of in self._twins.values() for rows in of)]
        self._shared = set.intersection(*(set(rows.doc_ids) for rows in every))
        at = self._places(first)
        self.layer, self.n = first.layer, first.n
        self.doc_ids, self.sources = ([names[i] for i in at] for names in first[:2])

    def _places(self, rows: TextRows) -> list[int]:
        return [i for i, doc_id in enumerate(rows.doc_ids) if doc_id in self._shared]

    def of_models(self, kind: Rows) -> dict[str, np.ndarray]:
        """Slug → (texts, d) array."""
        return {slug: rows.rows[kind][self._places(rows)] for slug, rows in self._models.items()}

    def of_twins(self, kind: Rows, measure: str, **settings) -> "TwinSimilarities | None":
        """The similarities of the twins of all models; None where there are fewer than two draws.

        Parameters
        ----------
        kind : Rows
        measure : {"cka", "mutual_knn"}
        **settings
            See `compare`.
        """
        draws = {len(of_draws) for of_draws in self._twins.values()}
        if not draws or min(draws) < 2:
            return None
        rows = [of.rows[kind][self._places(of)] for draws in self._twins.values() for of in draws]
        names = list(self._twins)
        place = [names.index(self._name[slug]) if slug in self._name else -1 for slug in self.slugs]
        return TwinSimilarities(compare(rows, measure, **settings), np.array(place), draws.pop())


class TwinSimilarities:
    """How similar the untrained twins of several models are.

    Two models of one architecture share their twins, so a draw of one is set beside the other draws
    of the other alone.

    Parameters
    ----------
    compared : Compared
        Of all draws of all twins, those of one architecture one after another.
    place : (models,) int array
        Which twins are those of each model; −1: it has none.
    draws : int
    """

    def __init__(self, compared: Compared, place, draws: int):
        self.compared, self.place, self.draws = compared, place, draws

    def of_models(self, values) -> np.ndarray:
        """Of similarities of the twins, (..., n, n), Fisher's z of those of models, (..., m, m).

        Means over pairs of different draws; NaN for models without twins.
        """
        draws, lead = self.draws, values.shape[:-2]
        count = values.shape[-1] // draws
        z = fisher(values).reshape(*lead, count, draws, count, draws)
        apart = ~np.eye(draws, dtype=bool)[:, None, :]
        means = np.where(apart, z, 0).sum(axis=(-3, -1)) / (draws * (draws - 1))
        whole = means[..., self.place, :][..., self.place]
        without = self.place < 0
        whole[..., without, :] = np.nan
        whole[..., without] = np.nan
        return whole


def fisher(values) -> np.ndarray:
    """Fisher's z of similarities; of 1 and −1 the z of what is 1 but for rounding."""
    return np.arctanh(np.clip(values, -MOST, MOST))


def layers_of_twins(draws: list[dict[str, TextRows]], neighbours: int) -> pd.DataFrame:
    """How similar the layers of untrained twins are.

    Parameters
    ----------
    draws : list of dict
        Of each draw, layer → rows of the same texts.
    neighbours : int

    Returns
    -------
    pandas.DataFrame
        one, other, scope, first, measure, untrained: mean over draws on the scale of Fisher's z.
        Each pair of layers in both orders.
    """
    names, parts = list(draws[0]), []
    one, other = np.nonzero(~np.eye(len(names), dtype=bool))
    first = next(iter(draws[0].values()))
    clusters = resampling.clusters(first.doc_ids, first.sources)
    for kind in KINDS:
        for measure in MEASURES:
            given = {"sources": clusters, "neighbours": neighbours}
            rows = [[of_layer.rows[kind] for of_layer in draw.values()] for draw in draws]
            z = np.mean([fisher(compare(of, measure, **given).values) for of in rows], axis=0)
            parts.append(pd.DataFrame({
                "one": [names[i] for i in one], "other": [names[i] for i in other],
                **kind._asdict(), "measure": measure, "untrained": np.tanh(z[one, other]),
            }))  # fmt: skip
    return pd.concat(parts, ignore_index=True)
