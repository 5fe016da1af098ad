"""Scores of how well distances between texts separate their labels.

Five scores, all of which rise with separation; pairs of texts of one source never count:

- ``auc``: P(distance of a same-label pair < distance of a different-label pair), ties half, over
  all pairs of different sources (the Mann–Whitney statistic);
- ``silhouette``: mean over texts of (b − a)/max(a, b), a the mean distance to the texts of the own
  label, b the least mean distance to those of another one (Rousseeuw 1987);
- ``knn_purity``, ``precision_1``, ``precision_5``: mean share of the own label among the nearest
  `neighbours`, 1 and 5 texts; texts at the distance of the last place share it equally.
"""

import numpy as np

SCORES = ("auc", "silhouette", "knn_purity", "precision_1", "precision_5")
LEAST = (0.0, -1.0, 0.0, 0.0, 0.0)  # of each score; the largest of all is 1


def weighted_auc(same, other, left, right, weights) -> float:
    """P(same-label pair nearer than another pair), ties half; a pair weighs the product of the
    weights (m,) of its texts. The pairs are those of `separation.Separation.sorted_pairs`."""
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
    before = np.arange(other.shape[1])
    after = sum(len(end) - np.searchsorted(np.sort(end), before, "right") for end in (left, right))
    own, others = sources[same].ravel(), sources[other].ravel()  # each pair has two sources
    counts = [np.bincount(of_pairs, minlength=sources.max() + 1) for of_pairs in (own, others)]
    places = left + right
    taken = np.bincount(own, np.tile(places, 2), len(counts[0]))
    taken += np.bincount(others, np.tile(after, 2), len(counts[0]))
    step = len(before) + 1  # source by source in one search: no end reaches the next
    upto = np.cumsum(counts[0])[others]
    for end in (left, right):
        ends = np.sort(own * step + np.tile(end, 2))
        both = upto - np.searchsorted(ends, others * step + np.tile(before, 2), "right")
        taken -= np.bincount(others, both, len(counts[0]))
    pairs = (same.shape[1] - counts[0]) * (other.shape[1] - counts[1]).astype(float)
    return 1 - (places.sum() - taken) / (2 * pairs)


def silhouettes(sums, counts, labels) -> np.ndarray:
    """Silhouette (m, ...) of each text from the sums of its distances to the texts of each label,
    and their numbers (m, labels, ...); labels (m, ...). NaN where there is none of its own, or of
    no other, label; 0 where all distances are 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        means = np.where(counts > 0, sums / counts, np.inf)
    own = np.asarray(labels)[:, None]
    a = np.take_along_axis(means, own, 1)[:, 0]
    np.put_along_axis(means, own, np.inf, 1)
    b = means.min(axis=1)
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


def hits(away, own, ks) -> np.ndarray:
    """Share of the texts `own` (rows, m) among the k nearest of each row, (ks, rows).

    Notes
    -----
    Verified against the weights of `nearest`.
    """
    shares = []
    last = np.partition(away, np.asarray(ks) - 1, axis=1)[:, np.asarray(ks) - 1].T[:, :, None]
    for k, end in zip(ks, last, strict=True):
        nearer, tied = away < end, away == end
        places = (k - nearer.sum(-1)) / tied.sum(-1)  # of each tied text
        shares.append(((nearer & own).sum(-1) + places * (tied & own).sum(-1)) / k)
    return np.stack(shares)
