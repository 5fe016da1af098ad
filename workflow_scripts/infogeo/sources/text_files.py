"""Texts in files: a folder of .txt, JSON lines, parquet; a user's own or those of a data set."""

import gzip
import json
import math
import os
import zlib
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from infogeo.files.errors import InfogeoError
from infogeo.files.fingerprint import check
from infogeo.sources.documents import Document


def local(where: str, text_column: str = "text", label_column: str = "", passed_over=None):
    """A user's own texts: a folder of .txt files, a JSON-lines file or a .parquet file.

    The label of a row is its text, or the value of its number (1, 1.0 and "1" are one class; true
    is "true"); null, NaN and a missing key are no label. A row without a text is an empty one.

    Parameters
    ----------
    where : str
        Path of the folder (searched recursively) or file.
    text_column, label_column : str
        Columns (parquet) or keys (JSON lines) of text and, unless "", of the label.
    passed_over : Counter, optional
        Counts the files of a folder that are hidden or of another kind.

    Returns
    -------
    iterable of Document
        .txt: sorted by relative path, which is `doc_id`; the label is the folder's path. Others:
        in file order, `doc_id` being the row, counted from 1. `source` is `doc_id`.

    Raises
    ------
    InfogeoError
        Where the path is missing, of another kind, not UTF-8, or without a column named.
    """
    path = Path(where)
    if not where or not path.exists():
        raise InfogeoError(
            f"corpus {where or '(column `where` is empty)'}: no such file or folder. The column "
            "`where` is a path relative to the working directory, or absolute."
        )
    if path.is_dir():
        return _text_files(path, Counter() if passed_over is None else passed_over)
    return _rows_of(path, text_column, label_column)


def downloaded(
    listing, text_column: str = "text", label_column: str = "", expected: str | None = None
):
    """Texts in files of a data set that were downloaded from the hub.

    Parameters
    ----------
    listing : path
        results/corpora/{corpus}.files.json.
    text_column, label_column : str
        See `local`.
    expected : str, optional
        Fingerprint that the listing must carry.

    Yields
    ------
    Document
        File after file; `doc_id` and `source` are the path in the repository and the row.

    Raises
    ------
    InfogeoError
        Where a file has another size than was downloaded, and as `local`.
    """
    content = json.loads(Path(listing).read_text(encoding="utf-8"))
    check(listing, content["fingerprint"], expected)
    for name, facts in content["files"].items():
        path = Path(content["directory"], name)
        if not path.is_file() or path.stat().st_size != facts["bytes"]:
            raise InfogeoError(
                f"{path}: gone or changed since it was downloaded (HF_HOME cleaned up?). Fetch it "
                f"anew: snakemake -R {listing}"
            )
        for document in _rows_of(path, text_column, label_column):
            place = f"{name}:{document.doc_id}"
            yield replace(document, doc_id=place, source=place)


def _rows_of(path: Path, text_column: str, label_column: str):
    """The rows of one file as documents, never all of them in memory."""
    end = path.name.lower().removesuffix(".gz").rpartition(".")[2]
    if end == "parquet":
        return _parquet(path, text_column, label_column)
    if end in ("jsonl", "json"):
        return _json_lines(path, text_column, label_column)
    raise InfogeoError(
        f"{path}: a corpus is a folder of .txt files, a .jsonl file or a .parquet file."
    )


def _decoded(path: Path) -> str:
    data = path.read_bytes()
    try:
        return data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _not_utf8(path, line, data, error.start) from error


def _not_utf8(path: Path, line: int, data: bytes, at: int, before: int = 0) -> InfogeoError:
    return InfogeoError(
        f"{path}, line {line}: not UTF-8 (byte 0x{data[at]:02x} at offset {before + at}). Convert "
        "it, for example: iconv -f latin1 -t utf-8"
    )


def text_paths(folder, passed_over: Counter | None = None) -> list[Path]:
    """The .txt files of a folder and its subfolders, whatever the case of their ends, sorted.

    Hidden files, and files in hidden folders, are those of file systems and tools (`._a.txt`,
    `.git/`): they are no texts.

    Parameters
    ----------
    folder : path
    passed_over : Counter, optional
        Counts the files that are hidden, or of another kind.

    Returns
    -------
    list of Path
        Below the folder.
    """
    paths = []
    for path in Path(folder).rglob("*"):
        inside, why = path.relative_to(folder), ""
        if any(part.startswith(".") for part in inside.parts):
            why = "hidden files"
        elif path.suffix.lower() != ".txt":
            why = "files other than .txt"
        if not path.is_file():
            continue
        if not why:
            paths.append(path)
        elif passed_over is not None:
            passed_over[why] += 1
    return sorted(paths, key=lambda path: path.relative_to(folder).parts)


def _text_files(folder: Path, passed_over: Counter) -> list[Document]:
    paths = text_paths(folder, passed_over)
    if not paths:
        others = ", ".join(f"{count} {why}" for why, count in sorted(passed_over.items()))
        raise InfogeoError(
            f"{folder}: no .txt file in this folder or below it ({others or 'it is empty'})."
        )
    documents = []
    for path in paths:
        inside = path.relative_to(folder)
        label = "" if inside.parent == Path() else _utf8(inside.parent)
        documents.append(Document(_utf8(inside), _decoded(path), label, _utf8(inside)))
    return documents


def _utf8(path: Path) -> str:
    """The name of a path as UTF-8; bytes of a name that is not are written as \\xe9."""
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")


def _lines(path: Path):
    """Yield (number, text) of the lines of a file, which may be compressed by gzip.

    Split at line feeds alone: JSON strings may hold U+2028, which is no end of line here.
    """
    offset = 0
    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                try:
                    text = line.decode("utf-8")
                except UnicodeDecodeError as error:
                    raise _not_utf8(path, number, line, error.start, offset) from error
                yield number, text.removeprefix("\ufeff") if number == 1 else text
                offset += len(line)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InfogeoError(f"{path}: not a whole gzip file ({error}). Copy it anew.") from error


def _json_lines(path: Path, text_column: str, label_column: str):
    columns = [name for name in (text_column, label_column) if name]
    missing = dict.fromkeys(columns)
    first = None
    for number, line in _lines(path):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise InfogeoError(
                f"{path}, line {number}: not JSON ({error.msg} at column {error.colno}). "
                "Write one object a line."
            ) from error
        if not isinstance(row, dict):
            raise InfogeoError(
                f"{path}, line {number}: not a JSON object. Write one object a line."
            )
        first = row if first is None else first
        missing = [name for name in missing if name not in row]
        yield _row(path, number, row.get(text_column), row.get(label_column))
    if first is not None:  # a key that no row has is misspelt
        _require(str(path), missing, first)


def _parquet(path: Path, text_column: str, label_column: str):
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = [text_column, label_column] if label_column else [text_column]
    number = 0
    try:
        with pq.ParquetFile(path) as file:
            _require(str(path), (text_column, label_column), file.schema_arrow.names)
            for batch in file.iter_batches(batch_size=100, columns=columns):
                table = batch.to_pydict()
                texts = table[text_column]
                labels = table[label_column] if label_column else [None] * len(texts)
                for row in zip(texts, labels, strict=True):
                    number += 1
                    yield _row(path, number, *row)
    except (pa.ArrowInvalid, OSError) as error:
        raise InfogeoError(
            f"{path}: not a readable parquet file ({error}). Write it anew."
        ) from error


def _require(where: str, names, columns) -> None:
    missing = [name for name in names if name and name not in columns]
    if missing:
        raise InfogeoError(
            f"{where}: no column {', '.join(map(repr, missing))}. The columns there are: "
            f"{', '.join(columns) or 'none'}. Set `text_column` and `label_column` accordingly."
        )


def _row(path: Path, number: int, text, label) -> Document:
    text = "" if text is None else text
    if not isinstance(text, str):
        raise InfogeoError(
            f"{path}, row {number}: the text is {type(text).__name__}, not a string. "
            "Name a column of strings in `text_column`."
        )
    label = label_of(label)
    try:
        (text + label).encode("utf-8")
    except UnicodeEncodeError as error:
        raise InfogeoError(
            f"{path}, row {number}: not UTF-8 (a lone surrogate, {error.object[error.start]!r}). "
            "Remove it."
        ) from error
    return Document(str(number), text, label, str(number))


def label_of(value) -> str:
    """The class of a label: texts as they are, numbers by their value; "" is no label.

    A column of whole numbers becomes one of floats where a tool met an empty cell: 1 and 1.0 are
    one class. True and false are those of JSON, and no numbers.
    """
    if value is None or value != value:  # NaN
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float | Decimal) and math.isfinite(value) and value == int(value):
        value = int(value)
    return str(value)
