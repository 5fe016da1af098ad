"""Spectra of stored hidden states: of one store, or of checkpoints whose states are not kept."""

import contextlib
import shutil
from pathlib import Path

from infogeo.jobs import memory
from infogeo.files.artefacts import replacing
from infogeo.geometry.corpus_spectra import Documents, spectra_of_layer
from infogeo.geometry.spectra_file import Tokens, write_spectra_file
from infogeo.jobs.progress import Heartbeat
from infogeo.jobs.threads import side_by_side
from infogeo.states.store import open_store


def write_spectra(store, output, *, n, name, fingerprint, expected=None, threads=1) -> None:
    """Read stored states layer by layer, and write the spectra of every text.

    Parameters
    ----------
    store, output : path
        Hidden states of a model on a corpus, and the file of spectra to make.
    n : list of int
        The prefixes, in tokens.
    name : str
        Of the model, for the heartbeat.
    fingerprint : str
        Of the result.
    expected : str, optional
        Fingerprint that the store must carry.
    threads : int
        As many layers are treated at once.

    Raises
    ------
    InfogeoError
        Where the store is not the expected one or damaged, or the disk is full.
    """
    with open_store(store, expected) as states, side_by_side(threads) as each:
        documents = Documents.of(states.doc_ids, states.sources, states.lengths, n, states.nested)
        tokens = Tokens(
            offsets=states.offsets,
            nll=states.nll(),
            predictive_entropy=states.predictive_entropy(),
            token_end_byte=states.token_end_byte(),
        )
        total = 2 * len(states.doc_ids) * len(states.layers)  # every text comes twice
        heartbeat = Heartbeat(name, total, "texts × layers")

        def of_layer(layer):
            return spectra_of_layer(lambda: heartbeat.counted(states.states([layer])), documents)

        layers = each(of_layer, states.layers)
        write_spectra_file(output, documents, tokens, layers, fingerprint)


def measure_checkpoints(
    cards,
    corpus,
    outputs,
    *,
    n,
    fingerprints,
    expected_models,
    expected_corpus,
    scratch="scratch",
    **settings,
) -> None:
    """Run the model at each step of its training over a corpus, and write its spectra.

    What a start costs is paid once for all steps. Hidden states of one step at a time are on disk,
    in the scratch folder, where spectra wait until all are there: a job that was cut off goes on.

    Parameters
    ----------
    cards, outputs : lists of path
        model.json of each step, and its file of spectra to make.
    corpus : path
        The corpus's table.
    n : list of int
        The prefixes, in tokens.
    fingerprints, expected_models : lists of str
        Of each result, and that each model must carry.
    expected_corpus : str
        Fingerprint that the corpus must carry.
    scratch : path
    **settings
        Of the work; see `shards.begin`.

    Raises
    ------
    InfogeoError
        As `dump.dump` and `write_spectra`.

    Notes
    -----
    Verified against a dump and the spectra of its store: every byte.
    """
    from infogeo.states.dump import dump  # here: spectra of a store need no torch

    waiting = Path(scratch) / "checkpoints"
    waiting.mkdir(parents=True, exist_ok=True)
    made = [waiting / f"{fingerprint}.h5" for fingerprint in fingerprints]
    like = None  # the step before, whose texts are tokens already
    for card, spectra, fingerprint, expected in zip(
        cards, made, fingerprints, expected_models, strict=True
    ):
        store = waiting / f"{fingerprint}.states.h5"
        if spectra.exists():
            store.unlink(missing_ok=True)  # of a job that was killed just before it did so
            continue
        like = dump(
            card,
            corpus,
            store,
            n=[min(n), max(n)],
            attention_texts=0,
            fingerprint=fingerprint,
            expected=(expected, expected_corpus),
            scratch=scratch,
            like=like,
            **settings,
        )
        memory.give_back()  # what the passes have kept
        name, threads = Path(card).parent.name, settings.get("threads", 1)
        write_spectra(store, spectra, n=n, name=name, fingerprint=fingerprint, threads=threads)
        store.unlink()
    for spectra, output in zip(made, outputs, strict=True):
        with replacing(output) as temporary:
            shutil.copyfile(spectra, temporary)
    for spectra in made:
        spectra.unlink()
    for folder in (waiting, waiting.parent):
        with contextlib.suppress(OSError):  # others use it
            folder.rmdir()
