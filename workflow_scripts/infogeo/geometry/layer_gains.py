"""Information gains of all texts of a layer, and of some tokens computed in other ways."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from infogeo.files.errors import InfogeoError
from infogeo.geometry.information_gain import of_pivots, pivots, ridge_optimum, slogdet_gain
from infogeo.geometry.metrics import regularisers
from infogeo.geometry.repetition import since_last
from infogeo.geometry.rows import check_finite, unit_norm
from infogeo.inference import resampling

CHECKED = 32  # tokens of a layer and regulariser whose gain is computed a second way
# d³ for each of them that is checked by d × d determinants too: all up to d = 400, 4 of them at
# d = 768, and at least 1.
SLOGDET_BUDGET = 2**31
BATCH_BYTES = 2**23  # float64 rows of the texts that are treated together; they fit the cache


@dataclass(frozen=True)
class FullTexts:
    """The texts of n tokens, and what is known of each of their tokens.

    Attributes
    ----------
    n : int
    index : (texts,) int array
        Their indices among all texts.
    doc_ids, sources : (texts,) arrays of str
    frequency : (texts, n) int array
        How often the id of the token occurs among all tokens of the corpus.
    tokens : (texts, n) int array
        Their ids.
    """

    n: int
    index: np.ndarray
    doc_ids: np.ndarray
    sources: np.ndarray
    frequency: np.ndarray
    tokens: np.ndarray

    @classmethod
    def of(cls, doc_ids, sources, offsets, token_ids, n: int) -> "FullTexts":
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
        tokens = np.asarray(token_ids)[offsets[index][:, None] + np.arange(n)]
        return cls(n, index, doc_ids, sources, counts[tokens], tokens)

    def __len__(self):
        return len(self.index)

    @cached_property
    def since_last(self) -> np.ndarray:
        """How many tokens ago each token came before in its text; see `repetition`. (texts, n)"""
        return since_last(self.tokens)

    @property
    def controls(self) -> np.ndarray:
        """What is held fixed in relations of tokens 2 … n: (3, tokens) float64.

        Their position, the frequency of the token, and how long ago it came before.
        """
        position = np.tile(np.arange(1, self.n), len(self))
        return np.stack(
            [position, self.frequency[:, 1:].ravel(), self.since_last[:, 1:].ravel()]
        ).astype(float)

    @property
    def clusters(self) -> np.ndarray:
        """What is resampled together. (texts,)"""
        return resampling.clusters(self.doc_ids, self.sources)

    def token_scores(self, values, offsets, what: str) -> np.ndarray:
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

    def scores_of_model(self, nll, predictive_entropy, offsets) -> dict:
        """Both scores of a model, as `relation_table` takes them; see `token_scores`.

        Parameters
        ----------
        nll, predictive_entropy : (T,) arrays
        offsets : (texts + 1,) int array
        """
        return {
            "surprisal": self.token_scores(nll, offsets, "surprisal"),
            "predictive_entropy": self.token_scores(
                predictive_entropy, offsets, "predictive entropy"
            ),
        }


@dataclass(frozen=True)
class LayerGains:
    """Gains of one layer.

    Attributes
    ----------
    layer : str
    width : int
    regularisers : list of (str, float)
    gain, rho : (regularisers, texts, n) float64 arrays
    norms : (texts, n) float64 array
        Squared norms of the scaled rows: 1, or 0 at a zero row.
    """

    layer: str
    width: int
    regularisers: list[tuple[str, float]]
    gain: np.ndarray
    rho: np.ndarray
    norms: np.ndarray


def gains_of_layer(
    states: Iterable[tuple[int, str, np.ndarray]],
    texts: FullTexts,
    lambdas,
    eps2,
    on_text: Callable | None = None,
) -> LayerGains:
    """Gains of a layer.

    Parameters
    ----------
    states : iterable of (text, layer, Z (n, d))
        Of one layer.
    texts : FullTexts
        Others may come and are passed over.
    lambdas, eps2
        See `regularisers`.
    on_text : callable, optional
        Called for every text with layer, its place in `texts`, the regularisers, its unit rows
        (n, d), gain and rho (regularisers, n).

    Raises
    ------
    InfogeoError
        Where a state is not finite, naming text and layer, or a text is lacking.
    """
    places = {int(index): place for place, index in enumerate(texts.index)}
    of_layer = stack = None
    chosen: list[int] = []  # places of the texts that wait in the stack
    layer, arrived = "?", 0

    def work():
        rows = unit_norm(stack[: len(chosen)])
        values = [lam for _, lam in of_layer.regularisers]
        gain, rho = of_pivots(pivots(rows, values, len(texts)), values)
        of_layer.gain[:, chosen], of_layer.rho[:, chosen] = gain, rho
        of_layer.norms[chosen] = np.einsum("tnd,tnd->tn", rows, rows)
        if on_text:
            for at, place in enumerate(chosen):
                on_text(
                    of_layer.layer, place, of_layer.regularisers, rows[at], gain[:, at], rho[:, at]
                )
        chosen.clear()

    for index, layer, Z in states:
        if index not in places:
            continue
        if of_layer is None:
            of_width = regularisers(lambdas, eps2, texts.n, Z.shape[1])
            shape = (len(of_width), len(texts), texts.n)
            of_layer = LayerGains(
                layer, Z.shape[1], of_width, np.empty(shape), np.empty(shape), np.empty(shape[1:])
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
    return of_layer


class Checks:
    """Gains of sampled tokens computed a second and a third way, while their states are at hand.

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

    def check_text(self, layer: str, place: int, regularisers: list, rows, gain, rho) -> None:
        """See `gains_of_layer`: check the sampled tokens of a text."""
        if layer not in self.planned:
            self.planned[layer] = self._plan(layer, len(regularisers), rows.shape[1])
        for kind, token, determinants in self.planned[layer].get(place, ()):
            name, lam = regularisers[kind]
            by_ridge = ridge_optimum(rows[token], rows[:token], lam)
            gain_ridge = np.log1p(by_ridge / lam)
            by_slogdet = slogdet_gain(rows[: token + 1], lam) if determinants else np.nan
            by_cholesky = gain[kind, token]
            self.rows.append({
                "doc_id": self.doc_ids[place], "layer": layer, "regulariser": name,
                "lam": lam, "position": token + 1, "gain": by_cholesky, "rho": rho[kind, token],
                "rho_ridge": by_ridge, "gain_ridge": gain_ridge, "gain_slogdet": by_slogdet,
                "residual_ridge": abs(by_cholesky - gain_ridge),
                "residual_slogdet": abs(by_cholesky - by_slogdet),
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
