"""Spectra on disk: read as they were written, and refused where they are not."""

import time

import h5py
import numpy as np
import pytest
from made_states import DOCUMENTS, LENGTHS, computed, corpus

from infogeo.files.errors import InfogeoError
from infogeo.geometry.spectra_file import SpectraFile, Tokens, write_spectra_file

OFFSETS = np.concatenate([[0], np.cumsum(LENGTHS)])
TOKENS = Tokens(
    offsets=OFFSETS,
    nll=np.where(np.isin(np.arange(OFFSETS[-1]), OFFSETS), np.nan, 2.5).astype(np.float32),
    predictive_entropy=np.full(OFFSETS[-1], 1.5, np.float32),
    token_end_byte=np.arange(OFFSETS[-1], dtype=np.int32),
)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("spectra") / "model.h5"
    write_spectra_file(path, DOCUMENTS, TOKENS, computed(corpus([24, 50])), "f" * 64)
    return path


def test_what_is_written_is_read(written):
    found = SpectraFile(written, "f" * 64)
    assert found.layers == ["0", "1"]
    assert found.documents.doc_ids == DOCUMENTS.doc_ids
    assert found.documents.sources == DOCUMENTS.sources
    assert {n: t.tolist() for n, t in found.documents.texts.items()} == {
        n: t.tolist() for n, t in DOCUMENTS.texts.items()
    }
    for name, array in vars(TOKENS).items():
        np.testing.assert_array_equal(getattr(found.tokens, name), array)
        assert getattr(found.tokens, name).dtype == array.dtype
    for one, other in zip(found, computed(corpus([24, 50])), strict=True):
        assert (one.layer, one.width) == (other.layer, other.width)
        assert one.spectra.keys() == other.spectra.keys()
        for key, spectrum in one.spectra.items():
            np.testing.assert_array_equal(spectrum.eigenvalues, other.spectra[key].eigenvalues)
            np.testing.assert_array_equal(spectrum.zero_rows, other.spectra[key].zero_rows)
            assert spectrum.rows == other.spectra[key].rows
        assert one.norms.keys() == other.norms.keys()
        for key, norms in one.norms.items():
            assert norms.keys() == other.norms[key].keys()
            for name, values in norms.items():
                np.testing.assert_array_equal(values, other.norms[key][name])


def test_file_repeats_byte_for_byte_and_holds_no_time(written, tmp_path):
    again = tmp_path / "again.h5"
    time.sleep(1.1)  # HDF5 would stamp whole seconds: a second run right away proves nothing
    write_spectra_file(again, DOCUMENTS, TOKENS, computed(corpus([24, 50])), "f" * 64)
    assert again.read_bytes() == written.read_bytes()


def test_other_fingerprint_is_refused(written):
    with pytest.raises(InfogeoError, match="snakemake -R"):
        SpectraFile(written, "0" * 64)


def test_missing_truncated_damaged_and_foreign_files_are_refused(written, tmp_path):
    with pytest.raises(InfogeoError, match="no such file"):
        SpectraFile(tmp_path / "none.h5")
    path = tmp_path / "bad.h5"
    whole = written.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InfogeoError, match="not a whole file of spectra"):
        SpectraFile(path)
    path.write_bytes(b"not HDF5")
    with pytest.raises(InfogeoError, match="not a whole file of spectra"):
        SpectraFile(path)
    with h5py.File(path, "w") as file:
        file["x"] = 1
    with pytest.raises(InfogeoError, match="but not a file of spectra"):
        SpectraFile(path)
    # One bit of an eigenvalue: the checksum finds it.
    with h5py.File(written, "r") as file:
        offset = file["spectra/1/text-unit-in-32/eigenvalues"].id.get_chunk_info(0).byte_offset
    path.write_bytes(whole[: offset + 8] + bytes([whole[offset + 8] ^ 1]) + whole[offset + 9 :])
    with pytest.raises(InfogeoError, match=r"spectra/1 or norms/1 is damaged .* snakemake -R"):
        SpectraFile(path).layer("1")


def test_unknown_layer_is_refused(written):
    with pytest.raises(InfogeoError, match=r"no layer '7'; it has \['0', '1'\]"):
        SpectraFile(written).layer("7")
