"""Spectra, gains and dimensions of untrained twins, whose hidden states are never stored.

Both come from the same `two_passes` of a twin, in shards that survive a kill, by
as many workers as a dump has.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from infogeo.files.artefacts import read_table, remove_partial, write_table
from infogeo.files.errors import InfogeoError
from infogeo.files.parts import Parts, in_parts, write_pieces
from infogeo.geometry import gain_tables, layer_gains
from infogeo.inference import resampling
from infogeo.jobs.threads import side_by_side
from infogeo.states import shards
from infogeo.states.shard_results import (
    gains,
    no_gains,
    token_arrays,
    write_dimensions,
    write_spectra,
)
from infogeo.states.shards import CorpusWork
from infogeo.states.store import open_store
from infogeo.states.two_passes import MeasureTask, both_passes, measure_task

GAINS = ("gain", "relations")
TABLES = (*GAINS, "dimension")


def measure_twins(
    card_path,
    corpus_path,
    states_path,
    outputs: dict,
    *,
    lambdas: list[float],
    eps2: list[float],
    neighbours: int,
    sampled_rows: int,
    fingerprint: str,
    expected: tuple[str, str, str] = (None, None, None),
    **settings,
) -> None:
    """Measure the untrained twins of a model on the texts on which it was run itself.

    Parameters
    ----------
    card_path, corpus_path : path
        model.json and the corpus's table.
    states_path : path
        The model's store, for its likelihoods.
    outputs : dict
        Paths: `spectra`, one per draw; `gain`, the means over the tokens of each text
        (`gain_tables.text_table`), and `relations`, of the gains with the likelihoods of the
        twin (reference own) and of the model (trained), both with a column draw.
    lambdas, eps2 : lists of float
        See `layer_gains.gains_of_layer`.
    neighbours, sampled_rows : int
        See `dimension.measure` and `dimension_rows.RowChoice`.
    fingerprint : str
        Of all results.
    expected : (str, str, str)
        Fingerprints that model, corpus and store must carry.
    **settings
        Of the work; see `shards.begin`. n: the prefixes. threads: as many layers are treated at
        once.

    Raises
    ------
    InfogeoError
        Where an input is not what was expected, the store has other texts or tokens, disk or
        memory do not suffice, or a worker fails. What was finished stays, and the next call uses
        it.

    Notes
    -----
    Verified against spectra and gains of the twin's states, computed from one forward pass a text.
    """
    runs = []
    for draw, path in enumerate(outputs["spectra"]):
        run = shards.begin(
            "untrained_twins",
            card_path,
            corpus_path,
            attention_texts=0,
            determined_by=[fingerprint],
            expected=expected[:2],
            twin=draw,
            **settings,
        )
        if draw == 0:  # the others have the same texts
            _require_same_tokens(run, states_path, expected[2])
        task = measure_task(run, lambdas, eps2, sampled_rows)
        notes = both_passes(run, task, [Path(path).parent] * 2)
        assembly = Assembly(
            measured=task,
            notes=tuple(map(str, notes)),
            corpus=str(corpus_path),
            states=str(states_path),
            output=str(path),
            neighbours=neighbours,
            fingerprint=fingerprint,
        )
        run.work.spread(assemble, [assembly])
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


def _require_same_tokens(run: CorpusWork, states_path, expected) -> None:
    """Refuse a store whose texts or tokens are not those that the twins will see."""
    encoded = run.encoded
    doc_ids = run.corpus["doc_id"].iloc[encoded.corpus_rows]
    with open_store(states_path, expected) as states:
        stored = states.token_ids()
        if list(doc_ids) != states.doc_ids or not np.array_equal(encoded.token_ids, stored):
            raise InfogeoError(
                f"{states_path}: its texts or token ids are not those of this corpus and tokenizer "
                f"({len(states.doc_ids)} texts, {len(stored):,} tokens stored; {len(encoded)} "
                f"texts, {len(encoded.token_ids):,} tokens here). Make it anew: "
                f"snakemake -R {states_path}"
            )


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
        See `two_passes.both_passes`.
    corpus, states, output : str
        Paths of the corpus's table, the model's store, and the spectra to make.
    neighbours : int
    fingerprint : str
    """

    measured: MeasureTask
    notes: tuple[str, ...]
    corpus: str
    states: str
    output: str
    neighbours: int
    fingerprint: str


def assemble(task: Assembly) -> None:
    """Write the spectra of one draw, and its tables beside the shards; the work of one worker."""
    measured = task.measured
    remove_partial(task.output)
    encoded = shards.read_plan(measured.folder)[0]
    corpus = read_table(task.corpus, columns=["doc_id", "source"]).iloc[encoded.corpus_rows]
    named = list(corpus["doc_id"]), list(corpus["source"])
    arrays = token_arrays(measured)
    write_spectra(measured, task.notes, *named, arrays, task.output, task.fingerprint)

    write_dimensions(
        measured,
        encoded.lengths,
        resampling.clusters(*named),
        _table_path(measured.folder, "dimension"),
        task.fingerprint,
        neighbours=task.neighbours,
        draws=0,
    )

    paths = {name: _table_path(measured.folder, name) for name in GAINS}
    if not measured.nested:
        write_pieces(no_gains(paths), paths, task.fingerprint)
        return
    offsets = encoded.offsets
    texts = layer_gains.FullTexts.of(*named, offsets, encoded.token_ids, max(measured.n))
    scores = texts.scores_of_model(arrays["nll"], arrays["predictive_entropy"], offsets)
    with open_store(task.states) as states:
        scores |= texts.scores_of_model(
            states.nll(), states.predictive_entropy(), offsets, "trained"
        )

    def of_layer(layer):
        of_texts, _ = gains(measured, layer)
        return {
            "gain": gain_tables.text_table(of_texts, texts),
            "relations": gain_tables.relation_table(of_texts, texts, scores),
        }

    with side_by_side(measured.model.threads) as each:
        write_pieces(each(of_layer, measured.layers), paths, task.fingerprint)
