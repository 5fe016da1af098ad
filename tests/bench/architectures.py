"""What this project makes of every type of causal model in transformers: docs/architectures.md.

    python tests/bench/architectures.py ['name of a row' …]

Each type is built tiny, with every kind of layer that it has, saved, loaded by `load_model` and
measured in a process of its own; two of them run at once. The page is written after each. With
names only their rows are measured again; the others stay, if they are of this transformers. All
take some six minutes.
"""

import multiprocessing
import os
import sys
import time
from multiprocessing.connection import wait
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "workflow_scripts"), str(ROOT / "tests")]

import census
from census_page import PAGE, page, read_page

PROCESSES, SECONDS = 2, 300  # at once; of a type, at most


def main() -> None:
    census.quiet()
    types = census.check_names(sys.argv[1:])
    rows = {row["type"]: row for row in read_page()} if sys.argv[1:] else {}
    for row in examine_each(types):
        rows[row["type"]] = row
        PAGE.write_text(page([rows[name] for name in census.NAMES if name in rows]))
        print(f"{row['type']}: {row['verdict']}", flush=True)


def examine_each(types):
    """The row of each type as it comes, each from a process of its own."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # its threads do not survive a fork
    census.examine("llama")  # what is imported here need not be in each process
    forking = multiprocessing.get_context("fork")
    waiting, running = list(types), {}
    while waiting or running:
        while waiting and len(running) < PROCESSES:
            receiver, sender = forking.Pipe(duplex=False)
            child = forking.Process(target=_examine, args=(waiting[0], sender))
            child.start()
            sender.close()
            running[receiver] = waiting.pop(0), child, time.monotonic() + SECONDS
        ready = wait(running, timeout=1)
        for receiver, (name, child, end) in list(running.items()):
            if receiver in ready or time.monotonic() > end:
                yield _row(name, receiver, child, receiver in ready)
                del running[receiver]


def _examine(name, sender) -> None:
    sender.send(census.examine(name))


def _row(name, receiver, child, ended) -> dict:
    row = dict.fromkeys(census.COLUMNS, "") | {"type": name}
    if not ended:
        child.kill()
    try:
        return receiver.recv() if ended else row | {"verdict": f"fault: over {SECONDS} s"}
    except EOFError:
        return row | {"verdict": "fault: the process died"}
    finally:
        child.join()


if __name__ == "__main__":
    main()
