"""What a GPU gains, and whether it agrees with the CPU: Pythia-410m- and 1.4b-shaped models.

Usage: python tests/bench/gpu.py [--tiny]

Needs a GPU; --tiny runs all of it small on whatever there is, to see that it works. BENCH_DIR names
the disk to write to (by default that of temporary files).

Speed. Random bfloat16 weights are saved and loaded as a job loads them. The bare pass runs the
model over all tokens with NLL and predictive entropy and keeps nothing else; the dump stores the
last and three intermediate layers, from the tokens to the verified store in its place: every state
is written twice, once in a shard and once in the store. Both run the same batches of the same
loaded model, in turns, and the best of each is taken. "floor" is the tokens/s at which plain files
of that size, written twice and synced, come out: where it is below the bare pass, the disk binds.

Measurement, of the 1.4b shape: `measure_states` at all layers over 10,000 texts beside the bare
pass over them. The goal is 1.3 times its time.

Corpus, d = 2,048, T = 100,000 tokens: the spectra of the corpus with products on the host and on
the device (`geometry.device`), by the clock, and the largest difference of an eigenvalue (their sum
is 1; bound 1e-12).

Agreement, in float32 without TF32, of the 410m shape: the largest distance of a state on the GPU
from that on the CPU, as a share of the row's norm (bound 1e-4); the largest relative difference of
matrix entropies of the two (bound 1e-4: they follow the states); and of entropies of the same
states, from one float64 Gram and its eigenvalues on the GPU and from ours on the CPU (bound 1e-6).
"""

import contextlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "workflow_scripts"), str(ROOT / "tests")]

import numpy as np
import pandas as pd
import torch
import transformers

from infogeo.files.artefacts import write_table
from infogeo.geometry import (
    entropy,
    metrics,
    spectra,
)
from infogeo.geometry.corpus_spectra import Sums
from infogeo.geometry.depths import choose_layers
from infogeo.geometry.device import Device
from infogeo.states import batches, loading, measurement, shards
from infogeo.states import dump as dump_module
from infogeo.states.reduction import LayerCorpus
from infogeo.states.tokens import Encoded

TINY = "--tiny" in sys.argv
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
N, REPETITIONS = 128, 3
VOCABULARY = 1000 if TINY else 50304
SHAPES = {"410m": (1024, 24, 16), "1.4b": (2048, 24, 16)}  # width, layers, heads
TEXTS = 64 if TINY else 4096
MEASURED_TEXTS = 64 if TINY else 10_000
BATCHES = (4096,) if TINY else (4096, 16384, 65536)
SHARD_TOKENS = 2048 if TINY else 65536
DEPTHS = [0.25, 0.5, 0.75, "final"]
if TINY:
    SHAPES = {"tiny": (64, 4, 4)}


def save(folder, width, layers, heads):
    """A GPT-NeoX with random bfloat16 weights in a directory; its size in bytes."""
    config = transformers.GPTNeoXConfig(
        vocab_size=VOCABULARY,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=4 * width,
        max_position_embeddings=2048,
    )
    torch.manual_seed(0)
    with torch.device(DEVICE):
        model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(folder)
    return sum(weight.nbytes for weight in model.parameters())


def tokens(texts):
    ids = np.random.default_rng(0).integers(0, VOCABULARY, texts * N, dtype=np.int32)
    return Encoded(
        np.arange(texts),
        np.arange(texts + 1) * N,
        ids,
        np.zeros(texts * N, dtype=bool),
        np.tile(np.arange(N, dtype=np.int32), texts),
    )


def memory(kind):
    """MB of this process: VmRSS now, VmHWM at most."""
    said = Path("/proc/self/status").read_text()
    return int(said.split(kind + ":")[1].split()[0]) / 1e3


def bare(model, encoded, batch_tokens):
    for batch in batches.plan_batches(encoded.lengths, batch_tokens):
        model.run([encoded.text(text) for text in batch], lambda layer, hidden: None)


def dump(folder, batch_tokens):
    dump_module.dump(
        folder / "model.json",
        folder / "corpus.parquet",
        folder / "out.h5",
        n=[N],
        layers=DEPTHS,
        attention_texts=0,
        batch_tokens=batch_tokens,
        shard_tokens=SHARD_TOKENS,
        dtype="bfloat16",
        trust_remote_code=False,
        seed=0,
        fingerprint="f",
        threads=torch.get_num_threads(),
        scratch=folder / "scratch",
    )


def plain(folder, size):
    """Write so many bytes twice, and sync them."""
    block = os.urandom(1 << 24)
    for name in ("one", "two"):
        with (folder / name).open("wb") as file:
            for start in range(0, size, len(block)):
                file.write(block[: size - start])
            file.flush()
            os.fsync(file.fileno())
    for name in ("one", "two"):
        (folder / name).unlink()


def seconds(function, *arguments):
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def prepare(folder, width, layers, texts):
    """The files that a dump reads."""
    card = {
        "slug": "bench", "kind": "causal", "directory": str(folder), "revision": "", "commit": "",
        "files": {}, "params_total": 0, "params_non_embedding": 0, "tokenizer_sha256": "",
        "width": width, "final_width": width, "layers": layers, "fingerprint": "m",
    }  # fmt: skip
    (folder / "model.json").write_text(json.dumps(card))
    names = ("doc_id", "text", "label", "source")
    rows = {name: [f"{name} {text}" for text in range(texts)] for name in names}
    write_table(pd.DataFrame(rows), folder / "corpus.parquet", "c")


def measure_states(folder, batch_tokens):
    """As the default configuration has it, of unlabelled texts."""
    outputs = {name: folder / f"{name}.parquet" for name in measurement.TABLES}
    measurement.measure(
        folder / "model.json",
        folder / "corpus.parquet",
        None,
        outputs | {"states": folder / "states.h5", "spectra": folder / "spectra.h5"},
        n=[32, N],
        layers="all",
        lambdas=[0.01, 0.1, 1.0],
        eps2=[0.01, 0.1, 0.5, 1.0],
        neighbours=64,
        sampled_rows=2000,
        draws=99,
        depths=["final"],
        depth_tolerance=0.1,
        sentence_n=32,
        fingerprints={"states": "s", "spectra": "s", "gain": "s"},
        attention_texts=0,
        batch_tokens=batch_tokens,
        shard_tokens=SHARD_TOKENS,
        dtype="bfloat16",
        trust_remote_code=False,
        seed=0,
        threads=os.cpu_count(),
        scratch=folder / "scratch",
    )


@contextlib.contextmanager
def prepared(folder, name, shape, texts):
    """A model of that shape, loaded, and texts; every job takes these. (model, encoded)"""
    width, layers, _ = shape
    weights = save(folder, *shape)
    host = memory("VmRSS")
    took = time.perf_counter()
    model = loading.load_model(folder, dtype="bfloat16", name=name)
    took = time.perf_counter() - took
    print(
        f"{name}: {weights / 1e6:,.0f} MB of weights loaded in {took:.1f} s; the process "
        f"grew by {memory('VmRSS') - host:,.0f} MB",
        flush=True,
    )
    encoded = tokens(texts)
    prepare(folder, width, layers, texts)
    given = {"load_tokenizer": lambda *args: None, "encode": lambda *args: encoded}
    with (
        mock.patch.object(loading, "load_model", lambda *args, **kwargs: model),
        mock.patch.multiple(shards, **given),
    ):
        yield model, encoded


def speed(name, shape):
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        folder = Path(folder)
        with prepared(folder, name, shape, TEXTS) as (model, encoded):
            for batch_tokens in BATCHES:
                measure(name, folder, model, encoded, batch_tokens)


def measurement_speed(name, shape):
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        folder = Path(folder)
        with prepared(folder, name, shape, MEASURED_TEXTS) as (model, encoded):
            bare(model, encoded, BATCHES[-1])  # everything warm
            plain_pass = seconds(bare, model, encoded, BATCHES[-1])
            measured = seconds(measure_states, folder, BATCHES[-1])
    print(
        f"{name}, {MEASURED_TEXTS:,} texts, all layers: bare pass {plain_pass:.1f} s, "
        f"measure_states {measured:.1f} s, ratio {measured / plain_pass:.2f} (goal: 1.3)"
    )


def measure(name, folder, model, encoded, batch_tokens):
    bare(model, encoded, batch_tokens), dump(folder, batch_tokens)  # everything warm
    size = (folder / "out.h5").stat().st_size
    best, peak = {}, {}
    for _ in range(REPETITIONS):
        for kind, run, given in (
            ("bare", bare, (model, encoded, batch_tokens)),
            ("dump", dump, (folder, batch_tokens)),
            ("floor", plain, (folder, size)),
        ):
            if DEVICE == "cuda":
                torch.cuda.reset_peak_memory_stats()
            best[kind] = min(best.get(kind, np.inf), seconds(run, *given))
            peak[kind] = torch.cuda.max_memory_allocated() / 1e6 if DEVICE == "cuda" else 0
    rates = {kind: len(encoded.token_ids) / value for kind, value in best.items()}
    written = 2 * size / best["dump"] / 1e6
    lowest = min(rates["bare"], rates["floor"])
    columns = [
        f"{name:<6}{batch_tokens:>8,}{len(encoded.token_ids):>10,}",
        *(f"{rates[kind]:>12,.0f}" for kind in ("bare", "dump", "floor")),
        f"{rates['dump'] / rates['bare']:>11.2f}{rates['dump'] / lowest:>12.2f}",
        f"{size / 1e6:>9,.0f}{written:>9,.0f}{peak['bare']:>10,.0f}{peak['dump']:>10,.0f}",
        f"{memory('VmHWM'):>10,.0f}",
    ]
    print("".join(columns), flush=True)


def agreement(name, shape):
    texts = 8
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        save(folder, *shape)
        encoded, states = tokens(texts), {}
        for device in ("cpu", DEVICE):
            with mock.patch.object(
                torch.cuda, "is_available", lambda device=device: device != "cpu"
            ):
                model = loading.load_model(folder, dtype="float32", name=name)
            assert model.device.type == device
            layers = choose_layers(DEPTHS, model.depth)
            rows = batches.Rows(model, layers, encoded.lengths, ["?"] * texts)
            rows.run([encoded.text(text) for text in range(texts)], 4096)
            states[device] = {layer: rows.hidden[layer].clone() for layer in layers}
    apart, follow, same = 0.0, 0.0, 0.0
    for layer, ours in states["cpu"].items():
        other = states[DEVICE][layer]
        apart = max(apart, float(((ours - other).norm(dim=1) / ours.norm(dim=1)).max()))
        for text in range(texts):
            span = slice(text * N, (text + 1) * N)
            entropies = [matrix_entropies(Z[span].numpy()) for Z in (ours, other)]
            follow = max(follow, float(np.max(np.abs(entropies[1] / entropies[0] - 1))))
            direct = float(direct_entropy(ours[span].to(DEVICE, torch.float64)))
            same = max(same, abs(direct / entropies[0][0] - 1))
    print(f"{name}, float32, {DEVICE} against cpu, {texts} texts, layers {', '.join(layers)}")
    for what, value, bound in (
        ("states, of the row's norm", apart, 1e-4),
        ("matrix entropies of these states", follow, 1e-4),
        ("matrix entropies of the same states", same, 1e-6),
    ):
        print(f"  {what:<40}{value:>10.1e}   {'within' if value <= bound else 'BEYOND'} {bound:g}")


def corpus_on_device():
    width, texts = (64, 100) if TINY else (2048, 781)
    rng = np.random.default_rng(0)
    Z = rng.standard_normal((64, N, width), dtype=np.float32)
    Z *= np.arange(1, width + 1, dtype=np.float32) ** -0.8
    counts, found, took = {32: texts, N: texts}, {}, {}
    sums = Sums(counts, width)
    for text in range(texts):
        sums.add(Z[text % 64][None].astype(float))
    for name, device in (("host", None), (DEVICE, Device(DEVICE))):
        corpus = LayerCorpus(counts, width, sums.centres(counts), True, device)
        begun = time.perf_counter()
        corpus.add((text, Z[text % 64]) for text in range(texts))
        corpus.flush()
        found[name] = corpus.spectra()
        took[name] = time.perf_counter() - begun
    host, there = found.values()
    apart = max(np.abs(host[key].eigenvalues - there[key].eigenvalues).max() for key in host)
    print(
        f"corpus, d = {width:,}, T = {texts * N:,}: host {took['host']:.1f} s, "
        f"{DEVICE} {took[DEVICE]:.1f} s, eigenvalues apart {apart:.1e}"
    )


def matrix_entropies(Z):
    """Of the unit and of the centred convention, (2,)."""
    found = spectra.text_spectra(Z, [N])
    return np.array([
        entropy.evaluate("entropy", found[convention, "in", N][0], Z.shape[1], N, convention)
        for convention in metrics.CONVENTIONS
    ])  # fmt: skip


def direct_entropy(Z):
    """Of the unit convention, where Z is: from the eigenvalues of one float64 Gram."""
    Z = torch.nn.functional.normalize(Z, dim=1)
    values = torch.linalg.eigvalsh(Z @ Z.T / len(Z)).clamp(min=0)
    return torch.special.entr(values).sum()


if __name__ == "__main__":
    if DEVICE == "cpu" and not TINY:
        sys.exit("Not run: no GPU is visible here (--tiny: see it work on the CPU).")
    where = torch.cuda.get_device_name() if DEVICE == "cuda" else "CPU"
    print(f"{where}; torch {torch.__version__}; texts of {N} tokens; best of {REPETITIONS}")
    head = "bare dump floor".split()
    print(
        f"{'model':<6}{'batch':>8}{'tokens':>10}"
        + "".join(f"{kind + ' tok/s':>12}" for kind in head)
        + f"{'dump/bare':>11}{'dump/lowest':>12}{'MB':>9}{'MB/s':>9}{'GPU bare':>10}"
        + f"{'GPU dump':>10}{'host MB':>10}"
    )
    for name, shape in SHAPES.items():
        speed(name, shape)
    measurement_speed(*list(SHAPES.items())[-1])
    corpus_on_device()
    agreement(*next(iter(SHAPES.items())))
