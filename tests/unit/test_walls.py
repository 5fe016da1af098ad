"""The wings of the library, which of them may use which, and how large their parts may be."""

import ast
import re
import tokenize
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

LIBRARY = Path(__file__).parents[2] / "workflow_scripts/infogeo"

# From the ground up: a wing, and the wings that it may import. All stand below it.
MAY_IMPORT = {
    "files": "",
    "jobs": "files",
    "inference": "",
    "geometry": "files inference",
    "sources": "files jobs",
    "states": "files jobs inference geometry sources",
    "theory": "files inference",
    "laws": "files jobs inference geometry sources",
    "context": "files jobs inference geometry sources states",
    "sentences": "files jobs inference geometry sources states",
    "claims": "files inference geometry sources context laws",
    "figures": "files geometry sources theory sentences",
    "planning": "files jobs geometry sources context sentences",
    "door": "files jobs inference geometry sources states sentences laws",
}
MODULES = sorted(path.relative_to(LIBRARY) for path in LIBRARY.rglob("*.py"))


@cache
def imported(path) -> list:
    """The library modules that a file imports, dotted below the package."""
    names = []
    for node in ast.walk(ast.parse((LIBRARY / path).read_text())):
        if isinstance(node, ast.ImportFrom):
            names += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    return [name.partition(".")[2] for name in names if name.startswith("infogeo.")]


def test_the_wings_are_those_of_the_table():
    assert {path.parts[0] for path in MODULES if len(path.parts) > 1} == set(MAY_IMPORT)
    assert [path.name for path in MODULES if len(path.parts) == 1] == ["__init__.py", "__main__.py"]


def test_the_table_has_no_arrow_upwards():
    order = list(MAY_IMPORT)
    for wing, below in MAY_IMPORT.items():
        assert all(order.index(other) < order.index(wing) for other in below.split()), wing


@pytest.mark.parametrize("wing", MAY_IMPORT)
def test_a_wing_imports_only_those_below_it(wing):
    wings = {
        name.split(".")[0] for path in MODULES if path.parts[0] == wing for name in imported(path)
    }
    assert wings - {wing} <= set(MAY_IMPORT[wing].split())


def test_the_table_allows_no_more_than_is_used():
    used = {
        wing: {name.split(".")[0] for path in MODULES if path.parts[0] == wing
               for name in imported(path)} - {wing}
        for wing in MAY_IMPORT
    }  # fmt: skip
    assert used == {wing: set(below.split()) for wing, below in MAY_IMPORT.items()}


def test_no_modules_import_each_other():
    known = {path.with_suffix("").as_posix().replace("/", ".") for path in MODULES}
    graph = {}
    for path in MODULES:
        module = path.with_suffix("").as_posix().replace("/", ".")
        graph[module] = {
            name if name in known else name.rpartition(".")[0] for name in imported(path)
        }
    TopologicalSorter(graph).prepare()  # raises on a circle


@pytest.mark.parametrize("wing", MAY_IMPORT)
def test_a_wing_says_in_one_sentence_what_it_is_for(wing):
    tree = ast.parse((LIBRARY / wing / "__init__.py").read_text())
    assert len(tree.body) == 1  # importing a wing runs nothing
    assert re.fullmatch(r"[A-Z][^.\n]{20,}\.", ast.get_docstring(tree))


def test_tests_of_modules_lie_in_folders_named_after_the_wings():
    folders = {path.name for path in Path(__file__).parent.iterdir() if path.is_dir()}
    assert folders - {"__pycache__"} == set(MAY_IMPORT)


def test_the_documents_list_the_wings_from_the_ground_up():
    layout = (LIBRARY.parents[1] / "docs/reading.md").read_text().split("Library code is in")[1]
    lines = re.findall(r"^- (`\w+`(?:, `\w+`)*): ", layout, re.M)
    assert re.findall(r"\w+", " ".join(lines)) == list(MAY_IMPORT)


# ---------------------------------------------------------------- sizes and names
ROOT = LIBRARY.parents[1]
SCRIPTS = sorted(LIBRARY.parent.glob("*.py"))
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef
# Words that say of a value only that there is one.
EMPTY_NAMES = {"found", "kept", "there", "mine"}


@cache
def sources() -> list:
    """(file, text, syntax tree) of every module and script."""
    paths = [*(LIBRARY / module for module in MODULES), *SCRIPTS]
    texts = [(path.relative_to(LIBRARY.parent).as_posix(), path.read_text()) for path in paths]
    return [(name, text, ast.parse(text)) for name, text in texts]


def lines_of(function) -> int:
    """Lines of a function's body without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def named(node):
    """Names that a node gives to a value: stored, of a parameter or a keyword, of an attribute."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif isinstance(node, ast.arg | ast.keyword):
        yield node.arg
    elif isinstance(node, ast.Attribute):
        yield node.attr
    elif isinstance(node, ast.ExceptHandler):
        yield node.name


def test_no_module_is_longer_than_500_lines():
    sizes = {name: len(text.splitlines()) for name, text, _ in sources()}
    assert {name: size for name, size in sizes.items() if size > 500} == {}


def test_no_class_is_longer_than_200_lines():
    sizes = {
        f"{name}: {node.name}": node.end_lineno - node.lineno + 1
        for name, _, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    assert {name: size for name, size in sizes.items() if size > 200} == {}


def test_no_function_has_more_than_60_lines_beside_its_docstring():
    sizes = {
        f"{name}: {node.name}": lines_of(node)
        for name, _, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, FUNCTIONS)
    }
    assert {name: size for name, size in sizes.items() if size > 60} == {}


def test_a_name_of_a_module_or_script_says_what_it_holds():
    empty = [
        f"{name}, line {node.lineno}: {word}"
        for name, _, tree in sources()
        for node in ast.walk(tree)
        for word in named(node)
        if word in EMPTY_NAMES
    ]
    assert empty == []


@pytest.mark.parametrize("path", [ROOT / "Snakefile", *sorted(ROOT.glob("rules/*.smk"))],
                         ids=lambda path: path.name)  # fmt: skip
def test_a_name_of_a_rule_file_says_what_it_holds(path):
    with path.open("rb") as file:  # no syntax tree: rules are not Python's
        tokens = [
            token for token in tokenize.tokenize(file.readline) if token.type == tokenize.NAME
        ]
    assert [f"line {t.start[0]}: {t.string}" for t in tokens if t.string in EMPTY_NAMES] == []
