"""The spectrum of many rows that stream by."""

import numpy as np

from infogeo.files import hdf5
from infogeo.geometry.spectra import Spectrum, eigenvalues_of

BLOCK_ROWS = 2048  # most rows collected before they enter a d × d covariance in one product


def block_rows(width: int) -> int:
    """How many are: of a small width as many as make the product cost more than its sum."""
    return min(BLOCK_ROWS, 2 * width)


class Covariance:
    """Many rows of width d, streamed, in O(d²) memory.

    At most `rows` rows come. Where they fit, they are collected; else they enter a d × d covariance
    in blocks. Rows are scaled to unit norm, or taken as they are (`raw`).
    """

    def __init__(self, rows: int, width: int, raw: bool = False):
        self.rows, self.width, self.raw = rows, width, raw
        self.total = None if rows <= width else np.zeros((width, width))
        self.block = np.empty((rows if rows <= width else min(rows, block_rows(width)), width))
        self.filled = self.count = 0

    def add(self, rows, squares, threshold) -> None:
        """Add rows (k, d) with their squared norms; those of at most the threshold are left out."""
        directed = squares > threshold
        if not directed.all():
            rows, squares = rows[directed], squares[directed]
        scale = np.ones(len(rows)) if self.raw else 1.0 / np.sqrt(squares)
        self.count += len(rows)
        start = 0
        while start < len(rows):
            taken = min(len(rows) - start, len(self.block) - self.filled)
            part = slice(start, start + taken)
            place = self.block[self.filled : self.filled + taken]
            np.multiply(rows[part], scale[part, None], out=place)  # the only copy of the rows
            self.filled += taken
            start += taken
            if self.total is not None and self.filled == len(self.block):
                self._empty()

    def _empty(self) -> None:
        block = self.block[: self.filled]
        # numpy.matmul makes a product of this form in half the time, and lets other threads run.
        self.total += block.T @ block
        self.filled = 0

    def product(self) -> np.ndarray:
        """The d × d product of all rows."""
        if self.total is None:
            block = self.block[: self.filled]
            return block.T @ block
        self._empty()
        return self.total

    def merge(self, other: "Covariance") -> None:
        """Take what another one has gathered of the same corpus."""
        if self.total is None:
            block = other.block[: other.filled]
            self.block[self.filled : self.filled + len(block)] = block
            self.filled += len(block)
        else:
            self._empty()
            self.total += other.product()
        self.count += other.count

    def save(self, group) -> None:
        """Write what was gathered into an HDF5 group."""
        group.attrs["kept"] = self.count
        hdf5.put_checked(group, "block", self.block[: self.filled])
        if self.total is not None:
            hdf5.put_checked(group, "total", self.total)

    def load(self, group) -> None:
        """Take up what `save` wrote."""
        self.count, self.filled = int(group.attrs["kept"]), len(group["block"])
        self.block[: self.filled] = group["block"][:]
        if self.total is not None:
            group["total"].read_direct(self.total)


def spectrum_of(*parts: Covariance) -> Spectrum:
    """The spectrum of the rows of some accumulators together.

    Where they are collected, their Gram is taken, and else the sum of their d × d products.
    """
    rows, width = sum(part.rows for part in parts), parts[0].width
    count = sum(part.count for part in parts)
    if rows <= width:
        # Rows left out are zeros, so that the length is that of the other spectra.
        block = np.zeros((rows, width))
        block[:count] = np.concatenate([part.block[: part.filled] for part in parts])
        K = block @ block.T
    else:
        K = parts[0].product()
        for part in parts[1:]:
            K = K + part.product()
    eigenvalues = eigenvalues_of(K)
    total = eigenvalues.sum() if parts[0].raw else count
    zero_rows = np.array([rows - count], np.int32)
    return Spectrum(eigenvalues[None] / (total or 1.0), zero_rows, rows)
