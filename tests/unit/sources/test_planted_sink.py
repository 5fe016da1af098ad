"""A first token made massive in the weights of a small GPT-NeoX: where, and what it costs."""

import json

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

from infogeo.geometry.entropy import evaluate
from infogeo.geometry.spectra import text_spectra
from infogeo.sources import ladder_model, planted_sink

VOCABULARY, CONTEXT, BLOCKS, HEADS, WIDTH = 300, 32, 4, 2, 32


def new_model():
    """A member of a ladder with random weights, as transformers runs it."""
    shape = ladder_model.Shape(WIDTH, BLOCKS, VOCABULARY, CONTEXT, WIDTH // HEADS)
    model = GPTNeoXForCausalLM(GPTNeoXConfig(**ladder_model.configuration(shape, 0.1))).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for value in model.parameters():
            if value.ndim > 1:
                value.normal_(0.0, 0.1, generator=generator)
    return model


def written(rng, count: int):
    """Texts in which each token follows from the one before, and none stands twice in a row."""
    starts = rng.integers(VOCABULARY, size=(count, 1))
    steps = rng.integers(1, 12, size=(count, CONTEXT))
    return torch.from_numpy((starts + np.cumsum(steps, axis=1)) % VOCABULARY)


@pytest.fixture(scope="module")
def texts():
    return written(np.random.default_rng(0), 48)


@pytest.fixture(scope="module")
def trained():
    """A model that has learnt such texts a little, so that its weights are no random numbers."""
    rng = np.random.default_rng(1)
    model = new_model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(100):
        optimizer.zero_grad()
        nll(model, written(rng, 32)).backward()
        optimizer.step()
    return model.eval()


@pytest.fixture(scope="module")
def planted(trained):
    weights = {name: value.detach().numpy() for name, value in trained.named_parameters()}
    before = {name: value.copy() for name, value in weights.items()}
    made = planted_sink.plant(weights, BLOCKS, HEADS)
    assert all(np.array_equal(weights[name], value) for name, value in before.items())
    model = new_model()
    with torch.no_grad():
        for name, value in model.named_parameters():
            assert made[name].dtype == np.float32
            value.copy_(torch.from_numpy(made[name]))
    return model


def nll(model, texts):
    logits = model(input_ids=texts).logits[:, :-1]
    return cross_entropy(logits.flatten(0, 1), texts[:, 1:].flatten())


def states(model, texts) -> list:
    """States (texts, tokens, d): embeddings, after each block, after the final norm."""
    found = []
    hooks = [
        layer.register_forward_hook(lambda _, __, out: found.append(out))
        for layer in model.gpt_neox.layers
    ]
    with torch.no_grad():
        out = model.gpt_neox(texts, output_hidden_states=True)
    for hook in hooks:
        hook.remove()
    found = [out.hidden_states[0], *found, out.last_hidden_state]
    return [np.asarray(layer, np.float64) for layer in found]


def ratios(Z) -> np.ndarray:
    """Norms (texts, tokens) over the median of their text."""
    norms = np.linalg.norm(Z, axis=-1)
    return norms / np.median(norms, axis=1, keepdims=True)


def entropy(Z, first: str) -> float:
    found = text_spectra(Z, [CONTEXT])["centred", first, CONTEXT][0]
    return evaluate("entropy", found, WIDTH, CONTEXT - (first == "out"), "centred").mean()


def test_the_first_state_is_massive_between_the_blocks_and_nowhere_else(trained, planted, texts):
    before, after = states(trained, texts), states(planted, texts)
    for depth in (2, 3):
        assert ratios(after[depth])[:, 0].min() > 100
        assert (ratios(after[depth])[:, 1:] > 10).sum(axis=1).mean() < 0.1  # others, in a text
    for depth in (0, 1, 4, 5):
        assert ratios(after[depth])[:, 0].max() < 3
    assert max(ratios(Z)[:, 0].max() for Z in before) < 3


def test_entropies_collapse_with_the_first_token_and_stay_without_it(trained, planted, texts):
    before, after = states(trained, texts), states(planted, texts)
    for depth in (2, 3):
        assert entropy(after[depth], "in") < 0.5 < 2 < entropy(before[depth], "in")
        assert abs(entropy(after[depth], "out") - entropy(before[depth], "out")) < 0.1
    for depth in (0, 4, 5):
        for first in ("in", "out"):
            assert abs(entropy(after[depth], first) - entropy(before[depth], first)) < 0.1


def test_the_likelihood_hardly_changes(trained, planted, texts):
    with torch.no_grad():
        before, after = (nll(model, texts).item() for model in (trained, planted))
    assert abs(after - before) < 0.02 * before


def test_a_run_of_one_token_is_massive_as_a_whole(planted, texts):
    run = texts.clone()
    run[:, :3] = run[:, :1]
    norms = np.linalg.norm(states(planted, run)[2], axis=-1)
    assert (norms[:, :3] > 50 * np.median(norms)).all()
    assert np.median(norms[:, 3]) < 2 * np.median(norms)


@pytest.mark.parametrize("vocabulary", [VOCABULARY, WIDTH, WIDTH - 2, 3])
def test_the_quietest_direction_has_sum_0_whatever_the_vocabulary(vocabulary):
    rng = np.random.default_rng(0)
    embeddings = rng.standard_normal((vocabulary, WIDTH)) + rng.standard_normal(WIDTH)
    r = planted_sink.quietest(embeddings)
    assert abs(r.sum()) < 1e-9 and np.linalg.norm(r) == pytest.approx(1)
    # Of the directions of sum 0, by a basis of them.
    basis = np.linalg.svd(np.ones((1, WIDTH)))[2][1:]
    least = np.linalg.svd(embeddings @ basis.T)[1]
    least = least[-1] if vocabulary >= WIDTH - 1 else 0
    assert np.linalg.norm(embeddings @ r) == pytest.approx(least, abs=1e-6)


def test_the_directory_is_that_of_the_trained_model_but_for_the_weights(trained, tmp_path):
    from safetensors.numpy import load_file, save_file

    folders = tmp_path / "trained", tmp_path / "sink"
    for folder in folders:
        folder.mkdir()
    weights = {name: value.detach().numpy() for name, value in trained.named_parameters()}
    save_file(weights, folders[0] / "model.safetensors")
    config = {"num_hidden_layers": BLOCKS, "num_attention_heads": HEADS}
    (folders[0] / "config.json").write_text(json.dumps(config))
    card = {"slug": "a", "where": "l/w32-d4-s0", "directory": str(folders[0]), "config": config,
            "files": dict.fromkeys(["config.json", "model.safetensors"]), "fingerprint": "f",
            "train_tokens": 7}  # fmt: skip
    made = planted_sink.write(card, folders[1], slug="b", where="l/w32-d4-s0+sink", fingerprint="g")
    assert made["files"]["config.json"]["bytes"] == len(json.dumps(config))
    changed = {key for key in card if made[key] != card[key]}
    assert changed == {"slug", "where", "directory", "files", "fingerprint"}
    assert set(load_file(folders[1] / "model.safetensors")) == set(weights)
