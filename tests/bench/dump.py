"""Tokens per second of a dump beside a bare forward pass that computes the same likelihoods.

Usage: python tests/bench/dump.py [repetitions]

Set OMP_NUM_THREADS to the threads that a job has (1 in the workflow's rule). Both run the same
batches of the same model, already loaded, on the same tokens. The bare pass
keeps nothing but NLL and predictive entropy. The dump does everything from there to the verified
store in its place: plan, shards (written, synced), assembly, verification, sync. The common way is
a loop over texts, one forward pass each, all hidden states asked for, with NLL and entropy from a
log-softmax of all logits; it keeps nothing either. Runs alternate; medians, and the ratio is the
median over pairs of runs. By the clock, much of what a dump does besides is hidden behind the
model, on another core; processor time counts it all. States and likelihoods of the three are
asserted equal to 1e-4 first.

The last table runs dumps of growing corpora, each in a process of its own, and shows their peak
memory.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import deque
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "workflow_scripts"), str(ROOT / "tests")]

import numpy as np
import pandas as pd
import torch
import transformers

from infogeo.files.artefacts import write_table
from infogeo.states import dump as dump_module
from infogeo.states import loading, text_plan
from infogeo.states.batches import plan_batches
from infogeo.states.model import LanguageModel
from infogeo.states.store import open_store
from infogeo.states.tokens import Encoded

N, BATCH_TOKENS, SHARD_TOKENS = 128, 4096, 16384
MODELS = {  # name: width, layers, vocabulary, texts
    "GPT-NeoX, 110 M": (768, 12, 32768, 16),
    "ladder, width 128": (128, 4, 2048, 640),
}


def prepare(folder, width, layers, vocabulary, texts):
    """A random GPT-NeoX, tokens for it, and the files that a dump reads."""
    config = transformers.GPTNeoXConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=width // 32,
        intermediate_size=4 * width,
        max_position_embeddings=N,
        tie_word_embeddings=True,
    )
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(config)
    total = sum(weight.numel() for weight in model.parameters())
    card = {
        "slug": "bench", "kind": "causal", "directory": "", "revision": "", "commit": "",
        "files": {},
        "params_total": total, "params_non_embedding": total - vocabulary * width,
        "tokenizer_sha256": "", "width": width, "layers": layers, "fingerprint": "m",
    }  # fmt: skip
    (folder / "model.json").write_text(json.dumps(card))
    columns = ("doc_id", "text", "label", "source")
    rows = {name: [f"{name} {text}" for text in range(texts)] for name in columns}
    write_table(pd.DataFrame(rows), folder / "corpus.parquet", "c")
    rng = np.random.default_rng(0)
    tokens = texts * N
    encoded = Encoded(
        np.arange(texts),
        np.arange(texts + 1) * N,
        rng.integers(0, vocabulary, tokens, dtype=np.int32),
        np.zeros(tokens, dtype=bool),
        np.tile(np.arange(N, dtype=np.int32), texts),
    )
    model = LanguageModel(model, "bench")
    loading.load_model = lambda *args, **kwargs: model
    text_plan.load_tokenizer = lambda *args: None
    text_plan.encode = lambda *args: encoded
    return model, encoded


def dump(folder, attention_texts=0):
    dump_module.dump(
        folder / "model.json",
        folder / "corpus.parquet",
        folder / "out.h5",
        n=[N],
        layers="all",
        attention_texts=attention_texts,
        batch_tokens=BATCH_TOKENS,
        shard_tokens=SHARD_TOKENS,
        dtype="float32",
        trust_remote_code=False,
        seed=0,
        fingerprint="f",
        threads=torch.get_num_threads(),
        scratch=folder / "scratch",
    )


def batches(encoded):
    for batch in plan_batches(encoded.lengths, BATCH_TOKENS):
        yield [encoded.text(text) for text in batch]


def bare(model, encoded):
    for texts in batches(encoded):
        model.run(texts, lambda layer, hidden: None)


def one_by_one(model, encoded):
    """The common way; yields last states and NLL of each text."""
    for index in range(len(encoded)):
        ids = torch.from_numpy(encoded.text(index).astype(np.int64))[None]
        with torch.inference_mode():
            output = model.model(ids, output_hidden_states=True, use_cache=False)
            log_p = torch.log_softmax(output.logits[0, :-1].float(), dim=-1)
            nll = -log_p.gather(-1, ids[0, 1:, None])[:, 0]
            -(log_p.exp() * log_p).sum(dim=-1)
        yield output.hidden_states[-1][0], nll


def assert_equal(path, model, encoded):
    """The dump at a path holds what the common way gives."""
    with open_store(path) as store:
        nll = store.nll()
        for index, (states, theirs) in enumerate(one_by_one(model, encoded)):
            rows = slice(store.offsets[index], store.offsets[index + 1])
            found = store.read(index, "final")
            apart = np.linalg.norm(found - states.numpy(), axis=1) / np.linalg.norm(found, axis=1)
            assert apart.max() < 1e-4, (index, apart.max())
            assert np.abs(nll[rows][1:] - theirs.numpy()).max() < 1e-4, index


def seconds(function):
    """Seconds by the clock, and of all processors together."""
    clock, work = time.perf_counter(), time.process_time()
    function()
    return time.perf_counter() - clock, time.process_time() - work


def speed(repetitions):
    threads = torch.get_num_threads()
    print(
        f"{threads} threads, medians of {repetitions} alternating runs; tokens/s by the clock, and"
    )
    print("dump ÷ bare by the clock and in processor time, and dump ÷ one by one by the clock")
    head = ("one by one", "bare", "dump", "clock", "processor", "÷ common", "MB")
    print(f"{'model':<20}{'tokens':>8}" + "".join(f"{name:>11}" for name in head))
    for name, shape in MODELS.items():
        with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
            folder = Path(folder)
            model, encoded = prepare(folder, *shape)
            tokens = len(encoded.token_ids)
            ways = {
                "one by one": lambda m=model, e=encoded: deque(one_by_one(m, e), maxlen=0),
                "bare": lambda m=model, e=encoded: bare(m, e),
                "dump": lambda f=folder: dump(f),
            }
            ways["bare"](), ways["dump"]()
            assert_equal(folder / "out.h5", model, encoded)
            runs = {kind: [] for kind in ways}
            for _ in range(repetitions):
                for kind, way in ways.items():
                    runs[kind].append(seconds(way))
            runs = {kind: np.array(values) for kind, values in runs.items()}  # (runs, 2)
            clock, processor = np.median(runs["bare"] / runs["dump"], axis=0)
            common = np.median(runs["one by one"][:, 0] / runs["dump"][:, 0])
            size = (folder / "out.h5").stat().st_size / 1e6
            rates = "".join(f"{tokens / np.median(runs[kind][:, 0]):>11,.0f}" for kind in runs)
            ratios = f"{clock:>11.2f}{processor:>11.2f}{common:>11.2f}"
            print(f"{name:<20}{tokens:>8,}{rates}{ratios}{size:>11.0f}", flush=True)


def memory():
    print("\npeak resident memory of a dump, ladder, width 128")
    for texts in (320, 1280, 5120):
        run = subprocess.run(
            [sys.executable, __file__, "--memory", str(texts)],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        print(f"{texts:>6} texts {run.stdout.strip()}", flush=True)


def one_dump(texts):
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        folder = Path(folder)
        prepare(folder, 128, 4, 2048, texts)
        dump(folder)
        size = (folder / "out.h5").stat().st_size / 1e6
    status = Path("/proc/self/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0]) / 1e3  # kB; rusage counts the parent's, too
    print(f"{size:>8.0f} MB stored {peak:>8.0f} MB of memory")


if __name__ == "__main__":
    if "--memory" in sys.argv:
        one_dump(int(sys.argv[2]))
    else:
        speed(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
        memory()
