"""Kill a piece of work at random moments, resume it, and compare its files with undisturbed ones.

Usage: python tests/bench/kill_dump.py [kills] [seed] [debug | local] [WHAT]

WHAT is dump (the default), measure (without stored states), twice (the same with a second pass),
twins or ablate: of a tiny model over some 300 texts. It is started again and again in a process of
its own and killed with SIGKILL after a random time, up to what an undisturbed one takes; every so
often it gets to its end, and must then have made the same bytes. Ends with status 1 if it ever did
not.
"""

import filecmp
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import warnings
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "workflow_scripts"), str(ROOT / "tests")]

import pandas as pd
import torch
import transformers
from tiny import save_model, sentences

from infogeo.jobs import progress
from infogeo.context import token_ablation
from infogeo.files.artefacts import write_table
from infogeo.states import measurement, twins, two_passes
from infogeo.states.dump import dump


def names(what: str) -> list[str]:
    """The files that are made, the one that comes last at the end."""
    return {
        "dump": ["states"],
        "measure": ["spectra", *measurement.TABLES, "states"],
        "twice": ["spectra", *measurement.TABLES, "states"],
        "twins": [
            *(f"{kind}-{draw}" for kind in twins.OF_DRAW for draw in range(2)),
            *twins.TABLES,
        ],
        "ablate": ["ablation", "status", "prediction"],
    }[what]


def work(what: str, folder: Path, outputs: dict, common: dict) -> None:
    """Do the work in this process and its workers."""
    inputs = folder / "model" / "model.json", folder / "corpus.parquet"
    states, measures = folder / "store.h5", {"lambdas": [0.1], "eps2": [0.5]}
    measures |= {"neighbours": 4, "sampled_rows": 200}
    two_passes.CHECKPOINT_SECONDS = 0
    if what == "dump":
        dump(*inputs, outputs["states"], fingerprint="f", **common)
    elif what in ("measure", "twice"):
        if what == "twice":
            two_passes.KEPT_BYTES = 0
        measurement.measure(
            *inputs, None, outputs, **measures, draws=99, depths=[], depth_tolerance=0.1,
            sentence_n=8, fingerprints={"states": "s", "spectra": "p", "gain": "g"}, **common,
        )  # fmt: skip
    elif what == "twins":
        made = {name: outputs[name] for name in twins.TABLES}
        for kind in twins.OF_DRAW:
            made[kind] = [outputs[f"{kind}-{draw}"] for draw in range(2)]
        del common["attention_texts"]
        rows = {"depths": ["final"], "depth_tolerance": 0.1, "rows_n": 8, "most_texts": 20}
        twins.measure_twins(*inputs, made, **measures, **rows, fingerprint="f", **common)
    else:
        for name in ("n", "layers", "attention_texts", "shard_tokens"):
            del common[name]
        token_ablation.ablate(
            *inputs, states, *outputs.values(), n=48, k=[1, 2],
            shares=[0.2, 0.5], draws=2, centred=False, fingerprint="f", **common,
        )  # fmt: skip


def start(folder: Path, name: str, placement: str, what: str) -> int:
    """Begin the work in a process of its own, the head of its group; returns its id."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        os.setpgid(0, 0)
        torch.set_num_threads(1)
        common = {
            "n": [8, 48],
            "layers": "all",
            "attention_texts": 20,
            "batch_tokens": 400,
            "shard_tokens": 600,
            "dtype": "float32",
            "trust_remote_code": False,
            "seed": 0,
            "placement": placement,
            "workers": 2 if placement == "local" else 1,
            "threads": 2 if placement == "local" else 1,
            "scratch": folder / f"scratch-{name}",
        }
        outputs = {made: folder / f"{name}.{made}" for made in names(what)}
        work(what, folder, outputs, common)
        status = 0
    finally:
        os._exit(status)


def finish(child: int) -> None:
    _, status = os.waitpid(child, 0)
    if status:
        sys.exit(f"Work that nobody killed ended with status {status}.")


def main(kills: int, seed: int, placement: str, what: str) -> None:
    draw = random.Random(seed)
    folder = Path(tempfile.mkdtemp(prefix="kill_dump."))
    save_model("gpt_neox", folder / "model")
    texts = sentences(300, seed=2, high=40)
    doc_ids = [str(number) for number in range(len(texts))]
    frame = pd.DataFrame({"doc_id": doc_ids, "text": texts, "label": "", "source": doc_ids})
    write_table(frame, folder / "corpus.parquet", "c")
    if what == "ablate":  # it reads a store
        finish(start(folder, "store", "debug", "dump"))
        (folder / "store.states").rename(folder / "store.h5")

    begun = time.monotonic()
    finish(start(folder, "undisturbed", placement, what))
    whole = time.monotonic() - begun
    size = sum((folder / f"undisturbed.{made}").stat().st_size for made in names(what))
    print(
        f"undisturbed {what}, {placement}: {whole:.1f} s, {size:,} bytes; {kills} kills, "
        f"seed {seed}"
    )

    killed, finished, left = 0, 0, []
    while killed < kills or not finished:
        child = start(folder, "killed", placement, what)
        deadline = time.monotonic() + draw.uniform(0, whole)
        ended = 0
        while killed < kills and not ended and time.monotonic() < deadline:
            ended, status = os.waitpid(child, os.WNOHANG)
            time.sleep(0.001)
        if killed < kills and not ended:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            killed += 1
            shards = len(list((folder / "scratch-killed").rglob("shard-*")))
            notes = any((folder / "scratch-killed").rglob("corpus-*.h5"))
            assembling = any(folder.glob(".killed.*.partial"))
            left.append(f"{shards}{'c' if notes else ''}{'+' if assembling else ''}")
            if (folder / f"killed.{names(what)[-1]}").exists():
                ended, status = child, 0  # killed while it tidied up: the file is in its place
            else:
                continue
        elif not ended:
            ended, status = os.waitpid(child, 0)
        if status:
            sys.exit(f"Work that nobody killed ended with status {status}.")
        finished += 1
        for made in names(what):
            pair = folder / f"undisturbed.{made}", folder / f"killed.{made}"
            if not filecmp.cmp(*pair, shallow=False):
                sys.exit(f"After {killed} kills {made} differs from the undisturbed one: {folder}")
            pair[1].unlink()
    print(f"{killed} kills, {finished} runs came to their end: all equal the undisturbed files")
    print("shards that a kill left (c: and spectra of the corpus; +: assembly had begun):", *left)
    shutil.rmtree(folder)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    progress.Heartbeat.close = lambda self, note="": None
    transformers.utils.logging.set_verbosity_error()
    arguments = sys.argv[1:] + ["20", "0", "debug", "dump"][len(sys.argv) - 1 :]
    main(int(arguments[0]), int(arguments[1]), *arguments[2:])
