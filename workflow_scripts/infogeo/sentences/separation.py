"""How well distances between texts separate their labels.

Pairs of texts of one source (a document or module) never count, neither as of one label nor as of
two: near-duplicates would make the task easy. Five scores, all of which rise with separation:

- ``auc``: P(distance of a same-label pair < distance of a different-label pair), ties half, over
  all pairs of different sources (the Mann–Whitney statistic);
- ``silhouette``: mean over texts of (b − a)/max(a, b), a the mean distance to the texts of the own
  label, b the least mean distance to those of another one (Rousseeuw 1987);
- ``knn_purity``, ``precision_1``, ``precision_5``: mean share of the own label among the nearest
  `neighbours`, 1 and 5 texts; texts at the distance of the last place share it equally.

Sources are the units of intervals and of tests. Intervals are Student's t on the jackknife over
sources, stratified by label: a source is left out both as query and as neighbour, so that all of
its influence counts. A bootstrap lets the shares of the labels vary, which the
design fixes, and makes intervals of the AUC 1.4 to 2.3 times as wide (tests/bench/separation.py).
"""

from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy import stats

from infogeo.files.errors import InfogeoError
from infogeo.inference.scaling import t_quantile

SCORES = ("auc", "silhouette", "knn_purity", "precision_1", "precision_5")
LEAST = (0.0, -1.0, 0.0, 0.0, 0.0)  # of each score; the largest of all is 1
MIN_SOURCES = 4  # of a stratum: with fewer the jackknife covers too little, see docs/verdicts.md
EQUAL = 1e-12  # scores that differ by less do so through rounding
BLOCK = 2**18  # float64 numbers of one block of permuted labels; some blocks fit the cache


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
    texts : (m,) array of int
        Those that are judged: of labels with texts of two sources or more. The others have no
        pair of their label, and count nowhere.
    left_out : int
        How many those are.
    labels, sources : (m,) arrays of int
    strata : (sources,) array of int
        The label of each source. Sources with texts of several labels, and the labels with the
        fewest sources, are pooled until every stratum has 4 sources.
    df : int
        Degrees of freedom: sources less strata.

    Raises
    ------
    InfogeoError
        Where fewer than two labels are left, there are too few sources or too few texts.
    """

    def __init__(self, labels, sources, *, neighbours: int, permutations: int, seed: int):
        labels, sources = np.asarray(labels), np.asarray(sources)
        names, codes = np.unique(labels, return_inverse=True)
        counts = np.array([len(np.unique(sources[codes == code])) for code in range(len(names))])
        self.texts = np.flatnonzero(counts[codes] >= 2)
        self.left_out = len(labels) - len(self.texts)
        if np.count_nonzero(counts >= 2) < 2:
            held = ", ".join(f"{name!r}: {n}" for name, n in zip(names, counts, strict=True))
            raise InfogeoError(
                "separation of labels: two labels with texts of two sources each are needed, as "
                f"texts of one source are not compared. Sources of each label: {held or 'none'}. "
                "Give more texts, other labels or a larger sentences.texts_per_label, or leave "
                "label_column empty to go without the sentence study."
            )
        self.labels = np.unique(labels[self.texts], return_inverse=True)[1]
        self.sources = np.unique(sources[self.texts], return_inverse=True)[1]
        self.members = [np.flatnonzero(self.sources == s) for s in range(self.sources.max() + 1)]
        sizes = np.sort([len(texts) for texts in self.members])
        self.strata = self._strata()
        self.df = len(self.members) - len(np.unique(self.strata))
        self.neighbours = np.array([neighbours, 1, 5])
        # What is left where the own source, and another one, is left out.
        fewest = len(self.texts) - sizes[-1] - sizes[-2]
        if fewest < self.neighbours.max() or len(self.members) < MIN_SOURCES:
            raise InfogeoError(
                f"separation of labels: {len(self.texts)} texts of {len(self.members)} sources are "
                f"left, the largest of {sizes[-1]} texts. At least {MIN_SOURCES} sources are "
                f"needed, and {self.neighbours.max()} texts beside any two of them. Give more "
                "texts, or lower sentences.neighbours (not below 5)."
            )
        self.permutations, self.seed = permutations, seed
        self.different = self.sources[:, None] != self.sources  # (m, m): pairs that count
        self.onehot = np.eye(self.labels.max() + 1)[self.labels]  # (m, labels)

    def _strata(self) -> np.ndarray:
        held = [np.unique(self.labels[texts]) for texts in self.members]
        strata = np.array([own[0] if len(own) == 1 else -1 for own in held])
        labels, counts = np.unique(strata[strata >= 0], return_counts=True)
        for rank in np.argsort(counts, kind="stable"):  # fewest sources first
            pooled = np.count_nonzero(strata == -1)
            if counts[rank] < MIN_SOURCES or 0 < pooled < MIN_SOURCES:
                strata[strata == labels[rank]] = -1
        return strata

    def _checked(self, distance) -> np.ndarray:
        """The distances of the texts that are judged, (m, m) float64."""
        distance = np.asarray(distance, np.float64)
        texts = len(self.texts) + self.left_out
        if distance.shape != (texts, texts):
            raise InfogeoError(
                f"separation of labels: distances of shape {distance.shape} for {texts} texts"
            )
        distance = distance[np.ix_(self.texts, self.texts)]
        if not np.isfinite(distance).all():
            i, j = np.argwhere(~np.isfinite(distance))[0]
            raise InfogeoError(
                f"separation of labels: the distance of texts {self.texts[i]} and {self.texts[j]} "
                f"(counted from 0) is {distance[i, j]}. Make the distances anew: "
                "snakemake -R sentence_geometry"
            )
        return distance

    def judge(self, distance) -> Judged:
        """Scores of a distance with what intervals and tests need."""
        permuted = self.permuted(distance)
        chance = np.nanmean(permuted[1:], axis=0)
        p = permutation_p(permuted)
        return Judged(self.values(distance), self.influence(distance), p, chance)

    # -------- scores of the texts as they are, and without each source

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
        distance = self._checked(distance)
        everywhere = np.ones(len(distance))
        tables = self._tables(distance)
        hits, _ = self._hits(self._away(distance))
        return np.array([
            weighted_auc(*self._sorted_pairs(distance), everywhere),
            np.nanmean(silhouettes(*tables, self.labels)),
            *_mean(hits, self._judged(tables[1])),
        ])  # fmt: skip

    def without_each_source(self, distance) -> np.ndarray:
        """The scores without each source in turn, (sources, scores).

        A text whose label is left with its own source alone is no query then.

        Notes
        -----
        Verified against `values` of the smaller set of texts.
        """
        distance = self._checked(distance)
        away = self._away(distance)
        hits, near = self._hits(away)
        aucs = aucs_without_each(*self._sorted_pairs(distance), self.sources)
        scores = np.empty((len(self.members), len(SCORES)))
        for source, (values, counts) in enumerate(self._silhouettes_without_each(distance)):
            texts = self.members[source]
            rest = np.ones(len(distance), bool)
            rest[texts] = False
            judged = self._judged(counts) & rest
            # Only where one of these texts is among the nearest does another take its place.
            rows = np.flatnonzero(near[:, texts].any(axis=1) & rest)
            fewer = away[rows]
            fewer[:, texts] = np.inf
            left = hits.copy()
            left[:, rows], _ = self._hits(fewer, rows)
            scores[source] = [aucs[source], np.nanmean(values[rest]), *_mean(left, judged)]
        return scores

    def _silhouettes_without_each(self, distance):
        """Silhouettes (m,) without each source in turn, and how many texts of each label, (m,
        labels), they rest on."""
        sums, counts = self._tables(distance)
        step = max(1, BLOCK // sums.size)
        for first in range(0, len(self.members), step):
            tables = []
            for texts in self.members[first : first + step]:
                own, apart = self.onehot[texts], self.different[:, texts].astype(float)
                less = sums - (apart * distance[:, texts]) @ own, counts - apart @ own
                tables.append(less)
            block = tuple(np.stack(part) for part in zip(*tables, strict=True))
            labels = np.broadcast_to(self.labels, block[0].shape[:-1])
            yield from zip(silhouettes(*block, labels), block[1], strict=True)

    @cached_property
    def _pairs(self):
        """Texts (i, j) of each same-label pair and of each other pair, i < j: (2, pairs) each."""
        own = self.labels[:, None] == self.labels
        counted = np.triu(self.different)
        return tuple(np.stack(np.nonzero(counted & kind)) for kind in (own, ~own))

    def _sorted_pairs(self, distance):
        """Pairs of one label; those of two in ascending distance; how many of these are nearer
        than each of those (ties: left out, counted)."""
        same, other = self._pairs
        apart = distance[tuple(other)]
        order = np.argsort(apart)
        at = distance[tuple(same)]
        ends = (np.searchsorted(apart[order], at, side) for side in ("left", "right"))
        return same, other[:, order], *ends

    def _tables(self, distance):
        """Sums of distances to the texts of each label in other sources, and how many: (m, labels)
        each."""
        return (self.different * distance) @ self.onehot, self.different @ self.onehot

    def _judged(self, counts) -> np.ndarray:
        """Texts (m,) with one of their own label in another source."""
        return counts[np.arange(len(counts)), self.labels] > 0

    def _away(self, distance):
        return np.where(self.different, distance, np.inf)

    def _hits(self, away, rows=slice(None)):
        """Shares of the own label among the nearest, (3, rows), and whether each text is among
        the most that are asked for, (rows, m)."""
        near = nearest(away, self.neighbours)  # (3, rows, m)
        own = self.labels[rows, None] == self.labels
        return (near * own).sum(-1), near[self.neighbours.argmax()] > 0

    # -------- intervals

    def influence(self, distance) -> np.ndarray:
        """How much each source moves the scores, (sources, scores); linear: the influence of a
        difference of scores is the difference of their influences, and so for means.

        In each stratum they sum to 0, and their squares are the jackknife's variance
        (k − 1)/k Σ (θ₍₋ₛ₎ − mean θ₍₋₎)² (Efron and Stein 1981; stratified: Jones 1974).
        """
        left_out = self.without_each_source(distance)
        influence = np.empty_like(left_out)
        for stratum in np.unique(self.strata):
            some = self.strata == stratum
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
        half = t_quantile(self.df) * np.sqrt((influence**2).sum(axis=0))
        return value - half, value + half

    def shifts(self, influence, *, draws: int, seed: int) -> np.ndarray:
        """What resampled sources do to scores, (draws, ...), with the jackknife's variance.

        One resample of sources per draw and stratum, the same for everything that is asked with
        one seed.
        """
        rng, shifts = np.random.default_rng(seed), 0.0
        for stratum in np.unique(self.strata):
            some = np.flatnonzero(self.strata == stratum)
            times = rng.multinomial(len(some), np.full(len(some), 1 / len(some)), draws)
            shifts = shifts + np.tensordot(times, influence[some], 1)
        return shifts

    # -------- permutations

    @cached_property
    def labellings(self) -> np.ndarray:
        """Labels of the texts, observed first and then permuted: (1 + permutations, m).

        Sources exchange their labels with sources of about as many texts (1, 2–3, 4–7, …), so
        that the labels keep about their numbers of texts and of sources: else silhouettes of
        meaningless labels come out significant (tests/bench/separation.py). A source takes the
        labels of another one in random order, cut or repeated to its own number of texts. Where
        each has one label, the labels of sources are permuted and nothing else.
        """
        rng = np.random.default_rng(self.seed)
        shape = self.permutations, len(self.labels)
        grouped = np.argsort(self.sources, kind="stable")  # texts, source by source
        sizes = np.bincount(self.sources)
        starts = np.cumsum(sizes) - sizes
        place = np.empty(shape[1], int)
        place[grouped] = np.arange(shape[1]) - starts[self.sources[grouped]]
        within = np.lexsort((rng.random(shape), np.broadcast_to(self.sources, shape)))
        given = np.tile(np.arange(len(sizes)), (shape[0], 1))
        magnitude = np.log2(sizes).astype(int)
        for alike in (np.flatnonzero(magnitude == size) for size in np.unique(magnitude)):
            given[:, alike] = rng.permuted(given[:, alike], axis=1)
        given = given[:, self.sources]  # (permutations, m): whose labels each text takes
        taken = np.take_along_axis(within, starts[given] + place % sizes[given], axis=1)
        return np.concatenate([self.labels[None], self.labels[taken]])

    @cached_property
    def _counts(self) -> list[np.ndarray]:
        """Texts of each label in other sources under each labelling, by blocks: (m, block, L)."""
        return [self._by_label(self.different.astype(float), block) for block in self._blocks()]

    def _blocks(self):
        m, labels = self.onehot.shape
        step = max(1, BLOCK // (m * labels))
        return [self.labellings[i : i + step] for i in range(0, len(self.labellings), step)]

    def _by_label(self, matrix, block):
        """Row sums (m, block, labels) of a matrix (m, m) over the texts of each label."""
        m, labels = self.onehot.shape
        onehot = block.T[:, :, None] == np.arange(labels)  # (m, block, labels)
        return (matrix @ onehot.reshape(m, -1).astype(float)).reshape(m, len(block), labels)

    def permuted(self, distance) -> np.ndarray:
        """The scores under every labelling, (1 + permutations, scores); the observed one first.

        NaN where no text of a permuted label has another one in another source.

        Notes
        -----
        Verified against `values` of each labelling.
        """
        distance = self._checked(distance)
        upper = np.triu(self.different)
        pairs = np.count_nonzero(upper)
        ranks = np.zeros_like(distance)
        ranks[upper] = stats.rankdata(distance[upper])
        ranks += ranks.T
        near = nearest(self._away(distance), self.neighbours)
        queries, found = np.nonzero(near.any(axis=0))
        near = near[:, queries, found]  # (3, neighbours of all texts)
        apart = self.different * distance
        scores = []
        for block, counts in zip(self._blocks(), self._counts, strict=True):
            own = block.T[:, :, None]  # (m, block, 1)
            same = np.take_along_axis(counts, own, -1).sum((0, 2)) / 2
            rank_sum = np.take_along_axis(self._by_label(ranks, block), own, -1).sum((0, 2)) / 2
            judged = (np.take_along_axis(counts, own, -1) > 0).sum((0, 2))
            hit = block.T[queries] == block.T[found]  # (neighbours of all texts, block)
            shares = silhouettes(self._by_label(apart, block), counts, block.T)
            with np.errstate(divide="ignore", invalid="ignore"):
                above = same * (pairs - same) + same * (same + 1) / 2 - rank_sum
                auc = above / (same * (pairs - same))
                scores.append([auc, np.nanmean(shares, axis=0), *(near @ hit) / judged])
        return np.concatenate(scores, axis=1).T


def permutation_p(permuted) -> np.ndarray:
    """(1 + how many permuted scores are at least the observed one)/(1 + permutations), (scores,).

    permuted: as `Separation.permuted` gives them; one without a score counts as at least that.
    """
    return 1 - (permuted < permuted[0] - EQUAL).mean(axis=0)


def weighted_auc(same, other, left, right, weights) -> float:
    """P(same-label pair nearer than another pair), ties half; a pair weighs the product of the
    weights (m,) of its texts. The pairs are those of `Separation._sorted_pairs`."""
    below = np.concatenate([[0.0], np.cumsum(weights[other[0]] * weights[other[1]])])
    pairs = weights[same[0]] * weights[same[1]]
    return 1 - pairs @ (below[left] + below[right]) / (2 * pairs.sum() * below[-1])


def aucs_without_each(same, other, left, right, sources) -> np.ndarray:
    """`weighted_auc` without the texts of each source (m,) in turn, (sources,).

    A place is a pair of two labels that lies before a same-label pair. Of all places those are
    taken away that have a text of the source in either pair, and given back that have in both:
    whole numbers, so the very number of `weighted_auc` where the source weighs 0.

    Notes
    -----
    Verified against `weighted_auc`.
    """
    places = left + right
    before = np.arange(other.shape[1])
    after = sum(len(end) - np.searchsorted(np.sort(end), before, "right") for end in (left, right))
    found, pairs = [], []
    for own, others in zip(_by_source(same, sources), _by_source(other, sources), strict=True):
        both = sum(
            len(own) * len(others) - np.searchsorted(np.sort(end[own]), others, "right").sum()
            for end in (left, right)
        )
        found.append(places.sum() - places[own].sum() - after[others].sum() + both)
        pairs.append((same.shape[1] - len(own)) * (other.shape[1] - len(others)))
    return 1 - np.array(found, float) / (2 * np.array(pairs, float))


def _by_source(pairs, sources) -> list[np.ndarray]:
    """Positions of the pairs (2, pairs) that have a text of each source."""
    codes = sources[pairs].ravel()
    order = np.argsort(codes, kind="stable") % pairs.shape[1]
    return np.split(order, np.cumsum(np.bincount(codes, minlength=sources.max() + 1))[:-1])


def silhouettes(sums, counts, labels) -> np.ndarray:
    """Silhouette (m, ...) of each text from the sums of its distances to the texts of each label,
    and their numbers (m, ..., labels). NaN where there is none of its own, or of no other, label;
    0 where all distances are 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        means = np.where(counts > 0, sums / counts, np.inf)
    own = np.asarray(labels)[..., None]
    a = np.take_along_axis(means, own, -1)[..., 0]
    np.put_along_axis(means, own, np.inf, -1)
    b = means.min(axis=-1)
    larger = np.maximum(a, b)
    with np.errstate(invalid="ignore"):
        value = (b - a) / np.where(larger > 0, larger, 1.0)
    return np.where(np.isfinite(a) & np.isfinite(b), value, np.nan)


def nearest(away, ks) -> np.ndarray:
    """Weights of the k nearest texts of each row, (ks, rows, m); each row sums to 1.

    Texts at the distance of the last place share what places are left. away: (rows, m), inf
    where a text does not count.
    """
    last = np.partition(away, np.asarray(ks) - 1, axis=1)[:, np.asarray(ks) - 1].T[:, :, None]
    nearer, tied = away < last, away == last
    places = np.asarray(ks)[:, None, None] - nearer.sum(-1, keepdims=True)
    weights = nearer + tied * (places / tied.sum(-1, keepdims=True))
    return weights / np.asarray(ks)[:, None, None]


def _mean(hits, judged) -> np.ndarray:
    """Means (ks,) of hits (ks, m) over the texts that are judged."""
    return hits[:, judged].mean(axis=1)
