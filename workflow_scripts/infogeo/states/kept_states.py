"""Hidden states that shards keep until the spectra of the corpus are taken; see `two_passes`."""

from collections.abc import Iterable, Iterator

import h5py
import numpy as np

from infogeo.files import hdf5
from infogeo.states.layout import CHUNK_BYTES, to_float32


def save(group: h5py.Group, states: np.ndarray) -> None:
    """Write the states (rows, d) of a shard at one layer, with checksums.

    Parameters
    ----------
    group : h5py.Group
    states : (rows, d) ndarray
        As `shards.stored` gives them.
    """
    rows = max(1, min(len(states), CHUNK_BYTES // states[0].nbytes))
    chunks = rows, states.shape[1]
    hdf5.put(group, "states", states, chunks=chunks, fletcher32=True)


def of_texts(groups: Iterable[h5py.Group], lengths) -> Iterator[tuple[int, np.ndarray]]:
    """Yield each text and its states (n, d) in float32, from what `save` wrote of each shard.

    Parameters
    ----------
    groups : iterable of h5py.Group
        Of all shards, in order.
    lengths : (texts,) int array
    """
    text = 0
    for group in groups:
        states, row = to_float32(group["states"][:]), 0
        while row < len(states):
            yield text, states[row : row + lengths[text]]
            row += lengths[text]
            text += 1
