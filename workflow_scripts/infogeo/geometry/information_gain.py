"""Information gain of every token given the tokens before it, and how it goes with surprisal.

    gain_i = ln det(I + G_i/λ) − ln det(I + G_{i−1}/λ) = ln(1 + ρ_i/λ),
    ρ_i = min_w ‖z_i − Z_{<i}ᵀ w‖² + λ‖w‖²

with G_i the Gram matrix of the first i unit rows (2402.03471). One Cholesky ``L Lᵀ = I + G/λ`` of
a text gives all of its tokens: ``gain_i = 2 ln L_ii``, ``ρ_i = λ(L_ii² − 1)``.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from scipy.linalg.lapack import dpotrf

from infogeo.files.errors import InfogeoError
from infogeo.geometry.metrics import regularisers
from infogeo.geometry.rows import check_finite, unit_norm
from infogeo.inference import resampling
from infogeo.inference.rank_correlation import partial_spearman, within_levels

BINS = 20  # of surprisal, with equally many tokens
CHECKED = 32  # tokens of a layer and regulariser whose gain is computed a second way
# d³ for each of them that is checked by d × d determinants too: all up to d = 400, 4 of them at
# d = 768, and at least 1.
SLOGDET_BUDGET = 2**31
BATCH_BYTES = 2**23  # float64 rows of the texts that are treated together; they fit the cache


def gains(Z, lambdas, where: str = "hidden states") -> tuple[np.ndarray, np.ndarray]:
    """Information gain and ridge optimum of every token given the tokens before it.

    Parameters
    ----------
    Z : array (..., n, d)
        Hidden states of a text, or of a stack of texts; scaled by `rows.unit_norm`.
    lambdas : sequence of float
        The λ > 0 of the ridge.
    where : str
        What Z is, for the error message.

    Returns
    -------
    gain, rho : float64 arrays (lambdas, ..., n)
        Gain in nats, ≥ 0; ρ in squared norms, in [0, 1]. Both are 0 at a zero row.

    Raises
    ------
    InfogeoError
        Where a value is not finite, or λ is so small that I + G/λ is singular in float64.

    Notes
    -----
    Schur complements ``L_ii² = 1 + ρ_i/λ`` are at least 1, so that neither the logarithm nor the
    difference loses more than a few ε/λ. Verified against scikit-learn's Ridge, a d × d slogdet,
    the coding rate of the text's spectrum, and closed forms (orthonormal and equal rows), down to
    λ = 1e-4.
    """
    Z = np.asarray(Z)
    check_finite(Z, where)
    return of_pivots(pivots(unit_norm(Z), lambdas), lambdas)


def pivots(rows, lambdas) -> np.ndarray:
    """``L_ii² = 1 + ρ_i/λ`` of rows (..., n, d) that have unit norm, or are zero.

    Returns
    -------
    float64 array (lambdas, ..., n)

    Raises
    ------
    InfogeoError
        See `gains`.
    """
    gram = rows @ rows.swapaxes(-1, -2)  # (..., n, n)
    squares = np.empty((len(lambdas), *gram.shape[:-1]))
    diagonal = np.arange(gram.shape[-1])
    for place, lam in enumerate(lambdas):
        matrix = gram / lam
        matrix[..., diagonal, diagonal] += 1.0
        for index in np.ndindex(gram.shape[:-2]):
            # LAPACK itself, in place: numpy's copies take three times as long. A transposed view,
            # because LAPACK stores by columns.
            factor, failed = dpotrf(matrix[index].T, lower=1, clean=0, overwrite_a=1)
            if failed:
                raise InfogeoError(
                    f"context.lambdas: λ = {lam:g} is too small for float64, and I + G/λ is "
                    "singular. Use a larger λ (at least 1e-4 keeps all digits that count)."
                )
            squares[(place, *index)] = np.diagonal(factor) ** 2
    return squares


def of_pivots(squares, lambdas) -> tuple[np.ndarray, np.ndarray]:
    """gain and rho, see `gains`, from what `pivots` returns."""
    scale = np.reshape(lambdas, (-1, *[1] * (squares.ndim - 1)))
    return np.log(squares), scale * (squares - 1.0)


def ridge_optimum(target, earlier, lam: float) -> float:
    """ρ of a state (d,) on earlier states (i, d) by scikit-learn's Ridge.

    Its objective is evaluated at its solution, where an error δ of the weights counts as δ² only;
    so the normal equations ("cholesky", of the dual where i > d) are as exact as its SVD.
    """
    from sklearn.linear_model import Ridge

    if not len(earlier):
        return float(target @ target)
    ridge = Ridge(alpha=lam, fit_intercept=False, solver="cholesky").fit(earlier.T, target)
    residual = target - ridge.predict(earlier.T)
    return float(residual @ residual + lam * ridge.coef_ @ ridge.coef_)


def slogdet_gain(rows, lam: float) -> float:
    """Gain of the last of rows (i, d), from two d × d determinants."""

    def logdet(part):
        matrix = part.T @ part
        matrix /= lam
        matrix[np.diag_indices_from(matrix)] += 1.0
        return np.linalg.slogdet(matrix)[1]

    return logdet(rows) - logdet(rows[:-1])


# ---------------------------------------------------------------- texts and layers


@dataclass(frozen=True)
class Texts:
    """The texts of n tokens, and what is known of each of their tokens.

    Attributes
    ----------
    n : int
    index : (texts,) int array
        Their indices among all texts.
    doc_ids, sources : (texts,) arrays of str
    frequency : (texts, n) int array
        How often the id of the token occurs among all tokens of the corpus.
    """

    n: int
    index: np.ndarray
    doc_ids: np.ndarray
    sources: np.ndarray
    frequency: np.ndarray

    @classmethod
    def of(cls, doc_ids, sources, offsets, token_ids, n: int) -> "Texts":
        """The texts that have n tokens (texts are stored cut at n), and no others.

        Parameters
        ----------
        doc_ids, sources : sequences of str
        offsets : (all texts + 1,) int array
        token_ids : (T,) int array
        n : int

        Raises
        ------
        InfogeoError
            Where no text has n tokens.
        """
        lengths = np.diff(offsets)
        index = np.flatnonzero(lengths == n)
        if not len(index):
            raise InfogeoError(
                f"spectra.n: information gain is taken at n = {n} tokens, and none of the "
                f"{len(lengths)} texts has {n} (the longest: {lengths.max(initial=0)}). "
                "Use longer texts, or a smaller n."
            )
        counts = np.bincount(token_ids)
        doc_ids, sources = (np.array(names, dtype=object)[index] for names in (doc_ids, sources))
        frequency = counts[token_ids][offsets[index][:, None] + np.arange(n)]
        return cls(n, index, doc_ids, sources, frequency)

    def __len__(self):
        return len(self.index)

    @property
    def clusters(self) -> np.ndarray:
        """What is resampled together. (texts,)"""
        return resampling.clusters(self.doc_ids, self.sources)

    def scores(self, values, offsets, what: str) -> np.ndarray:
        """What a model says of tokens 2 … n, from values (T,) of all tokens.

        Returns
        -------
        (texts, n − 1) float64 array

        Raises
        ------
        InfogeoError
            Where a value is not finite.
        """
        values = np.asarray(values, float)[offsets[self.index][:, None] + np.arange(1, self.n)]
        bad = ~np.isfinite(values).all(axis=1)
        if bad.any():
            raise InfogeoError(
                f"text {self.doc_ids[bad][0]!r} and {bad.sum() - 1} more: {what} of a token is "
                "not finite. Check the model's logits (dtype), or leave such texts out."
            )
        return values

    def said(self, nll, predictive_entropy, offsets, reference: str = "own") -> dict:
        """Both scores of a model, as `relation_table` takes them; see `scores`.

        Parameters
        ----------
        nll, predictive_entropy : (T,) arrays
        offsets : (texts + 1,) int array
        reference : str
            Whose they are.
        """
        return {
            ("surprisal", reference): self.scores(nll, offsets, "surprisal"),
            ("predictive_entropy", reference): self.scores(
                predictive_entropy, offsets, "predictive entropy"
            ),
        }


@dataclass(frozen=True)
class LayerGains:
    """Gains of one layer.

    Attributes
    ----------
    layer : str
    regularisers : list of (str, float)
    gain, rho : (regularisers, texts, n) float64 arrays
    norms : (texts, n) float64 array
        Squared norms of the scaled rows: 1, or 0 at a zero row.
    """

    layer: str
    regularisers: list[tuple[str, float]]
    gain: np.ndarray
    rho: np.ndarray
    norms: np.ndarray


def compute(
    states: Iterable[tuple[int, str, np.ndarray]],
    texts: Texts,
    lambdas,
    eps2,
    watch: Callable | None = None,
) -> LayerGains:
    """Gains of a layer.

    Parameters
    ----------
    states : iterable of (text, layer, Z (n, d))
        Of one layer.
    texts : Texts
        Others may come and are passed over.
    lambdas, eps2
        See `regularisers`.
    watch : callable, optional
        Told of every text: layer, its place in `texts`, the regularisers, its unit rows (n, d),
        gain and rho (regularisers, n).

    Raises
    ------
    InfogeoError
        Where a state is not finite, naming text and layer, or a text is lacking.
    """
    places = {int(index): place for place, index in enumerate(texts.index)}
    found = stack = None
    chosen: list[int] = []  # places of the texts that wait in the stack
    layer, arrived = "?", 0

    def work():
        rows = unit_norm(stack[: len(chosen)])
        values = [lam for _, lam in found.regularisers]
        gain, rho = of_pivots(pivots(rows, values), values)
        found.gain[:, chosen], found.rho[:, chosen] = gain, rho
        found.norms[chosen] = np.einsum("tnd,tnd->tn", rows, rows)
        if watch:
            for at, place in enumerate(chosen):
                watch(found.layer, place, found.regularisers, rows[at], gain[:, at], rho[:, at])
        chosen.clear()

    for index, layer, Z in states:
        if index not in places:
            continue
        if found is None:
            of_width = regularisers(lambdas, eps2, texts.n, Z.shape[1])
            shape = (len(of_width), len(texts), texts.n)
            found = LayerGains(
                layer, of_width, np.empty(shape), np.empty(shape), np.empty(shape[1:])
            )
            stack = np.empty((max(1, BATCH_BYTES // (8 * Z.size)), *Z.shape))
        check_finite(Z, f"text {texts.doc_ids[places[index]]!r}, layer {layer}")
        stack[len(chosen)] = Z
        chosen.append(places[index])
        arrived += 1
        if len(chosen) == len(stack) or arrived == len(texts):
            work()
    if arrived != len(texts):
        raise InfogeoError(f"layer {layer}: {arrived} of its {len(texts)} texts came.")
    return found


class Checks:
    """Gains of sampled tokens computed a second and a third way, while their states are there.

    The sample is of tokens 2 … n of each layer and regulariser, spread over the texts.

    Parameters
    ----------
    doc_ids : sequence of str
        Of the texts of n tokens.
    n, seed : int
    """

    def __init__(self, doc_ids, n: int, seed: int):
        self.doc_ids, self.n, self.seed = doc_ids, n, seed
        self.planned: dict[str, dict[int, list]] = {}
        self.rows: list[dict] = []

    def watch(self, layer: str, place: int, regularisers: list, rows, gain, rho) -> None:
        """See `compute`: check the sampled tokens of a text."""
        if layer not in self.planned:
            self.planned[layer] = self._plan(layer, len(regularisers), rows.shape[1])
        for kind, token, determinants in self.planned[layer].get(place, ()):
            name, lam = regularisers[kind]
            by_ridge = ridge_optimum(rows[token], rows[:token], lam)
            gain_ridge = np.log1p(by_ridge / lam)
            by_slogdet = slogdet_gain(rows[: token + 1], lam) if determinants else np.nan
            found = gain[kind, token]
            self.rows.append({
                "doc_id": self.doc_ids[place], "layer": layer, "regulariser": name,
                "lam": lam, "position": token + 1, "gain": found, "rho": rho[kind, token],
                "rho_ridge": by_ridge, "gain_ridge": gain_ridge, "gain_slogdet": by_slogdet,
                "residual_ridge": abs(found - gain_ridge),
                "residual_slogdet": abs(found - by_slogdet),
            })  # fmt: skip

    def _plan(self, layer: str, kinds: int, d: int) -> dict[int, list]:
        """Place of a text → its checks: (regulariser, token, whether by determinants too)."""
        generator = np.random.default_rng([self.seed, *layer.encode()])
        determinants = max(1, SLOGDET_BUDGET // d**3)
        planned: dict[int, list] = {}
        for kind in range(kinds):
            chosen = np.resize(generator.permutation(len(self.doc_ids)), CHECKED)
            tokens = generator.integers(1, self.n, CHECKED)
            for number, (place, token) in enumerate(zip(chosen, tokens, strict=True)):
                check = kind, int(token), number < determinants
                planned.setdefault(int(place), []).append(check)
        return planned


# ---------------------------------------------------------------- tables


def _long(found: LayerGains, columns: list[dict]):
    """One table of a layer from the columns for each of its regularisers."""
    import pandas as pd

    return pd.concat(
        [
            pd.DataFrame({"layer": found.layer, "regulariser": name, "lam": lam, **of_kind})
            for (name, lam), of_kind in zip(found.regularisers, columns, strict=True)
        ],
        ignore_index=True,
    )


def text_table(found: LayerGains, texts: Texts):
    """Means over the tokens of each text.

    Returns
    -------
    pandas.DataFrame
        doc_id, source, layer, n, regulariser, lam, metric, value: gain_mean (nats per token) and
        rho_mean over all n tokens; ridge_share, the share of the squared norm of tokens 2 … n
        that ridge on the earlier ones explains, 1 − Σρ/Σ‖z‖² (NaN where all are zero rows).
    """
    import pandas as pd

    squares = found.norms[:, 1:].sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = 1.0 - found.rho[..., 1:].sum(axis=-1) / np.where(squares > 0, squares, np.nan)
    metrics = {
        "gain_mean": found.gain.mean(axis=-1),
        "rho_mean": found.rho.mean(axis=-1),
        "ridge_share": share,
    }  # (regularisers, texts)
    frames = [
        _long(
            found,
            [
                {"doc_id": texts.doc_ids, "source": texts.sources, "metric": metric, "value": row}
                for row in values
            ],
        )
        for metric, values in metrics.items()
    ]
    columns = "doc_id source layer n regulariser lam metric value".split()
    return pd.concat(frames, ignore_index=True).assign(n=texts.n)[columns]


def position_table(found: LayerGains, weights):
    """Means over texts at each position, with 95 % intervals over resampled text clusters.

    Parameters
    ----------
    found : LayerGains
    weights : (draws, texts) array
        See `infogeo.inference.resampling.text_weights`.

    Returns
    -------
    pandas.DataFrame
        layer, regulariser, lam, position (from 1), quantity, mean, low, high, texts. Quantities:
        gain, rho, and logdet: ln det(I + G_i/λ) of the tokens up to there.
    """
    import pandas as pd

    columns = "layer regulariser lam position quantity mean low high texts".split()
    texts, n = found.norms.shape
    parts = {"gain": found.gain, "rho": found.rho, "logdet": found.gain.cumsum(axis=-1)}
    frames = []
    for quantity, values in parts.items():
        bands = [resampling.interval(weights @ of_kind) for of_kind in values]  # (2, n) each
        of_kinds = [
            {"position": np.arange(1, n + 1), "quantity": quantity, "mean": of_kind.mean(axis=0),
             "low": low, "high": high, "texts": texts}
            for of_kind, (low, high) in zip(values, bands, strict=True)
        ]  # fmt: skip
        frames.append(_long(found, of_kinds))
    return pd.concat(frames, ignore_index=True)[columns]


def surprisal_table(found: LayerGains, surprisal, weights):
    """Mean gain in quantile bins of surprisal, with 95 % intervals over resampled text clusters.

    Parameters
    ----------
    found : LayerGains
    surprisal : (texts, n − 1) array
        Nats, of tokens 2 … n; the bins hold equally many of all tokens (equal values stay
        together, and empty bins are left out).
    weights : (draws, texts) array

    Returns
    -------
    pandas.DataFrame
        layer, regulariser, lam, bin (from 0), surprisal (mean), gain, low, high, tokens.
    """
    edges = np.quantile(surprisal, np.arange(1, BINS) / BINS)
    bins = np.searchsorted(edges, surprisal, side="right")  # (texts, n − 1)
    places = (np.arange(len(bins))[:, None] * BINS + bins).ravel()

    def sums(values=None):  # (texts, BINS)
        values = None if values is None else values.ravel()
        return np.bincount(places, values, len(bins) * BINS).reshape(-1, BINS)

    counts = sums()
    tokens = counts.sum(axis=0)
    there = tokens > 0
    counts, tokens = counts[:, there], tokens[there]
    resampled = weights @ counts
    columns = []
    for gain in found.gain[..., 1:]:
        total = sums(gain)[:, there]
        with np.errstate(invalid="ignore"):
            low, high = resampling.interval(weights @ total / resampled)
        columns.append({
            "bin": np.flatnonzero(there), "surprisal": sums(surprisal)[:, there].sum(0) / tokens,
            "gain": total.sum(axis=0) / tokens, "low": low, "high": high, "tokens": tokens,
        })  # fmt: skip
    return _long(found, columns)


def relation_table(found: LayerGains, texts: Texts, scores: dict, copies=None):
    """Partial Spearman correlations of the gain with what a model says of the same tokens.

    Given are the position and the frequency of the token; all tokens 2 … n count.

    Parameters
    ----------
    found : LayerGains
    texts : Texts
    scores : dict
        (relation, reference) → (texts, n − 1) array, such as the surprisal of each token.
    copies : (draws, texts) int array, optional
        Resamples of text clusters for 95 % intervals (NaN without), see `resampling.text_copies`.

    Returns
    -------
    pandas.DataFrame
        layer, regulariser, lam, n, relation, reference, partial_spearman, low, high,
        within_position (the same with a level per position in place of its rank), spearman
        (nothing held fixed), tokens, texts. NaN where a variable is constant.
    """
    gain = found.gain[..., 1:].reshape(len(found.gain), -1)
    targets = np.stack([values.ravel() for values in scores.values()])
    position = np.tile(np.arange(1, texts.n), len(texts))
    frequency = texts.frequency[:, 1:].ravel()
    of_text = np.repeat(np.arange(len(texts)), texts.n - 1)
    controls, once = [position, frequency], np.ones((1, len(texts)), np.int16)
    drawn = once if copies is None else np.concatenate([once, copies])
    partial = partial_spearman(gain, targets, controls, of_text, drawn)
    low = high = np.full(partial.shape[1:], np.nan)
    if copies is not None:
        low, high = resampling.interval(partial[1:])
    columns = {
        "partial_spearman": partial[0],
        "low": low,
        "high": high,
        "within_position": within_levels(gain, targets, [frequency], position),
        "spearman": partial_spearman(gain, targets, controls[:0], of_text, once)[0],
    }  # (kinds, targets) each
    relations, references = zip(*scores, strict=True)
    of_kinds = [
        {"n": texts.n, "relation": relations, "reference": references,
         **{name: values[kind] for name, values in columns.items()},
         "tokens": len(position), "texts": len(texts)}
        for kind in range(len(gain))
    ]  # fmt: skip
    return _long(found, of_kinds)


def layer_tables(found: LayerGains, checks: list, texts: Texts, scores: dict, copies) -> dict:
    """All tables of a layer.

    Parameters
    ----------
    found : LayerGains
    checks : list of dict
        Its rows of `Checks`.
    texts : Texts
    scores : dict
        See `relation_table`; the surprisal is ("surprisal", "own").
    copies : (draws, texts) int array
        Of the bootstrap over text clusters; see `resampling.text_copies`.

    Returns
    -------
    dict
        texts, positions, relations, checks, surprisal → pandas.DataFrame; see the functions of
        those names, and for checks `Checks`: doc_id, layer, regulariser, lam, position, gain,
        rho, rho_ridge, gain_ridge = ln(1 + rho_ridge/λ), gain_slogdet (NaN where it would cost too
        much), and the absolute differences residual_ridge and residual_slogdet, nats.
    """
    import pandas as pd

    weights = resampling.as_weights(copies)
    return {
        "texts": text_table(found, texts),
        "positions": position_table(found, weights),
        "relations": relation_table(found, texts, scores, copies),
        "checks": pd.DataFrame(checks),
        "surprisal": surprisal_table(found, scores["surprisal", "own"], weights),
    }
