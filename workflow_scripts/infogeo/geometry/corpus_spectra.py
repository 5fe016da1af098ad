"""Spectra of all texts of a layer, and of the corpus as a whole, from states that stream by."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from infogeo.files.errors import InfogeoError
from infogeo.geometry.covariance import Covariance, block_rows, spectrum_of
from infogeo.geometry.device import Device, functions_of
from infogeo.geometry.eigenvalues import Waiting
from infogeo.geometry.metrics import CONVENTIONS, FIRST, ONE_ROW, firsts, norm_names
from infogeo.geometry.prefixes import ROWS, counting_at, prefix_sums, segments
from infogeo.geometry.row_norms import row_norms
from infogeo.geometry.rows import ROUNDING, ZERO, check_finite, squared_norms
from infogeo.geometry.spectra import LayerSpectra, Spectrum, text_matrices
from infogeo.geometry.stacks import Stacks, waiting_bytes

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
    nested : bool
        Whether a text counts at every n that it is long enough for; else at its own length alone,
        as texts of an encoder do, which occur once for each n.
    """

    doc_ids: list[str]
    sources: list[str]
    texts: dict[int, np.ndarray]
    nested: bool = True

    @classmethod
    def of(cls, doc_ids, sources, lengths, prefixes, nested: bool = True) -> "Documents":
        """Sort out which texts are long enough.

        Parameters
        ----------
        doc_ids, sources : sequence of str
        lengths : array of int (texts,)
            Number of tokens of each text.
        prefixes : iterable of int
            The numbers of tokens n at which spectra are taken.
        nested : bool

        Raises
        ------
        InfogeoError
            Where no text at all has n tokens.
        """
        lengths = np.asarray(lengths)
        texts = {}
        for n in sorted(prefixes):
            texts[n] = np.flatnonzero(counting_at(n, lengths, nested)).astype(np.int32)
            if not texts[n].size:
                raise InfogeoError(
                    f"spectra.n: {n} tokens are asked for, but the longest of the "
                    f"{lengths.size} texts has {lengths.max(initial=0)}. Use longer texts (or "
                    "dump more tokens of each), or a smaller n."
                )
        return cls(list(doc_ids), list(sources), texts, nested)


class TextSpectra:
    """The spectra of the texts of one layer, and the norms of their rows.

    Parameters
    ----------
    texts : dict of int to ndarray of int
        For each n the indices of the texts, rising; see `Documents`.
    width : int
    nested : bool
        See `Documents`.
    in_all : int, optional
        `most_texts` of the corpus, where these are some of it: it chooses who takes eigenvalues.

    Attributes
    ----------
    spectra : dict
        (convention, first, n) → Spectrum, whole once every text was added.
    norms : dict
        (first, n) → {name: float64 (texts,)}, likewise.
    """

    def __init__(
        self, texts: dict[int, np.ndarray], width: int, nested: bool = True, in_all: int = 0
    ):
        self.texts, self.nested = texts, nested
        in_all = in_all or max(map(len, texts.values()), default=0)
        self.waiting: dict[tuple[int, int], Waiting] = {}  # by order and thread
        self._spectra = {
            (convention, first, n): Spectrum(
                np.empty((len(chosen), min(rows, width))), np.empty(len(chosen), np.int32), rows
            )
            for n, chosen in texts.items()
            for first, rows in (("in", n), ("out", n - 1))
            for convention in CONVENTIONS
        }
        self.counts = Counter()  # matrices of each order, in all
        for spectrum in self._spectra.values():
            self.counts[spectrum.eigenvalues.shape[1]] += in_all
        self.norms = {
            (first, n): {name: np.empty(len(chosen)) for name in norm_names(first)}
            for n, chosen in texts.items()
            for first in FIRST
        }

    def add(self, texts: list[int], Z: np.ndarray) -> None:
        """Take the texts of a stack (texts, n, d)."""
        prefixes = [n for n in self.texts if counting_at(n, Z.shape[1], self.nested)]
        places = {n: np.searchsorted(self.texts[n], texts) for n in prefixes}
        for key, K, zero_rows in text_matrices(Z, prefixes):
            spectrum, at = self._spectra[key], places[key[-1]]
            spectrum.zero_rows[at] = zero_rows
            self._waiting_of(K.shape[-1]).add(K, spectrum.eigenvalues, at)
        for key, norms in row_norms(Z, prefixes).items():
            for name, values in norms.items():
                self.norms[key][name][places[key[-1]]] = values

    def _waiting_of(self, order: int) -> Waiting:
        """What waits of an order in this thread: several may add texts at once."""
        key = order, threading.get_ident()
        if key not in self.waiting:
            self.waiting[key] = Waiting(self.counts, order)
        return self.waiting[key]

    @property
    def spectra(self) -> dict[tuple[str, str, int], Spectrum]:
        """(convention, first, n) → Spectrum, of the texts that were added."""
        for waiting in self.waiting.values():
            waiting.take()
        self.waiting.clear()
        return self._spectra


# ---------------------------------------------------------------- the corpus as a whole


class Sums:
    """The sums of all tokens of all texts of one layer, for each prefix n.

    Summed in twice the precision of float64 (Knuth's two-sum). So neither the order of the texts
    nor their division among workers changes a bit of the mean that follows.

    Attributes
    ----------
    sums : dict of (str, int) to (2, d) float64 ndarray
        For each of `ROWS` and n, the sum rounded to float64 and what the rounding has left out.
    """

    def __init__(self, prefixes, width: int, nested: bool = True):
        self.nested = nested
        self.sums = {(rows, n): np.zeros((2, width)) for n in prefixes for rows in ROWS}

    def add(self, Z: np.ndarray) -> None:
        """Take the texts of a stack (texts, n, d)."""
        prefixes = sorted({n for _, n in self.sums})
        for key, vectors in prefix_sums(Z, prefixes, self.nested).items():
            self.merge(key, vectors)

    def merge(self, key: tuple[str, int], vectors: np.ndarray) -> None:
        """Add vectors (k, d) to a sum."""
        total, left_out = self.sums[key]
        for vector in vectors:
            rounded = total + vector
            taken = rounded - total
            left_out += (total - (rounded - taken)) + (vector - taken)
            total[:] = rounded

    def centres(self, texts: dict[int, int]) -> dict[tuple[str, int], np.ndarray]:
        """The mean (d,) over the tokens of each of `ROWS` and n, from the number of texts of n."""
        return {
            (rows, n): total.sum(axis=0) / (len(range(n)[ROWS[rows](n)]) * texts[n])
            for (rows, n), total in self.sums.items()
        }


class CorpusSpectra:
    """The spectra of all tokens, and of the mean and the last states, of all texts of one layer.

    About the origin (``unit``), or about the mean where the means over the corpus are given
    (``centred``). The mean and the last states are taken without scaling too (``raw`` and
    ``raw_centred``), as most measures of one row a text are defined. Streamed: for each prefix a
    few accumulators of at most d × d.

    Parameters
    ----------
    texts : dict of int to int
        For each n, how many texts there are in all.
    width : int
    centres : dict of (str, int) to (d,) ndarray, optional
        See `Sums.centres`.
    nested : bool
        See `Documents`.
    device : Device, optional
        Where products are made; on the host without it.

    Notes
    -----
    A unit row does not depend on the others, so that every row is summed once: those between two
    prefixes have an accumulator of their own, the first tokens too, and a spectrum joins those of
    its rows. Centred rows depend on them all, since each n has a mean of its own, and so has the
    corpus without its first tokens.
    """

    def __init__(
        self,
        texts: dict[int, int],
        width: int,
        centres: dict | None = None,
        nested: bool = True,
        device: Device | None = None,
    ):
        self.prefixes, self.nested, self.centres = list(texts), nested, centres
        if device and centres is not None:
            self.centres = {key: device.place(centre) for key, centre in centres.items()}
        self.scaled, self.raw = ("unit", "raw") if centres is None else ("centred", "raw_centred")
        self.datasets: dict[tuple, Covariance] = {
            ("tokens", self.scaled, *key): Covariance(rows, width, device=device)
            for key, rows in _token_rows(texts, centres is None, nested).items()
        }
        for n, count in texts.items():
            for scope in ONE_ROW:
                for first in firsts(scope):
                    for name in (self.scaled, self.raw):
                        self.datasets[scope, name, first, n] = Covariance(
                            count, width, raw=name == self.raw, device=device
                        )

    def add(self, Z: np.ndarray) -> None:
        """Take the texts of a stack (texts, n, d), which lies where products are made."""
        norms = squared_norms(Z)  # (texts, n)
        sums = prefix_sums(Z, self.prefixes, self.nested)
        if self.centres is None:
            for start, stop in segments(Z.shape[1], self.prefixes, self.nested):
                # Judged beside the rows of the longest prefix; the first token beside all.
                threshold = ZERO * _largest(norms[:, min(start, 1) :])
                part = slice(start, stop)
                self._add_tokens(
                    (part_name(start, stop), Z.shape[1]), Z[:, part], norms[:, part], threshold
                )
        for n in self.prefixes:
            if counting_at(n, Z.shape[1], self.nested):
                for first, start in (("in", 0), ("out", 1)):
                    mean = sums[first, n] / (n - start)
                    self._add(first, n, Z[:, start:n], norms[:, start:n], mean)

    def _add(self, first: str, n: int, rows, squares, mean) -> None:
        """Take tokens (texts, rows, d) of the prefixes of n, and their means (texts, d)."""
        last = rows[:, -1]
        # A row, or the mean of rows, is judged beside the rows of its own text.
        threshold = ROUNDING * _largest(squares)  # (texts, 1)
        if self.centres is not None:
            rows = rows - self.centres[first, n]
            mean, last = mean - self.centres[first, n], last - self.centres["last", n]
            squares = squared_norms(rows)
        threshold = functions_of(rows).maximum(ZERO * _largest(squares), threshold)
        if self.centres is not None:
            self._add_tokens((first, n), rows, squares, threshold)
        self._add_rows("means", first, n, mean, threshold[:, 0])
        if first == "in":
            self._add_rows("last", "", n, last, threshold[:, 0])

    def _add_tokens(self, key: tuple, rows, squares, threshold) -> None:
        """Add tokens (texts, rows, d)."""
        self.datasets["tokens", self.scaled, *key].add(
            rows.reshape(-1, rows.shape[-1]),
            squares.reshape(-1),
            functions_of(rows).broadcast_to(threshold, squares.shape).reshape(-1),
        )

    def _add_rows(self, scope: str, first: str, n: int, rows, threshold) -> None:
        """Add a row of each text (texts, d)."""
        for convention in (self.scaled, self.raw):
            dataset = self.datasets[scope, convention, first, n]
            dataset.add(rows, squared_norms(rows), threshold)

    def spectra(self) -> dict[tuple[str, str, str, int], Spectrum]:
        """(scope, convention, first, n) → Spectrum."""
        spectra = {}
        for n in self.prefixes:
            for first in FIRST:
                spectra["tokens", self.scaled, first, n] = spectrum_of(*self._tokens(first, n))
            for (scope, convention, first, of_n), dataset in self.datasets.items():
                if of_n == n and scope in ONE_ROW:
                    spectra[scope, convention, first, n] = spectrum_of(dataset)
        return spectra

    def _tokens(self, first: str, n: int) -> list[Covariance]:
        """The accumulators that hold the tokens of n."""
        if self.centres is not None:
            return [self.datasets["tokens", self.scaled, first, n]]
        return [
            self.datasets["tokens", self.scaled, part_name(start, stop), longest]
            for longest in self.prefixes
            if counting_at(n, longest, self.nested)
            for start, stop in segments(longest, self.prefixes, self.nested)
            if stop <= n and (start or first == "in")
        ]

    def merge(self, other: "CorpusSpectra") -> None:
        """Take what another one has gathered of other texts of the same corpus."""
        for key, dataset in self.datasets.items():
            dataset.merge(other.datasets[key])

    def save(self, group) -> None:
        """Write what was gathered into an HDF5 group."""
        for key, dataset in self.datasets.items():
            dataset.save(group.create_group("-".join(map(str, key))))

    def load(self, group) -> None:
        """Take up what `save` wrote."""
        for key, dataset in self.datasets.items():
            dataset.load(group["-".join(map(str, key))])


def _largest(squares):
    """The largest of each text: (texts, n) → (texts, 1)."""
    return functions_of(squares).amax(squares, axis=-1, keepdims=True)


def part_name(start: int, stop: int) -> str:
    """What the tokens between two prefixes are called among the accumulators."""
    return f"{start}-{stop}"


def _token_rows(texts: dict[int, int], unit: bool, nested: bool) -> dict[tuple[str, int], int]:
    """How many tokens each accumulator takes: of unit rows by part and longest prefix of a text.

    Of centred rows by first and n.
    """
    if not unit:
        return {(first, n): texts[n] * (n - (first == "out")) for n in texts for first in FIRST}
    longer = dict(zip(texts, [*texts.values()][1:], strict=False)) if nested else {}
    return {
        (part_name(start, stop), n): (texts[n] - longer.get(n, 0)) * (stop - start)
        for n in texts
        for start, stop in segments(n, texts, nested)
    }


def corpus_bytes(texts: dict[int, int], width: int, nested: bool = True) -> int:
    """Bytes that `CorpusSpectra` of both conventions hold at most, and the texts that wait.

    Parameters
    ----------
    texts : dict of int to int
        For each n, how many texts there are in all; n ascends.
    width : int
    nested : bool
        See `Documents`.
    """
    rows = [count for unit in (True, False) for count in _token_rows(texts, unit, nested).values()]
    for count in texts.values():
        rows += 4 * sum(len(firsts(scope)) for scope in ONE_ROW) * [count]
    numbers = 0
    for count in rows:
        whole = 0 if count <= width else width
        numbers += width * (whole + min(count, max(width - whole, block_rows(width))))
    return 8 * numbers + sum(waiting_bytes(n, width) for n in texts)


# ---------------------------------------------------------------- both, in two passes


class _LayerStream:
    """What is gathered of one layer while its texts stream by, twice.

    The first pass takes the spectra of the texts, the unit rows and the mean; the second, which
    needs the mean, the centred rows.
    """

    def __init__(self, layer: str, width: int, documents: Documents):
        self.layer, self.width = layer, width
        self.counts = {n: len(texts) for n, texts in documents.texts.items()}
        self.nested = documents.nested
        self.texts = TextSpectra(documents.texts, width, self.nested)
        self.sums = Sums(documents.texts, width, self.nested)
        self.corpus = CorpusSpectra(self.counts, width, nested=self.nested)
        self.stacks = Stacks(width, self._first)
        self.of_corpus: dict[tuple[str, str, str, int], Spectrum] = {}

    def _first(self, texts: list[int], Z: np.ndarray) -> None:
        self.texts.add(texts, Z)
        self.sums.add(Z)
        self.corpus.add(Z)

    def _second(self, texts: list[int], Z: np.ndarray) -> None:
        self.corpus.add(Z)

    def end_of_pass(self) -> None:
        """Close a pass."""
        self.stacks.flush()
        self.of_corpus |= self.corpus.spectra()
        if self.corpus.centres is None:
            centres = self.sums.centres(self.counts)
            self.corpus = CorpusSpectra(self.counts, self.width, centres, self.nested)
            self.stacks = Stacks(self.width, self._second)

    def spectra(self) -> LayerSpectra:
        """Everything, after both passes."""
        texts = self.texts
        return assembled(self.layer, self.width, texts.spectra, texts.norms, self.of_corpus)


def assembled(layer: str, width: int, of_texts: dict, norms: dict, of_corpus: dict):
    """The LayerSpectra of a layer, in the order in which they are written.

    Parameters
    ----------
    layer : str
    width : int
    of_texts, norms : dict
        See `TextSpectra`.
    of_corpus : dict
        (scope, convention, first, n) → Spectrum
    """
    in_texts = {("text", *key): spectrum for key, spectrum in of_texts.items()}
    return LayerSpectra(layer, width, in_texts | of_corpus, norms)


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
        Memory: the eigenvalues of the texts, and about half of `corpus_bytes`.

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
