"""Safetensors files: their headers, read and checked, and hashes of single tensors.

Of a file that is on the hub alone a stand-in can have its place: its header and its size.
"""

import hashlib
import json
import math
from pathlib import Path

from infogeo.files.errors import InfogeoError

BYTES = {
    "F64": 8, "I64": 8, "U64": 8, "C64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2,
    "I16": 2, "U16": 2, "I8": 1, "U8": 1, "BOOL": 1, "F8_E4M3": 1, "F8_E5M2": 1,
}  # fmt: skip


def read_header(path) -> dict:
    """The tensors of a safetensors file: name -> (file, dtype, shape, first byte, end byte).

    Bytes are counted from the start of the file.

    Raises
    ------
    InfogeoError
        Where the file is shorter or longer than its header says, or the header makes no sense.

    Notes
    -----
    Format: 8 bytes little-endian length of a JSON header, the header, the data without gaps
    (https://github.com/huggingface/safetensors#format). Verified against the safetensors library.
    """
    path = Path(path)
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = int.from_bytes(start, "little")
        if len(start) < 8 or length > min(size - 8, 100_000_000):
            raise InfogeoError(
                f"{path}: not a whole safetensors file: {size:,} bytes, whose header claims to be "
                f"{length:,} bytes long. It is truncated or of another format; copy or download it "
                "anew."
            )
        text = file.read(length)
    try:
        header = json.loads(text)
        header.pop("__metadata__", None)
        tensors = {
            name: (path.name, entry["dtype"], tuple(entry["shape"]), *entry["data_offsets"])
            for name, entry in header.items()
        }
        end = 0
        for name, (_, dtype, shape, first, last) in sorted(
            tensors.items(), key=lambda item: item[1][3:]
        ):
            if first != end or last - first != math.prod(shape) * BYTES[dtype]:
                raise ValueError(f"the place of {name} does not fit its shape")
            end = last
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InfogeoError(
            f"{path}: the safetensors header is corrupt ({error}). Copy or download it anew."
        ) from error
    if size != 8 + length + end:
        raise InfogeoError(
            f"{path}: {size:,} bytes, but its header announces {8 + length + end:,}. It is "
            "truncated or damaged; copy or download it anew."
        )
    base = 8 + length
    return {
        name: (file, dtype, shape, base + first, base + last)
        for name, (file, dtype, shape, first, last) in tensors.items()
    }


def write_stand_in(path, start: bytes, size: int) -> None:
    """Write a file of so many bytes, of which only the first are known: the others take no disk."""
    path = Path(path)
    _stand_in_mark(path).touch()
    with path.open("wb") as file:
        file.write(start)
        file.truncate(size)


def _stand_in_mark(path: Path) -> Path:
    return path.with_name(f"{path.name}.header-only")


def tensor_hash(directory: Path, tensor) -> str:
    """The SHA-256 of a tensor's bytes.

    Raises
    ------
    InfogeoError
        Where the file is a stand-in, which has none.
    """
    name, _, _, first, last = tensor
    if _stand_in_mark(directory / name).exists():
        raise InfogeoError(
            f"{name}: only their bytes show which of its tensors are the same; with keep_weights "
            "false only its header is read before it is run. Set keep_weights to true "
            "in the row of this model."
        )
    hashed = hashlib.sha256()
    with (directory / name).open("rb") as file:
        file.seek(first)
        while first < last:
            block = file.read(min(2**24, last - first))
            hashed.update(block)
            first += len(block)
    return hashed.hexdigest()
