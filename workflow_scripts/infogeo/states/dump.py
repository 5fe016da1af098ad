"""Dumping hidden states: shards of a corpus under a model, assembled into one store."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from infogeo.files.artefacts import remove_partial, replacing
from infogeo.files.errors import InfogeoError
from infogeo.states import shards
from infogeo.states.shards import Gathered, Work
from infogeo.states.store import create_store, open_store


def dump(card_path, corpus_path, output, *, fingerprint: str, **settings) -> None:
    """Store the hidden states of the texts of a corpus under a model.

    Parameters
    ----------
    card_path, corpus_path, output : path
        model.json, the corpus's table, and the store to make.
    fingerprint : str
        Of the result.
    **settings
        Of the work; see `shards.Work`. The seed is noted in the file; nothing here is random.

    Raises
    ------
    InfogeoError
        Where an input is not what was expected, a disk is too small, a text or layer cannot be
        computed or stored, or a worker fails. Finished shards stay, and the next call uses them.
    """
    output = Path(output)
    work = Work("hidden_states", card_path, corpus_path, determined_by=[fingerprint], **settings)
    missing = work.missing()
    needs = [
        (output.parent, len(work.encoded.token_ids) * work.per_token),
        (work.folder, work.tokens(missing) * work.per_token),
    ]
    shards.require_room(needs, "hidden states (shards and the file made of them)")
    attrs = {"fingerprint": fingerprint, **work.attrs}
    described = shards.described(work.corpus, work.encoded, work.dtype, attrs)
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
    gathered = Gathered()
    with replacing(output) as temporary:
        with create_store(temporary, widths=widths, post_norm=post_norm, **described) as store:
            while shard is not None:
                store.copy_rows(shard)
                gathered.take(shard)
                shard = next(coming, None)
            gathered.write(store)
        with open_store(temporary, described["attrs"]["fingerprint"]) as store:
            store.verify(hidden=False)  # these were read back as they were copied
