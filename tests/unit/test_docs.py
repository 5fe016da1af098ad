"""What the documents name is there."""

import re
from pathlib import Path

import pytest

import infogeo

ROOT = Path(__file__).parents[2]
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("*/README.md")]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_tests_benches_and_modules_that_a_document_names_exist(document):
    text = document.read_text()
    tests = "".join(path.read_text() for path in ROOT.glob("tests/**/test_*.py"))
    missing = {name for name in re.findall(r"`(test_\w+)`", text) if f"def {name}(" not in tests}
    missing |= {
        name for name in re.findall(r"tests/[\w/]+\.py", text) if not (ROOT / name).exists()
    }
    library = ROOT / "workflow_scripts/infogeo"
    for dotted in re.findall(r"`infogeo\.([\w.]+)`", text):
        module, _, name = dotted.replace(".", "/").rpartition("/")
        source = library / f"{module}.py"
        if (library / f"{module}/{name}.py").exists() or dotted in infogeo.__all__:
            continue
        if not source.exists() or not re.search(
            rf"^(def|class) {name}\b", source.read_text(), re.M
        ):
            missing.add(f"infogeo.{dotted}")
    assert not missing


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_to_files_lead_somewhere(document):
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []
