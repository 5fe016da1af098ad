"""Which tokens are kept: of the random selector, and of the two modes."""

from collections import Counter
from itertools import pairwise
from math import comb
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import chi2

from infogeo.context.kept_sets import plan
from infogeo.context.selectors import SELECTORS

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


def planned(n=9, draws=3, seed=0, shares=SHARES):
    """(selector, sink, mode, share, draw) → the places that stay of a random text."""
    rng = np.random.default_rng(n)
    Z, heads, rollout = rng.standard_normal((n, 16)), rng.random((2, n)), rng.random(n)
    store = SimpleNamespace(
        read=lambda text, layer: Z,
        attention_last_row=lambda text: heads,
        rollout_row=lambda text: rollout,
    )
    task = SimpleNamespace(shares=shares, draws=draws, centred=False, seed=seed, k=(1, 2))
    rows, sets = plan(task, store, 4)
    keys = ("selector", "sink", "mode", "share", "draw")
    return {
        tuple(row[key] for key in keys): tuple(np.flatnonzero(kept))
        for row, kept in zip(rows, sets, strict=True)
    }


def test_kept_are_the_chosen_the_last_and_a_forced_first_and_dropped_the_chosen():
    sets = planned()
    assert {key[0] for key in sets} == set(SELECTORS)
    assert sets["recency", "free", "keep", 0.25, 0] == (6, 7, 8)
    assert sets["recency", "forced", "keep", 0.25, 0] == (0, 6, 7, 8)
    assert sets["recency", "free", "drop", 0.25, 0] == (0, 1, 2, 3, 4, 5, 8)
    assert sets["recency", "forced", "drop", 1.0, 0] == (0, 8)
    for (_, sink, mode, share, _), kept in sets.items():
        m = 8 - (sink == "forced")
        k = int(share * m + 0.5)
        assert len(kept) == 1 + (sink == "forced") + (k if mode == "keep" else m - k)


def test_random_sets_are_nested_and_equal_between_modes_and_sinks_where_they_can_be():
    sets, more = planned(), planned(draws=5)
    for draw in range(3):
        for sink in ("free", "forced"):
            for mode in ("keep", "drop"):
                of_mode = [set(sets["random", sink, mode, share, draw]) for share in SHARES]
                of_mode = of_mode if mode == "keep" else of_mode[::-1]
                assert all(a < b for a, b in pairwise(of_mode))
        for share in SHARES:  # 8 candidates: no number is rounded
            kept = sets["random", "free", "keep", share, draw]
            assert kept == sets["random", "free", "drop", 1 - share, draw]
            assert kept == more["random", "free", "keep", share, draw]
        forced = sets["random", "forced", "keep", 0.5, draw]  # 4 of 7, the last and the first
        assert set(sets["random", "free", "keep", 0.5, draw]) < set(forced)
    assert len({sets["random", "free", "keep", 0.5, draw] for draw in range(3)}) == 3
    assert sets != planned(seed=1)


@pytest.mark.parametrize("sink", ["free", "forced"])
@pytest.mark.parametrize("mode", ["keep", "drop"])
def test_every_random_set_of_a_size_is_as_likely(sink, mode):
    """So means over draws expect the same whatever sets modes and sinks have in common."""
    draws, share = 3000, 0.25
    sets = planned(draws=draws, shares=(0.0, share, 1.0))
    counts = Counter(sets["random", sink, mode, share, draw] for draw in range(draws))
    k, m = 2, 8 - (sink == "forced")
    kinds, expected = comb(m, k), draws / comb(m, k)
    assert len(counts) == kinds
    statistic = sum((count - expected) ** 2 / expected for count in counts.values())
    assert statistic < chi2.isf(1e-4, kinds - 1)
