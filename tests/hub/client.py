"""The hub's real client, called through infogeo.sources.hub in a process of its own.

It reads its environment once, when it is imported; so each call is a fork of a server that has
imported what the client needs, but not the client.
"""

import gc
import json
import multiprocessing
import os
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from infogeo.sources import architecture

OWN = ("HF_", "HUGGINGFACE_", "XDG_CACHE")
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["httpx2", "httpcore2", "trio", "tqdm.auto", "yaml", "filelock"])


class Client:
    """Calls infogeo.sources.hub with a cache of its own. `said` is what the last call printed."""

    def __init__(self, url: str, home: Path):
        self.home = home
        self.said = ""
        self.env = {
            "HF_ENDPOINT": url,
            "HF_HOME": str(home),
            "HF_HUB_DOWNLOAD_TIMEOUT": "1",
            "HF_HUB_ETAG_TIMEOUT": "1",
            "no_proxy": "127.0.0.1",
        }

    def start(self, function: str, *arguments, tries: int = 4, beat: float = 10, answer="", **env):
        process = CONTEXT.Process(
            target=_run, args=(function, arguments, tries, beat, self.env | env, answer)
        )
        process.start()
        return process

    def call(self, function: str, *arguments, **more) -> dict:
        with tempfile.TemporaryDirectory() as folder:
            process = self.start(function, *arguments, answer=f"{folder}/answer", **more)
            process.join(60)
            self.said = Path(f"{folder}/answer.said").read_text()
            assert process.exitcode == 0, self.said
            return json.loads(Path(f"{folder}/answer").read_text())

    def model(
        self, name: str, revision="", trust: bool = False, kind="", stand_in=None, **more
    ) -> dict:
        """A model; judged by its configuration and tokenizer where its kind is stated."""
        judge = partial(architecture.judge, kind=kind) if kind else None
        if stand_in:
            stand_in.mkdir()
        return self.call("fetch_model", name, revision, trust, judge, stand_in, **more)

    def weights(self, rows: list[tuple], fetched=None, **more) -> dict:
        """What is listed of models by (slug, where, revision), before they are downloaded."""
        rows = [dict(zip(("slug", "where", "revision"), row, strict=True)) for row in rows]
        return self.call("list_weights", rows, fetched or {}, **more)

    def borrow(self, card, at_once: int, scratch, output: str = "x", **more) -> dict:
        """Read the weights of a model, and be done."""
        return self.call("borrow", card, at_once, scratch, output, **more)

    def dataset(self, name: str, revision: str, pattern: str, **more) -> dict:
        return self.call("fetch_dataset", name, revision, pattern, **more)


def _borrow(card, at_once: int, scratch, output: str) -> None:
    from infogeo.sources import borrowed

    with borrowed.weights(card, output, at_once=at_once, scratch=scratch):
        directory = json.loads(Path(card).read_text())["directory"]
        weights = sorted(path.name for path in Path(directory).glob("*.safetensors"))
        print("reads", *weights, flush=True)
        while (Path(scratch) / f"hold-{output}").exists():
            time.sleep(0.02)


def _run(function: str, arguments: tuple, tries: int, beat: float, env: dict, answer: str) -> None:
    gc.freeze()  # what was imported is never garbage
    for name in [name for name in os.environ if name.startswith(OWN)]:
        del os.environ[name]
    os.environ.update(env)
    if answer:
        sys.stdout = sys.stderr = Path(f"{answer}.said").open("w", buffering=1)  # noqa: SIM115
    from infogeo.files.errors import InfogeoError
    from infogeo.jobs.progress import Heartbeat
    from infogeo.sources import hub, hub_client

    hub_client.TRIES = tries
    Heartbeat.every = beat
    try:
        answered = (_borrow if function == "borrow" else getattr(hub, function))(*arguments)
    except InfogeoError as error:
        found = {"error": str(error)}
    else:
        if function == "list_weights":
            found = {"listed": answered}
        elif function == "borrow":
            found = {}
        else:
            repository, folder, facts = answered
            found = {"commit": repository.commit, "folder": str(folder), "facts": facts}
    if answer:
        Path(answer).write_text(json.dumps(found))
