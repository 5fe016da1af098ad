"""Texts to measure on: docstrings of installed packages, or a user's own files.

A corpus is a list of documents. Exact duplicates are left out, a hash of the text decides whether
a document may be trained on, and the evaluation texts are a seeded sample of the rest. Nothing
depends on the order in which a file system lists its files.
"""

import ast
import gc
import hashlib
import importlib.machinery
import importlib.metadata
import json
import multiprocessing
import warnings
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from infogeo.errors import InfogeoError

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


def local(where: str, text_column: str = "text", label_column: str = "") -> list[Document]:
    """A user's own texts: a folder of .txt files, a .jsonl file or a .parquet file.

    Parameters
    ----------
    where : str
        Path of the folder (searched recursively) or file.
    text_column, label_column : str
        Columns (parquet) or keys (jsonl) of text and, unless "", of the label.

    Returns
    -------
    list of Document
        .txt: sorted by relative path, which is `doc_id`; the label is the folder's path. Others:
        in file order, `doc_id` being the row, counted from 1. `source` is `doc_id`.

    Raises
    ------
    InfogeoError
        Where the path is missing, of another kind, empty, not UTF-8, or without a column named.
    """
    path = Path(where)
    if not where or not path.exists():
        raise InfogeoError(
            f"corpus {where or '(column `where` is empty)'}: no such file or folder. The column "
            "`where` is a path relative to the working directory, or absolute."
        )
    if path.is_dir():
        documents = _text_files(path)
    elif path.suffix == ".jsonl":
        documents = _json_lines(path, text_column, label_column)
    elif path.suffix == ".parquet":
        documents = _parquet(path, text_column, label_column)
    else:
        raise InfogeoError(
            f"{path}: a corpus is a folder of .txt files, a .jsonl file or a .parquet file."
        )
    if not any(document.text.strip() for document in documents):
        raise InfogeoError(f"{path}: the corpus is empty: no text in it.")
    return documents


def _decoded(path: Path) -> str:
    data = path.read_bytes()
    try:
        return data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InfogeoError(
            f"{path}, line {line}: not UTF-8 (byte 0x{data[error.start]:02x} at offset "
            f"{error.start}). Convert it, for example: iconv -f latin1 -t utf-8"
        ) from error


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


def _json_lines(path: Path, text_column: str, label_column: str) -> list[Document]:
    rows = []
    # Not splitlines(): JSON strings may hold U+2028, which is no end of line here.
    for number, line in enumerate(_decoded(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise InfogeoError(
                f"{path}, line {number}: not JSON ({error.msg} at column {error.colno}). "
                "A .jsonl file holds one object a line."
            ) from error
        if not isinstance(row, dict):
            raise InfogeoError(f"{path}, line {number}: not a JSON object.")
        where = f"{path}, line {number}"
        _require(where, (text_column, label_column), row)
        rows.append((number, row[text_column], row[label_column] if label_column else ""))
    return [_row(path, *row) for row in rows]


def _parquet(path: Path, text_column: str, label_column: str) -> list[Document]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            _require(str(path), (text_column, label_column), file.schema_arrow.names)
            columns = [text_column, label_column] if label_column else [text_column]
            table = file.read(columns=columns).to_pydict()
    except (pa.ArrowInvalid, OSError) as error:
        raise InfogeoError(f"{path}: not a readable parquet file ({error}).") from error
    texts = table[text_column]
    labels = table[label_column] if label_column else [""] * len(texts)
    return [_row(path, i, *row) for i, row in enumerate(zip(texts, labels, strict=True), start=1)]


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


def deduplicated(documents) -> tuple[list[Document], int]:
    """The documents whose text, up to white space, stands for the first time, and how many not.

    Empty texts are left out and not counted.
    """
    first = {}
    total = 0
    for document in documents:
        key = _normalised(document.text)
        if key:
            total += 1
            first.setdefault(key, document)
    return list(first.values()), total - len(first)


def _normalised(text: str) -> str:
    return " ".join(text.split())


def _uniform(seed: str, text: str) -> float:
    """A number in [0, 1) that depends on the text (up to white space) and the seed alone."""
    data = f"{seed}\n{_normalised(text)}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(data).digest()[:6]) / 2**48


def split(documents, train_share: float) -> tuple[list[Document], list[Document]]:
    """(train, evaluation): a hash of the text decides, so that a text never changes sides."""
    train, evaluation = [], []
    for document in documents:
        side = train if _uniform("split", document.text) < train_share else evaluation
        side.append(document)
    return train, evaluation


def sample(documents, texts: int, min_characters: int, seed: int) -> list[Document]:
    """A seeded sample of the texts that are long enough, in the order in which they came.

    Parameters
    ----------
    documents : list of Document
    texts : int
        How many; 0 means all.
    min_characters : int
        Shorter ones are left out.
    seed : int
    """
    long = [document for document in documents if len(document.text) >= min_characters]
    if texts and texts < len(long):
        chosen = sorted(long, key=lambda document: _uniform(f"sample {seed}", document.text))
        keep = {document.doc_id for document in chosen[:texts]}
        long = [document for document in long if document.doc_id in keep]
    return long


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
):
    """A corpus as a row of the corpora table describes it.

    Parameters
    ----------
    source : {'docstrings', 'local'}
    where : str
        docstrings: import names separated by commas, empty for the default; local: a path.
    texts : int
        Evaluation texts; 0 means all that are long enough.
    min_characters : int
        Length that an evaluation text must have.
    train_share : float
        Share of the documents, in [0, 1), that may be trained on and never evaluated.
    seed : int
        Of the sample of evaluation texts.
    text_column, label_column : str
        Of a local .jsonl or .parquet file.
    workers : int
        Processes to read docstrings with; the result does not depend on it.

    Returns
    -------
    evaluation, train : DataFrame
        Columns doc_id (unique), text, label, source.
    summary : str
        What was found, left out and kept, for the log.

    Raises
    ------
    InfogeoError
        From `docstrings` or `local`, or where no evaluation text is long enough.
    """
    import pandas as pd

    if source == "docstrings":
        found = docstrings([name.strip() for name in where.split(",") if name.strip()], workers)
    elif source == "local":
        found = local(where, text_column, label_column)
    else:
        raise InfogeoError(f"corpus source {source!r}: it must be `docstrings` or `local`.")
    documents, duplicates = deduplicated(found)
    train, held_out = split(documents, train_share)
    evaluation = sample(held_out, texts, min_characters, seed)
    if not evaluation:
        longest = max((len(document.text) for document in held_out), default=0)
        raise InfogeoError(
            f"corpus {where or source}: none of the {len(held_out)} evaluation texts has "
            f"min_characters = {min_characters} (the longest has {longest}). "
            "Lower `min_characters`, lower `train_share`, or give longer texts."
        )
    short = sum(len(document.text) < min_characters for document in held_out)
    fewer = f" (of {texts} wanted)" if len(evaluation) < texts else ""
    summary = (
        f"{len(found):,} texts found, {duplicates:,} duplicates and "
        f"{len(found) - duplicates - len(documents):,} empty ones left out; "
        f"{len(train):,} to train on; of {len(held_out):,} held out, {short:,} are shorter than "
        f"{min_characters} characters and {len(evaluation):,} are evaluated{fewer}"
    )

    def frame(rows):
        columns = list(Document.__slots__)
        values = [[getattr(row, name) for name in columns] for row in rows]
        return pd.DataFrame(values, columns=columns, dtype="str")

    return frame(evaluation), frame(train), summary
