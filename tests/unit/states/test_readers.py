"""Readers of bfloat16 stores: those that are installed beside us, against docs/readers.md."""

import re
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from bench import readers

PAGE = (Path(__file__).parents[3] / "docs/readers.md").read_text()


def test_h5py_reads_every_number_of_a_bfloat16_store(tmp_path):
    expected = readers.write(tmp_path / "s.h5")
    assert expected.max() > np.finfo(np.float16).max  # half precision would not do
    with h5py.File(tmp_path / "s.h5") as file:
        assert "bfloat16" in file.attrs["how_to_read"]
        dataset = file["hidden/final"]
        np.testing.assert_array_equal(dataset.astype("f4")[:, 0], expected)
        np.testing.assert_array_equal(dataset.astype("f8")[:, 0], expected)


@pytest.mark.skipif(not shutil.which("h5dump"), reason="Debian's hdf5-tools are not installed")
def test_h5dump_reads_every_number_of_a_bfloat16_store(tmp_path):
    expected = readers.write(tmp_path / "s.h5")
    np.testing.assert_array_equal(readers.h5dump(tmp_path / "s.h5"), expected)


def test_the_page_has_a_row_for_every_reader_of_the_bench_at_its_version():
    named = {tuple(row) for row in re.findall(r"^\| (\w+) ([\d.]+)", PAGE, re.MULTILINE)}
    tried = {tuple(reader.split()[0].split("==")) for reader in readers.READERS}
    names = {"tables": "PyTables"}
    assert {(names.get(name, name), version) for name, version in tried} <= named
    assert ("h5py", h5py.__version__) in named
