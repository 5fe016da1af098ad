import textwrap

import pytest

from infogeo.files import fingerprint
from infogeo.files.errors import InfogeoError

SCRIPT = '''
"""A script."""
import numpy as np
from infogeo.geometry import spectra
from infogeo.geometry.entropy import evaluate

ALPHA = 2  # a constant


def double(x):
    """Twice x."""
    return ALPHA * x
'''
SOURCES = {
    "geometry/__init__": '"""Numbers."""\n',
    "geometry/spectra": "import numpy\nfrom infogeo.jobs import launch\nONE = 1\n",
    "geometry/entropy": (
        "from infogeo.geometry.spectra import ONE\n\n\ndef evaluate(x):\n    return x\n\n\n"
        "def other(x):\n    return x\n"
    ),
    "jobs/__init__": "",
    "jobs/launch": "WORKERS = 1\n",
}


class Project:
    """A script and a package of its own, which tests may edit."""

    def __init__(self, folder):
        self.folder = folder
        self.path("script").write_text(SCRIPT)
        for name, text in SOURCES.items():
            self.write(name, text)

    def path(self, name):
        return self.folder / ("script.py" if name == "script" else f"infogeo/{name}.py")

    def write(self, name, text):
        self.path(name).parent.mkdir(parents=True, exist_ok=True)
        self.path(name).write_text(text)

    def edit(self, name, old, new):
        text = self.path(name).read_text()
        assert old in text
        self.path(name).write_text(text.replace(old, new))

    def move(self, old, new):
        """Move a module, and change every import of it."""
        self.write(new, self.path(old).read_text())
        self.path(old).unlink()
        (was, module), (wing, renamed) = (name.split("/") for name in (old, new))
        for path in [self.path("script"), *self.folder.glob("infogeo/*/*.py")]:
            text = path.read_text()
            text = text.replace(f"infogeo.{was}.{module} ", f"infogeo.{wing}.{renamed} ")
            alias = "" if renamed == module else f" as {module}"
            text = text.replace(
                f"from infogeo.{was} import {module}\n",
                f"from infogeo.{wing} import {renamed}{alias}\n",
            )
            path.write_text(text)

    def logic(self):
        forget()
        return fingerprint.logic(str(self.path("script")))


def forget() -> None:
    """Read source files anew."""
    for cached in (fingerprint._walked, fingerprint._parsed, fingerprint._logic):
        cached.cache_clear()


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setattr(fingerprint, "PACKAGE", tmp_path / "infogeo")
    yield Project(tmp_path)
    forget()


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("script", "# a constant", "# another comment"),
        ("script", '"""Twice x."""', '"""Two times x."""'),
        ("script", '    """Twice x."""\n', ""),
        ("script", "ALPHA * x", "(ALPHA\n        * x)"),
        ("jobs/launch", "WORKERS = 1", "WORKERS = 8"),
    ],
)
def test_comments_docstrings_layout_and_placement_do_not_count(project, name, old, new):
    before = project.logic()
    project.edit(name, old, new)
    assert project.logic() == before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("script", "ALPHA = 2", "ALPHA = 3"),
        ("script", "ALPHA * x", "ALPHA + x"),
        ("geometry/spectra", "ONE = 1", "ONE = 1.0"),
        ("geometry/entropy", "def evaluate(x):\n    return x", "def evaluate(x):\n    return -x"),
    ],
)
def test_constants_and_statements_count_in_imported_modules_too(project, name, old, new):
    before = project.logic()
    project.edit(name, old, new)
    assert project.logic() != before


def test_logic_is_the_same_on_every_python():
    # Written down once: a new Python that changes it would rerun everybody's workflow.
    source = textwrap.dedent(SCRIPT)
    text = fingerprint.canonical(fingerprint.ast.parse(source))
    assert fingerprint.digest(text)[:16] == "12b194de3f4cf300"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("geometry/spectra", "states/spectra"),
        ("geometry/spectra", "geometry/eigenvalues"),
        ("geometry/entropy", "measures/functionals"),
    ],
)
def test_a_module_that_moves_or_is_renamed_reruns_nothing(project, old, new):
    before = project.logic()
    project.move(old, new)
    assert project.logic() == before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("script", "entropy import evaluate", "entropy import other as evaluate"),
        ("script", "import numpy as np", "import math as np"),
        ("script", "from infogeo.geometry import spectra", "from infogeo.geometry import entropy"),
    ],
)
def test_what_a_name_stands_for_counts_though_import_statements_do_not(project, name, old, new):
    before = project.logic()
    project.edit(name, old, new)
    assert project.logic() != before


def test_the_order_of_imports_does_not_count(project):
    before = project.logic()
    first, second = (line for line in SCRIPT.splitlines() if line.startswith("from infogeo"))
    project.edit("script", f"{first}\n{second}", f"{second}\n{first}")
    assert project.logic() == before


def test_a_change_below_a_package_of_packages_counts(project):
    project.write("geometry/deep/__init__", "")
    project.write("geometry/deep/rows", "TOLERANCE = 1\n")
    project.edit(
        "geometry/entropy", "import ONE", "import ONE\nfrom infogeo.geometry.deep import rows"
    )
    before = project.logic()
    project.edit("geometry/deep/rows", "= 1", "= 2")
    assert project.logic() != before


def test_a_name_of_the_package_itself_leads_to_its_door(project):
    project.write("__init__", "def measure(x):\n    return x\n")
    project.edit("script", "import numpy as np", "from infogeo import measure")
    before = project.logic()
    project.edit("__init__", "return x", "return 2 * x")
    assert project.logic() != before


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("from infogeo.geometry import nothing", r"imports nothing from infogeo\.geometry"),
        ("from infogeo.nowhere import spectra", r"imports infogeo\.nowhere, which is no module"),
        ("import infogeo.geometry.nothing", r"imports infogeo\.geometry\.nothing"),
        (
            "from infogeo.geometry.spectra import TWO",
            r"imports TWO from infogeo\.geometry\.spectra",
        ),
        ("from . import rows", "a relative import"),
        ("from .rows import TOLERANCE", "a relative import"),
        ("from infogeo.geometry.spectra import *", "hides which names"),
    ],
)
def test_an_import_that_cannot_be_followed_is_named_with_its_line(project, statement, message):
    project.edit("geometry/entropy", "from infogeo.geometry.spectra import ONE", statement)
    with pytest.raises(InfogeoError, match=rf"entropy\.py, line 1: .*{message}"):
        project.logic()


def test_modules_that_import_each_other_are_named(project):
    project.edit("geometry/spectra", "import numpy", "from infogeo.geometry import entropy")
    with pytest.raises(InfogeoError, match=r"import each other: .*spectra\.py → .*entropy\.py → "):
        project.logic()


def test_a_source_file_that_does_not_parse_is_named_with_its_line(project):
    project.edit("geometry/entropy", "def evaluate(x):", "def evaluate(x:")
    with pytest.raises(InfogeoError, match=r"entropy\.py, line 4"):
        project.logic()


def test_digest_ignores_the_order_of_keys_but_not_values():
    assert fingerprint.digest({"a": 1, "b": [2, 3]}) == fingerprint.digest({"b": [2, 3], "a": 1})
    assert fingerprint.digest({"a": 1}) != fingerprint.digest({"a": 2})


def test_a_mismatch_names_the_file_and_the_command_that_mends_it():
    fingerprint.check("results/x.h5", "a" * 64, "a" * 64)
    fingerprint.check("results/x.h5", "a" * 64, None)
    with pytest.raises(InfogeoError, match=r"results/x\.h5.*snakemake -R results/x\.h5"):
        fingerprint.check("results/x.h5", "a" * 64, "b" * 64)
    with pytest.raises(InfogeoError, match="no fingerprint"):
        fingerprint.check("results/x.h5", None, "b" * 64)
