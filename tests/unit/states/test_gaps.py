"""Runs on some tokens of a text alone, against full runs that hide the others."""

import numpy as np
import pytest
import torch
from passes import FAMILIES, keeps
from tiny import CONTEXT, VOCABULARY, WIDTH

from infogeo.states import gaps
from infogeo.states.model import LanguageModel


@pytest.mark.parametrize("architecture", FAMILIES)
def test_kept_tokens_alone_equal_a_full_run_that_hides_the_others(loaded, architecture):
    model, encoded = loaded(architecture)
    assert gaps.gapped_problem(model, CONTEXT) == ""
    text = encoded.text(int(encoded.lengths.argmax()))
    for name, kept in keeps(len(text)).items():
        assert gaps.gap_residual(model, text, kept) <= 1e-5, name


@pytest.mark.parametrize("architecture", FAMILIES)
def test_the_check_of_gaps_sees_positions_that_are_closed_up(loaded, architecture, monkeypatch):
    model, encoded = loaded(architecture)
    text = encoded.text(int(encoded.lengths.argmax()))
    genuine = gaps.run_kept
    monkeypatch.setattr(
        gaps,
        "run_kept",
        lambda model, ids, positions: genuine(model, ids, np.arange(positions.shape[1])[None]),
    )
    found = {name: gaps.gap_residual(model, text, kept) for name, kept in keeps(len(text)).items()}
    assert found.pop("all") <= 1e-5  # the full length cannot tell
    found.pop("last alone")  # nor can one token whose position is relative
    assert min(found["first and last"], found["random half"], found["one gap"]) > 1e-3, found


def test_the_check_of_gaps_sees_a_missing_mask(loaded, monkeypatch):
    """Without a mask transformers takes gapped positions for texts packed into one row."""
    model, encoded = loaded("llama")
    text = encoded.text(0)
    genuine = gaps.predict_next
    monkeypatch.setattr(
        gaps,
        "predict_next",
        lambda model, ids, mask, positions: genuine(
            model, ids, mask if mask.ndim == 4 else None, positions
        ),
    )
    assert gaps.gap_residual(model, text, keeps(len(text))["random half"]) > 1e-3


@pytest.mark.parametrize("architecture", [*FAMILIES, "gemma2"])
def test_predictions_from_kept_tokens_equal_those_of_each_alone(loaded, architecture):
    model, encoded = loaded(architecture)
    whole = [encoded.text(text) for text in range(len(encoded)) if encoded.lengths[text] >= 20][:4]
    positions = np.array([[0, 3, 4, 9, 19], [1, 2, 3, 4, 5], [5, 7, 11, 13, 17], [0, 1, 2, 3, 4]])
    ids = np.stack([text[at] for text, at in zip(whole, positions, strict=True)])
    logits, mean, last = gaps.run_kept(model, ids, positions)
    assert logits.shape == (4, VOCABULARY) and mean.shape == last.shape == (4, WIDTH)
    for row in range(4):
        passed = {"input_ids": ids[row : row + 1], "position_ids": positions[row : row + 1]}
        passed = {name: torch.from_numpy(value).long() for name, value in passed.items()}
        passed["attention_mask"] = torch.ones(1, 5)
        with torch.inference_mode():
            alone = model.model(**passed).logits[0, -1]
            states = model.base(**passed).last_hidden_state[0]
        torch.testing.assert_close(logits[row], alone, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(mean[row], states.mean(0), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(last[row], states[-1], rtol=1e-5, atol=1e-5)


def test_architectures_that_count_the_tokens_they_are_given_are_named():
    import transformers as hf

    def problem(config, n=20):
        tiny = hf.AutoModelForCausalLM.from_config(config)
        return gaps.gapped_problem(LanguageModel(tiny, "m"), n)

    common = {"vocab_size": 50, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}
    bloom = hf.BloomConfig(hidden_size=16, n_layer=2, n_head=2, **common)
    assert "BloomForCausalLM takes no position ids" in problem(bloom)
    falcon = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, **common}
    assert "takes no position ids" in problem(hf.FalconConfig(alibi=True, **falcon))
    assert problem(hf.FalconConfig(alibi=False, **falcon)) == ""
    sizes = falcon | {"num_key_value_heads": 2, "intermediate_size": 16}
    kinds = ["full_attention", "linear_attention"]
    hybrid = hf.Qwen3NextConfig(
        layer_types=kinds, head_dim=8, linear_num_key_heads=2, linear_num_value_heads=2,
        linear_key_head_dim=8, linear_value_head_dim=8, num_experts=2, num_experts_per_tok=1,
        moe_intermediate_size=16, shared_expert_intermediate_size=16, **sizes,
    )  # fmt: skip
    assert "layers of kind linear_attention" in problem(hybrid)
    # Windows that transformers masks are given as masks made from positions.
    assert problem(hf.MistralConfig(sliding_window=8, **sizes)) == ""
    neo = {"hidden_size": 16, "num_layers": 2, "num_heads": 2, "window_size": 8, **common}
    both, broad = [[["global", "local"], 1]], [[["global"], 2]]
    assert "window of 8" in problem(hf.GPTNeoConfig(attention_types=both, **neo))
    assert problem(hf.GPTNeoConfig(attention_types=broad, **neo)) == ""
