import textwrap

import pytest

from infogeo import fingerprint
from infogeo.errors import InfogeoError

SCRIPT = '''
"""A script."""
from infogeo import spectra
from infogeo.entropy import evaluate

ALPHA = 2  # a constant


def double(x):
    """Twice x."""
    return ALPHA * x
'''


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A package of its own, so that tests may edit it; returns (edit, logic)."""
    package = tmp_path / "infogeo"
    package.mkdir()
    files = {
        "script": tmp_path / "script.py",
        "spectra": package / "spectra.py",
        "entropy": package / "entropy.py",
        "launch": package / "launch.py",
    }
    files["script"].write_text(SCRIPT)
    files["spectra"].write_text("import numpy\nfrom infogeo import launch\nONE = 1\n")
    files["entropy"].write_text("import infogeo.spectra\n\ndef evaluate(x):\n    return x\n")
    files["launch"].write_text("WORKERS = 1\n")
    monkeypatch.setattr(fingerprint, "PACKAGE", package)

    def edit(name, old, new):
        text = files[name].read_text()
        assert old in text
        files[name].write_text(text.replace(old, new))

    def logic():
        fingerprint._parsed.cache_clear()
        fingerprint.logic.cache_clear()
        return fingerprint.logic(str(files["script"]))

    yield edit, logic
    fingerprint._parsed.cache_clear()
    fingerprint.logic.cache_clear()


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("script", "# a constant", "# another comment"),
        ("script", '"""Twice x."""', '"""Two times x."""'),
        ("script", '    """Twice x."""\n', ""),
        ("script", "ALPHA * x", "(ALPHA\n        * x)"),
        ("launch", "WORKERS = 1", "WORKERS = 8"),
    ],
)
def test_comments_docstrings_layout_and_placement_do_not_count(project, name, old, new):
    edit, logic = project
    before = logic()
    edit(name, old, new)
    assert logic() == before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("script", "ALPHA = 2", "ALPHA = 3"),
        ("script", "ALPHA * x", "ALPHA + x"),
        ("spectra", "ONE = 1", "ONE = 1.0"),
        ("entropy", "return x", "return -x"),
    ],
)
def test_constants_and_statements_count_in_imported_modules_too(project, name, old, new):
    edit, logic = project
    before = logic()
    edit(name, old, new)
    assert logic() != before


def test_logic_is_the_same_on_every_python():
    # Written down once: a new Python that changes it would rerun everybody's workflow.
    source = textwrap.dedent(SCRIPT)
    text = fingerprint.canonical(fingerprint.ast.parse(source))
    assert fingerprint.digest(text)[:16] == "ffb960975c70b367"


def test_a_source_file_that_does_not_parse_is_named_with_its_line(project):
    edit, logic = project
    edit("entropy", "def evaluate(x):", "def evaluate(x:")
    with pytest.raises(InfogeoError, match=r"entropy\.py, line 3"):
        logic()


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
