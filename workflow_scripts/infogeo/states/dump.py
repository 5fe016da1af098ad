"""Dumping hidden states: shards of a corpus under a model, assembled into one store."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from infogeo.files.artefacts import remove_partial, replacing
from infogeo.files.errors import InfogeoError
from infogeo.states import shards
from infogeo.states.shards import CorpusWork, Gathered, PassesTask
from infogeo.states.store import open_store
from infogeo.states.store_writer import create_store
from infogeo.states.work import require_disk


def dump(card_path, corpus_path, output, *, fingerprint: str, **settings) -> CorpusWork:
    """Store the hidden states of the texts of a corpus under a model.

    Parameters
    ----------
    card_path, corpus_path, output : path
        model.json, the corpus's table, and the store to make.
    fingerprint : str
        Of the result.
    **settings
        Of the work; see `shards.begin`. The seed is noted in the file; nothing here is random.

    Returns
    -------
    CorpusWork
        What was done, which another dump may be `like`.

    Raises
    ------
    InfogeoError
        Where an input is not what was expected; a disk is too small; a text or layer cannot be
        computed or stored; or a worker fails. Finished shards stay, and the next call uses them.
    """
    output = Path(output)
    run = shards.begin(
        "hidden_states", card_path, corpus_path, determined_by=[fingerprint], **settings
    )
    missing = run.files.missing()
    needs = [
        (output.parent, len(run.encoded.token_ids) * run.bytes_per_token),
        (run.work.folder, run.files.size(missing) * run.bytes_per_token),
    ]
    require_disk(needs, "hidden states (shards and the file made of them)")
    attrs = {"fingerprint": fingerprint, **run.attrs}
    description = shards.store_description(run.corpus, run.encoded, attrs)
    stopped = threading.Event()
    with ThreadPoolExecutor(max_workers=1) as assembler:
        # Assembly goes along with the work, so that little is left to do when that ends.
        assembly = assembler.submit(_assemble, run, output, description, stopped)
        # Passes whose results have no place to go would be for nothing.
        assembly.add_done_callback(lambda ended: ended.exception() and run.work.abandon())
        try:
            run.work.make(make_shards, run.task, run.files, missing, "hidden states")
            assembly.result()
        except Exception:
            if assembly.done():
                assembly.result()  # its error is the cause, where it has one
            raise
        finally:
            stopped.set()
    run.work.close()
    return run


def make_shards(task: PassesTask) -> None:
    """Make those of some shards of a dump that do not exist; the work of one worker.

    Each shard is written by a second thread while the model is at work on the next.
    """
    indices = shards.unmade(task)
    if indices:
        shards.overlap(shards.passes(task, indices), lambda passed: _write_shard(task, passed))


def _write_shard(task, passed):
    hidden, encoded = passed.rows.hidden, passed.encoded
    with shards.shard_store(
        task,
        passed,
        {layer: states.shape[1] for layer, states in hidden.items()},
        first_row=int(encoded.offsets[passed.shard.start]),
        total_rows=len(encoded.token_ids),
    ) as store:
        for layer, states in hidden.items():
            store.write_hidden(layer, 0, shards.stored(states))


def _assemble(run: CorpusWork, output, description, stopped):
    """Make one store of the shards as they come, check every byte of it, move it into place."""

    def whole_shards():
        for index in range(len(run.files.sizes)):
            path = run.files.path(index)
            while not path.exists():
                if stopped.wait(0.05):
                    raise InfogeoError("The work that was to make the shards has stopped.")
            with shards.open_shard(path, run.task.key) as shard:
                yield shard

    remove_partial(output)
    coming = whole_shards()
    shard = next(coming)
    states = {"widths": shard.widths, "dtype": shard.dtype}
    post_norm = [layer for layer in shard.layers if shard.post_norm[layer]]
    gathered = Gathered()
    with replacing(output) as temporary:
        with create_store(temporary, **states, post_norm=post_norm, **description) as store:
            while shard is not None:
                store.copy_rows(shard)
                gathered.take(shard)
                shard = next(coming, None)
            gathered.write(store)
        with open_store(temporary, description["attrs"]["fingerprint"]) as store:
            store.verify(hidden=False)  # these were read back as they were copied
