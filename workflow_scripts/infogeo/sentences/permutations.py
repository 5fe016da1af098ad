"""Scores under permuted labels, and the p values that follow."""

from functools import cached_property

import numpy as np
from scipy import stats

from infogeo.sentences.judged_texts import JudgedTexts
from infogeo.sentences.scores import nearest, silhouettes

EQUAL = 1e-12  # scores that differ by less do so through rounding
BLOCK = 2**18  # float64 numbers of one block of permuted labels; some blocks fit the cache


class Permutations:
    """Scores of distances under permuted labels of the same texts.

    Parameters
    ----------
    texts : JudgedTexts
    neighbours : (3,) array of int
        Of the scores of nearest texts.
    count, seed : int
        Of the permutations.
    """

    def __init__(self, texts: JudgedTexts, neighbours, *, count: int, seed: int):
        self.texts, self.neighbours = texts, neighbours
        self.count, self.seed = count, seed

    @cached_property
    def labellings(self) -> np.ndarray:
        """Labels of the texts, observed first and then permuted: (1 + count, m).

        Sources exchange their labels with sources of about as many texts (1, 2–3, 4–7, …). So
        labels keep about their numbers of texts and of sources: else silhouettes of meaningless
        labels come out significant (tests/bench/separation.py). A source takes the labels of
        another one in random order, cut or repeated to its own number of texts. Where each has one
        label, the labels of sources are permuted and nothing else.
        """
        rng = np.random.default_rng(self.seed)
        texts = self.texts
        shape = self.count, len(texts)
        grouped = np.argsort(texts.sources, kind="stable")  # texts, source by source
        sizes = np.bincount(texts.sources)
        starts = np.cumsum(sizes) - sizes
        place = np.empty(shape[1], int)
        place[grouped] = np.arange(shape[1]) - starts[texts.sources[grouped]]
        within = np.lexsort((rng.random(shape), np.broadcast_to(texts.sources, shape)))
        giver = np.tile(np.arange(len(sizes)), (shape[0], 1))
        magnitude = np.log2(sizes).astype(int)
        for alike in (np.flatnonzero(magnitude == size) for size in np.unique(magnitude)):
            giver[:, alike] = rng.permuted(giver[:, alike], axis=1)
        giver = giver[:, texts.sources]  # (count, m): whose labels each text takes
        taken = np.take_along_axis(within, starts[giver] + place % sizes[giver], axis=1)
        return np.concatenate([texts.labels[None], texts.labels[taken]])

    @cached_property
    def _by_block(self) -> list[tuple]:
        """Blocks of labellings (m, block). Of each: texts of each label in other sources (m,
        labels, block), pairs of one label and texts that are judged (block,)."""
        m, labels = self.texts.onehot.shape
        step = max(1, BLOCK // (m * labels))
        blocks = []
        for first in range(0, len(self.labellings), step):
            block = np.ascontiguousarray(self.labellings[first : first + step].T, np.int16)
            counts = self._by_label(self.texts.different.astype(float), block)
            of_own = np.take_along_axis(counts, block[:, None], 1)[:, 0]
            blocks.append((block, counts, of_own.sum(axis=0) / 2, (of_own > 0).sum(axis=0)))
        return blocks

    def _by_label(self, matrix, block):
        """Row sums (rows, labels, block) of a matrix (rows, m) over the texts of each label."""
        m, labels = self.texts.onehot.shape
        onehot = block[:, None] == np.arange(labels)[:, None]  # (m, labels, block)
        sums = matrix @ onehot.reshape(m, -1).astype(float)
        return sums.reshape(len(matrix), labels, -1)

    def scores(self, distance) -> np.ndarray:
        """The scores under every labelling, (1 + count, scores); the observed one first.

        NaN where no text of a permuted label has another one in another source.

        Notes
        -----
        Verified against `separation.Separation.values` of each labelling.
        """
        distance = self.texts.checked(distance)
        upper = np.triu(self.texts.different)
        pairs = np.count_nonzero(upper)
        ranks = np.zeros_like(distance)
        ranks[upper] = stats.rankdata(distance[upper])
        ranks += ranks.T
        near = nearest(self.texts.away(distance), self.neighbours)
        queries, neighbours = np.nonzero(near.any(axis=0))
        near = near[:, queries, neighbours]  # (3, neighbours of all texts)
        both = np.concatenate([ranks, self.texts.different * distance])
        scores = []
        for block, counts, same, judged in self._by_block:
            ranks_of, sums = np.split(self._by_label(both, block), 2)
            rank_sum = np.take_along_axis(ranks_of, block[:, None], 1).sum((0, 1)) / 2
            hit = block[queries] == block[neighbours]  # (neighbours of all texts, block)
            shares = silhouettes(sums, counts, block)
            with np.errstate(divide="ignore", invalid="ignore"):
                above = same * (pairs - same) + same * (same + 1) / 2 - rank_sum
                auc = above / (same * (pairs - same))
                scores.append([auc, np.nanmean(shares, axis=0), *(near @ hit) / judged])
        return np.concatenate(scores, axis=1).T


def permutation_p(permuted) -> np.ndarray:
    """(1 + how many permuted scores are at least the observed one)/(1 + permutations), (scores,).

    permuted: of `Permutations.scores`; one without a score counts as at least that.
    """
    return 1 - (permuted < permuted[0] - EQUAL).mean(axis=0)
