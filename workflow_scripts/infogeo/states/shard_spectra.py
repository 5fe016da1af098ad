"""The spectra of the texts of a shard at one layer, as its file keeps them."""

from collections.abc import Iterable

import h5py
import numpy as np

from infogeo.files import hdf5
from infogeo.geometry.corpus_spectra import TextSpectra


def name_of(key: tuple) -> str:
    """The key of a spectrum, of norms, of a sum or of rows as a name in a file."""
    return "-".join(map(str, key))


def longest_prefix(prefixes: list[int], length: int) -> int:
    """The largest of the rising n for which a text is long enough."""
    return max(n for n in prefixes if n <= length)


def save_text_spectra(group: h5py.Group, spectra: dict, row_norms: dict) -> None:
    """Write what `TextSpectra` holds into an HDF5 group, with checksums."""
    arrays = {}
    for key, spectrum in spectra.items():
        arrays[f"eigenvalues/{name_of(key)}"] = spectrum.eigenvalues
        arrays[f"zero_rows/{name_of(key)}"] = spectrum.zero_rows
    for key, norms in row_norms.items():
        arrays |= {f"{name}/{name_of(key)}": values for name, values in norms.items()}
    hdf5.put_arrays(group, "text_spectra", arrays)


def text_spectra(groups: Iterable[h5py.Group], texts: dict[int, np.ndarray], width: int):
    """Spectra and norms of all texts at a layer, from what `save_text_spectra` wrote of each shard.

    Parameters
    ----------
    groups : iterable of h5py.Group
        In the order of the shards.
    texts : dict of int to ndarray of int
        For each n the indices of all texts.
    width : int

    Returns
    -------
    TextSpectra
    """
    whole = TextSpectra(texts, width)
    filled = dict.fromkeys(texts, 0)
    for group in groups:
        before, part = dict(filled), hdf5.arrays(group, "text_spectra")
        for key, spectrum in whole.spectra.items():
            zero_rows, start = part[f"zero_rows/{name_of(key)}"], before[key[-1]]
            rows = slice(start, start + len(zero_rows))
            spectrum.eigenvalues[rows] = part[f"eigenvalues/{name_of(key)}"]
            spectrum.zero_rows[rows] = zero_rows
            filled[key[-1]] = rows.stop
        for key, norms in whole.norms.items():
            rows = slice(before[key[-1]], filled[key[-1]])
            for name, values in norms.items():
                values[rows] = part[f"{name}/{name_of(key)}"]
    return whole
