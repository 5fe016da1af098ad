"""The wings of the library, and which of them may use which."""

import ast
import re
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
    "claims": "files inference geometry context laws",
    "figures": "files geometry theory sentences",
    "planning": "files jobs geometry sources context sentences",
}
MODULES = sorted(path.relative_to(LIBRARY) for path in LIBRARY.rglob("*.py"))


def imported(path):
    """The library modules that a file imports, dotted below the package."""
    for node in ast.walk(ast.parse((LIBRARY / path).read_text())):
        names = []
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        yield from (name.partition(".")[2] for name in names if name.startswith("infogeo."))


def test_the_wings_are_those_of_the_table():
    assert {path.parts[0] for path in MODULES if len(path.parts) > 1} == set(MAY_IMPORT)
    assert [path.name for path in MODULES if len(path.parts) == 1] == ["__init__.py"]


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


def test_the_readme_lists_the_wings_from_the_ground_up():
    layout = (LIBRARY.parents[1] / "README.md").read_text().split("Library code is in")[1]
    lines = re.findall(r"^- (`\w+`(?:, `\w+`)*): ", layout, re.M)
    assert re.findall(r"\w+", " ".join(lines)) == list(MAY_IMPORT)
