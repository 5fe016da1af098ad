"""Similarity against closed forms, other implementations, and what must not change it."""

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from infogeo.files.errors import InfogeoError
from infogeo.geometry.similarity import BLOCK, CKA, MEASURES, MUTUAL_KNN, compare

N = 40
SOURCES = np.repeat(np.arange(N // 2), 2)


def similarity(representations, measure=CKA, sources=None, neighbours=10):
    compared = compare(representations, measure, sources=sources, neighbours=neighbours)
    return compared.values, compared.reasons


def representations(seed: int = 0) -> list[np.ndarray]:
    """One, a noisy projection of it, and one that has nothing to do with either."""
    rng = np.random.default_rng(seed)
    one = rng.standard_normal((N, 20)) + 3
    return [
        one,
        one @ rng.standard_normal((20, 7)) + rng.standard_normal((N, 7)),
        rng.standard_normal((N, 33)),
    ]


def hsic_1(X, Y) -> float:
    """Unbiased HSIC by the traces of Song et al. 2012, equation 5."""
    n, ones = len(X), np.ones(len(X))
    K, L = (Z @ Z.T - np.diag(np.diag(Z @ Z.T)) for Z in (X, Y))
    middle = (ones @ K @ ones) * (ones @ L @ ones) / ((n - 1) * (n - 2))
    return (np.trace(K @ L) + middle - 2 / (n - 2) * ones @ K @ L @ ones) / (n * (n - 3))


def test_cka_is_that_of_the_traces_of_song_and_others():
    of = representations()
    expected = [
        [hsic_1(X, Y) / np.sqrt(hsic_1(X, X) * hsic_1(Y, Y)) for X in of] for Y in of
    ]  # fmt: skip
    np.testing.assert_allclose(similarity(of)[0], expected, atol=1e-12)
    scale = N * (N - 3)
    assert compare(of).inner[0, 1] / scale == pytest.approx(hsic_1(of[0], of[1]), rel=1e-10)


@pytest.mark.parametrize("measure", MEASURES)
def test_blocks_of_texts_and_kept_matrices_give_the_same(measure, monkeypatch):
    whole = compare(representations(), measure, sources=SOURCES, keep=True)
    assert BLOCK > N
    monkeypatch.setattr("infogeo.geometry.similarity.BLOCK", 7)
    parts = compare(representations(), measure, sources=SOURCES, keep=True)
    np.testing.assert_allclose(parts.values, whole.values, atol=1e-12)
    np.testing.assert_array_equal(parts.matrices, whole.matrices)
    flat = whole.matrices.reshape(3, -1).astype(float)
    np.testing.assert_allclose(flat @ flat.T, whole.inner, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("k", [1, 5])
def test_mutual_neighbours_are_the_overlap_of_nearest_texts_of_other_sources(k):
    of = representations()[:2]
    near = []
    for Z in of:
        order = NearestNeighbors(n_neighbors=N, metric="cosine").fit(Z).kneighbors(Z)[1]
        away = [[j for j in row if SOURCES[j] != SOURCES[i]] for i, row in enumerate(order)]
        near.append([set(row[:k]) for row in away])
    expected = np.mean([len(a & b) / k for a, b in zip(*near, strict=True)])
    values, reasons = similarity(of, MUTUAL_KNN, SOURCES, k)
    assert values[0, 1] == pytest.approx(expected, abs=1e-12)
    assert reasons == ["", ""]


@pytest.mark.parametrize("measure", MEASURES)
def test_rotation_and_scale_change_nothing(measure):
    one, two, _ = representations()
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((20, 20)))[0]
    values, _ = similarity([one, 7 * one @ turn, two], measure)
    assert values[0, 1] == pytest.approx(1, abs=1e-12)
    assert values[0, 2] == pytest.approx(values[1, 2], abs=1e-12)


def test_a_shift_of_all_rows_does_not_change_cka():
    one, two, _ = representations()
    values, _ = similarity([one, one + 1e3, two])
    np.testing.assert_allclose(values[0], values[1], atol=1e-9)


@pytest.mark.parametrize("measure", MEASURES)
def test_the_order_of_texts_changes_nothing(measure):
    order = np.random.default_rng(2).permutation(N)
    of = representations()
    values, _ = similarity(of, measure, SOURCES, 5)
    again, _ = similarity([Z[order] for Z in of], measure, SOURCES[order], 5)
    np.testing.assert_allclose(values, again, atol=1e-12)


def test_independent_gaussians_have_the_expectations_of_chance():
    # Biased CKA of these would be 0.6: more dimensions than texts.
    rng = np.random.default_rng(3)
    drawn = np.array([
        [similarity(rng.standard_normal((2, 20, 30)), measure, neighbours=5)[0][0, 1]
         for measure in (CKA, MUTUAL_KNN)]
        for _ in range(400)
    ])  # fmt: skip
    error = drawn.std(axis=0) / np.sqrt(len(drawn))
    assert (abs(drawn.mean(axis=0) - [0, 5 / 19]) < 4 * error).all()
    assert (error < 0.005).all()


def test_equally_near_texts_share_the_places():
    # Rows of two kinds: of the others of its kind none is nearer than the other.
    Z = np.repeat([[1.0, 0], [0, 1.0]], [4, 4], axis=0)
    Y = np.repeat([[1.0, 0], [0, 1.0]], [2, 6], axis=0)
    values, _ = similarity([Z, Y], MUTUAL_KNN, neighbours=1)
    # What each text has in common: in the first kind of both 1 of 3 places, as the other text of
    # Y has all of it; then 0 of 1; in the last kind of both 3 shared ones of 1/3 · 1/5.
    common = 2 * 1 / 3 + 2 * (1 / 3) * (1 / 5) + 4 * 3 * (1 / 3) * (1 / 5)
    own = 8 * 1 / 3, 2 + 6 * 1 / 5
    assert values[0, 1] == pytest.approx(common / np.sqrt(np.prod(own)), abs=1e-12)
    assert values[0, 0] == 1


@pytest.mark.parametrize(
    ("rows", "measure", "reason"),
    [
        (np.eye(3), CKA, "3 texts; the unbiased HSIC needs 4"),
        (np.full((9, 5), 0.1), CKA, "all rows are equal"),
        (np.eye(9)[[0] * 8 + [1]], CKA, "rows of too few texts differ: their unbiased HSIC is 0"),
        (np.eye(5), MUTUAL_KNN, "5 neighbours, but a text has 4 others of other sources"),
        (np.diag([1.0] * 8 + [0]), MUTUAL_KNN, "a row of norm 0 has no cosine"),
    ],
)
def test_what_has_no_similarity_says_why_and_leaves_the_others_theirs(rows, measure, reason):
    other = np.random.default_rng(0).standard_normal((len(rows), 4))
    values, reasons = similarity([other, rows, 2 * other], measure, neighbours=5)
    assert reasons[1] == reason
    assert np.isnan(values[1]).all()
    assert np.isnan(values[:, 1]).all()
    # Where the number of texts is the reason, none has any.
    assert np.isnan(values[0, 2]) if reasons[0] else values[0, 2] == pytest.approx(1, abs=1e-12)


def test_neighbours_beyond_the_texts_of_other_sources_are_not_available():
    _, reasons = similarity(representations(), MUTUAL_KNN, np.repeat([0, 1], N // 2), N // 2)
    assert reasons[0] == f"{N // 2} neighbours, but a text has {N // 2} others of other sources"


def test_other_texts_and_values_that_are_not_finite_are_refused():
    one, two, _ = representations()
    with pytest.raises(InfogeoError, match="rows of 39 texts, but the first has 40"):
        similarity([one, two[1:]])
    two[3, 2] = np.inf
    with pytest.raises(InfogeoError, match="representation 1"):
        similarity([one, two])
