"""Seconds of token ablations in batches beside one forward pass at a time.

Usage: python tests/bench/ablation.py [texts] [repetitions]

Set OMP_NUM_THREADS to the threads that a job has (1 in the workflow's rule). All runs use the same
loaded model and the same kept sets, those that the selectors choose of the given number of texts.
The plain way calls the model once for every row of the table, with ids, mask and positions, takes
its logits and states, and measures; "each once" spares it the sets that several rows share. The
batched way is what a worker does, from the chosen sets to the numbers; "two" is two such workers,
as `launch.workers: 2` starts them, with half of the texts each, start-up not counted. "floor" is
the time that the matrix products of the tokens that are run take alone. Runs
alternate, and the best of each is taken, since other work on the machine only ever slows a run.
"""

import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from types import SimpleNamespace

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "workflow_scripts"), str(ROOT / "tests")]

import numpy as np
import torch
import transformers

from infogeo.context import kept_runs, kept_sets, token_ablation
from infogeo.states import batches
from infogeo.states.attention import attention_rows
from infogeo.states.model import LanguageModel

N, BATCH_TOKENS, VOCABULARY = 128, 4096, 2048
SHARES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
MODELS = {
    f"width {width}, {layers} layers": (width, layers)
    for width, layers in ((128, 4), (64, 2), (32, 1))
}


def prepare(width, layers, texts):
    """A random GPT-NeoX, random texts, and what the selectors choose of them."""
    config = transformers.GPTNeoXConfig(
        vocab_size=VOCABULARY,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=width // 32,
        intermediate_size=4 * width,
        max_position_embeddings=N,
        tie_word_embeddings=True,
        initializer_range=0.1,
    )
    torch.manual_seed(0)
    model = LanguageModel(transformers.AutoModelForCausalLM.from_config(config), "bench")
    ids = np.random.default_rng(0).integers(0, VOCABULARY, (texts, N), dtype=np.int32)
    rows = batches.Rows(model, ["final"], [N] * texts, ["?"] * texts)
    rows.run(list(ids), BATCH_TOKENS)
    attention = [attention_rows(model, text) for text in ids]
    store = SimpleNamespace(
        read=lambda text, layer: rows.hidden[layer][text * N : (text + 1) * N].numpy(),
        attention_last_row=lambda text: attention[text][0],
        rollout_row=lambda text: attention[text][1],
    )
    task = SimpleNamespace(shares=SHARES, draws=5, centred=False, seed=0, k=(1, 2, 4, 8, 16, 32))
    return model, ids, [kept_sets.plan(task, store, text)[1] for text in range(texts)]


def plain(model, ids, sets):
    """One forward pass after another: KL and the rest of every set. List of (s, 4) arrays."""
    found = []
    for text, of_text in zip(ids, sets, strict=True):
        whole, values = None, []
        for kept in [np.ones(N, dtype=bool), *of_text]:
            positions = torch.from_numpy(np.flatnonzero(kept))[None]
            some = torch.from_numpy(text[kept].astype(np.int64))[None]
            with torch.inference_mode():
                output = model.model(
                    some,
                    attention_mask=torch.ones_like(some),
                    position_ids=positions,
                    output_hidden_states=True,
                    use_cache=False,
                )
                states = output.hidden_states[-1][0]
                log_p = torch.log_softmax(output.logits[:, -1].double(), dim=-1)
                run = log_p, states.mean(0)[None].double(), states[-1:].double()
                whole = whole or run
                values.append(kept_runs._measure(whole, run, torch.tensor([0])))
        found.append(torch.cat(values[1:]).numpy())
    return found


def batched(model, ids, sets):
    """As a worker does it, a shard of texts at a time."""
    found = []
    for start in range(0, len(ids), token_ablation.SHARD_TEXTS):
        shard = slice(start, start + token_ablation.SHARD_TEXTS)
        unique = [np.unique(kept, axis=0, return_inverse=True) for kept in sets[shard]]
        measured = kept_runs.run_sets(
            model,
            list(ids[shard]),
            [kept for kept, _ in unique],
            [0] * len(unique),
            batch_tokens=BATCH_TOKENS,
            names=["?"] * len(unique),
            shared=True,
        )
        found += [values[inverse] for values, (_, inverse) in zip(measured, unique, strict=True)]
    return found


def products(width, layers, tokens):
    """The matrix products of a pass over so many tokens, in batches, and nothing else."""
    rows = torch.randn(BATCH_TOKENS, width)
    weights = [torch.randn(outputs, width) for outputs in (3 * width, width, 4 * width)]
    back, wide = torch.randn(width, 4 * width), torch.randn(BATCH_TOKENS, 4 * width)
    for _ in range(layers * tokens // BATCH_TOKENS):
        for weight in weights:
            torch.nn.functional.linear(rows, weight)
        torch.nn.functional.linear(wide, back)


def begin(*shape_and_texts):
    """Ready a worker process: the model, the sets, and everything warm."""
    global worker
    torch.set_num_threads(1)
    worker = prepare(*shape_and_texts)
    batched(*worker)


def work(half):
    """The batched run of some of the texts, in a worker process."""
    model, ids, sets = worker
    return batched(model, ids[half], sets[half])


def seconds(function, *arguments):
    start = time.perf_counter()
    found = function(*arguments)
    return time.perf_counter() - start, found


def main(texts=4, repetitions=3):
    print(f"{torch.get_num_threads()} threads, {texts} texts of {N} tokens; best of {repetitions}")
    print(f"load {os.getloadavg()[0]:.1f} when it began; seconds, and the ratios to the plain way")
    kinds = ("plain", "once", "batched", "two", "floor")
    head = [*"rows sets tokens".split(), *kinds, *(f"×{kind}" for kind in kinds[1:]), "KL apart"]
    print(f"{'model':<20}" + "".join(f"{name:>10}" for name in head))
    halves = [slice(0, texts // 2), slice(texts // 2, texts)]
    for name, shape in MODELS.items():
        model, ids, sets = prepare(*shape, texts)
        once = [np.unique(kept, axis=0) for kept in sets]
        tokens = sum(kept.sum() - kept_runs.shared_tokens(kept).sum() for kept in once)
        batched(model, ids, sets)
        with ProcessPoolExecutor(
            2, multiprocessing.get_context("spawn"), begin, (*shape, texts)
        ) as pool:
            list(pool.map(work, halves))
            best, found = dict.fromkeys(kinds, np.inf), {}
            for _ in range(repetitions):
                for kind, function, given in (
                    ("batched", batched, (model, ids, sets)),
                    ("plain", plain, (model, ids, sets)),
                    ("once", plain, (model, ids, once)),
                    ("two", lambda halves: list(pool.map(work, halves)), (halves,)),
                    ("floor", products, (*shape, tokens)),
                ):
                    took, found[kind] = seconds(function, *given)
                    best[kind] = min(best[kind], took)
        ours, theirs, two = (
            np.concatenate(parts)
            for parts in (
                found["batched"],
                found["plain"],
                [values for half in found["two"] for values in half],
            )
        )
        apart = max(np.abs(each - theirs)[:, 0].max() for each in (ours, two))
        print(
            f"{name:<20}{len(ours):>10,}{sum(map(len, once)):>10,}{tokens:>10,}"
            + "".join(f"{best[kind]:>10.2f}" for kind in kinds)
            + "".join(f"{best['plain'] / best[kind]:>10.1f}" for kind in kinds[1:])
            + f"{apart:>10.1g}"
        )
    print(f"load {os.getloadavg()[0]:.1f} when it ended")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
