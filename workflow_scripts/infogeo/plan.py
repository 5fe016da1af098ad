"""What a run will cost, before anything heavy runs: tokens, FLOPs, bytes, memory, hours.

A multiply-add counts as two floating-point operations. With d the width, L the blocks, V the
vocabulary, n the tokens of a text and N the non-embedding parameters, a forward pass takes per
token 2 N (weights) + 4 n d L (scores and weighted sums of attention, over all n positions as they
are computed, without the half that a causal mask would spare) + 2 d V (logits); training takes
three times that. See Kaplan et al. 2020 (2001.08361), section 2.1.
"""

import contextlib
import csv
from functools import cache
from math import ceil
from pathlib import Path

from infogeo import cards
from infogeo.artefacts import read_table, replacing
from infogeo.configuration import has_labels, ladder_member, ladder_parameters
from infogeo.errors import InfogeoError
from infogeo.models import count_parameters, shape, validate_directory
from infogeo.progress import duration
from infogeo.spectra import corpus_bytes
from infogeo.token_selection import SELECTORS

ITEM_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}

SHARD_BYTES = 2**29  # most hidden states in a shard of a dump, of which two are in memory at once
# Bytes of a process that has imported PyTorch, transformers and pandas; and, in multiples of d
# numbers per token of a batch, what one block works with. Against the peak resident memory of real
# dumps on a CPU (GPT-NeoX of 1, 29 and 124 million parameters, the last in bfloat16, 320 texts of
# 128 tokens) `memory_bytes` came out between 3 % below and 23 % above.
PROCESS_BYTES = 520_000_000
BLOCK_BUFFERS = 16
# Logits and what is made of them are worked on in pieces of about 2²² numbers in float32.
LOGITS_BYTES = 2 * 4 * 2**22
# Bytes of a GPU that PyTorch's context and its kernels' workspaces take (a guess: no GPU was at
# hand), and the share of the rest that weights may take, the same as where they are loaded
# (forward.GPU_SHARE; not imported, for it needs PyTorch). The other quarter is for batches, which
# are halved where it does not suffice.
CUDA_BYTES = 1_500_000_000
GPU_SHARE = 0.75
# Bytes of a token in a store beside its hidden states: see store.TOKEN_ARRAYS.
TOKEN_BYTES = 17
# What one core sustains where spectra and gains are taken while the model runs: in those of texts
# (9 to 35 GFLOP/s for d of 64 to 4096 at n of 32 and 128: the operations of `reduction_seconds`
# over the seconds of tests/bench/cost.py), and in d × d products for the corpus (12 to 71).
TEXT_FLOPS, CORPUS_FLOPS = 1e10, 2.5e10
# The least that a scheduler is asked for, for a job that runs a model.
LEAST_MEGABYTES = 1500
# A scheduler is asked for the minutes that a job takes to start, on a busy file system too, and
# for this multiple of what its operations take: it ends what runs longer.
START_MINUTES = 15
SLACK = 2

PREFIXES = ("", *"kMGTPEZY")
HEADER = ["corpus", "model", "parameters", "texts", "tokens", "forward", "states", "memory"]
HEADER += ["dump", "twins", "ablation", "training"]
DEMAND_HEADER = ["corpus", "model", "GPUs", "memory", *HEADER[-4:]]
COLUMNS = (
    "model",
    "corpus",
    "family",
    "dtype",
    "params_total",
    "params_non_embedding",
    "width",
    "layers",
    "vocabulary",
    "texts",
    "tokens",
    "tokens_are",
    "forward_flops",
    "hidden_states_bytes",
    "reduced_states_bytes",
    "memory_bytes",
    "dump_hours",
    "twins_hours",
    "ablation_hours",
    "training_flops",
    "training_hours",
    "asked_gpus",
    "asked_megabytes",
    "asked_dump_minutes",
    "asked_twins_minutes",
    "asked_ablation_minutes",
    "asked_training_minutes",
)
ASKED = ("dump", "twins", "ablation", "training")


# ---------------------------------------------------------------- arithmetic
def forward_flops(model: dict, tokens: int, n: int) -> int:
    """Floating-point operations of forward passes over `tokens` tokens in texts of n.

    Parameters
    ----------
    model : dict
        params_non_embedding, width, layers and vocabulary.

    Notes
    -----
    Verified against PyTorch's FlopCounterMode, which counts matrix products alone: equal once
    biases and norms are left out of N.
    """
    weights = 2 * model["params_non_embedding"]
    attention = 4 * n * model["width"] * model["layers"]
    logits = 2 * model["width"] * model["vocabulary"]
    return tokens * (weights + attention + logits)


def ablation_flops(model: dict, config: dict, texts: int) -> int:
    """Floating-point operations of the token ablation of a model, at most.

    Of every share a text is run on the tokens kept and on the tokens left, which together are its
    n tokens, for each selector, with and without the first token; logits are made of one token.
    """
    n, context = max(config["spectra"]["n"]), config["context"]
    # Every selector has one order, but the random one.
    orders = len(SELECTORS) - 1 + context["ablation_draws"]
    runs = min(config["states"]["attention_texts"], texts) * orders * 2 * len(context["shares"])
    return forward_flops({**model, "vocabulary": 0}, runs * n, n)


def layers_stored(wanted, layers: int) -> int:
    """How many layers `states.layers` means in a model of so many blocks.

    Relative depths are rounded to the nearest block, as where states are stored.
    """
    if wanted == "all":
        return layers + 2
    chosen = {d if d == "final" else int(float(d) * layers + 0.5) for d in wanted}
    return len(chosen)


def hidden_states_bytes(model: dict, tokens: int, layers: int, dtype: str) -> int:
    """Bytes of the stored hidden states of `tokens` tokens at so many layers."""
    return tokens * layers * model["width"] * ITEM_BYTES[dtype]


def reduced_states_bytes(model: dict, config: dict, labelled: bool, texts, tokens, dtype) -> int:
    """Bytes of a store without most hidden states (`keep_hidden_states: false`), at most.

    Kept are the last layer of the texts whose attention is stored, and of corpora with labels the
    first tokens of the other texts, all of which may be in the sample, at the depths at which
    sentences are compared.
    """
    attended, chosen = min(texts, config["states"]["attention_texts"]), {"final"}
    kept = attended * max(config["spectra"]["n"])
    if labelled:
        kept += (texts - attended) * config["sentences"]["n"]
        chosen |= set(config["sentences"]["depths"])
    layers = layers_stored(sorted(chosen), model["layers"])
    return tokens * TOKEN_BYTES + hidden_states_bytes(model, kept, layers, dtype)


def reduction_seconds(model: dict, config: dict, texts: int, layers: int) -> float:
    """Seconds of one core in spectra and gains of so many texts and layers, at most.

    Of a text: two Gram matrices (4 n² d), two spectra of each prefix (9 r³ each, r = min(n, d): the
    rate of LAPACK is counted in), a Cholesky factor for each λ (n³/3); and for the spectra of the
    corpus, of each prefix in both conventions, 4 n d².
    """
    lengths, width = config["spectra"]["n"], model["width"]
    kinds = len(config["context"]["lambdas"]) + len(config["entropy"]["eps2"])
    of_text = 4 * max(lengths) ** 2 * width + kinds * max(lengths) ** 3 / 3
    of_text += sum(18 * min(n, width) ** 3 for n in lengths)
    of_corpus = 4 * sum(lengths) * width**2
    return texts * layers * (of_text / TEXT_FLOPS + of_corpus / CORPUS_FLOPS)


def memory_bytes(model: dict, states: dict, tokens: int | None, layers: int, dtype: str) -> int:
    """Bytes that the dump of a model needs, about: weights, a batch, and two shards of states.

    A model whose logits are more than a matrix product (a soft cap, a scale) needs another
    4 × batch_tokens × vocabulary.

    Parameters
    ----------
    model : dict
        params_total and width.
    states : dict
        batch_tokens and shard_tokens of the configuration.
    tokens : int or None
        Tokens in all, if known: no batch and no shard has more.
    layers : int
        Stored layers.
    dtype : {'float32', 'float16', 'bfloat16'}
    """
    most = states["shard_tokens"] if tokens is None else min(states["shard_tokens"], tokens)
    shard = min(hidden_states_bytes(model, most, layers, dtype), SHARD_BYTES)
    weights = model["params_total"] * ITEM_BYTES[dtype]
    batch = min(states["batch_tokens"], most) * model["width"] * ITEM_BYTES[dtype] * BLOCK_BUFFERS
    return PROCESS_BYTES + weights + batch + LOGITS_BYTES + 2 * shard


def gpus_needed(parameters: int, dtype: str, gpu_bytes: float) -> int:
    """How many GPUs of a size hold so many weights in `dtype`, and leave room for batches.

    Parameters
    ----------
    parameters : int
        In all.
    dtype : {'float32', 'float16', 'bfloat16'}
    gpu_bytes : float
        Of one GPU; 0 where there are none, and then none are needed.

    Notes
    -----
    Verified against where `forward.device_map` puts weights of that size.
    """
    if not gpu_bytes:
        return 0
    return ceil(parameters * ITEM_BYTES[dtype] / (GPU_SHARE * (gpu_bytes - CUDA_BYTES)))


# ---------------------------------------------------------------- models and corpora
def describe_model(row: dict, config: dict, results: Path, fingerprint: str | None) -> dict:
    """Parameter counts and shape of a model, without its weights where they are not there yet.

    Parameters
    ----------
    row : dict
        Of the table of models.
    config : dict
        The complete configuration.
    results : Path
        The folder results/, whose model.json is believed if it carries the fingerprint.
    fingerprint : str or None

    Returns
    -------
    dict
        params_total, params_non_embedding, width, layers, vocabulary; and `directory`, of the
        tokenizer, or None.

    Raises
    ------
    InfogeoError
        Where a local directory is not that of a model, or a model of the hub is not there yet.
    """
    # A marker that is missing, damaged or of other settings says nothing: it will be made anew.
    with contextlib.suppress(InfogeoError):
        return cards.read(results / "models" / row["slug"] / "model.json", fingerprint)
    if row["source"] == "ladder":
        member = ladder_member(row["where"])
        vocabulary = config["ladders"][member["ladder"]]["vocabulary"]
        sizes = {"width": member["width"], "layers": member["depth"], "vocabulary": vocabulary}
        total, non_embedding = ladder_parameters(member["width"], member["depth"], vocabulary)
        counts = {"params_total": total, "params_non_embedding": non_embedding}
        return {**counts, **sizes, "directory": None}
    if row["source"] == "hub":
        raise InfogeoError(f"model {row['slug']}: {row['where']} has not been downloaded yet.")
    files, _, tensors = validate_directory(row["where"], row["trust_remote_code"])
    counts = count_parameters(row["where"], files, tensors)
    return {**counts, **shape(row["where"], files), "directory": row["where"]}


def corpus_texts(row: dict, results: Path, fingerprint: str | None) -> list[str] | int | None:
    """The evaluation texts where they are fetched, else at most how many, None if not known."""
    path = results / "corpora" / f"{row['slug']}.parquet"
    if path.is_file():
        try:
            return read_table(path, fingerprint, columns=["text"])["text"].tolist()
        except InfogeoError:
            pass  # of other settings: it will be fetched again
    return row["texts"] or None


@cache
def _token_counts(tokenizer: Path, texts: tuple[str, ...]) -> list[int]:
    from tokenizers import Tokenizer

    loaded = Tokenizer.from_file(str(tokenizer))
    loaded.no_truncation()
    loaded.no_padding()
    return [len(encoding) for encoding in loaded.encode_batch(texts)]


def count_tokens(texts, directory, n: list[int]) -> tuple[int | None, int | None, str]:
    """Texts and tokens that a dump will run over, and how sure that is.

    Parameters
    ----------
    texts : list of str, int or None
        As from `corpus_texts`.
    directory : path-like or None
        Holds tokenizer.json, if it is there yet.
    n : list of int
        Lengths to which texts are cut: the longest counts, texts below the shortest are left out.

    Returns
    -------
    texts, tokens : int or None
        None where nothing is known.
    how : {'exact', 'at most', 'unknown'}
    """
    if texts is None:
        return None, None, "unknown"
    tokenizer = Path(directory) / "tokenizer.json" if directory else None
    if isinstance(texts, int) or tokenizer is None or not tokenizer.is_file():
        count = texts if isinstance(texts, int) else len(texts)
        return count, count * max(n), "at most"
    lengths = [length for length in _token_counts(tokenizer, tuple(texts)) if length >= min(n)]
    return len(lengths), sum(min(length, max(n)) for length in lengths), "exact"


def rows(models, corpora, config: dict, results, expected_models, expected_corpora) -> list[dict]:
    """One row of the plan per model and corpus.

    Parameters
    ----------
    models, corpora : list of dict
        Rows of the two tables.
    config : dict
        The complete configuration.
    results : path-like
        The folder results/.
    expected_models, expected_corpora : list of str
        Fingerprints that finished models and corpora must carry to be believed.

    Returns
    -------
    list of dict
        With the keys of `COLUMNS`; None where something is not known.
    """
    results = Path(results)
    known = [
        _known_model(row, config, results, fingerprint)
        for row, fingerprint in zip(models, expected_models, strict=True)
    ]
    asked = [
        [
            demand(row, corpus, config, results, fingerprint)
            for row, fingerprint in zip(models, expected_models, strict=True)
        ]
        for corpus in corpora
    ]
    fetched = [
        corpus_texts(row, results, fingerprint)
        for row, fingerprint in zip(corpora, expected_corpora, strict=True)
    ]
    return [
        _row(row, model, corpus, texts, config, wanted)
        for corpus, texts, by_model in zip(corpora, fetched, asked, strict=True)
        for row, model, wanted in zip(models, known, by_model, strict=True)
    ]


def _known_model(row, config, results, fingerprint) -> dict:
    """As `describe_model`; of a model that must be downloaded first, what its row says."""
    try:
        return describe_model(row, config, results, fingerprint)
    except InfogeoError:
        if row["source"] != "hub":
            raise
    counts = {"params_total": row["params"], "params_non_embedding": row["params_non_embedding"]}
    return counts | dict.fromkeys(("width", "layers", "vocabulary", "directory"))


def _row(row, model, corpus, texts, config, asked) -> dict:
    n, states = config["spectra"]["n"], config["states"]
    texts, tokens, how = count_tokens(texts, model["directory"], n)
    there = model["layers"] is not None
    layers = layers_stored(states["layers"], model["layers"]) if there else None
    forward = forward_flops(model, tokens, max(n)) if there and tokens is not None else None
    # Once for their spectra and once for their information gain.
    twins = None if forward is None else 2 * config["controls"]["untrained_draws"] * forward
    ablation = ablation_flops(model, config, texts) if there and texts is not None else None
    training = None
    if row["source"] == "ladder":
        settings = config["ladders"][ladder_member(row["where"])["ladder"]]
        training = 3 * forward_flops(model, settings["tokens"], settings["context"])
    hours = config["plan"]["flops_per_second"] * 3600
    stored = reduced = memory = dump = None
    if there:
        memory = _memory(model, config, texts, tokens, layers, row["dtype"])
        if tokens is not None:
            stored = hidden_states_bytes(model, tokens, layers, row["dtype"])
            labelled = has_labels(corpus)
            reduced = reduced_states_bytes(model, config, labelled, texts, tokens, row["dtype"])
            dump = _dump_seconds(model, config, texts, tokens, layers) / 3600
    facts = ("params_total", "params_non_embedding", "width", "layers", "vocabulary")
    return {
        "model": row["slug"],
        "corpus": corpus["slug"],
        "family": row["family"],
        "dtype": row["dtype"],
        **{key: model[key] for key in facts},
        "texts": texts,
        "tokens": tokens,
        "tokens_are": how,
        "forward_flops": forward,
        "hidden_states_bytes": stored,
        "reduced_states_bytes": reduced,
        "memory_bytes": memory,
        "dump_hours": dump,
        "twins_hours": None if twins is None else twins / hours,
        "ablation_hours": None if ablation is None else ablation / hours,
        "training_flops": training,
        "training_hours": None if training is None else training / hours,
        "asked_gpus": asked["gpus"],
        "asked_megabytes": asked["megabytes"],
        **{f"asked_{work}_minutes": asked[work] for work in ASKED},
    }


def _memory(model, config, texts, tokens, layers, dtype) -> int:
    """Bytes of a job that runs the model; without stored states the spectra of the corpus too."""
    needed = memory_bytes(model, config["states"], tokens, layers, dtype)
    if config["keep_hidden_states"]:
        return needed
    # Of texts whose number is not known there may be any.
    counts = dict.fromkeys(config["spectra"]["n"], texts or 10**9)
    return needed + layers * corpus_bytes(counts, model["width"])


def _dump_seconds(model, config, texts, tokens, layers) -> float:
    """Seconds of one worker in a dump, or in what takes its place without stored states."""
    n, speed = max(config["spectra"]["n"]), config["plan"]["flops_per_second"]
    forward = forward_flops(model, tokens, n) / speed
    if config["keep_hidden_states"]:
        return forward
    again = forward_flops({**model, "vocabulary": 0}, tokens, n) / speed  # without likelihoods
    return forward + again + reduction_seconds(model, config, texts, layers)


# ---------------------------------------------------------------- what a scheduler is asked for
def demand(model, corpus, config: dict, results, expected_model: str) -> dict:
    """What to ask a scheduler for: of a model's jobs on a corpus, on the safe side.

    Every text counts with the largest n, so that no tokenizer is needed: schedulers ask often.

    Parameters
    ----------
    model : dict
        Its row of the table.
    corpus : dict or None
        Its row of the table; None where only the training counts.
    config : dict
        The complete configuration.
    results : path-like
        The folder results/.
    expected_model : str
        Fingerprint that a finished model must carry to be believed.

    Returns
    -------
    dict
        `gpus` and `megabytes` (of one worker), and minutes of `training`, `dump`, `twins` (of one
        of the jobs that run them) and `ablation`. Where the model or the number of texts is not
        known yet, what a job asks for that has next to nothing to do.
    """
    asked = dict.fromkeys(ASKED, START_MINUTES)
    gpu_bytes = config["plan"]["gpu_gigabytes"] * 1e9
    asked |= {"megabytes": LEAST_MEGABYTES, "gpus": int(gpu_bytes > 0)}
    try:
        known = describe_model(model, config, Path(results), expected_model)
    except InfogeoError:
        return asked  # it stops, with its message, in the job that fetches it
    n, launch = max(config["spectra"]["n"]), config["launch"]
    seconds, speed = {}, config["plan"]["flops_per_second"]
    layers = layers_stored(config["states"]["layers"], known["layers"])
    if model["source"] == "ladder":
        settings = config["ladders"][ladder_member(model["where"])["ladder"]]
        training = 3 * forward_flops(known, settings["tokens"], settings["context"])
        seconds["training"] = training / speed
    texts = corpus and (corpus["texts"] or _rows(results, corpus["slug"]))
    if texts:
        workers = 1 if launch["placement"] == "debug" else launch["workers"]
        twins = config["controls"]["untrained_draws"] * forward_flops(known, texts * n, n)
        seconds["dump"] = _dump_seconds(known, config, texts, texts * n, layers) / workers
        seconds["twins"] = twins / speed
        seconds["ablation"] = ablation_flops(known, config, texts) / speed / workers
    if corpus:
        tokens = texts * n if texts else None
        needed = _memory(known, config, texts, tokens, layers, model["dtype"])
        asked["megabytes"] = max(LEAST_MEGABYTES, ceil(needed / 1e6))
        asked["gpus"] = gpus_needed(known["params_total"], model["dtype"], gpu_bytes)
    return asked | {
        work: START_MINUTES + ceil(SLACK * needed / 60) for work, needed in seconds.items()
    }


def _rows(results, corpus: str) -> int | None:
    """Texts of a corpus, from the footer of its file; None where that is not there."""
    from pyarrow import parquet

    table = Path(results) / "corpora" / f"{corpus}.parquet"
    return parquet.read_metadata(table).num_rows if table.is_file() else None


# ---------------------------------------------------------------- the table
def write(rows: list[dict], path) -> None:
    """Write the plan as CSV: counts, FLOPs and bytes as whole numbers, hours to 10 digits."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({k: f"{v:.10g}" if isinstance(v, float) else v for k, v in row.items()})


def human(value: float | None, unit: str = "") -> str:
    """A number to three digits with an SI prefix: 12800 → '12.8 k', 1.5e9 B → '1.50 GB'."""
    if value is None:
        return "?"
    power = 0
    while abs(value) >= 999.5 and power < len(PREFIXES) - 1:
        value, power = value / 1000, power + 1
    digits = f"{value:.0f}" if isinstance(value, int) else f"{value:#.3g}".rstrip(".")
    return f"{digits} {PREFIXES[power]}{unit}".strip()


def rendered(rows: list[dict], config: dict) -> str:
    """The plan as a table for a terminal, with totals and what they assume."""
    texts = _aligned([HEADER, *map(_line, rows), _totals(rows)])
    rule = "-" * len(texts[0])
    speed = human(config["plan"]["flops_per_second"], "FLOP/s")
    whole, reduced = (
        human(_sum(rows, f"{kind}_states_bytes"), "B") for kind in ("hidden", "reduced")
    )
    kept = config["keep_hidden_states"]
    notes = [
        f"All hidden states take {whole}; without (keep_hidden_states: false) at most {reduced}.",
        f"These are {'stored' if kept else 'not stored'} in this run.",
        f"Times are h:mm:ss of one worker at {speed} (plan.flops_per_second), without the seconds",
        "that each job takes to start.",
    ]
    if any(row["tokens_are"] != "exact" for row in rows):
        notes.append("≤: at most this; ?: not known before the corpus or the model is fetched.")
        notes.append("Both become exact once the corpus and the model's tokenizer are there.")
    return "\n".join([texts[0], rule, *texts[1:-1], rule, texts[-1], "", *notes])


def rendered_demand(rows: list[dict]) -> str:
    """What the jobs of each row first ask a scheduler for, as a table for a terminal."""
    lines = [
        [
            row["corpus"],
            row["model"],
            str(row["asked_gpus"]),
            human(row["asked_megabytes"] * 1_000_000, "B"),
            *(duration(row[f"asked_{work}_minutes"] * 60) for work in ASKED),
        ]
        for row in rows
    ]
    texts = _aligned([DEMAND_HEADER, *lines])
    notes = [
        "What SLURM is first asked for: GPUs (of plan.gpu_gigabytes each) and memory, for one",
        "worker, and time (h:mm:ss). A job that failed asks for more memory and time.",
    ]
    return "\n".join([texts[0], "-" * len(texts[0]), *texts[1:], "", *notes])


def _aligned(lines: list[list[str]]) -> list[str]:
    """Rows of cells as lines: the first two columns to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if place > 1 else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    ]


def _line(row: dict) -> list[str]:
    return [
        row["corpus"],
        row["model"],
        human(row["params_total"]),
        human(row["texts"]),
        ("≤ " if row["tokens_are"] == "at most" else "") + human(row["tokens"]),
        human(row["forward_flops"], "FLOP"),
        human(row["hidden_states_bytes"], "B"),
        human(row["memory_bytes"], "B"),
        _time(row["dump_hours"]),
        _time(row["twins_hours"]),
        _time(row["ablation_hours"]),
        _time(row["training_hours"]) if row["training_flops"] else "–",
    ]


def _totals(rows: list[dict]) -> list[str]:
    # A model is trained once, whatever the number of corpora.
    training = {row["model"]: row["training_hours"] or 0 for row in rows}
    return [
        "all",
        "",
        "",
        "",
        human(_sum(rows, "tokens")),
        human(_sum(rows, "forward_flops"), "FLOP"),
        human(_sum(rows, "hidden_states_bytes"), "B"),
        "",
        _time(_sum(rows, "dump_hours")),
        _time(_sum(rows, "twins_hours")),
        _time(_sum(rows, "ablation_hours")),
        _time(sum(training.values())),
    ]


def _sum(rows, column):
    values = [row[column] for row in rows]
    return None if None in values else sum(values)


def _time(hours: float | None) -> str:
    if hours is None:
        return "?"
    return duration(hours * 3600) if hours * 3600 >= 0.5 else "< 1 s"
