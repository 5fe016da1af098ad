"""Which tokens of a text the ablation keeps: what selectors choose, or all but that."""

import math

import numpy as np

from infogeo.context.selectors import supports

SINKS, MODES = ("free", "forced"), ("keep", "drop")


def plan(task, store, text: int) -> tuple[list[dict], np.ndarray]:
    """Which tokens of a text are kept, for every selector, sink, mode, share and draw.

    Parameters
    ----------
    task : token_ablation.AblationTask
    store : store of hidden states
    text : int

    Returns
    -------
    rows : list of dict
        selector, sink, mode, share, k and draw.
    sets : (rows, n) bool ndarray
        The tokens that stay.

    Notes
    -----
    A draw of the random selector is one order of the earlier tokens. With the first token forced it
    is the same order without that token. Kept are the first k of it, dropped the last k: each k is
    a uniform choice, and what one mode drops the other keeps. So many of its sets are equal.
    """
    Z = store.read(text, "final")
    last_row, rollout = store.attention_last_row(text), store.rollout_row(text)
    n, rows, sets = len(Z), [], []
    rng = np.random.default_rng([task.seed, text])
    draws = [rng.permutation(n - 1) for _ in range(task.draws)]
    for sink in SINKS:
        m = n - 1 - (sink == "forced")
        sizes = [math.floor(share * m + 0.5) for share in task.shares]
        supports_of = supports(
            Z, last_row, rollout, sizes, sink=sink, centred=task.centred, head_sizes=task.k
        )  # fmt: skip
        chosen = {(name, 0): (of_sizes, of_sizes) for name, of_sizes in supports_of.items()}
        for draw, order in enumerate(draws):
            order = order[order >= n - 1 - m]
            chosen["random", draw] = [order[:k] for k in sizes], [order[m - k :] for k in sizes]
        for (selector, draw), of_modes in chosen.items():
            for mode, of_sizes in zip(MODES, of_modes, strict=True):
                for share, k, support in zip(task.shares, sizes, of_sizes, strict=True):
                    mask = np.full(n, mode == "drop")
                    mask[support] = mode == "keep"
                    if mode == "keep":
                        mask[-1] = True
                        mask[0] |= sink == "forced"
                    sets.append(mask)
                    rows.append(
                        {
                            "selector": selector,
                            "sink": sink,
                            "mode": mode,
                            "share": share,
                            "k": k,
                            "draw": draw,
                        }
                    )
    return rows, np.array(sets)
