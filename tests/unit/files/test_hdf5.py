"""HDF5 files: written without locks and times, refused with the remedy where not as expected."""

import fcntl
import re
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from infogeo.files import hdf5
from infogeo.files.errors import InfogeoError

LIBRARY = Path(__file__).parents[3] / "workflow_scripts"
KIND = hdf5.Format("infogeo numbers", 2, "file of numbers")
AGAIN = "Give the same command again."


def written(path, kind=KIND):
    with hdf5.create(path) as file:
        hdf5.stamp(file, kind, "f" * 64)
        hdf5.put_strings(file, "names", ["first", "zweiter", "třetí"])
        hdf5.put_checked(file, "values", np.arange(1000.0))
        hdf5.put_checked(file, "none", np.zeros((0, 3)))
        hdf5.put_arrays(file, "many", {"a/1": np.arange(6).reshape(2, 3), "none": np.zeros(0)})
    return path


def message(path, expected=None, remedy=""):
    with pytest.raises(InfogeoError) as caught, hdf5.opened(path, KIND, expected, remedy):
        pass
    return str(caught.value)


def test_what_was_written_is_read(tmp_path):
    with hdf5.opened(written(tmp_path / "a.h5"), KIND, "f" * 64) as file:
        assert file["names"].asstr()[:].tolist() == ["first", "zweiter", "třetí"]
        np.testing.assert_array_equal(file["values"][:], np.arange(1000.0))
        assert file["values"].fletcher32
        assert file["none"].shape == (0, 3)
        many = hdf5.arrays(file, "many")
        np.testing.assert_array_equal(many["a/1"], [[0, 1, 2], [3, 4, 5]])
        assert many["none"].shape == (0,) and file["many"].fletcher32
        with pytest.raises((OSError, ValueError)):
            file["more"] = 1


def test_the_same_content_gives_the_same_bytes(tmp_path):
    first = written(tmp_path / "a.h5").read_bytes()
    time.sleep(1.1)  # HDF5 stamps whole seconds
    assert written(tmp_path / "b.h5").read_bytes() == first


def test_a_file_is_written_and_read_where_another_process_locks_it(tmp_path):
    path = written(tmp_path / "a.h5")
    with path.open("rb+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(OSError, match="lock"):
            h5py.File(path, "w")  # what HDF5 does by default
        written(path)
        with hdf5.opened(path, KIND) as file:
            assert "values" in file


def test_only_this_module_writes_hdf5():
    writes = re.compile(r"h5py\.File\([^)]*[\"'](w|a|r\+|x)[\"']")
    places = [path.name for path in LIBRARY.rglob("*.py") if writes.search(path.read_text())]
    assert places == ["hdf5.py"]


@pytest.mark.parametrize(
    ("remedy", "missing", "other"),
    [("", "Run the workflow to make it.", "snakemake -R {path}"), (AGAIN, AGAIN, AGAIN)],
)
def test_each_refusal_names_file_and_remedy(tmp_path, remedy, missing, other):
    path = tmp_path / "a.h5"
    other = other.format(path=path)
    assert message(path, remedy=remedy) == f"{path}: no such file. {missing}"
    path.write_bytes(b"not HDF5")
    text = message(path, remedy=remedy)
    assert text.startswith(f"{path}: not a whole file of numbers (") and other in text
    path.write_bytes(written(tmp_path / "b.h5").read_bytes()[:-64])
    assert "not a whole file of numbers" in message(path, remedy=remedy)
    written(path, KIND._replace(name="infogeo letters"))
    text = message(path, remedy=remedy)
    assert text.startswith(f"{path}: an HDF5 file, but not a file of numbers.") and other in text
    written(path, KIND._replace(version=99))
    text = message(path, remedy=remedy)
    assert f"{path}: a file of numbers of format 99; this code reads 2." in text and other in text
    text = message(written(path), "0" * 64, remedy)
    assert f"{path}: has the fingerprint ffffffffffff…" in text and other in text
    assert remedy == "" or "snakemake" not in text


@pytest.mark.parametrize(("remedy", "cure"), [("", "snakemake -R {path}"), (AGAIN, AGAIN)])
def test_damaged_data_is_refused_with_its_name_and_the_remedy(tmp_path, remedy, cure):
    path = written(tmp_path / "a.h5")
    whole = bytearray(path.read_bytes())
    whole[whole.find(np.arange(1000.0).tobytes()[800:880])] ^= 1
    path.write_bytes(whole)
    with hdf5.opened(path, KIND) as file:
        with pytest.raises(OSError, match=r"(?i)read"):
            hdf5.read_through(file)
        with (
            pytest.raises(InfogeoError, match=f"values is damaged .*{cure.format(path=path)}"),
            hdf5.reading(path, "values", remedy),
        ):
            file["values"][:]
        with (
            pytest.raises(InfogeoError, match=r"others is damaged"),
            hdf5.reading(path, "others"),
        ):
            file["others"][:]


def test_a_full_disk_is_no_damage(tmp_path):
    with pytest.raises(OSError, match="errno = 28"), hdf5.reading(tmp_path / "a.h5", "values"):
        raise OSError("write failed (errno = 28, error message = 'No space left on device')")
