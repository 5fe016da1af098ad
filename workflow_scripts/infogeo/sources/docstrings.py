"""Docstrings of installed packages, read from their source; nothing is imported."""

import ast
import gc
import importlib.machinery
import multiprocessing
import warnings
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import chain
from pathlib import Path

from infogeo.files.errors import InfogeoError
from infogeo.sources.documents import Document

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


def read(packages=(), workers: int = 1) -> list[Document]:
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
    missing = [name for name, places in folders.items() if not places]
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
    unique = []
    for document in documents:
        times[document.doc_id] += 1
        if times[document.doc_id] > 1:
            document = replace(document, doc_id=f"{document.doc_id}#{times[document.doc_id]}")
        unique.append(document)
    return unique


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
    documents = []
    for name, node in chain([(module, tree)], _definitions(tree.body, f"{module}:")):
        text = ast.get_docstring(node)
        if text and len(text) >= MIN_DOCSTRING_CHARACTERS:
            # An escape such as \ud800 makes a string that no file can hold.
            text = text.encode("utf-8", "replace").decode("utf-8")
            documents.append(Document(name, text, package, module))
    return documents


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
