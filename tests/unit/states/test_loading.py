"""Loading, drawing and placing models."""

import math

import pytest
import torch

from infogeo.files.errors import InfogeoError
from infogeo.states import loading
from infogeo.states.tokens import load_tokenizer


def test_untrained_weights_follow_the_seed_and_leave_the_generator_alone(tiny_model_dir):
    directory = tiny_model_dir("gpt_neox")

    def draw(seed):
        return loading.untrained_model(directory, dtype="float32", name="twin", seed=seed).model

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
    card = {"directory": tiny_model_dir("gpt_neox"), "slug": "m", "kind": "causal"}
    made = []
    for twin in loading.twins(card, 3, dtype="float32", seed=0):
        assert all(weight.device.type == "cpu" for weight in twin.model.parameters())
        assert all(weight.is_meta for other in made for weight in other.model.parameters())
        made.append(twin)
    assert len(made) == 3


def test_unusable_directories_say_what_is_missing(tmp_path, tiny_model_dir):
    import shutil

    with pytest.raises(InfogeoError, match=r"tokenizer\.json"):
        load_tokenizer(tmp_path)
    broken = tmp_path / "broken"
    shutil.copytree(tiny_model_dir("gpt_neox"), broken)
    weights = broken / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(InfogeoError, match="whole safetensors"):
        loading.load_model(broken, dtype="float32", name="m")
    weights.unlink()
    with pytest.raises(InfogeoError, match="whole safetensors"):
        loading.load_model(broken, dtype="float32", name="m")


def test_weights_that_lack_a_tensor_are_refused(tmp_path, tiny_model_dir):
    import shutil

    from safetensors.torch import load_file, save_file

    broken = tmp_path / "broken"
    shutil.copytree(tiny_model_dir("gpt_neox"), broken)
    tensors = load_file(broken / "model.safetensors")
    del tensors["gpt_neox.layers.1.mlp.dense_h_to_4h.weight"]
    save_file(tensors, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InfogeoError, match=r"lacks 1 .*layers\.1\.mlp\.dense_h_to_4h"):
        loading.load_model(broken, dtype="float32", name="m")


def test_weights_go_to_the_first_gpu_or_evenly_to_all_or_nowhere():
    assert loading.device_map(75, [100, 100], "m") == {"device_map": {"": 0}}
    spread = {"device_map": "balanced", "max_memory": {0: 90, 1: 72}}
    assert loading.device_map(76, [100, 80], "m") == spread
    with pytest.raises(InfogeoError, match=r"model 'm': its weights take 2e-07 GB, but 2 GPUs"):
        loading.device_map(200, [100, 100], "m")


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
    free = [math.ceil(size / loading.GPU_SHARE / gpus)] * gpus  # just enough
    most = loading.device_map(size, free, "m")["max_memory"]
    found = infer_auto_device_map(model, most, list(model._no_split_modules))
    assert set(found.values()) == set(range(gpus))  # and none is left to the CPU or the disk


def test_the_size_of_weights_is_that_in_the_dtype_of_the_computation(loaded, tiny_model_dir):
    model, _ = loaded("gpt_neox")
    numbers = sum(weight.numel() for weight in model.model.parameters())
    size = loading._weight_bytes(tiny_model_dir("gpt_neox"), torch.bfloat16)
    assert size == 2 * numbers


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
from infogeo.states import loading
from transformers import GPTNeoXForCausalLM  # what loading imports counts before

def memory(kind):
    said = Path("/proc/self/status").read_text().split(kind + ":")[1]
    return int(said.split()[0]) / 1e3

for dtype in ("float32", "bfloat16"):
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = memory("VmRSS")
    model = loading.load_model(sys.argv[1], dtype=dtype, name="m")
    print(memory("VmHWM") - before)
    del model
"""  # in a process of its own: memory that was freed before would hide what is taken
    run = [sys.executable, "-c", code, str(tmp_path)]
    found = subprocess.run(run, check=True, cwd="workflow_scripts", stdout=subprocess.PIPE)
    same, converted = map(float, found.stdout.split())
    assert stored > 200
    assert same < 1.1 * stored
    assert converted < 1.6 * stored  # the file is mapped while it is converted to half its size
