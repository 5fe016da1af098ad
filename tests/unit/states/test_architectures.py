"""Every common architecture: tiny, with random weights, loaded from a real directory."""

import json
from operator import attrgetter
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import transformers as hf
from tiny import VOCABULARY, save_tokenizer, sentences

from infogeo.context import token_ablation
from infogeo.files.artefacts import read_table
from infogeo.geometry.depths import layer_names, width_at
from infogeo.sources import models, parameters
from infogeo.states import batches, beginnings, gaps, loading
from infogeo.states.attention import attention_problem, attention_rows
from infogeo.states.dump import dump
from infogeo.states.store import open_store
from infogeo.states.tokens import encode, load_tokenizer

WIDTH, DEPTH, HEADS, CONTEXT = 32, 2, 4, 64
ROWS = VOCABULARY + 20  # of a padded vocabulary
N = 40

COMMON = {"vocab_size": VOCABULARY, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": None}
SIZES = COMMON | {
    "hidden_size": WIDTH, "num_hidden_layers": DEPTH, "num_attention_heads": HEADS,
    "initializer_range": 0.1,
}  # fmt: skip
FULL = SIZES | {"intermediate_size": 2 * WIDTH, "max_position_embeddings": CONTEXT}
GROUPED = FULL | {"num_key_value_heads": 2}
OPT = COMMON | {
    "hidden_size": WIDTH, "ffn_dim": 2 * WIDTH, "num_hidden_layers": DEPTH, "init_std": 0.1,
    "num_attention_heads": HEADS, "max_position_embeddings": CONTEXT,
}  # fmt: skip

# name: configuration, and where its final norm is.
ARCHITECTURES = {
    "gpt_neox": (hf.GPTNeoXConfig(**FULL | {"vocab_size": ROWS}), "gpt_neox.final_layer_norm"),
    "gpt2": (
        hf.GPT2Config(
            **COMMON, n_embd=WIDTH, n_layer=DEPTH, n_head=HEADS, n_positions=CONTEXT,
            initializer_range=0.1,
        ),
        "transformer.ln_f",
    ),
    "opt": (hf.OPTConfig(**OPT, word_embed_proj_dim=WIDTH), "model.decoder.final_layer_norm"),
    # As OPT-350m: embeddings are projected to the width and back, and norms come in the blocks.
    "opt_350m": (
        hf.OPTConfig(**OPT, word_embed_proj_dim=WIDTH // 2, do_layer_norm_before=False), None
    ),
    "llama": (hf.LlamaConfig(**GROUPED), "model.norm"),
    # As Llama 3.2: tied, with positions stretched beyond those of its training.
    "llama3": (
        hf.LlamaConfig(
            **GROUPED | {"vocab_size": ROWS}, tie_word_embeddings=True,
            rope_parameters={
                "rope_type": "llama3", "rope_theta": 5e5, "factor": 4.0, "low_freq_factor": 1.0,
                "high_freq_factor": 4.0, "original_max_position_embeddings": CONTEXT // 4,
            },
        ),
        "model.norm",
    ),
    "smollm3": (hf.SmolLM3Config(**GROUPED), "model.norm"),  # some layers without positions
    "mistral": (hf.MistralConfig(**GROUPED, sliding_window=9), "model.norm"),
    "qwen2": (hf.Qwen2Config(**GROUPED), "model.norm"),
    "qwen3": (hf.Qwen3Config(**GROUPED, head_dim=16, tie_word_embeddings=True), "model.norm"),
    "gemma2": (
        hf.Gemma2Config(**GROUPED, head_dim=8, sliding_window=7, final_logit_softcapping=0.5),
        "model.norm",
    ),
    "gemma3": (
        hf.Gemma3TextConfig(
            **GROUPED | {"vocab_size": ROWS}, head_dim=8, sliding_window=7,
            layer_types=["sliding_attention", "full_attention"],
        ),
        "model.norm",
    ),
    "phi3": (hf.Phi3Config(**GROUPED), "model.norm"),
    "olmo2": (hf.Olmo2Config(**GROUPED), "model.norm"),
    "falcon": (hf.FalconConfig(**SIZES, alibi=False), "transformer.ln_f"),
    "falcon_alibi": (hf.FalconConfig(**SIZES, alibi=True), "transformer.ln_f"),
    "bloom": (
        hf.BloomConfig(
            **COMMON, hidden_size=WIDTH, n_layer=DEPTH, n_head=HEADS, initializer_range=0.1
        ),
        "transformer.ln_f",
    ),
    "mixtral": (hf.MixtralConfig(**GROUPED, num_local_experts=4), "model.norm"),
    "olmoe": (hf.OlmoeConfig(**GROUPED, num_experts=4, num_experts_per_tok=2), "model.norm"),
    "mamba": (
        hf.MambaConfig(
            **COMMON, hidden_size=WIDTH, num_hidden_layers=DEPTH, state_size=4,
            initializer_range=0.1,
        ),
        "backbone.norm_f",
    ),
}  # fmt: skip
COUNTING = ("falcon_alibi", "bloom", "mamba")  # see tokens by their order, not by their positions
WITHOUT_BOS = ("gpt_neox", "qwen2", "qwen3", "bloom", "olmo2")

every = pytest.mark.parametrize("name", ARCHITECTURES)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A function: name -> the directory, model and texts as tokens of an architecture."""
    made = {}

    def build(name):
        if name not in made:
            directory = tmp_path_factory.mktemp(name)
            torch.manual_seed(0)
            hf.AutoModelForCausalLM.from_config(ARCHITECTURES[name][0]).save_pretrained(directory)
            save_tokenizer(directory, bos=name not in WITHOUT_BOS)
            tokenizer = load_tokenizer(directory)
            made[name] = SimpleNamespace(
                directory=directory,
                model=loading.load_model(directory, dtype="float32", name=name),
                tokenizer=tokenizer,
                encoded=encode(tokenizer, TEXTS, N, 5, "spectra.n"),
            )
        return made[name]

    return build


TEXTS = sentences(12, seed=3, high=45)


def states(model, texts):
    """The states of all layers, in one batch."""
    lengths = [len(text) for text in texts]
    rows = batches.Rows(model, layer_names(DEPTH), lengths, ["?"] * len(texts))
    rows.run(texts, batch_tokens=10**6)
    return rows


@every
def test_batched_states_equal_those_of_each_text_alone(built, name):
    case = built(name)
    texts = [case.encoded.text(text) for text in range(len(case.encoded))]
    assert len(set(map(len, texts))) > 4  # else nothing is padded
    batch = states(case.model, texts)
    for place, text in enumerate(texts):
        alone, span = states(case.model, [text]), slice(*batch.offsets[place : place + 2])
        for layer, hidden in alone.hidden.items():
            apart = (batch.hidden[layer][span] - hidden).norm(dim=-1)
            assert (apart <= 1e-5 * hidden.norm(dim=-1)).all(), layer
        np.testing.assert_allclose(batch.nll[span], alone.nll, rtol=1e-4, atol=1e-5)


@every
def test_layers_are_the_residual_stream_and_their_widths_those_of_its_states(built, name):
    case = built(name)
    text = case.encoded.text(0)
    hidden = states(case.model, [text]).hidden
    with torch.inference_mode():
        told = case.model.model(
            torch.from_numpy(text[None]).long(), output_hidden_states=True
        ).hidden_states
    # Mamba's first is that after the first block; in all, the last is what the head is given.
    first = 1 if name == "mamba" else 0
    for layer, expected in enumerate(told[:-1], start=first):
        torch.testing.assert_close(hidden[str(layer)], expected[0])
    torch.testing.assert_close(hidden["final"], told[-1][0])
    assert case.model.widths == {layer: values.shape[1] for layer, values in hidden.items()}
    final = WIDTH // 2 if name == "opt_350m" else WIDTH
    assert case.model.widths == dict.fromkeys(map(str, range(DEPTH + 1)), WIDTH) | {"final": final}
    said = models.describe(case.directory, "m", "local", "here", "f")
    sizes = {key: said[key] for key in ("width", "layers", "vocabulary")}
    assert sizes == {"width": WIDTH, "layers": DEPTH, "vocabulary": rows_of(name)}
    assert {layer: width_at(layer, said) for layer in hidden} == case.model.widths


@every
def test_a_twin_in_half_precision_has_the_dtypes_that_loading_gives(built, name):
    """Rotary frequencies and what loading keeps in float32 (gates, sinks) are never rounded."""
    directory = built(name).directory
    loaded = loading.load_model(directory, dtype="bfloat16", name=name).model
    twin = loading.untrained_model(directory, dtype="bfloat16", name=name, seed=1).model

    def dtypes(model):
        parts = *model.named_parameters(), *model.named_buffers()
        return {key: tensor.dtype for key, tensor in parts}

    assert dtypes(twin) == dtypes(loaded)


def rows_of(name):
    return ARCHITECTURES[name][0].vocab_size


@every
def test_the_final_state_is_flagged_where_it_is_the_final_norm_of_the_last_block(built, name):
    case, norm = built(name), ARCHITECTURES[name][1]
    hidden = states(case.model, [case.encoded.text(1)]).hidden
    if norm is None:
        assert case.model.post_norm == []
        return
    with torch.inference_mode():
        by_hand = attrgetter(norm)(case.model.model)(hidden[str(DEPTH)])
    torch.testing.assert_close(by_hand, hidden["final"])
    assert not torch.allclose(hidden["final"], hidden[str(DEPTH)], rtol=0.01)
    assert case.model.post_norm == ["final"]


@every
def test_tokens_are_those_of_the_tokenizer_and_a_begin_token_is_marked(built, name):
    case = built(name)
    begins = name not in WITHOUT_BOS
    for place, index in enumerate(case.encoded.corpus_rows):
        ids = case.tokenizer(TEXTS[index])["input_ids"]
        span = slice(*case.encoded.offsets[place : place + 2])
        assert case.encoded.text(place).tolist() == ids[:N]
        assert case.encoded.special_mask[span].tolist() == [begins] + [False] * (len(ids[:N]) - 1)
        assert (case.encoded.token_end_byte[span][0] == 0) == begins
        plain = case.tokenizer(TEXTS[index], add_special_tokens=False)["input_ids"]
        assert len(ids) == len(plain) + begins


@every
def test_nll_is_the_models_own_loss(built, name):
    case = built(name)
    for place in range(3):
        text = case.encoded.text(place)
        ids = torch.from_numpy(text[None]).long()
        with torch.inference_mode():
            own = case.model.model(ids, labels=ids)
        rows = states(case.model, [text])
        assert np.isnan(rows.nll[0]) and np.isfinite(rows.nll[1:]).all()
        assert rows.nll[1:].mean() == pytest.approx(own.loss.item(), rel=1e-5)
        log_p = torch.log_softmax(own.logits[0, :-1].double(), dim=-1)
        entropy = -(log_p.exp() * log_p).sum(dim=-1)
        np.testing.assert_allclose(rows.predictive_entropy[1:], entropy, rtol=1e-5)


@every
def test_attention_rows_are_there_or_the_model_says_that_it_has_none(built, name):
    case = built(name)
    problem = attention_problem(case.model)
    if name == "mamba":
        assert "no attention weights" in problem
        return
    assert problem == ""
    eager = hf.AutoModelForCausalLM.from_pretrained(case.directory, attn_implementation="eager")
    text = case.encoded.text(0)
    with torch.inference_mode():
        weights = eager.eval()(
            torch.from_numpy(text[None]).long(), output_attentions=True
        ).attentions
    last_row, rollout = attention_rows(case.model, text)
    assert last_row.shape == (HEADS, len(text)) and rollout.shape == (len(text),)
    np.testing.assert_allclose(last_row, weights[-1][0, :, -1], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(last_row.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(rollout.sum(), 1, rtol=1e-5)


def mask_of(config, n, kept):
    """What every token may see, by hand: kept tokens and itself, within the window of a layer."""

    def one(window):
        mask = torch.full((1, 1, n, n), torch.finfo(torch.float32).min)
        for query in range(n):
            for key in range(query + 1):
                if (key in kept and query - key < window) or key == query:
                    mask[0, 0, query, key] = 0
        return mask

    window = getattr(config, "sliding_window", None) or n
    if getattr(config, "layer_types", None) and "sliding_attention" in config.layer_types:
        return {"sliding_attention": one(window), "full_attention": one(n)}
    return one(window if config.model_type == "mistral" else n)


@every
def test_kept_tokens_alone_are_as_in_a_full_run_whose_mask_hides_the_others(built, name):
    case = built(name)
    text = case.encoded.text(int(case.encoded.lengths.argmax()))
    n = len(text)
    assert n == N  # beyond every window
    residual, problem = gaps.check_gaps(case.model, text, seed=0)
    if name in COUNTING:
        assert "takes no position ids" in problem and np.isnan(residual)
        return
    assert problem == "" and residual <= 1e-5
    assert beginnings.problem(case.model, text, seed=0) == ""
    random = np.random.default_rng(0).random(n) < 0.5
    for kept in (
        [n - 1],
        [0, n - 1],
        [*range(3), *range(n - 4, n)],
        [*np.flatnonzero(random), n - 1],
    ):
        kept = np.unique(kept)
        logits, mean, last = gaps.run_kept(case.model, text[None, kept], kept[None])
        with torch.inference_mode():
            whole = case.model.model(
                torch.from_numpy(text[None]).long(),
                attention_mask=mask_of(ARCHITECTURES[name][0], n, set(kept.tolist())),
                position_ids=torch.arange(n)[None],
                output_hidden_states=True,
            )
        final = whole.hidden_states[-1][0, kept]
        torch.testing.assert_close(logits[0], whole.logits[0, -1], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(mean[0], final.mean(dim=0), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(last[0], final[-1], rtol=1e-4, atol=1e-5)


@every
def test_parameters_are_those_of_the_loaded_model(built, name):
    case = built(name)
    model = case.model.model
    said = models.describe(case.directory, "m", "local", "here", "f")
    inputs, outputs = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    embeddings = [inputs] if outputs is inputs else [inputs, outputs]
    assert (outputs is inputs) == bool(model.config.tie_word_embeddings)
    padding = sum((len(weight) - VOCABULARY) * weight.shape[1] for weight in embeddings)
    positions = sum(
        weight.numel() for key, weight in model.named_parameters() if "wpe" in key or "posit" in key
    )
    total = sum(weight.numel() for weight in model.parameters())
    embedding = sum(weight.numel() for weight in embeddings) + positions
    assert (padding > 0) == (rows_of(name) == ROWS)
    assert {key: value for key, value in said.items() if key.startswith("params")} == {
        "params_total": total - padding,
        "params_embedding": embedding - padding,
        "params_non_embedding": total - embedding,
        "params_padding": padding,
        "params_other": 0,
    }


def test_tied_untied_and_padded_vocabularies_are_all_among_them():
    kinds = {
        (bool(config.tie_word_embeddings), config.vocab_size == ROWS)
        for config, _ in ARCHITECTURES.values()
    }
    assert kinds == {(True, True), (True, False), (False, True), (False, False)}


def test_a_tokenizer_of_vocabulary_and_merges_begins_texts_as_its_configuration_says(tmp_path):
    """As OPT's is published: no tokenizer.json, and add_bos_token."""
    save_tokenizer(tmp_path, bos=False)
    model = json.loads((tmp_path / "tokenizer.json").read_text())["model"]
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "vocab.json").write_text(json.dumps(model["vocab"]))
    merges = "".join(" ".join(pair) + "\n" for pair in model["merges"])
    (tmp_path / "merges.txt").write_text("#version: 0.2\n" + merges)
    special = dict.fromkeys(("bos_token", "eos_token", "unk_token"), "<s>")
    for begins in (True, False):
        settings = {"tokenizer_class": "GPT2Tokenizer", "add_bos_token": begins, **special}
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
        encoded = encode(load_tokenizer(tmp_path), ["the sum of the mean"], 4, 4, "n")
        assert encoded.special_mask.tolist() == [begins, False, False, False]
        assert (encoded.token_ids[0] == 0) == begins
        assert parameters.tokenizer_size(tmp_path) == VOCABULARY


@pytest.fixture
def dumped(built, tmp_path, tiny_corpus):
    """A function: name -> paths of the card and of the store of an architecture."""

    def run(name, **options):
        directory = built(name).directory
        card, store = tmp_path / f"{name}.json", tmp_path / f"{name}.h5"
        models.write_description(models.describe(directory, name, "local", "here", "f"), card)
        settings = {"n": [16], "layers": "all", "attention_texts": 2, "shard_tokens": 10**5}
        settings |= RUN | options
        dump(card, tiny_corpus, store, fingerprint="s", scratch=tmp_path, **settings)
        return card, store

    return run


RUN = {"batch_tokens": 200, "dtype": "float32", "trust_remote_code": False, "seed": 0}


def test_a_store_without_attention_rows_says_why_and_so_does_the_ablation(
    dumped, tmp_path, tiny_corpus
):
    card, path = dumped("mamba")
    with open_store(path) as store:
        assert store.attention_texts == []
        assert "'mamba': no attention weights of all 2 layers" in store.attrs["attention_problem"]
    tables = [tmp_path / f"{name}.parquet" for name in ("ablation", "status", "prediction")]
    token_ablation.ablate(
        card, tiny_corpus, path, *tables, n=16, k=[1], shares=[0.5], draws=1, centred=False,
        fingerprint="a", scratch=tmp_path, **RUN,
    )  # fmt: skip
    assert len(read_table(tables[0])) == 0
    for table in tables[1:]:
        assert "no attention weights" in read_table(table).iloc[0]["problem"]


def test_a_store_keeps_the_precision_of_the_states_where_weights_have_less(built, dumped):
    """Mamba adds in float32 whatever its weights; states in bfloat16 would be rounded."""
    path = dumped("mamba", dtype="bfloat16")[1]
    model = loading.load_model(built("mamba").directory, dtype="bfloat16", name="mamba")
    with open_store(path) as store:
        assert store.dtype == "float32"
        text = store.token_ids()[: store.lengths[0]]
        hidden = states(model, [text]).hidden["1"]
        assert not torch.equal(hidden, hidden.bfloat16().float())
        np.testing.assert_allclose(store.read(0, "1"), hidden, rtol=1e-2, atol=1e-2)


def test_a_store_has_the_width_and_the_flag_of_every_layer(dumped):
    with open_store(dumped("opt_350m")[1]) as store:
        assert store.widths == {"0": WIDTH, "1": WIDTH, "2": WIDTH, "final": WIDTH // 2}
        assert not any(store.post_norm.values())
        assert len(store.attention_texts) == 2 and store.attrs["attention_problem"] == ""
    with open_store(dumped("gemma3")[1]) as store:
        assert store.post_norm == {"0": False, "1": False, "2": False, "final": True}


@pytest.mark.parametrize("tied", [True, False])
def test_a_model_that_also_sees_is_run_and_counted_as_its_language_model(tmp_path, tied):
    config = ARCHITECTURES["gemma3"][0]
    vision = {
        "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "image_size": 8,
        "num_attention_heads": 2, "patch_size": 4,
    }  # fmt: skip
    config = hf.Gemma3Config(
        text_config=config.to_dict(), vision_config=vision, mm_tokens_per_image=4
    )
    config.text_config.tie_word_embeddings = config.tie_word_embeddings = tied
    model = hf.Gemma3ForConditionalGeneration(config)
    model.save_pretrained(tmp_path)
    save_tokenizer(tmp_path)
    loaded = loading.load_model(tmp_path, dtype="float32", name="sees")
    decoder = loaded.base.num_parameters()
    said = models.describe(tmp_path, "sees", "local", "here", "f", params=model.num_parameters())
    language = decoder + (0 if tied else ROWS * WIDTH)  # and its head
    assert said["params_total"] + said["params_padding"] == language
    assert said["params_non_embedding"] == decoder - ROWS * WIDTH
    assert said["params_other"] == model.num_parameters() - language > 0
    text = np.arange(N, dtype=np.int32)
    assert loaded.post_norm == ["final"] and attention_problem(loaded) == ""
    assert gaps.check_gaps(loaded, text, seed=0)[1] == ""
    ids = torch.from_numpy(text[None]).long()
    with torch.inference_mode():
        logits = loaded.model(ids).logits[0, :-1]
    own = torch.nn.functional.cross_entropy(logits, ids[0, 1:]).item()
    assert states(loaded, [text]).nll[1:].mean() == pytest.approx(own, rel=1e-5)
