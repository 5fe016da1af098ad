"""How hidden states, tokens and numbers lie in the file of a store."""

import h5py
import numpy as np

from infogeo.files import hdf5

FORMAT = hdf5.Format("infogeo hidden states", 1, "hidden-state store")
CHUNK_BYTES = 1 << 20  # of a hidden-state chunk: whole rows, at most this (and at least one row)
TOKEN_CHUNK = 1 << 14  # entries of a chunk of the per-token arrays
CHECKSUM = 4  # bytes of Fletcher-32 after each chunk

# What one number occupies in a file, and the NumPy type that carries its bits.
STORED = {"float32": np.dtype("<f4"), "float16": np.dtype("<f2"), "bfloat16": np.dtype("<u2")}
TOKEN_ARRAYS = {
    "token_ids": np.dtype("<i4"),
    "special_mask": np.dtype("bool"),
    "token_end_byte": np.dtype("<i4"),
    "nll": np.dtype("<f4"),
    "predictive_entropy": np.dtype("<f4"),
}
# For readers of other makers: see docs/readers.md.
BFLOAT16_NOTE = (
    "hidden/* are bfloat16: 16-bit floats with 8 bits of exponent, bias 127. libhdf5 converts them "
    "to float32 exactly (h5py, netCDF4, h5netcdf, h5dump). Readers that take a 2-byte float for "
    "half precision (PyTables, GDAL, pyfive) give wrong numbers."
)


def chunk_rows(width: int, dtype: str, rows: int) -> int:
    """Rows of one chunk of a layer: about 1 MiB of whole rows, never more than there are."""
    return max(1, min(rows, CHUNK_BYTES // (width * STORED[dtype].itemsize)))


def file_type(dtype: str):
    """The HDF5 type of a stored dtype; bfloat16 is a true 16-bit float, which libhdf5 converts."""
    if dtype != "bfloat16":
        return h5py.h5t.py_create(STORED[dtype])
    kind = h5py.h5t.IEEE_F32LE.copy()
    kind.set_fields(15, 7, 8, 0, 7)  # sign bit, exponent at 7 with 8 bits, mantissa at 0 with 7
    kind.set_size(2)
    kind.set_ebias(127)
    return kind


def to_stored(values, dtype: str) -> np.ndarray:
    """Float32 numbers in the representation that a file holds: rounded to nearest, ties to even.

    Parameters
    ----------
    values : (n, d) float32 ndarray
    dtype : {'float32', 'float16', 'bfloat16'}

    Returns
    -------
    (n, d) ndarray
        float32, float16, or the 16 bits of bfloat16 as uint16. Values beyond the range of the
        type become infinite.
    """
    values = np.ascontiguousarray(values, dtype="<f4")
    if dtype == "bfloat16":
        bits = values.view("<u4")
        rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
        # A NaN must stay one: rounding up could carry its mantissa into the exponent.
        return np.where(np.isnan(values), 0x7FC0, rounded).astype("<u2")
    with np.errstate(over="ignore"):
        return values.astype(STORED[dtype])


def to_float32(stored: np.ndarray) -> np.ndarray:
    """The inverse of `to_stored`, exact: uint16 is taken as the bits of bfloat16."""
    if stored.dtype == np.dtype("<u2"):
        wide = stored.astype("<u4")
        wide <<= 16
        return wide.view("<f4")
    return stored.astype("<f4", copy=False)


def read_through_rows(dataset, start: int, stop: int, dtype: str) -> None:
    """Read rows of a layer chunk by chunk, which checks their checksums."""
    chunk, width = dataset.chunks[0], dataset.shape[1]
    buffer = np.empty((chunk, width), STORED[dtype])
    for row in range(start - start % chunk, stop, chunk):
        low, high = max(row, start), min(row + chunk, stop)
        read_rows(dataset, low, buffer[: high - low])


def read_rows(dataset, row: int, values: np.ndarray) -> None:
    """Read rows from `row` on into an array of the stored kind; nothing is converted."""
    chosen = dataset.id.get_space()
    chosen.select_hyperslab((row, 0), values.shape)
    # The file's own type as the memory type: bits are moved as they are.
    dataset.id.read(h5py.h5s.create_simple(values.shape), chosen, values, dataset.id.get_type())


def row_offsets(lengths) -> np.ndarray:
    """Where each text begins, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])


def strings(dataset) -> list[str]:
    """A dataset of UTF-8 strings."""
    return [value.decode() for value in dataset[:]]
