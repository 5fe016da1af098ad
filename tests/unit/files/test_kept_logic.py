"""The hashes of scripts are kept while no source changes, and never longer."""

import errno
import json
from pathlib import Path

import pytest

from infogeo.files import fingerprint, kept_logic
from infogeo.files.errors import InfogeoError


@pytest.fixture
def scripts(tmp_path):
    folder = tmp_path / "scripts"
    folder.mkdir()
    (folder / "one.py").write_text("print(1)\n")
    (folder / "two.py").write_text("from infogeo.files import errors\nprint(errors)\n")
    return folder


@pytest.fixture
def computed(monkeypatch):
    """The scripts whose hashes were computed, in order."""
    names = []

    def counted(script):
        names.append(script.rsplit("/", 1)[-1])
        fingerprint._walked.cache_clear(), fingerprint._parsed.cache_clear()
        fingerprint._logic.cache_clear()
        return fingerprint.logic(script)

    monkeypatch.setattr(kept_logic, "logic", counted)
    return names


def test_hashes_are_computed_once_and_are_those_of_logic(scripts, tmp_path, computed):
    kept = tmp_path / "new/logic.json"
    first = kept_logic.of_scripts(scripts, kept)
    assert first == {name: fingerprint.logic(str(scripts / f"{name}.py")) for name in first}
    assert list(first) == ["one", "two"] and computed == ["one.py", "two.py"]
    assert kept_logic.of_scripts(scripts, kept) == first and len(computed) == 2


def test_a_changed_or_new_script_is_noticed(scripts, tmp_path, computed):
    kept = tmp_path / "logic.json"
    first = kept_logic.of_scripts(scripts, kept)
    (scripts / "one.py").write_text("print(2)\n")
    (scripts / "three.py").write_text("print(3)\n")
    later = kept_logic.of_scripts(scripts, kept)
    assert later["one"] != first["one"] and later["two"] == first["two"] and "three" in later
    (scripts / "one.py").write_text("from infogeo.files import none\n")
    with pytest.raises(InfogeoError, match="none"):
        kept_logic.of_scripts(scripts, kept)


def test_a_changed_module_of_the_library_is_noticed(scripts, tmp_path, computed, monkeypatch):
    package = tmp_path / "infogeo"
    (package / "files").mkdir(parents=True)
    (package / "__init__.py").touch(), (package / "files/__init__.py").touch()
    module = package / "files/numbers.py"
    module.write_text("SEVEN = 7\n")
    (scripts / "one.py").write_text("from infogeo.files.numbers import SEVEN\nprint(SEVEN)\n")
    (scripts / "two.py").unlink()
    monkeypatch.setattr(fingerprint, "PACKAGE", package)
    monkeypatch.setattr(kept_logic, "PACKAGE", package)
    first = kept_logic.of_scripts(scripts, tmp_path / "logic.json")
    module.write_text("SEVEN = 8\n")
    assert kept_logic.of_scripts(scripts, tmp_path / "logic.json") != first


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"sources": "others", "logic": {"one": "?"}}'])
def test_a_damaged_file_says_nothing(text, scripts, tmp_path):
    kept = tmp_path / "logic.json"
    kept.write_text(text)
    made = kept_logic.of_scripts(scripts, kept)
    assert len(made["one"]) == 64 and json.loads(kept.read_text())["logic"] == made


def test_a_folder_that_cannot_be_written_to_stops_nothing(scripts, tmp_path):
    (tmp_path / "file").touch()
    assert kept_logic.of_scripts(scripts, tmp_path / "file/logic.json")


def test_changed_hashes_in_the_file_are_noticed(scripts, tmp_path):
    kept = tmp_path / "logic.json"
    made = kept_logic.of_scripts(scripts, kept)
    entry = json.loads(kept.read_text())
    entry["logic"]["one"] = "0" * 64
    kept.write_text(json.dumps(entry))
    assert kept_logic.of_scripts(scripts, kept) == made


def test_a_script_that_is_edited_meanwhile_leaves_no_hash_of_the_other_text(
    scripts, tmp_path, computed, monkeypatch
):
    kept, script = tmp_path / "logic.json", scripts / "one.py"
    of_edited = kept_logic.logic

    def edited(path):
        script.write_text("print(2)\n")
        return of_edited(path)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(kept_logic, "logic", edited)
        later = kept_logic.of_scripts(scripts, kept)
    script.write_text("print(1)\n")
    assert kept_logic.of_scripts(scripts, kept)["one"] != later["one"]


def test_a_full_disk_stops_nothing(scripts, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    assert list(kept_logic.of_scripts(scripts, tmp_path / "logic.json")) == ["one", "two"]
