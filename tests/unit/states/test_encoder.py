"""Encoders, whose texts have a pass of their own at each length, from forward pass to entropies."""

import filecmp
import io
import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
import transformers as hf
from tiny import VOCABULARY, save_tokenizer

import compute_entropy
import compute_spectra
from infogeo.door import command
from infogeo.files.artefacts import read_table, write_table
from infogeo.geometry.depths import layer_names
from infogeo.geometry.spectra import text_spectra
from infogeo.geometry.spectra_file import SpectraFile
from infogeo.geometry.token_gains import TokenGains
from infogeo.geometry.twin_relations import crossed_relations
from infogeo.sentences.model_distances import of_store
from infogeo.sources import models
from infogeo.sources.cards import NO_PREDICTION
from infogeo.states import dump as dump_module
from infogeo.states import twins
from infogeo.states.dump import dump
from infogeo.states.measurement import GAINS, TABLES, measure
from infogeo.states.store import open_store, tokens_of_texts

N, BLOCKS = [8, 24], 2
COMMON = {
    "n": N, "layers": "all", "batch_tokens": 100, "shard_tokens": 150, "dtype": "float32",
    "trust_remote_code": False, "seed": 7,
}  # fmt: skip


@pytest.fixture(scope="module")
def card(tmp_path_factory):
    """model.json of a tiny BERT."""
    directory = tmp_path_factory.mktemp("bert")
    torch.manual_seed(0)
    config = hf.BertConfig(
        vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=BLOCKS, num_attention_heads=4,
        intermediate_size=64, max_position_embeddings=66, pad_token_id=1, initializer_range=0.2,
    )  # fmt: skip
    hf.AutoModelForMaskedLM.from_config(config).save_pretrained(directory)
    save_tokenizer(directory)
    described = models.describe(directory, "bert", "local", str(directory), "f", kind="encoder")
    (directory / "model.json").write_text(json.dumps(described))
    return directory / "model.json"


@pytest.fixture(scope="module")
def stored(card, tiny_corpus, tmp_path_factory):
    """The store of the encoder, its spectra and its entropies, as the rules make them."""
    folder = tmp_path_factory.mktemp("stored")
    states, spectra = folder / "states.h5", folder / "spectra.h5"
    of_dump = {"attention_texts": 5, "fingerprint": "states", "scratch": folder / "scratch"}
    dump(card, tiny_corpus, states, **COMMON, **of_dump)
    params = {"n": N, "threads": 1, "model": "bert", "fingerprint": "spectra"}
    params = SimpleNamespace(**params, expected=["states"])
    compute_spectra.main([states], params, [spectra])
    return states, spectra


@pytest.fixture(scope="module")
def sample(tiny_corpus, tmp_path_factory):
    """Every fourth text is a sampled sentence."""
    corpus = read_table(tiny_corpus)
    left_out = ["" if row % 4 == 0 else "beyond texts_per_label" for row in range(len(corpus))]
    path = tmp_path_factory.mktemp("sample") / "texts.parquet"
    write_table(corpus[["doc_id", "label"]].assign(left_out=left_out), path, "sample")
    return path


@pytest.fixture(scope="module")
def measured(card, tiny_corpus, sample, tmp_path_factory):
    """What one job makes of the encoder without storing all states."""
    folder = tmp_path_factory.mktemp("measured")
    outputs = {name: folder / f"{name}.parquet" for name in TABLES}
    outputs |= {"states": folder / "states.h5", "spectra": folder / "spectra.h5"}
    measure(
        card, tiny_corpus, sample, outputs, **COMMON, attention_texts=5, lambdas=[0.1], eps2=[0.5],
        neighbours=3, sampled_rows=20, draws=9, depths=["0.5", "final"], depth_tolerance=0.2,
        sentence_n=8,
        fingerprints={"states": "states", "spectra": "spectra", "gain": "gain"},
        scratch=folder / "scratch",
    )  # fmt: skip
    return outputs


def own_states(card, ids) -> dict:
    """The states of a text that is run alone by transformers' own model."""
    model = hf.AutoModel.from_pretrained(card.parent, add_pooling_layer=False).eval()
    ids = torch.from_numpy(ids.astype(np.int64))[None]
    with torch.inference_mode():
        states = model(ids, attention_mask=torch.ones_like(ids), output_hidden_states=True)
    hidden = [layer[0].numpy() for layer in states.hidden_states]
    return dict(zip(layer_names(BLOCKS), [*hidden, hidden[-1]], strict=True))


def test_a_store_holds_each_text_once_for_each_length_cut_to_it_and_run_alone(stored, card):
    with open_store(stored[0]) as store:
        assert not store.nested and set(store.lengths) == set(N)
        whole = store.lengths.tolist().index(24)
        short = whole - 1
        assert store.doc_ids[short] == store.doc_ids[whole] and store.lengths[short] == 8
        start = store.offsets[whole]
        for text, n in ((short, 8), (whole, 24)):
            alone = own_states(card, store.token_ids()[start : start + n])
            for layer in store.layers:
                np.testing.assert_allclose(store.read(text, layer), alone[layer], atol=1e-5)
        # The start of the longer pass is another text to an encoder.
        apart = store.read(whole, "final")[:8] - store.read(short, "final")
        assert np.abs(apart).max() > 0.1
        assert np.isnan(store.nll()).all() and store.attention_texts == []


def test_an_interrupted_dump_goes_on_and_makes_the_same_bytes(
    stored, card, tiny_corpus, tmp_path, monkeypatch
):
    write, written = dump_module._write_shard, []

    def first_only(task, passed):
        if written:
            raise KeyboardInterrupt
        written.append(passed.index)
        write(task, passed)

    settings = {"attention_texts": 5, "fingerprint": "states", "scratch": tmp_path / "scratch"}
    with monkeypatch.context() as patched:
        patched.setattr(dump_module, "_write_shard", first_only)
        with pytest.raises(KeyboardInterrupt):
            dump(card, tiny_corpus, tmp_path / "states.h5", **COMMON, **settings)
    assert len(list((tmp_path / "scratch").rglob("shard-*.h5"))) == 1
    dump(card, tiny_corpus, tmp_path / "states.h5", **COMMON, **settings)
    assert filecmp.cmp(stored[0], tmp_path / "states.h5", shallow=False)


def test_tokens_are_those_of_each_text_once(stored, tiny_corpus):
    with open_store(stored[0]) as store:
        tokens = tokens_of_texts(store)
        longest = dict(zip(store.doc_ids, store.lengths, strict=True))
        first = store.token_ids()[: store.lengths[0]]
    assert tokens["doc_ids"] == list(longest)
    assert np.diff(tokens["offsets"]).tolist() == list(longest.values())
    assert len(tokens["token_ids"]) == len(tokens["special"]) == tokens["offsets"][-1]
    np.testing.assert_array_equal(tokens["token_ids"][: len(first)], first)


def test_a_spectrum_at_n_is_that_of_the_text_cut_to_n_run_alone_and_not_of_a_prefix(stored, card):
    spectra = SpectraFile(stored[1])
    final = spectra.layer("final").spectra
    with open_store(stored[0]) as store:
        both = [t for t in spectra.documents.texts[24] if store.lengths[t - 1] == 8]
        for whole in both[:3]:
            ids = store.token_ids()[store.offsets[whole] :][:8]
            row = spectra.documents.texts[8].tolist().index(whole - 1)
            ours = next(s for key, s in final.items() if key[:2] == ("text", "unit")
                        and key[-1] == 8 and s.rows == 8).eigenvalues[row]  # fmt: skip
            alone = next(iter(text_spectra(own_states(card, ids)["final"], [8]).values()))[0]
            np.testing.assert_allclose(ours, alone, atol=1e-6)
            prefix = next(iter(text_spectra(store.read(whole, "final"), [8]).values()))[0]
            assert np.abs(ours - prefix).max() > 1e-3


def test_spectra_of_the_corpus_are_of_the_passes_of_their_own_length(stored):
    spectra = SpectraFile(stored[1])
    with open_store(stored[0]) as store:
        rows = [Z for text, _, Z in store.states(["final"]) if store.lengths[text] == 8]
    rows = np.concatenate(rows).astype(float)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    expected = np.linalg.eigvalsh(rows.T @ rows / len(rows))[::-1]
    of_tokens = [
        spectrum
        for key, spectrum in spectra.layer("final").spectra.items()
        if key[:2] == ("tokens", "unit") and key[-1] == 8 and spectrum.rows == len(rows)
    ]
    np.testing.assert_allclose(of_tokens[0].eigenvalues[0], expected, atol=1e-9)


def test_entropies_have_no_likelihoods_and_no_nan(stored, tmp_path):
    names = ("entropy", "crossed", "shuffled")
    output = SimpleNamespace(**{name: tmp_path / f"{name}.parquet" for name in names})
    files = SimpleNamespace(spectra=stored[1], twins=[], shuffled=[])
    params = {"expected": ["spectra", *[None] * 4], "eps2": [0.5], "lambdas": [0.1], "orders": [3]}
    compute_entropy.main(files, SimpleNamespace(**params, fingerprint="e"), output)
    table = read_table(output.entropy)
    assert set(table["n"]) == set(N) and table["value"].notna().all()
    assert not {"nll", "predictive_entropy", "bits_per_byte"} & set(table["metric"])
    of_text = table[(table["scope"] == "text") & (table["metric"] == "entropy")]
    assert not of_text.duplicated(set(of_text) - {"value"}).any()


def test_without_stored_states_the_spectra_are_the_same_byte_for_byte(stored, measured):
    assert filecmp.cmp(stored[1], measured["spectra"], shallow=False)


def test_tables_of_gains_say_that_there_are_none(measured):
    for name in GAINS:
        assert read_table(measured[name], "gain")["problem"].tolist() == [NO_PREDICTION]


def test_sentences_are_compared_in_passes_of_their_own_length(stored, measured, sample):
    settings = {"blocks": BLOCKS, "n": 8, "depths": ["0.5", "final"], "depth_tolerance": 0.2}
    of_both = []
    for path in (stored[0], measured["states"]):
        with open_store(path) as store:
            texts, distances = of_store(store, read_table(sample), **settings)
            assert (store.lengths[texts.index] == 8).all()
            assert len(texts) > 5 and len(set(texts.doc_ids)) == len(texts)
            first = store.read(texts.index[0], "final")
        np.testing.assert_allclose(distances.means[0, "final"][0], first.mean(axis=0), atol=1e-6)
        of_both.append(distances.distances)
    for key, distance in of_both[0].items():
        np.testing.assert_array_equal(distance, of_both[1][key])


def test_the_command_measures_an_encoder_at_one_length_in_passes_of_it(stored, capsys):
    with pytest.raises(SystemExit, match="Give one of these as --n: 8, 24"):
        command.main(["measure", str(stored[0]), "--layers", "final"])
    command.main(["measure", str(stored[0]), "--layers", "final", "--n", "8"])
    table = pd.read_csv(io.StringIO(capsys.readouterr().out))
    entropy = table[(table["metric"] == "effective_rank") & (table["convention"] == "unit")]
    ranks = entropy[entropy["first"] == "in"]["value"].to_numpy()
    own = SpectraFile(stored[1]).layer("final").spectra
    spectrum = next(s for key, s in own.items() if key[:2] == ("text", "unit") and s.rows == 8)
    logs = np.log(np.where(spectrum.eigenvalues > 0, spectrum.eigenvalues, 1))
    np.testing.assert_allclose(ranks, np.exp(-(spectrum.eigenvalues * logs).sum(-1)), rtol=1e-6)


def test_twins_have_passes_of_their_own_length_and_no_gains(stored, card, tiny_corpus, tmp_path):
    outputs = {"spectra": [tmp_path / "0.h5"], "tokens": [tmp_path / "tokens.h5"],
               "rows": [tmp_path / "rows.h5"]}  # fmt: skip
    outputs |= {name: tmp_path / f"{name}.parquet" for name in twins.TABLES}
    twins.measure_twins(
        card, tiny_corpus, outputs, **COMMON, lambdas=[0.1], eps2=[0.5],
        neighbours=3, sampled_rows=20, depths=["final"], depth_tolerance=0.1, rows_n=8,
        most_texts=9, fingerprint="twins", scratch=tmp_path / "scratch",
    )  # fmt: skip
    ours, trained = SpectraFile(outputs["spectra"][0], "twins"), SpectraFile(stored[1])
    assert ours.documents.doc_ids == trained.documents.doc_ids
    np.testing.assert_array_equal(ours.documents.texts[8], trained.documents.texts[8])
    for name in twins.GAINS:
        assert read_table(outputs[name], "twins")["problem"].tolist() == [NO_PREDICTION]
    tokens = TokenGains(outputs["tokens"][0], "twins")
    assert crossed_relations(trained, [tokens]).empty
