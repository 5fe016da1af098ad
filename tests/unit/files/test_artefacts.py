import errno

import pandas as pd
import pytest

from infogeo.files.artefacts import read_table, replacing, write_table
from infogeo.files.errors import InfogeoError


def test_a_file_appears_whole(tmp_path):
    path = tmp_path / "new" / "file.txt"
    with replacing(path) as temporary:
        temporary.write_text("half")
        assert not path.exists()
        temporary.write_text("whole")
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


def test_a_failure_leaves_the_old_file_and_no_debris(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(ValueError, match="midway"), replacing(path) as temporary:
        temporary.write_text("half")
        raise ValueError("midway")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(f"Can't write data (file write failed: errno = {errno.ENOSPC})"),
    ],
)
def test_a_full_disk_is_said_in_words(tmp_path, error):
    with (
        pytest.raises(InfogeoError, match=r"file\.txt: no space left"),
        replacing(tmp_path / "file.txt"),
    ):
        raise error


def test_a_table_keeps_its_fingerprint_and_refuses_another(tmp_path):
    path = tmp_path / "table.parquet"
    frame = pd.DataFrame({"model": ["a", "b"], "value": [0.1, 0.2]})
    write_table(frame, path, "f" * 64)
    pd.testing.assert_frame_equal(read_table(path, "f" * 64), frame)
    with pytest.raises(InfogeoError, match=r"table\.parquet.*snakemake -R"):
        read_table(path, "0" * 64)


def test_a_table_that_is_no_table_is_named(tmp_path):
    path = tmp_path / "table.parquet"
    with pytest.raises(InfogeoError, match="no such file"):
        read_table(path)
    path.write_text("not parquet")
    with pytest.raises(InfogeoError, match="not a readable parquet file"):
        read_table(path)


def test_equal_tables_are_equal_files(tmp_path):
    frame = pd.DataFrame({"value": [0.1, 0.2]})
    for name in ("a", "b"):
        write_table(frame, tmp_path / name, "f" * 64)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
