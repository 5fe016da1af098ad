"""Dumping hidden states: shards that survive a kill, spread over workers, assembled into one store.

The texts are cut into shards of consecutive texts. A shard is a small store of its own, written
under another name and moved into place when whole; to resume is to make the shards that are not
there. Batches depend on the shard alone, so that shards, and the store assembled from them, come
out the same, byte for byte, however often the work was interrupted and by however many workers it
was done (on equal hardware, versions and threads).
"""

import contextlib
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from infogeo import cards, forward, launch
from infogeo.artefacts import read_table, replacing, sha256_file
from infogeo.errors import InfogeoError
from infogeo.fingerprint import digest
from infogeo.job_array import Claim
from infogeo.progress import Heartbeat
from infogeo.store import STORED, create_store, open_store

SHARD_BYTES = 1 << 29  # most hidden states in a shard; two shards are in memory at once
LATE_SECONDS = 90  # until a file that was written on another node is seen on this one


def dump(
    card_path,
    corpus_path,
    output,
    *,
    n: list[int],
    layers,
    attention_texts: int,
    batch_tokens: int,
    shard_tokens: int,
    dtype: str,
    trust_remote_code: bool,
    seed: int,
    fingerprint: str,
    expected=(None, None),
    placement: str = "debug",
    workers: int = 1,
    threads: int = 1,
    resources=None,
    scratch="scratch",
) -> None:
    """Store the hidden states of the texts of a corpus under a model.

    Parameters
    ----------
    card_path, corpus_path, output : path
        model.json, the corpus's table, and the store to make.
    n : list of int
        Texts of fewer than min(n) tokens are left out, the others cut to max(n).
    layers : 'all' or list
        See `forward.choose_layers`.
    attention_texts : int
        The attention of the last token is stored for so many texts, spread evenly over those of
        max(n) tokens.
    batch_tokens, shard_tokens : int
        Most tokens of a batch (padding included) and of a shard.
    dtype : {'float32', 'float16', 'bfloat16'}
        Of the computation and of the stored states.
    trust_remote_code : bool
    seed : int
        Noted in the file; nothing here is random.
    fingerprint : str
        Of the result.
    expected : (str, str)
        Fingerprints that the model and the corpus must carry.
    placement, workers, resources
        See `launch.spread`.
    threads : int
        CPU threads of this job, or of each job of an array.
    scratch : path
        Folder for shards; removed at the end.

    Raises
    ------
    InfogeoError
        Where an input is not what was expected, a disk is too small, a text or layer cannot be
        computed or stored, or a worker fails. Finished shards stay, and the next call uses them.
    """
    output = Path(output)
    card = cards.read(card_path, expected[0])
    cards.require_files(card)
    corpus = read_table(corpus_path, expected[1])
    layers = forward.choose_layers(layers, card["layers"])
    attrs = {
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
        "layers": layers,
        "batch_tokens": batch_tokens,
        "device": launch.device(placement, resources, torch.cuda.is_available()),
        "threads": max(1, threads // workers) if placement == "local" else threads,
    }
    # Whatever could change a byte of a shard is in its key.
    key = digest([fingerprint, n, shard_tokens, attention_texts, attrs, task, card["files"]])
    folder = Path(scratch) / "hidden_states" / key[:32]
    folder.mkdir(parents=True, exist_ok=True)
    claim = Claim(folder)
    task |= {"folder": str(folder), "key": key}

    per_token = len(layers) * card["width"] * STORED[dtype].itemsize
    encoded, shards = _planned(
        folder, corpus, card["directory"], trust_remote_code, n, shard_tokens, per_token
    )
    whole = np.flatnonzero(encoded.lengths == max(n))
    task["attention_texts"] = spread_evenly(whole, attention_texts)
    missing = [index for index in range(len(shards)) if not _is_whole(folder, index, key)]
    missing_tokens = _tokens(encoded, shards, missing)
    _require_room(output, folder, per_token, len(encoded.token_ids), missing_tokens)

    heartbeat = Heartbeat(f"{card['slug']}: hidden states", len(encoded.token_ids), "tokens")
    heartbeat.update(len(encoded.token_ids) - missing_tokens)

    def count_shards():
        claim.check()
        there = [index for index in range(len(shards)) if _shard(folder, index).exists()]
        heartbeat.update(_tokens(encoded, shards, there))

    described = {
        "doc_ids": corpus["doc_id"].iloc[encoded.kept].tolist(),
        "sources": corpus["source"].iloc[encoded.kept].tolist(),
        "labels": corpus["label"].iloc[encoded.kept].tolist(),
        "lengths": encoded.lengths,
        "dtype": dtype,
        "attrs": {
            "fingerprint": fingerprint,
            **attrs,
            "texts_left_out": len(corpus) - len(encoded),
        },
    }
    # What a worker is to make does not depend on what is there: so one that lives is recognised.
    parts = [list(range(first, len(shards), workers)) for first in range(workers)]
    tasks = [task | {"shards": part} for part in parts if set(part) & set(missing)]
    stopped = threading.Event()
    with ThreadPoolExecutor(max_workers=1) as assembler:
        # Assembly goes along with the work, so that little is left to do when that ends.
        assembly = assembler.submit(_assemble, folder, len(shards), key, output, described, stopped)
        try:
            if tasks:
                launch.spread(
                    make_shards,
                    tasks,
                    placement=placement,
                    folder=folder / "launch",
                    gpus=torch.cuda.device_count(),
                    resources=dict(resources or {}, threads=threads),
                    waiting=count_shards,
                )
            _await_shards(folder, len(shards))
            assembly.result()
        finally:
            stopped.set()
    heartbeat.close()
    claim.check()
    shutil.rmtree(folder)
    for parent in (folder.parent, Path(scratch)):
        with contextlib.suppress(OSError):  # other dumps are still at work there
            parent.rmdir()


def spread_evenly(texts, count: int) -> list[int]:
    """So many of the texts, evenly over their order: texts of one source stand together in it."""
    places = (np.arange(count) + 0.5) * len(texts) / max(count, 1)
    return [int(text) for text in (texts[places.astype(int)] if count < len(texts) else texts)]


def _shard(folder, index: int) -> Path:
    return Path(folder) / f"shard-{index:06d}.h5"


def _tokens(encoded, shards, indices) -> int:
    """Tokens in some of the shards."""
    return sum(
        int(encoded.offsets[shards[index].stop] - encoded.offsets[shards[index].start])
        for index in indices
    )


def _planned(folder, corpus, directory, trust_remote_code, n, shard_tokens, per_token):
    """The texts as tokens and the shards, made once and then kept beside them for the workers."""
    path = Path(folder) / "plan.npz"
    if not path.exists():
        tokenizer = forward.load_tokenizer(directory, trust_remote_code)
        encoded = forward.encode(tokenizer, corpus["text"], max(n), min(n))
        most = min(shard_tokens, SHARD_BYTES // per_token)
        shards = forward.plan_blocks(encoded.lengths, most)
        doc_ids = corpus["doc_id"].iloc[encoded.kept].to_numpy(dtype=str)
        with replacing(path) as temporary, temporary.open("wb") as file:
            bounds = [shard.start for shard in shards] + [len(encoded)]
            np.savez(file, **vars(encoded), bounds=bounds, doc_ids=doc_ids)
    return _read_plan(folder)[:2]


def _read_plan(folder):
    with np.load(Path(folder) / "plan.npz") as saved:
        arrays = dict(saved)
    bounds, doc_ids = arrays.pop("bounds").tolist(), arrays.pop("doc_ids").tolist()
    shards = [range(*pair) for pair in pairwise(bounds)]
    return forward.Encoded(**arrays), shards, doc_ids


def _is_whole(folder, index: int, key: str) -> bool:
    """Whether a shard is there and every byte of it is sound; one that is not is removed."""
    path = _shard(folder, index)
    if not path.exists():
        return False
    try:
        with open_store(path, key) as shard:
            shard.verify()
    except InfogeoError:
        path.unlink()
        return False
    return True


def _await_shards(folder, count: int) -> None:
    """Wait for the shards of workers that have ended: a network shows new files late."""
    end = time.monotonic() + LATE_SECONDS
    while absent := [index for index in range(count) if not _shard(folder, index).exists()]:
        if time.monotonic() > end:
            raise InfogeoError(
                f"{folder}: {len(absent)} of {count} shards are not there, though the workers that "
                "were to make them have ended. The same command makes them."
            )
        time.sleep(0.5)


def _require_room(output, folder, per_token, tokens, missing_tokens):
    """Stop before the work where its results would not fit the disks."""
    output.parent.mkdir(parents=True, exist_ok=True)
    needs = {}
    for place, size in ((output.parent, tokens), (folder, missing_tokens)):
        device = place.stat().st_dev
        needs.setdefault(device, [place, 0])[1] += size * per_token
    for place, size in needs.values():
        free = shutil.disk_usage(place).free
        if free < size:
            raise InfogeoError(
                f"{place}: {size / 1e9:.3g} GB of hidden states (shards and the file made of them) "
                f"will be written there, but only {free / 1e9:.3g} GB are free. Free some space, "
                "choose fewer layers (config states.layers) or fewer texts (the corpora table)."
            )


def make_shards(task: dict) -> None:
    """Make those of some shards of a dump that are not there; the work of one worker.

    Each shard is written by a second thread while the model is at work on the next.
    """
    torch.set_num_threads(task["threads"])
    wanted = [index for index in task["shards"] if not _shard(task["folder"], index).exists()]
    if not wanted:
        return
    encoded, shards, doc_ids = _read_plan(task["folder"])
    model = forward.load_model(
        task["directory"],
        dtype=task["dtype"],
        name=task["name"],
        trust_remote_code=task["trust_remote_code"],
    )
    model.check_texts(encoded)
    attention_problem = model.attention_problem() if task["attention_texts"] else ""
    if attention_problem:
        print(f"No attention is stored: {attention_problem}", flush=True)
    total = _tokens(encoded, shards, wanted)
    heartbeat, done = Heartbeat(f"{task['name']}: forward", total, "tokens"), 0
    heartbeat.update(0)
    most = max(_tokens(encoded, shards, [index]) for index in wanted)
    rooms = [forward.make_room(model, task["layers"], most) for _ in range(2)]
    with ThreadPoolExecutor(max_workers=1) as writer:
        pending = None
        for index in wanted:
            shard = shards[index]
            texts = [encoded.text(text) for text in shard]
            rooms.reverse()  # the other one is being written
            rows = forward.Rows(
                model,
                task["layers"],
                encoded.lengths[shard],
                doc_ids[shard.start : shard.stop],
                rooms[0],
            )
            rows.run(
                texts, task["batch_tokens"], lambda new, done=done: heartbeat.update(done + new)
            )
            attention = [
                (text - shard.start, *model.attention_rows(encoded.text(text)))
                for text in task["attention_texts"]
                if text in shard and not attention_problem
            ]
            if pending is not None:
                pending.result()
            attrs = {"batches_split": rows.splits, "attention_problem": attention_problem}
            pending = writer.submit(
                _write_shard, task, index, shard, encoded, rows, attention, attrs
            )
            done += len(rows.nll)
        pending.result()


def _write_shard(task, index, shard, encoded, rows, attention, attrs):
    """Write one shard to a name of its own, sync it, and move it into place."""
    first, last = encoded.offsets[shard.start], encoded.offsets[shard.stop]
    with (
        replacing(_shard(task["folder"], index)) as temporary,
        create_store(
            temporary,
            attrs={"fingerprint": task["key"], "model": task["name"], **attrs},
            doc_ids=rows.doc_ids,
            sources=[""] * len(shard),
            labels=[""] * len(shard),
            lengths=encoded.lengths[shard],
            widths={layer: rows.hidden[layer].shape[1] for layer in task["layers"]},
            dtype=task["dtype"],
            post_norm=rows.model.post_norm,
            first_row=int(first),
            total_rows=len(encoded.token_ids),
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
        for layer, hidden in rows.hidden.items():
            if task["dtype"] == "bfloat16":
                hidden = hidden.view(torch.uint16)
            store.write_hidden(layer, 0, hidden.numpy())
        if attention:
            store.write_attention(*zip(*attention, strict=True))


def _assemble(folder, count, key, output, described, stopped):
    """Make one store of the shards as they come, check every byte of it, move it into place."""

    def shards():
        for index in range(count):
            while not _shard(folder, index).exists():
                if stopped.wait(0.05):
                    raise InfogeoError("The work that was to make the shards has stopped.")
            with open_store(_shard(folder, index), key) as shard:
                yield shard

    for stale in output.parent.glob(f".{output.name}.*.partial"):
        stale.unlink()  # of an assembly that was killed
    coming = shards()
    shard = next(coming)
    widths = shard.widths
    post_norm = [layer for layer in shard.layers if shard.post_norm[layer]]
    attention_problem = shard.attrs["attention_problem"]
    attention, splits, text = ([], [], []), 0, 0
    with replacing(output) as temporary:
        with create_store(temporary, widths=widths, post_norm=post_norm, **described) as store:
            while shard is not None:
                store.copy_rows(shard)
                for place in shard.attention_texts:
                    found = shard.attention_last_row(place), shard.rollout_row(place)
                    for kept, new in zip(attention, (text + place, *found), strict=True):
                        kept.append(new)
                splits += shard.attrs["batches_split"]
                text += len(shard.doc_ids)
                shard = next(coming, None)
            store.write_attention(*attention)
            store.file.attrs["batches_split"] = splits
            store.file.attrs["attention_problem"] = attention_problem
        with open_store(temporary, described["attrs"]["fingerprint"]) as store:
            store.verify(hidden=False)  # these were read back as they were copied
