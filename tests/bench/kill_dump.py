"""Kill a dump at random moments, resume it, and compare the file with an undisturbed one.

Usage: python tests/bench/kill_dump.py [kills] [seed] [debug | local]

A dump of a tiny model over some 300 texts is started again and again in a process of its own and
killed with SIGKILL after a random time, up to what an undisturbed dump takes; every so often it
gets to its end, and must then have made the same bytes. Ends with status 1 if it ever did not.
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

import pandas as pd  # noqa: E402  (after the path is set)
import torch  # noqa: E402
from tiny import save_model, sentences  # noqa: E402

from infogeo import forward, progress  # noqa: E402
from infogeo.artefacts import write_table  # noqa: E402
from infogeo.dump import dump  # noqa: E402


def start(folder: Path, name: str, placement: str) -> int:
    """Begin a dump in a process of its own, the head of its group; returns its id."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        os.setpgid(0, 0)
        torch.set_num_threads(1)
        dump(
            folder / "model" / "model.json",
            folder / "corpus.parquet",
            folder / f"{name}.h5",
            n=[8, 48],
            layers="all",
            attention_texts=20,
            batch_tokens=400,
            shard_tokens=600,
            dtype="float32",
            trust_remote_code=False,
            seed=0,
            fingerprint="f",
            placement=placement,
            workers=2 if placement == "local" else 1,
            threads=2 if placement == "local" else 1,
            scratch=folder / f"scratch-{name}",
        )
        status = 0
    finally:
        os._exit(status)


def finish(child: int) -> None:
    _, status = os.waitpid(child, 0)
    if status:
        sys.exit(f"A dump that nobody killed ended with status {status}.")


def main(kills: int, seed: int, placement: str) -> None:
    draw = random.Random(seed)
    folder = Path(tempfile.mkdtemp(prefix="kill_dump."))
    save_model("gpt_neox", folder / "model")
    texts = sentences(300, seed=2, high=40)
    numbers = [str(number) for number in range(len(texts))]
    frame = pd.DataFrame({"doc_id": numbers, "text": texts, "label": "", "source": numbers})
    write_table(frame, folder / "corpus.parquet", "c")

    begun = time.monotonic()
    finish(start(folder, "undisturbed", placement))
    whole = time.monotonic() - begun
    size = (folder / "undisturbed.h5").stat().st_size
    print(f"undisturbed, {placement}: {whole:.1f} s, {size:,} bytes; {kills} kills, seed {seed}")

    killed, finished, left = 0, 0, []
    while killed < kills or not finished:
        child = start(folder, "killed", placement)
        deadline = time.monotonic() + draw.uniform(0, whole)
        ended = 0
        while killed < kills and not ended and time.monotonic() < deadline:
            ended, status = os.waitpid(child, os.WNOHANG)
            time.sleep(0.001)
        if killed < kills and not ended:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            killed += 1
            shards = len(list((folder / "scratch-killed").rglob("shard-*.h5")))
            assembling = any(folder.glob(".killed.h5.*.partial"))
            left.append(f"{shards}{'+' if assembling else ''}")
            if (folder / "killed.h5").exists():
                ended, status = child, 0  # killed while it tidied up: the file is in its place
            else:
                continue
        elif not ended:
            ended, status = os.waitpid(child, 0)
        if status:
            sys.exit(f"A dump that nobody killed ended with status {status}.")
        finished += 1
        if not filecmp.cmp(folder / "undisturbed.h5", folder / "killed.h5", shallow=False):
            sys.exit(f"After {killed} kills the file differs from the undisturbed one: {folder}")
        (folder / "killed.h5").unlink()
    print(f"{killed} kills, {finished} dumps came to their end: all equal the undisturbed file")
    print(f"shards that a kill left (+: assembly had begun): {' '.join(left)}")
    shutil.rmtree(folder)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    progress.Heartbeat.close = lambda self, note="": None
    forward.transformers.utils.logging.set_verbosity_error()
    arguments = sys.argv[1:] + ["20", "0", "debug"][len(sys.argv) - 1 :]
    main(int(arguments[0]), int(arguments[1]), arguments[2])
