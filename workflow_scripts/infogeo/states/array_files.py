"""Arrays in files that others write: safetensors, npz, npy, HDF5, Parquet and JSON.

An array in a file has a shape and a name of its type, and is read where it is indexed. What comes
back is NumPy's: bfloat16 as float32, exactly.
"""

import json
import zipfile
from pathlib import Path

import h5py
import numpy as np

from infogeo.files.errors import InfogeoError
from infogeo.sources import tensor_files
from infogeo.states.layout import to_float32

TENSORS = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4",
    "I16": "<i2", "I8": "<i1", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?",
}  # fmt: skip


class StoredArray:
    """An array in a file.

    Parameters
    ----------
    source
        What is indexed: an array, a memory map, a data set of h5py.
    kind : str
        Name of the type of its numbers, such as 'float16' or 'bfloat16'.

    Attributes
    ----------
    shape : tuple of int
    kind : str
    """

    def __init__(self, source, kind: str):
        self.source, self.kind, self.shape = source, kind, tuple(source.shape)

    @property
    def is_float(self) -> bool:
        return self.kind in ("float16", "bfloat16", "float32", "float64")

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index) -> np.ndarray:
        values = np.asarray(self.source[index])
        return to_float32(values) if self.kind == "bfloat16" else values

    def __array__(self, dtype=None, copy=None):
        return self[...] if dtype is None else self[...].astype(dtype)


class Part:
    """A part of a stored array, read when it is needed."""

    def __init__(self, array: StoredArray, index: tuple, shape: tuple):
        self.array, self.index, self.shape = array, index, shape

    def __array__(self, dtype=None, copy=None):
        values = self.array[self.index]
        return values if dtype is None else values.astype(dtype)


def read(path) -> dict[str, StoredArray]:
    """The arrays of a file, by name; a nested name of HDF5 has slashes.

    Parameters
    ----------
    path : path-like
        .safetensors, .npz, .npy (its array is named after the file), .h5 or .hdf5, .parquet (a row
        a token; a column of lists is a matrix), or .json (see `_of_json`).

    Raises
    ------
    InfogeoError
        Where the file is missing, damaged, or of another kind.
    """
    path = Path(path)
    if not path.is_file():
        raise InfogeoError(f"{path}: no such file. Correct the path, or make the file first.")
    if path.suffix not in READERS:
        raise InfogeoError(
            f"{path}: arrays are read from {', '.join(READERS)}, by the end of the name. "
            "Save it as one of these (of torch: safetensors.torch.save_file)."
        )
    try:
        return READERS[path.suffix](path)
    except _Unusable as error:
        raise InfogeoError(f"{path}: {error}.") from None
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise InfogeoError(
            f"{path}: not a whole {path.suffix} file ({error}). Write or copy it anew."
        ) from error


class _Unusable(Exception):
    """What a whole file holds that is no state, and the remedy."""


def _plain(array) -> StoredArray:
    array = np.asarray(array) if not isinstance(array, np.memmap) else array
    if array.dtype.kind not in "fiubOSU":
        raise _Unusable(
            f"an array of {array.dtype}, which names no numbers; of bfloat16 save float32, or "
            "safetensors"
        )
    return StoredArray(array, array.dtype.name)


def _of_safetensors(path: Path) -> dict:
    arrays = {}
    for name, (_, dtype, shape, first, _) in tensor_files.read_header(path).items():
        if dtype not in TENSORS:
            raise _Unusable(f"tensor {name} is of {dtype}, which is not read; save it as BF16")
        kind = "bfloat16" if dtype == "BF16" else np.dtype(TENSORS[dtype]).name
        if 0 in shape:
            values = np.empty(shape, TENSORS[dtype])
        else:
            values = np.memmap(path, TENSORS[dtype], "r", first, shape)
        arrays[name] = StoredArray(values, kind)
    return arrays


def _of_npz(path: Path) -> dict:
    with np.load(path) as file:
        return {name: _plain(file[name]) for name in file.files}


def _of_npy(path: Path) -> dict:
    return {path.stem: _plain(np.load(path, mmap_mode="r"))}


def _of_hdf5(path: Path) -> dict:
    file, arrays = h5py.File(path, "r", locking=False), {}

    def take(name, item):
        if isinstance(item, h5py.Dataset) and item.shape:
            arrays[name] = StoredArray(item, item.dtype.name)

    file.visititems(take)
    return arrays


def _of_parquet(path: Path) -> dict:
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays = {}
    for name, column in zip((table := pq.read_table(path)).column_names, table, strict=True):
        column = column.combine_chunks()
        if column.null_count:
            raise _Unusable(f"column {name} has {column.null_count} empty cells; fill them")
        if not (pa.types.is_list(column.type) or pa.types.is_fixed_size_list(column.type)):
            arrays[name] = _plain(column.to_numpy(zero_copy_only=False))
            continue
        lengths = set(column.value_lengths().to_pylist()) if len(column) else {0}
        if len(lengths) != 1:
            raise _Unusable(
                f"column {name} has lists of different lengths, {sorted(lengths)[:3]}; a row is a "
                "token, and its list as long as the width"
            )
        values = column.flatten().to_numpy(zero_copy_only=False)
        arrays[name] = _plain(values.reshape(len(column), lengths.pop()))
    return arrays


def _of_json(path: Path) -> dict:
    """States in answers of servers, one text or several, named by the place of the answer.

    llama.cpp's ``/embedding`` with pooling ``none``: a list of {index, embedding: [token][width]} a
    request, and one such list or several. The index is the place where it tells all answers apart;
    it begins at 0 in each request.
    SGLang's ``/generate`` with ``return_hidden_states``: meta_info.hidden_states, the tokens of the
    prompt first, then one state for each that was generated, of the last layer after its norm.
    """
    answers = json.loads(path.read_text(encoding="utf-8"))
    answers = answers if isinstance(answers, list) else [answers]
    # llama.cpp answers each request with a list.
    answers = [a for one in answers for a in (one if isinstance(one, list) else [one])]
    places = range(len(answers))
    indices = {answer.get("index") for answer in answers if isinstance(answer, dict)}
    if len(indices) == len(answers) and None not in indices:
        places = [answer["index"] for answer in answers]
    arrays = {}
    for place, answer in zip(places, answers, strict=True):
        try:
            matrix = np.array(_rows_of_answer(answer), np.float32)
        except (TypeError, AttributeError):  # of another form
            matrix = np.empty(0)
        if matrix.ndim != 2:
            raise _Unusable(
                f"answer {place} has no state a token; ask llama.cpp's /embedding with --pooling "
                "none, or SGLang's /generate with return_hidden_states"
            )
        arrays[str(place)] = StoredArray(matrix, "float32")
    return arrays


def _rows_of_answer(answer: dict) -> list:
    """The states of an answer, a list a token."""
    if "embedding" in answer:
        return answer["embedding"]
    rows = []
    for part in answer["meta_info"]["hidden_states"] if "meta_info" in answer else []:
        rows += part if part and isinstance(part[0], list) else [part]
    return rows


READERS = {
    ".safetensors": _of_safetensors, ".npz": _of_npz, ".npy": _of_npy, ".h5": _of_hdf5,
    ".hdf5": _of_hdf5, ".parquet": _of_parquet, ".json": _of_json,
}  # fmt: skip
