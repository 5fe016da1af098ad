"""What determines a number, as one hash: rows, settings, parents and the logic of the code."""

import ast
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import NamedTuple

from infogeo.files.errors import InfogeoError

PACKAGE = Path(__file__).parents[1]

# Where a number is computed, what is reported meanwhile and how a file gets to its place do not
# change the number. A wing's name means all of its modules.
NOT_LOGIC = frozenset(
    {
        "files.artefacts", "files.errors", "files.fingerprint", "files.hdf5", "files.parts",
        "jobs", "sources.borrowed", "sources.hub",
    }
)  # fmt: skip


def digest(what) -> str:
    """SHA-256 (hex) of the canonical JSON of `what` (plain values, lists and dicts)."""
    text = json.dumps(what, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def canonical(node) -> str:
    """An AST as text, the same on every Python from 3.11 on.

    Positions, docstrings and empty fields are left out: so comments, blank lines, formatting and
    documentation do not count. Fields that newer Pythons add to nodes do not either: they are empty
    unless the new syntax is used. Import statements are left out too: `logic` hashes what is
    imported.
    """
    parts: list[str] = []
    _write(node, parts.append, [])
    return "".join(parts)


IMPORTS = (ast.Import, ast.ImportFrom)
BINDING = {*IMPORTS, ast.Name, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef}


def _write(node, add, binding: list) -> None:
    """See `canonical`; `binding` takes the nodes that may bind a name.

    Every start of Snakemake walks the whole library once, so that this is kept fast.
    """
    if isinstance(node, ast.AST):
        if type(node) in BINDING:
            binding.append(node)
        add(type(node).__name__)
        mark = "("
        for name in node._fields:
            value = getattr(node, name, None)
            if name == "body" and _is_docstring(node):
                value = value[1:]
            if value is None or value == [] or name == "type_comment":
                continue
            add(f"{mark}{name}=")
            _write(value, add, binding)
            mark = ","
        add(")" if mark == "," else "()")
    elif isinstance(node, list):
        binding += (item for item in node if isinstance(item, IMPORTS))
        add("[")
        for place, item in enumerate(item for item in node if not isinstance(item, IMPORTS)):
            if place:
                add(",")
            _write(item, add, binding)
        add("]")
    else:
        add(repr(node))


def _is_docstring(node) -> bool:
    return (
        isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and bool(node.body)
        and isinstance(node.body[0], ast.Expr)
        and isinstance(node.body[0].value, ast.Constant)
        and isinstance(node.body[0].value.value, str)
    )


class Imported(NamedTuple):
    """A name that a source file takes from a module of the library."""

    bound: str  # the name in the importing file
    module: str  # dotted, below the package: 'geometry.spectra'; '' for the package itself
    name: str  # within the module; '' for the module as a whole


class Source(NamedTuple):
    """What a source file says: its canonical text, which has no imports, and the imports."""

    text: str
    foreign: tuple[tuple[str, str, str], ...]  # (module, name, bound) of other packages, sorted
    imported: tuple[Imported, ...]  # of the library


def _source_file(module: str) -> Path | None:
    """The file of a dotted module below the package; None where there is none."""
    stem = PACKAGE.joinpath(*filter(None, module.split(".")))
    if module and stem.with_suffix(".py").exists():
        return stem.with_suffix(".py")
    return stem / "__init__.py" if (stem / "__init__.py").exists() else None


def _resolved(path: Path, line: int, module: str) -> str:
    if _source_file(module) is None:
        raise InfogeoError(
            f"{path}, line {line}: imports {'.'.join(filter(None, ('infogeo', module)))}, "
            "which is no module of the library, so that its logic cannot be followed. "
            "Correct the import."
        )
    return module


def _imports(path: Path, node: ast.Import | ast.ImportFrom) -> list[Imported]:
    """What an import statement takes from the library; nothing of another package."""
    if isinstance(node, ast.Import):
        return [
            Imported(
                alias.asname or alias.name,
                _resolved(path, node.lineno, alias.name.partition(".")[2]),
                "",
            )
            for alias in node.names
            if alias.name.split(".")[0] == "infogeo"
        ]
    if node.level:
        raise InfogeoError(
            f"{path}, line {node.lineno}: a relative import, which the fingerprint does not "
            "follow. Write the module's whole name: from infogeo.… import …"
        )
    package, _, below = (node.module or "").partition(".")
    if package != "infogeo":
        return []
    taken = []
    for alias in node.names:
        if alias.name == "*":
            raise InfogeoError(
                f"{path}, line {node.lineno}: 'import *' hides which names are used. Name them."
            )
        bound, module = alias.asname or alias.name, ".".join(filter(None, (below, alias.name)))
        if _source_file(module) is not None:
            taken.append(Imported(bound, module, ""))
            continue
        owner = _source_file(_resolved(path, node.lineno, below))
        if alias.name not in _walked(owner).names:
            raise InfogeoError(
                f"{path}, line {node.lineno}: imports {alias.name} from {node.module}, which has "
                f"no such module or name ({owner}). Correct the import."
            )
        taken.append(Imported(bound, below, alias.name))
    return taken


class Walked(NamedTuple):
    """What one walk over a source file finds."""

    text: str  # canonical
    imports: list[ast.Import | ast.ImportFrom]
    names: set[str]  # that it binds, at whatever level


@cache
def _walked(path: Path) -> Walked:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    except SyntaxError as error:
        raise InfogeoError(f"{path}, line {error.lineno}: {error.msg}") from error
    parts, binding = [], []
    _write(tree, parts.append, binding)
    imports = [node for node in binding if isinstance(node, IMPORTS)]
    names = {alias.asname or alias.name for node in imports for alias in node.names}
    for node in binding:
        if isinstance(node, ast.Name):
            names |= {node.id} if isinstance(node.ctx, ast.Store) else set()
        elif not isinstance(node, IMPORTS):
            names.add(node.name)
    return Walked("".join(parts), imports, names)


def _foreign(node: ast.Import | ast.ImportFrom) -> list[tuple[str, str, str]]:
    """What an import statement takes from other packages: (module, name, bound)."""
    module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
    return [
        (module, alias.name, alias.asname or alias.name)
        for alias in node.names
        if (module or alias.name).split(".")[0] != "infogeo"
    ]


@cache
def _parsed(path: Path) -> Source:
    """What a source file says, its imports apart."""
    walked = _walked(path)
    imported = [name for node in walked.imports for name in _imports(path, node)]
    foreign = [name for node in walked.imports for name in _foreign(node)]
    return Source(walked.text, tuple(sorted(foreign)), tuple(imported))


def _is_logic(module: str) -> bool:
    return module not in NOT_LOGIC and module.partition(".")[0] not in NOT_LOGIC


_followed: list[Path] = []  # the files whose imports are being followed, each by the one before


@cache
def _logic(path: Path) -> str:
    """The hash of a source file and of what it takes from the library, wherever that lies."""
    if path in _followed:
        circle = [*_followed[_followed.index(path) :], path]
        raise InfogeoError(f"modules import each other: {' → '.join(map(str, circle))}. Part them.")
    source = _parsed(path)
    _followed.append(path)
    try:
        taken = {
            (bound, name, _logic(_source_file(module)))
            for bound, module, name in source.imported
            if _is_logic(module)
        }
    finally:
        _followed.pop()
    return digest([source.text, source.foreign, sorted(taken)])


def logic(script: str) -> str:
    """SHA-256 of what a script computes: its AST and, transitively, that of its library modules.

    It changes with a constant or a statement. It does not with a comment, a docstring, the time
    of a file, or code that only decides where work runs and what is logged. Imports of the
    library count by what is imported and not by where that lies, so that a module may move.

    Parameters
    ----------
    script : str
        Path of a Python file.

    Raises
    ------
    InfogeoError
        Where a source file does not parse, imports relatively, in a circle, or from the library
        what is not there.
    """
    return _logic(Path(script))


def make_anew(path) -> str:
    """The remedy for a file that a rule makes."""
    return f"Make it anew: snakemake -R {path}"


def check(path, carried: str | None, expected: str | None, remedy: str = "") -> None:
    """Stop where an artefact was not made from what its consumer expects.

    Parameters
    ----------
    path : path-like
    carried, expected : str, optional
        Fingerprint of the artefact, and the one that it must have; None means any.
    remedy : str, optional
        Where the artefact is not the output of a rule; see `make_anew`.

    Raises
    ------
    InfogeoError
        Naming the file and the remedy.
    """
    if expected is None or carried == expected:
        return
    was = f"has the fingerprint {carried[:12]}…" if carried else "carries no fingerprint"
    raise InfogeoError(
        f"{path}: {was}, but the present configuration and code expect {expected[:12]}…. "
        "It was made from other settings (or by a job that outlived its workflow). "
        f"{remedy or make_anew(path)}"
    )
