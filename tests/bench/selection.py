"""Time of the Lasso's supports of one text beside scikit-learn's paths on the raw matrix.

    python tests/bench/selection.py

n = 128 tokens of width 1024, supports up to k = 32, on the text and on both halves of four random
rotations of it (9 problems, as in the workflow), one thread, processor time, medians. The
common way is `lasso_path` (coordinate descent, 100 penalties) on the d × n matrix, which finds a
support of k members only by chance; `lars_path` on it finds each, and ours are asserted equal to
those before any time counts. Forming Gram matrices is in ours. The floor is what LARS in Gram form
cannot do without: the Gram matrices, and one update of rank 1 for each token that joins.
"""

import os
import sys
import warnings
from pathlib import Path

for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ[f"{library}_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).parents[2] / "workflow_scripts"))

import numpy as np
import timing
from sklearn.linear_model import lars_path, lasso_path

from infogeo.context.paths import lasso, tableau_of
from infogeo.context.selectors import prepared

N, D, KS, ROTATIONS = 128, 1024, (1, 2, 4, 8, 16, 32), 4


def texts() -> list[np.ndarray]:
    """A text and its halves, each (n, width) with rows that are regressed as they are."""
    rng = np.random.default_rng(0)
    Z = rng.standard_normal((N, D)) * np.arange(1, D + 1) ** -0.5 + 0.3 * rng.standard_normal(D)
    rows = prepared(Z.astype(np.float32), centred=False)
    halves = []
    for _ in range(ROTATIONS):
        basis, _ = np.linalg.qr(rng.standard_normal((D, D)))
        halves += [rows @ basis[:, : D // 2], rows @ basis[:, D // 2 :]]
    return [rows, *halves]


def ours(rows):
    grams = np.stack([X @ X.T for X in rows])
    return lasso(*tableau_of(grams, "free"), list(KS))[0]


def by_lars(rows):
    """The first support of each size on the whole path of each problem."""
    found = []
    for X in rows:
        _, _, path = lars_path(X[:-1].T, X[-1], method="lasso", max_iter=2 * max(KS))
        first = {}
        for before, after in zip(path.T[:-1], path.T[1:], strict=True):
            members = np.flatnonzero(before + after)
            first.setdefault(len(members), members)
        found.append([first[k] for k in KS])
    return found


def by_descent(rows):
    for X in rows:
        lasso_path(X[:-1].T, X[-1])


def floor(rows):
    tableau = np.stack([X @ X.T for X in rows])
    for k in range(max(KS)):
        column = tableau[:, :, k]
        tableau -= column[:, :, None] * (1e-9 * column)[:, None, :]


def main() -> None:
    rows = texts()
    mine = ours(rows)
    for problem, supports in enumerate(by_lars(rows)):
        for size, support in zip(mine, supports, strict=True):
            assert np.array_equal(size[problem], support), (problem, len(support))
    took = timing.median(lambda: ours(rows))
    print(f"n = {N}, d = {D}, {len(rows)} problems, k to {max(KS)}: supports equal to lars_path's")
    print(f"{'':38}{'ms per text':>13}{'÷ ours':>9}")
    for what, call in (
        ("lasso_path on the matrix (common way)", by_descent),
        ("lars_path on the matrix", by_lars),
        ("ours", ours),
        ("floor: Gram matrices, rank-1 updates", floor),
    ):
        elapsed = took if call is ours else timing.median(lambda call=call: call(rows))
        print(f"{what:38}{1e3 * elapsed:13.1f}{elapsed / took:9.2f}")
    print(f"{'ours ÷ floor':38}{took / elapsed:13.2f}")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
