"""The texts that models share: their values as arrays, means over them, and intervals.

Every mean is over the texts that all models of a family have; models with no text at all are left
out. Every interval is a 95 % percentile interval over resampled text clusters.
"""

import numpy as np
import pandas as pd

from infogeo.files.errors import InfogeoError
from infogeo.inference import resampling


class SharedTexts:
    """The texts that models share, and resamples of their clusters.

    Parameters
    ----------
    frames : iterable of pandas.DataFrame or infogeo.files.parts.Parts
        Long tables with doc_id and source, one per model; empty ones are passed over.
    draws, seed : int

    Attributes
    ----------
    doc_ids : list of str
    clusters : (texts,) array of str
        The source of each text; the doc_id where there is none.
    weights : (draws, texts) array
    """

    def __init__(self, frames, *, draws: int, seed: int):
        frames = [texts for texts in map(_texts, frames) if len(texts)]
        shared = set.intersection(*(set(frame["doc_id"]) for frame in frames)) if frames else set()
        self.doc_ids, self.clusters = [], np.zeros(0, dtype=str)
        self.weights = np.zeros((draws, 0))
        if shared:
            texts = frames[0][frames[0]["doc_id"].isin(shared)]
            self.doc_ids = texts["doc_id"].tolist()
            self.clusters = resampling.clusters(texts["doc_id"], texts["source"])
            self.weights = resampling.text_weights(self.clusters, draws=draws, seed=seed)

    def wide(self, table, keys: list[str], column: str):
        """One column of a long table as an array.

        Parameters
        ----------
        table : pandas.DataFrame or infogeo.files.parts.Parts
        keys : list of str
        column : str

        Returns
        -------
        index : pandas.DataFrame
            The keys, in the order of the table.
        values : (texts, keys) float64 array
            NaN where a text lacks the row.

        Raises
        ------
        InfogeoError
            Where a text that models share has a row twice.
        """
        index, values = None, np.full((len(self.doc_ids), 0), np.nan)
        present = values.astype(bool)  # (texts, keys): whether there was such a row
        for part in _parts(table[["doc_id", *keys, column]]):
            index, columns = _places(index, part[keys])
            new = len(index) - values.shape[1]
            values = np.pad(values, [(0, 0), (0, new)], constant_values=np.nan)
            present = np.pad(present, [(0, 0), (0, new)])
            rows = pd.Index(self.doc_ids).get_indexer(part["doc_id"])  # −1: not a shared text
            known = rows >= 0
            cells = rows[known], columns[known]
            flat = np.ravel_multi_index(cells, values.shape) if known.any() else cells[0]
            if present[cells].any() or pd.Index(flat).has_duplicates:
                raise InfogeoError(
                    f"a table of the context study holds a text's {column} twice for one "
                    f"({', '.join(keys)}); make the table anew"
                )
            present[cells] = True
            values[cells] = part[column].to_numpy(float)[known]
        return index, values

    def sources_of(self, present) -> np.ndarray:
        """How many clusters the texts of each column have; present: (texts, columns) bool."""
        of_cluster = np.unique(self.clusters)[:, None] == self.clusters
        return (of_cluster.astype(np.int64) @ present > 0).sum(axis=0)

    def mean(self, values):
        """Means over texts with their intervals; a text whose value is NaN is left out.

        Parameters
        ----------
        values : (texts, columns) array

        Returns
        -------
        mean, low, high : (columns,) arrays
            NaN where no text has a value; no interval where a resample may hold no text.
        """
        present = np.isfinite(values)
        filled = np.where(present, values, 0.0)
        with np.errstate(invalid="ignore"):
            resampled = (self.weights @ filled) / (self.weights @ present)
        return over_texts(values), *resampling.interval(resampled)


def over_texts(values):
    """Means over texts (texts, columns); a text whose value is NaN is left out. (columns,)"""
    present = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.where(present, values, 0.0).sum(0) / present.sum(0)


def _parts(table):
    """A table as an iterable of DataFrames."""
    return [table] if isinstance(table, pd.DataFrame) else table


def _texts(table) -> pd.DataFrame:
    """doc_id and source of the texts of a long table, in its order."""
    parts = [part.drop_duplicates("doc_id") for part in _parts(table[["doc_id", "source"]])]
    return pd.concat(parts, ignore_index=True).drop_duplicates("doc_id")


def _places(index: pd.DataFrame | None, keys: pd.DataFrame):
    """`index` with the keys that it lacks below it, and the place of each row of `keys` in it."""
    groups = keys.groupby(list(keys), sort=False, dropna=False).ngroup().to_numpy()
    first = np.unique(groups, return_index=True)[1]  # groups are counted as they come
    distinct = keys.iloc[first].reset_index(drop=True)
    if index is None:
        return distinct, groups
    index = pd.concat([index, distinct], ignore_index=True).drop_duplicates(ignore_index=True)
    numbered = index.assign(_place=np.arange(len(index)))
    return index, distinct.merge(numbered, "left", list(keys))["_place"].to_numpy()[groups]


def joined(parts: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    """Parts below each other; a column that no part has is NaN."""
    parts = [part.astype({"step": "Int64"}) for part in parts if len(part)]
    if not parts:
        return pd.DataFrame(columns=columns)
    return pd.concat(parts, ignore_index=True).reindex(columns=columns)
