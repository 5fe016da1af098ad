"""Work over the texts of a corpus under a model, in shards that survive a kill, by several workers.

The texts are cut into shards of consecutive texts. A shard is a small store of its own, written
under another name and moved into place when whole; to resume is to make the shards that are not
there. Batches depend on the shard alone, so that shards come out the same, byte for byte, however
often the work was interrupted and by however many workers it was done (on equal hardware, versions
and threads).
"""

import contextlib
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from infogeo.files import hdf5
from infogeo.files.artefacts import read_table, replacing, sha256_file
from infogeo.files.errors import InfogeoError
from infogeo.files.fingerprint import digest
from infogeo.geometry.depths import choose_layers
from infogeo.jobs import launch
from infogeo.jobs.job_array import Claim
from infogeo.jobs.progress import Heartbeat
from infogeo.sources import cards
from infogeo.states import attention, batches, loading
from infogeo.states.model import check_texts
from infogeo.states.store import STORED, create_store, open_store
from infogeo.states.tokens import Encoded, encode, load_tokenizer

SHARD_BYTES = 1 << 29  # most hidden states in a shard; two shards are in memory at once
LATE_SECONDS = 90  # until a file that was written on another node is seen on this one


class Work:
    """A model, a corpus and the shards of its texts, in a folder where a later run goes on.

    Parameters
    ----------
    kind : str
        Names the folder under `scratch`.
    card_path, corpus_path : path
        model.json and the corpus's table.
    n : list of int
        Texts of fewer than min(n) tokens are left out, the others cut to max(n).
    layers : 'all' or list
        See `choose_layers`.
    attention_texts : int
        The attention of the last token is taken of so many texts, spread evenly over those of
        max(n) tokens.
    batch_tokens, shard_tokens : int
        Most tokens of a batch (padding included) and of a shard.
    dtype : {'float32', 'float16', 'bfloat16'}
    trust_remote_code : bool
    seed : int
    determined_by : list
        What else determines the bytes of a shard, such as the fingerprint of the result.
    expected : (str, str)
        Fingerprints that the model and the corpus must carry.
    twin : int, optional
        The draw of the untrained twin that takes the model's place; see `loading.twin`.
    placement, workers, resources
        See `launch.spread`.
    threads : int
        CPU threads of this job, or of each job of an array.
    scratch : path

    Attributes
    ----------
    card : dict
    corpus : DataFrame
    layers : list of str
    n, seed, dtype, placement, workers
        As given.
    attrs : dict
        Of the stores that are made: what the states come from.
    key : str
        What the shards carry as their fingerprint.
    per_token : int
        Bytes of the hidden states of a token.
    folder : Path
    claim : Claim
    encoded : Encoded
    shards : list of range
    task : dict
        What a worker needs, in plain values.

    Raises
    ------
    InfogeoError
        Where an input is not what was expected.
    """

    def __init__(
        self,
        kind: str,
        card_path,
        corpus_path,
        *,
        n: list[int],
        layers,
        attention_texts: int,
        batch_tokens: int,
        shard_tokens: int,
        dtype: str,
        trust_remote_code: bool,
        seed: int,
        determined_by: list,
        expected=(None, None),
        twin: int | None = None,
        placement: str = "debug",
        workers: int = 1,
        threads: int = 1,
        resources=None,
        scratch="scratch",
    ):
        self.card = card = cards.read(card_path, expected[0])
        cards.require_files(card)
        self.corpus = read_table(corpus_path, expected[1])
        self.layers = choose_layers(layers, card["layers"])
        self.attrs = {
            "model": card["slug"],
            "revision": card["revision"],
            "commit": card["commit"],
            "params_total": card["params_total"],
            "params_non_embedding": card["params_non_embedding"],
            "tokenizer_sha256": card["tokenizer_sha256"],
            "corpus_sha256": sha256_file(corpus_path),
            "seed": seed,
            "versions": [f"{package} {version(package)}" for package in ("torch", "transformers")],
        }
        task = {
            "name": card["slug"],
            "directory": card["directory"],
            "trust_remote_code": trust_remote_code,
            "dtype": dtype,
            "twin": None if twin is None else {"draw": twin, "seed": seed},
            "layers": self.layers,
            "batch_tokens": batch_tokens,
            "device": launch.device(placement, resources, torch.cuda.is_available()),
            "threads": max(1, threads // workers) if placement == "local" else threads,
        }
        # Whatever could change a byte of a shard is in its key.
        self.key = digest(
            [determined_by, n, shard_tokens, attention_texts, self.attrs, task, card["files"]]
        )
        self.scratch = Path(scratch)
        self.folder = self.scratch / kind / self.key[:32]
        self.folder.mkdir(parents=True, exist_ok=True)
        self.claim = Claim(self.folder)
        self.n, self.seed, self.dtype = n, seed, dtype
        self.placement, self.workers = placement, workers
        self.per_token = len(self.layers) * card["width"] * STORED[dtype].itemsize
        self.encoded, self.shards = self._planned(n, shard_tokens, trust_remote_code)
        whole = np.flatnonzero(self.encoded.lengths == max(n))
        self.task = task | {
            "folder": str(self.folder),
            "key": self.key,
            "attention_texts": spread_evenly(whole, attention_texts),
        }
        self._launched = {
            "placement": placement,
            "gpus": torch.cuda.device_count(),
            "resources": dict(resources or {}, threads=threads),
        }

    def _planned(self, n, shard_tokens: int, trust_remote_code: bool):
        """The texts as tokens and the shards, made once and then kept for the workers."""
        path = self.folder / "plan.npz"
        if not path.exists():
            tokenizer = load_tokenizer(self.card["directory"], trust_remote_code)
            encoded = encode(tokenizer, self.corpus["text"], max(n), min(n), "spectra.n")
            most = min(shard_tokens, SHARD_BYTES // self.per_token)
            shards = batches.plan_blocks(encoded.lengths, most)
            doc_ids = self.corpus["doc_id"].iloc[encoded.corpus_rows].to_numpy(dtype=str)
            with replacing(path) as temporary, temporary.open("wb") as file:
                bounds = [shard.start for shard in shards] + [len(encoded)]
                np.savez(file, **vars(encoded), bounds=bounds, doc_ids=doc_ids)
        return read_plan(self.folder)[:2]

    def missing(self) -> list[int]:
        """The shards that are not there, or not sound (which are removed)."""
        return [
            index
            for index in range(len(self.shards))
            if not is_whole(shard_path(self.folder, index), self.key)
        ]

    def tokens(self, indices) -> int:
        """Tokens in some of the shards."""
        return tokens_in(self.encoded, self.shards, indices)

    def parts(self) -> list[list[int]]:
        """The shards of each worker.

        They do not depend on what is there: so a worker that lives is recognised.
        """
        return [list(range(first, len(self.shards), self.workers)) for first in range(self.workers)]

    def make(self, function, missing) -> None:
        """Let workers make the missing shards: function(task) with the worker's among them."""
        total = len(self.encoded.token_ids)
        heartbeat = Heartbeat(f"{self.card['slug']}: hidden states", total, "tokens")
        heartbeat.update(total - self.tokens(missing))

        def count_shards():
            there = [i for i in range(len(self.shards)) if shard_path(self.folder, i).exists()]
            heartbeat.update(self.tokens(there))

        tasks = [{"shards": part} for part in self.parts() if set(part) & set(missing)]
        self.spread(function, tasks, count_shards)
        paths = [shard_path(self.folder, index) for index in range(len(self.shards))]
        self.await_files(lambda: [path for path in paths if not path.exists()], "shards")
        heartbeat.close()

    def spread(self, function, tasks, waiting=lambda: None) -> None:
        """Call function on each of the tasks, which are added to the common one, in workers."""

        def wait():
            self.claim.check()
            waiting()

        if tasks:
            self.claim.check()
            launch.spread(
                function,
                [self.task | task for task in tasks],
                folder=self.folder / "launch",
                waiting=wait,
                **self._launched,
            )

    def await_files(self, absent, what: str) -> None:
        """Wait for files of workers that have ended: a network shows new ones late.

        Parameters
        ----------
        absent : callable
            Those that are not there yet.
        what : str
            What they are, for the message.
        """
        end = time.monotonic() + LATE_SECONDS
        while lacking := absent():
            if time.monotonic() > end:
                raise InfogeoError(
                    f"{self.folder}: {len(lacking)} of the {what} are not there, though the "
                    "workers that were to make them have ended. The same command makes them."
                )
            time.sleep(0.5)

    def close(self) -> None:
        """Remove the folder: its results are in their place."""
        self.claim.check()
        shutil.rmtree(self.folder)
        for parent in (self.folder.parent, self.scratch):
            with contextlib.suppress(OSError):  # others are still at work there
                parent.rmdir()


def described(corpus, encoded: Encoded, dtype: str, attrs: dict) -> dict:
    """What `create_store` takes to describe a store of all texts of a corpus (a DataFrame)."""
    texts = corpus.iloc[encoded.corpus_rows]
    return {
        "doc_ids": texts["doc_id"].tolist(),
        "sources": texts["source"].tolist(),
        "labels": texts["label"].tolist(),
        "lengths": encoded.lengths,
        "dtype": dtype,
        "attrs": attrs | {"texts_left_out": len(corpus) - len(encoded)},
    }


class Gathered:
    """What a store has of every shard beside its rows; shards are taken in order."""

    def __init__(self):
        self.attention, self.texts, self.splits, self.problem = ([], [], []), 0, 0, ""

    def take(self, shard) -> None:
        """Take the attention rows of a shard (HiddenStates), and what went on in its passes."""
        for place in shard.attention_texts:
            found = shard.attention_last_row(place), shard.rollout_row(place)
            for kept, new in zip(self.attention, (self.texts + place, *found), strict=True):
                kept.append(new)
        self.texts += len(shard.doc_ids)
        self.splits += shard.attrs["batches_split"]
        self.problem = shard.attrs["attention_problem"]

    def write(self, store) -> None:
        """Leave all of it in a store (StoreWriter)."""
        store.write_attention(*self.attention)
        store.file.attrs["batches_split"] = self.splits
        store.file.attrs["attention_problem"] = self.problem


def spread_evenly(texts, count: int) -> list[int]:
    """So many of the texts, evenly over their order: texts of one source stand together in it."""
    places = (np.arange(count) + 0.5) * len(texts) / max(count, 1)
    return [int(text) for text in (texts[places.astype(int)] if count < len(texts) else texts)]


def shard_path(folder, index: int) -> Path:
    """Where a shard is when it is whole."""
    return Path(folder) / f"shard-{index:06d}.h5"


def tokens_in(encoded, shards, indices) -> int:
    """Tokens in some of the shards."""
    return sum(
        int(encoded.offsets[shards[index].stop] - encoded.offsets[shards[index].start])
        for index in indices
    )


def read_plan(folder):
    """The texts as tokens, the shards as ranges of texts, and the texts' doc_ids."""
    with np.load(Path(folder) / "plan.npz") as saved:
        arrays = dict(saved)
    bounds, doc_ids = arrays.pop("bounds").tolist(), arrays.pop("doc_ids").tolist()
    shards = [range(*pair) for pair in pairwise(bounds)]
    return Encoded(**arrays), shards, doc_ids


def is_whole(path: Path, key: str) -> bool:
    """Whether a shard is there and every byte of it is sound; one that is not is removed."""
    if not path.exists():
        return False
    try:
        with open_store(path, key) as shard:
            shard.verify()
            if "reductions" in shard.file:
                hdf5.read_through(shard.file["reductions"])
    except (InfogeoError, OSError, RuntimeError):
        path.unlink()
        return False
    return True


def require_room(needs: list[tuple[Path, int]], what: str) -> None:
    """Stop before the work where its results would not fit the disks.

    Parameters
    ----------
    needs : list of (folder, bytes)
        Folders on one disk count together.
    what : str
        What will be written, for the message.

    Raises
    ------
    InfogeoError
    """
    devices = {}
    for place, size in needs:
        place.mkdir(parents=True, exist_ok=True)
        devices.setdefault(place.stat().st_dev, [place, 0])[1] += size
    for place, size in devices.values():
        free = shutil.disk_usage(place).free
        if free < size:
            raise InfogeoError(
                f"{place}: {size / 1e9:.3g} GB of {what} will be written there, but only "
                f"{free / 1e9:.3g} GB are free. Free some space, choose fewer layers (config "
                "states.layers) or fewer texts (the corpora table)."
            )


@dataclass(frozen=True)
class Passed:
    """A shard after its forward passes.

    Attributes
    ----------
    index : int
    shard : range
        Of texts.
    encoded : Encoded
    rows : batches.Rows
        Their memory is used again for the shard after the next.
    attention : list of (int, ndarray, ndarray)
        Place of a text in the shard, and what `attention.attention_rows` gives of it.
    attrs : dict
    """

    index: int
    shard: range
    encoded: Encoded
    rows: batches.Rows
    attention: list
    attrs: dict

    def states(self, layer: str):
        """Iterate over (text, Z (n, d) float32) of a layer, as a store gives them back."""
        hidden, offsets = self.rows.hidden[layer], self.rows.offsets
        for place, text in enumerate(self.shard):
            yield text, hidden[offsets[place] : offsets[place + 1]].float().numpy()


def passes(task: dict, wanted: list[int], likelihoods: bool = True):
    """Run the model over some of the shards.

    Parameters
    ----------
    task : dict
        See `Work`.
    wanted : list of int
    likelihoods : bool
        Whether likelihoods and attention rows are wanted too.

    Yields
    ------
    Passed
        One of them may still be in use while the next one is made; no more.
    """
    torch.set_num_threads(task["threads"])
    encoded, shards, doc_ids = read_plan(task["folder"])
    load = loading.load_model if task["twin"] is None else partial(loading.twin, **task["twin"])
    model = load(
        task["directory"],
        dtype=task["dtype"],
        name=task["name"],
        trust_remote_code=task["trust_remote_code"],
    )
    check_texts(model, encoded, "spectra.n")
    attended = task["attention_texts"] if likelihoods else []
    attention_problem = attention.attention_problem(model) if attended else ""
    if attention_problem:
        print(f"No attention is stored: {attention_problem}", flush=True)
    total = tokens_in(encoded, shards, wanted)
    heartbeat, done = Heartbeat(f"{model.name}: forward", total, "tokens"), 0
    heartbeat.update(0)
    most = max(tokens_in(encoded, shards, [index]) for index in wanted)
    rooms = [batches.allocate_states(model, task["layers"], most) for _ in range(2)]
    for index in wanted:
        shard = shards[index]
        rooms.reverse()  # the other one may still be in use
        rows = batches.Rows(
            model,
            task["layers"],
            encoded.lengths[shard],
            doc_ids[shard.start : shard.stop],
            rooms[0],
            likelihoods,
        )
        rows.run(
            [encoded.text(text) for text in shard],
            task["batch_tokens"],
            lambda new, done=done: heartbeat.update(done + new),
        )
        rows_of_attention = [
            (text - shard.start, *attention.attention_rows(model, encoded.text(text)))
            for text in attended
            if text in shard and not attention_problem
        ]
        attrs = {"batches_split": rows.splits, "attention_problem": attention_problem}
        yield Passed(index, shard, encoded, rows, rows_of_attention, attrs)
        done += len(rows.nll)


def wanted(task: dict) -> list[int]:
    """Those of a worker's shards that are not there."""
    return [i for i in task["shards"] if not shard_path(task["folder"], i).exists()]


def stored(states) -> np.ndarray:
    """A tensor of hidden states (rows, d) in the representation that a store holds."""
    return (states.view(torch.uint16) if states.dtype == torch.bfloat16 else states).numpy()


def in_turn(found, work) -> None:
    """Call work on each of what comes, in a second thread, while the next one is made."""
    with ThreadPoolExecutor(max_workers=1) as worker:
        pending = None
        for item in found:
            if pending is not None:
                pending.result()
            pending = worker.submit(work, item)
        if pending is not None:
            pending.result()


@contextlib.contextmanager
def shard_store(task: dict, found: Passed, widths: dict, **placed):
    """Create the store of a shard, all but its hidden states, and yield its writer.

    It is written to a name of its own, synced, and moved into place.

    Parameters
    ----------
    task : dict
    found : Passed
    widths : dict of layer → d
        Of the layers of which the store is to hold hidden states.
    **placed
        Which hidden states it is to hold; see `create_store`.
    """
    encoded, rows = found.encoded, found.rows
    first, last = encoded.offsets[found.shard.start], encoded.offsets[found.shard.stop]
    with (
        replacing(shard_path(task["folder"], found.index)) as temporary,
        create_store(
            temporary,
            attrs={"fingerprint": task["key"], "model": task["name"], **found.attrs},
            doc_ids=rows.doc_ids,
            sources=[""] * len(found.shard),
            labels=[""] * len(found.shard),
            lengths=encoded.lengths[found.shard],
            widths=widths,
            dtype=task["dtype"],
            post_norm=rows.model.post_norm,
            **placed,
        ) as store,
    ):
        store.write_tokens(
            0,
            token_ids=encoded.token_ids[first:last],
            special_mask=encoded.special_mask[first:last],
            token_end_byte=encoded.token_end_byte[first:last],
            nll=rows.nll,
            predictive_entropy=rows.predictive_entropy,
        )
        yield store
        if found.attention:
            store.write_attention(*zip(*found.attention, strict=True))
