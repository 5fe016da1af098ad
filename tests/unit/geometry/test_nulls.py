"""The random null against the Marchenko–Pastur law, and its seeding."""

import numpy as np
import pandas as pd
import pytest

from infogeo.geometry import metrics
from infogeo.geometry.nulls import random_null

EPS2, LAMBDAS = [0.5], [0.1]
KEYS = ["d", "n", "convention", "first", "metric", "draw"]


def marchenko_pastur_entropy(n, d):
    """Mean matrix entropy of n random unit vectors in R^d for large n and d, nats."""
    ratio = n / d
    low, high = (1 - np.sqrt(ratio)) ** 2, (1 + np.sqrt(ratio)) ** 2
    angle = (np.arange(20000) + 0.5) * np.pi / 20000
    x = (low + high) / 2 - (high - low) / 2 * np.cos(angle)  # eigenvalues of n K
    weight = ((high - low) / 2 * np.sin(angle)) ** 2 / (2 * np.pi * ratio * x) * np.pi / 20000
    return -np.sum(weight * x * np.log(x / n))


@pytest.mark.parametrize(("d", "n"), [(256, 128), (512, 64)])
def test_mean_entropy_is_that_of_marchenko_pastur(d, n):
    null = random_null([d], [n], EPS2, LAMBDAS, draws=8, seed=1)
    mean = null.groupby(["convention", "first", "metric"])["value"].mean()["unit"]
    for first, rows in (("in", n), ("out", n - 1)):
        expected = marchenko_pastur_entropy(rows, d)
        assert mean[first]["entropy"] == pytest.approx(expected, rel=1e-3)


def test_each_pair_is_what_its_own_seed_gives():
    null = random_null([5, 40], [9], EPS2, LAMBDAS, draws=2, seed=3).set_index(KEYS)["value"]
    for d in (5, 40):
        generator = np.random.default_rng([3, d, 9])
        for draw in range(2):
            Z = generator.standard_normal((9, d))
            Z /= np.linalg.norm(Z, axis=1, keepdims=True)
            Z -= Z.mean(axis=0)
            Z /= np.linalg.norm(Z, axis=1, keepdims=True)
            p = np.linalg.svd(Z, compute_uv=False) ** 2 / 9
            expected = -np.sum(p[p > 1e-20] * np.log(p[p > 1e-20]))
            assert null[d, 9, "centred", "in", "entropy", draw] == pytest.approx(
                expected, rel=1e-12
            )


def test_without_the_first_row_the_gain_is_of_one_vector_less():
    null = random_null([40], [9], EPS2, LAMBDAS, draws=1, seed=3).set_index(KEYS)["value"]
    Z = np.random.default_rng([3, 40, 9]).standard_normal((9, 40))[1:]
    Z /= np.linalg.norm(Z, axis=1, keepdims=True)
    expected = np.linalg.slogdet(np.eye(8) + Z @ Z.T / 0.1)[1] / 8
    gain = null[40, 9, "unit", "out", "mean_gain[lambda=0.1]", 0]
    assert gain == pytest.approx(expected, rel=1e-12)


def test_many_tokens_of_a_narrow_model_fill_all_directions():
    null = random_null([8], [2000], EPS2, LAMBDAS, draws=3, seed=1).set_index(KEYS)["value"]
    for convention in ("unit", "centred"):
        assert null[8, 2000, convention, "in", "entropy_over_ln_rank", 0] == pytest.approx(
            1, abs=1e-2
        )


def test_another_width_prefix_or_draw_changes_no_other_value():
    few = random_null([8, 32], [16], EPS2, LAMBDAS, draws=2, seed=7)
    many = random_null([32, 20, 8], [16, 12], EPS2, LAMBDAS, draws=3, seed=7)
    together = few.merge(many, on=KEYS, suffixes=("", "_again"))
    assert len(together) == len(few)
    pd.testing.assert_series_equal(
        together["value"], together["value_again"], check_names=False, check_exact=True
    )


def test_seeds_and_draws_differ():
    one, other = (random_null([16], [8], EPS2, LAMBDAS, draws=2, seed=seed) for seed in (1, 2))
    assert not np.isclose(one["value"], other["value"]).any()
    entropy = one[(one["metric"] == "entropy") & (one["convention"] == "unit")]["value"]
    assert entropy.nunique() == 4  # two draws, with and without the first row


def test_table_has_every_value_once():
    null = random_null([8, 32], [4, 16], EPS2, LAMBDAS, draws=3, seed=0)
    assert list(null.columns) == [*KEYS, "value"]
    assert not null.duplicated(KEYS).any()
    counts = [len(metrics.names(c, EPS2, LAMBDAS)) for c in ("unit", "centred")]
    assert len(null) == 4 * 3 * 2 * sum(counts)
    assert np.isfinite(null["value"]).all()
