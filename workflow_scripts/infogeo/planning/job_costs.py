"""Bytes and seconds of a job, by the rule that it runs: of one model, or over all models."""

from dataclasses import dataclass

from infogeo.geometry.depths import choose_layers
from infogeo.planning import costs
from infogeo.sentences.distances import CHEAPER, DISTANCES

# Bytes of a process that has imported NumPy, pandas and Arrow.
NUMPY_BYTES = 250_000_000
# What a table of entropies takes for each row while it is made, and seconds of the same.
ROW_BYTES, ROW_SECONDS = 600, 4e-6
# Bytes of the part of a table that is being written, and of the loop over ranks once compiled.
TABLE_BYTES = 200_000_000
# Bytes of tables of gains, in multiples of the gains of a layer.
GAIN_COPIES = 5
# Seconds of a law, with all its controls and intervals: 0.007 of 13 models, 0.014 on a slow core.
LAW_SECONDS = 0.02
# Bytes of a block of texts whose distances are taken, of what is made of it, and of compiled loops.
DISTANCE_BYTES = 300_000_000
# Bytes of a row of the means of every model and layer, while they are gathered and written (300
# measured with 104 and 208 models).
MEAN_BYTES = 400
SIMULATED_PAIRS = 2000  # see `difference_rates`
PATH_SECONDS = 0.3  # of the phases of one metric of a run


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
    sampled : int
        Texts between which distances are taken; 0 before they are drawn.
    threads, workers : int
    training : dict or None
        Settings of the ladder that the model belongs to.
    """

    model: dict
    dtype: str
    config: dict
    texts: int
    tokens: int
    sampled: int = 0
    threads: int = 1
    workers: int = 1
    training: dict | None = None

    @property
    def layers(self) -> int:
        return len(choose_layers(self.config["states"]["layers"], self.model["layers"]))

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

    def training_flops(self) -> int:
        """Three times a forward pass over all tokens of the training."""
        settings = self.training
        return 3 * costs.forward_flops(self.model, settings["tokens"], settings["context"])

    def running(self) -> float:
        """Bytes of a process that runs the model."""
        states, tokens = self.config["states"], self.tokens or None
        return costs.memory_bytes(self.model, states, tokens, self.layers, self.dtype)

    def running_twins(self) -> float:
        """The same of its twins, drawn in float32 (4.1 bytes a parameter, 6.1 of bfloat16)."""
        drawn = 0 if self.dtype == "float32" else costs.ITEM_BYTES["float32"]
        return self.running() + drawn * self.model["params_total"]

    # -------- what several jobs do
    def spectra(self) -> float:
        """Seconds of spectra with all threads, of which each takes a layer at a time."""
        seconds = costs.spectra_seconds(self.model, self.config, self.texts, self.layers)
        return seconds / min(self.threads, self.layers)

    def gains(self) -> float:
        """Seconds of gains likewise."""
        seconds = costs.gain_seconds(self.model, self.config, self.texts, self.layers)
        return seconds / min(self.threads, self.layers)

    def gain_tables(self, draws: int = 0) -> float:
        """Seconds of the tables made of gains, with so many bootstrap draws."""
        seconds = costs.gain_table_seconds(self.config, self.texts, self.layers, draws)
        return seconds / min(self.threads, self.layers)

    def dimensions(self, draws: int = 0) -> float:
        """Seconds of intrinsic dimensions likewise, with so many bootstrap draws."""
        seconds = costs.dimension_seconds(self.model, self.config, self.texts, self.layers, draws)
        return seconds / min(self.threads, self.layers)

    def dimension_memory(self) -> float:
        """Bytes of them at as many layers as there are threads."""
        at_once = min(self.threads, self.layers)
        return at_once * costs.dimension_bytes(self.model, self.config, self.texts)

    def all_passes(self) -> float:
        """Seconds of one pass of the model or two while spectra and gains are taken."""
        flops = self.forward() + (0 if keeps_states(self) else self.forward(likelihoods=False))
        return self.passes(flops) + (beside_model(self) + self.gains()) / self.workers

    def accumulators(self) -> float:
        """Bytes of the spectra of the corpus, or of gains or dimensions later."""
        at_once = min(self.threads, self.layers) if keeps_states(self) else self.layers
        of_corpus = costs.accumulator_bytes(self.model, self.config, self.texts, at_once)
        return max(of_corpus, gain_memory(self), self.dimension_memory())

    # -------- the jobs, by rule: (bytes, seconds)

    def train_ladder(self):
        return 0, self.training_flops() / self.config["plan"]["flops_per_second"]

    def dump_hidden_states(self):
        return self.running(), self.passes(self.forward())

    def measure_states(self):
        memory = self.running() + self.accumulators()
        draws = self.config["scaling"]["draws"]
        return memory, self.all_passes() + self.gain_tables(draws) + self.dimensions(draws)

    def measure_checkpoints(self):
        (running, dumped), (needed, spectra) = self.dump_hidden_states(), self.compute_spectra()
        return running + needed, self.training["checkpoints"] * (dumped + spectra)

    def untrained_twins(self):
        memory = self.running_twins() + self.accumulators()
        return memory, self.draws * (self.all_passes() + self.gain_tables() + self.dimensions())

    def shuffled_words(self):
        share = min(1, len(self.config["scaling"]["depths"]) / self.layers)
        return self.running(), self.passes(self.forward()) + share * self.spectra() / self.workers

    def distances(self, names, draws: int):
        """Bytes and seconds of so many distances between texts at each depth and of each draw."""
        n, width = self.config["sentences"]["n"], self.model["width"]
        depths = len(self.config["sentences"]["depths"])
        # The first tokens in float32, one layer of them searched for what is not finite; and the
        # matrices, of which some are made of others.
        states = 5 * depths * self.sampled * n * width
        states += 2 * 4 * self.layers * self.sampled * width * draws  # means of all layers
        matrices = 8 * self.sampled**2 * (len(names) * depths * draws + 4)
        of_covariances = sum(name.startswith(("js", "bures")) for name in names)
        pairs = self.sampled * (self.sampled - 1) / 2
        seconds = draws * depths * of_covariances * pairs * costs.pair_seconds(n, width)
        return DISTANCE_BYTES + states + matrices, seconds

    def sentence_geometry(self):
        needed, seconds = self.distances(DISTANCES + CHEAPER, 1)
        return NUMPY_BYTES + needed, seconds

    def layer_similarity(self):
        """Rows of all layers in float64, three of a text; matrices of pairs of texts in float32.

        These lie in memory twice while permuted, a nanosecond a pair of texts and layer.
        """
        settings = self.config["similarity"]
        texts = min(self.texts, settings["texts"])
        rows = 8 * 4 * self.layers * texts * self.model["width"]
        matrices = 4 * 4 * self.layers * texts**2
        each = 2 * self.layers * texts**2 * self.model["width"] / 2e10
        permuted = settings["permutations"] * self.layers * texts**2 * 2e-9 * self.layers**0.5
        return NUMPY_BYTES + rows + matrices, 6 * (each + permuted)

    def untrained_sentences(self):
        """At most: the sample may hold all texts."""
        needed, seconds = self.distances(2 * CHEAPER, self.draws)
        passes = self.draws * self.passes(self.forward(likelihoods=False))
        return self.running_twins() + needed, passes + seconds

    def token_ablation(self):
        needed = self.running() + costs.key_bytes(self.model, self.config, self.dtype)
        return needed, self.passes(costs.ablation_flops(self.model, self.config, self.texts))

    def compute_spectra(self):
        """The spectra of one convention of the corpus at a time."""
        at_once = min(self.threads, self.layers)
        corpus = costs.accumulator_bytes(self.model, self.config, self.texts, at_once) / 2
        eigenvalues = (at_once + 1) * costs.eigenvalue_bytes(self.model, self.config, self.texts)
        return NUMPY_BYTES + corpus + eigenvalues + costs.TOKEN_BYTES * self.tokens, self.spectra()

    def information_gain(self):
        seconds = self.gains() + self.gain_tables(self.config["scaling"]["draws"])
        return NUMPY_BYTES + gain_memory(self), seconds

    def intrinsic_dimension(self):
        seconds = self.dimensions(self.config["scaling"]["draws"])
        return NUMPY_BYTES + self.dimension_memory(), seconds

    def compute_entropy(self):
        """Ranks of the gains of all twins at a layer are taken at once, in float64."""
        needed, seconds = self.entropies(1)
        gains = costs.gain_bytes(self.config, self.texts)
        crossed = costs.crossed_seconds(self.config, self.texts, self.layers)
        return needed + self.draws * gains, seconds + self.draws * crossed

    def untrained_entropy(self):
        return self.entropies(self.draws)

    def entropies(self, files: int):
        """Bytes and seconds of the tables of so many files of spectra."""
        rows = costs.entropy_rows(self.config, self.texts)
        needed = NUMPY_BYTES + TABLE_BYTES + ROW_BYTES * rows + costs.TOKEN_BYTES * self.tokens
        return needed, ROW_SECONDS * rows * self.layers * files


def keeps_states(job: Job) -> bool:
    """Whether all states take so little that shards keep them, and no second pass is needed.

    That one holds spectra of the corpus at all layers; kept states are read at a few at once.
    """
    numbers = job.tokens * job.layers * job.model["width"]
    return 0 < numbers * costs.ITEM_BYTES[job.dtype] <= costs.KEPT_BYTES


def gain_memory(job: Job) -> float:
    """Bytes of gains, and of what is made of them, at as many layers as there are threads.

    Layers that are resampled together take their gains, and ranks that are as large.
    """
    at_once, of_layer = min(job.threads, job.layers), costs.gain_bytes(job.config, job.texts)
    together = 2 * min(job.layers * of_layer, at_once * costs.TOGETHER_BYTES)
    return TABLE_BYTES + GAIN_COPIES * at_once * of_layer + together


def beside_model(job: Job) -> float:
    """Seconds of spectra where the model runs.

    Its device makes the products of the corpus, if it is faster; see `geometry.device`.
    """
    flops = costs.corpus_flops(job.model, job.config, job.texts, job.layers)
    on_host = flops / costs.CORPUS_FLOPS / min(job.threads, job.layers)
    on_device = flops / (costs.FLOAT64_SHARE * job.config["plan"]["flops_per_second"])
    return job.spectra() - on_host + min(on_host, on_device)


@dataclass(frozen=True)
class Summary:
    """What determines the costs of a job over all models.

    Attributes
    ----------
    families : list of int
        Models of each that are in its laws.
    corpora : list of int
        Texts of each; 0 where their number is not known.
    sampled : list of int
        Texts of each with labels between which distances are taken; 0 before they are drawn.
    layers : int
        Of the deepest model, as far as known.
    config : dict
    steps : int
        Models beside those: steps of runs before the last.
    """

    families: list[int]
    corpora: list[int]
    sampled: list[int]
    layers: int
    config: dict
    steps: int = 0

    @property
    def models(self) -> int:
        return sum(self.families) + self.steps

    @property
    def pairs(self) -> int:
        return self.models * len(self.corpora)

    @property
    def draws(self) -> int:
        return self.config["controls"]["untrained_draws"]

    @property
    def texts(self) -> int:
        return max(self.corpora, default=0)

    @property
    def laws(self) -> int:
        return len(self.families) * len(self.corpora) * costs.laws(self.config)

    @property
    def means(self) -> int:
        """Rows of the means of every model, layer and scope."""
        return costs.entropy_rows(self.config, 1) * self.layers * self.pairs

    @property
    def layer_rows(self) -> int:
        """Rows of the tables of entropies of a model's layer, of all corpora together."""
        return sum(costs.entropy_rows(self.config, texts) for texts in self.corpora)

    # -------- the jobs, by rule: (bytes, seconds)

    def fit_scaling_laws(self):
        """The largest family at the depths of the laws is in memory, and the means of all."""
        of_layer = 8 * (1 + self.draws) * costs.entropy_rows(self.config, self.texts)
        at_depths = of_layer * len(self.config["scaling"]["depths"])
        of_model = of_layer * self.layers
        means = MEAN_BYTES * self.means
        read = self.models * (1 + self.draws) * self.layers * self.layer_rows
        needed = NUMPY_BYTES + TABLE_BYTES + max(self.families) * at_depths + of_model + means
        return needed, LAW_SECONDS * self.laws + ROW_SECONDS * read

    def training_paths(self):
        """As if all models were steps of runs: the declared metrics of all are in memory.

        Seconds of phases: measured on 13 steps, 400 texts and 999 draws, one metric each.
        """
        metrics = 2 * len(self.config["headline"]["metrics"]) + 1
        held = 8 * metrics * self.models * (self.texts + self.config["scaling"]["draws"])
        of_model = 8 * (1 + self.draws) * costs.entropy_rows(self.config, self.texts) * self.layers
        read = self.models * (1 + self.draws) * self.layers * self.layer_rows
        laws = metrics * self.pairs / 3
        needed = NUMPY_BYTES + TABLE_BYTES + held + of_model
        return needed, LAW_SECONDS * laws + PATH_SECONDS * laws + ROW_SECONDS * read

    def paired_differences(self):
        """All layers of at most four models are held; every pair of a small family is compared.

        Beside them the simulated pairs of `difference_rates`: normal numbers of every source, of
        which a text has one at most, and their means over it and over resamples.
        """
        rows = costs.entropy_rows(self.config, self.texts)
        held = 4 * 8 * (1 + self.draws) * rows * self.layers
        pairs = sum(models * (models - 1) / 2 for models in self.families)
        read = pairs * self.layer_rows * self.layers
        resamples = self.config["scaling"]["draws"]
        simulated = 8 * SIMULATED_PAIRS * (4 * self.texts + 2 * resamples)
        simulated += 8 * 2 * self.texts * resamples
        return NUMPY_BYTES + TABLE_BYTES + held + simulated, 2 * ROW_SECONDS * read

    def write_tables(self):
        """Fitted to 0.1 and 0.3 million means, and to 14,000 and 56,000 laws.

        A mean takes 500 bytes and 10 µs, a law 1.9 kB and 65 µs.
        """
        needed = NUMPY_BYTES + 600 * self.means + 2300 * self.laws
        return needed, 1.2e-5 * self.means + 8e-5 * self.laws

    def summarise_context(self):
        """Fitted to 100 and 200 models of the default's size and to 2 of 36 layers, 10,000 texts.

        Seconds: 0.65 a model and corpus, 65 µs a text and layer. Bytes: half a megabyte a model and
        corpus. Of the model at hand 35 more a row of the gains of its twins (21 rows a text and
        layer).
        """
        of_texts = 35 * 21 * self.draws * self.texts * self.layers + 8000 * self.texts
        seconds = 10 + self.pairs * 0.65 + 6.5e-5 * self.models * sum(self.corpora) * self.layers
        return 900e6 + 5e5 * self.pairs + of_texts, seconds

    def summarise_dimension(self):
        """A row of the table takes about a kilobyte and 20 µs."""
        rows = costs.dimension_rows(self.config) * self.layers * self.pairs
        return NUMPY_BYTES + TABLE_BYTES + 1000 * (1 + self.draws) * rows, 10 + 2e-5 * rows

    def summarise_sentences(self):
        """Fitted to 13 models of 174 sampled texts, and to tests/bench/sample.py.

        A model took 3.2 s with 7 distances a depth, of which there are 12 now.

        The distances of a model and of its twins are held at once (1.64 of their bytes measured).
        """
        squares = [texts**2 for texts in self.sampled]
        depths = len(self.config["sentences"]["depths"])
        matrices = depths * (len(DISTANCES) + len(CHEAPER) * (1 + 2 * self.draws))
        of_matrices = 1.7 * 8 * matrices * max(squares, default=0)
        seconds = 10 + 30 * len(self.corpora) + 5.5 / 174**2 * self.models * sum(squares)
        return 300e6 + 6e5 * self.pairs + of_matrices, seconds

    def which_layer(self):
        """One model's means at all layers, and one distance of each; 40 ns a pair of texts each.

        The table has a row for each measure of a model, without its layers.
        """
        squares = [texts**2 for texts in self.sampled]
        of_model = 16 * self.layers * max(self.sampled, default=0) * 4096 * (1 + self.draws)
        of_model += 300 * max(squares, default=0)
        seconds = 10 + 4e-8 * 2 * self.models * self.layers * (1 + self.draws) * sum(squares)
        return NUMPY_BYTES + TABLE_BYTES + of_model + MEAN_BYTES * self.means, 6 * seconds

    def model_similarity(self):
        """As `Job.layer_similarity`, of models of width 4096 and twins in place of layers."""
        settings = self.config["similarity"]
        texts = min(self.texts, settings["texts"])
        of_models = self.models * (8 * 4 * texts * 4096 + 4 * 4 * texts**2) * (1 + self.draws)
        layers = 6 * 200 * self.pairs * self.layers**2
        permuted = settings["permutations"] * texts**2 * 2e-9 * self.models**1.5
        return NUMPY_BYTES + of_models + layers, 10 + 6 * permuted * len(self.corpora)

    def compare_theory(self):
        """The tokens of the largest corpus, and a block of resamples of its sources, at most texts.

        Fitted to 5,000 to 100,000 sources of 8 to 128 tokens: 48 bytes a token, 800 a source; a
        resample takes 0.6 µs a source and, of 150,000 ranks, 0.25 s.
        """
        tokens = max(self.config["spectra"]["n"]) * self.texts
        resamples = len(self.families) * self.config["scaling"]["draws"]
        seconds = resamples * (6e-7 * sum(self.corpora) + 0.25 * len(self.corpora))
        return NUMPY_BYTES + 50 * tokens + 1000 * self.texts, seconds

    def sentence_maps(self):
        """Fitted to 13 and 52 models; one corpus."""
        return 470e6 + 2e5 * self.models, 15 + self.models
