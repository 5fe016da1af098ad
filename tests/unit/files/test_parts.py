"""Tables that are read and written in parts are those that would be read and written whole."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from infogeo.context.shared_texts import SharedTexts
from infogeo.files import artefacts, parts
from infogeo.files.errors import InfogeoError
from infogeo.files.parts import LazyTables, Parts, in_parts


def long_table():
    """Three texts at two layers; in parts of four rows no part has all of the layers."""
    frame = pd.DataFrame({"doc_id": [*"abc"] * 2, "source": [*"ppq"] * 2})
    return frame.assign(layer=[*"000111"], value=np.arange(6.0), unused="x")


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "ROWS_READ", 4)
    artefacts.write_table(long_table(), tmp_path / "t.parquet", "print")
    return tmp_path / "t.parquet"


def test_parts_below_each_other_are_the_table(path):
    found = list(Parts(path, "print"))
    assert [len(part) for part in found] == [4, 2]
    pd.testing.assert_frame_equal(pd.concat(found, ignore_index=True), long_table())


def test_parts_can_be_narrowed_to_columns_and_walked_through_twice(path):
    table = Parts(path, "print")[["doc_id", "value"]]
    for _ in range(2):
        assert [list(part) for part in table] == [["doc_id", "value"]] * 2


def test_a_damaged_table_is_named_with_what_mends_it(path):
    content = bytearray(path.read_bytes())
    content[8:200] = bytes(192)  # of the first column, not of the footer
    path.write_bytes(content)
    for read in (lambda: list(Parts(path, "print")), lambda: artefacts.read_table(path, "print")):
        with pytest.raises(InfogeoError, match=r"(?s)t\.parquet: not a readable.*snakemake -R"):
            read()


def test_pieces_are_put_together_table_by_table(tmp_path):
    pieces = [{"a": long_table()[i : i + 2], "b": long_table()[i : i + 1]} for i in (0, 2, 4)]
    paths = {name: tmp_path / f"{name}.parquet" for name in "ab"}
    parts.write_pieces(iter(pieces), paths, "print")
    for name, rows in (("a", slice(None)), ("b", slice(None, None, 2))):
        expected = long_table()[rows].reset_index(drop=True)
        pd.testing.assert_frame_equal(artefacts.read_table(paths[name], "print"), expected)


def test_a_table_without_rows_is_one_empty_part(tmp_path):
    artefacts.write_table(long_table().iloc[:0], tmp_path / "t.parquet", "print")
    artefacts.write_table(in_parts([long_table().iloc[:0]]), tmp_path / "again.parquet", "print")
    assert (tmp_path / "again.parquet").read_bytes() == (tmp_path / "t.parquet").read_bytes()
    (part,) = Parts(tmp_path / "t.parquet", "print")
    assert len(part) == 0 and list(part) == list(long_table())


def test_parts_of_another_run_are_refused(path):
    with pytest.raises(InfogeoError, match="made from other settings"):
        next(iter(Parts(path, "another")[["value"]]))


def test_parts_are_summarised_as_the_whole_table_is(path):
    whole = SharedTexts([long_table()], draws=3, seed=0)
    sample = SharedTexts([Parts(path, "print")], draws=3, seed=0)
    assert sample.doc_ids == whole.doc_ids
    np.testing.assert_array_equal(sample.weights, whole.weights)
    for found, expected in zip(
        sample.wide(Parts(path, "print"), ["layer"], "value"),
        whole.wide(long_table(), ["layer"], "value"),
        strict=True,
    ):
        np.testing.assert_array_equal(found, expected)


def test_a_text_that_stands_in_two_parts_twice_is_refused(path):
    artefacts.write_table(pd.concat([long_table()] * 2), path, "print")
    sample = SharedTexts([long_table()], draws=3, seed=0)
    with pytest.raises(InfogeoError, match="value twice"):
        sample.wide(Parts(path, "print"), ["layer"], "value")


def test_tables_written_in_parts_are_the_same_bytes(tmp_path):
    rows = parts.ROWS_WRITTEN
    frame = pd.DataFrame({"name": "m", "value": np.arange(2 * rows + 9.0)})
    cuts = [0, 5, rows + 7, 2 * rows + 1, len(frame)]
    pieces = (frame[a:b] for a, b in pairwise(cuts))
    artefacts.write_table(in_parts(pieces), tmp_path / "parts.parquet", "print")
    artefacts.write_table(frame, tmp_path / "whole.parquet", "print")
    same = (tmp_path / name for name in ("parts.parquet", "whole.parquet"))
    first, second = (path.read_bytes() for path in same)
    assert first == second


def test_files_are_read_when_asked_for_and_not_before(tmp_path):
    read = []

    def reader(path, fingerprint):
        read.append((path, fingerprint))
        return path.upper()

    found = LazyTables(reader, ["one", "two"], ["a", "b"], ["f", "g"])
    assert (list(found), len(found), "two" in found, read) == (["one", "two"], 2, True, [])
    assert found["two"] == "B"
    assert read == [("b", "g")]


def test_columns_of_few_words_are_read_as_categories_of_the_same_words(path):
    words = ["doc_id", "source"]
    parts_read = list(Parts(path, "print", words=words))
    assert [len(part) for part in parts_read] == [4, 2]
    for part in parts_read:
        assert all(isinstance(part[name].dtype, pd.CategoricalDtype) for name in words)
    read = pd.concat([part.astype(dict.fromkeys(words, str)) for part in parts_read])
    pd.testing.assert_frame_equal(read.reset_index(drop=True), long_table(), check_dtype=False)
