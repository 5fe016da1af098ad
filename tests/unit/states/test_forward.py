import math

import numpy as np
import pytest
import torch
from tiny import CONTEXT, DEPTH, HEADS, VOCABULARY, WIDTH, sentences

from infogeo.files.errors import InfogeoError
from infogeo.states import model as forward

FAMILIES = ("gpt_neox", "gpt2", "opt", "llama")


@pytest.fixture(scope="module")
def loaded(tiny_model_dir):
    """A function: architecture -> (LanguageModel in float32, texts as tokens)."""
    made = {}

    def load(architecture):
        if architecture not in made:
            directory = tiny_model_dir(architecture)
            model = forward.load_model(directory, dtype="float32", name=architecture)
            tokenizer = forward.load_tokenizer(directory)
            made[architecture] = model, forward.encode(tokenizer, sentences(24, high=25), 40, 5)
        return made[architecture]

    return load


def run_alone(model, text, layers):
    rows = forward.Rows(model, layers, [len(text)], ["alone"])
    rows.run([text], batch_tokens=1)
    return rows


@pytest.mark.parametrize("architecture", FAMILIES)
def test_batched_states_equal_those_of_each_text_alone(loaded, architecture):
    model, encoded = loaded(architecture)
    layers = forward.layer_names(DEPTH)
    assert len(set(encoded.lengths)) > 5  # else nothing is padded
    rows = forward.Rows(model, layers, encoded.lengths, ["?"] * len(encoded))
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


@pytest.mark.parametrize("architecture", FAMILIES)
def test_layers_are_the_residual_stream_and_final_is_after_the_final_norm(loaded, architecture):
    model, encoded = loaded(architecture)
    text = encoded.text(0)
    hidden = run_alone(model, text, forward.layer_names(DEPTH)).hidden
    norm = {
        "gpt_neox": lambda m: m.gpt_neox.final_layer_norm,
        "gpt2": lambda m: m.transformer.ln_f,
        "opt": lambda m: m.model.decoder.final_layer_norm,
        "llama": lambda m: m.model.norm,
    }[architecture](model.model)
    with torch.inference_mode():
        torch.testing.assert_close(norm(hidden[str(DEPTH)]), hidden["final"])
        told = model.model(torch.from_numpy(text[None]).long(), output_hidden_states=True)
    for layer in range(DEPTH):
        torch.testing.assert_close(hidden[str(layer)], told.hidden_states[layer][0])
    # What transformers calls the last hidden state is after the norm, hence the hook.
    torch.testing.assert_close(hidden["final"], told.hidden_states[DEPTH][0])
    assert model.post_norm == ["final"]
    assert not torch.allclose(hidden[str(DEPTH)], hidden["final"])


@pytest.mark.parametrize("architecture", [*FAMILIES, "gemma2"])
def test_nll_is_the_models_own_loss_and_entropy_that_of_its_softmax(loaded, architecture):
    model, encoded = loaded(architecture)
    for text in range(4):
        ids = torch.from_numpy(encoded.text(text)[None]).long()
        with torch.inference_mode():
            own = model.model(ids, labels=ids)
        rows = run_alone(model, encoded.text(text), ["final"])
        assert math.isnan(rows.nll[0])
        assert math.isnan(rows.predictive_entropy[0])
        assert rows.nll[1:].mean() == pytest.approx(own.loss.item(), rel=1e-5)
        log_p = torch.log_softmax(own.logits[0, :-1].double(), dim=-1)
        entropy = -(log_p.exp() * log_p).sum(dim=-1)
        np.testing.assert_allclose(rows.predictive_entropy[1:], entropy, rtol=1e-5)


def test_scores_of_extreme_logits_equal_float64():
    logits = torch.randn(50, 1000, generator=torch.Generator().manual_seed(0)) * 30 + 500
    targets = torch.arange(50) * 7
    log_p = torch.log_softmax(logits.double(), dim=-1)
    out = torch.empty(2, 50)
    forward.score_logits(logits.clone(), targets, out)
    torch.testing.assert_close(
        out[0].double(), -log_p[torch.arange(50), targets], rtol=1e-5, atol=1e-4
    )
    torch.testing.assert_close(
        out[1].double(), -(log_p.exp() * log_p).sum(-1), rtol=1e-4, atol=1e-5
    )


def test_scores_do_not_depend_on_how_the_logits_are_cut(loaded, monkeypatch):
    model, encoded = loaded("gpt_neox")
    whole = run_alone(model, encoded.text(0), ["final"])
    monkeypatch.setattr(forward, "HEAD_NUMBERS", 7 * VOCABULARY)
    monkeypatch.setattr(forward, "SCORE_NUMBERS", 3 * VOCABULARY)
    cut = run_alone(model, encoded.text(0), ["final"])
    np.testing.assert_allclose(cut.nll, whole.nll, rtol=1e-5)
    np.testing.assert_allclose(cut.predictive_entropy, whole.predictive_entropy, rtol=1e-5)


class RowsOfLogits(torch.utils._python_dispatch.TorchDispatchMode):
    """Notes how many rows of logits any tensor holds that comes to be."""

    def __init__(self):
        super().__init__()
        self.most = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **kwargs or {})
        if isinstance(made, torch.Tensor) and made.shape[-1:] == (VOCABULARY,):
            self.most = max(self.most, made.numel() // VOCABULARY)
        return made


@pytest.mark.parametrize("architecture", ["gpt_neox", "gemma2"])
def test_logits_of_a_whole_batch_never_are_there_at_once(loaded, monkeypatch, architecture):
    model, encoded = loaded(architecture)
    monkeypatch.setattr(forward, "HEAD_NUMBERS", 7 * VOCABULARY)
    with RowsOfLogits() as seen:
        model.run([encoded.text(text) for text in range(6)], lambda layer, hidden: None)
    assert seen.most == 7
    with RowsOfLogits() as seen:
        model.run_kept(encoded.text(0)[None, :5], np.arange(5)[None])
    assert seen.most == 1


@pytest.mark.parametrize("architecture", FAMILIES)
def test_attention_rows_equal_a_direct_eager_pass(loaded, tiny_model_dir, architecture):
    import transformers

    model, encoded = loaded(architecture)
    eager = transformers.AutoModelForCausalLM.from_pretrained(
        tiny_model_dir(architecture), attn_implementation="eager"
    ).eval()
    text = encoded.text(1)
    last_row, rollout = model.attention_rows(text)
    with torch.no_grad():
        ids = torch.from_numpy(text[None]).long()
        attentions = eager(ids, output_attentions=True).attentions
    product = np.eye(len(text))
    for weights in attentions:
        product = (weights[0].double().mean(0).numpy() + np.eye(len(text))) / 2 @ product
    assert last_row.shape == (HEADS, len(text))
    np.testing.assert_allclose(last_row, attentions[-1][0, :, -1], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(rollout, product[-1], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(rollout.sum(), 1, rtol=1e-5)
    assert model.model.config._attn_implementation == "sdpa"  # as before


def keeps(n):
    """Which of n tokens to keep: gaps of several kinds, with and without the first token."""
    rng = np.random.default_rng(n)
    patterns = {
        "last alone": [n - 1],
        "first and last": [0, n - 1],
        "every third": list(range(n - 1, -1, -3)),
        "all but the first": list(range(1, n)),
        "one gap": [*range(3), *range(n - 4, n)],
        "random half": [*np.flatnonzero(rng.random(n - 1) < 0.5), n - 1],
        "all": list(range(n)),
    }
    return {name: np.isin(np.arange(n), kept) for name, kept in patterns.items()}


@pytest.mark.parametrize("architecture", FAMILIES)
def test_kept_tokens_alone_equal_a_full_run_that_hides_the_others(loaded, architecture):
    model, encoded = loaded(architecture)
    assert model.gapped_problem(CONTEXT) == ""
    text = encoded.text(int(encoded.lengths.argmax()))
    for name, kept in keeps(len(text)).items():
        assert model.gap_residual(text, kept) <= 1e-5, name


@pytest.mark.parametrize("architecture", FAMILIES)
def test_the_check_of_gaps_sees_positions_that_are_closed_up(loaded, architecture, monkeypatch):
    model, encoded = loaded(architecture)
    text = encoded.text(int(encoded.lengths.argmax()))
    genuine = model.run_kept
    monkeypatch.setattr(
        model,
        "run_kept",
        lambda ids, positions: genuine(ids, np.arange(positions.shape[1])[None]),
    )
    found = {name: model.gap_residual(text, kept) for name, kept in keeps(len(text)).items()}
    assert found.pop("all") <= 1e-5  # the full length cannot tell
    found.pop("last alone")  # nor can one token whose position is relative
    assert min(found["first and last"], found["random half"], found["one gap"]) > 1e-3, found


def test_the_check_of_gaps_sees_a_missing_mask(loaded, monkeypatch):
    """Without a mask transformers takes gapped positions for texts packed into one row."""
    model, encoded = loaded("llama")
    text = encoded.text(0)
    genuine = model._predict_next
    monkeypatch.setattr(
        model,
        "_predict_next",
        lambda ids, mask, positions: genuine(ids, mask if mask.ndim == 4 else None, positions),
    )
    assert model.gap_residual(text, keeps(len(text))["random half"]) > 1e-3


@pytest.mark.parametrize("architecture", [*FAMILIES, "gemma2"])
def test_predictions_from_kept_tokens_equal_those_of_each_alone(loaded, architecture):
    model, encoded = loaded(architecture)
    whole = [encoded.text(text) for text in range(len(encoded)) if encoded.lengths[text] >= 20][:4]
    positions = np.array([[0, 3, 4, 9, 19], [1, 2, 3, 4, 5], [5, 7, 11, 13, 17], [0, 1, 2, 3, 4]])
    ids = np.stack([text[at] for text, at in zip(whole, positions, strict=True)])
    logits, mean, last = model.run_kept(ids, positions)
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
        return forward.LanguageModel(tiny, "m").gapped_problem(n)

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


def test_missing_attention_weights_are_an_error(loaded):
    model, encoded = loaded("gpt_neox")
    ids = torch.from_numpy(encoded.text(0)[None]).long()
    with torch.inference_mode():  # SDPA: as the model runs otherwise
        silent = model.base(ids, output_attentions=True).attentions
    with pytest.raises(InfogeoError, match="no attention weights"):
        forward.check_attention(silent, DEPTH, ids.shape[1], "m")
    halves = [torch.full((1, 2, 4, 4), 0.125)] * DEPTH
    with pytest.raises(InfogeoError, match=r"sum to 1 only within 0\.5"):
        forward.check_attention(halves, DEPTH, 4, "m")
    with pytest.raises(InfogeoError, match=r"give later tokens up to 0\.25"):
        forward.check_attention([2 * weights for weights in halves], DEPTH, 4, "m")


def test_non_finite_states_name_model_layer_and_text(tiny_model_dir):
    model = forward.load_model(tiny_model_dir("gpt2"), dtype="float32", name="broken")
    encoded = forward.encode(
        forward.load_tokenizer(tiny_model_dir("gpt2")), ["the sum", "of a matrix"], 2, 2
    )
    token = int(encoded.text(1)[1])
    with torch.inference_mode():
        model.model.transformer.wte.weight[token] = torch.inf
    states = forward.states(model, encoded, ["good", "bad"], ["0", "final"], batch_tokens=64)
    with pytest.raises(InfogeoError, match=r"'broken', layer 0, text 'bad'.*not finite"):
        list(states)


def test_a_prediction_that_is_not_finite_is_found_whichever_layers_are_kept(tiny_model_dir):
    model = forward.load_model(tiny_model_dir("gpt2"), dtype="float32", name="broken")
    with torch.inference_mode():
        model.model.transformer.h[1].mlp.c_proj.bias[3] = torch.nan
    rows = forward.Rows(model, ["0"], [2, 3], ["one", "two"])
    with pytest.raises(InfogeoError, match=r"layer final, text 'one'.*not finite"):
        rows.run([np.array([1, 2]), np.array([1, 2, 3])], batch_tokens=100)


def test_float16_overflow_names_the_remedy(tiny_model_dir):
    model = forward.load_model(tiny_model_dir("gpt2"), dtype="float16", name="half")
    with torch.inference_mode():
        model.model.transformer.wte.weight.mul_(3e6)
    rows = forward.Rows(model, ["0"], [3], ["text-7"])
    with pytest.raises(InfogeoError, match=r"'half', layer 0, text 'text-7'.*bfloat16"):
        rows.run([np.array([1, 2, 3])], batch_tokens=8)


def test_untrained_weights_follow_the_seed_and_leave_the_generator_alone(tiny_model_dir):
    def draw(seed):
        model = forward.untrained_model(
            tiny_model_dir("gpt_neox"), dtype="float32", name="twin", seed=seed
        )
        return model.model

    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    one, same, other = draw(1), draw(1), draw(2)
    assert torch.equal(torch.rand(1), expected)
    weights = one.state_dict()
    assert all(torch.equal(weights[name], same.state_dict()[name]) for name in weights)
    name = "gpt_neox.layers.0.mlp.dense_h_to_4h.weight"
    assert not torch.equal(weights[name], other.state_dict()[name])
    assert weights[name].std().item() == pytest.approx(0.1, rel=0.05)  # its initializer_range
    assert not one.training


def test_memory_never_holds_two_twins(tiny_model_dir):
    card = {"directory": tiny_model_dir("gpt_neox"), "slug": "m"}
    made = []
    for twin in forward.twins(card, 3, dtype="float32", seed=0):
        assert all(weight.device.type == "cpu" for weight in twin.model.parameters())
        assert all(weight.is_meta for other in made for weight in other.model.parameters())
        made.append(twin)
    assert len(made) == 3


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("cap", [None, 30.0])
def test_a_soft_cap_is_seen_where_the_logits_are_small(dtype, cap):
    import transformers as hf

    config = hf.Gemma2Config(
        vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, head_dim=8,
        num_key_value_heads=1, intermediate_size=16, initializer_range=0.01,
        final_logit_softcapping=cap, bos_token_id=0, eos_token_id=0, pad_token_id=None,
    )  # fmt: skip
    model = hf.AutoModelForCausalLM.from_config(config).to(getattr(torch, dtype))
    model = forward.LanguageModel(model, "m")
    assert (model._head == model._own_head) == (cap is not None)


@pytest.mark.parametrize("block_bytes", [1 << 28, 1 << 14])
def test_states_from_a_forward_pass_equal_those_of_each_text(loaded, monkeypatch, block_bytes):
    monkeypatch.setattr(forward, "BLOCK_BYTES", block_bytes)
    model, encoded = loaded("llama")
    layers, blocks = ["1", "final"], []
    genuine = forward.plan_blocks
    monkeypatch.setattr(
        forward, "plan_blocks", lambda *given: blocks.extend(genuine(*given)) or blocks
    )
    monkeypatch.setattr(model, "_score", lambda *_: pytest.fail("logits were made"))
    states = forward.states(model, encoded, ["?"] * len(encoded), layers, batch_tokens=100)
    seen = {(text, layer): hidden for text, layer, hidden in states}
    assert (len(blocks) == 1) == (block_bytes == 1 << 28)
    assert len(seen) == len(encoded) * len(layers)
    monkeypatch.undo()
    for text in range(len(encoded)):
        alone = run_alone(model, encoded.text(text), layers)
        for layer in layers:
            np.testing.assert_allclose(seen[text, layer], alone.hidden[layer], atol=1e-4)


def test_encoding_keeps_special_tokens_and_counts_bytes(tiny_model_dir):
    tokenizer = forward.load_tokenizer(tiny_model_dir("gpt_neox"))
    texts = ["a", "état 数 of the matrix 数", "the sum of the mean of the axis"]
    encoded = forward.encode(tokenizer, texts, n=6, shortest=4)
    assert encoded.kept.tolist() == [1, 2]
    assert encoded.lengths.tolist() == [6, 6]
    assert encoded.special_mask.reshape(2, 6).tolist() == [[True] + [False] * 5] * 2
    assert (encoded.token_ids[[0, 6]] == tokenizer.bos_token_id).all()
    for place, index in enumerate(encoded.kept):
        span = slice(*encoded.offsets[place : place + 2])
        raw = texts[index].encode()
        for token, end in enumerate(encoded.token_end_byte[span]):
            prefix = tokenizer.decode(encoded.token_ids[span][1 : token + 1])
            if "\N{REPLACEMENT CHARACTER}" not in prefix:  # not within a character
                assert raw[:end].decode() == prefix
        assert encoded.token_end_byte[span][0] == 0


def test_a_token_that_stands_for_no_text_ends_where_the_one_before_does():
    spans = [(0, 0), (0, 1), (1, 3), (0, 0)]  # as begin and end of text are given
    assert forward._end_bytes("été", spans).tolist() == [0, 2, 5, 5]


def test_no_text_long_enough_says_how_long_the_longest_is(tiny_model_dir):
    tokenizer = forward.load_tokenizer(tiny_model_dir("gpt_neox"))
    with pytest.raises(InfogeoError, match=r"n = 50 .* longest of 2 texts has 5 "):
        forward.encode(tokenizer, ["the sum", "of"], n=50, shortest=50)


def test_texts_beyond_the_context_are_refused(loaded, tiny_model_dir):
    model, _ = loaded("gpt2")
    tokenizer = forward.load_tokenizer(tiny_model_dir("gpt2"))
    long = forward.encode(tokenizer, ["the sum of " * 60], CONTEXT + 1, 1)
    with pytest.raises(InfogeoError, match=f"{CONTEXT + 1} tokens .* {CONTEXT} "):
        model.check_texts(long)


def test_tokens_without_embedding_are_refused(loaded):
    model, encoded = loaded("gpt2")
    foreign = forward.Encoded(
        encoded.kept[:1], np.array([0, 2]), np.array([1, VOCABULARY]), np.zeros(2), np.zeros(2)
    )
    with pytest.raises(InfogeoError, match=f"token {VOCABULARY}"):
        model.check_texts(foreign)


def test_relative_depths_become_layers():
    assert forward.choose_layers("all", 2) == ["0", "1", "2", "final"]
    assert forward.choose_layers(["final", "0.5", 1, "0"], 3) == ["0", "2", "3", "final"]
    with pytest.raises(InfogeoError, match=r"'7', nan.*out of range"):
        forward.choose_layers(["7", math.nan, "0.5"], 4)


def test_blocks_are_consecutive_texts_within_their_tokens():
    assert forward.plan_blocks([3, 3, 3, 9, 1], 6) == [
        range(2),
        range(2, 3),
        range(3, 4),
        range(4, 5),
    ]
    assert forward.plan_blocks([4], 6) == [range(1)]


def test_batches_hold_every_text_once_and_stay_within_their_tokens():
    lengths = np.array([5, 128, 7, 128, 300, 6, 127])
    batches = forward.plan_batches(lengths, 256)
    assert sorted(np.concatenate(batches).tolist()) == list(range(7))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * lengths[batch].max() <= 256
    assert [4] in [batch.tolist() for batch in batches]


def test_without_likelihoods_states_are_the_same_and_no_logits_are_made(loaded, monkeypatch):
    model, encoded = loaded("gpt_neox")
    texts = [encoded.text(i) for i in range(3)]
    given = model, ["1", "final"], encoded.lengths[:3], list("abc")
    with_them, without = forward.Rows(*given), forward.Rows(*given, likelihoods=False)
    with_them.run(texts, batch_tokens=1000)
    monkeypatch.setattr(model, "_score", lambda *_: pytest.fail("logits were made"))
    without.run(texts, batch_tokens=1000)
    for layer, hidden in with_them.hidden.items():
        assert torch.equal(hidden, without.hidden[layer])
    assert np.isnan(without.nll).all() and np.isnan(without.predictive_entropy).all()


def test_a_batch_too_large_for_memory_is_halved_told_and_remembered(loaded, monkeypatch, capsys):
    model, encoded = loaded("gpt_neox")
    monkeypatch.setattr(model, "too_many", math.inf)  # as before, for other tests
    texts = [encoded.text(i) for i in range(5)]
    whole = forward.Rows(model, ["final"], encoded.lengths[:5], list("abcde"))
    whole.run(texts, batch_tokens=1000)
    genuine = model.run

    tried = []

    def cramped(texts, *told):
        tried.append(len(texts))
        if len(texts) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return genuine(texts, *told)

    monkeypatch.setattr(model, "run", cramped)
    halved = forward.Rows(model, ["final"], encoded.lengths[:5], list("abcde"))
    halved.run(texts, batch_tokens=1000)
    assert halved.splits == 2 and tried == [5, 2, 3, 1, 2]
    assert model.too_many < 5 * max(encoded.lengths[:5])
    told = capsys.readouterr().out
    assert told.count("memory does not suffice") == 2
    assert f"a batch of {model.too_many:,} tokens" in told
    again = forward.Rows(model, ["final"], encoded.lengths[:5], list("abcde"))
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


def test_unusable_directories_say_what_is_missing(tmp_path, tiny_model_dir):
    import shutil

    with pytest.raises(InfogeoError, match=r"tokenizer\.json"):
        forward.load_tokenizer(tmp_path)
    broken = tmp_path / "broken"
    shutil.copytree(tiny_model_dir("gpt_neox"), broken)
    weights = broken / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(InfogeoError, match="whole safetensors"):
        forward.load_model(broken, dtype="float32", name="m")
    weights.unlink()
    with pytest.raises(InfogeoError, match="whole safetensors"):
        forward.load_model(broken, dtype="float32", name="m")


def test_weights_that_lack_a_tensor_are_refused(tmp_path, tiny_model_dir):
    import shutil

    from safetensors.torch import load_file, save_file

    broken = tmp_path / "broken"
    shutil.copytree(tiny_model_dir("gpt_neox"), broken)
    tensors = load_file(broken / "model.safetensors")
    del tensors["gpt_neox.layers.1.mlp.dense_h_to_4h.weight"]
    save_file(tensors, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InfogeoError, match=r"lacks 1 .*layers\.1\.mlp\.dense_h_to_4h"):
        forward.load_model(broken, dtype="float32", name="m")


def test_width_and_depth_of_the_tiny_models_are_seen(loaded):
    for architecture in FAMILIES:
        model, _ = loaded(architecture)
        assert model.depth == DEPTH
        assert model.widths == dict.fromkeys(forward.layer_names(DEPTH), WIDTH)


# ---------------------------------------------------------------- where weights go
def test_weights_go_to_the_first_gpu_or_evenly_to_all_or_nowhere():
    assert forward.device_map(75, [100, 100], "m") == {"device_map": {"": 0}}
    spread = {"device_map": "balanced", "max_memory": {0: 90, 1: 72}}
    assert forward.device_map(76, [100, 80], "m") == spread
    with pytest.raises(InfogeoError, match=r"model 'm': its weights take 2e-07 GB, but 2 GPUs"):
        forward.device_map(200, [100, 100], "m")


@pytest.mark.parametrize("gpus", [2, 4])
def test_whole_blocks_fit_gpus_of_which_weights_take_their_share(gpus):
    import transformers
    from accelerate import infer_auto_device_map

    config = transformers.GPTNeoXConfig(  # as Pythia-410m, a quarter as wide
        vocab_size=12_576, hidden_size=256, num_hidden_layers=24, num_attention_heads=4,
        intermediate_size=1024,
    )  # fmt: skip
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config)
    size = sum(weight.nbytes for weight in model.parameters())
    free = [math.ceil(size / forward.GPU_SHARE / gpus)] * gpus  # just enough
    most = forward.device_map(size, free, "m")["max_memory"]
    found = infer_auto_device_map(model, most, list(model._no_split_modules))
    assert set(found.values()) == set(range(gpus))  # and none is left to the CPU or the disk


def test_the_size_of_weights_is_that_in_the_dtype_of_the_computation(loaded, tiny_model_dir):
    model, _ = loaded("gpt_neox")
    numbers = sum(weight.numel() for weight in model.model.parameters())
    size = forward._weight_bytes(tiny_model_dir("gpt_neox"), torch.bfloat16)
    assert size == 2 * numbers


@pytest.mark.parametrize("architecture", ["gpt_neox", "gemma2"])
def test_a_model_in_parts_is_the_model(loaded, tiny_model_dir, tmp_path, architecture):
    """As over several GPUs, accelerate hands states from part to part; one is on disk here."""
    import transformers
    from accelerate import dispatch_model

    whole, encoded = loaded(architecture)
    model = transformers.AutoModelForCausalLM.from_pretrained(tiny_model_dir(architecture))
    parts = {name: "cpu" for name, part in model.named_modules() if not list(part.children())}
    elsewhere = [name for name in parts if ".layers.1." in name]
    parts |= dict.fromkeys(elsewhere, "disk")
    parts = forward.LanguageModel(dispatch_model(model, parts, "cpu", offload_dir=tmp_path), "m")
    assert elsewhere and next(parts.blocks[1].parameters()).device.type == "meta"
    text = encoded.text(int(encoded.lengths.argmax()))
    layers = forward.layer_names(DEPTH)
    one, other = run_alone(whole, text, layers), run_alone(parts, text, layers)
    for layer in layers:
        assert torch.equal(one.hidden[layer], other.hidden[layer])
    np.testing.assert_array_equal(one.nll, other.nll)
    assert parts.widths == whole.widths and parts.post_norm == whole.post_norm
    for rows in zip(whole.attention_rows(text), parts.attention_rows(text), strict=True):
        np.testing.assert_array_equal(*rows)
    kept = keeps(len(text))["random half"]
    assert parts.gap_residual(text, kept) == whole.gap_residual(text, kept)


def test_loading_takes_memory_for_the_weights_once(tmp_path):
    import subprocess
    import sys

    import transformers

    config = transformers.GPTNeoXConfig(
        vocab_size=40_000, hidden_size=512, num_hidden_layers=4, num_attention_heads=8,
        intermediate_size=2048, max_position_embeddings=64,
    )  # fmt: skip
    model = transformers.AutoModelForCausalLM.from_config(config)
    stored = sum(weight.nbytes for weight in model.parameters()) / 1e6
    model.save_pretrained(tmp_path)
    code = """
import sys
from pathlib import Path
from infogeo.states import model as forward
from transformers import GPTNeoXForCausalLM  # what loading imports counts before

def memory(kind):
    said = Path("/proc/self/status").read_text().split(kind + ":")[1]
    return int(said.split()[0]) / 1e3

for dtype in ("float32", "bfloat16"):
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = memory("VmRSS")
    model = forward.load_model(sys.argv[1], dtype=dtype, name="m")
    print(memory("VmHWM") - before)
    del model
"""  # in a process of its own: memory that was freed before would hide what is taken
    run = [sys.executable, "-c", code, str(tmp_path)]
    found = subprocess.run(run, check=True, cwd="workflow_scripts", stdout=subprocess.PIPE)
    same, converted = map(float, found.stdout.split())
    assert stored > 200
    assert same < 1.1 * stored
    assert converted < 1.6 * stored  # the file is mapped while it is converted to half its size
