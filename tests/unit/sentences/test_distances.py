"""Distances between texts against their d × d definitions and closed forms."""

import numpy as np
import pytest
from scipy.linalg import sqrtm
from scipy.spatial.distance import cdist, jensenshannon
from sklearn.metrics.pairwise import cosine_distances

from infogeo.files.errors import InfogeoError
from infogeo.geometry import eigenvalues
from infogeo.geometry.metrics import CONVENTIONS
from infogeo.sentences import distances as module
from infogeo.sentences.distances import (
    bag_of_words,
    bures,
    jensen_shannon,
    length,
    mean_distances,
)

SHAPES = [(8, 40), (12, 24), (20, 30), (30, 30), (40, 10)]  # 2n < d, = d, n < d < 2n, n = d, d < n


def hidden(m, n, d, seed=0):
    """States with a common mean, a steep spectrum and one token of huge norm, as models have."""
    rng = np.random.default_rng(seed)
    Z = rng.standard_normal((m, n, d)) * np.arange(1, d + 1) ** -0.7
    Z = Z @ np.linalg.qr(rng.standard_normal((d, d)))[0] + rng.standard_normal(d)
    Z[:, 0] *= 100
    return Z.astype(np.float32)


def covariance(Z, convention):
    """ρ (d, d) of one text, as the definition says."""
    Z = Z.astype(np.float64)
    if convention == "centred":
        Z = Z - Z.mean(axis=0)
    norms = np.linalg.norm(Z, axis=1)
    Z = Z[norms > 0] / norms[norms > 0, None]
    return Z.T @ Z / len(Z)


def entropy(rho):
    eigenvalues = np.linalg.eigvalsh(rho)
    eigenvalues = eigenvalues[eigenvalues > 0]
    return -(eigenvalues * np.log(eigenvalues)).sum()


def every_pair(Z, convention, distance):
    rhos = [covariance(text, convention) for text in Z]
    return np.array([[distance(one, other) for other in rhos] for one in rhos])


def js_by_definition(one, other):
    return entropy((one + other) / 2) - (entropy(one) + entropy(other)) / 2


def bures_by_definition(one, other):
    root = sqrtm(one)
    fidelity = np.trace(sqrtm(root @ other @ root)).real
    return np.sqrt(max(2 - 2 * fidelity, 0))


# ---------------------------------------------------------------- covariances


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize(("n", "d"), SHAPES)
def test_js_equals_the_d_by_d_definition(n, d, convention):
    Z = hidden(5, n, d)
    found = jensen_shannon(Z, convention)
    np.testing.assert_allclose(found, every_pair(Z, convention, js_by_definition), atol=1e-12)
    assert (found[~np.eye(5, dtype=bool)] > 1e-3).all()


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize(("n", "d"), [(6, 12), (8, 12), (12, 12), (20, 12)])
def test_bures_equals_the_definition_by_matrix_roots(n, d, convention):
    Z = hidden(4, n, d)
    expected = every_pair(Z, convention, bures_by_definition)
    off = ~np.eye(4, dtype=bool)
    # Square roots of singular matrices are good to half of the digits.
    np.testing.assert_allclose(bures(Z, convention)[off], expected[off], atol=1e-6)


@pytest.mark.parametrize("n", [6, 12])
def test_bures_keeps_the_digits_that_roots_of_eigenvalues_lose(n):
    # Two pure states at an angle: F = cos, also where cos is far below the root of rounding.
    one = np.zeros((n, 8))
    one[:, 0] = 1
    for cosine in (1e-9, 1e-5, 0.3):
        other = np.zeros((n, 8))
        other[:, :2] = cosine, np.sqrt(1 - cosine**2)
        squares = bures(np.stack([one, other]), "unit")[0, 1] ** 2
        assert 1 - squares / 2 == pytest.approx(cosine, abs=1e-15)


@pytest.mark.parametrize("d", [40, 20, 12])
def test_orthogonal_texts_are_as_far_as_can_be_and_equal_ones_at_zero(d):
    n = 7
    Z = np.zeros((3, n, d))
    basis = np.linalg.qr(np.random.default_rng(1).standard_normal((d, d)))[0]
    Z[0] = np.random.default_rng(2).standard_normal((n, 5)) @ basis[:5]
    Z[1] = np.random.default_rng(3).standard_normal((n, 5)) @ basis[5:10]
    Z[2] = 3 * Z[0][::-1]  # order and scale of the rows say nothing
    for convention in CONVENTIONS:
        js, distance = jensen_shannon(Z, convention), bures(Z, convention)
        assert js[0, 1] == pytest.approx(np.log(2), abs=1e-13)
        assert distance[0, 1] == pytest.approx(np.sqrt(2), abs=1e-7)
        assert js[0, 2] == pytest.approx(0, abs=1e-13)
        assert distance[0, 2] == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("d", [60, 12])
def test_commuting_covariances_have_the_classical_js(d):
    # Copies of orthonormal rows are a distribution over them.
    counts = np.array([[10, 5, 1, 0], [4, 4, 4, 4], [0, 0, 3, 13]])
    Z = np.stack([np.repeat(np.eye(d)[:4], row, axis=0) for row in counts])
    expected = [[jensenshannon(p, q) ** 2 for q in counts] for p in counts]
    np.testing.assert_allclose(jensen_shannon(Z, "unit"), expected, atol=1e-14)
    # The fidelity is the Bhattacharyya coefficient Σ √(pq).
    roots = np.sqrt(counts / 16)
    expected = np.sqrt(np.maximum(2 - 2 * roots @ roots.T, 0))
    np.testing.assert_allclose(bures(Z, "unit"), expected, atol=3e-8)


@pytest.mark.parametrize(("n", "d"), [(8, 40), (20, 30), (40, 10)])
def test_rounding_makes_no_divergence_negative(n, d):
    rng = np.random.default_rng(0)
    Z = np.stack([rng.permutation(hidden(1, n, d)[0]) for _ in range(12)])  # the same ρ
    js = jensen_shannon(Z, "unit")
    assert ((js >= 0) & (js < 3e-14)).all()


@pytest.mark.parametrize(("n", "d"), SHAPES)
def test_matrices_are_no_larger_than_they_need_be(n, d, monkeypatch):
    sizes = {"eigvalsh": set(), "svd": set()}

    def watched(name, function):
        def call(matrices, **options):
            sizes[name].add(matrices.shape[-2:])
            return function(matrices, **options)

        return call

    for name in sizes:
        monkeypatch.setattr(np.linalg, name, watched(name, getattr(np.linalg, name)))
    Z = hidden(3, n, d)
    jensen_shannon(Z, "unit")
    bures(Z, "unit")
    pair, r = min(2 * n, d), min(n, d)
    assert sizes["eigvalsh"] == ({(pair, pair), (n, n)} if 2 * n <= d else {(d, d)})
    assert sizes["svd"] == {(r, r)}


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize(("n", "d"), [(8, 40), (20, 30), (40, 10)])
def test_both_are_metrics_on_a_sample(n, d, convention):
    Z = hidden(12, n, d, seed=3)
    Z[5:8] = Z[4] + 1e-2 * hidden(3, n, d, seed=4)  # near ones too
    root = np.sqrt(jensen_shannon(Z, convention))
    for distance, bound in ((root, np.sqrt(np.log(2))), (bures(Z, convention), np.sqrt(2))):
        np.testing.assert_array_equal(distance, distance.T)
        assert not np.diagonal(distance).any()
        assert (distance <= bound + 1e-12).all()
        detour = (distance[:, :, None] + distance[None]).min(axis=1)
        assert (distance <= detour + 1e-12).all()


@pytest.mark.parametrize(("n", "d"), SHAPES)
def test_blocks_change_rounding_alone(n, d, monkeypatch):
    Z = hidden(9, n, d)
    whole = [jensen_shannon(Z, "centred"), bures(Z, "centred")]
    for texts in (1, 4):
        monkeypatch.setattr(module, "_texts_per_block", lambda *shape, texts=texts: texts)
        for one, distance in zip(whole, (jensen_shannon, bures), strict=True):
            np.testing.assert_allclose(one, distance(Z, "centred"), rtol=0, atol=1e-13)


@pytest.mark.parametrize(("n", "d"), SHAPES)
@pytest.mark.parametrize("stack_bytes", [1, 2**23])
def test_many_matrices_side_by_side_have_the_entropies_of_lapack(n, d, stack_bytes, monkeypatch):
    Z = hidden(9, n, d)
    by_lapack = jensen_shannon(Z, "centred")
    monkeypatch.setattr(eigenvalues, "FEW", 0)
    monkeypatch.setattr(module, "STACK_BYTES", stack_bytes)
    monkeypatch.setattr(module, "_texts_per_block", lambda *shape: 5)
    np.testing.assert_allclose(jensen_shannon(Z, "centred"), by_lapack, rtol=0, atol=1e-13)


@pytest.mark.parametrize(("n", "d"), [(32, 768), (64, 4096), (128, 64), (4, 100_000)])
def test_a_block_stays_within_its_bytes(n, d):
    texts, r = module._texts_per_block(n, d, views=4), min(n, d)
    # Rows of two blocks, as they are and in four views, and products of two kinds.
    numbers = 2 * 5 * texts * n * d + 2 * (texts * r) ** 2
    assert 8 * numbers <= module.BLOCK_BYTES
    assert 8 * 4 * numbers >= module.BLOCK_BYTES / 2 or texts == 1  # and it is made use of


@pytest.mark.parametrize(("n", "d"), SHAPES)
def test_texts_without_a_direction_are_at_the_distance_of_the_zero_matrix(n, d):
    Z = hidden(5, n, d) * np.float64(np.pi)
    Z[1] = Z[1, 3]  # constant: nothing but rounding is left when centred, one direction before
    Z[3] = 0  # nothing at all
    unit, centred = jensen_shannon(Z, "unit"), jensen_shannon(Z, "centred")
    np.testing.assert_allclose(unit[3, [0, 1, 2, 4]], np.log(2) / 2, rtol=1e-12)
    assert unit[0, 1] == pytest.approx(every_pair(Z[:2], "unit", js_by_definition)[0, 1], abs=1e-12)
    np.testing.assert_allclose(centred[np.ix_([1, 3], [0, 2, 4])], np.log(2) / 2, rtol=1e-12)
    assert centred[1, 3] == 0
    distance = bures(Z, "centred")
    np.testing.assert_allclose(distance[np.ix_([1, 3], [0, 2, 4])], 1, rtol=1e-12)
    assert distance[1, 3] == 0


@pytest.mark.parametrize(("n", "d"), [(8, 40), (20, 30), (40, 10)])
def test_zero_rows_are_left_out(n, d):
    Z = hidden(3, n, d)
    Z[1, 4:6] = 0
    np.testing.assert_allclose(
        jensen_shannon(Z, "unit"), every_pair(Z, "unit", js_by_definition), atol=1e-12
    )


def test_texts_of_one_token():
    Z = hidden(3, 1, 20).astype(float)
    rows = Z[:, 0] / np.linalg.norm(Z[:, 0], axis=1, keepdims=True)
    angle = np.abs(rows @ rows.T)
    np.testing.assert_allclose(bures(Z, "unit"), np.sqrt(np.maximum(2 - 2 * angle, 0)), atol=1e-7)
    assert not jensen_shannon(Z, "centred").any()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_states_that_are_not_finite_are_refused(bad):
    Z = hidden(3, 8, 40)
    Z[1, 2, 3] = bad
    for distance in (jensen_shannon, bures):
        with pytest.raises(InfogeoError, match=r"token 2, coordinate 3 is"):
            distance(Z, "unit")


# ---------------------------------------------------------------- means, and no model


def test_distances_of_means():
    means = hidden(1, 9, 30)[0]
    found = mean_distances(means)
    exact = means.astype(float)
    np.testing.assert_allclose(found["cosine"], cdist(exact, exact, "cosine"), atol=1e-14)
    centred = exact - exact.mean(axis=0)
    np.testing.assert_allclose(
        found["cosine_centred"], cdist(centred, centred, "cosine"), atol=1e-14
    )
    np.testing.assert_allclose(found["euclidean"], cdist(exact, exact), rtol=1e-13)
    for distance in found.values():
        np.testing.assert_array_equal(distance, distance.T)
        assert not np.diagonal(distance).any()


def test_near_means_keep_the_digits_of_their_distance():
    means = np.full((3, 50), 1e3)
    means[1, 0] += 1e-6
    assert mean_distances(means)["euclidean"][0, 1] == pytest.approx(1e-6, rel=1e-4)


def test_parallel_means_are_at_zero_and_never_below():
    means = np.sqrt(np.arange(1, 99))[:, None] * hidden(1, 1, 30)[0]
    cosine = mean_distances(means)["cosine"]
    assert ((cosine >= 0) & (cosine < 1e-15)).all()


def test_means_without_a_direction_are_at_right_angles():
    found = mean_distances([[0.0, 0.0], [1.0, 2.0], [0.0, 0.0]])
    np.testing.assert_array_equal(found["cosine"], 1 - np.eye(3))
    found = mean_distances(np.tile(np.pi * hidden(1, 1, 30)[0].astype(float), (13, 1)))
    np.testing.assert_array_equal(found["cosine_centred"], 1 - np.eye(13))
    assert not found["euclidean"].any()


def test_bag_of_words():
    token_ids = np.array([[7, 7, 50_000, 1], [1, 50_000, 7, 7], [7, 1, 2, 3], [9, 9, 9, 8]])
    counts = np.stack([np.bincount(row, minlength=50_001) for row in token_ids])
    found = bag_of_words(token_ids)
    np.testing.assert_allclose(found, cosine_distances(counts), atol=1e-15)
    assert found[0, 1] == 0  # order does not matter
    assert found[0, 3] == 1
    assert not np.diagonal(bag_of_words(np.random.default_rng(0).integers(0, 9, (40, 13)))).any()


def test_length():
    np.testing.assert_allclose(
        length([100, 200, 50]), np.log(2) * np.array([[0, 1, 1], [1, 0, 2], [1, 2, 0]]), rtol=1e-14
    )
    with pytest.raises(InfogeoError, match="1 texts cover no byte"):
        length([3, 0])
