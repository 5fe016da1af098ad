"""Spectra of texts against the direct d × d definition and in closed forms."""

import itertools

import numpy as np
import pytest
from made_states import assert_equal_entropies, direct, hidden

from infogeo.files.errors import InfogeoError
from infogeo.geometry import metrics
from infogeo.geometry.spectra import text_spectra


@pytest.mark.parametrize("kind", ["random", "anisotropic", "low rank", "repeated", "large mean"])
@pytest.mark.parametrize(("n", "d"), [(32, 100), (64, 64), (100, 40), (128, 129)])
def test_every_entropy_equals_the_direct_definition(kind, n, d):
    Z = hidden(n, d, seed=n, kind=kind)
    for (convention, first, _), (eigenvalues, zero_rows) in text_spectra(Z, [n]).items():
        rows = Z[first == "out" :]
        expected, dropped = direct(rows, convention)
        assert zero_rows == dropped == 0
        assert eigenvalues.shape == (min(len(rows), d),)
        assert_equal_entropies(eigenvalues, zero_rows, expected, d, len(rows), convention)


def test_nested_prefixes_equal_separate_computation_and_direct_definition():
    Z = hidden(128, 64, kind="anisotropic")  # 32 and 64 by their Gram, 100 and 128 by covariance
    together = text_spectra(Z, [32, 64, 100, 128])
    for n in (32, 64, 100, 128):
        alone = text_spectra(Z[:n], [n])
        for convention, first in itertools.product(metrics.CONVENTIONS, metrics.FIRST):
            eigenvalues, _ = together[convention, first, n]
            again, _ = alone[convention, first, n]
            np.testing.assert_allclose(eigenvalues, again, rtol=0, atol=1e-14)
            rows = Z[first == "out" : n]
            expected, _ = direct(rows, convention)
            assert_equal_entropies(eigenvalues, 0, expected, 64, len(rows), convention)


def test_prefixes_beyond_the_text_are_left_out():
    assert {n for *_, n in text_spectra(hidden(40, 8), [32, 128])} == {32}
    assert text_spectra(hidden(10, 8), [32]) == {}


def test_a_stack_of_texts_equals_each_alone_to_the_last_bit():
    Z = np.stack([hidden(48, 32, seed, kind="anisotropic") for seed in range(5)])
    Z[2, 7] = 0.0
    Z[3] += 1e5  # this one is centred before its product
    stacked = text_spectra(Z, [16, 48])
    for index, one in enumerate(Z):
        for key, (eigenvalues, zero_rows) in text_spectra(one, [16, 48]).items():
            np.testing.assert_array_equal(stacked[key][0][index], eigenvalues)
            assert stacked[key][1][index] == zero_rows


def test_orthonormal_rows_have_a_flat_spectrum():
    Z = np.linalg.qr(hidden(64, 64).astype(float))[0][:20] * np.arange(1, 21)[:, None]
    eigenvalues, zero_rows = text_spectra(Z, [20])["unit", "in", 20]
    np.testing.assert_allclose(eigenvalues, 1 / 20, rtol=1e-12)
    assert zero_rows == 0


def test_parallel_rows_are_a_pure_state_and_nothing_is_left_when_centred():
    Z = np.tile(
        hidden(1, 50) * np.float64(np.pi), (12, 1)
    )  # float64: their mean is only nearly each row
    spectra = text_spectra(Z, [12])
    eigenvalues, zero_rows = spectra["unit", "in", 12]
    np.testing.assert_allclose(eigenvalues, [1] + [0] * 11, atol=1e-14)
    assert zero_rows == 0
    eigenvalues, zero_rows = spectra["centred", "in", 12]
    assert zero_rows == 12
    assert not eigenvalues.any()


@pytest.mark.parametrize("d", [30, 8])
def test_all_zero_states_are_counted_and_never_nan(d):
    spectra = text_spectra(np.zeros((12, d), np.float32), [12])
    for (_, first, _), (eigenvalues, zero_rows) in spectra.items():
        assert zero_rows == (12 if first == "in" else 11)
        assert not eigenvalues.any()


def test_equicorrelated_rows():
    n, rho = 16, 0.3
    rows = np.linalg.cholesky((1 - rho) * np.eye(n) + rho)  # unit rows, every pair at rho
    spectra = text_spectra(np.hstack([rows, np.zeros((n, 4))]), [n])
    expected = [(1 + (n - 1) * rho) / n] + [(1 - rho) / n] * (n - 1)
    np.testing.assert_allclose(spectra["unit", "in", n][0], expected, rtol=1e-12)
    # Centred they are a regular simplex: n − 1 equal directions.
    expected = [1 / (n - 1)] * (n - 1) + [0]
    np.testing.assert_allclose(spectra["centred", "in", n][0], expected, atol=1e-14)


@pytest.mark.parametrize(("ratio", "anew"), [(0.9e4, False), (1.1e4, True)])
def test_the_centred_gram_is_formed_anew_where_squared_norms_are_beyond_1e4_times_the_smallest(
    ratio, anew
):
    n = 24
    basis = np.linalg.qr(hidden(40, 40).astype(float))[0]
    mean = np.sqrt(ratio * (1 - 1 / n) - 1)  # squared norms mean² + 1, centred ones 1 − 1/n
    eigenvalues, _ = text_spectra(basis[:n] + mean * basis[-1], [n])["centred", "in", n]
    # A regular simplex. What the mean cancels costs digits, unless it is removed before.
    error = np.abs(eigenvalues[:-1] * (n - 1) - 1).max()
    assert (error < 1e-13) == anew
    assert error < 1e-10


@pytest.mark.parametrize("d", [40, 3])
def test_planted_spectrum(d):
    # Counts of copies of orthonormal directions are the spectrum.
    counts = [10, 5, 1]
    directions = np.linalg.qr(hidden(40, 40).astype(float))[0][:3] if d == 40 else np.eye(3)
    eigenvalues, _ = text_spectra(np.repeat(directions, counts, axis=0), [16])["unit", "in", 16]
    np.testing.assert_allclose(eigenvalues[:3], np.array(counts) / 16, rtol=1e-12)
    np.testing.assert_allclose(eigenvalues[3:], 0, atol=1e-15)


@pytest.mark.parametrize("d", [90, 20])
@pytest.mark.parametrize("smallest", [0.0, 1e-9])
def test_zero_rows_are_left_out_and_counted(d, smallest):
    Z = hidden(32, d)
    Z[[3, 30]] *= smallest
    eigenvalues, zero_rows = text_spectra(Z, [32])["unit", "in", 32]
    assert zero_rows == 2
    kept = np.delete(Z, [3, 30], axis=0)
    expected, _ = direct(kept, "unit")
    assert_equal_entropies(eigenvalues, zero_rows, expected, d, 32, "unit")
    # Centred, these rows are as good as any other.
    eigenvalues, zero_rows = text_spectra(Z, [32])["centred", "in", 32]
    assert zero_rows == 0
    assert_equal_entropies(eigenvalues, 0, direct(Z, "centred")[0], d, 32, "centred")


def test_a_row_that_equals_the_mean_is_a_zero_row_of_the_centred_convention():
    Z = hidden(32, 90).astype(np.float64)
    Z[5] = np.delete(Z, 5, axis=0).mean(axis=0)
    spectra = text_spectra(Z, [32])
    assert spectra["unit", "in", 32][1] == 0
    eigenvalues, zero_rows = spectra["centred", "in", 32]
    assert zero_rows == 1
    expected, dropped = direct(Z, "centred")
    assert dropped == 1
    assert_equal_entropies(eigenvalues, 1, expected, 90, 32, "centred")


def test_entries_are_not_clipped():
    # Rows at an obtuse angle: clipping the entries of K at 0 gives (1/2, 1/2).
    Z = np.array([[1.0, 0.0, 0.0], [-0.8, 0.6, 0.0]])
    eigenvalues, _ = text_spectra(Z, [2])["unit", "in", 2]
    np.testing.assert_allclose(eigenvalues, [0.9, 0.1], rtol=1e-12)


def test_eigenvalues_are_not_negative_and_descend():
    for kind in ("low rank", "repeated", "large mean"):
        for eigenvalues, _ in text_spectra(hidden(64, 80, kind=kind), [64]).values():
            assert (eigenvalues >= 0).all()
            assert (np.diff(eigenvalues) <= 0).all()
            assert eigenvalues.sum() == pytest.approx(1, abs=1e-13)


@pytest.mark.parametrize("shift", [1e3, 1e5, 1e7])
def test_centred_spectrum_survives_a_large_common_mean(shift):
    # Deviations on a grid of powers of two stay exact when shifted by integers.
    Z = np.round(hidden(48, 70, kind="low rank") * 2**10).astype(np.float64) / 2**10
    plain, _ = text_spectra(Z, [24, 48])["centred", "in", 48]
    shifted, _ = text_spectra(Z + shift, [24, 48])["centred", "in", 48]
    assert_equal_entropies(shifted, 0, plain, 70, 48, "centred")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_states_that_are_not_finite_are_refused_by_name(bad):
    Z = hidden(8, 4)
    Z[5, 2] = bad
    with pytest.raises(InfogeoError, match=r"text 'a', layer 3: token 5, coordinate 2 is"):
        text_spectra(Z, [8], "text 'a', layer 3")
