"""Forward passes over the texts of a corpus, in shards of consecutive texts.

A shard is a small store of its own. Batches depend on the shard alone. See `work`.
"""

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import h5py
import numpy as np
import torch

from infogeo.files import hdf5
from infogeo.files.artefacts import read_table, replacing, sha256_file
from infogeo.files.errors import InfogeoError
from infogeo.files.fingerprint import digest
from infogeo.geometry.depths import choose_layers, layers_at
from infogeo.jobs.progress import Heartbeat
from infogeo.sources import cards
from infogeo.states import attention, batches
from infogeo.states.layout import STORED, TOKEN_ARRAYS
from infogeo.states.model import check_texts
from infogeo.states.probe import dtype_name
from infogeo.states.store import AGAIN, open_store
from infogeo.states.store_writer import create_store
from infogeo.states.text_plan import (
    encoded_texts,
    made_plan,
    only_weights_differ,
    read_plan,
    tokens_in,
)
from infogeo.states.tokens import Encoded
from infogeo.states.work import (
    Launch,
    ModelRun,
    ShardFiles,
    Task,
    Work,
    shard_path,
    stop_if_abandoned,
)

SHARD_BYTES = 1 << 29  # most hidden states in a shard; two shards are in memory at once


@dataclass(frozen=True, kw_only=True)
class PassesTask(Task):
    """What a worker needs for passes over a corpus.

    Attributes
    ----------
    layers : tuple of str
    attention_texts : tuple of int
        Texts of which attention rows are taken.
    stored_dtype : str
        In which states are stored; see `cards.stored_dtype`.
    """

    layers: tuple[str, ...]
    attention_texts: tuple[int, ...]
    stored_dtype: str


@dataclass(frozen=True)
class CorpusWork:
    """A model, a corpus and the shards of its texts; made by `begin`.

    Attributes
    ----------
    card : dict
    corpus : DataFrame
    encoded : Encoded
    n : list of int
    seed : int
    attrs : dict
        Of the stores that are made: what the states come from.
    task : PassesTask
    files : ShardFiles
        Their sizes are tokens.
    work : Work
    """

    card: dict
    corpus: object
    encoded: Encoded
    n: list[int]
    seed: int
    attrs: dict
    task: PassesTask
    files: ShardFiles
    work: Work

    @property
    def layers(self) -> tuple[str, ...]:
        return self.task.layers

    @property
    def bytes_per_token(self) -> int:
        """Of the hidden states."""
        return _bytes_per_token(self.card, self.layers, self.task.stored_dtype)


def _bytes_per_token(card, layers, dtype) -> int:
    return len(layers) * card["width"] * STORED[dtype].itemsize


def begin(
    kind: str,
    card_path,
    corpus_path,
    *,
    n: list[int],
    layers,
    attention_texts: int,
    batch_tokens: int,
    shard_tokens: int,
    dtype: str,
    trust_remote_code: bool,
    seed: int,
    determined_by: list,
    states_dtype: str = "computed",
    expected=(None, None),
    twin: int | None = None,
    like: CorpusWork | None = None,
    shuffled: bool = False,
    at_depths: tuple[list[str], float] | None = None,
    **launched,
) -> CorpusWork:
    """Read a model's card and a corpus, claim their folder, and cut the texts into shards.

    Parameters
    ----------
    kind : str
        Names the folder under `scratch`.
    card_path, corpus_path : path
        model.json and the corpus's table.
    n : list of int
        Texts of fewer than min(n) tokens are left out, the others cut to max(n); for an encoder
        once to each n.
    layers : 'all' or list
        See `choose_layers`.
    attention_texts : int
        The attention of the last token is taken of so many texts, spread evenly over those of
        max(n) tokens.
    batch_tokens, shard_tokens : int
        Most tokens of a batch (padding included) and of a shard.
    dtype : {'float32', 'float16', 'bfloat16'}
    trust_remote_code : bool
    seed : int
    determined_by : list
        What else determines the bytes of a shard, such as the fingerprint of the result.
    states_dtype : {'computed', 'float32'}
        In which states are stored: that in which they are computed, or one that every reader knows.
    expected : (str, str)
        Fingerprints that the model and the corpus must carry.
    twin : int, optional
        The draw of the untrained twin that takes the model's place; see `loading.twin`.
    like : CorpusWork, optional
        Work on the same corpus at the same n, its words in order: where its model differs in
        weights alone, texts are not tokenised again, unless they are `shuffled`.
    shuffled : bool
        Whether the texts have their words in random order; see `word_order`.
    at_depths : (list of str, float), optional
        Of these layers only those at some relative depths, and how far one may be from its depth.
    **launched
        See `work.Launch`.

    Raises
    ------
    InfogeoError
        Where an input is not what was expected.
    """
    launched = Launch(**launched)
    card = cards.read(card_path, expected[0])
    cards.require_files(card, weights=twin is None)
    corpus = read_table(corpus_path, expected[1])
    if cards.is_encoder(card):
        attention_texts = 0  # nothing is predicted from its last token
    chosen = _chosen_layers(layers, card["layers"], at_depths)
    attrs = _origin(card, corpus_path, seed)
    draw = None if twin is None else (twin, seed)
    model = ModelRun.of(card, trust_remote_code, dtype, launched, draw)
    # Whatever could change a byte of a shard is in its key.
    stored = cards.stored_dtype(card, dtype, states_dtype)
    cut = [n, shard_tokens, attention_texts, batch_tokens, chosen, stored]
    cut += ["shuffled"] * shuffled
    key = digest([determined_by, cut, attrs, vars(model), card["files"]])
    work = Work(kind, key, card["slug"], launched)
    most = min(shard_tokens, SHARD_BYTES // _bytes_per_token(card, chosen, stored))

    def encode_texts() -> Encoded:
        if like is not None and not shuffled and only_weights_differ(like.card, card):
            return like.encoded
        return encoded_texts(card, corpus, n, trust_remote_code, seed if shuffled else None)

    encoded, shards = made_plan(work.folder, corpus, most, encode_texts)
    whole = np.flatnonzero(encoded.lengths == max(n))
    task = PassesTask(
        folder=str(work.folder),
        key=key,
        model=model,
        batch_tokens=batch_tokens,
        layers=chosen,
        attention_texts=tuple(spread_evenly(whole, attention_texts)),
        stored_dtype=stored,
    )
    sizes = [tokens_in(encoded, shard) for shard in shards]
    files = ShardFiles(work.folder, sizes, "tokens", "h5", partial(is_whole, key=key))
    return CorpusWork(card, corpus, encoded, n, seed, attrs, task, files, work)


def _chosen_layers(layers, depth: int, at_depths) -> tuple[str, ...]:
    """The layers of a model of `depth` blocks that are kept."""
    chosen = choose_layers(layers, depth)
    if at_depths is not None:
        depths, tolerance = at_depths
        compared = set(layers_at(depths, depth, chosen, tolerance).values())
        chosen = [layer for layer in chosen if layer in compared]
    return tuple(chosen)


def _origin(card: dict, corpus_path, seed: int) -> dict:
    """Attributes of a store: what its states come from."""
    return {
        "model": card["slug"],
        "kind": card["kind"],
        "revision": card["revision"],
        "commit": card["commit"],
        "params_total": card["params_total"],
        "params_non_embedding": card["params_non_embedding"],
        "tokenizer_sha256": card["tokenizer_sha256"],
        "corpus_sha256": sha256_file(corpus_path),
        "seed": seed,
        "versions": [f"{package} {version(package)}" for package in ("torch", "transformers")],
    }


def spread_evenly(texts, count: int) -> list[int]:
    """So many of the texts, evenly over their order: texts of one source are neighbours in it."""
    places = (np.arange(count) + 0.5) * len(texts) / max(count, 1)
    return [int(text) for text in (texts[places.astype(int)] if count < len(texts) else texts)]


def open_shard(path, key: str):
    """Open a shard as a store; its messages name the remedy for a shard, which no rule makes."""
    return open_store(path, key, AGAIN)


def is_whole(path: Path, key: str) -> bool:
    """Whether every byte of a shard is sound."""
    try:
        with open_shard(path, key) as shard:
            shard.verify()
            if "reductions" in shard.file:
                hdf5.read_through(shard.file["reductions"])
    except (InfogeoError, OSError, RuntimeError):
        return False
    return True


# ---------------------------------------------------------------- the work of one worker
@dataclass(frozen=True)
class Passed:
    """A shard after its forward passes.

    Attributes
    ----------
    index : int
    shard : range
        Of texts.
    encoded : Encoded
    rows : batches.Rows
        Their memory is used again for the shard after the next.
    attention : list of (int, ndarray, ndarray)
        Place of a text in the shard, and what `attention.attention_rows` gives of it.
    attrs : dict
    """

    index: int
    shard: range
    encoded: Encoded
    rows: batches.Rows
    attention: list
    attrs: dict

    def states(self, layer: str):
        """Iterate over (text, Z (n, d) float32) of a layer, as a store gives them back."""
        hidden, offsets = self.rows.hidden[layer], self.rows.offsets
        for place, text in enumerate(self.shard):
            yield text, hidden[offsets[place] : offsets[place + 1]].float().numpy()


def unmade(task: Task) -> list[int]:
    """Those of a worker's shards that do not exist."""
    return [index for index in task.shards if not shard_path(task.folder, index).exists()]


def passes(task: PassesTask, indices: list[int], score: bool = True) -> Iterator[Passed]:
    """Run the model over some of the shards.

    Parameters
    ----------
    task : PassesTask
    indices : list of int
    score : bool
        Whether to take likelihoods and attention rows too.

    Yields
    ------
    Passed
        One of them may still be in use while the next one is made; no more.
    """
    encoded, shards, doc_ids = read_plan(task.folder)
    model = task.model.load()
    check_texts(model, encoded, "spectra.n")
    attended = task.attention_texts if score else ()
    problem = attention.attention_problem(model) if attended else ""
    if problem:
        print(f"No attention is stored: {problem}", flush=True)
    sizes = [tokens_in(encoded, shards[index]) for index in indices]
    heartbeat, done = Heartbeat(f"{model.name}: forward", sum(sizes), "tokens"), 0
    heartbeat.update(0)
    memory = [
        batches.allocate_states(model, task.layers, max(sizes), task.stored_dtype) for _ in range(2)
    ]
    for index in indices:
        stop_if_abandoned(task)
        shard = shards[index]
        memory.reverse()  # the other one may still be in use
        lengths, names = encoded.lengths[shard], doc_ids[shard.start : shard.stop]
        rows = batches.Rows(model, task.layers, lengths, names, memory[0], score)
        rows.run(
            [encoded.text(text) for text in shard],
            task.batch_tokens,
            lambda new, done=done: heartbeat.update(done + new),
        )
        rows_of_attention = [
            (text - shard.start, *attention.attention_rows(model, encoded.text(text)))
            for text in attended
            if text in shard and not problem
        ]
        attrs = {"batches_split": rows.splits, "attention_problem": problem}
        yield Passed(index, shard, encoded, rows, rows_of_attention, attrs)
        done += len(rows.nll)


def overlap(items, work) -> None:
    """Call work on each item in a second thread, while the next one is made in this one."""
    with ThreadPoolExecutor(max_workers=1) as worker:
        pending = None
        for item in items:
            if pending is not None:
                pending.result()
            pending = worker.submit(work, item)
        if pending is not None:
            pending.result()


def stored(states) -> np.ndarray:
    """A tensor of hidden states (rows, d) in the representation that a store holds."""
    return (states.view(torch.uint16) if states.dtype == torch.bfloat16 else states).numpy()


@contextlib.contextmanager
def shard_store(task: PassesTask, passed: Passed, widths: dict, **placed):
    """Create the store of a shard, all but its hidden states, and yield its writer.

    It is written to a name of its own, synced, and moved into place.

    Parameters
    ----------
    task : PassesTask
    passed : Passed
    widths : dict of layer → d
        Of the layers of which the store is to hold hidden states.
    **placed
        Which hidden states it is to hold; see `create_store`.
    """
    encoded, rows, shard = passed.encoded, passed.rows, passed.shard
    first, last = encoded.offsets[shard.start], encoded.offsets[shard.stop]
    with (
        replacing(shard_path(task.folder, passed.index)) as temporary,
        create_store(
            temporary,
            attrs={"fingerprint": task.key, "model": task.model.name, **passed.attrs},
            doc_ids=rows.doc_ids,
            sources=[""] * len(shard),
            labels=[""] * len(shard),
            lengths=encoded.lengths[shard],
            widths=widths,
            dtype=dtype_name(rows.dtype),
            post_norm=rows.model.post_norm,
            **placed,
        ) as store,
    ):
        store.write_tokens(
            0,
            token_ids=encoded.token_ids[first:last],
            special_mask=encoded.special_mask[first:last],
            token_end_byte=encoded.token_end_byte[first:last],
            nll=rows.nll,
            predictive_entropy=rows.predictive_entropy,
        )
        yield store
        if passed.attention:
            store.write_attention(*zip(*passed.attention, strict=True))


# ---------------------------------------------------------------- one store of all shards
def shard_stores(task: PassesTask):
    """The shards (HiddenStates), one after another."""
    for index in task.shards:
        with open_shard(shard_path(task.folder, index), task.key) as store:
            yield store


def token_arrays(task: PassesTask) -> dict:
    """The arrays of `layout.TOKEN_ARRAYS` of all shards."""
    parts = {name: [] for name in TOKEN_ARRAYS}
    for store in shard_stores(task):
        for name, values in parts.items():
            values.append(getattr(store, name)())
    return {name: np.concatenate(values) for name, values in parts.items()}


def shard_groups(task: PassesTask, layer: str) -> Iterator[h5py.Group]:
    """What is kept of a layer in each shard of a task, one after another."""
    for index in task.shards:
        path = shard_path(task.folder, index)
        with h5py.File(path, "r", locking=False) as file:
            yield file[f"reductions/{layer}"]


def store_description(corpus, encoded: Encoded, attrs: dict) -> dict:
    """What `create_store` takes to describe the texts of a corpus (a DataFrame), all of them."""
    texts = corpus.iloc[encoded.corpus_rows]
    return {
        "doc_ids": texts["doc_id"].tolist(),
        "sources": texts["source"].tolist(),
        "labels": texts["label"].tolist(),
        "lengths": encoded.lengths,
        "attrs": attrs | {"texts_left_out": len(corpus) - len(np.unique(encoded.corpus_rows))},
    }


class Gathered:
    """What a store has of every shard beside its rows; shards are taken in order."""

    def __init__(self):
        self.attention, self.texts, self.splits, self.problem = ([], [], []), 0, 0, ""

    def take(self, shard) -> None:
        """Take the attention rows of a shard (HiddenStates), and what went on in its passes."""
        texts, last_rows, rollouts = self.attention
        for place in shard.attention_texts:
            texts.append(self.texts + place)
            last_rows.append(shard.attention_last_row(place))
            rollouts.append(shard.rollout_row(place))
        self.texts += len(shard.doc_ids)
        self.splits += shard.attrs["batches_split"]
        self.problem = shard.attrs["attention_problem"]

    def write(self, store) -> None:
        """Leave all of it in a store (StoreWriter)."""
        store.write_attention(*self.attention)
        store.file.attrs["batches_split"] = self.splits
        store.file.attrs["attention_problem"] = self.problem
