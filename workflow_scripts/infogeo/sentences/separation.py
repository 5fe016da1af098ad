"""How well distances between texts separate their labels, with intervals and tests.

Intervals are Student's t on the jackknife over sources, stratified by label: a source is left out
both as query and as neighbour, so that all of its influence counts. A bootstrap lets the shares of
the labels vary, which the design fixes. It makes intervals of the AUC 1.4 to 2.3 times as wide
(tests/bench/separation.py).
"""

from typing import NamedTuple

import numpy as np

from infogeo.inference.regression import t_quantile
from infogeo.sentences.judged_texts import JudgedTexts
from infogeo.sentences.permutations import Permutations, permutation_p
from infogeo.sentences.scores import SCORES, aucs_without_each, hits, silhouettes, weighted_auc

BLOCK = 2**16  # float64 numbers of the tables of one block of sources; some blocks fit the cache


class Judged(NamedTuple):
    """The scores of one distance.

    Attributes
    ----------
    values : (scores,) array
    influence : (sources, scores) array
        See `Separation.influence`.
    p : (scores,) array
        Of the permutation test, see `permutation_p`.
    chance : (scores,) array
        Mean score of the permuted labellings.
    """

    values: np.ndarray
    influence: np.ndarray
    p: np.ndarray
    chance: np.ndarray


class Separation:
    """Scores of distances between the same texts, with their intervals and tests.

    Parameters
    ----------
    labels, sources : (texts,) sequences of str
    neighbours : int
        Of ``knn_purity``.
    permutations, seed : int

    Attributes
    ----------
    texts : JudgedTexts
    permutations : Permutations

    Raises
    ------
    InfogeoError
        From `JudgedTexts`.
    """

    def __init__(self, labels, sources, *, neighbours: int, permutations: int, seed: int):
        self.neighbours = np.array([neighbours, 1, 5])
        self.texts = JudgedTexts(labels, sources, self.neighbours.max())
        self.permutations = Permutations(self.texts, self.neighbours, count=permutations, seed=seed)

    def judge(self, distance) -> Judged:
        """Scores of a distance with what intervals and tests need."""
        permuted = self.permutations.scores(distance)
        chance = np.nanmean(permuted[1:], axis=0)
        p = permutation_p(permuted)
        return Judged(self.values(distance), self.influence(distance), p, chance)

    def values(self, distance) -> np.ndarray:
        """The scores of a distance.

        Parameters
        ----------
        distance : (texts, texts) array
            Symmetric, finite, in the order of the labels.

        Returns
        -------
        (scores,) float64 array
            In the order of `SCORES`.

        Raises
        ------
        InfogeoError
            Where the shape is another one, or a distance is not finite.

        Notes
        -----
        Verified against scikit-learn (roc_auc_score, silhouette_score) and a loop over texts.
        """
        distance = self.texts.checked(distance)
        everywhere = np.ones(len(distance))
        tables = self.texts.label_tables(distance)
        shares = hits(self.texts.away(distance), self.texts.alike, self.neighbours)
        return np.array([
            weighted_auc(*self.sorted_pairs(distance), everywhere),
            np.nanmean(silhouettes(*tables, self.texts.labels)),
            *_mean(shares, self.texts.are_queries(tables[1])),
        ])  # fmt: skip

    def without_each_source(self, distance) -> np.ndarray:
        """The scores without each source in turn, (sources, scores).

        A text whose label is left with its own source alone is no query then.

        Notes
        -----
        Verified against `values` of the smaller set of texts.
        """
        distance = self.texts.checked(distance)
        away, sources = self.texts.away(distance), self.texts.sources
        shares = hits(away, self.texts.alike, self.neighbours)
        scores = np.empty((len(self.texts.members), len(SCORES)))
        scores[:, 0] = aucs_without_each(*self.sorted_pairs(distance), sources)
        scores[:, 1], judged = self._silhouettes_without_each(distance)
        # Only where a text that is left out is among the nearest does another take its place.
        most = self.neighbours.max() - 1
        queries, texts = np.nonzero(away <= np.partition(away, most, axis=1)[:, [most]])
        changed = np.zeros((len(scores), len(away)), bool)
        changed[sources[texts], queries] = True
        which, rows = np.nonzero(changed)  # source after source
        again = np.empty((len(shares), len(rows)))
        step = max(1, BLOCK // len(away))
        for some in (slice(first, first + step) for first in range(0, len(rows), step)):
            fewer = np.where(sources == which[some, None], np.inf, away[rows[some]])
            again[:, some] = hits(fewer, self.texts.alike[rows[some]], self.neighbours)
        gain = (again - shares[:, rows]) * judged[rows, which]
        total = shares @ judged + [np.bincount(which, of_k, len(scores)) for of_k in gain]
        scores[:, 2:] = (total / judged.sum(axis=0)).T
        return scores

    def _silhouettes_without_each(self, distance):
        """Mean silhouette without each source in turn (sources,), and which texts are judged then,
        (m, sources): those left with one of their own label in another source."""
        texts = self.texts
        sums, counts = texts.label_tables(distance)
        apart = texts.different.astype(float)
        weighted = apart * distance
        step = max(1, BLOCK // sums.size)
        means, judged = [], []
        for first in range(0, len(texts.members), step):
            members = texts.members[first : first + step]
            less = [weighted[:, those] @ texts.onehot[those] for those in members]
            fewer = [apart[:, those] @ texts.onehot[those] for those in members]
            left = counts[..., None] - np.stack(fewer, axis=-1)  # (m, labels, block)
            shares = silhouettes(sums[..., None] - np.stack(less, axis=-1), left,
                                 texts.labels[:, None])  # fmt: skip
            rest = texts.sources[:, None] != np.arange(first, first + len(members))
            means.append(np.nanmean(np.where(rest, shares, np.nan), axis=0))
            judged.append(texts.are_queries(left) & rest)
        return np.concatenate(means), np.concatenate(judged, axis=1)

    def sorted_pairs(self, distance):
        """Pairs of one label; those of two in ascending distance; how many of these are nearer
        than each of those (ties: left out, counted)."""
        same, other = self.texts.pairs
        apart = distance[tuple(other)]
        order = np.argsort(apart)
        at = distance[tuple(same)]
        ends = (np.searchsorted(apart[order], at, side) for side in ("left", "right"))
        return same, other[:, order], *ends

    def influence(self, distance) -> np.ndarray:
        """How much each source moves the scores, (sources, scores); linear: the influence of a
        difference of scores is the difference of their influences, and so for means.

        In each stratum they sum to 0, and their squares are the jackknife's variance
        (k − 1)/k Σ (θ₍₋ₛ₎ − mean θ₍₋₎)² (Efron and Stein 1981; stratified: Jones 1974).
        """
        return self._influence_of(self.without_each_source(distance))

    def auc(self, distance) -> tuple[float, np.ndarray]:
        """The AUC alone, and its influence (sources,): see `values` and `influence`."""
        pairs = self.sorted_pairs(self.texts.checked(distance))
        left_out = aucs_without_each(*pairs, self.texts.sources)
        value = weighted_auc(*pairs, np.ones(len(self.texts)))
        return value, self._influence_of(left_out[:, None])[:, 0]

    def _influence_of(self, left_out) -> np.ndarray:
        """Influence (sources, scores) from the scores without each source."""
        influence = np.empty_like(left_out)
        for stratum in np.unique(self.texts.strata):
            some = self.texts.strata == stratum
            k = np.count_nonzero(some)
            gap = left_out[some].mean(axis=0) - left_out[some]
            influence[some] = np.sqrt((k - 1) / k) * gap
        return influence

    def interval(self, value, influence):
        """95 % interval of a score, or of a difference or mean of scores: low, high.

        Parameters
        ----------
        value : array (...)
        influence : array (sources, ...)

        Notes
        -----
        Coverage: tests/bench/separation.py.
        """
        half = t_quantile(self.texts.df) * np.sqrt((influence**2).sum(axis=0))
        return value - half, value + half

    def shifts(self, influence, *, draws: int, seed: int) -> np.ndarray:
        """What resampled sources do to scores, (draws, ...), with the jackknife's variance.

        One resample of sources per draw and stratum, the same for everything that is asked with
        one seed.
        """
        rng, shifts = np.random.default_rng(seed), 0.0
        for stratum in np.unique(self.texts.strata):
            some = np.flatnonzero(self.texts.strata == stratum)
            times = rng.multinomial(len(some), np.full(len(some), 1 / len(some)), draws)
            shifts = shifts + np.tensordot(times, influence[some], 1)
        return shifts


def _mean(shares, judged) -> np.ndarray:
    """Means (ks,) of shares (ks, m) over the texts that are judged."""
    return shares[:, judged].mean(axis=1)
