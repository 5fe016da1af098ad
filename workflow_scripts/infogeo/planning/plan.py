"""What a run will cost, before anything heavy runs: tokens, FLOPs, bytes, memory, hours.

`costs` counts them.
"""

import csv
from functools import cache
from pathlib import Path

from infogeo.files.artefacts import read_table, replacing
from infogeo.files.errors import InfogeoError
from infogeo.jobs.progress import duration
from infogeo.planning import costliest, disk
from infogeo.planning.costs import hidden_states_bytes, reduced_states_bytes
from infogeo.planning.demand import Demands
from infogeo.planning.job_costs import Job
from infogeo.planning.known import describe_model, sampled_texts_of, texts_at_most
from infogeo.planning.prospects import lacking_for_sentences
from infogeo.sources import cards, ladder_members, runs

# Work of which the hours are planned, and the rule that does it where hidden states are stored.
WORKS = {
    "dump": "dump_hidden_states",
    "spectra": "compute_spectra",
    "gains": "information_gain",
    "dimensions": "intrinsic_dimension",
    "shuffled": "shuffled_words",
    "twins": "untrained_twins",
    "ablation": "token_ablation",
    "entropy": "compute_entropy",
    "training": "train_ladder",
}
OF_STUDY = {"gains": "gain", "dimensions": "dimension", "ablation": "context"}
PREFIXES = ("", *"kMGTPEZY")
HEADER = ["corpus", "model", "parameters", "texts", "tokens", "forward", "states", "memory"]
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
    "weights_bytes",
    "weights_stay",
    "memory_bytes",
    "memory_rule",
    *(f"{work}_hours" for work in WORKS),
    "training_flops",
    "asked_gpus",
    *(f"asked_{work}_{unit}" for work in WORKS for unit in ("megabytes", "minutes")),
)


# ---------------------------------------------------------------- models and corpora
def corpus_texts(row: dict, results: Path, fingerprint: str | None) -> list[str] | int | None:
    """The evaluation texts where they are fetched, else at most how many, None if not known."""
    path = results / "corpora" / f"{row['slug']}.parquet"
    if path.is_file():
        try:
            return read_table(path, fingerprint, columns=["text"])["text"].tolist()
        except InfogeoError:
            pass  # of other settings: it will be fetched again
    return texts_at_most(row) or None


@cache
def _token_counts(tokenizer: Path, texts: tuple[str, ...]) -> list[int]:
    from tokenizers import Tokenizer

    loaded = Tokenizer.from_file(str(tokenizer))
    loaded.no_truncation()
    loaded.no_padding()
    return [len(encoding) for encoding in loaded.encode_batch(texts)]


def count_tokens(
    texts, directory, n: list[int], own_passes: bool = False
) -> tuple[int | None, int | None, str]:
    """Texts and tokens that a dump will run over, and how sure that is.

    Parameters
    ----------
    texts : list of str, int or None
        As from `corpus_texts`.
    directory : path-like or None
        Holds tokenizer.json, if it is there yet.
    n : list of int
        Lengths to which texts are cut: the longest counts, texts below the shortest are left out.
    own_passes : bool
        Whether a text counts at each length that it has, as of an encoder.

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
        return count, count * (sum(n) if own_passes else max(n)), "at most"
    lengths = [length for length in _token_counts(tokenizer, tuple(texts)) if length >= min(n)]
    if own_passes:
        return len(lengths), sum(k for length in lengths for k in n if k <= length), "exact"
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
    read_again = {row["slug"] for row in runs.last_of_runs(models)}  # with shuffled words
    if not config["controls"]["shuffled"]:
        read_again = set()
    absent = [_absent(row, row["slug"] in read_again) for row in models]
    known = [
        _known_model(row, config, results, fingerprint)
        for row, fingerprint in zip(models, expected_models, strict=True)
    ]
    of_jobs = Demands(config, results)
    asked = [
        [
            {
                work: of_jobs.of(rule, row, corpus, fingerprint)
                for work, rule in rules_of(config).items()
                if (work != "training" or _trained(row)) and work not in works
            }
            for row, fingerprint, works in zip(models, expected_models, absent, strict=True)
        ]
        for corpus in corpora
    ]
    fetched = [
        corpus_texts(row, results, fingerprint)
        for row, fingerprint in zip(corpora, expected_corpora, strict=True)
    ]
    return [
        _row(row, model, corpus, texts, config, demands,
             sampled_texts_of(results, corpus["slug"]), works)
        for corpus, texts, by_model in zip(corpora, fetched, asked, strict=True)
        for row, model, demands, works in zip(models, known, by_model, absent, strict=True)
    ]  # fmt: skip


def _known_model(row, config, results, fingerprint) -> dict:
    """As `describe_model`; of a model that must be downloaded first, what its row says."""
    try:
        return describe_model(row, config, results, fingerprint)
    except InfogeoError:
        if row["source"] != "hub":
            raise
    counts = {"params_total": row["params"], "params_non_embedding": row["params_non_embedding"]}
    return counts | dict.fromkeys(("width", "layers", "vocabulary", "directory"))


def rules_of(config: dict) -> dict[str, str]:
    """Work → the rule that does it: without stored states one job makes spectra and gains too."""
    if config["keep_hidden_states"]:
        return WORKS
    merged = {
        name: rule for name, rule in WORKS.items() if name not in ("spectra", "gains", "dimensions")
    }
    return merged | {"dump": "measure_states"}


def _trained(row: dict) -> bool:
    """Whether a model is trained here, by a job of its own."""
    return row["source"] == "ladder" and not (row["checkpoint_of"] or row["variant_of"])


def _absent(row: dict, read_again: bool) -> tuple[str, ...]:
    """Works that a model has no job of; `read_again`: whether it reads shuffled words too."""
    absent = {work for work, study in OF_STUDY.items() if study not in row["studies"]}
    if not cards.has_model(row):
        absent |= {"dump", "gains", "twins", "ablation", "shuffled"}
    elif row["architecture"] != row["slug"]:
        absent.add("twins")
    if cards.is_encoder(row):
        absent |= {"gains", "ablation"}
    if not read_again:
        absent.add("shuffled")
    return tuple(work for work in WORKS if work in absent)


def _row(row, model, corpus, texts, config, asked, sampled: int, absent) -> dict:
    own_passes = cards.is_encoder(row)
    texts, tokens, how = count_tokens(texts, model["directory"], config["spectra"]["n"], own_passes)
    rules = {work: rule for work, rule in rules_of(config).items() if work not in absent}
    training = ladder_members.settings(row, config) if _trained(row) else None
    judged = not lacking_for_sentences([corpus], config)[corpus["slug"]]
    judged = judged and "sentences" in row["studies"]
    forward = stored = reduced = memory = memory_rule = training_flops = None
    hours = {}
    if model["layers"] is not None:
        job = Job(model, row["dtype"], config, texts or 0, tokens or 0, sampled, training=training)
        memories = {rule: getattr(job, rule)()[0] for rule in _running(rules, row, judged)}
        memory_rule = max(memories, key=memories.get)
        memory = memories[memory_rule]
        # A model is trained for every number of texts; all else is known with that number.
        known = set() if tokens is None else set(rules) - {"training"}
        if training:
            known.add("training")
            training_flops = job.training_flops()
        hours = {work: getattr(job, rules[work])()[1] / 3600 for work in known}
        if "twins" in rules and "entropy" in hours:
            hours["entropy"] += job.untrained_entropy()[1] / 3600
        hours |= dict.fromkeys(absent, 0.0)
        if tokens is not None:
            forward = job.forward() if cards.has_model(row) else 0
            kind = cards.stored_dtype(model, row["dtype"], config["states"]["dtype"])
            stored = hidden_states_bytes(model, tokens, job.layers, kind)
            reduced = reduced_states_bytes(model, config, judged, texts, tokens, kind)
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
        "weights_bytes": disk.weights_bytes(row, model),
        "weights_stay": row["keep_weights"],
        "memory_bytes": memory,
        "memory_rule": memory_rule,
        **{f"{work}_hours": hours.get(work) for work in WORKS},
        "training_flops": training_flops,
        "asked_gpus": asked["dump"]["gpus"] if "dump" in asked else 0,
        **{
            f"asked_{work}_{unit}": asked[work][unit] if work in asked else None
            for work in WORKS
            for unit in ("megabytes", "minutes")
        },
    }


def _running(rules: dict[str, str], row: dict, judged: bool) -> list[str]:
    """The rules of a model on a corpus."""
    others = ["sentence_geometry"] if judged else []
    if "untrained_twins" in rules.values():
        others += ["untrained_entropy", *["untrained_sentences"] * judged]
    if "compute_spectra" in rules.values() and "similarity" in row["studies"]:  # of stored states
        others.append("layer_similarity")
    return [rule for work, rule in rules.items() if work != "training"] + others


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
    works = list(rules_of(config))
    texts = _aligned([HEADER + works, *(_line(row, works) for row in rows), _totals(rows, works)])
    rule = "-" * len(texts[0])
    speed = human(config["plan"]["flops_per_second"], "FLOP/s")
    whole, reduced = (
        human(_sum(rows, f"{kind}_states_bytes"), "B") for kind in ("hidden", "reduced")
    )
    stored = "stored" if config["keep_hidden_states"] else "not stored"
    notes = [
        f"All hidden states take {whole}; without (keep_hidden_states: false) at most {reduced}.",
        f"These are {stored} in this run.",
        *disk.notes(rows, config, human),
        f"Times are h:mm:ss of one worker at {speed} (plan.flops_per_second), without the seconds",
        "that each job takes to start.",
        *costliest.notes(rows, rules_of(config), human),
    ]
    if any(row["tokens_are"] != "exact" for row in rows):
        notes.append("≤: at most this; ?: not known before the corpus or the model is fetched.")
        notes.append("Both become exact once the corpus and the model's tokenizer are there.")
    return "\n".join([texts[0], rule, *texts[1:-1], rule, texts[-1], "", *notes])


def rendered_demand(rows: list[dict], config: dict) -> str:
    """What the jobs of each row first ask a scheduler for, as a table for a terminal."""
    works = rules_of(config)

    def cell(row, work):
        megabytes, minutes = (row[f"asked_{work}_{unit}"] for unit in ("megabytes", "minutes"))
        if minutes is None:
            return "–"
        return f"{human(megabytes * 1_000_000, 'B')}, {duration(minutes * 60)}"

    lines = [
        [row["corpus"], row["model"], str(row["asked_gpus"]), *(cell(row, work) for work in works)]
        for row in rows
    ]
    texts = _aligned([["corpus", "model", "GPUs", *works], *lines])
    notes = [
        "What each job first asks a scheduler for: GPUs (of plan.gpu_gigabytes each) and memory,",
        "for one worker, and time (h:mm:ss). A job that failed asks for more memory and time.",
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


def _line(row: dict, works: list[str]) -> list[str]:
    return [
        row["corpus"],
        row["model"],
        human(row["params_total"]),
        human(row["texts"]),
        ("≤ " if row["tokens_are"] == "at most" else "") + human(row["tokens"]),
        human(row["forward_flops"], "FLOP"),
        human(row["hidden_states_bytes"], "B"),
        human(row["memory_bytes"], "B"),
        *(_time(row[f"{work}_hours"]) for work in works if work != "training"),
        _time(row["training_hours"]) if row["training_flops"] else "–",
    ]


def _totals(rows: list[dict], works: list[str]) -> list[str]:
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
        *(_time(_sum(rows, f"{work}_hours")) for work in works if work != "training"),
        _time(sum(training.values())),
    ]


def _sum(rows, column):
    values = [row[column] for row in rows]
    return None if None in values else sum(values)


def _time(hours: float | None) -> str:
    if hours is None:
        return "?"
    return duration(hours * 3600) if hours * 3600 >= 0.5 else "< 1 s"
