"""Token ablation by an older build and by this one: processor time, and the tokens that are run.

    python tests/bench/ablation_builds.py OLD [models] [repetitions]

OLD is a checkout of the older build. Models have random weights, and both builds the same: shapes
of the ladder, and with `real` among the models, separated by commas, a Llama of 30 layers and width
576 with 49,152 tokens. Each run is a process of its own with one thread; builds alternate. Counted
is what a worker does of a shard of texts: what selectors choose, and the runs. Loading is left out.
Medians; `old` and `new` are the tokens of all sets, `run` those that pass through the new build's
model, and `trie` those that a trie of all sets would leave: nothing exact runs fewer. KL apart: of
all selectors but the random one, whose sets the builds draw in different ways.
"""

import importlib
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT, N = Path(__file__).parents[2], 128
SHARES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
MODELS = {  # width, layers, vocabulary, texts
    "w32": (32, 1, 2048, 4),
    "w64": (64, 2, 2048, 4),
    "w128": (128, 4, 2048, 4),
    "real": (576, 30, 49152, 1),
}


def build(name: str):
    """A causal model of transformers with seeded random weights."""
    import torch
    import transformers

    width, layers, vocabulary, _ = MODELS[name]
    sizes = {
        "vocab_size": vocabulary, "hidden_size": width, "num_hidden_layers": layers,
        "max_position_embeddings": N, "tie_word_embeddings": True, "initializer_range": 0.1,
    }  # fmt: skip
    if name == "real":
        heads = {"num_attention_heads": 9, "num_key_value_heads": 3, "intermediate_size": 1536}
        config = transformers.LlamaConfig(**sizes | heads | {"initializer_range": 0.04})
    else:
        heads = {"num_attention_heads": width // 32, "intermediate_size": 4 * width}
        config = transformers.GPTNeoXConfig(**sizes | heads)
    torch.manual_seed(0)
    return transformers.AutoModelForCausalLM.from_config(config)


def parts(older: bool):
    """Of a build: LanguageModel, Rows, attention of a text, the plan of a text, runs of sets."""
    if older:
        forward, token_ablation = (
            importlib.import_module(f"infogeo.{name}") for name in ("forward", "token_ablation")
        )
        attend = forward.LanguageModel.attention_rows
        plan, run_sets = token_ablation.plan, token_ablation.run_sets
        return forward.LanguageModel, forward.Rows, attend, plan, run_sets
    from functools import partial

    from infogeo.context import kept_runs, kept_sets
    from infogeo.states.attention import attention_rows
    from infogeo.states.batches import Rows
    from infogeo.states.model import LanguageModel

    run_sets = partial(kept_runs.run_sets, shared=True)
    return LanguageModel, Rows, attention_rows, kept_sets.plan, run_sets


def trie(sets) -> int:
    """Tokens of a trie of the sets (s, n) of a text: each beginning counts once."""
    import numpy as np

    places = (np.flatnonzero(kept).astype(np.uint16) for kept in sets)
    return len({at[: k + 1].tobytes() for at in places for k in range(len(at))})


def measure(name: str, older: bool) -> dict:
    """Seconds of one build in this process, the tokens, and KL divergences by row."""
    from types import SimpleNamespace

    import numpy as np
    import torch

    torch.set_num_threads(1)
    language_model, rows_of, attend, plan, run_sets = parts(older)
    vocabulary, texts = MODELS[name][2:]
    model = language_model(build(name), "bench")
    ids = np.random.default_rng(0).integers(0, vocabulary, (texts, N), dtype=np.int32)
    rows = rows_of(model, ["final"], [N] * texts, ["?"] * texts)
    rows.run(list(ids), 4096)
    attention = [attend(model, text) for text in ids]
    store = SimpleNamespace(
        read=lambda text, layer: rows.hidden[layer][text * N : (text + 1) * N].numpy(),
        attention_last_row=lambda text: attention[text][0],
        rollout_row=lambda text: attention[text][1],
    )
    task = {"shares": SHARES, "draws": 5, "centred": False, "seed": 0, "k": (1, 2, 4, 8, 16, 32)}
    task = task if older else SimpleNamespace(**task)
    passed = [0]

    def count(module, arguments, options):
        passed[0] += (arguments[0] if arguments else options["input_ids"]).numel()

    model.base.register_forward_pre_hook(count, with_kwargs=True)
    start = time.process_time()
    plans = [plan(task, store, text) for text in range(texts)]
    unique = [np.unique(sets, axis=0, return_inverse=True) for _, sets in plans]
    planned = time.process_time()
    measured = run_sets(
        model, list(ids), [sets for sets, _ in unique], [0] * texts, batch_tokens=4096,
        names=["?"] * texts,
    )  # fmt: skip
    ended = time.process_time()
    keys = ("selector", "sink", "mode", "share")
    return {
        "plan": planned - start,
        "run": ended - planned,
        "tokens": int(sum(sets.sum() for sets, _ in unique)),
        "passed": passed[0],
        "trie": sum(trie(sets) for sets, _ in unique),
        "kl": {
            f"{text} " + " ".join(str(row[key]) for key in keys): float(values[place, 0])
            for text, ((of_text, _), (_, inverse), values) in enumerate(
                zip(plans, unique, measured, strict=True)
            )
            for row, place in zip(of_text, inverse, strict=True)
            if row["selector"] != "random"
        },
    }


def spawn(name: str, checkout: Path, older: bool) -> dict:
    """`measure` in a process that imports a build."""
    environment = os.environ | {
        "PYTHONPATH": str(checkout / "workflow_scripts"), "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    command = [sys.executable, __file__, "--measure", name, str(int(older))]
    ended = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    return json.loads(ended.stdout.splitlines()[-1])


def main(old: str, models: str = "w32,w64,w128", repetitions: str = "3") -> None:
    head = "old s", "new s", "ratio", "plan", "runs", "old", "new", "run", "trie", "KL apart"
    print(f"load {os.getloadavg()[0]:.1f} when it began")
    print(f"{'':<6}" + "".join(f"{name:>10}" for name in head))
    for name in models.split(","):
        runs = [
            (spawn(name, Path(old), True), spawn(name, ROOT, False))
            for _ in range(int(repetitions))
        ]
        before, after = runs[0]

        def median(value, runs=runs):
            return statistics.median(value(*pair) for pair in runs)

        ratios = [
            median(
                lambda one, two, parts=parts: (
                    sum(two[p] for p in parts) / sum(one[p] for p in parts)
                )
            )
            for parts in (("plan", "run"), ("plan",), ("run",))
        ]
        apart = max(abs(before["kl"][key] - value) for key, value in after["kl"].items())
        print(
            f"{name:<6}{median(lambda one, _: one['plan'] + one['run']):>10.2f}"
            f"{median(lambda _, two: two['plan'] + two['run']):>10.2f}"
            + "".join(f"{ratio:>10.2f}" for ratio in ratios)
            + "".join(
                f"{count:>10,}"
                for count in (before["tokens"], after["tokens"], after["passed"], after["trie"])
            )
            + f"{apart:>10.1g}",
            flush=True,
        )


if __name__ == "__main__":
    if sys.argv[1] == "--measure":
        print(json.dumps(measure(sys.argv[2], sys.argv[3] == "1")))
    else:
        main(*sys.argv[1:])
