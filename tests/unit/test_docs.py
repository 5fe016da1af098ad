"""What the documents name is there."""

import re
from pathlib import Path

import pytest

import infogeo

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "*/README.md", "profiles/*/README.md", "config/*/*.md")
    for path in ROOT.glob(pattern)
)


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


EMPTY = re.compile(r"\b(told|said|stands)\b|there is of")


def sentences(text: str) -> list[str]:
    """Sentences and parts of them between colons and semicolons, outside blocks of code."""
    for pattern in (r"```.*?```", r"<!--.*?-->", r"\{%.*?%\}"):
        text = re.sub(pattern, "", text, flags=re.S)
    text = re.sub(r"\{\{.*?\}\}", "x", text)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    blocks = re.split(r"\n\s*\n|\n(?=[-*>|#])", text)
    parts = [part for block in blocks for part in block.split(" | ")]
    return [
        " ".join(sentence.split())
        for part in parts
        for sentence in re.split(r"(?<=[.!?:;])\s+", part)
    ]


@pytest.mark.parametrize(
    "path", [*DOCUMENTS, *sorted(ROOT.glob("rules/captions/*.rst"))],
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)  # fmt: skip
def test_sentences_have_at_most_25_words_and_none_of_those_that_say_nothing(path):
    lines = sentences(path.read_text())
    long = {text: words for text in lines if (words := len(re.findall(r"\w\S*", text))) > 25}
    empty = [text for text in lines if EMPTY.search(text)]
    assert (long, empty) == ({}, [])


def test_no_source_uses_the_words_that_say_nothing():
    sources = [
        path
        for folder, kind in (("workflow_scripts", "py"), ("rules", "smk"), ("config", "yaml"))
        for path in (ROOT / folder).rglob(f"*.{kind}")
    ]
    assert len(sources) > 200
    assert [path.name for path in sources if EMPTY.search(path.read_text())] == []


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/*.md")), ids=lambda path: path.name)
def test_a_page_opens_with_a_short_box(page):
    title, box = page.read_text().split("\n\n")[:2]
    lines = box.splitlines()
    assert title.startswith("# ") and all(line.startswith(">") for line in lines)
    assert len(lines) <= 10
    parts = ("> **What**", "> **Read it**", "> **Result**")
    assert [part for part in parts if not any(line.startswith(part) for line in lines)] == []


def test_the_map_of_results_says_of_every_table_when_to_open_it():
    text = (ROOT / "results/README.md").read_text().partition("## All files")[0]
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    assert all(len(row) == 3 and row[1] for row in rows)
    named = re.findall(r"\w+\.(?:csv|md)", " ".join(row[0] for row in rows))
    targets = (ROOT / "rules/targets.smk").read_text()
    made = set(re.findall(r'"(\w+\.(?:csv|md))"', targets))
    assert len(made) > 15
    assert made - set(named) == set()
