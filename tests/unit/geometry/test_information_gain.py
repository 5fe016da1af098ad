"""Gains against a spectrum, scikit-learn, determinants and closed forms."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from infogeo.files.errors import InfogeoError
from infogeo.geometry import matrix_kernels
from infogeo.geometry.entropy import evaluate
from infogeo.geometry.information_gain import gains, pivots, ridge_optimum, slogdet_gain
from infogeo.geometry.metrics import regularisers
from infogeo.geometry.rows import unit_norm
from infogeo.geometry.spectra import text_spectra

EPSILON = np.finfo(float).eps
LAMBDAS = [1e-4, 0.01, 1.0]


def hidden(n, d, seed=0):
    """Float32 states with a common mean, a steep spectrum and one token of huge norm."""
    rng = np.random.default_rng(seed)
    Z = rng.standard_normal((n, d)) * np.arange(1, d + 1) ** -0.5 + rng.standard_normal(d)
    Z[0] *= 300
    return Z.astype(np.float32)


@pytest.mark.parametrize(("n", "d"), [(40, 64), (64, 64), (90, 32), (2, 16)])
def test_gains_add_up_to_the_coding_rate(n, d):
    Z = hidden(n, d)
    names, lambdas = zip(*regularisers([], [0.01, 0.5], n, d), strict=True)
    gain, _ = gains(Z, lambdas)
    eigenvalues, _ = text_spectra(Z, [n])["unit", "in", n]
    for name, of_token in zip(names, gain, strict=True):
        expected = evaluate(f"coding_rate[{name}]", eigenvalues, d, n, "unit")
        assert of_token.sum() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("lam", LAMBDAS)
@pytest.mark.parametrize("kind", ["anisotropic", "repeated"])
def test_every_token_equals_ridge_and_determinants(lam, kind):
    Z = hidden(30, 24)
    if kind == "repeated":
        Z = Z[np.random.default_rng(0).integers(0, 8, 30)]
    rows = unit_norm(Z)
    gain, rho = (values[0] for values in gains(Z, [lam]))
    logdet = [0.0]
    for i in range(30):
        logdet.append(np.linalg.slogdet(np.eye(24) + rows[: i + 1].T @ rows[: i + 1] / lam)[1])
        if i:
            fit = Ridge(alpha=lam, fit_intercept=False, solver="svd").fit(rows[:i].T, rows[i])
            left = rows[i] - rows[:i].T @ fit.coef_
            expected = left @ left + lam * fit.coef_ @ fit.coef_
            assert rho[i] == pytest.approx(expected, abs=1e-12)
            assert ridge_optimum(rows[i], rows[:i], lam) == pytest.approx(expected, abs=1e-12)
            assert abs(gain[i] - np.log1p(expected / lam)) < 1e-10
    np.testing.assert_allclose(gain, np.diff(logdet), rtol=0, atol=1e-10)


def test_orthonormal_rows_gain_the_most():
    gain, rho = gains(np.diag([3.0, 1.0, 0.2, 7.0, 1.0]), LAMBDAS)
    np.testing.assert_allclose(gain, np.log1p(1 / np.array(LAMBDAS))[:, None] * np.ones(5))
    np.testing.assert_allclose(rho, 1.0)


def test_equal_rows_gain_less_and_less():
    Z = np.tile(hidden(1, 20), (9, 1))
    earlier = np.arange(9)
    for lam, gain, rho in zip(LAMBDAS, *gains(Z, LAMBDAS), strict=True):
        expected = lam / (lam + earlier)  # ridge on i copies of the target
        np.testing.assert_allclose(rho, expected, rtol=0, atol=1e-14)
        np.testing.assert_allclose(gain, np.log1p(expected / lam), rtol=0, atol=1e-11)


def test_zero_rows_gain_nothing_and_tell_nothing():
    Z = hidden(12, 20)
    Z[5] = 0.0
    Z[7] = 1e-7 * Z[0]  # as small beside the largest that it counts as none
    gain, rho = gains(Z, LAMBDAS)
    assert not gain[:, [5, 7]].any()
    assert not rho[:, [5, 7]].any()
    kept = np.delete(np.arange(12), [5, 7])
    np.testing.assert_allclose(gain[:, kept], gains(Z[kept], LAMBDAS)[0], rtol=0, atol=1e-10)
    assert not gains(np.zeros((4, 3)), LAMBDAS)[0].any()


def test_a_stack_equals_each_text_alone():
    Z = np.stack([hidden(20, 16, seed) for seed in range(3)])
    stacked = gains(Z, LAMBDAS)
    for place, one in enumerate(Z):
        for together, alone in zip(stacked, gains(one, LAMBDAS), strict=True):
            np.testing.assert_array_equal(together[:, place], alone)


MANY = 10**6  # texts in all, for which loops are worth while
SIDE_BY_SIDE = [*np.geomspace(1e-4, 2.0, 11), 0.01, 0.01]  # more than lanes, and equal ones


def eliminated(rows, lam):
    """Pivots of Gaussian elimination in the longest floating-point numbers that there are."""
    left = (rows @ rows.T).astype(np.longdouble) / lam + np.eye(len(rows))
    found = []
    for i in range(len(rows)):
        found.append(left[i, i])
        left[i + 1 :, i + 1 :] -= np.outer(left[i + 1 :, i] / left[i, i], left[i, i + 1 :])
    return np.array(found, float)


@pytest.mark.parametrize("n", [1, 2, 5, 8, 31, 62, 64, 131])
def test_factors_side_by_side_are_exact(n):
    rows = unit_norm(np.stack([hidden(n, 48, seed) for seed in range(3)]))
    rows[1, n // 2] = 0.0
    together = pivots(rows, SIDE_BY_SIDE, MANY)
    for of_lam, lam in zip(together, SIDE_BY_SIDE, strict=True):
        exact = [eliminated(one, lam) for one in rows]
        np.testing.assert_allclose(of_lam, exact, rtol=0, atol=16 * EPSILON * (1 + 1 / lam))
    assert (together[:, 1, n // 2] == 1.0).all()
    alone = [pivots(one, SIDE_BY_SIDE, MANY) for one in rows]
    assert np.array_equal(together, np.stack(alone, axis=1))


def test_many_texts_alone_are_factored_side_by_side(monkeypatch):
    rows = unit_norm(hidden(20, 8))
    monkeypatch.setattr(matrix_kernels, "pivots", lambda *room: room[-1].fill(7.0))
    assert not (pivots(rows, LAMBDAS, 10) == 7.0).any()
    assert (pivots(rows, LAMBDAS, MANY) == 7.0).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_states_that_are_not_finite_are_named(bad):
    Z = hidden(6, 4)
    Z[2, 3] = bad
    with pytest.raises(InfogeoError, match="text 'a', layer 1: token 2, coordinate 3"):
        gains(Z, [0.1], "text 'a', layer 1")


@pytest.mark.parametrize("in_all", [1, MANY])
def test_a_lambda_beyond_float64_is_named(in_all):
    rows = unit_norm(np.tile(hidden(1, 8), (9, 1)))
    with pytest.raises(InfogeoError, match="λ = 1e-20"):
        pivots(rows, [1.0, 1e-20], in_all)


def test_a_determinant_beyond_float64_is_named_where_the_gains_are_not():
    rows = np.eye(3, 16) @ np.linalg.qr(np.random.default_rng(0).standard_normal((16, 16)))[0]
    gains(rows, [1e-18])  # n × n, which is not singular
    with pytest.raises(InfogeoError, match="λ = 1e-18"):
        slogdet_gain(rows, 1e-18)


def test_the_identity_holds_on_states_of_a_model(tiny_model_dir):
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_model_dir())
    ids = torch.arange(2, 42)[None] % 29
    with torch.no_grad():
        Z = model(ids, output_hidden_states=True).hidden_states[-1][0].numpy()
    gain, _ = gains(Z, [1e-4])
    rows = unit_norm(Z)
    rho = np.array([ridge_optimum(rows[i], rows[:i], 1e-4) for i in range(len(rows))])
    assert np.abs(gain[0] - np.log1p(rho / 1e-4)).max() < 1e-10
