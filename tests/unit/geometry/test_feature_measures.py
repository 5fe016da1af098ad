"""Measures of a row a text: planted spectra, their authors' formulas, and too few rows."""

import numpy as np
import pytest

from infogeo.geometry.covariance import Covariance, spectrum_of
from infogeo.geometry.entropy import evaluate
from infogeo.geometry.rows import squared_norms


def spectrum(rows):
    """Eigenvalues of rows as they are."""
    gathered = Covariance(*rows.shape, raw=True)
    gathered.add(rows, squared_norms(rows), np.zeros(len(rows)))
    return spectrum_of(gathered).eigenvalues[0]


@pytest.mark.parametrize("shape", [(30, 80), (80, 30)])
def test_rankme_is_that_of_its_paper(shape):
    Z = np.random.default_rng(0).standard_normal(shape) * np.arange(1, shape[1] + 1) ** -0.7 + 0.3
    sigma = np.linalg.svd(Z, compute_uv=False)
    p = sigma / np.abs(sigma).sum() + 1e-7
    expected = np.exp(-(p * np.log(p)).sum())
    assert evaluate("rankme", spectrum(Z), shape[1], shape[0], "raw") == pytest.approx(
        expected, rel=1e-9
    )


def test_stable_rank_is_of_norms_and_nesum_of_centred_rows():
    Z = np.random.default_rng(1).standard_normal((40, 25)) + 2
    ours = evaluate("stable_rank", spectrum(Z), 25, 40, "raw")
    assert ours == pytest.approx(np.linalg.norm(Z) ** 2 / np.linalg.norm(Z, 2) ** 2)
    covariance = np.linalg.eigvalsh(np.cov(Z.T))
    nesum = (covariance / covariance.max()).sum()
    ours = evaluate("stable_rank", spectrum(Z - Z.mean(axis=0)), 25, 40, "raw_centred")
    assert ours == pytest.approx(nesum)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.3])
def test_a_planted_power_law_has_its_alpha_in_every_range(alpha):
    p = np.arange(1, 201) ** -alpha
    p /= p.sum()
    for name in ("alpha_req", "alpha_req_low", "alpha_req_high"):
        assert evaluate(name, p, 200, 200, "raw") == pytest.approx(alpha, rel=1e-10)


def test_a_bent_spectrum_has_an_interval_around_its_alpha():
    j = np.arange(1, 201)
    p = j**-0.5 * np.exp(-j / 60)
    of = {name: evaluate(name, np.stack([p, p / 3]), 200, 200, "raw_centred") for name in
          ("alpha_req", "alpha_req_low", "alpha_req_high")}  # fmt: skip
    assert (of["alpha_req_low"] < of["alpha_req"]).all()
    assert (of["alpha_req"] < of["alpha_req_high"]).all()
    np.testing.assert_allclose(of["alpha_req"][0], of["alpha_req"][1])  # free of scale
    ranges = [j[int(199 * a) - 1 : int(199 * b)] for a in (1 / 40, 1 / 20, 1 / 10)
              for b in (1 / 4, 1 / 2, 3 / 4)]  # fmt: skip
    slopes = [-np.polyfit(np.log(ranks), np.log(p[ranks - 1]), 1)[0] for ranks in ranges]
    assert of["alpha_req_low"][0] == pytest.approx(min(slopes))
    assert of["alpha_req_high"][0] == pytest.approx(max(slopes))
    x, y = np.log(j[8:99]), np.log(p[8:99])  # centred: ranks 199/20 … 199/2
    assert of["alpha_req"][0] == pytest.approx(-np.polyfit(x, y, 1)[0])


def test_alpha_of_too_few_ranks_or_of_rank_deficient_rows_is_not_available():
    assert np.isnan(evaluate("alpha_req", np.full(6, 1 / 6), 6, 6, "raw"))
    deficient = np.r_[np.full(10, 0.1), np.zeros(90)]
    assert np.isnan(evaluate("alpha_req", deficient, 100, 100, "raw"))


def test_an_eigenvalue_that_float32_leaves_of_zero_is_not_fitted():
    Z = np.random.default_rng(2).standard_normal((400, 64)) * np.arange(1, 65) ** -1.5
    Z -= Z.mean(axis=1, keepdims=True)  # as by a LayerNorm: rank 63
    p = spectrum(Z.astype(np.float32).astype(float))
    assert 0 < p[63] / p[0] < 1e-13
    assert np.isfinite(evaluate("alpha_req", p, 126, 400, "raw"))  # ranks 6 … 63
    assert np.isnan(evaluate("alpha_req", p, 128, 400, "raw"))  # ranks 6 … 64
    p[63] = 1e-13 * p[0]  # small, but of the states
    assert np.isfinite(evaluate("alpha_req", p, 128, 400, "raw"))


def test_orders_have_their_limits():
    p = np.array([[0.5, 0.3, 0.2, 0.0], [0.25, 0.25, 0.25, 0.25]])
    near_one = evaluate("renyi[order=1.00001]", p, 4, 4, "unit")
    np.testing.assert_allclose(near_one, evaluate("entropy", p, 4, 4, "unit"), rtol=1e-4)
    for name, expected in (("renyi[order=2]", "renyi_2"), ("renyi[order=300]", "renyi_inf")):
        found, known = (evaluate(metric, p, 4, 4, "unit") for metric in (name, expected))
        np.testing.assert_allclose(found, known, rtol=0.02)
    assert evaluate("renyi[order=0.5]", p, 4, 4, "unit")[1] == pytest.approx(np.log(4))
    np.testing.assert_allclose(
        evaluate("schatten[order=2]", p, 4, 4, "unit"), np.sqrt((p**2).sum(-1))
    )


def test_shares_of_the_largest_eigenvalues():
    p = np.array([0.4, 0.3, 0.2, 0.1])
    assert evaluate("top_share[k=1]", p, 4, 4, "raw") == pytest.approx(0.4)
    assert evaluate("top_share[k=3]", p, 4, 4, "raw") == pytest.approx(0.9)
    for k in (4, 10):  # of no others
        assert np.isnan(evaluate(f"top_share[k={k}]", p, 4, 4, "raw"))


def test_no_rows_have_no_measure_that_is_not_finite():
    nothing = np.zeros(8)
    for metric in ("rankme", "stable_rank"):
        assert np.isfinite(evaluate(metric, nothing, 8, 0, "raw"))
    assert evaluate("renyi[order=0.5]", nothing, 8, 0, "unit") == 0
