"""The names of metrics and regularisers: the one place where ε² and λ enter or leave a name.

A metric is a base alone, such as ``entropy``, or a base with its regulariser in brackets, such as
``coding_rate[eps2=0.5]`` and ``mean_gain[lambda=1]``. A regulariser has the name ``eps2=0.5``
(λ = n ε²/d, tied to the coding rate) or ``lambda=1`` (fixed). Values are written with six digits;
the configuration refuses two that agree to these.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from infogeo.files.errors import InfogeoError

# What a row of a long table of measurements is of.
KEYS = ("scope", "layer", "convention", "first", "n", "metric")
CONVENTIONS = ("unit", "centred")
ONE_ROW = ("means", "last")  # scopes of one row a text
# Without scaling, of one row a text: as most authors define measures of a matrix of features.
RAW_CONVENTIONS = ("raw", "raw_centred")
ABOUT_MEAN = ("centred", "raw_centred")
SCOPES = ("text", "tokens", "means", "last")
# With a text's first token, or without it: it is an attention sink in many models. A key whose rows
# never hold it, the last tokens' and a text's probability, has neither: "".
FIRST = ("in", "out")

SPECTRAL = (
    "entropy", "entropy_over_ln_d", "entropy_over_ln_rank", "effective_rank",
    "renyi_2", "renyi_inf", "participation_ratio",
)  # fmt: skip
CODING = ("coding_rate", "coding_rate_paper", "coding_rate_rank")
MEAN_GAIN = "mean_gain"
# Of the text's probability rather than of hidden states: without depth and convention.
# Over n tokens, which cover other bytes under another tokenizer; and over equal bytes of a text.
BITS, PREFIX_BITS = "bits_per_byte", "prefix_bits_per_byte"
CONDITIONAL = ("nll", BITS, PREFIX_BITS, "predictive_entropy")
# Of the rows of a text as they are, and of the path that they make: see `row_norms`.
NORMS = ("first_norm", "largest_norm", "median_norm", "massive_rows", "largest_coordinate",
         "curvature")  # fmt: skip
NORMALISED = ("entropy_over_ln_d", "entropy_over_ln_rank", "coding_rate_paper", "coding_rate_rank")

# Of a matrix of a row a text without scaling, as authors define them: see `feature_measures`.
RANKME = "rankme"
ALPHA_ENDS = ("alpha_req_low", "alpha_req_high")
FEATURE = ("stable_rank", "alpha_req", *ALPHA_ENDS)
TOP_SHARE, TOP = "top_share", (1, 10)
OF_ORDER = ("renyi", "schatten")  # at the orders of the configuration
# What describes a layer beside its measures: no law is fitted to it.
DESCRIPTIVE = (*NORMS, *ALPHA_ENDS)

EPS2, LAMBDA, ORDER, K = "eps2", "lambda", "order", "k"
# base → kind of its parameter
REGULARISED = dict.fromkeys(CODING, EPS2) | {MEAN_GAIN: LAMBDA}
PARAMETRISED = REGULARISED | dict.fromkeys(OF_ORDER, ORDER) | {TOP_SHARE: K}
# kind → its values in words, and whether one is among them
RANGES = {
    EPS2: ("above 0", lambda value: value > 0),
    LAMBDA: ("above 0", lambda value: value > 0),
    ORDER: ("above 0, and not 1", lambda value: value > 0 and value != 1),
    K: ("a whole number from 1 on", lambda value: value >= 1 and value % 1 == 0),
}
NUMBER = r"(\d+(?:\.\d+)?(?:e[+-]\d+)?)"  # as `Regulariser` writes it


class Regulariser(NamedTuple):
    """A regulariser of ridge regression and of the entropies that belong to it.

    Or another parameter of a metric: the order of a Rényi entropy or Schatten norm, the number k of
    eigenvalues.

    Attributes
    ----------
    kind : {"eps2", "lambda", "order", "k"}
    value : float
        ε², λ itself, the order, or k.
    """

    kind: str
    value: float

    def __str__(self) -> str:
        return f"{self.kind}={self.value:g}"

    def of(self, n: int, d: int) -> float:
        """λ for n tokens in d dimensions."""
        return n * self.value / d if self.kind == EPS2 else float(self.value)


class Metric(NamedTuple):
    """A metric: its base and, where it has one, its regulariser or other parameter."""

    base: str
    regulariser: Regulariser | None = None

    def __str__(self) -> str:
        return self.base if self.regulariser is None else f"{self.base}[{self.regulariser}]"


def is_beside(scope: str, convention: str, first: str) -> bool:
    """Whether such spectra accompany those of all tokens: their laws have one N axis alone."""
    return first == "out" or scope == "last" or convention in RAW_CONVENTIONS


def spectral_keys(prefixes: Iterable[int]) -> list[tuple[str, str, str, int]]:
    """(scope, convention, first, n) of every spectrum of a layer."""
    return [
        (scope, convention, first, n)
        for scope in SCOPES
        for convention in conventions_of(scope)
        for first in firsts(scope)
        for n in prefixes
    ]


def parse_regulariser(name: str) -> Regulariser:
    """The regulariser of a name.

    Raises
    ------
    InfogeoError
        Where the name is none.
    """
    match = re.fullmatch(rf"({EPS2}|{LAMBDA})={NUMBER}", name)
    if not match:
        raise InfogeoError(
            f"regulariser {name!r}: no such regulariser. Names are {EPS2}=… and {LAMBDA}=…, such "
            f"as {Regulariser(EPS2, 0.5)}."
        )
    return Regulariser(match[1], float(match[2]))


def parse_metric(name: str) -> Metric:
    """The metric of a name. Its base may be any word: see `unknown`.

    Raises
    ------
    InfogeoError
        Where the name is none, or its parameter is out of range.
    """
    match = re.fullmatch(rf"(\w+)(?:\[({'|'.join(RANGES)})={NUMBER}\])?", name)
    if not match:
        raise unknown(name)
    base, kind, digits = match.groups()
    if kind is None:
        return Metric(base)
    words, contains = RANGES[kind]
    if not contains(float(digits)):
        raise InfogeoError(f"metric {name!r}: {kind} must be {words}.")
    return Metric(base, Regulariser(kind, float(digits)))


def unknown(name: str) -> InfogeoError:
    """The error for a name that is that of no metric of spectra."""
    return InfogeoError(
        f"metric {name!r}: no such metric. There are {', '.join(SPECTRAL)}, "
        f"{', '.join(CODING)} with [{EPS2}=…], such as {at_eps2(CODING[0], 0.5)}, "
        f"{MEAN_GAIN}[{LAMBDA}=…], {', '.join(OF_ORDER)} with [{ORDER}=…]; and of rows without "
        f"scaling {RANKME}, {', '.join(FEATURE)} and {TOP_SHARE}[{K}=…]."
    )


def at_eps2(base: str, eps2: float) -> str:
    """The name of a metric at an ε²: with it for a coding rate, the base alone for all others."""
    return str(Metric(base, Regulariser(EPS2, eps2) if base in CODING else None))


def names(
    convention: str,
    eps2: Iterable[float],
    lambdas: Iterable[float],
    orders: Iterable[float] = (),
) -> list[str]:
    """The metrics of spectra in a convention; those with a regulariser exist in ``unit`` alone."""
    at = [Metric(base, Regulariser(ORDER, value)) for base in OF_ORDER for value in orders]
    if convention == "unit":
        at += [Metric(base, Regulariser(EPS2, value)) for base in CODING for value in eps2]
        at += [Metric(MEAN_GAIN, Regulariser(LAMBDA, value)) for value in lambdas]
    if convention in RAW_CONVENTIONS:
        at += [Metric(base) for base in FEATURE]
        at += [Metric(TOP_SHARE, Regulariser(K, k)) for k in TOP]
    if convention == "raw":
        at.append(Metric(RANKME))
    return [*SPECTRAL, *map(str, at)]


def conventions_of(scope: str) -> tuple[str, ...]:
    """The conventions in which spectra of a scope are taken."""
    return CONVENTIONS + (RAW_CONVENTIONS if scope in ONE_ROW else ())


def firsts(scope: str) -> tuple[str, ...]:
    """With the first token, without it; a row a text, the last token's, has neither."""
    return ("",) if scope == "last" else FIRST


def all_tokens(metric: str) -> str:
    """The `first` of a metric of all tokens of a text: "in", and "" of conditional metrics."""
    return "" if metric in CONDITIONAL else "in"


def norm_names(first: str) -> list[str]:
    """The norms of rows that exist with the first token (``in``), or without it (``out``)."""
    return [name for name in NORMS if first == "in" or name != "first_norm"]


def conventions(base: str) -> list[str]:
    """The conventions in which a metric of a text exists; a conditional one has the empty one.

    None of those of a row a text alone.
    """
    if base in CONDITIONAL:
        return [""]
    if base in (RANKME, *FEATURE, TOP_SHARE):
        return []
    return ["unit"] if base in REGULARISED else list(CONVENTIONS)


def depth_of(metric: str, depth: str) -> str:
    """The depth at which a metric is meant: the one asked for, and '' of conditional metrics."""
    return "" if metric in CONDITIONAL else depth


def regularisers(
    lambdas: Iterable[float], eps2: Iterable[float], n: int, d: int
) -> list[tuple[str, float]]:
    """The ridge regularisers λ of the context study, by name.

    Parameters
    ----------
    lambdas, eps2 : iterable of float
        Fixed λ, and ε² of those tied to the coding rate, λ = n ε²/d.
    n, d : int
        Tokens and width.

    Returns
    -------
    list of (str, float)
        ``("lambda=0.1", 0.1)``, …, ``("eps2=0.5", n · 0.5/d)``, …
    """
    chosen = [Regulariser(LAMBDA, value) for value in lambdas]
    chosen += [Regulariser(EPS2, value) for value in eps2]
    return [(str(regulariser), regulariser.of(n, d)) for regulariser in chosen]


def leading(keys: list[tuple[str, str]]) -> tuple[str, str]:
    """Of (metric, convention), what represents the entropy: that of centred rows, or the first.

    The first of those of a spectrum, if there is one.
    """
    spectral = [key for key in keys if key[0] not in CONDITIONAL]
    return ("entropy", "centred") if ("entropy", "centred") in spectral else (spectral or keys)[0]
