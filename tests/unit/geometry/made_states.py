"""Hidden states that tests of spectra share, a small corpus of them, and the direct definition."""

import numpy as np
import pytest

from infogeo.geometry import metrics
from infogeo.geometry.corpus_spectra import Documents, spectra_of_layer
from infogeo.geometry.entropy import evaluate

EPS2, LAMBDAS = [0.01, 0.1, 0.5, 1.0], [0.1]


def direct(Z, convention):
    """Eigenvalues of the d × d covariance, as the definition says; (eigenvalues, zero rows)."""
    Z = Z.astype(np.float64)
    if convention in metrics.ABOUT_MEAN:
        Z = Z - Z.mean(axis=0)
    if convention in metrics.RAW_CONVENTIONS:
        eigenvalues = np.linalg.eigvalsh(Z.T @ Z).clip(0)[::-1][: min(Z.shape)]
        return eigenvalues / eigenvalues.sum(), 0
    norms = np.linalg.norm(Z, axis=1)
    kept = norms**2 > 1e-12 * norms.max() ** 2
    Z = Z[kept] / norms[kept, None]
    return np.linalg.eigvalsh(Z.T @ Z / len(Z)).clip(0), np.count_nonzero(~kept)


def hidden(n, d, seed=0, kind="random"):
    """States that look like those of models in one respect each."""
    rng = np.random.default_rng(seed)
    Z = rng.standard_normal((n, d))
    if kind == "anisotropic":  # a large common mean, steep spectrum, one token of huge norm
        Z = Z * np.arange(1, d + 1) ** -1.0 @ np.linalg.qr(rng.standard_normal((d, d)))[0]
        Z += 5 * rng.standard_normal(d)
        Z[0] *= 300
    if kind == "low rank":
        Z = rng.standard_normal((n, 5)) @ rng.standard_normal((5, d))
    if kind == "repeated":  # layer 0: equal tokens have equal states
        Z = Z[rng.integers(0, n // 3, n)]
    if kind == "large mean":  # a few hundred times the deviations, of low rank
        Z = rng.standard_normal((n, 5)) @ rng.standard_normal((5, d)) + 300 * np.ones(d)
    return Z.astype(np.float32)


def assert_equal_entropies(eigenvalues, zero_rows, expected, d, n, convention, tolerance=1e-9):
    for metric in metrics.names(convention, EPS2, LAMBDAS):
        ours = evaluate(metric, eigenvalues, d, n - zero_rows, convention)
        theirs = evaluate(metric, expected, d, n - zero_rows, convention)
        # An eigenvalue that is nearly nothing is known to fewer digits, and so is α.
        near = 1e-4 if metric.startswith("alpha") else tolerance
        assert ours == pytest.approx(theirs, rel=near, nan_ok=True), (metric, convention, n)


LENGTHS = [40, 12, 64, 7, 33, 64, 16]
PREFIXES = [16, 32]
DOCUMENTS = Documents.of([f"t{i}" for i in range(7)], list("aabbccd"), LENGTHS, PREFIXES)


def corpus(widths, kind="anisotropic"):
    """layer → list of states, all texts."""
    return {
        str(layer): [hidden(n, d, 10 * layer + i, kind) for i, n in enumerate(LENGTHS)]
        for layer, d in enumerate(widths)
    }


def of_layer(states, layer="0"):
    return lambda: ((i, layer, Z) for i, Z in enumerate(states[layer]))


def computed(states):
    """Spectra of every layer."""
    return [spectra_of_layer(of_layer(states, layer), DOCUMENTS) for layer in states]
