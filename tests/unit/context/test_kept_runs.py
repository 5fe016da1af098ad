"""Runs on sets of kept tokens: the same with first tokens that are run once."""

import numpy as np
import pytest
import torch
import transformers
from tiny import VOCABULARY

from infogeo.context import kept_runs
from infogeo.states import gaps
from infogeo.states.model import LanguageModel

N = 48


@pytest.fixture(scope="module")
def model():
    config = transformers.LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, intermediate_size=64, max_position_embeddings=N,
        initializer_range=0.1,
    )  # fmt: skip
    torch.manual_seed(0)
    return LanguageModel(transformers.LlamaForCausalLM(config), "m")


@pytest.fixture(scope="module")
def texts():
    return list(np.random.default_rng(0).integers(0, VOCABULARY, (3, N), dtype=np.int32))


def sets_of(text):
    """The whole text, and sets of it with gaps that begin at every token."""
    rng, sets = np.random.default_rng(text), [np.ones(N, dtype=bool)]
    for first in range(N - 1):
        kept = rng.random(N) < 0.6
        kept[:first], kept[first], kept[-1] = True, False, True
        sets.append(kept)
    return np.array(sets)


def run(model, texts, shared, batch_tokens=300):
    sets = [sets_of(text) for text in range(len(texts))]
    measured = kept_runs.run_sets(
        model, texts, sets, [5, None, 7], batch_tokens=batch_tokens, names=list("abc"),
        shared=shared,
    )  # fmt: skip
    return sets, measured


@pytest.fixture(scope="module")
def alone(model, texts):
    _, measured = run(model, texts, shared=False)
    return measured


@pytest.mark.parametrize("batch_tokens", [1, 300, 10**6])
def test_sets_that_share_first_tokens_give_what_they_give_alone(model, texts, alone, batch_tokens):
    sets, together = run(model, texts, shared=True, batch_tokens=batch_tokens)
    for text, (one, other) in enumerate(zip(together, alone, strict=True)):
        assert one.shape == (N, len(kept_runs.MEASURES))
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
        assert np.isnan(one[:, 1]).all() == (text == 1)
        assert (one[0, [0, 2, 3]] < 1e-6).all() and (one[1:, 0] > 1e-4).all()
    shared = np.concatenate([kept_runs.shared_tokens(of_text) for of_text in sets])
    assert np.count_nonzero(shared) > 60


def test_first_tokens_that_sets_share_are_run_once(model, texts, monkeypatch):
    genuine, tokens = gaps.predict_next, []

    def counted(model, ids, *arguments, **options):
        tokens.append(ids.numel())
        return genuine(model, ids, *arguments, **options)

    monkeypatch.setattr(gaps, "predict_next", counted)
    sets, _ = run(model, texts, shared=False)
    kept = np.concatenate(sets)
    assert sum(tokens) == kept.sum()
    tokens.clear()
    run(model, texts, shared=True)
    assert sum(tokens) == kept.sum() - kept_runs.shared_tokens(kept).sum()
    assert sum(tokens) < 0.8 * kept.sum()


def test_shared_tokens_come_before_the_first_gap_and_leave_whole_steps():
    kept = np.concatenate([sets_of(text) for text in range(20)])
    starts, sizes = kept_runs.shared_tokens(kept), kept.sum(axis=1)
    gap = np.where(kept.all(axis=1), N, kept.argmin(axis=1))
    assert (starts[(gap < kept_runs.LEAST_SHARED) | (gap == N)] == 0).all()
    assert (starts <= gap).all()
    shared = starts > 0
    assert (gap - starts < kept_runs.STEP)[shared].all()
    assert ((sizes - starts) % kept_runs.STEP == 0)[shared].all()
    assert shared[(gap >= kept_runs.LEAST_SHARED) & (gap < N)].all()


def test_a_prediction_that_is_not_finite_is_named_with_its_text(model, texts, monkeypatch):
    genuine = gaps.predict_next

    def broken(model, ids, *arguments, **options):
        final, logits = genuine(model, ids, *arguments, **options)
        logits = torch.where(ids[:, -1:] == int(texts[1][-1]), torch.inf, logits)
        return final, logits

    monkeypatch.setattr(gaps, "predict_next", broken)
    with pytest.raises(kept_runs.InfogeoError, match="model 'm', text 'b': the prediction from"):
        run(model, texts, shared=True)
