"""Eigenvalues of many matrices side by side: LAPACK's, whatever the matrices are."""

import builtins

import numpy as np
import pytest

from infogeo.geometry import eigenvalues, matrix_kernels
from infogeo.geometry.eigenvalues import (
    Waiting,
    loops_pay,
    side_by_side,
    singular_values_for_stacks,
)

EPSILON = np.finfo(float).eps


def grams(n, rank, seed=0, count=70):
    rows = np.random.default_rng(seed).normal(size=(count, n, rank))
    return rows @ rows.swapaxes(1, 2)


def awkward(n):
    """Matrices on which QL has nothing to rotate, equal eigenvalues, or too few of them."""
    half, rng = n // 2, np.random.default_rng(1)
    blocks = grams(n, 2 * n, count=1)[0]
    blocks[:half, half:] = blocks[half:, :half] = 0
    arrow = np.diag(rng.normal(size=n))
    arrow[0] = arrow[:, 0] = rng.normal(size=n)
    small = grams(n, n, count=1)[0] * 1e-140
    path = np.diag(np.ones(n - 1), 1) + np.diag(np.ones(n - 1), -1)
    equal = [np.zeros((n, n)), np.eye(n), np.full((n, n), 1 / n), np.diag(rng.normal(size=n))]
    return np.stack([*equal, blocks, arrow, small, path, -blocks])


@pytest.mark.parametrize("n", [*range(1, 10), 33, 64, 129])
def test_eigenvalues_are_those_of_lapack(n):
    matrices = np.concatenate([grams(n, 2 * n), grams(n, max(1, n // 3)), awkward(n)])
    expected = np.linalg.eigvalsh(matrices)
    largest = np.abs(expected).max(axis=1, keepdims=True)
    off = np.abs(side_by_side(matrices) - expected)
    assert (off <= 60 * EPSILON * largest).all()


def test_the_lower_triangle_alone_is_read():
    matrices = grams(6, 6)
    lower = matrices + np.triu(np.full((6, 6), np.nan), 1)
    assert np.array_equal(side_by_side(lower), side_by_side(matrices))


def test_a_matrix_has_the_same_eigenvalues_in_every_stack():
    matrices = np.concatenate([grams(8, 3), awkward(8)])
    whole = side_by_side(matrices)
    backwards = side_by_side(matrices[::-1])[::-1]
    parts = [side_by_side(matrices[start : start + 7]) for start in range(0, len(matrices), 7)]
    assert np.array_equal(backwards, whole)
    assert np.array_equal(np.concatenate(parts), whole)


def test_so_many_matrices_wait_as_are_taken_at_once():
    assert eigenvalues.TOGETHER == matrix_kernels.LANES


def test_few_or_large_matrices_and_those_without_numba_go_to_lapack(monkeypatch):
    few, largest = eigenvalues.FEW // 64**2, eigenvalues.LARGEST
    assert loops_pay({64: few}, 64)
    assert not loops_pay({64: few - 1}, 64)
    assert loops_pay({64: few - 1, 32: 4}, 64)  # together they are enough
    assert loops_pay({64: few - 1, 32: 4}, 32)
    assert loops_pay({largest: few}, largest)
    assert not loops_pay({largest + 1: few}, largest + 1)
    assert not loops_pay({largest + 1: few, 64: 1}, 64)
    real = builtins.__import__

    def without_numba(name, *others):  # not installed, or one that refuses this numpy
        if name == "numba":
            raise ImportError(name)
        return real(name, *others)

    monkeypatch.setattr(builtins, "__import__", without_numba)
    assert not loops_pay({64: few}, 64)


@pytest.mark.parametrize("n", [1, 2, 7, 32])
def test_singular_values_are_those_of_lapack(n):
    rng = np.random.default_rng(0)
    low = rng.normal(size=(40, n, 1)) @ rng.normal(size=(40, 1, n))
    matrices = np.concatenate([rng.normal(size=(40, n, n)), low, np.zeros((2, n, n))])
    expected = np.linalg.svd(matrices, compute_uv=False)
    found = np.sort(singular_values_for_stacks(2**20, n)(matrices))[:, ::-1]
    off = 60 * EPSILON * expected.max(axis=1, keepdims=True)
    assert (np.abs(found - expected) <= off).all()
    assert singular_values_for_stacks(1, n) is eigenvalues.singular_values


def test_a_matrix_that_is_not_finite_ends_as_it_does_in_lapack():
    matrices = grams(6, 6)
    matrices[3, 2, 1] = np.nan
    with pytest.raises(np.linalg.LinAlgError):
        side_by_side(matrices)


def test_matrices_that_lapack_takes_do_not_wait_and_need_no_numba(monkeypatch):
    monkeypatch.setattr(eigenvalues, "side_by_side", None)
    matrices, spectra = grams(5, 5, count=3), np.zeros((3, 5))
    waiting = Waiting({5: 3}, 5)
    waiting.add(matrices, spectra, [2, 0, 1])
    assert not waiting.owners and not waiting.room.size
    waiting.take()
    assert np.array_equal(spectra[[2, 0, 1]], np.linalg.eigvalsh(matrices)[:, ::-1])
