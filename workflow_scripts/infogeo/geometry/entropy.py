"""Every entropy as a function of a spectrum, and the table of them."""

from collections.abc import Iterable, Iterator
from functools import cached_property

import numpy as np

from infogeo.files.errors import InfogeoError
from infogeo.geometry import feature_measures, metrics
from infogeo.geometry.corpus_spectra import Documents
from infogeo.geometry.spectra import LayerSpectra
from infogeo.geometry.spectra_file import SpectraFile, Tokens

PREFIX_BYTES = 2  # of the prefix for each of n tokens: most tokenizers reach so far in most texts

# A spectrum without any row left (all eigenvalues 0) is a pure state: every entropy is 0.


class Spectra:
    """Spectra of one convention, with what several metrics have in common: each is taken once.

    Attributes
    ----------
    eigenvalues : array of float64 (..., r)
    d, n, rank : arrays broadcasting against (...)
        Width, rows counted, and the rank that they allow; see `evaluate`.
    """

    def __init__(self, eigenvalues, d, n, convention: str):
        self.eigenvalues, self.d, self.n = np.asarray(eigenvalues), np.asarray(d), np.asarray(n)
        self.rank = np.minimum(self.n - (convention in metrics.ABOUT_MEAN), self.d)
        self._coding_rates = {}

    @cached_property
    def entropy(self):
        logs = np.log(np.where(self.eigenvalues > 0, self.eigenvalues, 1.0))
        return np.maximum(-np.sum(self.eigenvalues * logs, axis=-1), 0.0)

    @cached_property
    def purity(self):
        purity = np.sum(self.eigenvalues**2, axis=-1)
        return np.where(purity > 0, purity, 1.0)

    @cached_property
    def slopes(self):
        """α over the ranges of ranks, the first that which is reported: (ranges, ...)."""
        return feature_measures.slopes(self.eigenvalues, self.rank)

    def coding_rate(self, eps2):
        if eps2 not in self._coding_rates:
            scale = np.asarray(self.d / eps2)[..., None]
            self._coding_rates[eps2] = np.log1p(scale * self.eigenvalues).sum(axis=-1)
        return self._coding_rates[eps2]


def entropy(of: Spectra):
    """Von Neumann (matrix) entropy ``H = −Σ λ ln λ``, nats (Wei, Tan et al. 2024, 2401.17139)."""
    return of.entropy


def entropy_over_ln_d(of: Spectra):
    """``H / ln d`` (Wei, Tan et al. 2024); 0 where d = 1."""
    return _share(of.entropy, np.log(of.d))


def entropy_over_ln_rank(of: Spectra):
    """``H / ln min(n, d)``, centred ``H / ln min(n − 1, d)``: in [0, 1]; 0 where that is ln 1."""
    return _share(of.entropy, np.log(np.maximum(of.rank, 1)))


def effective_rank(of: Spectra):
    """``exp(H)`` (Roy and Vetterli 2007)."""
    return np.exp(of.entropy)


def renyi_2(of: Spectra):
    """Rényi entropy of order 2, ``−ln Σ λ²``, nats."""
    return np.maximum(-np.log(of.purity), 0.0)


def renyi_inf(of: Spectra):
    """Rényi entropy of order ∞ (min-entropy), ``−ln λ_max``, nats."""
    largest = of.eigenvalues.max(axis=-1)
    return np.maximum(-np.log(np.where(largest > 0, largest, 1.0)), 0.0)


def participation_ratio(of: Spectra):
    """``1 / Σ λ²``."""
    return 1.0 / of.purity


def coding_rate(of: Spectra, eps2):
    """Coding-rate entropy ``R_ε = Σ ln(1 + (d/ε²) λ)``, nats (Ma, Derksen, Hong, Wright 2007)."""
    return of.coding_rate(eps2)


def coding_rate_paper(of: Spectra, eps2):
    """``R_ε / (d ln(1 + 1/ε²))``, as 2402.03471 normalises (from secondary sources)."""
    return of.coding_rate(eps2) / (of.d * np.log1p(1 / eps2))


def coding_rate_rank(of: Spectra, eps2):
    """``R_ε / (r ln(1 + d/(r ε²)))``, r the rank allowed: 1 for r equal eigenvalues."""
    r = np.maximum(of.rank, 1)
    return of.coding_rate(eps2) / (r * np.log1p(of.d / (r * eps2)))


def mean_gain(of: Spectra, lam):
    """Mean information gain of a token, ``Σ ln(1 + nλ_i/λ) / n``, nats, n the rows counted.

    The gains of all tokens add up to ``ln det(I + G/λ)`` (2402.03471): see `information_gain`.
    """
    rows = np.maximum(of.n.astype(float), 1)
    return np.log1p(rows[..., None] * of.eigenvalues / lam).sum(axis=-1) / rows


def _share(value, limit):
    """value / limit, 0 where there is no room (limit 0)."""
    return np.where(limit > 0, value / np.where(limit > 0, limit, 1.0), 0.0)


FUNCTIONS = {
    function.__name__: function
    for function in (
        entropy,
        entropy_over_ln_d,
        entropy_over_ln_rank,
        effective_rank,
        renyi_2,
        renyi_inf,
        participation_ratio,
        coding_rate,
        coding_rate_paper,
        coding_rate_rank,
        mean_gain,
        feature_measures.rankme,
        feature_measures.stable_rank,
        feature_measures.top_share,
        feature_measures.alpha_req,
        feature_measures.alpha_req_low,
        feature_measures.alpha_req_high,
        feature_measures.renyi,
        feature_measures.schatten,
    )
}


def evaluate(metric: str, eigenvalues, d, n, convention: str) -> np.ndarray:
    """A metric of spectra.

    Parameters
    ----------
    metric : str
        A name as `metrics.names` gives it.
    eigenvalues : array of float64 (..., r)
        Of the covariance of normalised rows: sum 1, r ≤ min(n, d) or padded with zeros.
    d : int or array broadcasting against (...)
        Width: the number of coordinates of a row.
    n : int or array broadcasting against (...)
        Number of rows that the spectrum was made of, zero rows left out.
    convention : str
        Centring costs one dimension: the rank is at most min(n − 1, d). Likewise ``raw`` and
        ``raw_centred``.

    Returns
    -------
    ndarray of float64 (...)
        In nats where it is an entropy or a coding rate.

    Raises
    ------
    InfogeoError
        Where there is no such metric.

    Notes
    -----
    Verified against closed forms (orthonormal, equal and equicorrelated rows, planted spectra)
    and, for the coding rate and the mean gain, against a direct ``slogdet``.
    """
    base, regulariser = metrics.parse_metric(metric)
    kind, _ = regulariser or (None, None)
    if base not in FUNCTIONS or kind != metrics.PARAMETRISED.get(base):
        raise metrics.unknown(metric)
    return _value(metric, Spectra(eigenvalues, d, n, convention))


def _value(metric: str, spectra: Spectra) -> np.ndarray:
    base, regulariser = metrics.parse_metric(metric)
    return FUNCTIONS[base](spectra, *([] if regulariser is None else [regulariser.value]))


def entropies(
    spectra: SpectraFile,
    eps2: Iterable[float],
    lambdas: Iterable[float],
    orders: Iterable[float] = (),
) -> Iterator:
    """All entropies of a model and corpus as a long table, layer by layer.

    Parameters
    ----------
    spectra : SpectraFile
    eps2 : iterable of float
        The ε² of the coding rates.
    lambdas : iterable of float
        The λ of the mean gains.
    orders : iterable of float
        The orders of further Rényi entropies and Schatten norms.

    Yields
    ------
    pandas.DataFrame
        doc_id, source, scope, layer, convention, first, n, metric, value. Scope ``text`` has a row
        per text, the others one per corpus with empty doc_id and source. The norms of rows have an
        empty convention; what cannot be taken of so few rows has no row. The last part holds
        `conditional_entropies`, with an empty layer, convention and first; texts without a
        prefix_bits_per_byte have no row of it, and an encoder has no such part.

    Raises
    ------
    InfogeoError
        Where a conditional entropy is not finite.
    """
    chosen, documents = [list(eps2), list(lambdas), list(orders)], spectra.documents
    for layer in spectra:
        yield of_layer(layer, documents, *chosen)
    if not spectra.tokens.has_likelihoods:
        return
    conditional = _long(
        [
            ("text", "", "", "", n, metric, value)
            for n in documents.texts
            for metric, value in conditional_entropies(spectra.tokens, documents, n).items()
        ],
        documents,
    )
    yield conditional.dropna(subset="value", ignore_index=True)


def no_entropies():
    """The table of `entropies` (DataFrame) of a model that was not measured: without a row."""
    import pandas as pd

    kinds = dict.fromkeys(("doc_id", "source", *metrics.KEYS), object) | {"n": np.int64}
    return pd.DataFrame({name: [] for name in [*kinds, "value"]}).astype(kinds | {"value": float})


def of_layer(layer: LayerSpectra, documents: Documents, eps2, lambdas, orders=()):
    """The part of `entropies` (DataFrame) that belongs to a layer."""
    values = {}
    for keys, spectra in _alike(layer):
        for metric in metrics.names(keys[0][1], eps2, lambdas, orders):
            of_keys = np.broadcast_to(_value(metric, spectra), spectra.n.shape)
            values |= {(*key, metric): of_key for key, of_key in zip(keys, of_keys, strict=True)}
    parts = []
    for scope, convention, first, n in layer.spectra:
        key = scope, layer.layer, convention, first, n
        for metric in metrics.names(convention, eps2, lambdas, orders):
            parts.append((*key, metric, values[scope, convention, first, n, metric]))
    for (first, n), norms in layer.norms.items():
        parts += [("text", layer.layer, "", first, n, name, value) for name, value in norms.items()]
    return _long(parts, documents).dropna(subset="value", ignore_index=True)


def _alike(layer: LayerSpectra) -> Iterator[tuple[list[tuple], Spectra]]:
    """The spectra of a layer, with their keys: those of texts one by one, the few others stacked.

    Those of one convention and shape are evaluated at once: most of their time is that of calls.
    """
    groups = {}
    for key, spectrum in layer.spectra.items():
        scope, convention, *_ = key
        alone = key if scope == "text" else None
        groups.setdefault((convention, spectrum.eigenvalues.shape, alone), []).append(key)
    for (convention, _, _), keys in groups.items():
        of_keys = [layer.spectra[key] for key in keys]
        eigenvalues = np.stack([spectrum.eigenvalues for spectrum in of_keys])
        rows = np.stack([spectrum.rows - spectrum.zero_rows for spectrum in of_keys])  # (keys, k)
        yield keys, Spectra(eigenvalues, layer.width, rows, convention)


def _long(parts: list[tuple], documents: Documents):
    """One long table of (scope, layer, convention, first, n, metric, values (k,))."""
    import pandas as pd

    # Strings are made once each, and taken.
    def taken(values, places):
        return pd.Series(values).array.take(places)

    whole = np.array([len(documents.doc_ids)])  # the place of ""
    texts = np.concatenate(
        [documents.texts[n] if scope == "text" else whole for scope, _, _, _, n, _, _ in parts]
    )
    of_part = np.repeat(np.arange(len(parts)), [len(part[-1]) for part in parts])
    *keys, value = zip(*parts, strict=True)
    frame = {
        "doc_id": taken([*documents.doc_ids, ""], texts),
        "source": taken([*documents.sources, ""], texts),
    }
    frame |= {name: taken(of_key, of_part) for name, of_key in zip(metrics.KEYS, keys, strict=True)}
    return pd.DataFrame(frame | {"value": np.concatenate(value)})


def conditional_entropies(tokens: Tokens, documents: Documents, n: int) -> dict[str, np.ndarray]:
    """Means over tokens 2 … n of each text that has n tokens; the first has nothing before it.

    Returns
    -------
    dict of str to ndarray of float64 (texts with n tokens,)
        nll and predictive_entropy in nats per token, bits_per_byte: the negative log-likelihood
        of those tokens in bits over the UTF-8 bytes that they cover (Kaplan et al. 2020), other
        bytes under another tokenizer; prefix_bits_per_byte: see `prefix_bits`.

    Raises
    ------
    InfogeoError
        Where a value is not finite, or the tokens cover no byte.
    """
    texts = documents.texts[n]
    starts = np.asarray(tokens.offsets)[texts]
    counted = starts[:, None] + np.arange(1, n)  # (texts, n − 1)
    nll = np.asarray(tokens.nll, np.float64)[counted]
    predictive = np.asarray(tokens.predictive_entropy, np.float64)[counted]
    ends = np.asarray(tokens.token_end_byte, np.int64)
    covered = ends[starts + n - 1] - ends[starts]
    bad = ~np.isfinite(nll).all(axis=1) | ~np.isfinite(predictive).all(axis=1) | (covered <= 0)
    if bad.any():
        names = [documents.doc_ids[text] for text in texts[bad]]
        raise InfogeoError(
            f"text {names[0]!r} and {len(names) - 1} more: a negative log-likelihood or a "
            f"predictive entropy among the first {n} tokens is not finite, or these tokens cover "
            "no byte of text. Check the model's logits (dtype) and leave such texts out."
        )
    return {
        "nll": nll.mean(axis=1),
        metrics.BITS: nll.sum(axis=1) / np.log(2) / covered,
        metrics.PREFIX_BITS: prefix_bits(tokens, texts, PREFIX_BYTES * n),
        "predictive_entropy": predictive.mean(axis=1),
    }


def prefix_bits(tokens: Tokens, texts, size: int) -> np.ndarray:
    """Bits per byte of the last three quarters of the first `size` bytes of each text.

    The bytes are the same under every tokenizer. The first quarter is context alone, since
    tokenizers differ in the first token, which has nothing before it. A token across an end of
    the bytes counts by the share of its bytes that lies inside.

    Parameters
    ----------
    tokens : Tokens
    texts : sequence of int
    size : int

    Returns
    -------
    ndarray of float64 (texts,)
        NaN where the stored tokens of a text do not reach so far, or its first token reaches
        beyond the context.
    """
    bounds = np.array([size // 4, size])
    values = np.full(len(texts), np.nan)
    for place, text in enumerate(texts):
        part = slice(*tokens.offsets[text : text + 2])
        ends = np.asarray(tokens.token_end_byte[part], np.int64)
        if ends[0] <= bounds[0] and ends[-1] >= bounds[1]:
            nll = np.append(0.0, tokens.nll[part][1:].astype(np.float64))
            values[place] = np.diff(_sum_up_to(bounds, ends, nll))[0]
    return values / np.log(2) / np.diff(bounds)


def _sum_up_to(bounds, ends, nll) -> np.ndarray:
    """Sum of nll (tokens,) of the bytes before each bound; a token's is spread over its bytes."""
    whole = np.searchsorted(ends, bounds, side="right")  # tokens that end there or before
    sums, starts = np.append(0.0, np.cumsum(nll)), np.append(0, ends)
    at = np.minimum(whole, len(ends) - 1)
    inside = np.where(whole < len(ends), bounds - starts[at], 0)
    return sums[whole] + nll[at] * inside / np.maximum(ends[at] - starts[at], 1)
