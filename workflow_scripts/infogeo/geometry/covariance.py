"""The spectrum of many rows that stream by."""

import numpy as np

from infogeo.files import hdf5
from infogeo.geometry.device import Device, functions_of, on_host, turn_on
from infogeo.geometry.spectra import Spectrum, eigenvalues_of

BLOCK_ROWS = 2048  # most rows collected before they enter a d × d covariance in one product
LEAST_ROWS = 512  # of a small width: fewer make a call cost more than its product


def block_rows(width: int) -> int:
    """How many are: so many that the product costs more than its sum."""
    return min(BLOCK_ROWS, max(LEAST_ROWS, 2 * width))


class Covariance:
    """Many rows of width d, streamed, in O(d²) memory.

    At most `rows` rows come. Where they fit, they are collected; else they enter a d × d covariance
    in blocks. Rows are scaled to unit norm, or taken as they are (`raw`). On a device products are
    made there; what is gathered lies there too, where there is room.
    """

    def __init__(self, rows: int, width: int, raw: bool = False, device: Device | None = None):
        self.rows, self.width, self.raw, self.device = rows, width, raw, device
        zeros = device.zeros if device else lambda *shape: np.zeros(shape)
        self.total = None if rows <= width else zeros(width, width)
        collected = rows if rows <= width else min(rows, block_rows(width))
        self.block = zeros(collected, width) if device else np.empty((collected, width))
        self.filled = self.count = 0

    def add(self, rows, squares, threshold) -> None:
        """Add rows (k, d) with their squared norms; those of at most the threshold are left out."""
        directed = squares > threshold
        if not directed.all():
            rows, squares = rows[directed], squares[directed]
        functions = functions_of(rows)
        scale = functions.ones_like(squares) if self.raw else 1.0 / functions.sqrt(squares)
        self.count += len(rows)
        start = 0
        while start < len(rows):
            taken = min(len(rows) - start, len(self.block) - self.filled)
            part = slice(start, start + taken)
            place = self.block[self.filled : self.filled + taken]
            if isinstance(rows, type(place)):  # the only copy of the rows
                functions.multiply(rows[part], scale[part, None], out=place)
            else:
                place[:] = on_host(rows[part] * scale[part, None])
            self.filled += taken
            start += taken
            if self.total is not None and self.filled == len(self.block):
                self._empty()

    def _empty(self) -> None:
        with turn_on(self.device):
            self.total += self._like_total(self._of_block())
        self.filled = 0

    def _of_block(self):
        block = self.block[: self.filled]
        # numpy.matmul makes a product of this form in half the time, and lets other threads run.
        return self.device.product(block) if self.device else block.T @ block

    def _computed(self, array):
        """An array where products are made."""
        return self.device.place(array) if self.device else array

    def _like_total(self, product):
        return on_host(product) if isinstance(self.total, np.ndarray) else self._computed(product)

    def product(self):
        """The d × d product of all rows."""
        if self.total is None:
            return self._of_block()
        self._empty()
        return self._computed(self.total)

    def merge(self, other: "Covariance") -> None:
        """Take what another one has gathered of the same corpus."""
        if self.total is None:
            block = on_host(other.block[: other.filled])
            self._collect(block)
        else:
            self._empty()
            self.total += self._like_total(other.product())
        self.count += other.count

    def _collect(self, block: np.ndarray) -> None:
        """Put scaled rows behind those that are there."""
        placed = slice(self.filled, self.filled + len(block))
        on_device = not isinstance(self.block, np.ndarray)
        self.block[placed] = self._computed(block) if on_device else block
        self.filled = placed.stop

    def save(self, group) -> None:
        """Write what was gathered into an HDF5 group."""
        group.attrs["kept"] = self.count
        hdf5.put_checked(group, "block", on_host(self.block[: self.filled]))
        if self.total is not None:
            hdf5.put_checked(group, "total", on_host(self.total))

    def load(self, group) -> None:
        """Take up what `save` wrote."""
        self.count, self.filled = int(group.attrs["kept"]), 0
        self._collect(group["block"][:])
        if isinstance(self.total, np.ndarray):
            group["total"].read_direct(self.total)
        elif self.total is not None:
            self.total = self.device.place(group["total"][:])


def spectrum_of(*parts: Covariance) -> Spectrum:
    """The spectrum of the rows of some accumulators together.

    Where they are collected, their Gram is taken, and else the sum of their d × d products.
    """
    rows, width = sum(part.rows for part in parts), parts[0].width
    count, device = sum(part.count for part in parts), parts[0].device
    with turn_on(device):
        if rows <= width:
            # Rows left out are zeros, so that the length is that of the other spectra.
            block = np.zeros((rows, width))
            block[:count] = np.concatenate([on_host(part.block[: part.filled]) for part in parts])
            if device:
                block = device.place(block)
            K = block @ block.T
        else:
            K = parts[0].product()
            for part in parts[1:]:
                K = K + part.product()
        eigenvalues = device.eigenvalues(K) if device else eigenvalues_of(K)
    total = eigenvalues.sum() if parts[0].raw else count
    zero_rows = np.array([rows - count], np.int32)
    return Spectrum(eigenvalues[None] / (total or 1.0), zero_rows, rows)
