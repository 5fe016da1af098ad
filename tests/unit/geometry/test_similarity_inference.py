"""Intervals and permutations of similarities against those of fewer or moved rows."""

from itertools import permutations, product

import numpy as np
import pytest

from infogeo.geometry.similarity import CKA, MEASURES, MUTUAL_KNN, compare
from infogeo.geometry.similarity_inference import interval, permuted, without_each_source

N = 30
SOURCES = np.random.default_rng(5).permutation(
    np.repeat(np.arange(12), [1] * 4 + [2] * 3 + [4] * 5)
)


def representations(seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    one = rng.standard_normal((N, 9))
    return [one, one[:, :4] + rng.standard_normal((N, 4)), rng.standard_normal((N, 12))]


def test_cka_without_a_source_is_that_of_the_other_texts():
    of = representations()
    left = without_each_source(compare(of, CKA, sources=SOURCES, keep=True))
    assert len(left) == 12
    for source, values in enumerate(left):
        rest = source != SOURCES
        np.testing.assert_allclose(values, compare([Z[rest] for Z in of]).values, atol=1e-6)


def test_graphs_without_a_source_lose_its_rows_and_its_columns():
    compared = compare(representations(), MUTUAL_KNN, sources=SOURCES, neighbours=5, keep=True)
    left = without_each_source(compared)
    for source in (0, 7, 11):
        rest = source != SOURCES
        flat = compared.matrices[:, rest][:, :, rest].reshape(3, -1)
        flat /= np.linalg.norm(flat, axis=1, keepdims=True)
        np.testing.assert_allclose(left[source], flat @ flat.T, atol=1e-6)


def test_the_interval_of_cka_is_that_of_fishers_z_over_the_jackknife():
    compared = compare(representations(), CKA, sources=SOURCES, keep=True)
    z = np.arctanh(without_each_source(compared)[:, 0, 1])
    error = np.sqrt(11 / 12 * ((z - z.mean()) ** 2).sum())
    expected = np.tanh(np.arctanh(compared.values[0, 1]) + np.array([-1, 1]) * 2.200985 * error)
    np.testing.assert_allclose([end[0, 1] for end in interval(compared)], expected, atol=1e-6)


def test_of_neighbours_the_squares_of_edges_between_sources_are_taken_off():
    compared = compare(representations(), MUTUAL_KNN, sources=SOURCES, neighbours=3, keep=True)
    left = without_each_source(compared)[:, 0, 1]
    one, two = compared.matrices[:2].astype(float)
    value, surplus = compared.values[0, 1], 0.0
    for g in range(12):
        for h in range(g):
            at = (np.ix_(g == SOURCES, h == SOURCES), np.ix_(h == SOURCES, g == SOURCES))
            both, a, b = (
                sum(matrix[block].sum() for block in at)
                for matrix in (one * two, one * one, two * two)
            )
            own = a / (one**2).sum() + b / (two**2).sum()
            surplus += (both / np.sqrt((one**2).sum() * (two**2).sum()) - value / 2 * own) ** 2
    share = surplus / (11 / 12 * ((left - left.mean()) ** 2).sum())
    assert 0.05 < share < 0.5
    z = np.arctanh(left)
    error = np.sqrt((1 - share) * 11 / 12 * ((z - z.mean()) ** 2).sum())
    expected = np.tanh(np.arctanh(value) + np.array([-1, 1]) * 2.200985 * error)
    np.testing.assert_allclose([end[0, 1] for end in interval(compared)], expected, atol=1e-6)


@pytest.mark.parametrize("measure", MEASURES)
def test_a_similarity_of_one_has_no_width_and_two_sources_no_interval(measure):
    one = representations()[0]
    compared = compare([one, 2 * one], measure, sources=SOURCES, neighbours=5, keep=True)
    np.testing.assert_array_equal(interval(compared), np.ones((2, 2, 2)))
    compared = compare([one, one**3], measure, sources=SOURCES % 2, neighbours=5, keep=True)
    assert np.isnan(interval(compared)).all()


@pytest.mark.parametrize("measure", MEASURES)
def test_the_null_is_that_of_rows_that_exchange_places_within_sources_of_one_size(measure):
    # Of two texts a source and one source of four, all orders can be counted.
    sources = np.array([0, 0, 1, 1, 2, 2, 2, 2])
    rng = np.random.default_rng(1)
    of = [rng.standard_normal((8, 5)), rng.standard_normal((8, 3))]
    possible = []

    def similarity(of):
        return compare(of, measure, sources=sources, neighbours=2).values

    pairs = [p for p in permutations(range(4)) if {p[0], p[1]} in ({0, 1}, {2, 3})]
    for pair, four in product(pairs, permutations(range(4, 8))):
        order = [*pair, *four]
        possible.append(similarity([of[0], of[1][order]])[0, 1])
    null = permuted(
        compare(of, measure, sources=sources, neighbours=2, keep=True), permutations=4000, seed=0
    )
    error = np.std(possible) / np.sqrt(4000)
    assert abs(null.mean[0, 1] - np.mean(possible)) < 4 * error
    observed = similarity(of)[0, 1]
    share = np.mean(np.array(possible) >= observed - 1e-9)
    assert null.p[0, 1] == pytest.approx(share, abs=0.03)
    assert null.high[0, 1] == pytest.approx(np.quantile(possible, 0.95), abs=0.02)


def test_the_null_repeats_and_is_symmetric():
    compared = compare(representations(), CKA, sources=SOURCES, keep=True)
    null, again = (permuted(compared, permutations=19, seed=3) for _ in range(2))
    for values, repeated in zip(null, again, strict=True):
        np.testing.assert_array_equal(values, repeated)
        np.testing.assert_array_equal(values, values.T)
    assert null.p[0, 1] == 1 / 20  # as small as 19 permutations allow
    assert null.p[0, 2] > 0.05
