"""Every metric, and every token's information gain, of hidden states in memory.

The functions are those of the workflow; here arrays are taken apart and put side by side.
"""

import os
from collections.abc import Sequence

import numpy as np

from infogeo.door.arrays import Texts, layers_of, to_numpy
from infogeo.files.errors import InfogeoError
from infogeo.geometry import information_gain
from infogeo.geometry.corpus_spectra import (
    Documents,
    TextSpectra,
    assembled,
    spectra_of_layer,
)
from infogeo.geometry.entropy import of_layer
from infogeo.geometry.metrics import CONVENTIONS, regularisers
from infogeo.jobs.threads import side_by_side
from infogeo.sentences.distances import distance_of_two

# As in config/config.yaml.
EPS2 = (0.01, 0.1, 0.5, 1.0)
LAMBDAS = (0.01, 0.1, 1.0)
# float64 rows of the texts that a thread treats together. Of half as many, threads wait for each
# other (1.45 times the time at n = 128, d = 2048).
STACK_BYTES = 2**23


def measure(Z, *, n=None, mask=None, doc_ids=None, corpus=False, eps2=EPS2, lambdas=LAMBDAS,
            orders=(), threads=None):  # fmt: skip
    """Every metric of the geometry of hidden states, in every convention.

    Parameters
    ----------
    Z : array, sequence of arrays, or dict of str to these
        Hidden states, a row a token: one matrix (n, d), a sequence of matrices (texts of any
        length), or a batch (texts, n, d). Layers: a dict of these by name, or a sequence of
        batches, named by their place. NumPy or torch, on any device, in any float type; rows are
        cast to float64 before any product.
    n : int or sequence of int, optional
        Numbers of first tokens at which a text is measured. A text with fewer has no row at that
        n. Default: each text as long as it is; only texts of one n are comparable.
    mask : array (texts, n), optional
        Which tokens of a padded batch count, such as the attention mask of a tokenizer.
    doc_ids : sequence of str, optional
        Names of the texts. Default: "0", "1", ….
    corpus : bool
        Whether to measure the texts together too: scopes ``tokens`` (all rows of all texts),
        ``means`` and ``last`` (a row a text, its mean or its last token). The last two are taken
        without scaling too (conventions ``raw`` and ``raw_centred``: RankMe, α, stable rank, top
        shares). Takes d × d products where rows outnumber d, and one thread.
    eps2 : sequence of float
        ε² of the coding rates.
    lambdas : sequence of float
        λ of the mean gains.
    orders : sequence of float
        Orders of further Rényi entropies and Schatten norms.
    threads : int, optional
        Texts that are measured side by side, each in one thread. Default: all processors. The
        number changes no bit of a value.

    Returns
    -------
    pandas.DataFrame
        The long form of the workflow's ``results/entropy``, a row a value: doc_id, source (empty),
        scope (``text``), layer, convention, first, n, metric, value.
        Entropies and coding rates in nats.

    Raises
    ------
    InfogeoError
        Where shapes do not fit, a value is not finite, or a text is too short.

    Notes
    -----
    Definitions and sources: `infogeo.geometry.entropy` and docs/library.md. Beside Z it holds a few
    texts in float64 for each thread, and the eigenvalues.

    Verified against the tables of the workflow (equal to the last bit).

    Examples
    --------
    >>> import numpy as np, infogeo
    >>> table = infogeo.measure(np.eye(4, 8))
    >>> unit = table.query("convention == 'unit' and first == 'in'")
    >>> rank = unit[unit.metric == "effective_rank"].value
    >>> round(float(rank.iloc[0]), 9)
    4.0
    """
    import pandas as pd

    _check_above_0(eps2=eps2, lambdas=lambdas, orders=orders)
    _check_threads(threads)
    if 1 in orders:
        raise InfogeoError("orders: 1 is the entropy, which is always measured. Leave it out.")
    layers = layers_of(Z, mask)
    first = next(iter(layers.values()))
    names = _names(doc_ids, first.lengths)
    groups = _documents(names, first.lengths, n)
    frames = []
    with side_by_side(threads or processors()) as each:
        for layer, texts in layers.items():
            for documents in groups:
                if corpus:
                    spectra = _spectra_of_corpus(layer, texts, documents)
                else:
                    spectra = _spectra(layer, texts, documents, each)
                frames.append(of_layer(spectra, documents, eps2, lambdas, orders))
    return pd.concat(frames, ignore_index=True)


def gains(Z, *, mask=None, doc_ids=None, lambdas=LAMBDAS, eps2: Sequence[float] = (), threads=None):
    """Information gain of every token given the tokens before it.

    ``gain_i = ln det(I + G_i/λ) − ln det(I + G_{i−1}/λ) = ln(1 + ρ_i/λ)``. G_i is the Gram matrix
    of the first i rows, scaled to unit norm. ρ_i is the optimum of ridge regression of row i on
    those before it (arXiv 2402.03471).

    Parameters
    ----------
    Z, mask, doc_ids, threads
        As in `measure`.
    lambdas : sequence of float
        λ > 0 of the ridge.
    eps2 : sequence of float
        ε² of further ones that are tied to the coding rate, λ = n ε²/d.

    Returns
    -------
    pandas.DataFrame
        doc_id, layer, position (from 1), regulariser, lam, gain (nats, ≥ 0), rho (in [0, 1]).

    Raises
    ------
    InfogeoError
        Where shapes do not fit, a value is not finite, or λ is too small for float64.

    Notes
    -----
    See `infogeo.geometry.information_gain`, which computes them.
    """
    import pandas as pd

    _check_above_0(eps2=eps2, lambdas=lambdas)
    _check_threads(threads)
    layers = layers_of(Z, mask)
    lengths = next(iter(layers.values())).lengths
    names = _names(doc_ids, lengths)
    if not lengths.all():
        raise InfogeoError(f"text {names[lengths.argmin()]!r} has no token. Leave it out.")

    def of_text(job):
        layer, text = job
        layers[layer].check([text], names)
        states = layers[layer].read(text)
        chosen = regularisers(lambdas, eps2, *states.shape)
        gain, rho = information_gain.gains(states, [lam for _, lam in chosen])
        count = len(states)
        return pd.DataFrame(
            {
                "doc_id": names[text],
                "layer": layer,
                "position": np.tile(np.arange(1, count + 1), len(chosen)),
                "regulariser": np.repeat([name for name, _ in chosen], count),
                "lam": np.repeat([lam for _, lam in chosen], count),
                "gain": gain.ravel(),
                "rho": rho.ravel(),
            }
        )

    jobs = [(layer, text) for layer in layers for text in range(len(names))]
    with side_by_side(threads or processors()) as each:
        return pd.concat(each(of_text, jobs), ignore_index=True)


def divergence(Z1, Z2, *, kind: str = "js", convention: str = "centred") -> float:
    """How far apart the covariances of two texts are.

    Parameters
    ----------
    Z1, Z2 : arrays (n, d) and (m, d)
        Hidden states of two texts, a row a token; NumPy or torch as in `measure`.
    kind : {"js", "bures"}
        ``js``: the quantum Jensen–Shannon divergence ``S((ρ₁ + ρ₂)/2) − (S(ρ₁) + S(ρ₂))/2``, nats,
        in [0, ln 2], of the density matrices ``ρ = ẐᵀẐ/n`` (Majtey, Lamberti and Prato 2005); its
        root is a distance. ``bures``: the Bures distance ``√(2 − 2 tr √(√ρ₁ ρ₂ √ρ₁))``, in [0, √2]
        (Bhatia, Jain and Lim 2019).
    convention : {"centred", "unit"}
        Rows scaled to unit norm after their mean is removed, or as they are. Only the centred one
        knows nothing of the mean.

    Returns
    -------
    float

    Raises
    ------
    InfogeoError
        Where shapes do not fit or a value is not finite.

    Notes
    -----
    `infogeo.sentences.distances.jensen_shannon` and `bures` take all pairs of many texts at once.
    """
    if kind not in ("js", "bures") or convention not in CONVENTIONS:
        raise InfogeoError(
            f"kind {kind!r} in convention {convention!r}: kinds are 'js' and 'bures', conventions "
            f"{' and '.join(map(repr, CONVENTIONS))}."
        )
    one, other = (to_numpy(Z) for Z in (Z1, Z2))
    if (
        one.ndim != 2
        or other.ndim != 2
        or one.shape[1] != other.shape[1]
        or 0 in one.shape + other.shape
    ):
        raise InfogeoError(
            f"states of shapes {one.shape} and {other.shape}: a divergence is between two matrices "
            "(n, d) and (m, d) of one width d, each of at least one token."
        )
    return distance_of_two(one, other, convention, kind)


def processors() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _check_above_0(**parameters) -> None:
    """Refuse parameters of metrics that are no list of finite numbers above 0."""
    for name, values in parameters.items():
        array = np.asarray(values)
        if array.ndim != 1 or (
            array.size and not (array.dtype.kind in "fiu" and np.isfinite(array).all()
                                and array.min() > 0)
        ):  # fmt: skip
            raise InfogeoError(f"{name}: {values!r} must be a list of finite numbers above 0.")


def _check_threads(threads) -> None:
    if threads is not None and threads < 1:
        raise InfogeoError(f"threads: {threads}; at least 1 is needed, None takes all processors.")


def _names(doc_ids, lengths) -> list[str]:
    names = [str(place) for place in range(len(lengths))]
    if doc_ids is not None:
        names = [str(name) for name in doc_ids]
    if len(names) != len(lengths) or len(set(names)) != len(names):
        raise InfogeoError(
            f"doc_ids: {len(names)} names, {len(set(names))} of them different, for {len(lengths)} "
            "texts. Give each text a name of its own."
        )
    return names


def _documents(names, lengths, n) -> list[Documents]:
    """The texts that are measured together at the same prefixes."""
    shortest = int(lengths.argmin())
    if n is None:
        if lengths[shortest] < 2:
            raise InfogeoError(
                f"text {names[shortest]!r} has {lengths[shortest]} token(s): a spectrum needs at "
                "least 2. Leave it out, or name the n at which texts are measured."
            )
        return [
            Documents(names, [""] * len(names), {int(of): np.flatnonzero(lengths == of)})
            for of in np.unique(lengths)
        ]
    prefixes = np.unique(n).tolist()
    whole = bool(prefixes) and all(isinstance(of, int) for of in prefixes)
    if not whole or prefixes[0] < 2 or prefixes[-1] > lengths.max():
        raise InfogeoError(
            f"n: {prefixes}; give whole numbers from 2 to {lengths.max()}, the tokens of the "
            "longest text."
        )
    return [Documents.of(names, [""] * len(names), lengths, prefixes)]


def _longest(documents: Documents) -> dict[int, int]:
    """The longest prefix of each text that has one, by text."""
    longest = {int(text): n for n, chosen in documents.texts.items() for text in chosen}
    return dict(sorted(longest.items()))


def _spectra(layer: str, texts: Texts, documents: Documents, each):
    """The spectra of the texts of a layer, some texts in each thread."""
    of_texts = TextSpectra(documents.texts, texts.width)
    longest = _longest(documents)
    stacks = []
    for n in documents.texts:
        together = [text for text, of in longest.items() if of == n]
        size = max(1, STACK_BYTES // (8 * n * texts.width))
        stacks += [(n, together[i : i + size]) for i in range(0, len(together), size)]

    def add(stack):
        n, chosen = stack
        try:
            of_texts.add(chosen, texts.stack(chosen, n))
        except InfogeoError:
            texts.check(chosen, documents.doc_ids)  # says which text it was
            raise

    for _ in each(add, stacks):
        pass  # an error of a thread is raised here
    return assembled(layer, texts.width, of_texts.spectra, of_texts.norms, {})


def _spectra_of_corpus(layer: str, texts: Texts, documents: Documents):
    """The spectra of the texts of a layer, and of all together."""
    longest = _longest(documents)

    def states():
        for text, n in longest.items():
            yield text, layer, texts.read(text)[:n]

    try:
        return spectra_of_layer(states, documents)
    except InfogeoError:
        texts.check(longest, documents.doc_ids)  # says which text it was
        raise
