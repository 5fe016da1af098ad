"""Spectra against the direct d × d definition, in closed forms, streamed, and on disk."""

import time

import h5py
import numpy as np
import pytest

from infogeo.files.errors import InfogeoError
from infogeo.geometry import corpus_spectra, metrics
from infogeo.geometry.corpus_spectra import Documents, spectra_of_layer
from infogeo.geometry.entropy import evaluate
from infogeo.geometry.spectra import text_spectra
from infogeo.geometry.spectra_file import SpectraFile, Tokens, write_spectra_file

EPS2, LAMBDAS = [0.01, 0.1, 0.5, 1.0], [0.1]


def direct(Z, convention):
    """Eigenvalues of the d × d covariance, as the definition says; (eigenvalues, zero rows)."""
    Z = Z.astype(np.float64)
    if convention == "centred":
        Z = Z - Z.mean(axis=0)
    norms = np.linalg.norm(Z, axis=1)
    kept = norms**2 > 1e-12 * norms.max() ** 2
    Z = Z[kept] / norms[kept, None]
    return np.linalg.eigvalsh(Z.T @ Z / len(Z)).clip(0), np.count_nonzero(~kept)


def hidden(n, d, seed=0, kind="random"):
    """States that look like those of models in one respect each."""
    rng = np.random.default_rng(seed)
    Z = rng.standard_normal((n, d))
    if kind == "anisotropic":  # a large common mean, steep spectrum, one token of huge norm
        Z = Z * np.arange(1, d + 1) ** -1.0 @ np.linalg.qr(rng.standard_normal((d, d)))[0]
        Z += 5 * rng.standard_normal(d)
        Z[0] *= 300
    if kind == "low rank":
        Z = rng.standard_normal((n, 5)) @ rng.standard_normal((5, d))
    if kind == "repeated":  # layer 0: equal tokens have equal states
        Z = Z[rng.integers(0, n // 3, n)]
    if kind == "large mean":  # a few hundred times the deviations, of low rank
        Z = rng.standard_normal((n, 5)) @ rng.standard_normal((5, d)) + 300 * np.ones(d)
    return Z.astype(np.float32)


def assert_equal_entropies(found, zero_rows, expected, d, n, convention, tolerance=1e-9):
    for metric in metrics.names(convention, EPS2, LAMBDAS):
        ours = evaluate(metric, found, d, n - zero_rows, convention)
        theirs = evaluate(metric, expected, d, n - zero_rows, convention)
        assert ours == pytest.approx(theirs, rel=tolerance), (metric, convention, n)


@pytest.mark.parametrize("kind", ["random", "anisotropic", "low rank", "repeated", "large mean"])
@pytest.mark.parametrize(("n", "d"), [(32, 100), (64, 64), (100, 40), (128, 129)])
def test_every_entropy_equals_the_direct_definition(kind, n, d):
    Z = hidden(n, d, seed=n, kind=kind)
    for (convention, _), (eigenvalues, zero_rows) in text_spectra(Z, [n]).items():
        expected, dropped = direct(Z, convention)
        assert zero_rows == dropped == 0
        assert eigenvalues.shape == (min(n, d),)
        assert_equal_entropies(eigenvalues, zero_rows, expected, d, n, convention)


def test_nested_prefixes_equal_separate_computation_and_direct_definition():
    Z = hidden(128, 64, kind="anisotropic")  # 32 and 64 by their Gram, 100 and 128 by covariance
    together = text_spectra(Z, [32, 64, 100, 128])
    for n in (32, 64, 100, 128):
        alone = text_spectra(Z[:n], [n])
        for convention in metrics.CONVENTIONS:
            eigenvalues, _ = together[convention, n]
            np.testing.assert_allclose(eigenvalues, alone[convention, n][0], rtol=0, atol=1e-14)
            assert_equal_entropies(eigenvalues, 0, direct(Z[:n], convention)[0], 64, n, convention)


def test_prefixes_beyond_the_text_are_left_out():
    assert set(text_spectra(hidden(40, 8), [32, 128])) == {("unit", 32), ("centred", 32)}
    assert text_spectra(hidden(10, 8), [32]) == {}


def test_a_stack_of_texts_equals_each_alone_to_the_last_bit():
    Z = np.stack([hidden(48, 32, seed, kind="anisotropic") for seed in range(5)])
    Z[2, 7] = 0.0
    Z[3] += 1e5  # this one is centred before its product
    stacked = text_spectra(Z, [16, 48])
    for index, one in enumerate(Z):
        for key, (eigenvalues, zero_rows) in text_spectra(one, [16, 48]).items():
            np.testing.assert_array_equal(stacked[key][0][index], eigenvalues)
            assert stacked[key][1][index] == zero_rows


def test_orthonormal_rows_have_a_flat_spectrum():
    Z = np.linalg.qr(hidden(64, 64).astype(float))[0][:20] * np.arange(1, 21)[:, None]
    eigenvalues, zero_rows = text_spectra(Z, [20])["unit", 20]
    np.testing.assert_allclose(eigenvalues, 1 / 20, rtol=1e-12)
    assert zero_rows == 0


def test_parallel_rows_are_a_pure_state_and_nothing_is_left_when_centred():
    Z = np.tile(
        hidden(1, 50) * np.float64(np.pi), (12, 1)
    )  # float64: their mean is only nearly each row
    spectra = text_spectra(Z, [12])
    eigenvalues, zero_rows = spectra["unit", 12]
    np.testing.assert_allclose(eigenvalues, [1] + [0] * 11, atol=1e-14)
    assert zero_rows == 0
    eigenvalues, zero_rows = spectra["centred", 12]
    assert zero_rows == 12
    assert not eigenvalues.any()


@pytest.mark.parametrize("d", [30, 8])
def test_all_zero_states_are_counted_and_never_nan(d):
    for eigenvalues, zero_rows in text_spectra(np.zeros((12, d), np.float32), [12]).values():
        assert zero_rows == 12
        assert not eigenvalues.any()


def test_equicorrelated_rows():
    n, rho = 16, 0.3
    rows = np.linalg.cholesky((1 - rho) * np.eye(n) + rho)  # unit rows, every pair at rho
    spectra = text_spectra(np.hstack([rows, np.zeros((n, 4))]), [n])
    expected = [(1 + (n - 1) * rho) / n] + [(1 - rho) / n] * (n - 1)
    np.testing.assert_allclose(spectra["unit", n][0], expected, rtol=1e-12)
    # Centred they are a regular simplex: n − 1 equal directions.
    expected = [1 / (n - 1)] * (n - 1) + [0]
    np.testing.assert_allclose(spectra["centred", n][0], expected, atol=1e-14)


@pytest.mark.parametrize(("ratio", "anew"), [(0.9e4, False), (1.1e4, True)])
def test_the_centred_gram_is_formed_anew_where_squared_norms_are_beyond_1e4_times_the_smallest(
    ratio, anew
):
    n = 24
    basis = np.linalg.qr(hidden(40, 40).astype(float))[0]
    mean = np.sqrt(ratio * (1 - 1 / n) - 1)  # squared norms mean² + 1, centred ones 1 − 1/n
    eigenvalues, _ = text_spectra(basis[:n] + mean * basis[-1], [n])["centred", n]
    # A regular simplex. What the mean cancels costs digits, unless it is removed before.
    error = np.abs(eigenvalues[:-1] * (n - 1) - 1).max()
    assert (error < 1e-13) == anew
    assert error < 1e-10


@pytest.mark.parametrize("d", [40, 3])
def test_planted_spectrum(d):
    # Counts of copies of orthonormal directions are the spectrum.
    counts = [10, 5, 1]
    directions = np.linalg.qr(hidden(40, 40).astype(float))[0][:3] if d == 40 else np.eye(3)
    eigenvalues, _ = text_spectra(np.repeat(directions, counts, axis=0), [16])["unit", 16]
    np.testing.assert_allclose(eigenvalues[:3], np.array(counts) / 16, rtol=1e-12)
    np.testing.assert_allclose(eigenvalues[3:], 0, atol=1e-15)


@pytest.mark.parametrize("d", [90, 20])
@pytest.mark.parametrize("smallest", [0.0, 1e-9])
def test_zero_rows_are_left_out_and_counted(d, smallest):
    Z = hidden(32, d)
    Z[[3, 30]] *= smallest
    eigenvalues, zero_rows = text_spectra(Z, [32])["unit", 32]
    assert zero_rows == 2
    kept = np.delete(Z, [3, 30], axis=0)
    expected, _ = direct(kept, "unit")
    assert_equal_entropies(eigenvalues, zero_rows, expected, d, 32, "unit")
    # Centred, these rows are as good as any other.
    eigenvalues, zero_rows = text_spectra(Z, [32])["centred", 32]
    assert zero_rows == 0
    assert_equal_entropies(eigenvalues, 0, direct(Z, "centred")[0], d, 32, "centred")


def test_a_row_that_equals_the_mean_is_a_zero_row_of_the_centred_convention():
    Z = hidden(32, 90).astype(np.float64)
    Z[5] = np.delete(Z, 5, axis=0).mean(axis=0)
    spectra = text_spectra(Z, [32])
    assert spectra["unit", 32][1] == 0
    eigenvalues, zero_rows = spectra["centred", 32]
    assert zero_rows == 1
    expected, dropped = direct(Z, "centred")
    assert dropped == 1
    assert_equal_entropies(eigenvalues, 1, expected, 90, 32, "centred")


def test_entries_are_not_clipped():
    # Rows at an obtuse angle: clipping the entries of K at 0 gives (1/2, 1/2).
    Z = np.array([[1.0, 0.0, 0.0], [-0.8, 0.6, 0.0]])
    eigenvalues, _ = text_spectra(Z, [2])["unit", 2]
    np.testing.assert_allclose(eigenvalues, [0.9, 0.1], rtol=1e-12)


def test_eigenvalues_are_not_negative_and_descend():
    for kind in ("low rank", "repeated", "large mean"):
        for eigenvalues, _ in text_spectra(hidden(64, 80, kind=kind), [64]).values():
            assert (eigenvalues >= 0).all()
            assert (np.diff(eigenvalues) <= 0).all()
            assert eigenvalues.sum() == pytest.approx(1, abs=1e-13)


@pytest.mark.parametrize("shift", [1e3, 1e5, 1e7])
def test_centred_spectrum_survives_a_large_common_mean(shift):
    # Deviations on a grid of powers of two stay exact when shifted by integers.
    Z = np.round(hidden(48, 70, kind="low rank") * 2**10).astype(np.float64) / 2**10
    plain, _ = text_spectra(Z, [24, 48])["centred", 48]
    shifted, _ = text_spectra(Z + shift, [24, 48])["centred", 48]
    assert_equal_entropies(shifted, 0, plain, 70, 48, "centred")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_states_that_are_not_finite_are_refused_by_name(bad):
    Z = hidden(8, 4)
    Z[5, 2] = bad
    with pytest.raises(InfogeoError, match=r"text 'a', layer 3: token 5, coordinate 2 is"):
        text_spectra(Z, [8], "text 'a', layer 3")
    documents = Documents.of(["a", "b"], ["s", "s"], [8, 8], [8])
    states = lambda: iter([(0, "3", hidden(8, 4)), (1, "3", Z)])  # noqa: E731
    with pytest.raises(InfogeoError, match=r"text 'b', layer 3"):
        spectra_of_layer(states, documents)


# Corpora

LENGTHS = [40, 12, 64, 7, 33, 64, 16]
PREFIXES = [16, 32]
DOCUMENTS = Documents.of([f"t{i}" for i in range(7)], list("aabbccd"), LENGTHS, PREFIXES)


def corpus(widths, kind="anisotropic"):
    """layer → list of states, all texts."""
    return {
        str(layer): [hidden(n, d, 10 * layer + i, kind) for i, n in enumerate(LENGTHS)]
        for layer, d in enumerate(widths)
    }


def of_layer(states, layer="0"):
    return lambda: ((i, layer, Z) for i, Z in enumerate(states[layer]))


def computed(states):
    """Spectra of every layer."""
    return [spectra_of_layer(of_layer(states, layer), DOCUMENTS) for layer in states]


def test_documents_know_which_texts_are_long_enough():
    assert DOCUMENTS.texts[16].tolist() == [0, 2, 4, 5, 6]
    assert DOCUMENTS.texts[32].tolist() == [0, 2, 4, 5]
    with pytest.raises(InfogeoError, match=r"spectra\.n: 128 tokens .* has 64"):
        Documents.of(["a"], ["s"], [64], [32, 128])


def test_texts_of_a_corpus_equal_each_text_alone():
    states = corpus([24, 50])
    layers = computed(states)
    assert [(layer.layer, layer.width) for layer in layers] == [("0", 24), ("1", 50)]
    for layer in layers:
        for n, texts in DOCUMENTS.texts.items():
            for place, text in enumerate(texts):
                alone = text_spectra(states[layer.layer][text], PREFIXES)
                for convention in metrics.CONVENTIONS:
                    found = layer.spectra["text", convention, n]
                    np.testing.assert_array_equal(found.eigenvalues[place], alone[convention, n][0])
                    assert found.rows == n


@pytest.mark.parametrize("block", [2048, 7])  # rows: one product, and many with remainders
@pytest.mark.parametrize("width", [10, 50, 300])  # more tokens than d, and fewer
def test_streamed_corpus_spectra_equal_those_in_memory(width, block, monkeypatch):
    monkeypatch.setattr(corpus_spectra, "BLOCK_ROWS", block)
    states = corpus([width])
    states["0"][2][3] *= 1e-9  # a zero row among the tokens
    layer = spectra_of_layer(of_layer(states), DOCUMENTS)
    for n, texts in DOCUMENTS.texts.items():
        tokens = np.concatenate([states["0"][text][:n] for text in texts])
        means = np.stack([states["0"][text][:n].astype(float).mean(axis=0) for text in texts])
        for scope, rows in (("tokens", tokens), ("means", means)):
            for convention in metrics.CONVENTIONS:
                found = layer.spectra[scope, convention, n]
                expected, dropped = direct(rows, convention)
                assert found.rows == len(rows)
                assert found.zero_rows.tolist() == [dropped]
                assert found.eigenvalues.shape == (1, min(len(rows), width))
                assert_equal_entropies(
                    found.eigenvalues[0], dropped, expected, width, len(rows), convention
                )


@pytest.mark.parametrize("texts", [1, 2, 3])
def test_size_of_the_batches_does_not_matter(texts, monkeypatch):
    states = corpus([24])
    whole = spectra_of_layer(of_layer(states), DOCUMENTS)
    monkeypatch.setattr(corpus_spectra, "BATCH_BYTES", texts * 32 * 24 * 8)
    batched = spectra_of_layer(of_layer(states), DOCUMENTS)
    for (scope, _, _), one, other in zip(
        whole.spectra, whole.spectra.values(), batched.spectra.values(), strict=True
    ):
        tolerance = 0 if scope == "text" else 1e-14
        np.testing.assert_allclose(one.eigenvalues, other.eigenvalues, rtol=0, atol=tolerance)


def test_states_may_come_in_a_buffer_that_is_used_again():
    states = corpus([24])

    def reusing():
        buffer = np.empty((64, 24), np.float32)
        for item in of_layer(states)():
            Z = buffer[: len(item[2])]
            Z[:] = item[2]
            yield *item[:2], Z

    plain, reused = (
        spectra_of_layer(of_layer(states), DOCUMENTS),
        spectra_of_layer(reusing, DOCUMENTS),
    )
    for key, spectrum in plain.spectra.items():
        np.testing.assert_array_equal(spectrum.eigenvalues, reused.spectra[key].eigenvalues)


def test_one_text_alone_has_no_mean_to_compare_with():
    documents = Documents.of(["a"], ["s"], [16], [16])
    layer = spectra_of_layer(lambda: iter([(0, "0", hidden(16, 40) + 3)]), documents)
    found = layer.spectra["means", "centred", 16]
    assert found.zero_rows.tolist() == [1]
    assert not found.eigenvalues.any()
    np.testing.assert_allclose(layer.spectra["means", "unit", 16].eigenvalues, [[1]], rtol=1e-14)


def test_equal_states_everywhere_leave_nothing_when_centred():
    Z = np.tile(hidden(1, 40) * np.float64(np.pi), (12, 1))
    documents = Documents.of(list("abc"), list("abc"), [12] * 3, [12])
    layer = spectra_of_layer(lambda: iter([(i, "0", Z) for i in range(3)]), documents)
    assert layer.spectra["tokens", "centred", 12].zero_rows.tolist() == [36]
    assert layer.spectra["means", "centred", 12].zero_rows.tolist() == [3]


def test_a_layer_without_all_texts_is_refused():
    states = corpus([8, 8])
    del states["1"][5:]
    with pytest.raises(InfogeoError, match="layer 1: 3 of its 5 texts came"):
        spectra_of_layer(of_layer(states, "1"), DOCUMENTS)


def test_states_shorter_than_announced_are_refused():
    states = corpus([8])
    states["0"][4] = states["0"][4][:20]
    with pytest.raises(InfogeoError, match=r"text 't4', layer 0: 20 states, but 32"):
        spectra_of_layer(of_layer(states), DOCUMENTS)


# Files


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
        offset = file["spectra/1/unit/32/text/eigenvalues"].id.get_chunk_info(0).byte_offset
    path.write_bytes(whole[: offset + 8] + bytes([whole[offset + 8] ^ 1]) + whole[offset + 9 :])
    with pytest.raises(InfogeoError, match=r"spectra/1 is damaged .* snakemake -R"):
        SpectraFile(path).layer("1")


def test_unknown_layer_is_refused(written):
    with pytest.raises(InfogeoError, match=r"no layer '7'; it has \['0', '1'\]"):
        SpectraFile(written).layer("7")
