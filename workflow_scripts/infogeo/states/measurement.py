"""Spectra, gains and a reduced store straight from forward passes: hidden states are not stored.

`two_passes` run over the texts of a corpus, in shards as a dump has them. Then everything is put
together that a dump and the jobs that read it would have made of the same shards. It is equal bit
for bit, but for the spectra of the corpus where a second pass of several workers has summed them,
each over its own shards.
"""

from dataclasses import dataclass
from pathlib import Path

from infogeo.files.artefacts import read_table, remove_partial, replacing
from infogeo.files.parts import write_pieces
from infogeo.geometry import gain_tables, layer_gains
from infogeo.geometry.depths import layers_at
from infogeo.geometry.repetition import TypeGains
from infogeo.inference import resampling
from infogeo.jobs.threads import side_by_side
from infogeo.sources import cards
from infogeo.states import shards, text_plan
from infogeo.states.shard_results import (
    gains,
    no_gains,
    write_dimensions,
    write_spectra,
)
from infogeo.states.shards import CorpusWork, Gathered
from infogeo.states.store import open_store
from infogeo.states.store_writer import create_store
from infogeo.states.two_passes import MeasureTask, all_passes, measure_task

GAINS = ("texts", "positions", "relations", "checks", "surprisal")
TABLES = (*GAINS, "dimension")


def measure(
    card_path,
    corpus_path,
    sample_path,
    outputs: dict,
    *,
    lambdas: list[float],
    eps2: list[float],
    neighbours: int,
    sampled_rows: int,
    draws: int,
    depths: list[str],
    depth_tolerance: float,
    sentence_n: int,
    fingerprints: dict,
    expected_sample: str | None = None,
    **settings,
) -> None:
    """Make what a dump, its spectra and its gains would be, without storing the hidden states.

    Parameters
    ----------
    card_path, corpus_path : path
        model.json and the corpus's table.
    sample_path : path or None
        Table of the sampled sentences (`infogeo.sentences.sample`), whose hidden states are stored.
    outputs : dict
        Paths: `states` (a reduced store), `spectra`, and the tables of gains and dimensions,
        `TABLES`.
    lambdas, eps2, draws
        See `layer_gains.gains_of_layer`; draws of the bootstrap over text clusters.
    neighbours, sampled_rows
        See `dimension.measure` and `dimension_rows.RowChoice`.
    depths, depth_tolerance, sentence_n
        Depths at which sentences are compared, whose layers are stored beside `final`, and the
        tokens to which they are cut.
    fingerprints : dict
        Of `states`, `spectra` and `gain`; of all settings here. Shards of others are not used.
    expected_sample : str, optional
        Fingerprint that the sample must carry.
    **settings
        Of the work; see `shards.begin`. n: the prefixes. seed: of the sampled checks and of the
        bootstrap. threads: as many layers are treated at once.

    Raises
    ------
    InfogeoError
        Where an input is not what was expected, disk or memory do not suffice, a text or layer
        cannot be computed, or a worker fails. What was finished stays, and the next call uses it.

    Notes
    -----
    Verified against a dump and what is computed from its store: with one worker every byte of the
    spectra, the tables, the likelihoods and the stored states.
    """
    outputs = {name: Path(path) for name, path in outputs.items()}
    sample = read_table(sample_path, expected_sample) if sample_path else None
    run = shards.begin(
        "measurement",
        card_path,
        corpus_path,
        determined_by=[fingerprints],
        **settings,
    )
    rows, layers = {}, {"final"}
    if sample is not None:
        rows |= _sampled_rows(run, sample, sentence_n)
        layers |= set(
            layers_at(depths, run.card["layers"], list(run.layers), depth_tolerance).values()
        )
    rows |= {text: int(run.encoded.lengths[text]) for text in run.task.attention_texts}
    task = measure_task(run, lambdas, eps2, sampled_rows, rows, layers)
    notes = all_passes(run, task, (outputs["spectra"].parent, outputs["states"].parent))
    # This too where the passes run, which is not always where the head may do heavy work.
    assembly = Assembly(
        measured=task,
        notes=tuple(map(str, notes)),
        corpus=str(corpus_path),
        outputs={name: str(path) for name, path in outputs.items()},
        fingerprints=fingerprints,
        attrs=run.attrs,
        neighbours=neighbours,
        draws=draws,
    )
    run.work.spread(assemble, [assembly])
    run.work.close()


def _sampled_rows(run: CorpusWork, sample, sentence_n: int) -> dict[int, int]:
    """The sampled texts, and how many of their tokens are stored."""
    sampled = set(sample["doc_id"][sample["left_out"] == ""])
    doc_ids = run.corpus["doc_id"].iloc[run.encoded.corpus_rows]
    lengths = run.encoded.lengths.tolist()
    return {
        text: min(lengths[text], sentence_n)
        for text, doc_id in enumerate(doc_ids)
        if doc_id in sampled and (lengths[text] == sentence_n or not cards.is_encoder(run.card))
    }


@dataclass(frozen=True, kw_only=True)
class Assembly:
    """What a worker needs to put the results together.

    Attributes
    ----------
    measured : MeasureTask
        Of all shards.
    notes : tuple of str
        See `two_passes.all_passes`.
    corpus : str
        Path of the corpus's table.
    outputs, fingerprints, neighbours, draws
        See `measure`.
    attrs : dict
        Of the store.
    """

    measured: MeasureTask
    notes: tuple[str, ...]
    corpus: str
    outputs: dict[str, str]
    fingerprints: dict[str, str]
    attrs: dict
    neighbours: int
    draws: int


def assemble(task: Assembly) -> None:
    """Put the results together, layer by layer, and move each into its place when whole."""
    measured, outputs = task.measured, {name: Path(path) for name, path in task.outputs.items()}
    for path in outputs.values():
        remove_partial(path)
    encoded = text_plan.read_plan(measured.folder)[0]
    corpus = read_table(task.corpus, columns=["doc_id", "source", "label"])
    attrs = {"fingerprint": task.fingerprints["states"], **task.attrs}
    description = shards.store_description(corpus, encoded, attrs)
    named = description["doc_ids"], description["sources"]
    arrays = shards.token_arrays(measured)
    write_spectra(
        measured, task.notes, *named, arrays, outputs["spectra"], task.fingerprints["spectra"]
    )

    write_dimensions(
        measured,
        encoded.lengths,
        resampling.clusters(*named),
        outputs["dimension"],
        task.fingerprints["gain"],
        neighbours=task.neighbours,
        draws=task.draws,
    )

    tables = {name: outputs[name] for name in GAINS}
    if measured.nested:
        texts = layer_gains.FullTexts.of(
            *named, encoded.offsets, encoded.token_ids, max(measured.n)
        )
        scores = texts.scores_of_model(arrays["nll"], arrays["predictive_entropy"], encoded.offsets)
        copies = resampling.text_copies(texts.clusters, draws=task.draws, seed=measured.seed)
        types = TypeGains(texts.tokens, measured.seed)

        def tables_of(layers):
            of_layers = (gains(measured, layer) for layer in layers)
            return gain_tables.tables_together(of_layers, texts, scores, copies, types)

        threads, kinds = measured.model.threads, len(measured.lambdas) + len(measured.eps2)
        groups = gain_tables.layers_together(measured.layers, texts, kinds, threads)
        with side_by_side(threads) as each:
            write_pieces(each(tables_of, groups), tables, task.fingerprints["gain"])
    else:
        write_pieces(no_gains(tables), tables, task.fingerprints["gain"])
    _write_store(measured, outputs["states"], description, arrays)


def _write_store(task: MeasureTask, output, description, arrays) -> None:
    """The reduced store, read back before it takes its name."""
    gathered, row = Gathered(), 0
    first = next(shards.shard_stores(task))
    post_norm = [layer for layer, post in first.post_norm.items() if post]
    with replacing(output) as temporary:
        with create_store(
            temporary,
            widths={layer: task.widths[layer] for layer in task.stored_layers},
            dtype=first.dtype,
            post_norm=post_norm,
            state_lengths=task.stored_rows,
            **description,
        ) as target:
            target.write_tokens(0, **arrays)
            for store in shards.shard_stores(task):
                for layer in task.stored_layers:
                    target.write_hidden(layer, row, store.read_stored(layer, 0, store.state_rows))
                row += store.state_rows
                gathered.take(store)
            gathered.write(target)
        with open_store(temporary, description["attrs"]["fingerprint"]) as store:
            store.verify()
