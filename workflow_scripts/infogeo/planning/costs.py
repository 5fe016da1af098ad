"""What the work of a job takes: operations, bytes, seconds.

A multiply-add counts as two floating-point operations. Let d be the width, L the blocks, V the
vocabulary, n the tokens of a text and N the non-embedding parameters. A forward pass takes per
token 2 N (weights) + 4 n d L (attention) + 2 d V (logits). Attention is its scores and weighted
sums over all n positions as they are computed, without the half that a causal mask would spare.
Training takes three times that. See Kaplan et al. 2020 (2001.08361), section 2.1.
"""

from math import ceil

from infogeo.context.selectors import SELECTORS
from infogeo.geometry import metrics
from infogeo.geometry.corpus_spectra import corpus_bytes
from infogeo.geometry.depths import choose_layers
from infogeo.geometry.metrics import CONDITIONAL, CONVENTIONS, FIRST
from infogeo.sources import cards

ITEM_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}

TOGETHER_BYTES = 2**26  # of gains of layers that are resampled together, if they are several
KEPT_BYTES = 2**32  # most hidden states of a corpus that shards keep, so that one pass suffices
SHARD_BYTES = 2**29  # most hidden states in a shard of a dump, of which two are in memory at once
# Bytes of a process that has imported PyTorch, transformers and pandas; and, in multiples of d
# numbers per token of a batch, what one block works with. `memory_bytes` was compared with the peak
# resident memory of real dumps on a CPU: it came out between 3 % below and 23 % above. They were
# GPT-NeoX of 1, 29 and 124 million parameters, the last in bfloat16, over 320 texts of 128 tokens.
PROCESS_BYTES = 520_000_000
BLOCK_BUFFERS = 16
# Logits and what is made of them are worked on in pieces of about 2²² numbers in float32.
LOGITS_BYTES = 2 * 4 * 2**22
# Bytes of a GPU that PyTorch's context and its kernels' workspaces take (a guess: no GPU was at
# hand), and the share of the rest that weights may take, the same as where they are loaded
# (states.loading.GPU_SHARE; not imported, for it needs PyTorch). The other quarter is for batches,
# which are halved where it does not suffice.
CUDA_BYTES = 1_500_000_000
GPU_SHARE = 0.75
ABLATED_TEXTS = 4  # texts of a shard of the ablation: see token_ablation.SHARD_TEXTS
# Bytes of a token in a store beside its hidden states: see store.TOKEN_ARRAYS.
TOKEN_BYTES = 17
# What one core sustains in spectra and gains of texts, and in d × d products for the corpus. The
# first, operations of `spectra_seconds` over seconds of `corpus_spectra.TextSpectra` at hundreds of
# texts, 7 to 21 GFLOP/s for d of 32 to 4096 at n of 32 and 128; and of `gain_seconds` over those of
# tests/bench/cost.py, 9 to 35. The second: 12 to 71.
TEXT_FLOPS, CORPUS_FLOPS = 1e10, 2.5e10
# What a GPU does in float64, of what it does in passes of a model: a 16th where it was built for
# float64, a 50th and less where not (by data sheets: no GPU was at hand).
FLOAT64_SHARE = 1 / 64


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

    Of every share a text is run on the tokens kept and on the tokens left, which together are its n
    tokens; of the random selector on every number of tokens once, kept or left. Each selector does
    so with and without the first token; logits are made of one token. What sets have in common
    with the text, or with those of other selectors, is not known before.
    """
    n, context = max(config["spectra"]["n"]), config["context"]
    numbers = {round(share * n) for share in context["shares"]}
    ordered = (len(SELECTORS) - 1) * n * len(context["shares"])
    random = context["ablation_draws"] * sum(numbers | {n - k for k in numbers})
    texts = min(config["states"]["attention_texts"], texts)
    return forward_flops({**model, "vocabulary": 0}, 2 * texts * (ordered + random), n)


def key_bytes(model: dict, config: dict, dtype: str) -> int:
    """Bytes of what the token ablation keeps of the texts of a shard, at most.

    Keys and values of every token at every block (`states.beginnings`), as wide as the states:
    fewer heads than those of the queries make it less. And sums of final states in float64.
    """
    tokens = ABLATED_TEXTS * (max(config["spectra"]["n"]) + 1) * model["width"]
    return tokens * (2 * model["layers"] * ITEM_BYTES[dtype] + 8)


def hidden_states_bytes(model: dict, tokens: int, layers: int, dtype: str) -> int:
    """Bytes of the stored hidden states of `tokens` tokens at so many layers."""
    return tokens * layers * model["width"] * ITEM_BYTES[dtype]


def reduced_states_bytes(model: dict, config: dict, labelled: bool, texts, tokens, dtype) -> int:
    """Bytes of a store without most hidden states (`keep_hidden_states: false`), at most.

    The store keeps the last layer of the texts whose attention is stored. Of corpora with labels it
    keeps the first tokens of the other texts, at the depths at which sentences are compared; all of
    them may be in the sample.
    """
    attended, chosen = min(texts, config["states"]["attention_texts"]), {"final"}
    stored = attended * max(config["spectra"]["n"])
    if labelled:
        stored += (texts - attended) * config["sentences"]["n"]
        chosen |= set(config["sentences"]["depths"])
    layers = len(choose_layers(sorted(chosen), model["layers"]))
    return tokens * TOKEN_BYTES + hidden_states_bytes(model, stored, layers, dtype)


def spectra_seconds(model: dict, config: dict, texts: int, layers: int) -> float:
    """Seconds of one core in the spectra of so many texts at so many layers, at most.

    Of a text: a Gram matrix (2 n² d) and four spectra of each prefix (3 r³ each, r = min(n, d): the
    rate of eigenvalues side by side is counted in); and for the spectra of the corpus 2 n d², of
    the longest prefix about the origin and of each prefix about both means.
    """
    lengths, width = config["spectra"]["n"], model["width"]
    of_text = 2 * max(lengths) ** 2 * width + sum(12 * min(n, width) ** 3 for n in lengths)
    of_corpus = corpus_flops(model, config, texts, layers)
    return texts * layers * of_text / TEXT_FLOPS + of_corpus / CORPUS_FLOPS


def corpus_flops(model: dict, config: dict, texts: int, layers: int) -> int:
    """Floating-point operations of the spectra of the corpus, which a GPU does if there is one."""
    lengths, width = config["spectra"]["n"], model["width"]
    return texts * layers * 2 * (max(lengths) + 2 * sum(lengths)) * width**2


def gain_seconds(model: dict, config: dict, texts: int, layers: int) -> float:
    """Seconds of one core in the gains of so many texts at so many layers, at most.

    Of a text: a Gram matrix (2 n² d) and a Cholesky factor for each λ (n³/3).
    """
    n = max(config["spectra"]["n"])
    flops = 2 * n**2 * model["width"] + _regularisers(config) * n**3 / 3
    return texts * layers * flops / TEXT_FLOPS


def gain_table_seconds(config: dict, texts: int, layers: int, draws: int) -> float:
    """Seconds of one core in the tables of gains with so many bootstrap draws, at most.

    The tokens are sorted by each variable, the gains of each λ, what is related to them (two) and
    what is held fixed (three): 0.2 to 0.4 µs measured for each. Of each draw they get ranks: 3 to 4
    ns, of any number of tokens.
    """
    tokens = texts * (max(config["spectra"]["n"]) - 1)
    ranks = (4e-7 + 6e-9 * draws) * tokens * (_regularisers(config) + 5)
    return layers * (ranks + 4e-4 * texts)


def crossed_seconds(config: dict, texts: int, layers: int) -> float:
    """Seconds of one core in relating a twin's gains to a model's likelihoods.

    Ranks of every token in the gains of each λ (0.2 µs measured for each).
    """
    tokens = texts * (max(config["spectra"]["n"]) - 1)
    return 2e-7 * layers * tokens * _regularisers(config)


def _dimension_counts(config: dict, texts: int) -> list[int]:
    """Rows of each scope and n of which a dimension is measured, at most: see `RowChoice`."""
    lengths, most = config["spectra"]["n"], config["dimension"]["rows"]
    return [min(texts, most)] * (3 * len(lengths)) + [min(texts * max(lengths), most)] * 2


def dimension_seconds(model: dict, config: dict, texts: int, layers: int, draws: int) -> float:
    """Seconds of one core in the intrinsic dimensions of so many layers, at most.

    Of N rows: products in float32 and what is made of them (2 N² (d + 60) at 40 GFLOP/s). Where
    there are draws: the same of random rows, eigenvalues of their spectrum (2 min(N, d)³), and 0.12
    µs a row and draw.
    """
    seconds = 0.0
    for count in _dimension_counts(config, texts):
        neighbours = 2 * count**2 * (model["width"] + 60) / 4e10
        with_draws = neighbours + 2 * min(count, model["width"]) ** 3 / TEXT_FLOPS
        seconds += neighbours + bool(draws) * with_draws + 2.4e-7 * count * draws
    return layers * seconds


def dimension_bytes(model: dict, config: dict, texts: int) -> float:
    """Bytes of the intrinsic dimensions of one layer: its rows, copies of them, and blocks."""
    counts = _dimension_counts(config, texts)
    copies = 4 * max(counts) * (8 * model["width"] + config["scaling"]["draws"])
    return 8 * sum(counts) * model["width"] + copies + 150_000_000


def dimension_rows(config: dict) -> int:
    """Rows of the table of intrinsic dimensions of one layer."""
    estimates = 2 + config["dimension"]["neighbours"].bit_length() - 1
    return estimates * (3 * len(config["spectra"]["n"]) + 2)


def laws(config: dict) -> int:
    """How many laws are fitted for a family on a corpus: see `laws.Laws.fit_family`."""
    depths, axes = len(config["scaling"]["depths"]), len(config["scaling"]["axes"])
    of_spectra = sum(
        len(names.difference(metrics.DESCRIPTIVE)) * (1 if metrics.is_beside(*key) else axes)
        for key, names in _metrics(config).items()
    )
    lengths = len(config["spectra"]["n"])
    return lengths * (of_spectra * depths + len(CONDITIONAL) * axes)


def _metrics(config: dict) -> dict[tuple[str, str, str], set[str]]:
    """(scope, convention, first) → the metrics that such spectra have."""
    entropy = config["entropy"]
    kinds = entropy["eps2"], config["context"]["lambdas"], entropy["orders"]
    keys = {(scope, *key) for scope, *key, _ in metrics.spectral_keys([0])}
    return {key: set(metrics.names(key[1], *kinds)) for key in keys}


def _regularisers(config: dict) -> int:
    return len(config["context"]["lambdas"]) + len(config["entropy"]["eps2"])


def pair_seconds(n: int, width: int) -> float:
    """Seconds of one core in one distance between two texts of n tokens, at most.

    A product of rows (2 n² d) and a spectrum of order 2 n, at rates of tests/bench/sentences.py and
    cost.py. These took 0.27 to 0.87 of this for n of 32 to 512 and d of 256 to 4096.
    """
    return 5e-5 + 2e-10 * (2 * n) ** 3 + 1.6e-10 * n**2 * width


def accumulator_bytes(model: dict, config: dict, texts: int, layers: int) -> int:
    """Bytes of the spectra of the corpus at so many layers, while they are gathered.

    Of texts whose number is not known (0) there may be any. As many may be long enough for each n
    and none longer.
    """
    prefixes = sorted(config["spectra"]["n"], reverse=True)
    counts = {n: place * (texts or 10**9) for place, n in enumerate(prefixes, start=1)}
    counts = dict(reversed(counts.items()))
    return layers * corpus_bytes(counts, model["width"])


def eigenvalue_bytes(model: dict, config: dict, texts: int) -> int:
    """Bytes of the eigenvalues of the texts at one layer."""
    ranks = sum(min(n, model["width"]) for n in config["spectra"]["n"])
    return 8 * len(CONVENTIONS) * len(FIRST) * texts * ranks


def gain_bytes(config: dict, texts: int) -> int:
    """Bytes of the gains at one layer: gain, ρ and squared norms of every token."""
    return 8 * (2 * _regularisers(config) + 1) * texts * max(config["spectra"]["n"])


def entropy_rows(config: dict, texts: int) -> int:
    """Rows of the table of entropies of one layer."""
    by_key = _metrics(config)
    of_text = sum(len(names) for (scope, *_), names in by_key.items() if scope == "text")
    of_text += sum(len(metrics.norm_names(first)) for first in metrics.FIRST)
    of_corpus = sum(len(names) for (scope, *_), names in by_key.items() if scope != "text")
    return (of_text * texts + of_corpus) * len(config["spectra"]["n"])


def memory_bytes(model: dict, states: dict, tokens: int | None, layers: int, dtype: str) -> int:
    """Bytes that the dump of a model needs, about: weights, a batch, and two shards of states.

    A model whose logits are more than a matrix product (a soft cap, a scale) needs another
    4 × batch_tokens × vocabulary.

    Parameters
    ----------
    model : dict
        params_total and width; see also `cards.stored_dtype`.
    states : dict
        batch_tokens, shard_tokens and dtype of the configuration.
    tokens : int or None
        Tokens in all, if known: no batch and no shard has more.
    layers : int
        Stored layers.
    dtype : {'float32', 'float16', 'bfloat16'}
    """
    most = states["shard_tokens"] if tokens is None else min(states["shard_tokens"], tokens)
    stored = cards.stored_dtype(model, dtype, states["dtype"])
    shard = min(hidden_states_bytes(model, most, layers, stored), SHARD_BYTES)
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
    Verified against where `states.loading.device_map` puts weights of that size.
    """
    if not gpu_bytes:
        return 0
    return ceil(parameters * ITEM_BYTES[dtype] / (GPU_SHARE * (gpu_bytes - CUDA_BYTES)))
