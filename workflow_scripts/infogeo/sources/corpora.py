"""Texts to measure on: docstrings of installed packages, a user's own files, or a hub's data set.

A corpus is a series of documents. Exact duplicates are left out, a hash of the text decides whether
a document may be trained on, and the evaluation texts are a seeded sample of the rest. Nothing
depends on the order in which a file system lists its files.
"""

import ast
import gc
import gzip
import hashlib
import heapq
import importlib.machinery
import importlib.metadata
import json
import multiprocessing
import warnings
import zlib
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from infogeo.files.errors import InfogeoError
from infogeo.files.fingerprint import check

# Import names of the packages whose docstrings are the default corpus, all pinned in the lock.
PACKAGES = (
    "h5py",
    "matplotlib",
    "networkx",
    "numpy",
    "pandas",
    "pyarrow",
    "scipy",
    "sklearn",
    "statsmodels",
    "sympy",
    "torch",
    "transformers",
)

# Tests say little in their docstrings, and vendored code belongs to another package.
SKIPPED_FOLDERS = frozenset({"tests", "test", "_vendor", "externals"})

# Shorter docstrings ("Return the axis.") are labels, not text.
MIN_DOCSTRING_CHARACTERS = 200

FILES_PER_TASK = 100


@dataclass(frozen=True, slots=True)
class Document:
    """One text: `source`, the file or module it stands in, is the cluster of the bootstrap."""

    doc_id: str
    text: str
    label: str
    source: str


def docstrings(packages=(), workers: int = 1) -> list[Document]:
    """Docstrings of installed packages, read from their source; nothing is imported.

    Parameters
    ----------
    packages : sequence of str
        Import names; empty means `PACKAGES`.
    workers : int
        Processes that parse source files.

    Returns
    -------
    list of Document
        Sorted by package, module and place in the module. `doc_id` is `module:qualname` (`module`
        for that of a module), with `#2`, `#3` … where a name is defined again; `label` is the
        package, `source` the module.

    Raises
    ------
    InfogeoError
        Naming every package that is not installed.
    """
    names = sorted(set(packages)) or list(PACKAGES)
    folders = {name: _folders(name) for name in names}
    missing = [name for name, found in folders.items() if not found]
    if missing:
        raise InfogeoError(
            f"corpus of docstrings: not installed here: {', '.join(missing)}. "
            "The column `where` lists import names separated by commas, such as `sklearn` for "
            "scikit-learn; install the package, or remove its name."
        )
    files = [
        (name, _module(name, path.relative_to(folder)), path)
        for name in names
        for folder in folders[name]
        for path in folder.rglob("*.py")
        if not _is_skipped(path.relative_to(folder))
    ]
    files.sort()
    tasks = [files[i : i + FILES_PER_TASK] for i in range(0, len(files), FILES_PER_TASK)]
    if workers > 1 and len(tasks) > 1:
        # Not "spawn": that would run Snakemake's script again in every process.
        context = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(min(workers, len(tasks)), mp_context=context) as pool:
            return _unique(chain.from_iterable(pool.map(_read_modules, tasks)))
    return _unique(chain.from_iterable(map(_read_modules, tasks)))


def _unique(documents) -> list[Document]:
    """The documents, #2, #3 … added to a doc_id that stood before."""
    times = Counter()
    kept = []
    for document in documents:
        times[document.doc_id] += 1
        if times[document.doc_id] > 1:
            document = replace(document, doc_id=f"{document.doc_id}#{times[document.doc_id]}")
        kept.append(document)
    return kept


def _folders(name: str) -> list[Path]:
    """The folders of a package's source, found without running any of it."""
    spec = importlib.machinery.PathFinder.find_spec(name) if name.isidentifier() else None
    return [Path(folder) for folder in (spec.submodule_search_locations or [])] if spec else []


def _module(package: str, path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join((package, *(parts[:-1] if parts[-1] == "__init__" else parts)))


def _is_skipped(path: Path) -> bool:
    return (
        not SKIPPED_FOLDERS.isdisjoint(path.parts[:-1])
        or path.name.startswith("test_")
        or path.name == "conftest.py"
    )


def _read_modules(files) -> list[Document]:
    """Documents of source files, given as (package, module, path)."""
    documents = []
    # Syntax trees are large and free of cycles: collecting garbage meanwhile costs a fifth more.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        for package, module, path in files:
            documents += _read_module(package, module, path.read_bytes())
    finally:
        if was_enabled:
            gc.enable()
    return documents


def _read_module(package: str, module: str, source: bytes) -> list[Document]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes in other people's strings
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError):
            return []  # written for another Python, or a template
    found = []
    for name, node in chain([(module, tree)], _definitions(tree.body, f"{module}:")):
        text = ast.get_docstring(node)
        if text and len(text) >= MIN_DOCSTRING_CHARACTERS:
            # An escape such as \ud800 makes a string that no file can hold.
            text = text.encode("utf-8", "replace").decode("utf-8")
            found.append(Document(name, text, package, module))
    return found


def _definitions(body, prefix: str):
    """Yield (qualified name, node) of classes and functions, conditional ones included."""
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield prefix + node.name, node
            inner = "." if isinstance(node, ast.ClassDef) else ".<locals>."  # as __qualname__
            yield from _definitions(node.body, prefix + node.name + inner)
        elif isinstance(node, ast.If | ast.Try | ast.With):
            for block in ("body", "handlers", "orelse", "finalbody"):
                yield from _definitions(getattr(node, block, ()), prefix)
        elif isinstance(node, ast.ExceptHandler):
            yield from _definitions(node.body, prefix)


def local(where: str, text_column: str = "text", label_column: str = ""):
    """A user's own texts: a folder of .txt files, a JSON-lines file or a .parquet file.

    Parameters
    ----------
    where : str
        Path of the folder (searched recursively) or file.
    text_column, label_column : str
        Columns (parquet) or keys (JSON lines) of text and, unless "", of the label.

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
        return _text_files(path)
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
    end = path.name.removesuffix(".gz").rpartition(".")[2]
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


def _text_files(folder: Path) -> list[Document]:
    paths = [path.relative_to(folder) for path in folder.rglob("*.txt") if path.is_file()]
    if not paths:
        raise InfogeoError(f"{folder}: no .txt file in this folder or below it.")
    documents = []
    for path in sorted(paths, key=lambda path: path.parts):
        name = path.as_posix()
        label = "" if path.parent == Path() else path.parent.as_posix()
        documents.append(Document(name, _decoded(folder / path), label, name))
    return documents


def _lines(path: Path):
    """Yield (number, text) of the lines of a file, which may be compressed by gzip.

    Split at line feeds alone: JSON strings may hold U+2028, which is no end of line here.
    """
    offset = 0
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                try:
                    text = line.decode("utf-8")
                except UnicodeDecodeError as error:
                    raise _not_utf8(path, number, line, error.start, offset) from error
                yield number, text.removeprefix("\ufeff") if number == 1 else text
                offset += len(line)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InfogeoError(f"{path}: not a whole gzip file ({error}).") from error


def _json_lines(path: Path, text_column: str, label_column: str):
    for number, line in _lines(path):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise InfogeoError(
                f"{path}, line {number}: not JSON ({error.msg} at column {error.colno}). "
                "The file must hold one object a line."
            ) from error
        if not isinstance(row, dict):
            raise InfogeoError(f"{path}, line {number}: not a JSON object.")
        where = f"{path}, line {number}"
        _require(where, (text_column, label_column), row)
        yield _row(path, number, row[text_column], row[label_column] if label_column else "")


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
                labels = table[label_column] if label_column else [""] * len(texts)
                for row in zip(texts, labels, strict=True):
                    number += 1
                    yield _row(path, number, *row)
    except (pa.ArrowInvalid, OSError) as error:
        raise InfogeoError(f"{path}: not a readable parquet file ({error}).") from error


def _require(where: str, wanted, columns) -> None:
    missing = [name for name in wanted if name and name not in columns]
    if missing:
        raise InfogeoError(
            f"{where}: no column {', '.join(map(repr, missing))}. The columns there are: "
            f"{', '.join(columns) or 'none'}. Set `text_column` and `label_column` accordingly."
        )


def _row(path: Path, number: int, text, label) -> Document:
    if not isinstance(text, str):
        raise InfogeoError(
            f"{path}, row {number}: the text is {type(text).__name__}, not a string."
        )
    label = "" if label is None else str(label)
    try:
        (text + label).encode("utf-8")
    except UnicodeEncodeError as error:
        raise InfogeoError(
            f"{path}, row {number}: not UTF-8 (a lone surrogate, {error.object[error.start]!r}). "
            "Remove it."
        ) from error
    return Document(str(number), text, label, str(number))


def _uniform(seed: str, normalised: str) -> float:
    """A number in [0, 1) that depends on the text (white space normalised) and the seed alone."""
    return int.from_bytes(_hash(f"{seed}\n{normalised}")[:6]) / 2**48


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


@dataclass
class Selection:
    """What `select` chose, in the order in which it came, and what it left out."""

    evaluation: list[Document]
    train: list[Document]
    found: int = 0
    empty: int = 0
    duplicates: int = 0
    held_out: int = 0
    short: int = 0
    longest: int = 0  # characters, of the texts held out


def select(
    documents, texts: int = 0, min_characters: int = 0, train_share: float = 0, seed: int = 0
) -> Selection:
    """Split documents into those to train on and a seeded sample of the others, in one pass.

    Of documents whose texts are equal up to white space only the first counts; a hash of the text
    decides whether it may be trained on, so that a text never changes sides, and another one
    whether it is in the sample. In memory are the sample, the texts to train on, and a short hash
    of every text: a corpus may be much larger than that.

    Parameters
    ----------
    documents : iterable of Document
    texts : int
        Size of the sample; 0 means all.
    min_characters : int
        Shorter evaluation texts are left out.
    train_share : float
        In [0, 1).
    seed : int
        Of the sample.

    Notes
    -----
    Verified against a sort of all texts.
    """
    chosen = Selection([], [])
    seen = set()
    sample = []  # a heap of (-draw, -place, document): the first is the next to be dropped
    for place, document in enumerate(documents):
        chosen.found += 1
        normalised = " ".join(document.text.split())
        if not normalised:
            chosen.empty += 1
            continue
        known = _hash(normalised)[:12]
        if known in seen:
            chosen.duplicates += 1
            continue
        seen.add(known)
        if train_share and _uniform("split", normalised) < train_share:
            chosen.train.append(document)
            continue
        length = len(document.text)
        chosen.held_out += 1
        chosen.longest = max(chosen.longest, length)
        if length < min_characters:
            chosen.short += 1
            continue
        entry = (-_uniform(f"sample {seed}", normalised), -place, document)
        if texts and len(sample) == texts:
            heapq.heappushpop(sample, entry)
        else:
            heapq.heappush(sample, entry)
    chosen.evaluation = [document for _, _, document in sorted(sample, key=lambda e: -e[1])]
    return chosen


def fetch(
    source: str,
    where: str,
    texts: int,
    min_characters: int,
    train_share: float,
    seed: int,
    text_column: str = "text",
    label_column: str = "",
    workers: int = 1,
    listing=None,
    expected: str | None = None,
):
    """A corpus as a row of the corpora table describes it.

    Parameters
    ----------
    source : {'docstrings', 'local', 'hub'}
    where : str
        docstrings: import names separated by commas, empty for the default; local: a path; hub:
        the repository.
    texts : int
        Evaluation texts; 0 means all that are long enough.
    min_characters : int
        Length that an evaluation text must have.
    train_share : float
        Share of the documents, in [0, 1), that may be trained on and never evaluated.
    seed : int
        Of the sample of evaluation texts.
    text_column, label_column : str
        Of a JSON-lines or .parquet file.
    workers : int
        Processes to read docstrings with; the result does not depend on it.
    listing : path
        hub: what was downloaded; see `downloaded`.
    expected : str
        hub: fingerprint that the listing must carry.

    Returns
    -------
    evaluation, train : DataFrame
        Columns doc_id (unique), text, label, source.
    summary : str
        What was found, left out and kept, for the log.

    Raises
    ------
    InfogeoError
        From `docstrings`, `local` or `downloaded`, where there is no text, or where no evaluation
        text is long enough.
    """
    import pandas as pd

    if source == "docstrings":
        found = docstrings([name.strip() for name in where.split(",") if name.strip()], workers)
    elif source == "local":
        found = local(where, text_column, label_column)
    elif source == "hub":
        found = downloaded(listing, text_column, label_column, expected)
    else:
        raise InfogeoError(f"corpus source {source!r}: it must be `docstrings`, `local` or `hub`.")
    chosen = select(found, texts, min_characters, train_share, seed)
    if chosen.found == chosen.empty:
        raise InfogeoError(f"{where or source}: the corpus is empty: no text in it.")
    if not chosen.evaluation:
        raise InfogeoError(
            f"corpus {where or source}: none of the {chosen.held_out} evaluation texts has "
            f"min_characters = {min_characters} (the longest has {chosen.longest}). "
            "Lower `min_characters`, lower `train_share`, or give longer texts."
        )
    fewer = f" (of {texts} wanted)" if len(chosen.evaluation) < texts else ""
    summary = (
        f"{chosen.found:,} texts found, {chosen.duplicates:,} duplicates and "
        f"{chosen.empty:,} empty ones left out; "
        f"{len(chosen.train):,} to train on; of {chosen.held_out:,} held out, {chosen.short:,} are "
        f"shorter than {min_characters} characters and {len(chosen.evaluation):,} are "
        f"evaluated{fewer}"
    )

    def frame(rows):
        columns = list(Document.__slots__)
        values = [[getattr(row, name) for name in columns] for row in rows]
        return pd.DataFrame(values, columns=columns, dtype="str")

    return frame(chosen.evaluation), frame(chosen.train), summary
