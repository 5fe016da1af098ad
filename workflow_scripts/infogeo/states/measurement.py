"""Spectra, gains and a reduced store straight from forward passes: hidden states are not stored.

Two passes over the texts of a corpus, in shards as a dump has them. The first leaves of each shard
what `reduction` makes of it, likelihoods, attention rows, and the hidden states that later jobs
read. The second, which needs the mean over the corpus, gathers the spectra of the corpus in every
worker, who notes now and then what it has. What a dump and the jobs that read it would have made of
the same shards is then put together, bit for bit where one worker did the work.
"""

import os
import time
from pathlib import Path

import h5py
import numpy as np

from infogeo.files import hdf5
from infogeo.files.artefacts import read_table, remove_partial, replacing
from infogeo.files.errors import InfogeoError
from infogeo.files.parts import write_pieces
from infogeo.geometry import gain_tables, layer_gains
from infogeo.geometry.corpus_spectra import Documents, assembled, corpus_bytes
from infogeo.geometry.depths import layers_at, width_at
from infogeo.geometry.metrics import regularisers
from infogeo.geometry.spectra_file import Tokens, write_spectra_file
from infogeo.inference import resampling
from infogeo.jobs.threads import side_by_side
from infogeo.states import reduction, shards
from infogeo.states.reduction import LayerCorpus, Reducer
from infogeo.states.shards import Gathered, Work
from infogeo.states.store import STORED, TOKEN_ARRAYS, create_store, open_store

CHECKPOINT_SECONDS = 300  # between the notes of a worker in the second pass
TABLES = ("texts", "positions", "relations", "checks", "surprisal")


def measure(
    card_path,
    corpus_path,
    sample_path,
    outputs: dict,
    *,
    lambdas: list[float],
    eps2: list[float],
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
        Table of the sampled sentences (`infogeo.sentences.sample`), whose hidden states are kept.
    outputs : dict
        Paths: `states` (a reduced store), `spectra`, and the tables of the gains, `TABLES`.
    lambdas, eps2, draws
        See `layer_gains.gains_of_layer`; draws of the bootstrap over text clusters.
    depths, depth_tolerance, sentence_n
        Depths at which sentences are compared, whose layers are kept beside `final`, and the
        tokens to which they are cut.
    fingerprints : dict
        Of `states`, `spectra` and `gain`; of all settings here. Shards of others are not used.
    expected_sample : str, optional
        Fingerprint that the sample must carry.
    **settings
        Of the work; see `shards.Work`. n: the prefixes. seed: of the sampled checks and of the
        bootstrap. threads: as many layers are treated at once.

    Raises
    ------
    InfogeoError
        Where an input is not what was expected, disk or memory do not suffice, a text or layer
        cannot be computed, or a worker fails. What was finished stays, and the next call uses it.

    Notes
    -----
    Verified against a dump and what is computed from its store: with one worker every byte of the
    spectra, the tables, the likelihoods and the kept states.
    """
    outputs = {name: Path(path) for name, path in outputs.items()}
    sample = read_table(sample_path, expected_sample) if sample_path else None
    work = Work("measurement", card_path, corpus_path, determined_by=[fingerprints], **settings)
    kept_layers, kept = {"final"}, {}  # text → how many of its tokens
    lengths = work.encoded.lengths.tolist()
    if sample is not None:
        wanted = set(sample["doc_id"][sample["left_out"] == ""])
        doc_ids = work.corpus["doc_id"].iloc[work.encoded.corpus_rows]
        sampled = [text for text, doc_id in enumerate(doc_ids) if doc_id in wanted]
        kept |= {text: min(lengths[text], sentence_n) for text in sampled}
        kept_layers |= set(
            layers_at(depths, work.card["layers"], work.layers, depth_tolerance).values()
        )
    kept |= {text: lengths[text] for text in work.task["attention_texts"]}
    both_passes(
        work,
        lambdas=lambdas,
        eps2=eps2,
        folders=(outputs["spectra"].parent, outputs["states"].parent),
        kept=kept,
        kept_layers=kept_layers,
    )
    # This too where the passes run, which is not always where the head may do heavy work.
    work.spread(
        assemble,
        [
            {
                "corpus": str(corpus_path),
                "outputs": {name: str(path) for name, path in outputs.items()},
                "fingerprints": fingerprints,
                "attrs": work.attrs,
                "draws": draws,
            }
        ],
    )
    work.close()


def both_passes(work: Work, *, lambdas, eps2, folders, kept=(), kept_layers=()) -> None:
    """Reduce every shard that is not there, and gather the spectra of the corpus.

    Afterwards the work's task names all shards and notes, as the functions that put the results
    together want it.

    Parameters
    ----------
    work : Work
    lambdas, eps2 : lists of float
    folders : (path, path)
        Where spectra and kept hidden states will go.
    kept : dict of int to int
        Texts whose hidden states are kept, and of how many of their tokens.
    kept_layers : collection of str
        At which layers.

    Raises
    ------
    InfogeoError
        Where disk or memory do not suffice, or a worker fails.
    """
    texts = work.corpus.iloc[work.encoded.corpus_rows]
    documents = Documents.of(texts["doc_id"], texts["source"], work.encoded.lengths, work.n)
    counts = {n: len(chosen) for n, chosen in documents.texts.items()}
    work.task |= {
        "study": {"n": work.n, "lambdas": lambdas, "eps2": eps2, "seed": work.seed},
        "kept": sorted(dict(kept).items()),
        "kept_layers": [layer for layer in work.layers if layer in kept_layers],
        "counts": sorted(counts.items()),
        "widths": {layer: width_at(layer, work.card) for layer in work.layers},
    }
    _require_memory(work, counts)
    missing = work.missing()
    _require_room(work, missing, counts, folders, len(lambdas) + len(eps2))
    work.make(make_shards, missing)
    _sum_up(work)
    notes = _accumulate(work)
    work.task |= {"shards": list(range(len(work.shards))), "notes": notes}


# ---------------------------------------------------------------- before the work
def _require_memory(work, counts) -> None:
    """Stop where the spectra of the corpus would not fit the memory of this machine."""
    if work.placement == "slurm":
        return  # the jobs of the array ask for what they need
    at_once = work.workers if work.placement == "local" else 1
    each = sum(corpus_bytes(counts, width) for width in work.task["widths"].values())
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if at_once * each > memory:
        raise InfogeoError(
            f"model {work.card['slug']!r}: without stored hidden states the spectra of the corpus "
            f"at {len(work.layers)} layers of width {work.card['width']} take "
            f"{at_once * each / 1e9:.3g} GB of memory ({at_once} × {each / 1e9:.3g}), and this "
            f"machine has {memory / 1e9:.3g} GB. Choose fewer layers (config states.layers) or "
            "fewer workers (launch.workers), or set keep_hidden_states to true."
        )


def _require_room(work, missing, counts, folders, kinds: int) -> None:
    """Stop where scratch folder and results would not fit the disks."""
    width, n, tokens = work.card["width"], max(counts), len(work.encoded.token_ids)
    item = STORED[work.dtype].itemsize
    of_layer = 16 * sum(count * min(length, width) for length, count in counts.items())
    eigenvalues = len(work.layers) * of_layer
    gains = len(work.layers) * 8 * counts[n] * n * (kinds + 1)
    kept = sum(rows for _, rows in work.task["kept"])
    kept *= len(work.task["kept_layers"]) * width * item
    token_arrays = tokens * sum(kind.itemsize for kind in TOKEN_ARRAYS.values())
    share = work.tokens(missing) / max(tokens, 1)
    # A worker's note replaces its last one, which is there until then.
    notes = 2 * work.workers * len(work.layers) * corpus_bytes(counts, width)
    needs = [
        (folders[0], eigenvalues + token_arrays),
        (folders[1], kept + token_arrays),
        (work.folder, int(share * (eigenvalues + gains + kept + token_arrays)) + notes),
    ]
    shards.require_room(needs, "spectra, gains and kept hidden states")


# ---------------------------------------------------------------- the first pass
def make_shards(task: dict) -> None:
    """Reduce those of some shards that are not there; the work of one worker.

    Each shard is reduced by other threads while the model is at work on the next.
    """
    wanted = shards.wanted(task)
    if not wanted:
        return
    encoded, _, doc_ids = shards.read_plan(task["folder"])
    study = task["study"]
    reducer = Reducer(
        encoded.lengths,
        doc_ids,
        study["n"],
        study["lambdas"],
        study["eps2"],
        study["seed"],
    )
    with side_by_side(task["threads"]) as each:
        shards.in_turn(
            shards.passes(task, wanted),
            lambda found: _write_shard(task, found, reducer, each),
        )


def _write_shard(task, found, reducer, each) -> None:
    """Reduce a shard at every layer, and write what is kept of it."""
    hidden, widths = found.rows.hidden, task["widths"]
    reductions = list(
        each(
            lambda layer: reducer.reduce(layer, widths[layer], found.shard, found.states(layer)),
            task["layers"],
        )
    )
    kept = {text - found.shard.start: n for text, n in task["kept"] if text in found.shard}
    with shards.shard_store(
        task,
        found,
        {layer: widths[layer] for layer in task["kept_layers"]},
        kept=kept,
    ) as store:
        for layer in task["kept_layers"]:
            _write_states(store, layer, kept, found.rows.offsets, shards.stored(hidden[layer]))
        for layer, reduced in zip(task["layers"], reductions, strict=True):
            reduced.save(store.file.create_group(f"reductions/{layer}"))


def _write_states(store, layer, kept, offsets, states) -> None:
    row = 0
    for place, n in kept.items():
        store.write_hidden(layer, row, states[offsets[place] : offsets[place] + n])
        row += n


# ---------------------------------------------------------------- the second pass
def _sum_up(work) -> None:
    """Leave the mean over all tokens, for each layer and n, to the workers of the second pass."""
    with replacing(_centres_path(work.folder)) as temporary, hdf5.create(temporary) as file:
        for layer in work.layers:
            groups = _reductions(work.task | {"shards": range(len(work.shards))}, layer)
            total = reduction.sums(groups, work.n, work.task["widths"][layer])
            for n, centre in total.centres(dict(work.task["counts"])).items():
                hdf5.put_checked(file, f"{layer}/{n}", centre)


def _reductions(task: dict, layer: str):
    """What was kept of each shard at a layer, one after another."""
    for index in task["shards"]:
        with h5py.File(shards.shard_path(task["folder"], index), "r", locking=False) as file:
            yield file[f"reductions/{layer}"]


def _centres_path(folder) -> Path:
    return Path(folder) / "centres.h5"


def _accumulate(work) -> list[str]:
    """Let workers gather the spectra of the corpus, each over its shards; paths of their notes."""
    tasks = [
        {
            "shards": part,
            "note": str(work.folder / f"corpus-{worker:04d}-of-{work.workers:04d}.h5"),
        }
        for worker, part in enumerate(work.parts())
        if part
    ]

    def unfinished():
        return [task for task in tasks if _noted(task["note"]) < len(task["shards"])]

    work.spread(accumulate, unfinished())
    work.await_files(unfinished, "spectra of the corpus")
    return [task["note"] for task in tasks]


def _noted(path) -> int:
    """How many of its shards a worker has gathered, by its note; 0 where that is not sound."""
    try:
        with h5py.File(path, "r", locking=False) as file:
            hdf5.read_through(file)
            return int(file.attrs["shards"])
    except (OSError, RuntimeError, KeyError):
        return 0


def accumulate(task: dict) -> None:
    """Gather the spectra of the corpus over some shards, in order; the work of one worker."""
    done = _noted(task["note"])
    wanted = task["shards"][done:]
    if not wanted:
        return
    corpora = _empty_corpora(task)
    if done:
        with h5py.File(task["note"], "r", locking=False) as file:
            for layer, corpus in corpora.items():
                corpus.load(file[layer])
    last = time.monotonic()

    def take(found):
        nonlocal done, last
        list(each(lambda layer: corpora[layer].add(found.states(layer)), corpora))
        done += 1
        if done == len(task["shards"]):
            list(each(lambda layer: corpora[layer].flush(), corpora))
        elif time.monotonic() - last < CHECKPOINT_SECONDS:
            return
        _note(task, corpora, done)
        last = time.monotonic()

    with side_by_side(task["threads"]) as each:
        shards.in_turn(shards.passes(task, wanted, likelihoods=False), take)


def _empty_corpora(task) -> dict[str, LayerCorpus]:
    with h5py.File(_centres_path(task["folder"]), "r", locking=False) as file:
        centres = {
            layer: {n: file[f"{layer}/{n}"][:] for n, _ in task["counts"]}
            for layer in task["layers"]
        }
    counts = dict(task["counts"])
    return {
        layer: LayerCorpus(counts, task["widths"][layer], of_layer)
        for layer, of_layer in centres.items()
    }


def _note(task, corpora, done: int) -> None:
    with replacing(task["note"]) as temporary, hdf5.create(temporary) as file:
        file.attrs["shards"] = done
        for layer, corpus in corpora.items():
            corpus.save(file.create_group(layer))


# ---------------------------------------------------------------- results
def assemble(task: dict) -> None:
    """Put the results together, layer by layer, and move each into its place when whole."""
    outputs = {name: Path(path) for name, path in task["outputs"].items()}
    study, fingerprints = task["study"], task["fingerprints"]
    for path in outputs.values():
        remove_partial(path)
    encoded = shards.read_plan(task["folder"])[0]
    attrs = {"fingerprint": fingerprints["states"], **task["attrs"]}
    corpus = read_table(task["corpus"], columns=["doc_id", "source", "label"])
    described = shards.described(corpus, encoded, task["dtype"], attrs)
    named = described["doc_ids"], described["sources"]
    arrays = token_arrays(task)
    write_spectra(task, named, encoded, arrays, outputs["spectra"], fingerprints["spectra"])

    texts = layer_gains.FullTexts.of(*named, encoded.offsets, encoded.token_ids, max(study["n"]))
    scores = texts.scores_of_model(arrays["nll"], arrays["predictive_entropy"], encoded.offsets)
    copies = resampling.text_copies(texts.clusters, draws=task["draws"], seed=study["seed"])

    def of_layer(layer):
        found, checks = gains(task, layer)
        return gain_tables.layer_tables(found, checks, texts, scores, copies)

    with side_by_side(task["threads"]) as each:
        tables = {name: outputs[name] for name in TABLES}
        write_pieces(each(of_layer, task["layers"]), tables, fingerprints["gain"])
    _write_store(task, outputs["states"], described, arrays)


def write_spectra(task, named, encoded, arrays, path, fingerprint: str) -> None:
    """Write the spectra of all texts and of the corpus.

    Parameters
    ----------
    task : dict
        See `both_passes`.
    named : (doc_ids, sources)
    encoded : Encoded
    arrays : dict
        See `token_arrays`.
    path : path
    fingerprint : str
    """
    documents = Documents.of(*named, encoded.lengths, task["study"]["n"])
    said = {name: arrays[name] for name in ("nll", "predictive_entropy", "token_end_byte")}
    with side_by_side(task["threads"]) as each:
        corpora = list(each(lambda layer: _corpus_spectra(task, layer), task["layers"]))
    layers = (
        assembled(
            layer,
            task["widths"][layer],
            reduction.text_spectra(_reductions(task, layer), documents.texts),
            corpus,
        )
        for layer, corpus in zip(task["layers"], corpora, strict=True)
    )
    write_spectra_file(path, documents, Tokens(encoded.offsets, **said), layers, fingerprint)


def _stores(task):
    """The shards, one after another."""
    for index in task["shards"]:
        with open_store(shards.shard_path(task["folder"], index), task["key"]) as store:
            yield store


def token_arrays(task) -> dict:
    """The arrays of `store.TOKEN_ARRAYS` of all shards."""
    parts = {name: [] for name in TOKEN_ARRAYS}
    for store in _stores(task):
        for name, values in parts.items():
            values.append(getattr(store, name)())
    return {name: np.concatenate(values) for name, values in parts.items()}


def _corpus_spectra(task, layer: str) -> dict:
    """The spectra of the corpus at a layer, from what all workers have gathered."""
    counts, width = dict(task["counts"]), task["widths"][layer]
    gathered = []
    for note in task["notes"]:
        with h5py.File(note, "r", locking=False) as file:
            gathered.append(LayerCorpus(counts, width, {}))
            gathered[-1].load(file[layer])
        if len(gathered) == 2:
            gathered[0].merge(gathered.pop())
    return gathered[0].spectra()


def gains(task: dict, layer: str):
    """The gains of all texts at a layer and their checks; see `reduction.layer_gains`."""
    study = task["study"]
    kinds, n = (study["lambdas"], study["eps2"]), max(study["n"])
    of_width = regularisers(*kinds, n, task["widths"][layer])
    return reduction.layer_gains(_reductions(task, layer), layer, of_width)


def _write_store(task, output, described, arrays) -> None:
    """The reduced store, read back before it takes its name."""
    kept_layers, gathered, row = task["kept_layers"], Gathered(), 0
    with open_store(shards.shard_path(task["folder"], 0), task["key"]) as first:
        post_norm = [layer for layer, post in first.post_norm.items() if post]
    with replacing(output) as temporary:
        with create_store(
            temporary,
            widths={layer: task["widths"][layer] for layer in kept_layers},
            post_norm=post_norm,
            kept=dict(task["kept"]),
            **described,
        ) as target:
            target.write_tokens(0, **arrays)
            for store in _stores(task):
                for layer in kept_layers:
                    target.write_hidden(layer, row, store.read_stored(layer, 0, store.state_rows))
                row += store.state_rows
                gathered.take(store)
            gathered.write(target)
        with open_store(temporary, described["attrs"]["fingerprint"]) as store:
            store.verify()
