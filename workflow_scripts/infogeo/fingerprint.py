"""What determines a number, as one hash: rows, settings, parents and the logic of the code."""

import ast
import hashlib
import json
from functools import cache
from pathlib import Path

from infogeo.errors import InfogeoError

PACKAGE = Path(__file__).parent

# Where a number is computed, what is said meanwhile and how a file gets to its place do not
# change the number.
NOT_LOGIC = frozenset(
    {
        "artefacts", "binding", "errors", "fingerprint", "hub", "job_array", "launch", "logs",
        "parts", "progress", "slurm",
    }
)  # fmt: skip


def digest(what) -> str:
    """SHA-256 (hex) of the canonical JSON of `what` (plain values, lists and dicts)."""
    text = json.dumps(what, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def canonical(node) -> str:
    """An AST as text, the same on every Python from 3.11 on.

    Positions, docstrings and empty fields are left out: so comments, blank lines, formatting
    and documentation do not count, and fields that newer Pythons add to nodes (empty unless
    the new syntax is used) do not either.
    """
    parts: list[str] = []
    _write(node, parts.append)
    return "".join(parts)


def _write(node, add) -> None:
    """See `canonical`; every job walks the whole library once, so that this is kept fast."""
    if isinstance(node, ast.AST):
        add(type(node).__name__)
        mark = "("
        for name in node._fields:
            value = getattr(node, name, None)
            if name == "body" and _is_docstring(node):
                value = value[1:]
            if value is None or value == [] or name == "type_comment":
                continue
            add(f"{mark}{name}=")
            _write(value, add)
            mark = ","
        add(")" if mark == "," else "()")
    elif isinstance(node, list):
        add("[")
        for place, item in enumerate(node):
            if place:
                add(",")
            _write(item, add)
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


@cache
def _parsed(path: Path) -> tuple[str, frozenset[str]]:
    """The canonical text of a source file, and the names of the library modules it imports."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    except SyntaxError as error:
        raise InfogeoError(f"{path}, line {error.lineno}: {error.msg}") from error
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "infogeo":
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("infogeo."):
            names.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            names.update(
                alias.name.split(".")[1]
                for alias in node.names
                if alias.name.startswith("infogeo.")
            )
    return canonical(tree), frozenset(names)


@cache
def logic(script: str) -> str:
    """SHA-256 of what a script computes: its AST and, transitively, that of its library modules.

    It changes with a constant or a statement, and not with a comment, a docstring, the time
    stamp of a file, or code that only decides where work runs and what is logged.

    Parameters
    ----------
    script : str
        Path of a Python file.

    Raises
    ------
    InfogeoError
        Where a source file does not parse.
    """
    text, wanted = _parsed(Path(script))
    parts = {"script": text}
    queue = sorted(wanted)
    while queue:
        name = queue.pop()
        path = PACKAGE / f"{name}.py"
        if name in parts or name in NOT_LOGIC or not path.exists():
            continue
        parts[name], more = _parsed(path)
        queue.extend(more)
    return digest(parts)


def check(path, found: str | None, expected: str | None) -> None:
    """Stop where an artefact was not made from what its consumer expects.

    Raises
    ------
    InfogeoError
        Naming the file and the command that makes it anew.
    """
    if expected is None or found == expected:
        return
    was = f"has the fingerprint {found[:12]}…" if found else "carries no fingerprint"
    raise InfogeoError(
        f"{path}: {was}, but the present configuration and code expect {expected[:12]}…. "
        "It was made from other settings (or by a job that outlived its workflow). "
        f"Make it anew: snakemake -R {path}"
    )
