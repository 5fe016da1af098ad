"""Changes of users' files are noticed, whatever their names are."""

import os

from infogeo.planning import watched


def test_files_that_snakemake_cannot_name_are_watched_by_size_and_time(tmp_path):
    names = (b"plain text.txt", b"price in $USER.txt", b"a{b}.txt", b"caf\xe9.txt", b"._a.txt")
    for name in names:
        with (tmp_path / os.fsdecode(name)).open("wb") as file:
            file.write(b"some text")
    files = watched.files_of_corpus({"source": "local", "where": str(tmp_path)})
    assert watched.nameable(files) == [
        str(tmp_path / "plain text.txt"), str(tmp_path / "price in $USER.txt"),
    ]  # fmt: skip
    others = watched.states_of_others(files)
    assert [name.rpartition("/")[2] for name in others] == ["a{b}.txt'", "caf\\udce9.txt'"]
    (tmp_path / "a{b}.txt").write_text("some other text")
    assert watched.states_of_others(files) != others


def test_a_model_below_a_folder_with_braces_is_watched(tmp_path):
    folder = tmp_path / "{team}"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    files = watched.files_of_model({"where": str(folder)})
    assert watched.nameable(files) == []
    assert [size for size, _ in watched.states_of_others(files).values()] == [2]


def test_the_files_of_other_corpora_are_not_the_users(tmp_path):
    assert watched.files_of_corpus({"source": "docstrings", "where": ""}) == []
    file = tmp_path / "c.jsonl"
    assert watched.files_of_corpus({"source": "local", "where": str(file)}) == [file]
