"""Dumping hidden states: shards of a corpus under a model, assembled into one store."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from infogeo import shards
from infogeo.artefacts import remove_partial, replacing
from infogeo.errors import InfogeoError
from infogeo.shards import Work
from infogeo.store import create_store, open_store


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
    work = Work(
        "hidden_states",
        card_path,
        corpus_path,
        n=n,
        layers=layers,
        attention_texts=attention_texts,
        batch_tokens=batch_tokens,
        shard_tokens=shard_tokens,
        dtype=dtype,
        trust_remote_code=trust_remote_code,
        seed=seed,
        determined_by=[fingerprint],
        expected=expected,
        placement=placement,
        workers=workers,
        threads=threads,
        resources=resources,
        scratch=scratch,
    )
    missing = work.missing()
    needs = [
        (output.parent, len(work.encoded.token_ids) * work.per_token),
        (work.folder, work.tokens(missing) * work.per_token),
    ]
    shards.require_room(needs, "hidden states (shards and the file made of them)")
    attrs = {"fingerprint": fingerprint, **work.attrs}
    described = shards.described(work.corpus, work.encoded, dtype, attrs)
    stopped = threading.Event()
    with ThreadPoolExecutor(max_workers=1) as assembler:
        # Assembly goes along with the work, so that little is left to do when that ends.
        assembly = assembler.submit(_assemble, work, output, described, stopped)
        try:
            work.make(make_shards, missing)
            assembly.result()
        finally:
            stopped.set()
    work.close()


def make_shards(task: dict) -> None:
    """Make those of some shards of a dump that are not there; the work of one worker.

    Each shard is written by a second thread while the model is at work on the next.
    """
    wanted = shards.wanted(task)
    if wanted:
        shards.in_turn(shards.passes(task, wanted), lambda found: _write_shard(task, found))


def _write_shard(task, found):
    hidden, encoded = found.rows.hidden, found.encoded
    with shards.shard_store(
        task,
        found,
        {layer: states.shape[1] for layer, states in hidden.items()},
        first_row=int(encoded.offsets[found.shard.start]),
        total_rows=len(encoded.token_ids),
    ) as store:
        for layer, states in hidden.items():
            store.write_hidden(layer, 0, shards.stored(states))


def _assemble(work, output, described, stopped):
    """Make one store of the shards as they come, check every byte of it, move it into place."""

    def whole_shards():
        for index in range(len(work.shards)):
            path = shards.shard_path(work.folder, index)
            while not path.exists():
                if stopped.wait(0.05):
                    raise InfogeoError("The work that was to make the shards has stopped.")
            with open_store(path, work.key) as shard:
                yield shard

    remove_partial(output)
    coming = whole_shards()
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
