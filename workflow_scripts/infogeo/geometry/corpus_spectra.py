"""Spectra of all texts of a layer, and of the corpus as a whole, from states that stream by."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from infogeo.files import hdf5
from infogeo.files.errors import InfogeoError
from infogeo.geometry.metrics import CONVENTIONS
from infogeo.geometry.rows import ROUNDING, ZERO, check_finite, squared_norms
from infogeo.geometry.spectra import LayerSpectra, Spectrum, eigenvalues_of, text_spectra

BATCH_BYTES = 2**23  # float64 rows of the texts that are treated together; they fit the cache
BLOCK_ROWS = 2048  # rows collected before they enter a d × d covariance in one product

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


# ---------------------------------------------------------------- the corpus as a whole


class _Covariance:
    """The spectrum of many rows of width d, streamed, in O(d²) memory.

    At most `rows` rows come. Where they fit, they are collected and their Gram is taken; else they
    enter a d × d covariance in blocks.
    """

    def __init__(self, rows: int, width: int):
        self.rows, self.width = rows, width
        self.total = None if rows <= width else np.zeros((width, width))
        self.block = np.empty((rows if rows <= width else min(rows, BLOCK_ROWS), width))
        self.filled = self.count = 0

    def add(self, rows, squares, threshold) -> None:
        """Add rows (k, d) scaled to unit norm; those of squared norm ≤ threshold are left out."""
        directed = squares > threshold
        rows = rows[directed] / np.sqrt(squares[directed])[:, None]
        self.count += len(rows)
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
        K /= max(self.count, 1)
        zero_rows = np.array([self.rows - self.count], np.int32)
        return Spectrum(eigenvalues_of(K)[None], zero_rows, self.rows)

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
        self.count += other.count

    def save(self, group) -> None:
        """Write what was gathered into an HDF5 group."""
        group.attrs["kept"] = self.count
        hdf5.put_checked(group, "block", self.block[: self.filled])
        if self.total is not None:
            hdf5.put_checked(group, "total", self.total)

    def load(self, group) -> None:
        """Take up what `save` wrote."""
        self.count, self.filled = int(group.attrs["kept"]), len(group["block"])
        self.block[: self.filled] = group["block"][:]
        if self.total is not None:
            group["total"].read_direct(self.total)


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
            squares = squared_norms(rows)  # (texts, n)
            # A row, or the mean of rows, is judged beside the rows of its own text.
            threshold = np.maximum(
                ZERO * squares.max(axis=-1, keepdims=True),
                ROUNDING * squared_norms(Z[:, :n]).max(axis=-1, keepdims=True),
            )
            self.datasets["tokens", n].add(
                rows.reshape(-1, self.width),
                squares.reshape(-1),
                np.broadcast_to(threshold, squares.shape).reshape(-1),
            )
            self.datasets["means", n].add(means, squared_norms(means), threshold[:, 0])

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


# ---------------------------------------------------------------- both, in two passes


class _LayerStream:
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
        self.of_corpus: dict[tuple[str, str, int], Spectrum] = {}
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
            self.of_corpus[scope, self.convention, n] = spectrum
        if self.convention == "unit":
            self.corpus = CorpusSpectra(self.counts, self.width, self.sums.centres(self.counts))
            self.stacks = Stacks(self.width, self._second)
            self.convention = "centred"

    def spectra(self) -> LayerSpectra:
        """Everything, after both passes."""
        return assembled(self.layer, self.width, self.texts.spectra, self.of_corpus)


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
    in_texts = {("text", *key): spectrum for key, spectrum in of_texts.items()}
    return LayerSpectra(layer, width, in_texts | of_corpus)


def spectra_of_layer(states: States, documents: Documents) -> LayerSpectra:
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
    # Prefixes ascend, so that the longest of a text wins.
    longest = {int(index): n for n, texts in documents.texts.items() for index in texts}
    stream = None
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
            stream = stream or _LayerStream(layer, Z.shape[-1], documents)
            stream.stacks.add(index, Z, longest[index])
            arrived += 1
        if arrived != len(longest):
            raise InfogeoError(f"layer {layer}: {arrived} of its {len(longest)} texts came.")
        stream.end_of_pass()
    return stream.spectra()
