"""What passes over a corpus have left in shards and notes, as results of the whole corpus."""

from functools import partial

import h5py
import pandas as pd

from infogeo.files.artefacts import write_table
from infogeo.geometry import text_rows
from infogeo.geometry.corpus_spectra import Documents, assembled
from infogeo.geometry.dimension_rows import layer_table
from infogeo.geometry.metrics import regularisers
from infogeo.geometry.spectra_file import Tokens, write_spectra_file
from infogeo.jobs.threads import side_by_side
from infogeo.sources.cards import NO_PREDICTION
from infogeo.states import kept_states, reduction, text_plan
from infogeo.states.shard_spectra import text_spectra
from infogeo.states.two_passes import MeasureTask


def gains(task: MeasureTask, layer: str):
    """The gains of all texts at a layer and their checks; see `reduction.layer_gains`."""
    of_width = regularisers(task.lambdas, task.eps2, max(task.n), task.widths[layer])
    return reduction.layer_gains(task.reductions(layer), layer, task.widths[layer], of_width)


def no_gains(names) -> list[dict]:
    """The tables of gains of an encoder, for `write_pieces`: the reason that there are none."""
    return [{name: pd.DataFrame({"problem": [NO_PREDICTION]}) for name in names}]


def write_dimensions(
    task: MeasureTask, lengths, sources, path, fingerprint, *, neighbours: int, draws: int
) -> None:
    """Write the table of intrinsic dimensions of all layers; see `dimension_rows.layer_table`."""
    choice = task.row_choice(lengths)
    settings = {"most": neighbours, "draws": draws, "seed": task.seed}

    def of_layer(layer):
        rows = reduction.chosen_rows(task.reductions(layer), choice)
        return layer_table(layer, rows, choice, sources, **settings)

    with side_by_side(task.model.threads) as each:
        table = pd.concat(each(of_layer, task.layers), ignore_index=True)
    write_table(table, path, fingerprint)


def write_text_rows(
    task: MeasureTask, lengths, named, layers, path, fingerprint, *, n: int, most: int
) -> None:
    """Write the rows of a sample of the texts at some layers; see `text_rows.sample`.

    Of the texts whose rows are there for the intrinsic dimension: no pass is needed.
    """
    choice = task.row_choice(lengths)
    sampled = text_rows.sample(named[0], text_rows.of_choice(choice, n), most, seed=task.seed)
    names = [[of_all[text] for text in sampled] for of_all in named]
    made = []
    for layer in layers:
        rows = reduction.chosen_rows(task.reductions(layer), choice)
        rows = text_rows.chosen(rows, choice, sampled, n)
        made.append(text_rows.TextRows(*names, layer, n, rows))
    text_rows.save(path, made, fingerprint)


def write_spectra(task: MeasureTask, notes, doc_ids, sources, arrays, path, fingerprint) -> None:
    """Write the spectra of all texts and of the corpus.

    Parameters
    ----------
    task : MeasureTask
        Of all shards.
    notes : list of path
        See `two_passes.all_passes`.
    doc_ids, sources : lists of str
    arrays : dict
        See `token_arrays`.
    path : path
    fingerprint : str
    """
    encoded = text_plan.read_plan(task.folder)[0]
    documents = Documents.of(doc_ids, sources, encoded.lengths, task.n, task.nested)
    scores = {name: arrays[name] for name in ("nll", "predictive_entropy", "token_end_byte")}
    with side_by_side(task.model.threads) as each:
        if task.keeps_states:
            of_layer = partial(_spectra_of_kept, task, encoded.lengths)
        else:
            of_layer = partial(_noted_spectra, task, notes)
        corpora = list(each(of_layer, task.layers))

    def layers():
        for layer, corpus in zip(task.layers, corpora, strict=True):
            width = task.widths[layer]
            texts = text_spectra(task.reductions(layer), documents.texts, width)
            yield assembled(layer, width, texts.spectra, texts.norms, corpus)

    write_spectra_file(path, documents, Tokens(encoded.offsets, **scores), layers(), fingerprint)


def _spectra_of_kept(task: MeasureTask, lengths, layer: str) -> dict:
    """The spectra of the corpus at a layer, from the hidden states that shards have kept."""
    corpus = task.layer_corpus(layer, task.centres(layer))
    corpus.add(kept_states.of_texts(task.reductions(layer), lengths))
    corpus.flush()
    return corpus.spectra()


def _noted_spectra(task: MeasureTask, notes, layer: str) -> dict:
    """The spectra of the corpus at a layer, from what all workers have gathered."""
    whole = None
    for note in notes:
        part = task.layer_corpus(layer, {})
        with h5py.File(note, "r", locking=False) as file:
            part.load(file[layer])
        if whole is None:
            whole = part
        else:
            whole.merge(part)
    return whole.spectra()
