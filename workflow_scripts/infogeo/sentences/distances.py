"""Distances between whole texts: of their covariances, of their means, and without any model.

Z (m, n, d) holds the first n tokens of m texts. The density matrix of a text is the covariance
``ρ = ẐᵀẐ/n`` of its normalised rows, trace 1, in two conventions: ``unit`` (rows scaled to unit
norm) and ``centred`` (the token mean removed first). The centred one knows nothing of the mean
embedding, so that it alone can show that covariance says more than the mean.

Rows without a direction are left out. A text of which no row is left has ρ = 0: it lies at
JS = ½ ln 2 and Bures distance 1 from every text that has one, and at 0 from its like, which is
what both formulas say of matrices of any trace.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from infogeo.files import hdf5
from infogeo.files.artefacts import replacing
from infogeo.files.errors import InfogeoError
from infogeo.geometry.metrics import CONVENTIONS
from infogeo.geometry.rows import ROUNDING, check_finite, unit_norm
from infogeo.jobs.progress import Heartbeat
from infogeo.sources.documents import Document, select

DISTANCES = (
    "js_unit", "js_centred", "bures_unit", "bures_centred",
    "cosine", "cosine_centred", "euclidean",
)  # fmt: skip
TWIN_DISTANCES = tuple(name for name in DISTANCES if not name.startswith("bures"))
BASELINES = ("length", "bag_of_words")

BLOCK_BYTES = 2**27  # float64 of two blocks of texts, their products and the matrices of a row

FORMAT = hdf5.Format("infogeo sentences", 1, "file of sentences")

States = Callable[[], Iterator[tuple[int, str, np.ndarray]]]


# ---------------------------------------------------------------- which texts


def labelled(corpus, texts_per_label: int, seed: int):
    """Equally many texts of each label that has enough of them.

    Parameters
    ----------
    corpus : pandas.DataFrame
        Columns doc_id (unique), text, label, source; an empty label means none.
    texts_per_label : int
    seed : int
        A hash of seed and text decides, so that more texts or another order change little.

    Returns
    -------
    pandas.DataFrame
        doc_id, label, source of every text of the corpus, in its order, and left_out: empty for
        those that are taken, else ``no label``, ``label too small`` or
        ``beyond texts_per_label``.

    Raises
    ------
    InfogeoError
        Where no text has a label, or fewer than two labels have enough texts.
    """
    counts = corpus["label"][corpus["label"] != ""].value_counts()
    remedy = "or leave label_column empty to go without the sentence study."
    if counts.empty:
        raise InfogeoError(
            f"sentence study: none of the {len(corpus)} texts of the corpus has a label. Set "
            f"label_column in the corpora table, {remedy}"
        )
    large = counts.index[counts >= texts_per_label]
    if len(large) < 2:
        held = ", ".join(f"{name!r}: {counts[name]}" for name in sorted(counts.index))
        raise InfogeoError(
            f"sentences.texts_per_label: two labels with {texts_per_label} texts each are needed, "
            f"and the texts of each label are {held}. Lower sentences.texts_per_label, give more "
            f"texts, {remedy}"
        )
    found = corpus[["doc_id", "label", "source"]].assign(left_out="label too small")
    found.loc[found["label"] == "", "left_out"] = "no label"
    for label in large:
        rows = corpus["label"] == label
        columns = (corpus.loc[rows, name] for name in ("doc_id", "text", "label", "source"))
        documents = [Document(*row) for row in zip(*columns, strict=True)]
        drawn = select(documents, texts_per_label, seed=seed).evaluation
        found.loc[rows, "left_out"] = "beyond texts_per_label"
        found.loc[rows & found["doc_id"].isin([text.doc_id for text in drawn]), "left_out"] = ""
    return found


@dataclass(frozen=True)
class Texts:
    """The texts of the study, cut to their first n tokens.

    Attributes
    ----------
    n : int
    index : (m,) int array
        Their indices among all texts that the states are of.
    doc_ids, labels, sources : lists of str (m,)
    token_ids : (m, n) int array
    byte_counts : (m,) int array
        UTF-8 bytes that the n tokens cover.
    left_out : dict of str to int
        Reason → number of texts.
    """

    n: int
    index: np.ndarray
    doc_ids: list[str]
    labels: list[str]
    sources: list[str]
    token_ids: np.ndarray
    byte_counts: np.ndarray
    left_out: dict[str, int]

    @classmethod
    def of(
        cls,
        doc_ids,
        labels,
        sources,
        offsets,
        token_ids,
        token_end_byte,
        *,
        sample,
        n: int,
    ) -> "Texts":
        """Those of the sample that can be compared with a given tokenizer.

        Parameters
        ----------
        doc_ids, labels, sources : sequences of str (all texts,)
        offsets : (all texts + 1,) int array
        token_ids, token_end_byte : (T,) int arrays
            Of the tokens of all texts, one text after the other; see `infogeo.states.store`.
        sample : pandas.DataFrame
            From `labelled`. Those that are not among all texts were too short to be stored.
        n : int
            Tokens to which texts are cut. Left out, beside what the sample leaves out, are texts
            ``too short`` (fewer than n tokens), of ``one token`` (n times the same one, whose
            states differ by rounding alone) and ``duplicate`` (the n tokens of an earlier text).

        Raises
        ------
        InfogeoError
            Where fewer than two texts are left.
        """
        counts = sample["left_out"].value_counts()
        wanted, seen, index = set(sample["doc_id"][sample["left_out"] == ""]), set(), []
        reasons = {"too short": len(wanted - set(doc_ids)), "one token": 0, "duplicate": 0}
        for text, doc_id in enumerate(doc_ids):
            if doc_id not in wanted:
                continue
            start = offsets[text]
            tokens = tuple(np.asarray(token_ids[start : min(start + n, offsets[text + 1])]))
            if len(tokens) < n:
                reasons["too short"] += 1
            elif len(set(tokens)) == 1:
                reasons["one token"] += 1
            elif tokens in seen:
                reasons["duplicate"] += 1
            else:
                seen.add(tokens)
                index.append(text)
        if len(index) < 2:
            found = ", ".join(f"{reason}: {number}" for reason, number in reasons.items())
            raise InfogeoError(
                f"sentences.n: {len(index)} of {len(wanted)} texts can be compared on their first "
                f"{n} tokens ({found}), and two are needed. Lower sentences.n, or give other texts."
            )
        starts = np.asarray(offsets)[index]
        names = (list(np.array(part, dtype=object)[index]) for part in (doc_ids, labels, sources))
        return cls(
            n,
            np.array(index),
            *names,
            token_ids=np.asarray(token_ids)[starts[:, None] + np.arange(n)],
            byte_counts=np.asarray(token_end_byte)[starts + n - 1],
            left_out={why: int(number) for why, number in counts.items() if why} | reasons,
        )

    def __len__(self):
        return len(self.index)


# ---------------------------------------------------------------- covariances


def jensen_shannon(Z, convention: str) -> np.ndarray:
    """Quantum Jensen–Shannon divergence of the covariances of every two texts.

    ``JS(ρ₁, ρ₂) = S((ρ₁ + ρ₂)/2) − (S(ρ₁) + S(ρ₂))/2`` with ``S(ρ) = −tr ρ ln ρ`` (Majtey,
    Lamberti and Prato 2005, quant-ph/0508138; of the covariances of texts: 2402.03471). √JS is a
    distance (Virosztek 2021, 1910.10447).

    Parameters
    ----------
    Z : (m, n, d) array
        Hidden states of m texts, a row a token; finite, cast to float64 before any product.
    convention : {"unit", "centred"}

    Returns
    -------
    (m, m) float64 array
        Nats, in [0, ln 2] up to rounding (about 1e-15, so √JS to about 3e-8 where it is 0);
        symmetric, the diagonal 0. Clipped at 0.

    Raises
    ------
    InfogeoError
        Where Z holds a value that is not finite.

    Notes
    -----
    Where 2n ≤ d, the non-zero spectrum of the mean of two covariances is that of the 2n × 2n Gram
    matrix of both texts' rows; else it is taken of the d × d mean. Blocks of texts bound the
    memory; their size changes rounding alone.

    Verified against d × d eigendecompositions to 1e-9 for n < d, n > d and n < d < 2n, and against
    scipy's classical Jensen–Shannon distance where covariances commute.
    """
    return _covariance_distances(Z, convention, ("js",))["js"]


def bures(Z, convention: str) -> np.ndarray:
    """Bures distance of the covariances of every two texts.

    ``√(2 − 2F)`` with the fidelity ``F = tr √(√ρ₁ ρ₂ √ρ₁) = ‖Ẑ₁Ẑ₂ᵀ‖_* / √(n₁n₂)`` (Bhatia, Jain
    and Lim 2019, 1712.01504).

    Parameters
    ----------
    Z, convention
        As in `jensen_shannon`.

    Returns
    -------
    (m, m) float64 array
        In [0, √2]; symmetric, the diagonal 0. Near 0 exact to about 3e-8, as any root of a
        difference.

    Raises
    ------
    InfogeoError
        Where Z holds a value that is not finite.

    Notes
    -----
    Verified against the definition by ``scipy.linalg.sqrtm``.
    """
    return _covariance_distances(Z, convention, ("bures",))["bures"]


def _covariance_distances(Z, convention, kinds) -> dict[str, np.ndarray]:
    """JS, Bures distance or both, which then share the product of two blocks of texts."""
    Z = np.asarray(Z)
    check_finite(Z, "hidden states")
    m, n, d = Z.shape
    found = {kind: np.zeros((m, m)) for kind in kinds}
    step = _texts_per_block(n, d)
    starts = range(0, m, step)
    beat, done = Heartbeat(f"distances, {convention}", m * (m - 1) // 2, "pairs"), 0
    if "js" in kinds:
        blocks = (_Block(Z[start : start + step], convention, kinds) for start in starts)
        entropies = np.concatenate([_entropy(block.own) for block in blocks])  # (m,)
    for start in starts:
        left = _Block(Z[start : start + step], convention, kinds)
        for other in starts[start // step :]:
            same = other == start
            right = left if same else _Block(Z[other : other + step], convention, kinds)
            gram = right.products(left)
            for i in range(len(left.rows)):
                first = i + 1 if same else 0
                row, columns = start + i, slice(other + first, other + len(right.rows))
                done += len(right.rows) - first
                cross = None if gram is None else gram[first:, :, i]  # (texts, r, r)
                if "js" in kinds:
                    mean = (entropies[row] + entropies[columns]) / 2
                    found["js"][row, columns] = _mixed_entropy(left, i, right, first, cross) - mean
                if "bures" in kinds:
                    fidelity = np.linalg.svd(cross, compute_uv=False).sum(axis=-1)
                    squares = left.traces[i] + right.traces[first:] - 2 * fidelity
                    found["bures"][row, columns] = np.sqrt(np.maximum(squares, 0))
                beat.update(done)
    return {kind: np.maximum(upper + upper.T, 0) for kind, upper in found.items()}


def _texts_per_block(n: int, d: int) -> int:
    """Texts such that rows take half of BLOCK_BYTES, and products a quarter."""
    numbers = BLOCK_BYTES // (4 * 8)
    return max(1, min(numbers // (n * d), math.isqrt(numbers) // min(n, d)))


class _Block:
    """Some texts: their scaled rows, and the matrices whose spectrum is that of ρ.

    Attributes
    ----------
    rows : (texts, r, d) array
        ``rowsᵀ rows = ρ``; r = n, but d where the product of rows is that of QR factors.
    own : (texts, n, n) or (texts, d, d) array
        The Gram matrix where pairs take the dual form, else ρ.
    traces : (texts,) array
        1, or 0 where no row has a direction.
    """

    def __init__(self, Z, convention, kinds):
        self.rows, self.traces = _scaled(Z, convention)
        n, d = Z.shape[1:]
        self.dual = 2 * n <= d
        self.crossed = self.dual or "bures" in kinds  # whether products of rows are needed
        if "js" in kinds:
            transposed = self.rows.swapaxes(1, 2)
            self.own = self.rows @ transposed if self.dual else transposed @ self.rows
        if self.crossed and d < n:
            self.rows = np.linalg.qr(self.rows, mode="r")  # (texts, d, d), of the same ρ

    def products(self, other):
        """Gram matrix of these rows with those of other texts: (texts, r, others, r)."""
        if not self.crossed:
            return None
        (m, r, d), others = self.rows.shape, len(other.rows)
        gram = self.rows.reshape(m * r, d) @ other.rows.reshape(others * r, d).T
        return gram.reshape(m, r, others, r)


def _scaled(Z, convention):
    """Rows (texts, n, d) that make ρ of trace 1, and that trace, 0 where no row is left."""
    rows, floor = np.asarray(Z, np.float64), 0.0
    if convention == "centred":
        squares = np.einsum("...d,...d->...", rows, rows)
        floor = ROUNDING * squares.max(axis=-1, keepdims=True)
        rows = rows - rows.mean(axis=1, keepdims=True)
    rows = unit_norm(rows, floor)
    count = rows.any(axis=-1).sum(axis=-1)
    rows /= np.sqrt(np.maximum(count, 1))[:, None, None]
    return rows, (count > 0).astype(float)


def _mixed_entropy(left, i, right, first, cross):
    """S((ρ₁ + ρ₂)/2) of text i of one block with those from `first` on of another. (texts,)"""
    if not left.dual:
        return _entropy(left.own[i] + right.own[first:], 0.5)
    n = cross.shape[-1]
    both = np.zeros((len(cross), 2 * n, 2 * n))  # its lower triangle alone is read
    both[:, :n, :n] = left.own[i]
    both[:, n:, :n] = cross
    both[:, n:, n:] = right.own[first:]
    return _entropy(both, 0.5)


def _entropy(matrices, weight=1.0):
    """Von Neumann entropy (...) of symmetric matrices (..., r, r) times a weight, nats."""
    eigenvalues = weight * np.linalg.eigvalsh(matrices)
    # Below 0 by rounding alone; 0 ln 0 = 0.
    logs = np.log(np.where(eigenvalues > 0, eigenvalues, 1.0))
    return -np.sum(eigenvalues * logs, axis=-1)


# ---------------------------------------------------------------- means, and no model


def mean_distances(means) -> dict[str, np.ndarray]:
    """Distances of mean embeddings.

    Parameters
    ----------
    means : (m, d) array
        Finite.

    Returns
    -------
    dict of str to (m, m) float64 array
        ``cosine``: 1 − cosine; ``cosine_centred``: the same after the mean over all texts is
        removed, the usual mend where all embeddings share a direction (Mu and Viswanath 2018,
        1702.01417); ``euclidean``. Symmetric, the diagonal 0. A mean without a direction has
        cosine 0 with every other one.

    Notes
    -----
    Verified against scipy.spatial.distance.
    """
    means = np.asarray(means, np.float64)
    centre = means.mean(axis=0)
    floor = ROUNDING * np.einsum("md,md->m", means, means).max()
    return {
        "cosine": _cosine(unit_norm(means)),
        "cosine_centred": _cosine(unit_norm(means - centre, floor)),
        # Not by a Gram matrix, whose differences cancel where texts are near each other.
        "euclidean": np.stack([np.linalg.norm(means - mean, axis=1) for mean in means]),
    }


def _cosine(rows):
    """1 − cosine of unit rows (m, d), the diagonal 0. (m, m)"""
    distance = np.clip(1 - rows @ rows.T, 0, 2)
    np.fill_diagonal(distance, 0)
    return distance


def bag_of_words(token_ids) -> np.ndarray:
    """1 − cosine of the token counts of texts.

    Parameters
    ----------
    token_ids : (m, n) int array

    Returns
    -------
    (m, m) float64 array
        In [0, 1]; 0 exactly where the counts are proportional, 1 where no token is shared.

    Notes
    -----
    Verified against scikit-learn's cosine_distances of counts.
    """
    from scipy import sparse  # here, since imports of it take longer than all others together

    token_ids = np.asarray(token_ids)
    _, codes = np.unique(token_ids, return_inverse=True)
    text = np.repeat(np.arange(len(token_ids)), token_ids.shape[1])
    counts = sparse.coo_array((np.ones(token_ids.size), (text, codes.ravel()))).tocsr()
    gram = (counts @ counts.T).toarray()  # whole numbers, exact
    squares = np.diagonal(gram)
    return 1 - gram / np.sqrt(squares[:, None] * squares)


def length(byte_counts) -> np.ndarray:
    """|ln b₁ − ln b₂| of the bytes of texts.

    Parameters
    ----------
    byte_counts : (m,) int array

    Returns
    -------
    (m, m) float64 array

    Raises
    ------
    InfogeoError
        Where a text has no byte.
    """
    byte_counts = np.asarray(byte_counts)
    if (byte_counts <= 0).any():
        raise InfogeoError(
            f"sentence study: the tokens of {np.count_nonzero(byte_counts <= 0)} texts cover no "
            "byte of text. Raise sentences.n, or leave such texts out of the corpus."
        )
    logs = np.log(byte_counts)
    return np.abs(logs[:, None] - logs)


def pca(means, components: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Principal components of mean embeddings.

    Parameters
    ----------
    means : (m, d) array
        Finite.
    components : int
        At most min(m, d).

    Returns
    -------
    coordinates : (m, components) float64 array
        The largest loading of each component is positive, so that signs repeat.
    explained : (components,) float64 array
        Shares of the variance; 0 where all means are equal.

    Raises
    ------
    InfogeoError
        Where there are fewer texts or dimensions than components.

    Notes
    -----
    Verified against scikit-learn's PCA, signs included.
    """
    means = np.asarray(means, np.float64)
    if min(means.shape) < components:
        raise InfogeoError(
            f"PCA: {components} components are wanted of {means.shape[0]} texts in "
            f"{means.shape[1]} dimensions. Give more texts."
        )
    U, s, Vt = np.linalg.svd(means - means.mean(axis=0), full_matrices=False)
    U, s, Vt, variance = U[:, :components], s[:components], Vt[:components], (s**2).sum()
    largest = np.abs(Vt).argmax(axis=1)
    signs = np.sign(Vt[np.arange(components), largest])
    return U * s * signs, s**2 / (variance if variance > 0 else 1.0)


# ---------------------------------------------------------------- of a model


@dataclass(frozen=True)
class Sentences:
    """Mean embeddings of texts and distances between texts.

    Attributes
    ----------
    doc_ids, labels, sources : lists of str (m,)
    left_out : dict of str to int
        Reason → number of texts.
    n : int
        Tokens of each text.
    means : dict of (draw, depth) to (m, d) float32 array
        Mean over the n tokens. draw: 0 of a trained model, else that of the twin.
    distances : dict of (draw, depth, name) to (m, m) float64 array
        Symmetric, the diagonal 0. Depth "" where no model is needed.
    """

    doc_ids: list[str]
    labels: list[str]
    sources: list[str]
    left_out: dict[str, int]
    n: int
    means: dict[tuple[int, str], np.ndarray]
    distances: dict[tuple[int, str, str], np.ndarray]


def of_states(states: States, texts: Texts, layers) -> Iterator[tuple[str, np.ndarray]]:
    """The first n tokens of the texts at some layers.

    Parameters
    ----------
    states : callable
        Returns an iterator of (text index, layer, Z (≥ n, d)) in any order; other texts and
        layers are passed over. See `infogeo.states.store.HiddenStates.states`.
    texts : Texts
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
    texts: Texts,
    draws: Iterable[States],
    layers: dict[str, str],
    names=DISTANCES + BASELINES,
) -> Sentences:
    """Every distance between the texts, at every depth and of every draw.

    Parameters
    ----------
    texts : Texts
    draws : iterable of callables
        States of one trained model, or of each of its untrained twins: see `of_states`.
    layers : dict of str to str
        Depth → name of the layer there.
    names : collection of str
        Of DISTANCES and BASELINES. Baselines, which need no model, stand under draw 0 and depth "".

    Raises
    ------
    InfogeoError
        From `of_states` and `length`.
    """
    without_model = {
        "length": lambda: length(texts.byte_counts),
        "bag_of_words": lambda: bag_of_words(texts.token_ids),
    }
    means, distances = {}, {}
    for draw, states in enumerate(draws):
        for layer, Z in of_states(states, texts, set(layers.values())):
            layer_means = Z.mean(axis=1, dtype=np.float64)  # (m, d)
            found = mean_distances(layer_means)
            for convention in CONVENTIONS:
                kinds = [kind for kind in ("js", "bures") if f"{kind}_{convention}" in names]
                for kind, distance in _covariance_distances(Z, convention, kinds).items():
                    root = np.sqrt(distance) if kind == "js" else distance
                    found[f"{kind}_{convention}"] = root
            for depth in (depth for depth in layers if layers[depth] == layer):
                means[draw, depth] = layer_means.astype(np.float32)
                distances |= {
                    (draw, depth, name): found[name] for name in DISTANCES if name in names
                }
    distances |= {(0, "", name): without_model[name]() for name in BASELINES if name in names}
    return Sentences(
        texts.doc_ids, texts.labels, texts.sources, texts.left_out, texts.n, means, distances
    )


# ---------------------------------------------------------------- on disk


def save(path, sentences: Sentences, fingerprint: str) -> None:
    """Write as HDF5, whole or not at all; the same numbers give the same bytes.

    ``/texts/{doc_id,label,source}``, ``/means/{draw}/{depth}``,
    ``/distances/{draw}/{depth}/{name}``, ``/baselines/{name}``; the reasons as attributes of
    ``/left_out``; ``n``, ``format``, ``format_version`` and ``fingerprint`` on ``/``.

    Raises
    ------
    InfogeoError
        Where the disk is full.
    """
    texts = {
        "doc_id": sentences.doc_ids, "label": sentences.labels, "source": sentences.sources
    }  # fmt: skip
    with replacing(path) as temporary, hdf5.create(temporary) as file:
        hdf5.stamp(file, FORMAT, fingerprint)
        file.attrs["n"] = sentences.n
        file.create_group("left_out").attrs.update(sentences.left_out)
        for name, values in texts.items():
            hdf5.put_strings(file, f"texts/{name}", values)
        for (draw, depth), values in sentences.means.items():
            hdf5.put_checked(file, f"means/{draw}/{depth}", values)
        for (draw, depth, name), values in sentences.distances.items():
            place = f"distances/{draw}/{depth}/{name}" if depth else f"baselines/{name}"
            hdf5.put_checked(file, place, values)


def load(path, expected: str | None = None) -> Sentences:
    """Read what `save` wrote.

    Parameters
    ----------
    path : str or Path
    expected : str, optional
        Fingerprint that the file must carry.

    Raises
    ------
    InfogeoError
        Where the file is missing, truncated, something else, or made from other settings.
    """
    with hdf5.opened(path, FORMAT, expected) as file, hdf5.reading(path, "its content"):
        means = {
            (int(draw), depth): dataset[:]
            for draw in sorted(file["means"], key=int)
            for depth, dataset in file["means"][draw].items()
        }
        distances = {}
        for draw, depth in means:
            group = file[f"distances/{draw}/{depth}"]
            distances |= {
                (draw, depth, name): group[name][:] for name in DISTANCES if name in group
            }
        for name in BASELINES:
            if f"baselines/{name}" in file:
                distances[0, "", name] = file[f"baselines/{name}"][:]
        left_out = {reason: int(number) for reason, number in file["left_out"].attrs.items()}
        names = (list(file[f"texts/{name}"].asstr()[:]) for name in ("doc_id", "label", "source"))
        return Sentences(*names, left_out, int(file.attrs["n"]), means, distances)
