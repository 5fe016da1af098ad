"""Batches of texts, against each text alone; what is not finite; memory that does not suffice."""

import math

import numpy as np
import pytest
import torch
from passes import FAMILIES, run_alone
from tiny import DEPTH

from infogeo.files.errors import InfogeoError
from infogeo.geometry.depths import layer_names
from infogeo.states import batches, likelihoods, loading
from infogeo.states.tokens import encode, load_tokenizer


@pytest.mark.parametrize("architecture", FAMILIES)
def test_batched_states_equal_those_of_each_text_alone(loaded, architecture):
    model, encoded = loaded(architecture)
    layers = layer_names(DEPTH)
    assert len(set(encoded.lengths)) > 5  # else nothing is padded
    rows = batches.Rows(model, layers, encoded.lengths, ["?"] * len(encoded))
    rows.run([encoded.text(i) for i in range(len(encoded))], batch_tokens=200)
    for text in range(len(encoded)):
        alone = run_alone(model, encoded.text(text), layers)
        span = slice(*encoded.offsets[text : text + 2])
        for layer in layers:
            apart = (rows.hidden[layer][span] - alone.hidden[layer]).norm(dim=-1)
            assert (apart <= 1e-5 * alone.hidden[layer].norm(dim=-1)).all()
        np.testing.assert_allclose(rows.nll[span], alone.nll, rtol=1e-5)
        np.testing.assert_allclose(
            rows.predictive_entropy[span], alone.predictive_entropy, rtol=1e-5
        )


def test_non_finite_states_name_model_layer_and_text(tiny_model_dir):
    model = loading.load_model(tiny_model_dir("gpt2"), dtype="float32", name="broken")
    encoded = encode(
        load_tokenizer(tiny_model_dir("gpt2")), ["the sum", "of a matrix"], 2, 2, "spectra.n"
    )
    token = int(encoded.text(1)[1])
    with torch.inference_mode():
        model.model.transformer.wte.weight[token] = torch.inf
    states = batches.states(model, encoded, ["good", "bad"], ["0", "final"], 64, "sentences.n")
    with pytest.raises(InfogeoError, match=r"'broken', layer 0, text 'bad'.*not finite"):
        list(states)


def test_a_prediction_that_is_not_finite_is_found_whichever_layers_are_kept(tiny_model_dir):
    model = loading.load_model(tiny_model_dir("gpt2"), dtype="float32", name="broken")
    with torch.inference_mode():
        model.model.transformer.h[1].mlp.c_proj.bias[3] = torch.nan
    rows = batches.Rows(model, ["0"], [2, 3], ["one", "two"])
    with pytest.raises(InfogeoError, match=r"layer final, text 'one'.*not finite"):
        rows.run([np.array([1, 2]), np.array([1, 2, 3])], batch_tokens=100)


def test_float16_overflow_names_the_remedy(tiny_model_dir):
    model = loading.load_model(tiny_model_dir("gpt2"), dtype="float16", name="half")
    with torch.inference_mode():
        model.model.transformer.wte.weight.mul_(3e6)
    rows = batches.Rows(model, ["0"], [3], ["text-7"])
    with pytest.raises(InfogeoError, match=r"'half', layer 0, text 'text-7'.*bfloat16"):
        rows.run([np.array([1, 2, 3])], batch_tokens=8)


@pytest.mark.parametrize("block_bytes", [1 << 28, 1 << 14])
def test_states_from_a_forward_pass_equal_those_of_each_text(loaded, monkeypatch, block_bytes):
    monkeypatch.setattr(batches, "BLOCK_BYTES", block_bytes)
    model, encoded = loaded("llama")
    layers, blocks = ["1", "final"], []
    genuine = batches.plan_blocks
    monkeypatch.setattr(
        batches, "plan_blocks", lambda *given: blocks.extend(genuine(*given)) or blocks
    )
    monkeypatch.setattr(likelihoods, "score", lambda *_: pytest.fail("logits were made"))
    states = batches.states(model, encoded, ["?"] * len(encoded), layers, 100, "sentences.n")
    seen = {(text, layer): hidden for text, layer, hidden in states}
    assert (len(blocks) == 1) == (block_bytes == 1 << 28)
    assert len(seen) == len(encoded) * len(layers)
    monkeypatch.undo()
    for text in range(len(encoded)):
        alone = run_alone(model, encoded.text(text), layers)
        for layer in layers:
            np.testing.assert_allclose(seen[text, layer], alone.hidden[layer], atol=1e-4)


def test_blocks_are_consecutive_texts_within_their_tokens():
    assert batches.plan_blocks([3, 3, 3, 9, 1], 6) == [
        range(2),
        range(2, 3),
        range(3, 4),
        range(4, 5),
    ]
    assert batches.plan_blocks([4], 6) == [range(1)]


def test_batches_hold_every_text_once_and_stay_within_their_tokens():
    lengths = np.array([5, 128, 7, 128, 300, 6, 127])
    planned = batches.plan_batches(lengths, 256)
    assert sorted(np.concatenate(planned).tolist()) == list(range(7))
    for batch in planned:
        assert len(batch) == 1 or len(batch) * lengths[batch].max() <= 256
    assert [4] in [batch.tolist() for batch in planned]


def test_a_batch_on_a_cpu_has_no_more_tokens_than_its_caches_hold(loaded, monkeypatch):
    model, _ = loaded("gpt_neox")
    texts = [np.arange(300) % 50] * 8
    genuine, tokens = model.run, []

    def run(texts, *told):
        tokens.append(sum(map(len, texts)))
        return genuine(texts, *told)

    monkeypatch.setattr(model, "run", run)
    rows = batches.Rows(model, ["final"], [300] * 8, list("abcdefgh"))
    rows.run(texts, batch_tokens=4096)
    assert tokens == [900, 900, 600]
    assert max(tokens) <= batches.CPU_TOKENS


def test_without_likelihoods_states_are_the_same_and_no_logits_are_made(loaded, monkeypatch):
    model, encoded = loaded("gpt_neox")
    texts = [encoded.text(i) for i in range(3)]
    given = model, ["1", "final"], encoded.lengths[:3], list("abc")
    with_them, without = batches.Rows(*given), batches.Rows(*given, score=False)
    with_them.run(texts, batch_tokens=1000)
    monkeypatch.setattr(likelihoods, "score", lambda *_: pytest.fail("logits were made"))
    without.run(texts, batch_tokens=1000)
    for layer, hidden in with_them.hidden.items():
        assert torch.equal(hidden, without.hidden[layer])
    assert np.isnan(without.nll).all() and np.isnan(without.predictive_entropy).all()


def test_a_batch_too_large_for_memory_is_halved_reported_and_remembered(
    loaded, monkeypatch, capsys
):
    model, encoded = loaded("gpt_neox")
    monkeypatch.setattr(model, "oom_tokens", math.inf)  # as before, for other tests
    texts = [encoded.text(i) for i in range(5)]
    whole = batches.Rows(model, ["final"], encoded.lengths[:5], list("abcde"))
    whole.run(texts, batch_tokens=1000)
    genuine = model.run

    tried = []

    def cramped(texts, *told):
        tried.append(len(texts))
        if len(texts) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return genuine(texts, *told)

    monkeypatch.setattr(model, "run", cramped)
    halved = batches.Rows(model, ["final"], encoded.lengths[:5], list("abcde"))
    halved.run(texts, batch_tokens=1000)
    assert halved.splits == 2 and tried == [5, 2, 3, 1, 2]
    assert model.oom_tokens < 5 * max(encoded.lengths[:5])
    told = capsys.readouterr().out
    assert told.count("memory does not suffice") == 2
    assert f"a batch of {model.oom_tokens:,} tokens" in told
    again = batches.Rows(model, ["final"], encoded.lengths[:5], list("abcde"))
    again.run(texts, batch_tokens=1000)
    assert again.splits == 2 and tried[5:] == [2, 1, 2]  # at once, and as before
    assert torch.equal(again.hidden["final"], halved.hidden["final"])
    assert capsys.readouterr().out == ""
    torch.testing.assert_close(halved.hidden["final"], whole.hidden["final"])
    np.testing.assert_allclose(halved.nll, whole.nll, rtol=1e-5)

    def hopeless(texts, *told):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 B")

    monkeypatch.setattr(model, "run", hopeless)
    with pytest.raises(InfogeoError, match="text 'a': memory"):
        halved.run(texts, batch_tokens=1000)
