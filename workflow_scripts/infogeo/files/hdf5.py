"""HDF5 files: one way to write them, one way to open them, and one set of messages."""

import contextlib
import io
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from infogeo.files.artefacts import is_disk_full
from infogeo.files.errors import InfogeoError
from infogeo.files.fingerprint import check, make_anew

CHECKED_BYTES = 1 << 22  # of `put_arrays`, under one checksum


class Format(NamedTuple):
    """A kind of file of this workflow.

    Attributes
    ----------
    name : str
        The attribute ``format`` of such a file.
    version : int
        Its attribute ``format_version``.
    noun : str
        How messages call one, such as 'file of spectra'.
    """

    name: str
    version: int
    noun: str


def create(path, **options) -> h5py.File:
    """A new file without locks, which some network disks lack, in the format of HDF5 1.10.

    Parameters
    ----------
    path : path-like
    **options
        Further ones of `h5py.File`.
    """
    return h5py.File(path, "w", libver=("v110", "v110"), locking=False, **options)


def stamp(file: h5py.File, kind: Format, fingerprint: str) -> None:
    """Write into a new file what `opened` checks."""
    file.attrs["format"] = kind.name
    file.attrs["format_version"] = kind.version
    file.attrs["fingerprint"] = fingerprint


@contextlib.contextmanager
def opened(path, kind: Format, expected: str | None = None, remedy: str = "", **options):
    """Yield a file to read, opened without locks.

    Parameters
    ----------
    path : path-like
    kind : Format
    expected : str, optional
        Fingerprint that the file must carry.
    remedy : str, optional
        What to do where the file is not as it should be. By default to make it anew, which is
        right where a rule makes it.
    **options
        Further ones of `h5py.File`.

    Raises
    ------
    InfogeoError
        Where the file is missing, truncated, no HDF5 file, of another kind or version, or carries
        another fingerprint. For errors in what the caller reads from it see `reading`.
    """
    path = Path(path)
    if not path.exists():
        raise InfogeoError(f"{path}: no such file. {remedy or 'Run the workflow to make it.'}")
    cure = remedy or make_anew(path)
    try:
        file = h5py.File(path, "r", locking=False, **options)
    except (OSError, RuntimeError) as error:
        raise InfogeoError(f"{path}: not a whole {kind.noun} ({error}). {cure}") from error
    with file:
        if file.attrs.get("format") != kind.name:
            raise InfogeoError(f"{path}: an HDF5 file, but not a {kind.noun}. {cure}")
        version = file.attrs.get("format_version")
        if version != kind.version:
            raise InfogeoError(
                f"{path}: a {kind.noun} of format {version}; this code reads {kind.version}. {cure}"
            )
        check(path, file.attrs.get("fingerprint"), expected, remedy)
        yield file


@contextlib.contextmanager
def reading(path, what: str, remedy: str = ""):
    """Turn what h5py raises on damaged data into an error that names file, data and remedy.

    Parameters
    ----------
    path : path-like
    what : str
        What is read, such as 'hidden/3'.
    remedy : str, optional
        As in `opened`.

    Raises
    ------
    InfogeoError
        Where the data is missing or does not match its checksum. An error that says that the disk
        is full passes unchanged.
    """
    try:
        yield
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        if is_disk_full(error):
            raise
        raise InfogeoError(
            f"{path}: {what} is damaged ({error}). {remedy or make_anew(path)}"
        ) from error


def put(group: h5py.Group, name: str, data, **options) -> None:
    """Write a data set without time stamps, so that the same data gives the same bytes."""
    group.create_dataset(name, data=data, track_times=False, **options)


def put_checked(group: h5py.Group, name: str, data: np.ndarray) -> None:
    """Write an array with checksums."""
    put(group, name, data, fletcher32=bool(np.size(data)))


def put_arrays(group: h5py.Group, name: str, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays as one data set with checksums: each data set costs a millisecond."""
    file = io.BytesIO()
    np.savez(file, **arrays)
    data = np.frombuffer(file.getbuffer(), np.uint8)
    put(group, name, data, chunks=(min(len(data), CHECKED_BYTES),), fletcher32=True)


def arrays(group: h5py.Group, name: str):
    """Read what `put_arrays` wrote: a mapping that makes an array when it is asked for it."""
    return np.load(io.BytesIO(array(group, name).data))


def put_strings(group: h5py.Group, name: str, values) -> None:
    """Write strings of any length."""
    put(group, name, np.array(values, dtype=object), dtype=h5py.string_dtype())


def array(group: h5py.Group, name: str) -> np.ndarray:
    """A whole array of numbers: `group[name][:]` without what h5py asks about it, a third of it."""
    dataset = h5py.h5d.open(group.id, name.encode())
    values = np.empty(dataset.shape, dataset.dtype)
    if values.size:
        dataset.read(h5py.h5s.ALL, h5py.h5s.ALL, values)
    return values


def read_through(group: h5py.Group) -> None:
    """Read every array under a group once, and with it check every checksum.

    Raises
    ------
    OSError
        Where one does not match.
    """

    def read(name, item):
        if isinstance(item, h5py.Dataset):
            item[()]

    group.visititems(read)
