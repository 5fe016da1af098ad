"""The ladder: what its members share, how they are trained, and that a kill changes nothing."""

import json
import os
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoConfig, GPTNeoXForCausalLM

from infogeo.files.errors import InfogeoError
from infogeo.sources import (
    ladder,
    ladder_checkpoints,
    ladder_data,
    ladder_members,
    ladder_model,
    models,
)
from infogeo.sources.ladder_checkpoints import NAME

WORDS = "the matrix of values has rows and columns, each an array given by its shape: sum".split()
SHAPE = {"width": 16, "depth": 2, "head_width": 8, "batch": 4, "tokens": 2048}
RECIPE = {"seed": 0, "peak": 0.02, "beta2": 0.98, "init_std": 0.1}
CONTEXT = 16


def texts(count, seed):
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, rng.integers(3, 60))) for _ in range(count)]


def prepare(folder, train=200, heldout=20, **changes):
    settings = {
        "vocabulary": 300, "context": CONTEXT, "tokens": 2048, "seed": 0, "fingerprint": "data",
    }  # fmt: skip
    return ladder_data.prepare(texts(train, 0), texts(heldout, 1), folder, **settings | changes)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared")
    prepare(folder)
    return folder


@pytest.fixture
def train(prepared, tmp_path):
    """A function that trains into a folder of the given name."""

    def run(name="model", prepared=prepared, **changes):
        settings = {"fingerprint": "model", "expected": "data"} | SHAPE | RECIPE | changes
        ladder.train(prepared, tmp_path / name, tmp_path / "scratch", **settings)
        return tmp_path / name

    return run


def test_the_stream_is_whole_documents_in_a_seeded_order(prepared, tmp_path):
    from tokenizers import Tokenizer

    stream = np.load(prepared / "train.npy")
    assert stream.dtype == np.uint16
    assert len(stream) == 2048 + 1
    tokenizer = Tokenizer.from_file(str(prepared / "tokenizer.json"))
    starts = np.flatnonzero(stream == tokenizer.token_to_id(ladder_data.END_OF_TEXT))
    assert starts[0] == 0
    found = [tokenizer.decode(stream[a + 1 : b]) for a, b in pairwise(starts)]
    known = texts(200, 0)
    assert set(found) <= set(known)
    assert found != known[: len(found)]
    prepare(tmp_path / "again")
    prepare(tmp_path / "other", seed=1)
    assert np.array_equal(np.load(tmp_path / "again/train.npy"), stream)
    assert not np.array_equal(np.load(tmp_path / "other/train.npy"), stream)


def test_held_out_texts_are_cut_and_short_ones_left_out(prepared):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(prepared / "tokenizer.json"))
    expected = [tokenizer.encode(text).ids for text in texts(20, 1)]
    expected = [ids[:CONTEXT] for ids in expected if len(ids) >= CONTEXT]
    assert 0 < len(expected) < 20
    assert np.load(prepared / "heldout.npy").tolist() == expected


def test_a_large_vocabulary_gets_wider_integers(tmp_path, monkeypatch):
    class Large:
        def __init__(self, tokenizer):
            self.tokenizer = tokenizer

        def get_vocab_size(self):
            return 2**16 + 1

        def __getattr__(self, name):
            return getattr(self.tokenizer, name)

    real = ladder_data._train_tokenizer
    monkeypatch.setattr(ladder_data, "_train_tokenizer", lambda *a: Large(real(*a)))
    prepare(tmp_path)
    assert np.load(tmp_path / "train.npy").dtype == np.uint32


def test_a_corpus_without_train_split_is_refused(tmp_path):
    with pytest.raises(InfogeoError, match=r"no train split.*`train_share`"):
        prepare(tmp_path, train=0)


def test_held_out_texts_that_are_too_short_are_refused(tmp_path):
    with pytest.raises(InfogeoError, match=r"none of the 20 evaluation texts.* has 5000 tokens"):
        prepare(tmp_path, context=5000)


def test_the_learning_rate_warms_up_and_falls_to_nothing():
    rates = [ladder.learning_rate(step, 100, 0.5) for step in range(100)]
    assert max(rates) == rates[9] == rates[10] == 0.5  # ten steps of warm-up
    rising, falling = np.diff(rates[:10]), np.diff(rates[10:])
    assert np.allclose(rising, 0.05)
    assert np.allclose(falling, -0.5 / 90)
    assert rates[-1] == pytest.approx(0.5 / 90)


def in_the_usual_way(folder, prepared, peak, steps, watch=lambda gradients: None):
    """The model in a folder after some steps with transformers, autograd and PyTorch's classes."""
    model = GPTNeoXForCausalLM(AutoConfig.from_pretrained(folder)).eval()
    weights = {**load_file(folder / "checkpoints.safetensors")}
    model.load_state_dict({name: weights[f"0/{name}"] for name in names(model)}, strict=False)
    embeddings = model.get_input_embeddings().weight
    others = [value for value in model.parameters() if value is not embeddings]
    optimizer = torch.optim.AdamW([{"params": [embeddings]}, {"params": others}], betas=(0.9, 0.98))
    stream = torch.from_numpy(np.load(prepared / "train.npy").astype(np.int64))
    for step in range(steps):
        block = stream[64 * step : 64 * (step + 1) + 1]
        rate = ladder.learning_rate(step, steps, peak)
        optimizer.param_groups[0]["lr"] = rate
        optimizer.param_groups[1]["lr"] = rate * 16 / model.config.hidden_size
        model.zero_grad()
        logits = model(input_ids=block[:-1].view(4, CONTEXT)).logits.flatten(0, 1)
        torch.nn.functional.cross_entropy(logits, block[1:]).backward()
        watch([value.grad for value in model.parameters()])
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return model


def names(model):
    return [name for name, _ in model.named_parameters()]


def test_weights_are_those_of_a_training_in_the_usual_way(train, prepared):
    folder = train(width=32, checkpoints=[0])
    norms = []
    usual = in_the_usual_way(
        folder, prepared, 0.02, 32, lambda of: norms.append(torch.nn.utils.get_total_norm(of))
    )
    assert min(norms) < 1 < max(norms)  # some are clipped
    ours, start = load_file(folder / "model.safetensors"), load_file(folder / NAME)
    for name, value in usual.named_parameters():
        moved, apart = value.detach() - start[f"0/{name}"], ours[name] - value.detach()
        if name.endswith("query_key_value.bias"):
            # Attention does not depend on the keys' in coordinates that are not rotated: their
            # gradient is rounding, which AdamW makes as large as any other.
            apart.view(-1, 3, SHAPE["head_width"])[:, 1] = 0
        assert apart.norm() < 1e-3 * moved.norm(), name


def test_the_saved_directory_loads_and_predicts_as_held_out_nll_says(train, prepared):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = train(tokens=8192)
    names = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    assert {path.name for path in folder.iterdir()} == names | {
        "training.csv",
        "checkpoints.safetensors",
    }
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert model.config.model_type == "gpt_neox"
    assert model.config.use_parallel_residual
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    ids = torch.from_numpy(np.load(prepared / "heldout.npy").astype(np.int64))
    with torch.no_grad():
        expected = model(input_ids=ids, labels=ids).loss.item()
    curve = np.genfromtxt(folder / "training.csv", delimiter=",", names=True)
    assert curve["heldout_nll"][-1] == pytest.approx(expected, rel=1e-5)
    assert np.isnan(curve["heldout_nll"][:-1]).all()
    assert curve["tokens"][-1] == 8192
    assert np.log(300) > curve["loss"][0] > curve["loss"][-1] + 1

    tokenizer = AutoTokenizer.from_pretrained(folder)
    from tokenizers import Tokenizer

    text = "Ünïcode matrix\n\n    of  values"
    assert tokenizer(text)["input_ids"] == (
        Tokenizer.from_file(str(prepared / "tokenizer.json")).encode(text).ids
    )
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


@pytest.mark.parametrize("at", [21, 25])  # at a row of the curve, and between two
def test_a_kill_changes_no_bit_of_the_result(train, tmp_path, monkeypatch, at):
    chosen = [0, 1, 22, 30]
    undisturbed = train("undisturbed", checkpoints=chosen)
    real, steps = ladder_model.loss_and_gradients, []

    def killed(*arguments):
        steps.append(1)
        if len(steps) == at:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(ladder, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(ladder_model, "loss_and_gradients", killed)
    with pytest.raises(KeyboardInterrupt):
        train("killed", checkpoints=chosen)
    assert not (tmp_path / "killed").exists()
    waiting = {path.name for path in (tmp_path / "scratch/model").iterdir()}
    assert waiting >= {"training.pt", "0.safetensors", "1.safetensors"}
    train("killed", checkpoints=chosen)
    assert len(steps) == 32 + 1  # resumed where it was killed
    for name in ("model.safetensors", "training.csv", "config.json", "checkpoints.safetensors"):
        assert (tmp_path / "killed" / name).read_bytes() == (undisturbed / name).read_bytes(), name
    assert not (tmp_path / "scratch").exists()


def test_weights_that_are_kept_are_those_that_an_undisturbed_training_has_then(
    train, tmp_path, monkeypatch
):
    real, weights = ladder_model.loss_and_gradients, []

    def watched(now, *arguments):
        weights.append({name: value.clone() for name, value in now.named.items()})
        return real(now, *arguments)

    monkeypatch.setattr(ladder_model, "loss_and_gradients", watched)
    plain = train("plain")
    assert load_file(plain / "checkpoints.safetensors") == {}
    folder = train("with", checkpoints=[0, 3, 31])
    assert (folder / "model.safetensors").read_bytes() == (plain / "model.safetensors").read_bytes()
    of_steps = load_file(folder / "checkpoints.safetensors")
    assert len(of_steps) == 3 * len(weights[0])
    for step in (0, 3, 31):
        for name, value in weights[step].items():  # of the training that kept none
            assert torch.equal(of_steps[f"{step}/{name}"], value), (step, name)


@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_weights_that_were_kept_and_are_damaged_are_named_with_the_remedy(tmp_path, damage):
    path = tmp_path / "checkpoints.safetensors"
    if damage == "cut":
        path.write_bytes(b"cut")
    end = {"slug": "end", "directory": str(tmp_path), "files": {}}
    with pytest.raises(InfogeoError, match=r"checkpoints.*: not the whole .*snakemake -R"):
        ladder_checkpoints.take(end, tmp_path, slug="m", step=1, tokens=1, fingerprint="f")


def test_without_the_weights_that_wait_a_training_begins_anew(train, tmp_path, monkeypatch):
    undisturbed = train("undisturbed", checkpoints=[0, 2])
    monkeypatch.setattr(ladder, "CHECKPOINT_SECONDS", 0.0)
    real, steps = ladder_model.loss_and_gradients, []

    def killed(*arguments):
        steps.append(1)
        if len(steps) == 5:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(ladder_model, "loss_and_gradients", killed)
    with pytest.raises(KeyboardInterrupt):
        train("killed", checkpoints=[0, 2])
    (tmp_path / "scratch/model/2.safetensors").unlink()
    folder = train("killed", checkpoints=[0, 2])
    assert len(steps) == 5 + 32
    name = "checkpoints.safetensors"
    assert (folder / name).read_bytes() == (undisturbed / name).read_bytes()


def test_a_checkpoint_is_a_model_of_its_own(train, tmp_path):
    folder = train(checkpoints=[0, 5])
    end = models.describe(folder, "end", "ladder", "small/w16-d2-s0", "f", train_tokens=2048)
    card = ladder_checkpoints.take(
        end, tmp_path / "end@0", slug="end@0", step=0, tokens=0, fingerprint="g"
    )
    described = models.describe(
        tmp_path / "end@0", "end@0", "ladder", "small/w16-d2-s0", "g", train_tokens=0
    )
    assert card == described
    initial = ladder_model.initial(ladder_model.Shape(16, 2, 300, CONTEXT, 8), 0, 0.1)
    weights = load_file(tmp_path / "end@0/model.safetensors")
    for name, value in initial.named.items():
        assert torch.equal(weights[name], value)


def test_a_member_is_described_as_transformers_describes_it(train):
    folder = train()
    of_ladder, of_local = (
        models.describe(folder, "m", source, "w", "f") for source in ("ladder", "local")
    )
    assert of_ladder == of_local | {"source": "ladder"}


def test_a_job_starts_neither_transformers_nor_the_compiler(prepared, tmp_path):
    code = (
        "import sys\n"
        "from infogeo.sources import ladder, models\n"
        f"settings = {SHAPE | RECIPE}\n"
        "folder = sys.argv[2] + '/model'\n"
        "ladder.train(sys.argv[1], folder, sys.argv[2], fingerprint='f', **settings)\n"
        "models.describe(folder, 'm', 'ladder', 'w', 'f')\n"
        "print([name for name in ('transformers', 'torch._dynamo') if name in sys.modules])\n"
    )
    env = os.environ | {"PYTHONPATH": str(Path(ladder.__file__).parents[2])}
    command = [sys.executable, "-c", code, str(prepared), str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
    assert run.stdout.splitlines()[-1] == "[]"


def test_checkpoints_are_spaced_evenly_in_the_logarithm_of_the_step():
    settings = {"tokens": 1_000_000, "batch": 4, "context": 128}
    steps = [ladder_members.checkpoints(settings | {"checkpoints": n}) for n in (8, 2, 1, 0)]
    assert steps == [[0, 1, 3, 9, 26, 76, 224, 662], [0, 1], [0], []]
    few = {"tokens": 3 * 512, "batch": 4, "context": 128, "checkpoints": 8}
    assert ladder_members.checkpoints(few) == [0, 1, 2]  # the last step is the end


def test_a_checkpoint_of_other_settings_is_not_resumed(train, tmp_path, monkeypatch):
    monkeypatch.setattr(ladder, "CHECKPOINT_SECONDS", 0.0)
    real, steps = ladder_model.loss_and_gradients, []

    def killed(*arguments):
        steps.append(1)
        if len(steps) == 5:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(ladder_model, "loss_and_gradients", killed)
    with pytest.raises(KeyboardInterrupt):
        train("killed")
    train("other", fingerprint="other")
    assert len(steps) == 5 + 32


def test_seeds_see_the_same_tokens_in_the_same_order(train, prepared, monkeypatch):
    seen = []
    real = ladder_model.loss_and_gradients

    def watched(*arguments):
        *_, inputs, targets = arguments
        seen[-1].append((inputs.tolist(), targets.tolist()))
        return real(*arguments)

    monkeypatch.setattr(ladder_model, "loss_and_gradients", watched)
    for seed in (0, 1):
        seen.append([])
        train(f"seed{seed}", seed=seed, fingerprint=f"seed{seed}")
    assert seen[0] == seen[1]
    stream = np.load(prepared / "train.npy")
    flat = [token for inputs, _ in seen[0] for row in inputs for token in row]
    assert flat == stream[:2048].tolist()
    assert [token for _, targets in seen[0] for token in targets] == stream[1:2049].tolist()


def test_a_short_stream_is_repeated(train, tmp_path, monkeypatch):
    prepare(tmp_path / "short", tokens=200)
    seen = []
    real = ladder_model.loss_and_gradients

    def watched(*arguments):
        seen.append(arguments[-2].tolist())
        return real(*arguments)

    monkeypatch.setattr(ladder_model, "loss_and_gradients", watched)
    train(prepared=tmp_path / "short", tokens=64 * 7)
    assert len(seen) == 7
    assert seen[0] == seen[3] == seen[6]
    assert seen[0] != seen[1] != seen[2]


def test_a_stream_shorter_than_a_batch_is_refused(train, tmp_path):
    prepare(tmp_path / "short", tokens=30)
    with pytest.raises(InfogeoError, match=r"31 tokens, fewer than one batch of 4 × 16 \+ 1"):
        train(prepared=tmp_path / "short")


def test_a_head_width_that_does_not_divide_is_refused(train):
    with pytest.raises(InfogeoError, match="head_width 12 does not divide the width 16"):
        train(head_width=12)


def test_a_loss_that_is_not_finite_stops_the_training(train, tmp_path):
    with pytest.raises(InfogeoError, match=r"model: the training loss .* not finite at step 20"):
        train(init_std=1e20)
    assert not (tmp_path / "model").exists()


def test_data_of_another_fingerprint_is_refused(train):
    with pytest.raises(InfogeoError, match=r"prepared\.json.*snakemake -R"):
        train(expected="other")


def test_data_that_changed_is_refused(train, prepared, tmp_path):
    shutil.copytree(prepared, tmp_path / "changed")
    stream = np.load(tmp_path / "changed/train.npy")
    np.save(tmp_path / "changed/train.npy", stream[::-1])
    with pytest.raises(InfogeoError, match=r"train\.npy: changed since it was prepared"):
        train(prepared=tmp_path / "changed")


def test_prepared_says_what_it_is(prepared):
    said = json.loads((prepared / "prepared.json").read_text())
    assert said["fingerprint"] == "data"
    assert said["vocabulary"] == 300
    assert said["tokens"] == 2049
