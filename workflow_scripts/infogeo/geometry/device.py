"""Where the d × d products of a corpus are made: in NumPy, or by torch where the hidden states are.

A covariance of T rows takes 2 T d² operations in float64, by far the most that the geometry of a
wide model costs; a GPU built for float64 is far faster at them by its data sheet. Eigenvalues of
many small matrices it does not do faster: torch takes those of more than 32 rows one after another
there (1.8 ms for each of 500 of order 100, pytorch issue 174674; 0.2 ms on a core). So spectra of
texts stay on the host.
"""

import contextlib
import threading
import time

import numpy as np

from infogeo.files.errors import InfogeoError

# Of the device's memory, for batches of the model, and for what a product or eigenvalues take.
KEPT_FREE = 0.25
# Seconds between attempts where a batch of the model, in another thread, leaves no room.
WAITS = (0.1, 1, 10, 60)
# A device works for one thread at a time, so that no two need memory of it at once: eigenvalues
# take several times that of their matrix.
_TURN = threading.RLock()


class Device:
    """A device of torch.

    Parameters
    ----------
    name : str
        'cuda', or another that torch knows.

    Notes
    -----
    Verified against NumPy on torch's CPU: spectra equal to 1e-12 of the largest eigenvalue. No GPU
    has run this yet.
    """

    def __init__(self, name: str):
        import torch  # here: jobs without it need NumPy alone

        self.torch, self.device = torch, torch.device(name)

    def place(self, array):
        """A float64 array as a tensor there."""
        return self.torch.as_tensor(array, dtype=self.torch.float64, device=self.device)

    def zeros(self, *shape: int):
        """Zeros there if so many leave room for batches, and else as an array on the host."""
        if self._left(shape) < KEPT_FREE:
            return np.zeros(shape)
        return self.torch.zeros(shape, dtype=self.torch.float64, device=self.device)

    def _left(self, shape) -> float:
        """The share of its memory that would be left beside an array of float64."""
        if self.device.type != "cuda":
            return 1.0
        free, total = self.torch.cuda.mem_get_info(self.device)
        # What torch holds without need it gives to the next that asks.
        idle = self.torch.cuda.memory_reserved(self.device)
        idle -= self.torch.cuda.memory_allocated(self.device)
        return (free + idle - 8 * int(np.prod(shape))) / total

    def product(self, rows):
        """``rowsᵀ rows`` of rows (r, d), there; see `_with_room`."""

        def make():
            placed = self.place(rows)
            return placed.T @ placed

        return self._with_room(make, rows.shape[1])

    def eigenvalues(self, K) -> np.ndarray:
        """Eigenvalues of K (r, r), descending, as `spectra.eigenvalues_of`; see `_with_room`."""
        ascending = self._with_room(lambda: self.torch.linalg.eigvalsh(self.place(K)), len(K))
        return on_host(ascending.flip(-1).clamp(min=0.0))

    def _with_room(self, make, width: int):
        """What `make` makes, as soon as batches of the model leave room for it.

        Raises
        ------
        InfogeoError
            Where they never do.
        """
        for seconds in WAITS:
            try:
                return make()
            except self.torch.OutOfMemoryError:
                time.sleep(seconds)
        raise InfogeoError(
            f"spectra of the corpus: matrices of width {width} do not fit the memory of "
            f"{self.device} beside the model. Lower states.batch_tokens, or give the job a larger "
            "GPU."
        )


def seen(name: str) -> Device | None:
    """The device of a name, where this process sees it; None, which is the host, for 'cpu' too.

    A job of SLURM may have been given a GPU that torch cannot use: its model runs on the host then.
    """
    import torch

    return Device(name) if name == "cuda" and torch.cuda.is_available() else None


def turn_on(device: Device | None):
    """A context in which no other thread of this process makes products there; none on the host."""
    return _TURN if device else contextlib.nullcontext()


def on_host(array) -> np.ndarray:
    """An array of NumPy, from wherever it is."""
    return array if isinstance(array, np.ndarray) else array.cpu().numpy()


def functions_of(array):
    """The module whose functions take the array: numpy or torch."""
    if isinstance(array, np.ndarray):
        return np
    import torch

    return torch
