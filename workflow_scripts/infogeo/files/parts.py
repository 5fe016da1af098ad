"""Tables that need not fit into memory: read in parts, written in parts, or read when asked for."""

from collections.abc import Mapping

import pandas as pd

from infogeo.files.artefacts import opened_table, write_table

ROWS_READ = 2**18  # of a part that is read
ROWS_WRITTEN = 2**20  # of a part that is written: pyarrow's row groups


class Parts:
    """A parquet table of this workflow as an iterable of DataFrames of at most 2¹⁸ rows.

    An empty table is one empty DataFrame. Nothing is kept: the file is read anew whenever it is
    walked through. `table[columns]` is, as of a DataFrame, the table with these columns alone.

    Parameters
    ----------
    path : str or Path
    fingerprint : str, optional
        That the file must carry.
    columns : list of str, optional
        All where left out.
    words : list of str
        Columns of few different words, which are read as categorical: in a tenth of the time.

    Raises
    ------
    InfogeoError
        When it is walked through: as `infogeo.files.artefacts.read_table`.
    """

    def __init__(self, path, fingerprint: str | None = None, columns=None, words=()):
        self.path, self.fingerprint, self.columns = path, fingerprint, columns
        self.words = list(words)

    def __getitem__(self, columns: list[str]) -> "Parts":
        return Parts(self.path, self.fingerprint, columns, self.words)

    def __iter__(self):
        with opened_table(self.path, self.fingerprint, self.words) as file:
            if not file.metadata.num_rows:
                yield file.read(self.columns).to_pandas()
            for batch in file.iter_batches(ROWS_READ, columns=self.columns):
                yield batch.to_pandas()


class LazyTables(Mapping):
    """Slug → what `read(path, fingerprint)` returns, called whenever it is asked for.

    Parameters
    ----------
    read : callable
    slugs, paths, fingerprints : sequences of equal length
    """

    def __init__(self, read, slugs, paths, fingerprints):
        self._read = read
        self._files = dict(zip(slugs, zip(paths, fingerprints, strict=True), strict=True))

    def __getitem__(self, slug: str):
        return self._read(*self._files[slug])

    def __contains__(self, slug) -> bool:  # Mapping's own would read the file
        return slug in self._files

    def __iter__(self):
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


def in_parts(frames):
    """The rows of DataFrames in DataFrames of 2²⁰ rows, the last one of what is left.

    So `artefacts.write_table` holds one part, and makes the file that it makes of all rows
    at once.

    Parameters
    ----------
    frames : iterable of pandas.DataFrame
        At least one, of equal columns.

    Yields
    ------
    pandas.DataFrame

    Notes
    -----
    Verified against `artefacts.write_table` of the whole table, byte for byte.
    """
    waiting, count, yielded = [], 0, False
    for frame in frames:
        waiting.append(frame)
        count += len(frame)
        if count >= ROWS_WRITTEN:
            joined = pd.concat(waiting, ignore_index=True)
            full = count // ROWS_WRITTEN * ROWS_WRITTEN
            yield from (joined[i : i + ROWS_WRITTEN] for i in range(0, full, ROWS_WRITTEN))
            waiting, count, yielded = [joined[full:]], count - full, True
    if count or not yielded:
        yield pd.concat(waiting, ignore_index=True)


def write_pieces(pieces, paths: dict, fingerprint: str) -> None:
    """Write tables to each of which every piece adds rows.

    Parameters
    ----------
    pieces : iterable of dict
        Name → DataFrame.
    paths : dict
        Name → path. The first table is written in parts as it comes; the others, which are small,
        are held.
    fingerprint : str
    """
    first, *others = paths
    rows_of = {name: [] for name in others}

    def rows():
        for piece in pieces:
            for name, frames in rows_of.items():
                frames.append(piece[name])
            yield piece[first]

    write_table(in_parts(rows()), paths[first], fingerprint)
    for name, frames in rows_of.items():
        write_table(pd.concat(frames, ignore_index=True), paths[name], fingerprint)
