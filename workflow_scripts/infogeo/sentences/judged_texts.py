"""The texts whose distances are judged: their labels, their sources, and the strata of these.

Pairs of texts of one source (a document or module) never count, neither as of one label nor as of
two: near-duplicates would make the task easy. Sources are the units of intervals and of tests.
"""

from functools import cached_property

import numpy as np

from infogeo.files.errors import InfogeoError

MIN_SOURCES = 4  # of a stratum: with fewer the jackknife covers too little, see docs/verdicts.md


class NotJudged(InfogeoError):
    """The texts of a corpus cannot be judged by their labels."""


class JudgedTexts:
    """Texts of labels that have texts of two sources or more.

    Other texts have no pair of their label, and count nowhere.

    Parameters
    ----------
    labels, sources : (texts,) sequences of str
    most_neighbours : int
        Texts that must remain beside those of any two sources.

    Attributes
    ----------
    index : (m,) array of int
        Places of the judged texts among all.
    left_out : int
        How many the others are.
    labels, sources : (m,) arrays of int
    members : list of arrays of int
        The texts of each source.
    strata : (sources,) array of int
        The label of each source. Sources with texts of several labels, and the labels with the
        fewest sources, are pooled until every stratum has 4 sources.
    df : int
        Degrees of freedom: sources less strata.
    different : (m, m) array of bool
        The pairs that count: of different sources.
    alike : (m, m) array of bool
        The pairs of one label.
    onehot : (m, labels) array

    Raises
    ------
    NotJudged
        Where fewer than two labels are left, there are too few sources or too few texts.
    """

    def __init__(self, labels, sources, most_neighbours: int):
        labels, sources = np.asarray(labels), np.asarray(sources)
        names, codes = np.unique(labels, return_inverse=True)
        counts = np.array([len(np.unique(sources[codes == code])) for code in range(len(names))])
        self.index = np.flatnonzero(counts[codes] >= 2)
        self.left_out = len(labels) - len(self.index)
        if np.count_nonzero(counts >= 2) < 2:
            by_label = ", ".join(f"{name!r}: {n}" for name, n in zip(names, counts, strict=True))
            raise NotJudged(
                "separation of labels: two labels with texts of two sources each are needed, as "
                "texts of one source are not compared. Sources of each label: "
                f"{by_label or 'none'}. "
                "Give more texts, other labels or a larger sentences.texts_per_label, or leave "
                "the corpus out of sentences.corpora."
            )
        self.labels = np.unique(labels[self.index], return_inverse=True)[1]
        self.sources = np.unique(sources[self.index], return_inverse=True)[1]
        self.members = [np.flatnonzero(self.sources == s) for s in range(self.sources.max() + 1)]
        self._require_texts_beside_two_sources(most_neighbours)
        self.strata = self._strata()
        self.df = len(self.members) - len(np.unique(self.strata))
        self.different = self.sources[:, None] != self.sources
        self.alike = self.labels[:, None] == self.labels
        self.onehot = np.eye(self.labels.max() + 1)[self.labels]

    def __len__(self):
        return len(self.index)

    def _require_texts_beside_two_sources(self, most_neighbours):
        """A query's own source never counts, and the jackknife leaves out another one."""
        sizes = np.sort([len(texts) for texts in self.members])
        fewest = len(self) - sizes[-1] - sizes[-2]
        if fewest < most_neighbours or len(self.members) < MIN_SOURCES:
            raise NotJudged(
                f"separation of labels: {len(self)} texts of {len(self.members)} sources are "
                f"left, the largest of {sizes[-1]} texts. At least {MIN_SOURCES} sources are "
                f"needed, and {most_neighbours} texts beside any two of them. Give more "
                "texts, or lower sentences.neighbours (not below 5)."
            )

    def _strata(self) -> np.ndarray:
        labels_of = [np.unique(self.labels[texts]) for texts in self.members]
        strata = np.array([own[0] if len(own) == 1 else -1 for own in labels_of])
        labels, counts = np.unique(strata[strata >= 0], return_counts=True)
        for rank in np.argsort(counts, kind="stable"):  # fewest sources first
            pooled = np.count_nonzero(strata == -1)
            if counts[rank] < MIN_SOURCES or 0 < pooled < MIN_SOURCES:
                strata[strata == labels[rank]] = -1
        return strata

    def checked(self, distance) -> np.ndarray:
        """The distances between the judged texts, of those between all.

        Parameters
        ----------
        distance : (texts, texts) array
            Symmetric, in the order of the labels.

        Returns
        -------
        (m, m) float64 array

        Raises
        ------
        InfogeoError
            Where the shape is another one, or a distance is not finite.
        """
        distance = np.asarray(distance, np.float64)
        texts = len(self) + self.left_out
        if distance.shape != (texts, texts):
            raise InfogeoError(
                f"separation of labels: distances of shape {distance.shape} for {texts} texts"
            )
        distance = distance[np.ix_(self.index, self.index)]
        if not np.isfinite(distance).all():
            i, j = np.argwhere(~np.isfinite(distance))[0]
            raise InfogeoError(
                f"separation of labels: the distance of texts {self.index[i]} and {self.index[j]} "
                f"(counted from 0) is {distance[i, j]}. Make the distances anew: "
                "snakemake -R sentence_geometry"
            )
        return distance

    def away(self, distance) -> np.ndarray:
        """Distances (m, m), infinite within a source."""
        return np.where(self.different, distance, np.inf)

    @cached_property
    def pairs(self):
        """Texts (i, j) of each same-label pair and of each other pair, i < j: (2, pairs) each."""
        counted = np.triu(self.different)
        return tuple(np.stack(np.nonzero(counted & kind)) for kind in (self.alike, ~self.alike))

    def label_tables(self, distance):
        """Sums of distances to the texts of each label in other sources, and how many: (m, labels)
        each."""
        return (self.different * distance) @ self.onehot, self.different @ self.onehot

    def are_queries(self, counts) -> np.ndarray:
        """Texts (m, ...) with one of their own label in another source; counts (m, labels, ...)."""
        return counts[np.arange(len(counts)), self.labels] > 0
