"""Spectra, gains, dimensions and rows of texts of untrained twins, whose states are never stored.

They are of an architecture: all models that differ in their weights alone share them. All come
from the same `two_passes` of a twin, in shards that survive a kill, by as many workers as a dump
has.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from infogeo.jobs import memory
from infogeo.files.artefacts import read_table, remove_partial, write_table
from infogeo.files.parts import Parts, in_parts, write_pieces
from infogeo.geometry import gain_tables, layer_gains, token_gains
from infogeo.geometry.depths import layers_at
from infogeo.inference import resampling
from infogeo.jobs.threads import side_by_side
from infogeo.states import shards, text_plan
from infogeo.states.shard_results import (
    gains,
    no_gains,
    write_dimensions,
    write_spectra,
    write_text_rows,
)
from infogeo.states.two_passes import MeasureTask, all_passes, measure_task

GAINS = ("gain", "relations")
TABLES = (*GAINS, "dimension")
OF_DRAW = ("spectra", "tokens", "rows")


def measure_twins(
    card_path,
    corpus_path,
    outputs: dict,
    *,
    lambdas: list[float],
    eps2: list[float],
    neighbours: int,
    sampled_rows: int,
    depths: list[str],
    depth_tolerance: float,
    rows_n: int,
    most_texts: int,
    fingerprint: str,
    expected: tuple[str, str] = (None, None),
    **settings,
) -> None:
    """Measure the untrained twins of a model on a corpus.

    Parameters
    ----------
    card_path, corpus_path : path
        model.json and the corpus's table.
    outputs : dict
        Paths, one per draw: `spectra`; `tokens` (see `token_gains`); `rows` (see `text_rows`). One
        for all: `gain`, the means over the tokens of each text (`gain_tables.text_table`);
        `relations`, of the gains with the likelihoods of the twin itself; both with a column draw;
        `dimension`, likewise.
    lambdas, eps2 : lists of float
        See `layer_gains.gains_of_layer`.
    neighbours, sampled_rows : int
        See `dimension.measure` and `dimension_rows.RowChoice`.
    depths, depth_tolerance, rows_n, most_texts
        Of `rows`: at which depths, of how many tokens, and of how many texts at most.
    fingerprint : str
        Of all results.
    expected : (str, str)
        Fingerprints that model and corpus must carry.
    **settings
        Of the work; see `shards.begin`. n: the prefixes. threads: as many layers are treated at
        once.

    Raises
    ------
    InfogeoError
        Where an input is not what was expected, disk or memory do not suffice, or a worker fails.
        What was finished stays, and the next call uses it.

    Notes
    -----
    Verified against spectra and gains of the twin's states, computed from one forward pass a text.
    """
    runs = []
    of_draws = list(zip(*(outputs[name] for name in OF_DRAW), strict=True))
    for draw, paths in enumerate(of_draws):
        run = shards.begin(
            "untrained_twins",
            card_path,
            corpus_path,
            attention_texts=0,
            determined_by=[fingerprint],
            expected=expected,
            twin=draw,
            like=runs[0] if runs else None,
            **settings,
        )
        task = measure_task(run, lambdas, eps2, sampled_rows)
        folders = [Path(path).parent for path in paths]
        notes = all_passes(run, task, folders, later=len(of_draws) - draw - 1)
        assembly = Assembly(
            measured=task,
            notes=tuple(map(str, notes)),
            corpus=str(corpus_path),
            outputs=tuple(map(str, paths)),
            neighbours=neighbours,
            row_layers=tuple(
                dict.fromkeys(
                    layers_at(
                        depths, run.card["layers"], list(run.layers), depth_tolerance
                    ).values()
                )
            ),
            rows_n=rows_n,
            most_texts=most_texts,
            fingerprint=fingerprint,
        )
        run.work.spread(assemble, [assembly])
        memory.give_back()
        # Until all draws are there, each can be put together anew.
        runs.append(run)
    for name in TABLES:
        parts = (
            part.assign(draw=draw)
            for draw, run in enumerate(runs)
            for part in Parts(_table_path(run.work.folder, name))
        )
        write_table(in_parts(parts), outputs[name], fingerprint)
    for run in runs:
        run.work.close()


def _table_path(folder, name: str) -> Path:
    """Where a draw's table waits for those of the others."""
    return Path(folder) / f"{name}.parquet"


@dataclass(frozen=True, kw_only=True)
class Assembly:
    """What a worker needs to put the results of one draw together.

    Attributes
    ----------
    measured : MeasureTask
        Of all shards.
    notes : tuple of str
        See `two_passes.all_passes`.
    corpus : str
        Path of the corpus's table.
    outputs : (str, str, str)
        Paths of the spectra, of the gains of every token, and of the rows of texts.
    neighbours : int
    row_layers : tuple of str
    rows_n, most_texts : int
        See `shard_results.write_text_rows`.
    fingerprint : str
    """

    measured: MeasureTask
    notes: tuple[str, ...]
    corpus: str
    outputs: tuple[str, str, str]
    neighbours: int
    row_layers: tuple[str, ...]
    rows_n: int
    most_texts: int
    fingerprint: str


def assemble(task: Assembly) -> None:
    """Write the files of one draw, and its tables beside the shards; the work of one worker."""
    measured = task.measured
    for path in task.outputs:
        remove_partial(path)
    encoded = text_plan.read_plan(measured.folder)[0]
    corpus = read_table(task.corpus, columns=["doc_id", "source"]).iloc[encoded.corpus_rows]
    named = list(corpus["doc_id"]), list(corpus["source"])
    arrays = shards.token_arrays(measured)
    write_spectra(measured, task.notes, *named, arrays, task.outputs[0], task.fingerprint)
    memory.give_back()

    write_dimensions(
        measured,
        encoded.lengths,
        resampling.clusters(*named),
        _table_path(measured.folder, "dimension"),
        task.fingerprint,
        neighbours=task.neighbours,
        draws=0,
    )

    write_text_rows(
        measured,
        encoded.lengths,
        named,
        task.row_layers,
        task.outputs[2],
        task.fingerprint,
        n=task.rows_n,
        most=task.most_texts,
    )

    paths = {name: _table_path(measured.folder, name) for name in GAINS}
    if measured.nested:
        write_pieces(_gains(task, encoded, named, arrays), paths, task.fingerprint)
    else:
        write_pieces(no_gains(paths), paths, task.fingerprint)
        token_gains.write_none(task.outputs[1], task.fingerprint)


def _gains(task: Assembly, encoded, named, arrays):
    """Yield the tables of a layer after the other, and write the gains of its tokens."""
    measured, offsets = task.measured, encoded.offsets
    texts = layer_gains.FullTexts.of(*named, offsets, encoded.token_ids, max(measured.n))
    scores = texts.scores_of_model(arrays["nll"], arrays["predictive_entropy"], offsets)
    ends = arrays["token_end_byte"][offsets[texts.index][:, None] + np.arange(texts.n)]

    def of_layer(layer):
        of_texts, _ = gains(measured, layer)
        tables = {
            "gain": gain_tables.text_table(of_texts, texts),
            "relations": gain_tables.relation_table([of_texts], texts, scores),
        }
        return of_texts, tables

    with (
        side_by_side(measured.model.threads) as each,
        token_gains.writing(task.outputs[1], texts, ends, task.fingerprint) as add,
    ):
        for of_texts, tables in each(of_layer, measured.layers):
            add(of_texts)
            yield tables
