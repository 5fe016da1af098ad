"""Segmented regression: a continuous line with kinks, how many of them, and noise like its own.

The least squares line with so many kinks is sought on a grid of the observed places (Lerman 1980,
Applied Statistics 29). Then it is sought between them (Muggeo 2003, Statistics in Medicine 22). How
many kinks there are follows from an information criterion that counts `PARAMETERS` a kink.
"""

from itertools import combinations, pairwise
from typing import NamedTuple

import numpy as np

from infogeo.inference.regression import t_quantile

MOST_KINKS = 3
APART = 3  # places between two kinks of the grid, so that a single outlier is no segment
FROM_END = 2  # places between a kink and an end
# That a kink costs. BIC3 of the Joinpoint program (Kim & Kim 2016, Journal of Statistical Planning
# and Inference 170) counts 3, for independent noise; neighbouring steps are alike, see
# tests/bench/phases.py.
PARAMETERS = 5
ROUNDING = 1e-10  # share of the variance below which residuals are rounding
BLOCK = 256  # curves that are fitted at once
REFINED = 3  # steps by which kinks leave the grid
ALIKE = 0.5  # correlation of the noise of neighbouring places, as intervals assume it


class Kinked(NamedTuple):
    """Continuous lines with equally many kinks, fitted to curves.

    Attributes
    ----------
    kinks : (curves, kinks) array
        Their places, ascending.
    nodes : (curves, kinks + 2) array
        The lines at the first place, the kinks and the last place.
    squares : (curves,) array
        Sums of squared residuals.
    """

    kinks: np.ndarray
    nodes: np.ndarray
    squares: np.ndarray


class SegmentedLine:
    """Fits of lines with up to `MOST_KINKS` kinks to curves over the same places.

    Parameters
    ----------
    x : (places,) array
        Ascending.

    Attributes
    ----------
    most : int
        Kinks that so many places allow.
    """

    def __init__(self, x):
        self.x = np.asarray(x, float)
        inner = range(FROM_END, len(self.x) - FROM_END)
        self._choices = []  # for each number of kinks: places, solvers, orthonormal bases
        for kinks in range(MOST_KINKS + 1):
            chosen = [
                choice for choice in combinations(inner, kinks)
                if all(b - a >= APART for a, b in pairwise(choice))
            ]  # fmt: skip
            if not chosen or len(self.x) < self.parameters(kinks) + 2:
                break
            places = self.x[np.array(chosen, int).reshape(len(chosen), kinks)]
            bases = self._bases(places)
            self._choices.append((places, np.linalg.pinv(bases), np.linalg.qr(bases)[0]))
        self.most = len(self._choices) - 1

    @staticmethod
    def parameters(kinks: int) -> int:
        """Of a line with so many kinks, their places among them."""
        return 2 + 2 * kinks

    def _bases(self, kinks) -> np.ndarray:
        """Hat functions at the ends and kinks (curves, kinks) → (curves, places, nodes)."""
        knots = self._knots(kinks)
        width = np.diff(knots)
        rise = (self.x[None, :, None] - knots[:, None, :-1]) / width[:, None]  # in each segment
        inside = np.clip(rise, 0, 1)
        rising, falling = inside, 1 - inside
        first, last = np.ones((2, len(kinks), len(self.x), 1))
        return np.minimum(np.concatenate([first, rising], -1), np.concatenate([falling, last], -1))

    def fit(self, Y, kinks: int) -> Kinked:
        """The least squares lines with so many kinks.

        Parameters
        ----------
        Y : (curves, places) array
        kinks : int
            At most `most`.

        Notes
        -----
        Verified against planted lines, and least squares on a fine grid of kinks.
        """
        parts = [self._fit(Y[i : i + BLOCK], kinks) for i in range(0, len(Y), BLOCK)]
        return Kinked(*map(np.concatenate, zip(*parts, strict=True)))

    def _fit(self, Y, kinks: int) -> Kinked:
        places, solvers, orthonormal = self._choices[kinks]
        centred = Y - Y.mean(1, keepdims=True)  # in the span of every basis: loses no digits
        explained = ((centred @ orthonormal) ** 2).sum(-1)  # (choices, curves)
        best, total = explained.argmax(0), (centred**2).sum(1)
        nodes = (solvers[best] @ Y[..., None])[..., 0]
        squares = np.maximum(total - explained.max(0), ROUNDING * total)
        fitted = Kinked(places[best], nodes, squares)
        for _ in range(REFINED if kinks else 0):
            fitted = self._refined(Y, fitted, ROUNDING * total)
        return fitted

    def _refined(self, Y, fitted: Kinked, least) -> Kinked:
        """The same with each kink where the line bends if it may also jump, where that is better.

        A kink moves no farther than a third of the way to its neighbours, and not out of the grid.
        """
        kinks = fitted.kinks
        knots = self._knots(kinks)
        bends = np.diff(np.diff(fitted.nodes) / np.diff(knots))
        jumps = self.x[None, :, None] > kinks[:, None]  # (curves, places, kinks)
        solved = _solved(np.concatenate([self._bases(kinks), jumps], -1), Y)
        height = -solved[:, -kinks.shape[1] :]
        moved = kinks + np.divide(height, bends, out=np.zeros_like(bends), where=bends != 0)
        room = np.diff(knots) / 3
        low = np.maximum(kinks - room[:, :-1], self.x[FROM_END])
        high = np.minimum(kinks + room[:, 1:], self.x[-1 - FROM_END])
        moved = np.clip(moved, low, high)
        bases = self._bases(moved)
        nodes = _solved(bases, Y)
        residuals = Y - (bases @ nodes[..., None])[..., 0]
        squares = np.maximum((residuals**2).sum(1), least)
        better = squares < fitted.squares
        return Kinked(
            np.where(better[:, None], moved, kinks),
            np.where(better[:, None], nodes, fitted.nodes),
            np.where(better, squares, fitted.squares),
        )

    def _knots(self, kinks) -> np.ndarray:
        """Kinks (curves, kinks) between the two ends."""
        ends = np.ones((len(kinks), 1))
        return np.hstack([self.x[0] * ends, kinks, self.x[-1] * ends])

    def numbers(self, Y) -> np.ndarray:
        """How many kinks the criterion chooses for each curve, (curves,) int.

        Parameters
        ----------
        Y : (curves, places) array

        Notes
        -----
        Verified against: tests/bench/phases.py, the rates of wrong numbers.
        """
        n = len(self.x)
        squares = np.stack([self.fit(Y, kinks).squares for kinks in range(self.most + 1)])
        penalty = PARAMETERS * np.arange(self.most + 1) * np.log(n) / n
        constant = (np.ptp(Y, axis=1) == 0)[None]
        criterion = np.log(np.where(constant, 1.0, squares) / n) + penalty[:, None]
        return criterion.argmin(0)

    def lines(self, fitted: Kinked) -> np.ndarray:
        """The fitted lines at the places, (curves, places)."""
        return (self._bases(fitted.kinks) @ fitted.nodes[..., None])[..., 0]

    def noise(self, fitted: Kinked, draws: int, rng) -> np.ndarray:
        """Noise as large as what one fitted line leaves, (draws, places).

        Normal, `ALIKE` from place to place. Its variance is that for which the sum of squared
        residuals is expected, since correlated noise leaves less of itself beside a line; it is
        widened as Student's t is, with Satterthwaite's degrees of freedom of that sum.

        Notes
        -----
        Verified against: tests/bench/phases.py, the coverage of intervals made with it.
        """
        n = len(self.x)
        correlation = ALIKE ** np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
        jumps = self.x[:, None] > fitted.kinks[0]  # a kink's place is a parameter too
        columns = np.column_stack([self._bases(fitted.kinks)[0], jumps])
        # Of a segment with one place a jump is no column of its own: QR would add any direction.
        basis, sizes, _ = np.linalg.svd(columns, full_matrices=False)
        basis = basis[:, sizes > 1e-9 * sizes[0]]
        left = correlation - basis @ (basis.T @ correlation)
        expected = np.trace(left)
        df = expected**2 / np.trace(left @ left)
        sd = np.sqrt(fitted.squares[0] / expected) * t_quantile(df) / t_quantile(np.inf)
        return sd * rng.standard_normal((draws, n)) @ np.linalg.cholesky(correlation).T


def _solved(bases, Y) -> np.ndarray:
    """Least squares coefficients of curves (curves, places), each in a basis of its own."""
    transposed = bases.swapaxes(-1, -2)
    squared = transposed @ bases
    tiny = 1e-12 * np.trace(squared, axis1=-2, axis2=-1)[:, None, None] * np.eye(bases.shape[-1])
    return np.linalg.solve(squared + tiny, transposed @ Y[..., None])[..., 0]
