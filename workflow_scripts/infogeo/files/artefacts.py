"""Files that are either whole or absent, and that know what they were made from."""

import contextlib
import errno
import hashlib
import os
from pathlib import Path

from infogeo.files.errors import InfogeoError
from infogeo.files.fingerprint import check


@contextlib.contextmanager
def replacing(path):
    """Yield a temporary path beside `path`; on success it is synced and moved into place.

    Raises
    ------
    InfogeoError
        Where the disk is full; nothing is left under either name.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        if is_disk_full(error):
            raise disk_full(path) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def remove_partial(path) -> None:
    """Remove what a `replacing` of this path that was killed has left."""
    path = Path(path)
    for stale in path.parent.glob(f".{path.name}.*.partial"):
        stale.unlink()


def is_disk_full(error: BaseException) -> bool:
    """Whether an error, as Python or HDF5 raises it, says that no space is left."""
    return getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or any(
        f"errno = {code}" in str(error) for code in (errno.ENOSPC, errno.EDQUOT)
    )


def disk_full(path) -> InfogeoError:
    """The error for a full disk at `path`."""
    return InfogeoError(
        f"{path}: no space left on the device. What was finished is kept; free some space "
        "(or point the working directory at a larger disk) and run the same command again."
    )


def sha256_file(path) -> str:
    """SHA-256 (hex) of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_table(frame, path, fingerprint: str) -> None:
    """Write a table as parquet, its fingerprint in the schema's metadata.

    Parameters
    ----------
    frame : pandas.DataFrame, or iterable of them
        Several, of the same columns, are written as they come, so that one is in memory.
    path : path-like
    fingerprint : str
    """
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer = None
    with replacing(path) as temporary, contextlib.ExitStack() as opened:
        for part in [frame] if isinstance(frame, pd.DataFrame) else frame:
            table = pa.Table.from_pandas(part, preserve_index=False)
            if writer is None:
                metadata = {**table.schema.metadata, b"fingerprint": fingerprint}
                schema = table.schema.with_metadata(metadata)
                writer = opened.enter_context(
                    pq.ParquetWriter(temporary, schema, compression="zstd")
                )
            writer.write_table(table.replace_schema_metadata(writer.schema.metadata))


def read_table(path, fingerprint: str | None = None, columns=None):
    """Read a parquet table of this workflow as a DataFrame.

    Raises
    ------
    InfogeoError
        Where the file is missing, is not parquet, or carries another fingerprint than expected.
    """
    with opened_table(path, fingerprint) as file:
        return file.read(columns=columns).to_pandas()


def read_tables(paths, fingerprints) -> list:
    """Read a table of each path with its fingerprint; see `read_table`."""
    return [read_table(*both) for both in zip(paths, fingerprints, strict=True)]


@contextlib.contextmanager
def opened_table(path, fingerprint: str | None, words=()):
    """Yield the pyarrow.parquet.ParquetFile at `path`; see `read_table`, also for errors in it.

    words: columns that are read as dictionaries.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, read_dictionary=list(words)) as file:
            carried = (file.schema_arrow.metadata or {}).get(b"fingerprint")
            check(path, carried.decode() if carried else None, fingerprint)
            yield file
    except FileNotFoundError as error:
        raise InfogeoError(f"{path}: no such file. Run the workflow to make it.") from error
    except (pa.ArrowInvalid, OSError) as error:
        raise InfogeoError(
            f"{path}: not a readable parquet file ({error}). Make it anew: snakemake -R {path}"
        ) from error
