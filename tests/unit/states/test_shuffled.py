"""Texts with shuffled words: their order, and what a model makes of them, against plain loops."""

import re

import numpy as np
import pandas as pd
import pytest
import torch
import transformers as hf

from infogeo.geometry.entropy import entropies
from infogeo.geometry.spectra_file import SpectraFile
from infogeo.sources import cards
from infogeo.states import shuffled as measured
from infogeo.states.shuffled import measure_shuffled
from infogeo.states.tokens import load_tokenizer
from infogeo.states.word_order import shuffled, shuffled_texts

N, SEED = [8, 20], 3
SETTINGS = {
    "depths": ["0", "1", "final"], "depth_tolerance": 0.1, "n": N, "layers": "all",
    "batch_tokens": 100, "shard_tokens": 300, "dtype": "float32", "trust_remote_code": False,
    "seed": SEED, "fingerprint": "f", "expected": ("model-fingerprint", "corpus-fingerprint"),
}  # fmt: skip
TEXT = "  One two,\n\n three\tfour five six.  Seven été 数 nine ten\n"


@pytest.mark.parametrize("ends", [[14], [14, 30], [14, 30, len(TEXT)]])
def test_words_change_places_within_their_part_and_white_space_stays(ends):
    made = shuffled(TEXT, ends, SEED)
    assert re.findall(r"\s+", made) == re.findall(r"\s+", TEXT)
    assert len(made.encode()) == len(TEXT.encode())
    before, after = (list(re.finditer(r"\S+", text)) for text in (TEXT, made))
    start, whole = 0, True
    for end in ends:
        places = [i for i, word in enumerate(before) if start <= word.start() < end]
        of = [[words[i][0] for i in places] for words in (before, after)]
        assert sorted(of[0]) == sorted(of[1])
        start, whole = end, whole and of[0] == of[1]
    assert not whole
    rest = [i for i, word in enumerate(before) if word.start() >= start]
    assert [before[i][0] for i in rest] == [after[i][0] for i in rest]


def test_the_order_is_random_and_depends_on_the_seed_alone():
    text = " ".join("abcdef")
    assert shuffled(text, [99], 1) == shuffled(text, [99], 1)
    orders = [shuffled(text, [99], seed)[::2] for seed in range(3000)]
    # Each letter is at each place equally often: 500 of 3000, within 5 standard errors.
    counts = [[sum(order[place] == letter for order in orders) for place in range(6)]
              for letter in "abcdef"]  # fmt: skip
    assert np.abs(np.array(counts) - 500).max() < 5 * np.sqrt(3000 * 5 / 36)


@pytest.fixture(scope="module")
def model(tiny_model_dir):
    return tiny_model_dir("llama")


def test_each_prefix_of_n_tokens_holds_its_words_still(model, tiny_corpus):
    tokenizer = load_tokenizer(model)
    corpus = pd.read_parquet(tiny_corpus)
    made = shuffled_texts(tokenizer, corpus["text"], corpus["doc_id"], N, SEED)
    changed = 0
    for text, other in zip(corpus["text"], made, strict=True):
        spans = tokenizer(text, return_offsets_mapping=True)["offset_mapping"]
        assert len(other.encode()) == len(text.encode())
        for n in N:
            if n > len(spans):
                continue
            end = spans[n - 1][1]
            number = sum(word.start() < end for word in re.finditer(r"\S+", text))
            assert sorted(text.split()[:number]) == sorted(other.split()[:number])
        if len(spans) < min(N):
            assert other == text
        changed += other != text
    assert changed > len(corpus) / 2


def loop(model, tiny_corpus):
    """{(doc_id, layer, convention, first, n, metric): value}, a text and a pass at a time."""
    tokenizer = hf.AutoTokenizer.from_pretrained(model)
    network = hf.AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
    corpus = pd.read_parquet(tiny_corpus)
    made = shuffled_texts(load_tokenizer(model), corpus["text"], corpus["doc_id"], N, SEED)
    values = {}
    for doc_id, text in zip(corpus["doc_id"], made, strict=True):
        ids = torch.tensor(tokenizer(text)["input_ids"][: max(N)])[None]
        with torch.inference_mode():
            out = network(ids, output_hidden_states=True)
        ln_p = out.logits[0, :-1].log_softmax(-1)
        nll = -ln_p.gather(-1, ids[0, 1:, None])[:, 0].double().numpy()
        states = {"0": out.hidden_states[0], "final": out.hidden_states[-1]}
        for n in (n for n in N if n <= ids.shape[1]):
            values[doc_id, "", "", "", n, "nll"] = nll[: n - 1].mean()
            for layer, hidden in states.items():
                for first, rows in (("in", slice(n)), ("out", slice(1, n))):
                    Z = hidden[0, rows].double().numpy()
                    for convention, Y in (("unit", Z), ("centred", Z - Z.mean(axis=0))):
                        Y = Y / np.linalg.norm(Y, axis=1, keepdims=True)
                        p = np.linalg.svd(Y, compute_uv=False) ** 2 / len(Y)
                        p = p[p > 1e-15]
                        values[doc_id, layer, convention, first, n, "entropy"] = -(p @ np.log(p))
    return values


def test_entropies_and_likelihoods_are_those_of_a_loop_over_texts(model, tiny_corpus, tmp_path):
    path = tmp_path / "m.shuffled.h5"
    measure_shuffled(model / "model.json", tiny_corpus, path, scratch=tmp_path / "s", **SETTINGS)
    file = SpectraFile(path, "f")
    depth = cards.read(model / "model.json")["layers"]
    assert file.layers == ["0", str(depth), "final"]  # those of the laws alone
    table = pd.concat(entropies(file, [0.5], [0.1]))
    assert set(table["scope"]) == {"text"}
    names = ["doc_id", "layer", "convention", "first", "n", "metric"]
    found = table.set_index(names)["value"].to_dict()
    expected = loop(model, tiny_corpus)
    assert len(expected) > 100
    for key, value in expected.items():
        assert found[key] == pytest.approx(value, rel=2e-5, abs=2e-5), key
    assert not (tmp_path / "s").exists()


def test_a_killed_measurement_goes_on_and_makes_the_same_file(
    model, tiny_corpus, tmp_path, monkeypatch
):
    def run(name):
        measure_shuffled(
            model / "model.json", tiny_corpus, tmp_path / name, scratch=tmp_path / "s", **SETTINGS
        )
        return (tmp_path / name).read_bytes()

    undisturbed = run("one.h5")
    genuine, written, last = measured._write_shard, [], 1

    def counted(task, passed, each):
        if len(written) == last:
            raise KeyboardInterrupt
        written.append(passed.index)
        genuine(task, passed, each)

    monkeypatch.setattr(measured, "_write_shard", counted)
    with pytest.raises(KeyboardInterrupt):
        run("two.h5")
    last = -1
    assert run("two.h5") == undisturbed
    assert written == sorted(set(written)) and len(written) > 2
