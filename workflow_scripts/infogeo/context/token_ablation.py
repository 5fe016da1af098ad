"""Token ablation: the model is run on some tokens of a text alone, at their original positions.

Which tokens are kept, or dropped, is what the selectors of `selectors` choose; how far the
distribution of the next token moves says how much of it those tokens carry. A set of tokens that
several selectors choose is run once, and so are first tokens that a set has in common with the
whole text. The texts are cut into shards; batches depend on the shard alone. See `states.work`.
"""

import math
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from infogeo.context import layer_prediction, predicted_texts
from infogeo.context.kept_runs import MEASURES, run_sets
from infogeo.context.kept_sets import plan
from infogeo.files.artefacts import read_table, write_table
from infogeo.files.errors import InfogeoError
from infogeo.files.fingerprint import digest
from infogeo.files.tables import joined
from infogeo.jobs.progress import Heartbeat
from infogeo.sources import cards
from infogeo.states import beginnings, gaps
from infogeo.states.layer_prediction import find_norm
from infogeo.states.store import open_store
from infogeo.states.tokens import load_tokenizer
from infogeo.states.work import Launch, ModelRun, ShardFiles, Task, Work, shard_path

SHARD_TEXTS = 4
METHOD = "kept tokens alone, at their original positions"
SHARED = "; first tokens that a set has in common with the text are run once"
COLUMNS = {  # of the table, and the types of a table without rows
    "doc_id": str,
    "source": str,
    "n": "int64",
    "selector": str,
    "sink": str,
    "mode": str,
    "share": "float64",
    "k": "int64",
    "draw": "int64",
    **dict.fromkeys(MEASURES, "float64"),
}


@dataclass(frozen=True, kw_only=True)
class AblationTask(Task):
    """What a worker needs.

    Attributes
    ----------
    states : str
        Path of the store.
    texts : tuple of int
        Those that are ablated, by their place in the store.
    next_tokens : tuple of int or None
        The true token after each.
    k, shares, draws, centred, seed
        See `ablate`.
    """

    states: str
    texts: tuple[int, ...]
    next_tokens: tuple[int | None, ...]
    k: tuple[int, ...]
    shares: tuple[float, ...]
    draws: int
    centred: bool
    seed: int


def ablate(
    card_path,
    corpus_path,
    states_path,
    ablation_path,
    status_path,
    prediction_path,
    *,
    n: int,
    k: list[int],
    shares: list[float],
    draws: int,
    centred: bool,
    batch_tokens: int,
    dtype: str,
    trust_remote_code: bool,
    seed: int,
    fingerprint: str,
    expected=(None, None, None),
    **launched,
) -> None:
    """Ablate tokens of the texts of n tokens whose attention rows are stored; write the tables.

    Parameters
    ----------
    card_path, corpus_path, states_path : path
        model.json, the corpus's table and the store.
    ablation_path, status_path, prediction_path : path
        Tables to make: one row per text, selector, sink, mode, share and draw; one row that
        says how it was done, or why it could not be; and, since the model is there and runs on
        these texts, what earlier layers predict (`layer_prediction`).
    n : int
        Tokens of a text.
    k : list of int
        Over which the best head is chosen; see `selectors.supports`.
    shares : list of float
        Of the candidates that are chosen; 0 and 1 are added. k is the share rounded, halves up.
    draws : int
        Of the random selector.
    centred : bool
        See `selectors.supports`.
    batch_tokens : int
        Most tokens of a batch.
    dtype : {'float32', 'float16', 'bfloat16'}
        Of the computation.
    trust_remote_code : bool
    seed : int
    fingerprint : str
        Of the tables.
    expected : (str, str, str)
        Fingerprints that model, corpus and store must carry.
    **launched
        See `work.Launch`.

    Raises
    ------
    InfogeoError
        Where an input is not what was expected; the store holds no final layer, or other tokens
        than the corpus gives; memory does not suffice for one text; or a worker fails. Finished
        shards stay, and the next call uses them.

    Notes
    -----
    keep: the chosen tokens, the last one, and the first where it is forced; drop: all but the
    chosen. kl is KL(full ‖ ablated) in nats, of the distribution of token n + 1; delta_nll what the
    NLL of the true one grows by, NaN where the text ends. cosine_mean and cosine_last are 1 −
    cosine between ablated and full run: of the mean over the tokens of the final states, and of the
    last token's. Where the architecture cannot be run on some of its tokens, the table has no rows
    and the status says why.

    Verified against one forward pass at a time through the model's own logits.
    """
    launched = Launch(**launched)
    card = cards.read(card_path, expected[0])
    cards.require_files(card)
    corpus = read_table(corpus_path, expected[1]).set_index("doc_id")["text"]
    with open_store(states_path, expected[2]) as store:
        texts = [text for text in store.attention_texts if store.lengths[text] == n > 1]
        states, no_attention = store.attrs["fingerprint"], store.attrs.get("attention_problem")
        next_tokens = _next_tokens(store, texts, corpus, card, trust_remote_code)
    work, parts, predicted = None, [], []
    status = _status(card, dtype, _problem(n, no_attention, texts))
    if not status["problem"]:
        model = ModelRun.of(card, trust_remote_code, dtype, launched)
        settings = {
            "model": model,
            "batch_tokens": batch_tokens,
            "states": str(states_path),
            "texts": tuple(texts),
            "next_tokens": tuple(next_tokens),
            "k": tuple(k),
            "shares": tuple(sorted({0.0, *map(float, shares), 1.0})),
            "draws": draws,
            "centred": centred,
            "seed": seed,
        }
        versions = [version(package) for package in ("numpy", "torch", "transformers")]
        # Whatever could change a byte of a shard is in its key.
        sources = [fingerprint, states, versions, SHARD_TEXTS, card["files"]]
        key = digest([sources, settings | {"model": vars(model)}])
        work = Work("token_ablation", key, card["slug"], launched)
        task = AblationTask(folder=str(work.folder), key=key, **settings)
        parts, predicted, outcome = _make_parts(work, task)
        status |= outcome
    if status["problem"]:
        print(f"{card['slug']}: no token ablation: {status['problem']}", flush=True)
    _write(parts, status, ablation_path, status_path, fingerprint)
    predictions = predicted or [layer_prediction.none(status["problem"])]
    write_table(joined(predictions).drop_duplicates(), prediction_path, fingerprint)
    if work is not None:
        work.close()


def _problem(n: int, no_attention: str, texts) -> str:
    """Why there is nothing to ablate; '' if there is."""
    if n < 2:
        return f"texts of n = {n} token have no earlier tokens (config spectra.n)."
    if not no_attention and not texts:
        return (
            f"no text of n = {n} tokens has attention rows in the store "
            "(config states.attention_texts)."
        )
    return no_attention or ""


def _status(card, dtype: str, problem: str) -> dict:
    """The row that tells how the ablation was done, before it is done."""
    return {
        "model": card["slug"],
        "method": METHOD,
        "gap_residual": math.nan,
        "tolerance": gaps.GAP_TOLERANCE[getattr(torch, dtype)],
        "texts": 0,
        "texts_without_next": 0,
        "problem": problem,
    }


def _make_parts(work: Work, task: AblationTask) -> tuple[list, list, dict]:
    """Both tables of all shards, made by workers where they are missing, and the row's content.

    There are none where the model cannot be run on some of its tokens.
    """
    sizes = [len(places) for places in _shards(task)]
    whole = partial(_is_whole, key=task.key)
    files = ShardFiles(work.folder, sizes, "texts", "parquet", whole)
    # The first worker starts even if no shard is missing: it checks the model.
    missing = sorted({0, *files.missing()})
    outcome = work.start(make_shards, task, files, missing, "token ablation")[0]
    if outcome["problem"]:
        return [], [], outcome
    work.await_files(files.absent, "shards")
    outcome["texts"] = len(task.texts)
    outcome["texts_without_next"] = sum(token is None for token in task.next_tokens)
    parts = [read_table(files.path(shard), task.key) for shard in range(len(sizes))]
    predicted = [read_table(_prediction_path(task, shard), task.key) for shard in range(len(sizes))]
    return parts, predicted, outcome


def _prediction_path(task: AblationTask, shard: int) -> Path:
    return shard_path(task.folder, shard, "prediction.parquet")


def _next_tokens(store, texts, corpus, card, trust_remote_code) -> list:
    """The token after the stored ones of each text; None where the text ends."""
    if not texts:
        return []
    tokenizer = load_tokenizer(card["directory"], trust_remote_code)
    stored, following = store.token_ids(), []
    for text in texts:
        doc_id, n = store.doc_ids[text], store.lengths[text]
        ids = tokenizer(corpus.get(doc_id, ""), verbose=False)["input_ids"]
        if ids[:n] != stored[store.offsets[text] : store.offsets[text + 1]].tolist():
            raise InfogeoError(
                f"{store.path}: text {doc_id!r} has other tokens than the corpus and the "
                f"tokenizer of {card['slug']!r} give. Make it anew: snakemake -R {store.path}"
            )
        following.append(ids[n] if len(ids) > n else None)
    return following


def _shards(task: AblationTask) -> list[range]:
    """The places of the texts of each shard."""
    places = range(len(task.texts))
    return [places[start : start + SHARD_TEXTS] for start in places[::SHARD_TEXTS]]


def _is_whole(path: Path, key: str) -> bool:
    """Whether a shard can be read."""
    try:
        read_table(path, key)
    except InfogeoError:
        return False
    return True


def _write(parts, status, ablation_path, status_path, fingerprint):
    import pandas as pd

    empty = pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in COLUMNS.items()})
    table = pd.concat(parts, ignore_index=True) if parts else empty
    write_table(table, ablation_path, fingerprint)
    write_table(pd.DataFrame([status]), status_path, fingerprint)


# ---------------------------------------------------------------- the work of one worker
def make_shards(task: AblationTask) -> dict:
    """Check that the model can be run on some of its tokens, and make some of the shards.

    Returns
    -------
    dict
        How sets are run, gap_residual, and why no shard was made ('' where shards were).
    """
    model = task.model.load()
    with open_store(task.states) as store:
        stored = store.token_ids()
        tokens = {
            text: stored[store.offsets[text] : store.offsets[text + 1]] for text in task.texts
        }
        first = tokens[task.texts[0]]
        residual, problem = gaps.check_gaps(model, first, task.seed)
        unshared = problem or beginnings.problem(model, first, task.seed)
        if not problem:
            if unshared:
                print(
                    f"{task.model.name}: every set of tokens is run whole: {unshared}", flush=True
                )
            paths = {shard: shard_path(task.folder, shard, "parquet") for shard in task.shards}
            missing = [shard for shard, path in paths.items() if not path.exists()]
            heartbeat = Heartbeat(f"{task.model.name}: ablations", len(missing), "shards")
            norm = find_norm(model)
            for done, shard in enumerate(missing):
                heartbeat.update(done)
                _make_shard(task, shard, model, norm, store, tokens, not unshared)
    method = METHOD if unshared else METHOD + SHARED
    return {"method": method, "gap_residual": residual, "problem": problem}


def _make_shard(task: AblationTask, shard: int, model, norm, store, tokens, shared) -> None:
    """Ablate a few texts, and write the rows of their tables; that of the ablation last."""
    import pandas as pd

    places = _shards(task)[shard]
    texts = [task.texts[place] for place in places]
    names = ([of[text] for text in texts] for of in (store.doc_ids, store.sources))
    of_texts = [tokens[text] for text in texts]
    predicted = predicted_texts.measure(model, norm, of_texts, *names, task.batch_tokens)
    write_table(predicted, _prediction_path(task, shard), task.key)
    plans = [plan(task, store, text) for text in texts]
    # What several rows keep is run once.
    unique = [np.unique(sets, axis=0, return_inverse=True) for _, sets in plans]
    measured = run_sets(
        model,
        [tokens[text] for text in texts],
        [sets for sets, _ in unique],
        [task.next_tokens[place] for place in places],
        batch_tokens=task.batch_tokens,
        names=[store.doc_ids[text] for text in texts],
        shared=shared,
    )
    parts = []
    for text, (rows, _), (_, inverse), values in zip(texts, plans, unique, measured, strict=True):
        part = pd.DataFrame(rows)
        part["doc_id"], part["source"] = store.doc_ids[text], store.sources[text]
        part["n"] = len(tokens[text])
        part[list(MEASURES)] = values[inverse]
        parts.append(part[list(COLUMNS)])
    path = shard_path(task.folder, shard, "parquet")
    write_table(pd.concat(parts, ignore_index=True), path, task.key)
