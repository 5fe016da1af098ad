"""Token ablation: the model is run on some tokens of a text alone, at their original positions.

Which tokens are kept, or dropped, is what the selectors of `selectors` choose; how far the
distribution of the next token moves says how much of it those tokens carry. Runs on equal numbers
of tokens go together, so that nothing is padded, and a set of tokens that several selectors choose
is run once. The texts are cut into shards, which survive a kill like those of a dump: batches
depend on the shard alone, so that the result comes out the same, byte for byte, however often the
work was interrupted and by however many workers it was done (on equal hardware, versions and
threads).
"""

import contextlib
import math
import shutil
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from infogeo.context.selectors import supports
from infogeo.files.artefacts import read_table, write_table
from infogeo.files.errors import InfogeoError
from infogeo.files.fingerprint import digest
from infogeo.jobs import launch
from infogeo.jobs.job_array import Claim
from infogeo.jobs.progress import Heartbeat
from infogeo.sources import cards
from infogeo.states import gaps, likelihoods, loading
from infogeo.states.out_of_memory import run_halving_on_oom
from infogeo.states.store import open_store
from infogeo.states.tokens import load_tokenizer

SHARD_TEXTS = 4
SINKS, MODES = ("free", "forced"), ("keep", "drop")
METHOD = "kept tokens alone, at their original positions"
MEASURES = ("kl", "delta_nll", "cosine_mean", "cosine_last")
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


def ablate(
    card_path,
    corpus_path,
    states_path,
    ablation_path,
    status_path,
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
    placement: str = "debug",
    workers: int = 1,
    threads: int = 1,
    resources=None,
    scratch="scratch",
) -> None:
    """Ablate tokens of the texts of n tokens whose attention rows are stored; write both tables.

    Parameters
    ----------
    card_path, corpus_path, states_path : path
        model.json, the corpus's table and the store.
    ablation_path, status_path : path
        Tables to make: one row per text, selector, sink, mode, share and draw; and one row that
        says how it was done, or why it could not be.
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
        Of both tables.
    expected : (str, str, str)
        Fingerprints that model, corpus and store must carry.
    placement, workers, resources
        See `launch.spread`.
    threads : int
        CPU threads of this job, or of each job of an array.
    scratch : path
        Folder for shards; removed at the end.

    Raises
    ------
    InfogeoError
        Where an input is not what was expected, the store holds no final layer or other tokens
        than the corpus gives, memory does not suffice for one text, or a worker fails. Finished
        shards stay, and the next call uses them.

    Notes
    -----
    keep: the chosen tokens, the last one, and the first where it is forced; drop: all but the
    chosen. kl is KL(full ‖ ablated) in nats, of the distribution of token n + 1; delta_nll what
    the NLL of the true one grows by, NaN where the text ends. cosine_mean and cosine_last are
    1 − cosine between ablated and full run, of the mean over the tokens of the final states, and
    of the last token's. Where the architecture cannot be run on some of its tokens, the table has
    no rows and the status says why.

    Verified against one forward pass at a time through the model's own logits.
    """
    card = cards.read(card_path, expected[0])
    cards.require_files(card)
    corpus = read_table(corpus_path, expected[1]).set_index("doc_id")["text"]
    with open_store(states_path, expected[2]) as store:
        texts = [text for text in store.attention_texts if store.lengths[text] == n > 1]
        states, no_attention = store.attrs["fingerprint"], store.attrs.get("attention_problem")
        next_tokens = _next_tokens(store, texts, corpus, card, trust_remote_code)
    task = {
        "name": card["slug"],
        "directory": card["directory"],
        "trust_remote_code": trust_remote_code,
        "dtype": dtype,
        "states": str(states_path),
        "texts": texts,
        "next_tokens": next_tokens,
        "k": k,
        "shares": sorted({0.0, *map(float, shares), 1.0}),
        "draws": draws,
        "centred": centred,
        "seed": seed,
        "batch_tokens": batch_tokens,
        "device": launch.device(placement, resources, torch.cuda.is_available()),
        "threads": max(1, threads // workers) if placement == "local" else threads,
    }
    versions = [version(package) for package in ("numpy", "torch", "transformers")]
    # Whatever could change a byte of a shard is in its key.
    key = digest([fingerprint, states, task, versions, SHARD_TEXTS, card["files"]])
    folder = Path(scratch) / "token_ablation" / key[:32]
    task |= {"folder": str(folder), "key": key}
    status = {
        "model": card["slug"],
        "method": METHOD,
        "gap_residual": math.nan,
        "tolerance": gaps.GAP_TOLERANCE[getattr(torch, dtype)],
        "texts": 0,
        "texts_without_next": 0,
        "problem": "",
    }
    if n < 2:
        status["problem"] = f"texts of n = {n} token have no earlier tokens (config spectra.n)."
    elif no_attention:
        status["problem"] = no_attention
    elif not texts:
        status["problem"] = (
            f"no text of n = {n} tokens has attention rows in the store "
            "(config states.attention_texts)."
        )
    else:
        status |= _spread(task, placement, workers, dict(resources or {}, threads=threads))
    if status["problem"]:
        print(f"{card['slug']}: no token ablation: {status['problem']}", flush=True)
        parts = []
    else:
        parts = [_read_shard(task, shard) for shard in range(_shards(task))]
        status["texts"] = len(texts)
        status["texts_without_next"] = sum(token is None for token in next_tokens)
    _write(parts, status, ablation_path, status_path, fingerprint)
    shutil.rmtree(folder, ignore_errors=True)
    for parent in (folder.parent, Path(scratch)):
        with contextlib.suppress(OSError):  # others are still at work there, or it never was
            parent.rmdir()


def _next_tokens(store, texts, corpus, card, trust_remote_code) -> list:
    """The token after the stored ones of each text; None where the text ends."""
    if not texts:
        return []
    tokenizer = load_tokenizer(card["directory"], trust_remote_code)
    stored, found = store.token_ids(), []
    for text in texts:
        doc_id, n = store.doc_ids[text], store.lengths[text]
        ids = tokenizer(corpus.get(doc_id, ""), verbose=False)["input_ids"]
        if ids[:n] != stored[store.offsets[text] : store.offsets[text + 1]].tolist():
            raise InfogeoError(
                f"{store.path}: text {doc_id!r} has other tokens there than the corpus and the "
                f"tokenizer of {card['slug']!r} give. Make it anew: snakemake -R {store.path}"
            )
        found.append(ids[n] if len(ids) > n else None)
    return found


def _spread(task, placement, workers, resources) -> dict:
    """Let workers make the shards that are missing; what the check of gaps found."""
    folder, of = Path(task["folder"]), _shards(task)
    folder.mkdir(parents=True, exist_ok=True)
    claim = Claim(folder)
    missing = {shard for shard in range(of) if not _is_whole(task, shard)}
    heartbeat = Heartbeat(f"{task['name']}: token ablation", of, "shards")
    heartbeat.update(of - len(missing))

    def count_shards():
        claim.check()
        heartbeat.update(sum(_shard(task, shard).exists() for shard in range(of)))

    # What a worker is to make does not depend on what is there: so one that lives is recognised.
    parts = [list(range(first, of, workers)) for first in range(workers)]
    found = launch.spread(
        make_shards,
        # The first worker is there even if no shard is missing: it checks the model.
        [task | {"shards": p} for i, p in enumerate(parts) if i == 0 or missing & set(p)],
        placement=placement,
        folder=folder / "launch",
        gpus=torch.cuda.device_count(),
        resources=resources,
        waiting=count_shards,
    )
    if not found[0]["problem"]:
        heartbeat.close()
    claim.check()
    return found[0]


def _shards(task) -> int:
    return math.ceil(len(task["texts"]) / SHARD_TEXTS)


def _shard(task, shard: int) -> Path:
    return Path(task["folder"]) / f"shard-{shard:06d}.parquet"


def _read_shard(task, shard: int):
    return read_table(_shard(task, shard), task["key"])


def _is_whole(task, shard: int) -> bool:
    """Whether a shard is there and can be read."""
    try:
        _read_shard(task, shard)
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
def make_shards(task: dict) -> dict:
    """Check that the model can be run on some of its tokens, and make some of the shards.

    Returns
    -------
    dict
        gap_residual, and the problem that kept the shards from being made ('' where none did).
    """
    torch.set_num_threads(task["threads"])
    model = loading.load_model(
        task["directory"],
        dtype=task["dtype"],
        name=task["name"],
        trust_remote_code=task["trust_remote_code"],
    )
    with open_store(task["states"]) as store:
        stored = store.token_ids()
        tokens = {
            text: stored[store.offsets[text] : store.offsets[text + 1]] for text in task["texts"]
        }
        residual, problem = gaps.check_gaps(model, tokens[task["texts"][0]], task["seed"])
        if not problem:
            missing = [shard for shard in task["shards"] if not _is_whole(task, shard)]
            heartbeat = Heartbeat(f"{task['name']}: ablations", len(missing), "shards")
            for done, shard in enumerate(missing):
                heartbeat.update(done)
                _make_shard(task, shard, model, store, tokens)
    return {"gap_residual": residual, "problem": problem}


def _make_shard(task, shard, model, store, tokens):
    """Ablate a few texts, and write what was found."""
    import pandas as pd

    places = range(len(task["texts"]))[shard * SHARD_TEXTS : (shard + 1) * SHARD_TEXTS]
    texts = [task["texts"][place] for place in places]
    plans = [plan(task, store, text) for text in texts]
    # What several rows keep is run once.
    unique = [np.unique(kept, axis=0, return_inverse=True) for _, kept in plans]
    measured = run_sets(
        model,
        [tokens[text] for text in texts],
        [sets for sets, _ in unique],
        [task["next_tokens"][place] for place in places],
        batch_tokens=task["batch_tokens"],
        names=[store.doc_ids[text] for text in texts],
    )
    parts = []
    for text, (rows, _), (_, inverse), values in zip(texts, plans, unique, measured, strict=True):
        part = pd.DataFrame(rows)
        part["doc_id"], part["source"] = store.doc_ids[text], store.sources[text]
        part["n"] = len(tokens[text])
        part[list(MEASURES)] = values[inverse]
        parts.append(part[list(COLUMNS)])
    write_table(pd.concat(parts, ignore_index=True), _shard(task, shard), task["key"])


def plan(task: dict, store, text: int) -> tuple[list[dict], np.ndarray]:
    """Which tokens of a text are kept, for every selector, sink, mode, share and draw.

    Returns
    -------
    rows : list of dict
        selector, sink, mode, share, k and draw.
    kept : (rows, n) bool ndarray
    """
    Z = store.read(text, "final")
    last_row, rollout = store.attention_last_row(text), store.rollout_row(text)
    n, rows, kept = len(Z), [], []
    for index, sink in enumerate(SINKS):
        m = n - 1 - (sink == "forced")
        sizes = [math.floor(share * m + 0.5) for share in task["shares"]]
        supports_of = supports(
            Z,
            last_row,
            rollout,
            sizes,
            sink=sink,
            centred=task["centred"],
            draws=task["draws"],
            rng=np.random.default_rng([task["seed"], text, index]),
            head_sizes=task["k"],
        )
        for (selector, draw), chosen in supports_of.items():
            for mode in MODES:
                for share, k, support in zip(task["shares"], sizes, chosen, strict=True):
                    mask = np.zeros(n, dtype=bool)
                    mask[support] = True
                    if mode == "drop":
                        mask = ~mask
                    else:
                        mask[-1] = True
                        mask[0] |= sink == "forced"
                    kept.append(mask)
                    rows.append(
                        {
                            "selector": selector,
                            "sink": sink,
                            "mode": mode,
                            "share": share,
                            "k": k,
                            "draw": draw,
                        }
                    )
    return rows, np.array(kept)


def run_sets(model, texts, sets, next_tokens, *, batch_tokens: int, names) -> list[np.ndarray]:
    """How far the prediction after each text moves when only some of its tokens are there.

    Parameters
    ----------
    model : LanguageModel
    texts : list of (n,) int ndarrays
        Token ids, as many of every text.
    sets : list of (s, n) bool ndarrays
        What is kept of each text; the last token always, and one of the sets is the whole text.
    next_tokens : list of int or None
        The true token after each text.
    batch_tokens : int
        Most tokens of a batch.
    names : list of str
        Of the texts, for messages.

    Returns
    -------
    list of (s, 4) float64 ndarrays
        The columns `MEASURES`.

    Raises
    ------
    InfogeoError
        Where a prediction is not finite, or memory does not suffice for one set.
    """
    owner = np.repeat(np.arange(len(texts)), [len(of_text) for of_text in sets])  # (S,)
    kept = np.concatenate(sets)  # (S, n)
    ids = np.broadcast_to(np.stack(texts)[owner], kept.shape)
    sizes = kept.sum(axis=1)
    found = np.empty((len(kept), len(MEASURES)))
    targets = torch.tensor([-1 if token is None else token for token in next_tokens])
    targets = targets.to(model.device)
    # Of the whole texts: log-probabilities, mean and last state.
    reference = [
        torch.empty((len(texts), width), dtype=torch.float64, device=model.device)
        for width in (model.vocabulary, model.widths["final"], model.widths["final"])
    ]

    def run(batch):
        k = sizes[batch[0]]
        positions = np.nonzero(kept[batch])[1].reshape(-1, k)
        logits, mean, last = gaps.run_kept(model, ids[batch][kept[batch]].reshape(-1, k), positions)
        outcome = torch.log_softmax(logits.double(), dim=-1), mean.double(), last.double()
        if k == kept.shape[1]:
            for values, new in zip(reference, outcome, strict=True):
                values[owner[batch]] = new
        full = [values[owner[batch]] for values in reference]
        found[batch] = _measure(full, outcome, targets[owner[batch]]).cpu().numpy()

    for k in np.unique(sizes)[::-1]:  # whole texts first: the others are measured against them
        of_size = np.flatnonzero(sizes == k)
        # A batch's log-probabilities are bounded too: with few tokens, they are most of it.
        step = max(1, min(batch_tokens // k, likelihoods.rows_at_once(model)))
        for start in range(0, len(of_size), step):
            run_halving_on_oom(
                model,
                run,
                of_size[start : start + step],
                lambda part, k=k: len(part) * int(k),
                lambda row: f"model {model.name!r}, text {names[owner[row]]!r}",
            )
    wrong = ~np.isfinite(found[:, 0])
    if wrong.any():
        raise InfogeoError(
            f"model {model.name!r}, text {names[owner[wrong.argmax()]]!r}: the prediction from "
            f"{sizes[wrong.argmax()]} of its tokens is not finite. The dtype "
            f"({str(model.dtype).removeprefix('torch.')}, in the models table) may not suit it."
        )
    return np.split(found, np.cumsum([len(of_text) for of_text in sets])[:-1])


def _measure(full, ablated, targets):
    """`MEASURES` of runs (B, 4), from log-probabilities (B, V), means and last states (B, d)."""
    (log_p, *states), (log_q, *others) = full, ablated
    kl = (log_p.exp() * (log_p - log_q)).sum(dim=-1).clamp(min=0)  # below 0 by rounding only
    known = targets >= 0
    at = targets.clamp(min=0)[:, None]
    delta = torch.where(known, (log_p.gather(1, at) - log_q.gather(1, at))[:, 0], math.nan)
    shifts = [
        (1 - torch.cosine_similarity(state, other, dim=-1)).clamp(min=0)
        for state, other in zip(states, others, strict=True)
    ]
    return torch.stack([kl, delta, *shifts], dim=1)
