"""Products in float32: how far they are from float64, and what they leave alone."""

import numpy as np
import pytest

from infogeo.geometry import covariance, metrics
from infogeo.geometry.corpus_spectra import CorpusSpectra, Sums
from infogeo.geometry.covariance import Covariance, spectrum_of
from infogeo.geometry.entropy import evaluate
from infogeo.geometry.mixed_products import add_products
from infogeo.geometry.rows import squared_norms

N = 32


def states(d, kind):
    """Texts (texts, n, d): isotropic, anisotropic, and with first tokens of huge norm."""
    rng = np.random.default_rng(d)
    Z = rng.standard_normal((10 * d // N, N, d))
    if kind != "isotropic":
        Z = Z * np.arange(1, d + 1) ** -0.8 @ np.linalg.qr(rng.standard_normal((d, d)))[0]
        Z += 3 * np.linalg.norm(Z[0], axis=1).mean() * rng.standard_normal(d) / np.sqrt(d)
    if kind == "first tokens":
        sink = rng.standard_normal(d)
        Z[:, 0] += 148 * np.median(np.linalg.norm(Z, axis=-1)) * sink / np.linalg.norm(sink)
    return Z.astype(np.float32).astype(np.float64)


def of_corpus(Z):
    """All spectra of the tokens, both conventions."""
    counts, d = {8: len(Z), N: len(Z)}, Z.shape[-1]
    sums, spectra = Sums(counts, d), {}
    sums.add(Z)
    for centres in (None, sums.centres(counts)):
        gathered = CorpusSpectra(counts, d, centres)
        for part in np.array_split(Z, 9):
            gathered.add(part)
        spectra |= gathered.spectra()
    return {key: value for key, value in spectra.items() if key[0] == "tokens"}


@pytest.mark.parametrize("kind", ["isotropic", "anisotropic", "first tokens"])
def test_entropies_and_coding_rates_are_those_of_float64(kind, monkeypatch):
    d = 256
    Z, spectra = states(d, kind), []
    for least in (d, d + 1):
        monkeypatch.setattr(covariance, "MIXED_WIDTH", least)
        spectra.append(of_corpus(Z))
    differ = False
    for key, exact in spectra[1].items():
        mixed = spectra[0][key]
        differ |= not np.array_equal(mixed.eigenvalues, exact.eigenvalues)
        assert mixed.zero_rows == exact.zero_rows
        for eps2 in (0.01, 0.1, 1.0):
            for base, bound in (("entropy", 1e-8), ("renyi_2", 1e-8), ("coding_rate", 5e-6)):
                one, other = (
                    evaluate(metrics.at_eps2(base, eps2), of.eigenvalues[0], d, of.rows, key[1])
                    for of in (mixed, exact)
                )
                assert one == pytest.approx(other, rel=0, abs=bound), (key, base, eps2)
    assert differ  # float32 was at work


def test_products_are_added_to_what_is_there():
    rows = np.random.default_rng(0).standard_normal((300, 64)).astype(np.float32)
    exact = np.tril(rows.T.astype(float) @ rows)
    total = np.zeros((64, 64))
    for part in (rows[:5], rows[5:280], rows[280:]):  # fewer rows than directions, too
        add_products(total, part.copy())
    np.testing.assert_allclose(np.tril(total), exact, rtol=0, atol=1e-4)


def test_rows_that_are_all_zero_are_nothing():
    total = np.zeros((64, 64))
    add_products(total, np.zeros((40, 64), np.float32))
    assert not total.any()


def test_rows_of_one_direction_have_one_eigenvalue():
    Z = np.outer(np.ones(3000), np.random.default_rng(1).standard_normal(600)) + 0.0
    gathered = Covariance(3000, 600, mixed=True)
    gathered.add(Z, squared_norms(Z), np.zeros(3000))
    found = spectrum_of(gathered)
    assert gathered.block.dtype == np.float32
    assert evaluate("entropy", found.eigenvalues[0], 600, 3000, "unit") == pytest.approx(
        0, abs=1e-6
    )
