"""Texts of a layer that are treated together, so that the cost of small matrices is LAPACK's."""

from collections.abc import Callable

import numpy as np

from infogeo.files import hdf5

BATCH_BYTES = 2**20  # float64 rows of the texts that are treated together; they fit the cache


class Stacks:
    """Texts of a layer that are long enough for the same prefixes, treated together.

    So the cost of small matrices is that of LAPACK.

    Parameters
    ----------
    width : int
    work : callable
        Given the indices of some texts and their states, (texts, n, d) float64.
    """

    def __init__(self, width: int, work: Callable):
        self.width, self.work = width, work
        self.waiting: dict[int, tuple[list[int], np.ndarray]] = {}

    def add(self, text: int, Z: np.ndarray, longest: int) -> None:
        """Take a text that is long enough for a prefix of `longest` tokens, and none longer."""
        texts, stack = self._room(longest)
        stack[len(texts)] = Z[:longest]
        texts.append(text)
        if len(texts) == len(stack):
            self.work(texts, stack)
            texts.clear()

    def _room(self, longest: int) -> tuple[list[int], np.ndarray]:
        if longest not in self.waiting:
            size = max(1, BATCH_BYTES // (longest * self.width * 8))
            self.waiting[longest] = [], np.empty((size, longest, self.width))
        return self.waiting[longest]

    def flush(self) -> None:
        """Treat those that wait."""
        for texts, stack in self.waiting.values():
            if texts:
                self.work(texts, stack[: len(texts)])
        self.waiting = {}

    def save(self, group) -> None:
        """Write the texts that wait into an HDF5 group."""
        for place, (longest, (texts, stack)) in enumerate(self.waiting.items()):
            part = group.create_group(f"{place:04d}")
            part.attrs["longest"] = longest
            hdf5.put_checked(part, "texts", np.array(texts, np.int64))
            # The states came in float32 at most.
            hdf5.put_checked(part, "states", stack[: len(texts)].astype(np.float32))

    def load(self, group) -> None:
        """Take up what `save` wrote."""
        for name in sorted(group):
            part = group[name]
            longest = int(part.attrs["longest"])
            self._room(longest)  # the order of lengths counts, though none of them may wait
            for text, Z in zip(part["texts"][:].tolist(), part["states"][:], strict=True):
                self.add(text, Z, longest)


def waiting_bytes(longest: int, width: int) -> int:
    """Bytes of the texts of so many tokens that may wait."""
    return max(BATCH_BYTES, 8 * longest * width)
