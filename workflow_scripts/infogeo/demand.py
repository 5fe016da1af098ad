"""What a scheduler is asked for: GPUs, memory and minutes of the jobs of a model."""

import contextlib
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from infogeo import cards, costs
from infogeo.configuration import ladder_member, ladder_parameters
from infogeo.errors import InfogeoError
from infogeo.models import count_parameters, shape, validate_directory

# The least that is asked for.
LEAST_MEGABYTES = 1500
# The minutes that a job takes to start, on a busy file system too, and what its operations take is
# multiplied by: a scheduler ends what runs longer.
START_MINUTES = 15
SLACK = 2
# Bytes of a process that has imported NumPy, pandas and Arrow.
PROCESS_BYTES = 250_000_000
# What a table of entropies or gains takes for each row while it is made, and seconds of the same.
ROW_BYTES, ROW_SECONDS = 600, 4e-6
# Tables of gains: seconds for each text and layer, and bytes in multiples of one layer's gains.
GAIN_TABLE_SECONDS, GAIN_COPIES = 0.02, 8


@dataclass(frozen=True)
class Job:
    """What determines the costs of a job.

    Attributes
    ----------
    model : dict
        See `describe_model`.
    dtype : {'float32', 'float16', 'bfloat16'}
    config : dict
        The complete configuration.
    texts : int
        0 where their number is not known.
    tokens : int
    threads, workers : int
    training : dict or None
        Settings of the ladder that the model belongs to.
    """

    model: dict
    dtype: str
    config: dict
    texts: int
    tokens: int
    threads: int = 1
    workers: int = 1
    training: dict | None = None

    @property
    def layers(self) -> int:
        return costs.layers_stored(self.config["states"]["layers"], self.model["layers"])

    @property
    def draws(self) -> int:
        return self.config["controls"]["untrained_draws"]

    def passes(self, flops: float) -> float:
        """Seconds of forward passes of so many FLOPs, spread over the workers."""
        return flops / self.config["plan"]["flops_per_second"] / self.workers

    def forward(self, likelihoods: bool = True) -> int:
        """FLOPs of a forward pass over all texts."""
        model = self.model if likelihoods else {**self.model, "vocabulary": 0}
        return costs.forward_flops(model, self.tokens, max(self.config["spectra"]["n"]))

    def running(self, made_in: str | None = None) -> float:
        """Bytes of a process that runs the model, whose weights may be made in another dtype."""
        states, tokens = self.config["states"], self.tokens or None
        more = costs.ITEM_BYTES[made_in or self.dtype] - costs.ITEM_BYTES[self.dtype]
        needed = costs.memory_bytes(self.model, states, tokens, self.layers, self.dtype)
        return needed + more * self.model["params_total"]

    # -------- what several jobs do

    def spectra(self) -> float:
        """Seconds of spectra with all threads, of which each takes a layer at a time."""
        given = self.model, self.config, self.texts, self.layers
        return costs.spectra_seconds(*given) / min(self.threads, self.layers)

    def gains(self) -> float:
        """Seconds of gains likewise."""
        given = self.model, self.config, self.texts, self.layers
        return costs.gain_seconds(*given) / min(self.threads, self.layers)

    def gain_tables(self) -> float:
        """Seconds of the tables made of gains."""
        return GAIN_TABLE_SECONDS * self.layers * self.texts

    def both_passes(self) -> float:
        """Seconds of two passes of the model while spectra and gains are taken."""
        flops = self.forward() + self.forward(likelihoods=False)
        return self.passes(flops) + (self.spectra() + self.gains()) / self.workers

    def accumulators(self) -> float:
        """Bytes of the spectra of the corpus at all layers, and of one layer's gains at the end."""
        of_corpus = costs.accumulator_bytes(self.model, self.config, self.texts, self.layers)
        return max(of_corpus, self.one_layer_of_gains())

    def one_layer_of_gains(self) -> float:
        """Bytes of gains at one layer and of what is made of them."""
        return GAIN_COPIES * costs.gain_bytes(self.config, self.texts)

    # -------- the jobs, by rule: (bytes, seconds)

    def train_ladder(self):
        """Three times a forward pass over all tokens of the training."""
        settings = self.training
        flops = 3 * costs.forward_flops(self.model, settings["tokens"], settings["context"])
        return 0, flops / self.config["plan"]["flops_per_second"]

    def dump_hidden_states(self):
        return self.running(), self.passes(self.forward())

    def measure_states(self):
        memory = self.running() + self.accumulators()
        return memory, self.both_passes() + self.gain_tables()

    def untrained_twins(self):
        """Twins are made in float32, one after another."""
        memory = self.running("float32") + self.accumulators()
        return memory, self.draws * (self.both_passes() + self.gain_tables())

    def untrained_sentences(self):
        """At most: the sample may hold all texts."""
        return self.running("float32"), self.draws * self.passes(self.forward())

    def token_ablation(self):
        flops = costs.ablation_flops(self.model, self.config, self.texts)
        return self.running(), self.passes(flops)

    def compute_spectra(self):
        """The spectra of one convention of the corpus at a time."""
        at_once = min(self.threads, self.layers)
        corpus = costs.accumulator_bytes(self.model, self.config, self.texts, at_once) / 2
        found = (at_once + 1) * costs.eigenvalue_bytes(self.model, self.config, self.texts)
        return PROCESS_BYTES + corpus + found + costs.TOKEN_BYTES * self.tokens, self.spectra()

    def information_gain(self):
        memory = PROCESS_BYTES + self.one_layer_of_gains()
        return memory, self.gains() + self.gain_tables()

    def compute_entropy(self):
        rows = costs.entropy_rows(self.config, self.texts)
        seconds = ROW_SECONDS * rows * self.layers * (1 + self.draws)
        return PROCESS_BYTES + ROW_BYTES * rows + costs.TOKEN_BYTES * self.tokens, seconds


def demand(
    rule: str, model: dict, corpus, config: dict, results, expected_model: str, threads: int = 1
) -> dict:
    """What to ask a scheduler for, for the job of a rule.

    Parameters
    ----------
    rule : str
        Its name, a method of `Job`.
    model : dict
        Its row of the table.
    corpus : dict or None
        Its row of the table; None for a training.
    config : dict
        The complete configuration.
    results : path-like
        The folder results/.
    expected_model : str
        Fingerprint that a finished model must carry to be believed.
    threads : int
        CPU threads of the job.

    Returns
    -------
    dict
        `gpus` that hold the model and `megabytes`, both of one worker, and `minutes`. Where the
        model or the number of texts is not known yet, those of a job with next to nothing to do.
    """
    gpu_bytes = config["plan"]["gpu_gigabytes"] * 1e9
    asked = {
        "gpus": int(gpu_bytes > 0),
        "megabytes": LEAST_MEGABYTES,
        "minutes": START_MINUTES,
    }
    try:
        known = describe_model(model, config, Path(results), expected_model)
    except InfogeoError:
        return asked  # it stops, with its message, in the job that fetches it
    texts = (corpus["texts"] or _rows(results, corpus["slug"])) if corpus else 0
    launch = config["launch"]
    job = Job(
        known,
        model["dtype"],
        config,
        texts,
        texts * max(config["spectra"]["n"]),  # so that no tokenizer is needed: schedulers ask often
        threads,
        1 if launch["placement"] == "debug" else launch["workers"],
        ladder_settings(model, config),
    )
    asked["gpus"] = costs.gpus_needed(known["params_total"], model["dtype"], gpu_bytes)
    needed, seconds = getattr(job, rule)()
    asked["megabytes"] = max(LEAST_MEGABYTES, ceil(needed / 1e6))
    asked["minutes"] += ceil(SLACK * seconds / 60)
    return asked


def ladder_settings(model: dict, config: dict) -> dict | None:
    """Settings of the ladder to which a row of the models table belongs; None where it is none."""
    if model["source"] != "ladder":
        return None
    return config["ladders"][ladder_member(model["where"])["ladder"]]


def _rows(results, corpus: str) -> int:
    """Texts of a corpus, from the footer of its file; 0 where that is not there."""
    from pyarrow import parquet

    table = Path(results) / "corpora" / f"{corpus}.parquet"
    return parquet.read_metadata(table).num_rows if table.is_file() else 0


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
