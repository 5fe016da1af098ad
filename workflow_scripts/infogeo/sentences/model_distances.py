"""Every distance between the sampled texts, from a model's hidden states."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from infogeo.files.errors import InfogeoError
from infogeo.geometry.depths import layers_at
from infogeo.geometry.metrics import CONVENTIONS, FIRST
from infogeo.geometry.rows import check_finite
from infogeo.sentences.distances import (
    BASELINES,
    CHEAPER,
    DISTANCES,
    bag_of_words,
    covariance_distances,
    length,
    mean_distances,
)
from infogeo.sentences.file import Sentences
from infogeo.sentences.sample import SampledTexts

States = Callable[[], Iterator[tuple[int, str, np.ndarray]]]


def layers_of_texts(
    states: States, texts: SampledTexts, layers
) -> Iterator[tuple[str, np.ndarray]]:
    """The first n tokens of the texts at some layers.

    Parameters
    ----------
    states : callable
        Returns an iterator of (text index, layer, Z (≥ n, d)) in any order; other texts and
        layers are passed over. See `infogeo.states.store.HiddenStates.states`.
    texts : SampledTexts
    layers : collection of str

    Yields
    ------
    layer : str
    Z : (m, n, d) float32 array
        As soon as the layer is complete: one layer is held where layers come one by one.

    Raises
    ------
    InfogeoError
        Where a state is not finite, a text is shorter than announced, or a layer is incomplete.
    """
    place = {text: row for row, text in enumerate(texts.index.tolist())}
    gathered, left = {}, dict.fromkeys(layers, len(place))
    for text, layer, Z in states():
        if text not in place or layer not in left:
            continue
        where = f"text {texts.doc_ids[place[text]]!r}, layer {layer}"
        if len(Z) < texts.n:
            raise InfogeoError(
                f"{where}: {len(Z)} states, but {texts.n} tokens were announced. Hidden states "
                "and list of texts do not belong together."
            )
        check_finite(Z[: texts.n], where)
        if layer not in gathered:
            gathered[layer] = np.empty((len(place), texts.n, Z.shape[1]), np.float32)
        gathered[layer][place[text]] = Z[: texts.n]
        left[layer] -= 1
        if not left[layer]:
            del left[layer]
            yield layer, gathered.pop(layer)
    if left:
        lacking = ", ".join(
            f"{layer} ({len(place) - number} of {len(place)})" for layer, number in left.items()
        )
        raise InfogeoError(f"layers without all of their texts: {lacking}.")


def measure(
    texts: SampledTexts,
    draws: Iterable[States],
    layers: dict[str, str],
    names=DISTANCES + BASELINES,
) -> Sentences:
    """Every distance between the texts, at every depth and of every draw.

    Parameters
    ----------
    texts : SampledTexts
    draws : iterable of callables
        States of one trained model, or of each of its untrained twins: see `layers_of_texts`.
    layers : dict of str to str
        Depth → name of the layer there.
    names : collection of str
        Of DISTANCES and BASELINES; of the states without the first token those of CHEAPER alone.
        Baselines need no model: they are draw 0, depth and first "".

    Returns
    -------
    Sentences
        Without means and distances where there are no texts.

    Raises
    ------
    InfogeoError
        From `layers_of_texts` and `length`.
    """
    without_model = {
        "length": lambda: length(texts.byte_counts),
        "bag_of_words": lambda: bag_of_words(texts.token_ids),
    }
    facts = texts.doc_ids, texts.labels, texts.sources, texts.left_out, texts.n
    means, distances, layer_means = {}, {}, {}
    if not len(texts):
        return Sentences(*facts, means, distances)
    for draw, states in enumerate(draws):
        passing = LayerMeans(states, texts)
        for layer, Z in layers_of_texts(passing, texts, set(layers.values())):
            of_layer = _of_layer(Z, names)
            for depth in (depth for depth in layers if layers[depth] == layer):
                means[draw, depth] = Z.mean(axis=1, dtype=np.float64).astype(np.float32)
                distances |= {(draw, depth, *key): values for key, values in of_layer.items()}
        layer_means |= {(draw, *key): rows for key, rows in passing.complete().items()}
    distances |= {(0, "", "", name): without_model[name]() for name in BASELINES if name in names}
    return Sentences(*facts, means, distances, layer_means)


class LayerMeans:
    """The mean states of the texts at every layer that passes by, with the first token and without.

    Called, it gives the states on as they come.

    Parameters
    ----------
    states : callable
        See `layers_of_texts`.
    texts : SampledTexts
    """

    def __init__(self, states: States, texts: SampledTexts):
        self.states, self.n = states, texts.n
        self.place = {text: row for row, text in enumerate(texts.index.tolist())}
        self.doc_ids = dict(zip(texts.index.tolist(), texts.doc_ids, strict=True))
        self.means: dict[tuple[str, str], np.ndarray] = {}

    def __call__(self) -> Iterator[tuple[int, str, np.ndarray]]:
        for text, layer, Z in self.states():
            if text in self.place and len(Z) >= self.n:
                for first, rows in zip(FIRST, (Z[: self.n], Z[1 : self.n]), strict=True):
                    if (layer, first) not in self.means:
                        shape = len(self.place), Z.shape[1]
                        self.means[layer, first] = np.full(shape, np.nan, np.float32)
                    mean = rows.mean(axis=0, dtype=np.float64)
                    if not np.isfinite(mean).all():
                        check_finite(Z[: self.n], f"text {self.doc_ids[text]!r}, layer {layer}")
                    self.means[layer, first][self.place[text]] = mean
            yield text, layer, Z

    def complete(self) -> dict[tuple[str, str], np.ndarray]:
        """(layer, first) → means (m, d) of the layers at which every text has one."""
        return {key: rows for key, rows in self.means.items() if np.isfinite(rows).all()}


def _of_layer(Z, names) -> dict[tuple[str, str], np.ndarray]:
    """The distances between texts Z (m, n, d) by (first, name), in the order of DISTANCES."""
    measured = {
        first: [name for name in (DISTANCES if first == "in" else CHEAPER) if name in names]
        for first in FIRST
    }
    kinds = {
        (convention, first): [
            kind for kind in ("js", "bures") if f"{kind}_{convention}" in measured[first]
        ]
        for convention in CONVENTIONS
        for first in FIRST
    }
    of_layer = {
        (first, f"{kind}_{convention}"): np.sqrt(distance) if kind == "js" else distance
        for (kind, convention, first), distance in covariance_distances(Z, kinds).items()
    }
    for first, rows in (("in", Z), ("out", Z[:, 1:])):
        of_means = mean_distances(rows.mean(axis=1, dtype=np.float64))
        of_layer |= {(first, name): distance for name, distance in of_means.items()}
    return {(first, name): of_layer[first, name] for first in FIRST for name in measured[first]}


def of_store(
    store, sample, *, blocks: int, n: int, depths: list[str], depth_tolerance: float
) -> tuple[SampledTexts, Sentences]:
    """Measure the distances between the sampled texts in the stored states of a model.

    Parameters
    ----------
    store : infogeo.states.store.Store
    sample : pandas.DataFrame
        Why a text is left out.
    blocks : int
        Of the model.
    n : int
        Tokens of a text.
    depths, depth_tolerance
        See `layers_at`.

    Returns
    -------
    SampledTexts, Sentences
        The texts of at least n tokens, and what was measured of them.
    """
    texts = SampledTexts.of(
        store.doc_ids,
        store.labels,
        store.sources,
        store.offsets,
        store.token_ids(),
        store.token_end_byte(),
        sample=sample,
        n=n,
        nested=store.nested,
    )
    layers = layers_at(depths, blocks, store.layers, depth_tolerance)
    names = [layer for layer in store.layers if layer in layers.values()]
    others = [layer for layer in store.layers if layer not in names]

    def states():
        yield from store.states(names)
        for layer in others:
            yield from ((text, layer, store.read(text, layer)) for text in texts.index.tolist())

    return texts, measure(texts, [states], layers)
