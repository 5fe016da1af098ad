"""Spectra of hidden states: one Gram matrix per text and layer, from which every entropy follows.

A spectrum is that of the covariance ``Σ = ẐᵀẐ/n`` of the normalised rows ``Ẑ`` (a row a token).
``K = ẐẐᵀ/n`` has the same non-zero eigenvalues, and for n tokens in d > n dimensions it is the
small one of the two; the d × d covariance and its SVD are never formed.

Two conventions: ``unit`` (each row scaled to unit norm) and ``centred`` (the mean over the tokens
removed, then each row scaled to unit norm). Three scopes: ``text`` (the tokens of one text),
``tokens`` (all tokens of all texts) and ``means`` (the mean state of every text).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from infogeo.files import hdf5
from infogeo.files.artefacts import replacing
from infogeo.files.errors import InfogeoError
from infogeo.geometry.metrics import CONVENTIONS, SCOPES
from infogeo.geometry.rows import ROUNDING, ZERO, check_finite

# Beyond this ratio of squared norms the centred Gram is formed from centred rows. At 1e6 entropies
# of low rank are off by 6e-9, at 1e4 by less than 1e-10.
CANCELLATION = 1e4

BATCH_BYTES = 2**23  # float64 rows of the texts that are treated together; they fit the cache
BLOCK_ROWS = 2048  # rows collected before they enter a d × d covariance in one product

FORMAT = hdf5.Format("infogeo spectra", 1, "file of spectra")

States = Callable[[], Iterator[tuple[int, str, np.ndarray]]]


@dataclass(frozen=True)
class Documents:
    """Which texts there are, and which of them are long enough for each prefix.

    Attributes
    ----------
    doc_ids, sources : list of str
        Name of each text, and of the module or document that it comes from.
    texts : dict of int to ndarray of int32
        For each prefix length n, in ascending order, the indices of the texts with ≥ n tokens.
    """

    doc_ids: list[str]
    sources: list[str]
    texts: dict[int, np.ndarray]

    @classmethod
    def of(cls, doc_ids, sources, lengths, prefixes) -> "Documents":
        """Sort out which texts are long enough.

        Parameters
        ----------
        doc_ids, sources : sequence of str
        lengths : array of int (texts,)
            Number of tokens of each text.
        prefixes : iterable of int
            The numbers of tokens n at which spectra are taken.

        Raises
        ------
        InfogeoError
            Where no text at all has n tokens.
        """
        lengths = np.asarray(lengths)
        texts = {}
        for n in sorted(prefixes):
            texts[n] = np.flatnonzero(lengths >= n).astype(np.int32)
            if not texts[n].size:
                raise InfogeoError(
                    f"spectra.n: {n} tokens are asked for, but the longest of the "
                    f"{lengths.size} texts has {lengths.max(initial=0)}. Use longer texts (or "
                    "dump more tokens of each), or a smaller n."
                )
        return cls(list(doc_ids), list(sources), texts)


@dataclass(frozen=True)
class Tokens:
    """What a model says of each token of all texts, one text after the other (T tokens).

    Attributes
    ----------
    offsets : array of int64 (texts + 1,)
        Where each text begins.
    nll, predictive_entropy : array of float32 (T,)
        Of the token given the earlier ones of its text, nats; NaN at the first.
    token_end_byte : array of int32 (T,)
        UTF-8 byte offset in the text where the token ends.
    """

    offsets: np.ndarray
    nll: np.ndarray
    predictive_entropy: np.ndarray
    token_end_byte: np.ndarray


@dataclass(frozen=True)
class Spectrum:
    """Spectra of one scope, layer, convention and n.

    Attributes
    ----------
    eigenvalues : ndarray of float64 (k, min(rows, d))
        Descending, non-negative, sum 1 (0 where every row is a zero row). k is the number of
        texts that are long enough in scope ``text``, in their order, and 1 in the others.
    zero_rows : ndarray of int32 (k,)
        Rows without a direction, left out.
    rows : int
        Rows of one such matrix before any is left out: n, the number of tokens, or of texts.
    """

    eigenvalues: np.ndarray
    zero_rows: np.ndarray
    rows: int


@dataclass(frozen=True)
class LayerSpectra:
    """All spectra of one layer of width d, by (scope, convention, n)."""

    layer: str
    width: int
    spectra: dict[tuple[str, str, int], Spectrum]


def text_spectra(Z, lengths, where: str = "hidden states") -> dict:
    """Spectra of the nested prefixes of a text, or of a stack of texts, in both conventions.

    Parameters
    ----------
    Z : array (..., n, d)
        Hidden states, a row a token; cast to float64 before any product.
    lengths : iterable of int
        Prefix lengths; those beyond n are left out.
    where : str
        What Z is, for the error message: a text and a layer.

    Returns
    -------
    dict
        (convention, length) → (eigenvalues float64 (..., r), zero_rows int32 (...)), where
        r = min(length, d) and the eigenvalues of ``ẐᵀẐ/n`` descend. Rows whose squared norm is at
        most 10⁻¹² of the largest (in that convention) are zero rows: left out and counted.

    Raises
    ------
    InfogeoError
        Where Z holds a value that is not finite.

    Notes
    -----
    Prefixes of at most d tokens are leading blocks of one Gram ``G = ZZᵀ``; the centred Gram is
    G minus its row and column means, unless cancellation would bite (max G_ii > 10⁴ × the
    smallest centred diagonal), where it is formed from centred rows. Prefixes of more than d
    tokens take one d × d product for each convention.

    Verified against the direct d × d covariance in float64: every entropy to 1e-9 relative on
    random states, low rank, float32 states with a large common mean, and n below, at and above d.
    """
    Z = np.asarray(Z)
    check_finite(Z, where)
    width = Z.shape[-1]
    lengths = [n for n in lengths if n <= Z.shape[-2]]
    if not lengths:
        return {}
    Z = Z[..., : max(lengths), :].astype(np.float64, copy=False)  # (..., n, d)
    wide = Z[..., : max((n for n in lengths if n <= width), default=0), :]
    gram = wide @ wide.swapaxes(-1, -2)  # (..., n, n)
    spectra = {}
    for n in lengths:
        if n <= width:
            G = gram[..., :n, :n]
            matrices = _from_gram(G), _centred_from_gram(G, Z)
        else:
            matrices = _covariance(*_unit(Z[..., :n, :])), _covariance(*_centred(Z[..., :n, :]))
        for convention, (K, zero_rows) in zip(CONVENTIONS, matrices, strict=True):
            spectra[convention, n] = _eigenvalues(K), zero_rows
    return spectra


def _scales(squares, floor=0.0):
    """Factors that make rows of these squared norms (..., n) a matrix whose Gram has trace 1.

    Returns (scale (..., n), zero_rows (...)); the scale of a zero row is 0.
    """
    largest = squares.max(axis=-1, keepdims=True)
    kept = squares > np.maximum(ZERO * largest, floor)
    count = kept.sum(axis=-1, keepdims=True)
    weights = np.where(kept, squares, 1.0) * np.maximum(count, 1)
    return kept / np.sqrt(weights), (kept.shape[-1] - count[..., 0]).astype(np.int32)


def _from_gram(gram, floor=0.0):
    """K (..., n, n) of trace 1 from a Gram matrix of rows that are not yet scaled."""
    scale, zero_rows = _scales(np.diagonal(gram, axis1=-2, axis2=-1), floor)
    K = scale[..., :, None] * scale[..., None, :]
    K *= gram
    return K, zero_rows


def _centred_from_gram(gram, Z):
    """K of the centred rows from the Gram (..., n, n) of the first n rows of Z (..., m, d)."""
    n = gram.shape[-1]
    means = gram.mean(axis=-1)  # (..., n)
    centred = gram - means[..., :, None]
    centred -= means[..., None, :]
    centred += means.mean(axis=-1)[..., None, None]
    largest = np.diagonal(gram, axis1=-2, axis2=-1).max(axis=-1)
    smallest = np.diagonal(centred, axis1=-2, axis2=-1).min(axis=-1)
    for index in map(tuple, np.argwhere(largest > CANCELLATION * smallest)):
        Y = Z[index][:n]
        Y = Y - Y.mean(axis=0)
        centred[index] = Y @ Y.T
    return _from_gram(centred, ROUNDING * largest[..., None])


def _squares(Z):
    """Squared norms (..., n) of the rows of Z (..., n, d)."""
    return np.einsum("...d,...d->...", Z, Z)


def _unit(Z):
    """Rows of Z (..., n, d), scaled so that their Gram has trace 1, and the zero rows."""
    scale, zero_rows = _scales(_squares(Z))
    return Z * scale[..., None], zero_rows


def _centred(Z):
    """Rows of Z (..., n, d) without their mean, scaled likewise, and the zero rows."""
    Y = Z - Z.mean(axis=-2, keepdims=True)
    floor = ROUNDING * _squares(Z).max(axis=-1, keepdims=True)
    scale, zero_rows = _scales(_squares(Y), floor)
    return Y * scale[..., None], zero_rows


def _covariance(rows, zero_rows):
    """The d × d product of scaled rows (..., n, d)."""
    return rows.swapaxes(-1, -2) @ rows, zero_rows


def _eigenvalues(K):
    """Eigenvalues of K (..., r, r), descending; below 0 by rounding alone, so clipped there."""
    return np.maximum(np.linalg.eigvalsh(K)[..., ::-1], 0.0)


class _Covariance:
    """The spectrum of many rows of width d, streamed, in O(d²) memory.

    At most `rows` rows come. Where they fit, they are kept and their Gram is taken; else they
    enter a d × d covariance in blocks.
    """

    def __init__(self, rows: int, width: int):
        self.rows, self.width = rows, width
        self.total = None if rows <= width else np.zeros((width, width))
        self.block = np.empty((rows if rows <= width else min(rows, BLOCK_ROWS), width))
        self.filled = self.kept = 0

    def add(self, rows, squares, threshold) -> None:
        """Add rows (k, d) scaled to unit norm; those of squared norm ≤ threshold are left out."""
        kept = squares > threshold
        rows = rows[kept] / np.sqrt(squares[kept])[:, None]
        self.kept += len(rows)
        while len(rows):
            taken = min(len(rows), len(self.block) - self.filled)
            self.block[self.filled : self.filled + taken] = rows[:taken]
            self.filled += taken
            rows = rows[taken:]
            if self.total is not None and self.filled == len(self.block):
                self._empty()

    def _empty(self) -> None:
        block = self.block[: self.filled]
        self.total += block.T @ block
        self.filled = 0

    def spectrum(self) -> Spectrum:
        if self.total is None:
            # Rows left out stand as zeros, so that the length is that of the other spectra.
            self.block[self.filled :] = 0.0
            K = self.block @ self.block.T
        else:
            self._empty()
            K = self.total
        K /= max(self.kept, 1)
        zero_rows = np.array([self.rows - self.kept], np.int32)
        return Spectrum(_eigenvalues(K)[None], zero_rows, self.rows)

    def merge(self, other: "_Covariance") -> None:
        """Take what another one has gathered of the same corpus."""
        block = other.block[: other.filled]
        if self.total is None:
            self.block[self.filled : self.filled + len(block)] = block
            self.filled += len(block)
        else:
            self._empty()
            self.total += other.total
            self.total += block.T @ block
        self.kept += other.kept

    def save(self, group) -> None:
        """Write what was gathered into an HDF5 group."""
        group.attrs["kept"] = self.kept
        hdf5.put_checked(group, "block", self.block[: self.filled])
        if self.total is not None:
            hdf5.put_checked(group, "total", self.total)

    def load(self, group) -> None:
        """Take up what `save` wrote."""
        self.kept, self.filled = int(group.attrs["kept"]), len(group["block"])
        self.block[: self.filled] = group["block"][:]
        if self.total is not None:
            group["total"].read_direct(self.total)


# ---------------------------------------------------------------- one layer, text by text


class Stacks:
    """Texts of a layer that are long enough for the same prefixes, treated together.

    So the cost of small matrices is that of LAPACK.

    Parameters
    ----------
    width : int
    work : callable
        Given the indices of some texts and their states, (texts, n, d) float64.
    """

    def __init__(self, width: int, work: Callable):
        self.width, self.work = width, work
        self.waiting: dict[int, tuple[list[int], np.ndarray]] = {}

    def add(self, text: int, Z: np.ndarray, longest: int) -> None:
        """Take a text that is long enough for a prefix of `longest` tokens, and none longer."""
        texts, stack = self._room(longest)
        stack[len(texts)] = Z[:longest]
        texts.append(text)
        if len(texts) == len(stack):
            self.work(texts, stack)
            texts.clear()

    def _room(self, longest: int) -> tuple[list[int], np.ndarray]:
        if longest not in self.waiting:
            size = max(1, BATCH_BYTES // (longest * self.width * 8))
            self.waiting[longest] = [], np.empty((size, longest, self.width))
        return self.waiting[longest]

    def flush(self) -> None:
        """Treat those that wait."""
        for texts, stack in self.waiting.values():
            if texts:
                self.work(texts, stack[: len(texts)])
        self.waiting = {}

    def save(self, group) -> None:
        """Write the texts that wait into an HDF5 group."""
        for place, (longest, (texts, stack)) in enumerate(self.waiting.items()):
            part = group.create_group(f"{place:04d}")
            part.attrs["longest"] = longest
            hdf5.put_checked(part, "texts", np.array(texts, np.int64))
            # The states came in float32 at most.
            hdf5.put_checked(part, "states", stack[: len(texts)].astype(np.float32))

    def load(self, group) -> None:
        """Take up what `save` wrote."""
        for name in sorted(group):
            part = group[name]
            longest = int(part.attrs["longest"])
            self._room(longest)  # the order of lengths counts, though none of them may wait
            for text, Z in zip(part["texts"][:].tolist(), part["states"][:], strict=True):
                self.add(text, Z, longest)


class TextSpectra:
    """The spectra of the texts of one layer, in both conventions.

    Parameters
    ----------
    texts : dict of int to ndarray of int
        For each n the indices of the texts, rising; see `Documents`.
    width : int

    Attributes
    ----------
    spectra : dict
        (convention, n) → Spectrum, whole once every text was added.
    """

    def __init__(self, texts: dict[int, np.ndarray], width: int):
        self.texts = texts
        self.spectra = {
            (convention, n): Spectrum(
                np.empty((len(chosen), min(n, width))), np.empty(len(chosen), np.int32), n
            )
            for n, chosen in texts.items()
            for convention in CONVENTIONS
        }

    def add(self, texts: list[int], Z: np.ndarray) -> None:
        """Take the texts of a stack (texts, n, d)."""
        prefixes = [n for n in self.texts if n <= Z.shape[1]]
        for (convention, n), (eigenvalues, zero_rows) in text_spectra(Z, prefixes).items():
            spectrum = self.spectra[convention, n]
            places = np.searchsorted(self.texts[n], texts)
            spectrum.eigenvalues[places], spectrum.zero_rows[places] = eigenvalues, zero_rows


class Sums:
    """The sum of all tokens of all texts of one layer, for each prefix n.

    Summed in twice the precision of float64 (Knuth's two-sum), so that neither the order of the
    texts nor their division among workers changes a bit of the mean that follows.

    Attributes
    ----------
    sums : dict of int to (2, d) float64 ndarray
        For each n, the sum rounded to float64 and what the rounding has left out.
    """

    def __init__(self, prefixes, width: int):
        self.sums = {n: np.zeros((2, width)) for n in prefixes}

    def add(self, Z: np.ndarray) -> None:
        """Take the texts of a stack (texts, n, d)."""
        for n in self.sums:
            if n <= Z.shape[1]:
                self.merge(n, Z[:, :n].sum(axis=1))

    def merge(self, n: int, vectors: np.ndarray) -> None:
        """Add vectors (k, d) to the sum of n."""
        total, left_out = self.sums[n]
        for vector in vectors:
            rounded = total + vector
            taken = rounded - total
            left_out += (total - (rounded - taken)) + (vector - taken)
            total[:] = rounded

    def centres(self, texts: dict[int, int]) -> dict[int, np.ndarray]:
        """The mean (d,) over all tokens for each n, from the number of texts of each."""
        return {n: self.sums[n].sum(axis=0) / (n * count) for n, count in texts.items()}


class CorpusSpectra:
    """The spectra of all tokens, and of the mean states, of all texts of one layer.

    Of one convention: `centred` where the mean over all tokens is given, else `unit`. Streamed: for
    each prefix two accumulators of at most d × d.

    Parameters
    ----------
    texts : dict of int to int
        For each n, how many texts there are in all.
    width : int
    centres : dict of int to (d,) ndarray, optional
        See `Sums.centres`.
    """

    def __init__(self, texts: dict[int, int], width: int, centres: dict | None = None):
        self.width, self.centres, self.prefixes = width, centres, list(texts)
        self.datasets = {
            (scope, n): _Covariance(count * (n if scope == "tokens" else 1), width)
            for n, count in texts.items()
            for scope in ("tokens", "means")
        }

    def add(self, Z: np.ndarray) -> None:
        """Take the texts of a stack (texts, n, d)."""
        for n in self.prefixes:
            if n > Z.shape[1]:
                continue
            rows = Z[:, :n]
            means = rows.mean(axis=1)
            if self.centres is not None:
                means = means - self.centres[n]
                rows = rows - self.centres[n]
            squares = _squares(rows)  # (texts, n)
            # A row, or the mean of rows, is judged beside the rows of its own text.
            threshold = np.maximum(
                ZERO * squares.max(axis=-1, keepdims=True),
                ROUNDING * _squares(Z[:, :n]).max(axis=-1, keepdims=True),
            )
            self.datasets["tokens", n].add(
                rows.reshape(-1, self.width),
                squares.reshape(-1),
                np.broadcast_to(threshold, squares.shape).reshape(-1),
            )
            self.datasets["means", n].add(means, _squares(means), threshold[:, 0])

    def spectra(self) -> dict[tuple[str, int], Spectrum]:
        """(scope, n) → Spectrum; what was gathered is used up."""
        return {key: dataset.spectrum() for key, dataset in self.datasets.items()}

    def merge(self, other: "CorpusSpectra") -> None:
        """Take what another one has gathered of other texts of the same corpus."""
        for key, dataset in self.datasets.items():
            dataset.merge(other.datasets[key])

    def save(self, group) -> None:
        """Write what was gathered into an HDF5 group."""
        for (scope, n), dataset in self.datasets.items():
            dataset.save(group.create_group(f"{scope}/{n}"))

    def load(self, group) -> None:
        """Take up what `save` wrote."""
        for (scope, n), dataset in self.datasets.items():
            dataset.load(group[f"{scope}/{n}"])


def corpus_bytes(texts: dict[int, int], width: int) -> int:
    """Bytes that `CorpusSpectra` of both conventions hold at most, and the texts that wait.

    Parameters
    ----------
    texts : dict of int to int
        For each n, how many texts there are in all.
    width : int
    """
    numbers = 0
    for n, count in texts.items():
        for rows in (n * count, count):
            whole = 0 if rows <= width else width
            numbers += 2 * width * (whole + min(rows, max(width - whole, BLOCK_ROWS)))
    return 8 * numbers + sum(max(BATCH_BYTES, 8 * n * width) for n in texts)


class _Layer:
    """What is gathered of one layer while its texts stream by, twice.

    The first pass takes the spectra of the texts, the unit rows and the mean; the second, which
    needs the mean, the centred rows.
    """

    def __init__(self, layer: str, width: int, documents: Documents):
        self.layer, self.width = layer, width
        self.counts = {n: len(texts) for n, texts in documents.texts.items()}
        self.texts = TextSpectra(documents.texts, width)
        self.sums = Sums(documents.texts, width)
        self.corpus = CorpusSpectra(self.counts, width)
        self.stacks = Stacks(width, self._first)
        self.found: dict[tuple[str, str, int], Spectrum] = {}
        self.convention = "unit"

    def _first(self, texts: list[int], Z: np.ndarray) -> None:
        self.texts.add(texts, Z)
        self.sums.add(Z)
        self.corpus.add(Z)

    def _second(self, texts: list[int], Z: np.ndarray) -> None:
        self.corpus.add(Z)

    def end_of_pass(self) -> None:
        """Close a pass."""
        self.stacks.flush()
        for (scope, n), spectrum in self.corpus.spectra().items():
            self.found[scope, self.convention, n] = spectrum
        if self.convention == "unit":
            self.corpus = CorpusSpectra(self.counts, self.width, self.sums.centres(self.counts))
            self.stacks = Stacks(self.width, self._second)
            self.convention = "centred"

    def spectra(self) -> LayerSpectra:
        """Everything, after both passes."""
        return assembled(self.layer, self.width, self.texts.spectra, self.found)


def assembled(layer: str, width: int, of_texts: dict, of_corpus: dict) -> LayerSpectra:
    """The spectra of a layer, in the order in which they are written.

    Parameters
    ----------
    layer : str
    width : int
    of_texts : dict
        (convention, n) → Spectrum
    of_corpus : dict
        (scope, convention, n) → Spectrum
    """
    found = {("text", *key): spectrum for key, spectrum in of_texts.items()}
    return LayerSpectra(layer, width, found | of_corpus)


def compute(states: States, documents: Documents) -> LayerSpectra:
    """Spectra of every text and of the whole corpus at a layer.

    Parameters
    ----------
    states : callable
        Returns a fresh iterator of (text index, layer, Z (n, d)) of one layer, each time in the
        same order. It is called twice, since the centred corpus needs the mean first.
    documents : Documents
        The texts and prefixes. Texts that are too short for every prefix may come and are passed
        over.

    Returns
    -------
    LayerSpectra
        Memory: the eigenvalues of the texts, and for each prefix two accumulators of at most d × d.

    Raises
    ------
    InfogeoError
        Where a state is not finite (naming text and layer), or a text is lacking.

    Notes
    -----
    Zero rows of the corpus scopes are those of squared norm ≤ 10⁻¹² of the largest row of the
    same text in the same convention. Verified against spectra of all rows held in memory.
    """
    # Prefixes ascend, so that the longest of a text is kept.
    longest = {int(index): n for n, texts in documents.texts.items() for index in texts}
    found = None
    for convention in CONVENTIONS:
        layer, arrived = "?", 0
        for index, layer, Z in states():
            if index not in longest:
                continue
            where = f"text {documents.doc_ids[index]!r}, layer {layer}"
            if len(Z) < longest[index]:
                raise InfogeoError(
                    f"{where}: {len(Z)} states, but {longest[index]} tokens were announced. "
                    "Hidden states and list of texts do not belong together."
                )
            if convention == "unit":
                check_finite(Z, where)
            found = found or _Layer(layer, Z.shape[-1], documents)
            found.stacks.add(index, Z, longest[index])
            arrived += 1
        if arrived != len(longest):
            raise InfogeoError(f"layer {layer}: {arrived} of its {len(longest)} texts came.")
        found.end_of_pass()
    return found.spectra()


def write(
    path,
    documents: Documents,
    tokens: Tokens,
    layers: Iterable[LayerSpectra],
    fingerprint: str,
) -> None:
    """Write spectra as HDF5, layer by layer as they come; the same spectra give the same bytes.

    ``/documents/{doc_id,source}``, ``/texts/{n}`` (int32: which texts the rows of n belong to),
    ``/tokens/{offsets,nll,predictive_entropy,token_end_byte}`` (as in the store, so that all
    entropies follow from this file alone), ``/layers`` (their names in order) and
    ``/spectra/{layer}/{convention}/{n}/{scope}/{eigenvalues,zero_rows}`` with attribute ``rows``;
    attribute ``width`` on each layer, ``format``, ``format_version`` and ``fingerprint`` on ``/``.

    Raises
    ------
    InfogeoError
        Where the disk is full.
    """
    with replacing(path) as temporary, hdf5.create(temporary) as file:
        hdf5.stamp(file, FORMAT, fingerprint)
        hdf5.put_strings(file, "documents/doc_id", documents.doc_ids)
        hdf5.put_strings(file, "documents/source", documents.sources)
        for n, texts in documents.texts.items():
            hdf5.put(file, f"texts/{n}", texts)
        for field in fields(Tokens):
            hdf5.put_checked(file, f"tokens/{field.name}", getattr(tokens, field.name))
        names = []
        for spectra in layers:
            names.append(spectra.layer)
            file.create_group(f"spectra/{spectra.layer}").attrs["width"] = spectra.width
            for (scope, convention, n), spectrum in spectra.spectra.items():
                group = file.create_group(f"spectra/{spectra.layer}/{convention}/{n}/{scope}")
                group.attrs["rows"] = spectrum.rows
                hdf5.put_checked(group, "eigenvalues", spectrum.eigenvalues)
                hdf5.put(group, "zero_rows", spectrum.zero_rows)
        hdf5.put_strings(file, "layers", names)


class SpectraFile:
    """Spectra on disk, read layer by layer.

    Attributes
    ----------
    path : Path
    documents : Documents
    tokens : Tokens
    layers : list of str
    """

    def __init__(self, path, expected: str | None = None):
        self.path = Path(path)
        with (
            hdf5.opened(self.path, FORMAT, expected) as file,
            hdf5.reading(self.path, "its list of texts, layers or tokens"),
        ):
            self.layers = list(file["layers"].asstr()[:])
            self.documents = Documents(
                list(file["documents/doc_id"].asstr()[:]),
                list(file["documents/source"].asstr()[:]),
                {n: file[f"texts/{n}"][:] for n in sorted(map(int, file["texts"]))},
            )
            self.tokens = Tokens(*(file[f"tokens/{field.name}"][:] for field in fields(Tokens)))

    def layer(self, name: str) -> LayerSpectra:
        """The spectra of one layer.

        Raises
        ------
        InfogeoError
            Where the file has no such layer, or is damaged.
        """
        if name not in self.layers:
            raise InfogeoError(f"{self.path}: no layer {name!r}; it has {self.layers}.")
        with (
            hdf5.opened(self.path, FORMAT) as file,
            hdf5.reading(self.path, f"spectra/{name}"),
        ):
            group = file[f"spectra/{name}"]
            spectra = {}
            for convention in CONVENTIONS:
                for n in self.documents.texts:
                    for scope in SCOPES:
                        found = group[f"{convention}/{n}/{scope}"]
                        spectra[scope, convention, n] = Spectrum(
                            found["eigenvalues"][:], found["zero_rows"][:], int(found.attrs["rows"])
                        )
            return LayerSpectra(name, int(group.attrs["width"]), spectra)

    def __iter__(self) -> Iterator[LayerSpectra]:
        return map(self.layer, self.layers)


def read(path, expected: str | None = None) -> SpectraFile:
    """Open spectra written by `write`.

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
    return SpectraFile(path, expected)
