"""Passes over a corpus that leave spectra and gains of every text, and spectra of the corpus.

The first leaves of each shard what `reduction` makes of it, likelihoods, attention rows, and the
hidden states that are stored. The spectra of the corpus need the mean over it. Where all states
take `KEPT_BYTES` at most, shards keep them too, and `shard_results` reads them layer by layer. Else
the model runs a second time: every worker gathers the spectra of the corpus over its shards in a
note, which it saves now and then. What a worker reads is in its `MeasureTask`.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import h5py

from infogeo.jobs import memory
from infogeo.files import hdf5
from infogeo.files.artefacts import replacing
from infogeo.files.errors import InfogeoError
from infogeo.geometry import device
from infogeo.geometry.corpus_spectra import Documents, corpus_bytes
from infogeo.geometry.depths import width_at
from infogeo.geometry.dimension_rows import RowChoice
from infogeo.geometry.prefixes import ROWS
from infogeo.jobs.threads import side_by_side
from infogeo.sources import cards
from infogeo.states import kept_states, reduction, shards, text_plan
from infogeo.states.layout import STORED, TOKEN_ARRAYS
from infogeo.states.reduction import LayerCorpus, Reducer
from infogeo.states.shards import CorpusWork, Passed, PassesTask
from infogeo.states.work import require_disk

CHECKPOINT_SECONDS = 300  # between the notes of a worker in the second pass
KEPT_BYTES = 1 << 32  # most hidden states of a corpus that its shards keep


@dataclass(frozen=True, kw_only=True)
class MeasureTask(PassesTask):
    """What a worker needs for its passes.

    Attributes
    ----------
    n : tuple of int
        The prefixes.
    lambdas, eps2 : tuples of float
        See `metrics.regularisers`.
    seed : int
        Of the sampled checks and rows.
    sampled_rows : int
        Of a scope, of which the intrinsic dimension is measured, at most.
    stored_rows : dict of int to int
        Texts whose hidden states are stored, rising, and of how many of their first tokens.
    stored_layers : tuple of str
        At which layers.
    counts : dict of int to int
        For each n, how many texts have so many tokens.
    widths : dict of layer → d
    workers : int
        Which share out the shards of the second pass.
    keeps_states : bool
        Whether shards keep all hidden states, so that no second pass is needed.
    nested : bool
        See `corpus_spectra.Documents`; not of an encoder, which has no gains either.
    """

    n: tuple[int, ...]
    lambdas: tuple[float, ...]
    eps2: tuple[float, ...]
    seed: int
    sampled_rows: int
    stored_rows: dict[int, int]
    stored_layers: tuple[str, ...]
    counts: dict[int, int]
    widths: dict[str, int]
    workers: int
    keeps_states: bool
    nested: bool

    @property
    def note(self) -> Path:
        """What this worker has gathered in the second pass."""
        return Path(self.folder) / f"corpus-{self.shards[0]:04d}-of-{self.workers:04d}.h5"

    def row_choice(self, lengths) -> RowChoice:
        """The rows of which the intrinsic dimension is measured, of texts of these lengths."""
        return RowChoice(lengths, self.n, self.sampled_rows, self.seed, self.nested)

    def reductions(self, layer: str) -> Iterator[h5py.Group]:
        """What the first pass left of each shard of this task at a layer, one after another."""
        return shards.shard_groups(self, layer)

    def centres(self, layer: str) -> dict:
        """The means over the corpus at a layer, after the first pass; see `Sums.centres`."""
        total = reduction.sums(self.reductions(layer), self.n, self.widths[layer])
        return total.centres(self.counts)

    def layer_corpus(self, layer: str, centres: dict) -> LayerCorpus:
        """What gathers the spectra of the corpus at a layer; products are made where models run."""
        where = device.seen(self.model.device)
        return LayerCorpus(self.counts, self.widths[layer], centres, self.nested, where)


def measure_task(
    run: CorpusWork, lambdas, eps2, sampled_rows, stored_rows=(), stored_layers=()
) -> MeasureTask:
    """The task of all shards of a corpus.

    Parameters
    ----------
    run : CorpusWork
    lambdas, eps2 : lists of float
    sampled_rows : int
        Of a scope, of which the intrinsic dimension is measured, at most.
    stored_rows : dict of int to int
        Texts whose hidden states are stored, and of how many of their tokens.
    stored_layers : collection of str
        At which layers.
    """
    texts = run.corpus.iloc[run.encoded.corpus_rows]
    nested = not cards.is_encoder(run.card)
    documents = Documents.of(texts["doc_id"], texts["source"], run.encoded.lengths, run.n, nested)
    return MeasureTask(
        **vars(run.task) | {"shards": tuple(range(len(run.files.sizes)))},
        n=tuple(run.n),
        # Gains are of tokens given those before them, which an encoder does not have.
        lambdas=tuple(lambdas if nested else ()),
        eps2=tuple(eps2 if nested else ()),
        seed=run.seed,
        sampled_rows=sampled_rows,
        stored_rows=dict(sorted(dict(stored_rows).items())),
        stored_layers=tuple(layer for layer in run.layers if layer in stored_layers),
        counts={n: len(chosen) for n, chosen in documents.texts.items()},
        widths={layer: width_at(layer, run.card) for layer in run.layers},
        workers=run.work.launched.workers,
        keeps_states=_states_bytes(run) <= KEPT_BYTES,
        nested=nested,
    )


def _states_bytes(run: CorpusWork) -> int:
    """Of the hidden states of all texts."""
    return len(run.encoded.token_ids) * run.bytes_per_token


def all_passes(run: CorpusWork, task: MeasureTask, folders, later: int = 0) -> list[Path]:
    """Reduce every shard that is missing; where states are not kept, run the second pass too.

    Parameters
    ----------
    run : CorpusWork
    task : MeasureTask
        Of all shards.
    folders : (path, path)
        Where spectra and stored hidden states will go.
    later : int
        How many works of this size follow, before any of their shards is removed.

    Returns
    -------
    list of Path
        The notes of the workers in the second pass, if there was one.

    Raises
    ------
    InfogeoError
        Where disk or memory do not suffice, or a worker fails.
    """
    _require_memory(run, task)
    missing = run.files.missing()
    # Where nothing is missing, later works may have begun: each counts what it lacks itself.
    _require_disk(run, task, missing, folders, later if missing else 0)
    run.work.make(make_shards, task, run.files, missing, "hidden states")
    memory.give_back()
    if task.keeps_states:
        return []
    _sum_up(task)
    notes = _accumulate(run, task)
    memory.give_back()
    return notes


# ---------------------------------------------------------------- before the work
def _require_memory(run: CorpusWork, task: MeasureTask) -> None:
    """Stop where the spectra of the corpus would not fit the memory of this job."""
    launched = run.work.launched
    if launched.placement == "slurm":
        return  # the jobs of the array ask for what they need
    of_layers = [corpus_bytes(task.counts, width, task.nested) for width in task.widths.values()]
    at_once, fewer = 1, "threads (snakemake --set-threads) or prefixes (config spectra.n)"
    if task.keeps_states:  # one worker takes a layer in each of its threads
        of_layers = sorted(of_layers)[-task.model.threads :]
    else:
        at_once = launched.workers if launched.placement == "local" else 1
        fewer = "layers (config states.layers) or fewer workers (launch.workers)"
    each, limit = sum(of_layers), memory.limit_bytes()
    if at_once * each > limit:
        raise InfogeoError(
            f"model {task.model.name!r}: without stored hidden states, spectra of the corpus take "
            f"{at_once * each / 1e9:.3g} GB of memory ({at_once} × {each / 1e9:.3g}; "
            f"{len(of_layers)} layers of width {run.card['width']}). This job may use "
            f"{limit / 1e9:.3g} GB, the least of machine, cgroup and SLURM. Choose "
            f"fewer {fewer}, ask for more memory (mem_mb), or set keep_hidden_states to true."
        )


def _require_disk(run: CorpusWork, task: MeasureTask, missing, folders, later: int) -> None:
    """Stop where scratch folder and results, those of later works too, would not fit the disks."""
    width, n, tokens = run.card["width"], max(task.counts), len(run.encoded.token_ids)
    # Of each text both conventions, with and without the first token.
    of_layer = 32 * sum(count * min(length, width) for length, count in task.counts.items())
    eigenvalues = len(task.layers) * of_layer
    kinds = len(task.lambdas) + len(task.eps2)
    gains = len(task.layers) * 8 * task.counts[n] * n * (kinds + 1)
    numbers = sum(task.stored_rows.values()) * len(task.stored_layers) * width
    states = numbers * STORED[task.stored_dtype].itemsize
    token_arrays = tokens * sum(kind.itemsize for kind in TOKEN_ARRAYS.values())
    share = run.files.size(missing) / max(tokens, 1)
    # At most: last tokens and tokens in float32, means in float64, two kinds of both of these.
    chosen = sum(5 * min(count, task.sampled_rows) for count in task.counts.values())
    chosen_rows = 4 * len(task.layers) * width * (chosen + 2 * task.sampled_rows)
    needed = eigenvalues + gains + states + token_arrays + chosen_rows
    if task.keeps_states:
        needed, notes = needed + _states_bytes(run), 0
    else:  # a worker's note replaces its last one, which exists until then
        of_worker = len(task.layers) * corpus_bytes(task.counts, width, task.nested)
        notes = 2 * task.workers * of_worker
    works = 1 + later
    needs = [
        (folders[0], works * (eigenvalues + token_arrays)),
        (folders[1], works * (states + token_arrays)),
        (run.work.folder, int((share + later) * needed) + works * notes),
    ]
    require_disk(needs, "spectra, gains and stored hidden states")


# ---------------------------------------------------------------- the first pass
def make_shards(task: MeasureTask) -> None:
    """Reduce those of some shards that do not exist; the work of one worker.

    Each shard is reduced by other threads while the model is at work on the next.
    """
    indices = shards.unmade(task)
    if not indices:
        return
    encoded, _, doc_ids = text_plan.read_plan(task.folder)
    settings = task.n, task.lambdas, task.eps2, task.seed, task.row_choice(encoded.lengths)
    # Of twins nothing reads the checks.
    checked = task.model.twin is None
    reducer = Reducer(encoded.lengths, doc_ids, *settings, task.nested, checked)
    with side_by_side(task.model.threads) as each:
        shards.overlap(
            shards.passes(task, indices),
            lambda passed: _write_shard(task, passed, reducer, each),
        )


def _write_shard(task: MeasureTask, passed: Passed, reducer: Reducer, each) -> None:
    """Reduce a shard at every layer, and write what stays of it layer by layer."""
    rows = {t - passed.shard.start: n for t, n in task.stored_rows.items() if t in passed.shard}
    widths = {layer: task.widths[layer] for layer in task.stored_layers}
    reductions = each(
        lambda layer: reducer.reduce(layer, task.widths[layer], passed.shard, passed.states(layer)),
        task.layers,
    )
    with shards.shard_store(task, passed, widths, state_lengths=rows) as store:
        for layer in task.stored_layers:
            _write_states(store, layer, rows, passed)
        for layer, reduced in zip(task.layers, reductions, strict=True):
            group = store.file.create_group(f"reductions/{layer}")
            reduced.save(group)
            if task.keeps_states:
                kept_states.save(group, shards.stored(passed.rows.hidden[layer]))


def _write_states(store, layer: str, rows: dict[int, int], passed: Passed) -> None:
    states, row = shards.stored(passed.rows.hidden[layer]), 0
    for place, n in rows.items():
        start = passed.rows.offsets[place]
        store.write_hidden(layer, row, states[start : start + n])
        row += n


# ---------------------------------------------------------------- the second pass, if any
def _sum_up(task: MeasureTask) -> None:
    """Leave the mean over all tokens, for each layer and n, to the workers of the second pass."""
    with replacing(_centres_path(task)) as temporary, hdf5.create(temporary) as file:
        for layer in task.layers:
            for (rows, n), centre in task.centres(layer).items():
                hdf5.put_checked(file, f"{layer}/{rows}-{n}", centre)


def _centres_path(task: MeasureTask) -> Path:
    return Path(task.folder) / "centres.h5"


def _accumulate(run: CorpusWork, task: MeasureTask) -> list[Path]:
    """Let workers gather the spectra of the corpus, each over its shards; their notes."""
    parts = [part for part in run.work.parts(len(task.shards)) if part]
    tasks = [replace(task, shards=part) for part in parts]

    def unfinished():
        return [part for part in tasks if _gathered_shards(part.note) < len(part.shards)]

    run.work.spread(accumulate, unfinished())
    run.work.await_files(unfinished, "spectra of the corpus")
    return [part.note for part in tasks]


def _gathered_shards(note: Path) -> int:
    """How many shards a note has gathered; 0 where it is not sound."""
    try:
        with h5py.File(note, "r", locking=False) as file:
            hdf5.read_through(file)
            return int(file.attrs["shards"])
    except (OSError, RuntimeError, KeyError):
        return 0


def accumulate(task: MeasureTask) -> None:
    """Gather the spectra of the corpus over some shards, in order; the work of one worker."""
    done = _gathered_shards(task.note)
    if done == len(task.shards):
        return
    corpora, last = {}, time.monotonic()

    def take(passed):
        nonlocal done, last
        if not corpora:  # not before the model has its room on the device
            corpora.update(_corpora(task, done))
        list(each(lambda layer: corpora[layer].add(passed.states(layer)), corpora))
        done += 1
        if done == len(task.shards):
            list(each(lambda layer: corpora[layer].flush(), corpora))
        elif time.monotonic() - last < CHECKPOINT_SECONDS:
            return
        _note(task, corpora, done)
        last = time.monotonic()

    with side_by_side(task.model.threads) as each:
        shards.overlap(shards.passes(task, task.shards[done:], score=False), take)


def _corpora(task: MeasureTask, done: int) -> dict[str, LayerCorpus]:
    """By layer, what was gathered already, which is nothing before the first note."""
    corpora = {}
    with h5py.File(_centres_path(task), "r", locking=False) as file:
        for layer in task.layers:
            centres = {
                (rows, n): file[f"{layer}/{rows}-{n}"][:] for n in task.counts for rows in ROWS
            }
            corpora[layer] = task.layer_corpus(layer, centres)
    if done:
        with h5py.File(task.note, "r", locking=False) as file:
            for layer, corpus in corpora.items():
                corpus.load(file[layer])
    return corpora


def _note(task: MeasureTask, corpora: dict[str, LayerCorpus], done: int) -> None:
    with replacing(task.note) as temporary, hdf5.create(temporary) as file:
        file.attrs["shards"] = done
        for layer, corpus in corpora.items():
            corpus.save(file.create_group(layer))
