"""Corpora: what is read, what is left out, and what a user is told."""

import gzip
import hashlib
import json
import os
import tracemalloc

import pandas as pd
import pytest

from infogeo.files.errors import InfogeoError
from infogeo.sources import corpora, docstrings, text_files
from infogeo.sources.documents import Document, select

LONG = "It is long enough to be more than a label, as docstrings that teach something are. " * 3


def fetch(where, **changes):
    settings = {
        "source": "local", "texts": 0, "min_characters": 0, "train_share": 0.0, "seed": 0,
    }  # fmt: skip
    return corpora.fetch(where=str(where), **settings | changes)


def write_jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def texts_of(count):
    return [Document(str(i), f"text {i} " * (i + 1), "", str(i)) for i in range(count)]


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package whose import would fail: it can only be read."""
    files = {
        "__init__.py": f'"""Package. {LONG}"""\nraise RuntimeError("imported")\n',
        "shapes.py": f'''
class Circle:
    """Round.

        Indented. {LONG}
    """
    if True:
        def area(self):
            """Area. {LONG}"""
            def inner():
                """Inner. {LONG}"""
    def short(self):
        """Short."""
try:
    pass
except ImportError:
    def area():
        """Fallback. {LONG}"""
else:
    async def area():
        """Other. {LONG}"""
''',
        "copy.py": f'def f():\n    """Area.   {LONG}"""\n',
        "copy/__init__.py": f'def f():\n    """Same name. {LONG}"""\n',
        "broken.py": "def f(:\n",
        "tests/test_it.py": f'"""In tests. {LONG}"""\n',
        "_vendor/other.py": f'"""Vendored. {LONG}"""\n',
        "conftest.py": f'"""Fixtures. {LONG}"""\n',
    }
    for name, text in files.items():
        path = tmp_path / "shapely_test_package" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    return "shapely_test_package"


def test_docstrings_are_found_where_they_stand_without_import(package):
    found = docstrings.read([package])
    assert [document.doc_id.removeprefix(package) for document in found] == [
        "",
        ".copy:f",
        ".copy:f#2",
        ".shapes:Circle",
        ".shapes:Circle.area",
        ".shapes:Circle.area.<locals>.inner",
        ".shapes:area",
        ".shapes:area#2",
    ]
    assert {document.label for document in found} == {package}
    assert found[4].source == f"{package}.shapes"
    assert found[3].text.startswith("Round.\n\nIndented.")  # cleaned of the common indentation


def test_docstrings_do_not_depend_on_workers_or_on_the_order_of_packages(monkeypatch):
    monkeypatch.setattr(docstrings, "FILES_PER_TASK", 5)
    once = docstrings.read(["patsy", "joblib"])
    assert once == docstrings.read(["joblib", "patsy"], workers=2)
    assert len(once) > 100


def test_the_default_packages_are_installed():
    assert all(docstrings._folders(name) for name in docstrings.PACKAGES)


@pytest.mark.parametrize("name", ["no_such_package", "no-such"])
def test_a_package_that_is_not_installed_is_named(name):
    with pytest.raises(InfogeoError, match=rf"not installed here: {name}\."):
        docstrings.read(["joblib", name])


def test_duplicates_up_to_white_space_are_left_out_and_counted():
    documents = [
        Document(name, text, "", "")
        for name, text in [("a", "one two"), ("b", "one\n  two "), ("c", " "), ("d", "two")]
    ]
    chosen = select(documents)
    assert [document.doc_id for document in chosen.evaluation] == ["a", "d"]
    assert (chosen.total, chosen.duplicates, chosen.empty) == (4, 1, 1)


def test_the_summary_counts_what_was_left_out(tmp_path):
    rows = [{"text": text} for text in ("alpha", "alpha", "", "beta long enough")]
    evaluation, train, summary = fetch(
        write_jsonl(tmp_path / "c.jsonl", rows), min_characters=6, texts=5
    )
    assert summary == (
        "4 texts found, 1 duplicates and 1 empty ones left out; 0 to train on; of 2 held out, "
        "1 are shorter than 6 characters and 1 are evaluated (of 5 asked for)"
    )
    assert evaluation["doc_id"].tolist() == ["4"]
    assert list(train.columns) == ["doc_id", "text", "label", "source"]
    assert len(train) == 0


def test_the_split_goes_by_the_text_alone():
    documents = texts_of(2000)
    chosen = select(documents, train_share=0.9)
    train, evaluation = chosen.train, chosen.evaluation
    assert 0.88 < len(train) / 2000 < 0.92
    assert {d.doc_id for d in train}.isdisjoint(d.doc_id for d in evaluation)
    backwards = [Document("x", d.text + "\n", "", "") for d in documents[::-1]]
    again = select(backwards, train_share=0.9).train
    assert [d.text.strip() for d in again[::-1]] == [d.text.strip() for d in train]


def test_the_sample_is_seeded_and_independent_of_order():
    documents = texts_of(100)

    def sample(documents, texts, min_characters, seed):
        return select(documents, texts, min_characters, seed=seed).evaluation

    chosen = sample(documents, 20, 100, seed=1)
    assert len(chosen) == 20
    assert all(len(document.text) >= 100 for document in chosen)
    assert chosen == sorted(chosen, key=lambda document: int(document.doc_id))  # file order
    assert sample(documents[::-1], 20, 100, seed=1) == chosen[::-1]
    assert sample(documents, 20, 100, seed=2) != chosen
    assert sample(documents, 0, 0, seed=1) == documents
    # Against a sort of all texts by the hash of seed and text.
    long = [document for document in documents if len(document.text) >= 100]
    by_hash = sorted(
        long,
        key=lambda d: hashlib.sha256(f"sample 1\n{d.text.strip()}".encode()).digest()[:6],
    )
    assert set(chosen) == set(by_hash[:20])


def test_a_sample_grows_by_adding_texts():
    documents = texts_of(100)
    small, large = (set(select(documents, k, seed=1).evaluation) for k in (10, 20))
    assert small < large


def test_text_files_are_labelled_by_folder(tmp_path):
    for name in ("b.txt", "a/z.txt", "a/b/c.txt", "a/not.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"text of {name}")
    (tmp_path / "b.txt").write_bytes(b"\xef\xbb\xbftext with a mark")
    evaluation, _, _ = fetch(tmp_path)
    assert evaluation["doc_id"].tolist() == ["a/b/c.txt", "a/z.txt", "b.txt"]
    assert evaluation["label"].tolist() == ["a/b", "a", ""]
    assert evaluation["source"].tolist() == evaluation["doc_id"].tolist()
    assert evaluation["text"].tolist()[-1] == "text with a mark"


def test_jsonl_and_parquet_of_the_same_rows_are_the_same_corpus(tmp_path):
    rows = [{"body": f"text {i}\u2028next", "kind": i % 2, "more": 1} for i in range(5)]
    write_jsonl(tmp_path / "c.jsonl", rows)
    pd.DataFrame(rows).to_parquet(tmp_path / "c.parquet")
    columns = {"text_column": "body", "label_column": "kind"}
    a, _, _ = fetch(tmp_path / "c.jsonl", **columns)
    b, _, _ = fetch(tmp_path / "c.parquet", **columns)
    pd.testing.assert_frame_equal(a, b)
    assert a["label"].tolist() == ["0", "1", "0", "1", "0"]
    assert a["doc_id"].is_unique


@pytest.mark.parametrize("name", ["missing.jsonl", "missing_folder", ""])
def test_a_missing_file_is_named(tmp_path, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InfogeoError, match=f"{name or 'where'}.*no such file or folder"):
        fetch(name)


def test_an_unknown_kind_of_file_is_refused(tmp_path):
    (tmp_path / "c.csv").write_text("text\n")
    with pytest.raises(InfogeoError, match=r"c\.csv: a corpus is a folder of \.txt"):
        fetch(tmp_path / "c.csv")


@pytest.mark.parametrize("content", ["", "\n\n", '{"text": ""}\n{"text": " "}\n'])
def test_an_empty_corpus_is_refused(tmp_path, content):
    (tmp_path / "c.jsonl").write_text(content)
    with pytest.raises(InfogeoError, match=r"c\.jsonl: the corpus is empty"):
        fetch(tmp_path / "c.jsonl")


def test_a_folder_without_text_files_is_refused(tmp_path):
    with pytest.raises(InfogeoError, match=r"no \.txt file .*\(it is empty\)"):
        fetch(tmp_path)
    (tmp_path / ".a.txt").touch()
    with pytest.raises(InfogeoError, match=r"no \.txt file .*\(1 hidden files\)"):
        fetch(tmp_path)


@pytest.mark.parametrize("name", ["c.jsonl", "folder/c.txt"])
def test_text_that_is_not_utf8_is_located(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b'{"text": "a"}\n{"text": "caf\xe9"}\n')
    where = path if name.endswith("jsonl") else path.parent
    with pytest.raises(InfogeoError, match=r"c\.\w+, line 2: not UTF-8 \(byte 0xe9 at offset 27\)"):
        fetch(where)


def test_an_escaped_lone_surrogate_is_refused(tmp_path):
    (tmp_path / "c.jsonl").write_text('{"text": "a \\ud800 b"}\n')
    with pytest.raises(InfogeoError, match="row 1: not UTF-8"):
        fetch(tmp_path / "c.jsonl")


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
@pytest.mark.parametrize("changes", [{}, {"text_column": "body", "label_column": "kind"}])
def test_a_missing_column_is_named_with_those_that_are_there(tmp_path, kind, changes):
    path = tmp_path / f"c.{kind}"
    row = {"body": "some text", "title": "t"}
    write_jsonl(path, [row]) if kind == "jsonl" else pd.DataFrame([row]).to_parquet(path)
    missing = changes.get("label_column", "text")
    with pytest.raises(InfogeoError, match=f"no column '{missing}'.*there are: body, title"):
        fetch(path, **changes)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{text}", "line 2: not JSON"),
        ('["text"]', "line 2: not a JSON object"),
        ('{"text": 3}', "row 2: the text is int, not a string"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, message):
    (tmp_path / "c.jsonl").write_text(f'{{"text": "fine"}}\n{line}\n')
    with pytest.raises(InfogeoError, match=message):
        fetch(tmp_path / "c.jsonl")


@pytest.mark.parametrize("row", [{"text": None}, {"title": "t"}])
@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_rows_without_a_text_are_counted_as_empty(tmp_path, kind, row):
    path, rows = tmp_path / f"c.{kind}", [{"text": "one"}, row, {"text": "two"}]
    write_jsonl(path, rows) if kind == "jsonl" else pd.DataFrame(rows).to_parquet(path)
    evaluation, _, summary = fetch(path)
    assert evaluation["doc_id"].tolist() == ["1", "3"]
    assert "3 texts found, 0 duplicates and 1 empty ones left out" in summary


def test_labels_are_classes_by_value_and_missing_ones_are_none(tmp_path):
    values = [1, 1.0, "1", float("nan"), None, True, "true", 1.5, "NaN", "1.0"]
    rows = [{"text": f"text {i}", "label": value} for i, value in enumerate(values)]
    path = write_jsonl(tmp_path / "c.jsonl", [*rows, {"text": "without the key"}])
    evaluation, _, summary = fetch(path, label_column="label")
    assert evaluation["label"].tolist() == [
        "1", "1", "1", "", "", "true", "true", "1.5", "NaN", "1.0", "",
    ]  # fmt: skip
    assert summary.endswith("; 3 of these without a label")


def test_a_column_of_numbers_with_empty_cells_has_the_labels_of_one_without(tmp_path):
    frame = pd.DataFrame({"text": ["one", "two", "three"], "label": [0, 1, None]})
    frame.to_parquet(tmp_path / "c.parquet")  # as floats
    evaluation, _, _ = fetch(tmp_path / "c.parquet", label_column="label")
    assert evaluation["label"].tolist() == ["0", "1", ""]


def test_hidden_files_are_passed_over_and_counted(tmp_path):
    for name in ("a.txt", "B.TXT", "._a.txt", ".git/x.txt", "notes.md", "kind/.cache/y.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"text of {name}")
    evaluation, _, summary = fetch(tmp_path)
    assert evaluation["doc_id"].tolist() == ["B.TXT", "a.txt"]
    assert summary.endswith("; 1 files other than .txt passed over; 3 hidden files passed over")


def test_files_whose_names_are_not_utf8_are_read(tmp_path):
    for name in (b"caf\xe9.txt", b"a{b}.txt", "é.txt".encode()):
        with (tmp_path / os.fsdecode(name)).open("wb") as file:
            file.write(b"text of " + name.replace(b"\xe9", b""))
    evaluation, _, _ = fetch(tmp_path)
    assert evaluation["doc_id"].tolist() == ["a{b}.txt", "caf\\xe9.txt", "é.txt"]
    evaluation.to_parquet(tmp_path / "can be stored.parquet")


def test_a_damaged_parquet_file_is_named(tmp_path):
    (tmp_path / "c.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(InfogeoError, match=r"c\.parquet: not a readable parquet file"):
        fetch(tmp_path / "c.parquet")


def test_no_text_long_enough_says_how_long_the_longest_is(tmp_path):
    path = write_jsonl(tmp_path / "c.jsonl", [{"text": "a" * 10}, {"text": "b" * 30}])
    with pytest.raises(InfogeoError, match=r"none of the 2 .* min_characters = 31 \(.* has 30\)"):
        fetch(path, min_characters=31)


def test_an_unknown_source_is_refused():
    with pytest.raises(InfogeoError, match="corpus source 'web'"):
        fetch("x", source="web")


def test_rows_are_not_held_in_memory(tmp_path):
    """A corpus of 24 MB is sampled in a few."""
    rows = [{"text": f"{i} {'x' * 24_000}"} for i in range(1000)]
    pd.DataFrame(rows).to_parquet(tmp_path / "c.parquet", row_group_size=200)
    with gzip.open(tmp_path / "c.jsonl.gz", "wt", compresslevel=1) as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    del rows
    chosen = []
    for name in ("c.parquet", "c.jsonl.gz"):
        tracemalloc.start()
        chosen.append(select(text_files.local(str(tmp_path / name)), texts=5, seed=1))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 8e6, name
    assert chosen[0].evaluation == chosen[1].evaluation
    assert (chosen[0].total, len(chosen[0].evaluation)) == (1000, 5)


def test_a_gzip_file_that_is_cut_off_is_named(tmp_path):
    data = gzip.compress(b"".join(b'{"text": "%d"}\n' % i for i in range(1000)))
    (tmp_path / "c.jsonl.gz").write_bytes(data[:-20])
    with pytest.raises(InfogeoError, match=r"c\.jsonl\.gz: not a whole gzip file"):
        fetch(tmp_path / "c.jsonl.gz")
