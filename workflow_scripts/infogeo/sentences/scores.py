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
    places = left + right
    before = np.arange(other.shape[1])
    after = sum(len(end) - np.searchsorted(np.sort(end), before, "right") for end in (left, right))
    nearer, pairs = [], []
    for own, others in zip(_by_source(same, sources), _by_source(other, sources), strict=True):
        both = sum(
            len(own) * len(others) - np.searchsorted(np.sort(end[own]), others, "right").sum()
            for end in (left, right)
        )
        nearer.append(places.sum() - places[own].sum() - after[others].sum() + both)
        pairs.append((same.shape[1] - len(own)) * (other.shape[1] - len(others)))
    return 1 - np.array(nearer, float) / (2 * np.array(pairs, float))


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
