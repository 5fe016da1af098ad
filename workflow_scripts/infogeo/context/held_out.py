"""How well every selector's tokens explain the last one, on coordinates that chose nothing."""

import numpy as np

from infogeo.context.least_squares import refit
from infogeo.context.paths import first_candidate, lasso, pursuit, tableau_of
from infogeo.context.selectors import SELECTORS, blind_orders, head_orders


def half_grams(rows, rotations: int, seed: int) -> np.ndarray:
    """Gram matrices of texts on random halves of their coordinates.

    Parameters
    ----------
    rows : (texts, n, d) ndarray
    rotations : int
    seed : int
        Each rotation has a stream of its own, (seed, d, rotation), shared by all texts.

    Returns
    -------
    (texts, 2 rotations, n, n) ndarray
        First the d // 2 first coordinates after each rotation, then the other ones.
    """
    texts, n, d = rows.shape
    grams = np.empty((texts, 2 * rotations, n, n))
    whole = rows @ rows.swapaxes(1, 2)
    for rotation in range(rotations):
        generator = np.random.default_rng([seed, d, rotation])
        # The first half of a random basis spans a random subspace, and the Gram matrix of what is
        # left is the rest: the other half of the basis is never needed.
        basis, _ = np.linalg.qr(generator.standard_normal((d, d // 2)))
        half = rows @ basis
        grams[:, rotation] = half @ half.swapaxes(1, 2)
        grams[:, rotations + rotation] = whole - grams[:, rotation]
    return grams


def selector_scores(
    Z, last_row, rollout, gram, halves, ks, *, sink: str, draws: int, rng
) -> list[dict]:
    """How well every selector's tokens explain the last one of a text.

    Parameters
    ----------
    Z, last_row, rollout, sink, draws, rng
        As for `selectors.supports`; attention is needed.
    gram : (n, n) ndarray
        Of the prepared rows.
    halves : (2 R, n, n) ndarray
        Of the prepared rows on halves of the coordinates; R places on is the other half.
    ks : list of int
        Numbers of tokens, rising; those above the number of candidates are left out.

    Returns
    -------
    list of dict
        selector, k, metric, value, draws. Metrics: in_sample, the explained share with all
        coordinates; held_out, its mean over the halves when chosen and fitted on one half and
        scored on the other; jaccard with the support of lasso; relative_position, the mean of the
        chosen (0 the first token, 1 the one before the last). The last two are with all
        coordinates. Lasso, omp and best head choose on the half, the best head at this k; the
        others never look at the target. random: means over the draws.
    """
    n, first = len(Z), first_candidate(sink)
    ks = [k for k in ks if k <= n - 1 - first]
    if not ks:
        return []
    train = np.concatenate([gram[None], halves])
    test = np.concatenate([gram[None], np.roll(halves, len(halves) // 2, axis=0)])
    task = tableau_of(train, sink)
    paths, _ = lasso(*task, ks)
    pursued = pursuit(*task, ks[-1])
    blind = blind_orders(Z, last_row, rollout, first)
    heads = head_orders(last_row, first)
    random = [rng.permutation(n - 1 - first) for _ in range(draws)]
    orders = np.stack([*blind.values(), *random, *heads])
    names = ["lasso", "omp", *blind]
    rows = []
    for k, path in zip(ks, paths, strict=True):
        shared = np.broadcast_to(orders[:, :k], (len(train), len(orders), k))
        chosen = np.concatenate([path[:, None], pursued[:, None, :k], shared], axis=1) + first
        on_train, on_test = refit(train, test, chosen, sink)
        best = len(on_train[0]) - len(heads) + on_train[:, -len(heads) :].argmax(axis=1)
        for metric, value in _metrics(on_train, on_test, chosen[0], n).items():
            mean = value.mean(axis=0)
            of_best = best[1:] if metric == "held_out" else best[:1]
            by_selector = dict(zip(names, mean, strict=False))
            by_selector["attention_best_head"] = value[np.arange(len(value)), of_best].mean()
            by_selector["random"] = mean[len(names) : len(names) + draws].mean()
            rows += [
                {
                    "selector": selector,
                    "k": k,
                    "metric": metric,
                    "value": by_selector[selector],
                    "draws": draws if selector == "random" else 1,
                }
                for selector in SELECTORS
            ]
    return rows


def _metrics(on_train, on_test, chosen, n: int) -> dict:
    """Metric → values (halves or 1, selections); chosen (selections, k) with all coordinates."""
    k = chosen.shape[1]
    common = (chosen[:, :, None] == chosen[0]).sum(axis=(1, 2))
    return {
        "held_out": on_test[1:],
        "in_sample": on_test[:1],
        "jaccard": (common / (2 * k - common))[None],
        "relative_position": (chosen.mean(axis=1) / max(n - 2, 1))[None],
    }
