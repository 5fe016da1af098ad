"""Model directories: what is counted, and how each kind of broken directory is told."""

import json
import shutil

import pytest
from tiny import save_tokenizer
from tiny_types import save_type

from infogeo.files.errors import InfogeoError
from infogeo.sources import (
    ladder_members,
    model_directory,
    models,
    parameters,
    tensor_files,
)
from infogeo.states.loading import load_model

WORDS = "bert.embeddings.word_embeddings.weight"
ROW = {"slug": "m", "source": "local", "where": "here", "fingerprint": "fp"}


def describe(directory, **changes):
    return models.describe(directory, **ROW | changes)


@pytest.fixture
def directory(tiny_model_dir, tmp_path):
    """A copy of a whole model directory, to be broken."""
    return shutil.copytree(tiny_model_dir("gpt_neox"), tmp_path / "model")


def edit_json(path, **changes):
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


def rewrite_weights(directory, change):
    """Load the tensors, let `change` edit the dict, save them again."""
    from safetensors.torch import load_file, save_file

    tensors = load_file(directory / "model.safetensors")
    change(tensors)
    save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})


def loaded(directory):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(directory)
    return model, len(AutoTokenizer.from_pretrained(directory))


def expected_counts(model, tokens):
    inputs, outputs = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    embeddings = {id(weight): weight for weight in (inputs, outputs)}.values()
    padding = sum((len(weight) - tokens) * weight.shape[1] for weight in embeddings)
    positions = sum(
        value.numel()
        for name, value in model.named_parameters()
        if "wpe" in name or "embed_positions" in name
    )
    stored = sum(weight.numel() for weight in embeddings) + positions
    total = sum(value.numel() for value in model.parameters())
    return {
        "params_total": total - padding,
        "params_embedding": stored - padding,
        "params_non_embedding": total - stored,
        "params_padding": padding,
        "params_other": 0,
    }


@pytest.mark.parametrize("architecture", ["gpt_neox", "gpt2", "llama", "gemma2"])
def test_counts_are_those_of_the_loaded_model(tiny_model_dir, architecture):
    directory = tiny_model_dir(architecture)
    said = describe(directory)
    model, tokens = loaded(directory)
    assert said["architecture"] == architecture
    assert {key: said[key] for key in said if key.startswith("params")} == (
        expected_counts(model, tokens)
    )
    assert said["width"] == model.get_input_embeddings().weight.shape[1]
    assert said["layers"] == 3
    assert said["vocabulary"] == 300


@pytest.mark.parametrize("tied", [True, False])
def test_counts_with_learned_positions_and_projected_embeddings(tiny_model_dir, tmp_path, tied):
    from transformers import OPTConfig, OPTForCausalLM

    config = OPTConfig(
        vocab_size=320, hidden_size=32, word_embed_proj_dim=16, num_hidden_layers=2, ffn_dim=64,
        num_attention_heads=4, max_position_embeddings=40, tie_word_embeddings=tied,
    )  # fmt: skip
    shutil.copytree(tiny_model_dir("gpt_neox"), tmp_path, dirs_exist_ok=True)
    OPTForCausalLM(config).save_pretrained(tmp_path)
    said = describe(tmp_path)
    model, tokens = loaded(tmp_path)
    assert tokens < 320  # so that padding is there to be counted
    assert {key: said[key] for key in said if key.startswith("params")} == (
        expected_counts(model, tokens)
    )
    assert said["width"] == 32


def test_every_other_field_says_where_the_model_is_from(directory):
    said = describe(
        directory,
        revision="main",
        commit="c0ffee",
        kind="encoder",
        train_tokens=10**6,
        trust_remote_code=True,
    )
    for key, value in ROW.items():
        assert said[key] == value
    assert said["revision"] == "main"
    assert said["commit"] == "c0ffee"
    assert said["kind"] == "encoder"
    assert said["train_tokens"] == 10**6
    assert said["trust_remote_code"] is True
    assert said["directory"] == str(directory)
    assert set(said["files"]) >= {"config.json", "model.safetensors", "tokenizer.json"}
    file = directory / "config.json"
    assert said["files"]["config.json"]["bytes"] == file.stat().st_size
    models.write_description(said, directory / "out.json")
    assert json.loads((directory / "out.json").read_text()) == said


def test_an_embedding_stored_twice_is_counted_once(directory, tiny_model_dir):
    whole = describe(directory)

    def tie(tensors):
        tensors["embed_out.weight"] = tensors["gpt_neox.embed_in.weight"].clone()
        tensors.pop("lm_head.weight", None)

    rewrite_weights(directory, tie)
    edit_json(directory / "config.json", tie_word_embeddings=None)
    said = describe(directory)
    assert said["params_non_embedding"] == whole["params_non_embedding"]
    assert said["params_embedding"] == whole["params_embedding"] / 2


def test_masks_and_tables_of_old_checkpoints_are_no_parameters(directory):
    import torch

    whole = describe(directory)

    def add(tensors):
        tensors["gpt_neox.layers.0.attention.bias"] = torch.ones(1, 1, 64, 64)
        tensors["gpt_neox.layers.0.attention.masked_bias"] = torch.tensor(-1e9)
        tensors["gpt_neox.layers.0.attention.rotary_emb.inv_freq"] = torch.ones(8)
        tensors["transformer.h.0.attn.bias"] = torch.ones(1, 1, 64, 64, dtype=torch.bool)

    rewrite_weights(directory, add)
    assert describe(directory)["params_total"] == whole["params_total"]


def test_names_alone_tell_biases_of_attention_from_masks(directory):
    config, _, tensors = model_directory.validate_directory(directory)
    tensors["gpt_neox.layers.0.attention.bias"] = ("", "F32", (32,), 0, 0)
    assert not parameters.by_names(directory, config, tensors).buffers
    tensors["gpt_neox.layers.0.attention.bias"] = ("", "F32", (1, 1, 8, 8), 0, 0)
    names = parameters.by_names(directory, config, tensors)
    assert names.buffers == ["gpt_neox.layers.0.attention.bias"]


def saved(config, directory, tiny_model_dir, **edited):
    """A random model of a configuration, saved with a tokenizer; then its config is edited."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    shutil.copytree(tiny_model_dir("gpt_neox"), directory, dirs_exist_ok=True)
    AutoModelForCausalLM.from_config(config).save_pretrained(directory)
    edit_json(directory / "config.json", **edited)
    return directory


def llama(**changes):
    from transformers import LlamaConfig

    sizes = {"vocab_size": 300, "hidden_size": 32, "num_hidden_layers": 2, "intermediate_size": 64}
    return LlamaConfig(**sizes | {"num_attention_heads": 4} | changes)


def test_layers_that_do_not_load_are_not_counted_and_named(tmp_path, tiny_model_dir):
    short = saved(llama(num_hidden_layers=4), tmp_path, tiny_model_dir, num_hidden_layers=2)
    said = describe(short)
    assert said["params_non_embedding"] == 20_640
    assert {name.split(".")[2] for name in said["surplus"]} == {"2", "3"}
    assert sum(said["surplus"].values()) == 41_248 - 20_640
    assert loaded(short)[0].num_parameters() == said["params_total"]
    line = models.summary(said)
    assert "; not run, and not counted: 18 tensors of 20,608 numbers (model.layers.2." in line
    # A publisher may have counted either.
    whole = said["params_total"] + sum(said["surplus"].values())
    assert describe(short, params=whole) == describe(short, params=said["params_total"])


@pytest.mark.parametrize(
    "surplus",
    ["mtp.layers.0.mlp.up_proj.weight", "v_head.summary.weight", "score.weight",
     "ema.model.layers.0.mlp.up_proj.weight", "model.layers.0.self_attn.rotary_emb.inv_freq"],
)  # fmt: skip
def test_heads_and_copies_that_do_not_load_are_not_counted(tmp_path, tiny_model_dir, surplus):
    import torch

    directory = saved(llama(), tmp_path, tiny_model_dir)
    whole = describe(directory)
    assert whole["surplus"] == {}
    rewrite_weights(directory, lambda tensors: tensors.update({surplus: torch.ones(4, 32)}))
    said = describe(directory)
    assert said["surplus"] == {surplus: 128}
    assert said["params_total"] == whole["params_total"]


def test_buffers_that_load_are_no_parameters(tmp_path, tiny_model_dir):
    from transformers import MiniMaxConfig

    config = MiniMaxConfig(
        vocab_size=300, hidden_size=32, num_hidden_layers=2, intermediate_size=32, head_dim=8,
        num_attention_heads=4, num_key_value_heads=2, num_local_experts=3, num_experts_per_tok=1,
        layer_types=["linear_attention", "full_attention"],
    )  # fmt: skip
    directory = saved(config, tmp_path, tiny_model_dir)
    said = describe(directory)
    model, _ = loaded(directory)
    assert said["params_total"] + said["params_padding"] == model.num_parameters()
    assert said["surplus"] == {}
    assert {name.split(".")[-1] for name in said["buffers"]} == {
        "diagonal_decay", "key_decay", "query_decay", "slope_rate"
    }  # fmt: skip
    assert "; loaded, but no parameters, and not counted: 4 tensors" in models.summary(said)


def test_experts_stored_one_by_one_are_counted_once_each(tmp_path, tiny_model_dir):
    from transformers import MixtralConfig

    config = MixtralConfig(
        vocab_size=300, hidden_size=32, num_hidden_layers=2, intermediate_size=64,
        num_attention_heads=4, num_key_value_heads=2, num_local_experts=3,
    )  # fmt: skip
    directory = saved(config, tmp_path, tiny_model_dir)
    said = describe(directory)
    assert said["surplus"] == {}
    assert said["params_total"] + said["params_padding"] == loaded(directory)[0].num_parameters()


@pytest.mark.parametrize(
    "name", ["openai-gpt", "rwkv", "xlm", "prophetnet", "cpmant", "deepseek_v3", "qwen3_5"]
)
def test_families_with_names_of_their_own_are_counted_as_they_load(tmp_path, name):
    save_type(name, tmp_path)
    save_tokenizer(tmp_path)
    said = describe(tmp_path)
    model, _ = loaded(tmp_path)
    stored = said["params_total"] + said["params_padding"] + said["params_other"]
    assert stored == model.num_parameters()
    assert 0 < said["params_non_embedding"] < said["params_total"]


def test_weights_that_are_tied_by_the_config_but_differ_are_two(tmp_path, tiny_model_dir):
    directory = saved(llama(), tmp_path, tiny_model_dir, tie_word_embeddings=True)
    said = describe(directory)
    assert said["params_total"] + said["params_padding"] == loaded(directory)[0].num_parameters()


def test_an_embedding_stored_under_another_name_of_its_own_is_found(tmp_path, tiny_model_dir):
    directory = saved(llama(tie_word_embeddings=True), tmp_path, tiny_model_dir)
    whole = describe(directory)

    def rename(tensors):
        tensors["lm_head.weight"] = tensors.pop("model.embed_tokens.weight")

    rewrite_weights(directory, rename)
    said = describe(directory)
    assert {key: said[key] for key in said if key.startswith("params")} == (
        {key: whole[key] for key in whole if key.startswith("params")}
    )


def test_an_encoder_is_counted_without_head_and_pooler(tmp_path, tiny_model_dir):
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=300, hidden_size=32, num_hidden_layers=2, intermediate_size=64,
        num_attention_heads=4, max_position_embeddings=66,
    )  # fmt: skip
    with_head = describe(saved(config, tmp_path / "a", tiny_model_dir), kind="encoder")
    saved(config, tmp_path / "b", tiny_model_dir)
    BertModel(config).save_pretrained(tmp_path / "b")
    with_pooler = describe(tmp_path / "b", kind="encoder")
    BertModel(config, add_pooling_layer=False).save_pretrained(tmp_path / "b")
    bare = describe(tmp_path / "b", kind="encoder")
    for said, unused in ((with_head, "cls."), (with_pooler, "pooler."), (bare, None)):
        assert {name.split(".")[0] + "." for name in said["surplus"]} <= {unused}
        assert said["params_total"] == bare["params_total"]
        assert said["params_non_embedding"] == bare["params_non_embedding"]
    twice = saved(config, tmp_path / "c", tiny_model_dir)
    for change in (
        lambda tensors: tensors.__setitem__(
            "cls.predictions.decoder.weight", tensors[WORDS].clone()
        ),
        lambda tensors: tensors.pop(WORDS),  # a weight that is tied, under its other name alone
    ):
        rewrite_weights(twice, change)
        assert describe(twice, kind="encoder")["params_total"] == bare["params_total"]
    base = BertModel(config, add_pooling_layer=False).num_parameters()
    assert bare["params_total"] + bare["params_padding"] == base
    assert with_head["surplus"] and with_pooler["surplus"]


def test_what_a_publisher_saved_about_outputs_and_kernels_does_not_count(tmp_path, tiny_model_dir):
    directory = saved(llama(), tmp_path, tiny_model_dir)
    whole = describe(directory)
    edit_json(directory / "config.json", return_dict=False, attn_implementation="flash_attention_2")
    assert describe(directory)["params_total"] == whole["params_total"]
    model = load_model(directory, dtype="float32", name="m").model
    assert model.config.return_dict
    assert model.config._attn_implementation == "sdpa"


def test_shards_are_counted_as_one_model(directory):
    whole = describe(directory)
    model, _ = loaded(directory)
    (directory / "model.safetensors").unlink()
    model.save_pretrained(directory, max_shard_size="40KB")
    said = describe(directory)
    shards = {name for name in said["files"] if name.startswith("model-")}
    assert len(shards) > 1
    assert "model.safetensors.index.json" in said["files"]
    assert said["params_total"] == whole["params_total"]


def test_the_tokenizer_hash_ignores_layout_and_padding_but_no_token(directory):
    before = describe(directory)["tokenizer_sha256"]
    path = directory / "tokenizer.json"
    content = json.loads(path.read_text())
    content["truncation"] = {
        "max_length": 4, "strategy": "LongestFirst", "stride": 0, "direction": "Right"
    }  # fmt: skip
    path.write_text(json.dumps(content, indent=7))
    assert describe(directory)["tokenizer_sha256"] == before
    content["model"]["merges"] = content["model"]["merges"][:-1]
    path.write_text(json.dumps(content))
    assert describe(directory)["tokenizer_sha256"] != before


@pytest.mark.parametrize(
    ("files", "size"),
    [
        ({"tokenizer.json": {"model": {"vocab": {"a": 0, "b": 6}}}}, 7),
        ({"tokenizer.json": {"model": {"vocab": [["a", -1.0]]}, "added_tokens": [{"id": 9}]}}, 10),
        ({"vocab.json": {"a": 0, "b": 1}, "added_tokens.json": {"c": 2}}, 3),
        ({}, None),
    ],
)
def test_the_size_of_each_kind_of_tokenizer(tmp_path, files, size):
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content))
    assert parameters.tokenizer_size(tmp_path) == size


def test_headers_are_read_as_the_safetensors_library_reads_them(directory):
    from safetensors import safe_open

    tensors = tensor_files.read_header(directory / "model.safetensors")
    with safe_open(directory / "model.safetensors", "np") as file:
        assert set(tensors) == set(file.keys())
        for name in file.keys():  # noqa: SIM118 (no mapping)
            assert tensors[name][2] == tuple(file.get_slice(name).get_shape())
            data = (directory / "model.safetensors").read_bytes()[
                tensors[name][3] : tensors[name][4]
            ]
            assert data == file.get_tensor(name).tobytes()


def test_the_default_table_states_the_counts():
    import csv
    from pathlib import Path

    with (Path(__file__).parents[3] / "config/models.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    shapes = set()
    for row in rows:
        member = ladder_members.member(row["where"])
        shapes.add((member["width"], member["depth"]))
        total, _ = ladder_members.parameters(member["width"], member["depth"], 2048)
        assert int(row["params"]) == total, row["slug"]
    assert len(shapes) >= 9


def test_an_index_without_metadata_is_loaded(directory):
    index = shard(directory)
    del index["metadata"]
    (directory / "model.safetensors.index.json").write_text(json.dumps(index))
    said = describe(directory)
    model = load_model(directory, dtype="float32", name="m").model
    assert model.num_parameters() == said["params_total"] + said["params_padding"]


# ---------------------------------------------------------------- what is wrong, one by one
def test_a_missing_directory_is_named(tmp_path):
    with pytest.raises(InfogeoError, match=r"nothing: no such model directory") as error:
        describe(tmp_path / "nothing")
    assert "hub" not in str(error.value)


def test_a_repository_where_a_directory_is_expected_hints_at_the_source():
    with pytest.raises(InfogeoError, match=r"EleutherAI/pythia-14m is a repository .* to hub"):
        describe("EleutherAI/pythia-14m")


@pytest.mark.parametrize("where", ["m-Q4_K_M.gguf", ""])
def test_a_gguf_file_says_what_it_is_and_how_to_convert(tmp_path, where):
    (tmp_path / "m-Q4_K_M.gguf").touch()
    with pytest.raises(
        InfogeoError, match=r"GGUF file holds .*gguf_file=.*save_pretrained"
    ) as error:
        describe(tmp_path / where)
    assert "\n" not in str(error.value)


def test_a_tokenizer_of_a_newer_version_is_told_with_its_parts(directory):
    edit_json(directory / "tokenizer.json", pre_tokenizer={"type": "FancySplit"})
    with pytest.raises(
        InfogeoError, match=r"tokenizer.json: tokenizers [0-9.]+ cannot .*pre_tokenizer FancySplit"
    ):
        describe(directory)


def test_a_directory_without_config_is_refused(directory):
    (directory / "config.json").unlink()
    with pytest.raises(InfogeoError, match=r"no config\.json"):
        describe(directory)


def test_a_config_that_is_not_json_is_named(directory):
    (directory / "config.json").write_text("{")
    with pytest.raises(InfogeoError, match=r"config\.json: not JSON"):
        describe(directory)


def test_a_directory_without_tokenizer_is_refused(directory):
    (directory / "tokenizer.json").unlink()
    with pytest.raises(InfogeoError, match=r"no tokenizer \(none of tokenizer\.json"):
        describe(directory)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt"])
def test_pickled_weights_alone_are_refused_with_the_conversion(directory, name):
    (directory / "model.safetensors").rename(directory / name)
    with pytest.raises(InfogeoError, match=rf"only pickled weights \({name}\).*save_pretrained"):
        describe(directory)


def test_a_directory_without_weights_is_refused(directory):
    (directory / "model.safetensors").unlink()
    with pytest.raises(InfogeoError, match=r"no weights: neither model\.safetensors"):
        describe(directory)


def cut(data):
    return data[:-1]


def cut_in_the_header(data):
    return data[:100]


def lengthen(data):
    return data + b"0"


def empty(data):
    return b""


@pytest.mark.parametrize("damage", [cut, cut_in_the_header, lengthen, empty])
def test_truncated_weights_are_named_with_both_sizes(directory, damage):
    path = directory / "model.safetensors"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InfogeoError, match=rf"model\.safetensors: .*{path.stat().st_size:,} bytes"):
        describe(directory)


def header_of(data):
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def with_header(text, rest):
    return len(text).to_bytes(8, "little") + text + rest


@pytest.mark.parametrize("kind", ["junk", "list", "dtype", "shape", "gap"])
def test_a_corrupt_header_is_named(directory, kind):
    path = directory / "model.safetensors"
    header, rest = header_of(path.read_bytes())
    first = min(
        (name for name in header if name != "__metadata__"),
        key=lambda name: header[name]["data_offsets"],
    )
    if kind == "dtype":
        header[first]["dtype"] = "F33"
    elif kind == "shape":
        header[first]["shape"][0] += 1
    elif kind == "gap":
        del header[first]
    text = {"junk": b"{not json", "list": b"[]"}.get(kind, json.dumps(header).encode())
    path.write_bytes(with_header(text, rest))
    with pytest.raises(
        InfogeoError, match=r"model\.safetensors: the safetensors header is corrupt"
    ):
        describe(directory)


def shard(directory):
    model, _ = loaded(directory)
    (directory / "model.safetensors").unlink()
    model.save_pretrained(directory, max_shard_size="40KB")
    return json.loads((directory / "model.safetensors.index.json").read_text())


def test_missing_shards_are_listed(directory):
    name = sorted(set(shard(directory)["weight_map"].values()))[1]
    (directory / name).unlink()
    with pytest.raises(InfogeoError, match=rf"1 of \d+ weight files.*missing: {name}"):
        describe(directory)


def test_a_tensor_that_only_the_index_knows_is_named(directory):
    index = shard(directory)
    index["weight_map"]["lost.weight"] = next(iter(index["weight_map"].values()))
    (directory / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(InfogeoError, match=r"lists 1 tensors .* such as lost\.weight"):
        describe(directory)


def test_a_count_that_disagrees_with_the_row_is_told_with_all_numbers(directory):
    said = describe(directory)
    stored = said["params_total"] + said["params_padding"]
    assert describe(directory, params=round(stored * 1.009)) == said
    wrong = round(stored * 1.02)
    with pytest.raises(
        InfogeoError, match=f"model m: .* params = {wrong:,}, but the weights in .* have {stored:,}"
    ):
        describe(directory, params=wrong)
    count = said["params_non_embedding"]
    assert describe(directory, params_non_embedding=count) == said
    message = f"params_non_embedding = {2 * count:,}, but the weights in .* have {count:,}"
    with pytest.raises(InfogeoError, match=message):
        describe(directory, params_non_embedding=2 * count)


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_code_that_comes_with_the_model_needs_the_rows_consent(directory, name):
    edit_json(directory / "config.json", model_type="own")
    edit_json(directory / name, auto_map={"AutoModel": "modeling.Model"})
    edit_json(directory / "config.json", auto_map={"AutoModel": "modeling.Model"})
    (directory / "modeling.py").write_text("")
    with pytest.raises(InfogeoError, match=rf"{name} \(auto_map\).*trust_remote_code"):
        describe(directory)
    assert "modeling.py" in describe(directory, trust_remote_code=True)["files"]


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_code_left_in_the_config_of_a_family_of_transformers_is_not_run(directory, name):
    whole = describe(directory)
    edit_json(directory / name, auto_map={"AutoConfig": "configuration.Config"})
    (directory / "configuration.py").write_text("raise RuntimeError")
    assert describe(directory)["params_total"] == whole["params_total"]
    load_model(directory, dtype="float32", name="m")


def test_a_type_that_transformers_does_not_know_is_told(directory):
    edit_json(directory / "config.json", model_type="own")
    with pytest.raises(InfogeoError, match=r"config.json: transformers .* cannot read it"):
        describe(directory)


def test_an_encoder_decoder_is_refused_in_one_line(directory):
    from transformers import T5Config

    T5Config().save_pretrained(directory)
    with pytest.raises(InfogeoError, match="T5Config is an encoder–decoder") as error:
        describe(directory)
    assert "\n" not in str(error.value)


def test_a_model_that_sees_without_a_causal_class_names_its_language_model(directory):
    from transformers import LlavaConfig

    LlavaConfig().save_pretrained(directory)
    with pytest.raises(InfogeoError, match=r"LlavaConfig: .*Save its language model \(LlamaConfig"):
        describe(directory)


@pytest.mark.parametrize(("name", "layers"), [("hrm_text", 16), ("longcat_flash", 4)])
def test_blocks_that_are_not_layers_are_told_at_the_fetch(tmp_path, name, layers):
    save_type(name, tmp_path)
    save_tokenizer(tmp_path)
    with pytest.raises(InfogeoError, match=f"num_hidden_layers = {layers}, but no list .* so long"):
        describe(tmp_path)


def test_an_encoder_without_a_causal_head_names_the_column(directory):
    from transformers import ModernBertConfig

    ModernBertConfig().save_pretrained(directory)
    with pytest.raises(InfogeoError, match="set `kind` to encoder"):
        describe(directory)


def test_quantised_weights_are_refused(directory):
    edit_json(directory / "config.json", quantization_config={"bits": 4})
    with pytest.raises(InfogeoError, match="quantised"):
        describe(directory)


def test_a_config_of_another_model_is_told(directory):
    edit_json(directory / "config.json", vocab_size=301)
    with pytest.raises(InfogeoError, match=r"is \[300, 32\], by config.json \[301, 32\]"):
        describe(directory)


def test_a_config_without_width_is_told(directory):
    edit_json(directory / "config.json", hidden_size=None)
    with pytest.raises(InfogeoError, match="Config and weights are of different models"):
        describe(directory)
    config, _, tensors = model_directory.validate_directory(directory)
    with pytest.raises(InfogeoError, match=r"config\.json: none of hidden_size, n_embd"):
        parameters.by_names(directory, config, tensors)


def test_a_base_model_without_its_head_is_told(directory):
    def behead(tensors):
        for name in ("lm_head.weight", "embed_out.weight"):
            tensors.pop(name, None)

    rewrite_weights(directory, behead)
    edit_json(directory / "config.json", tie_word_embeddings=False)
    with pytest.raises(InfogeoError, match=r"head is not tied .* but there is none"):
        describe(directory)


def test_weights_without_a_known_input_embedding_are_told(directory):
    def rename(tensors):
        tensors["gpt_neox.secret.weight"] = tensors.pop("gpt_neox.embed_in.weight")

    rewrite_weights(directory, rename)
    with pytest.raises(InfogeoError, match=r"lack 1 of the tensors .*\(gpt_neox.embed_in.weight\)"):
        describe(directory)
    config, _, tensors = model_directory.validate_directory(directory)
    names = parameters.by_names(directory, config, tensors)
    with pytest.raises(InfogeoError, match="cannot tell which weight is the input embedding"):
        parameters.count_parameters(directory, config, tensors, names)


def test_reading_a_directory_does_not_import_torch(directory):
    import subprocess
    import sys

    code = (
        "import sys; from infogeo.sources import model_directory;"
        f"model_directory.validate_directory({str(directory)!r});"
        "assert not {'numpy', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd="workflow_scripts")
