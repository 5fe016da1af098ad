"""Spectra of stored states, and of checkpoints whose states are not kept."""

import json

import pytest

from infogeo.geometry.spectra_file import SpectraFile
from infogeo.states import dump as dumping
from infogeo.states import shards, text_plan
from infogeo.states.stored_spectra import measure_checkpoints, write_spectra
from infogeo.states.tokens import encode

N = [16, 24]
COMMON = {
    "layers": "all", "batch_tokens": 100, "shard_tokens": 150, "trust_remote_code": False,
    "seed": 7, "dtype": "float32",
}  # fmt: skip


@pytest.fixture(scope="module")
def cards(tiny_model_dir):
    """Two models, in the place of two steps."""
    return [tiny_model_dir(name) / "model.json" for name in ("gpt_neox", "llama")]


def measured(cards, corpus, folder):
    outputs = [folder / f"step-{step}.h5" for step in range(len(cards))]
    measure_checkpoints(
        cards, corpus, outputs, n=N, fingerprints=["first", "second"][: len(cards)],
        expected_models=["model-fingerprint"] * len(cards), expected_corpus="corpus-fingerprint",
        scratch=folder / "scratch", **COMMON,
    )  # fmt: skip
    return outputs


@pytest.fixture(scope="module")
def whole(cards, tiny_corpus, tmp_path_factory):
    """The folder of a job that nothing has cut off."""
    folder = tmp_path_factory.mktemp("whole")
    measured(cards, tiny_corpus, folder)
    return folder


def test_spectra_of_checkpoints_are_those_of_a_dump_byte_for_byte(
    whole, cards, tiny_corpus, tmp_path
):
    store, spectra = tmp_path / "states.h5", tmp_path / "spectra.h5"
    options = COMMON | {"attention_texts": 5, "n": N, "scratch": tmp_path}
    dumping.dump(cards[1], tiny_corpus, store, fingerprint="states", **options)
    write_spectra(store, spectra, n=N, name="m", fingerprint="second", expected="states")
    assert (whole / "step-1.h5").read_bytes() == spectra.read_bytes()
    assert SpectraFile(whole / "step-0.h5", "first").layers[-1] == "final"
    assert not (whole / "scratch").exists()  # nothing waits, no states are kept


def test_a_job_that_was_cut_off_goes_on_with_the_steps_that_it_lacks(
    whole, cards, tiny_corpus, tmp_path, monkeypatch
):
    real, dumped = dumping.dump, []

    def dump(card, *arguments, **options):
        dumped.append(card)
        if len(dumped) == 2:
            raise KeyboardInterrupt
        return real(card, *arguments, **options)

    monkeypatch.setattr(dumping, "dump", dump)
    with pytest.raises(KeyboardInterrupt):
        measured(cards, tiny_corpus, tmp_path)
    # As where the kill comes between the spectra of the first step and the end of its states.
    (tmp_path / "scratch/checkpoints/first.states.h5").touch()
    made = measured(cards, tiny_corpus, tmp_path)
    assert dumped == [cards[0], cards[1], cards[1]]
    for path in made:
        assert path.read_bytes() == (whole / path.name).read_bytes()
    assert not (tmp_path / "scratch").exists()


@pytest.mark.parametrize(
    ("changed", "times"), [("model.safetensors", 1), ("tokenizer_config.json", 2)]
)
def test_texts_are_tokenised_once_for_all_steps_that_differ_in_weights_alone(
    cards, tiny_corpus, tmp_path, monkeypatch, changed, times
):
    card, calls, steps = json.loads(cards[0].read_text()), [], []
    for step in ("one", "other"):
        names = ("model.safetensors", "tokenizer_config.json")
        files = {name: {"sha256": "same"} for name in names}
        card["files"] = files | {changed: {"sha256": step}}
        steps.append(tmp_path / f"{step}.json")
        steps[-1].write_text(json.dumps(card))
    monkeypatch.setattr(shards.cards, "require_files", lambda *_, **__: None)
    monkeypatch.setattr(text_plan, "encode", lambda *given: calls.append(1) or encode(*given))
    measured(steps, tiny_corpus, tmp_path)
    assert len(calls) == times
