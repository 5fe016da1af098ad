"""What stays of hidden states that are not stored: their spectra, gains and sums, by layer.

A reduction is of the texts of one shard at one layer. It holds what `spectra` and
`information_gain` make of each text, bit for bit, and the sums from which the mean over the corpus
follows. What needs that mean first, the spectra of the corpus, sees the states again:
`LayerCorpus`.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass

import h5py
import numpy as np

from infogeo.files import hdf5
from infogeo.geometry.corpus_spectra import CorpusSpectra, Sums, TextSpectra
from infogeo.geometry.device import Device
from infogeo.geometry.dimension_rows import RowChoice, Rows
from infogeo.geometry.information_gain import of_pivots, pivots
from infogeo.geometry.layer_gains import Checks, LayerGains
from infogeo.geometry.metrics import regularisers
from infogeo.geometry.prefixes import counting_at, most_texts
from infogeo.geometry.rows import unit_norm
from infogeo.geometry.spectra import Spectrum
from infogeo.geometry.stacks import Stacks
from infogeo.states.shard_spectra import longest_prefix, name_of, save_text_spectra


@dataclass(frozen=True)
class Reduction:
    """Of the texts of a shard at one layer of width d.

    Attributes
    ----------
    spectra, row_norms : dict
        See `corpus_spectra.TextSpectra`; of the texts of at least n tokens.
    sums : dict of (str, int) to (2, d) float64 ndarray
        See `corpus_spectra.Sums`.
    pivots : (regularisers, texts, n) float64 ndarray
        See `information_gain.pivots`; of the texts of the largest n.
    norms : (texts, n) float64 ndarray
        See `layer_gains.LayerGains`.
    checks : list of dict
        See `layer_gains.Checks`.
    rows : dict of (scope, first, n) → (rows, d) ndarray
        Of which the intrinsic dimension is measured; see `dimension_rows.Rows`.
    """

    spectra: dict[tuple[str, str, int], Spectrum]
    row_norms: dict[tuple[str, int], dict[str, np.ndarray]]
    sums: dict[tuple[str, int], np.ndarray]
    pivots: np.ndarray
    norms: np.ndarray
    checks: list[dict]
    rows: dict[tuple[str, str, int], np.ndarray]

    def save(self, group: h5py.Group) -> None:
        """Write everything into an HDF5 group, with checksums."""
        save_text_spectra(group, self.spectra, self.row_norms)
        # JSON gives back every float64 as it was.
        checks = np.frombuffer(json.dumps(self.checks).encode(), np.uint8)
        gains = {"pivots": self.pivots, "norms": self.norms, "checks": checks}
        hdf5.put_arrays(group, "gains", gains)
        for name, by_key in (("sums", self.sums), ("rows", self.rows)):
            hdf5.put_arrays(group, name, {name_of(key): part for key, part in by_key.items()})


class Reducer:
    """Makes reductions of the shards of a corpus, one layer at a time.

    Parameters
    ----------
    lengths : (texts,) int ndarray
        Tokens of all texts.
    doc_ids : sequence of str
    prefixes : list of int
        The n of the spectra; gains are taken at the largest.
    lambdas, eps2 : lists of float
        See `regularisers`.
    seed : int
        Of the sample of tokens that are checked.
    choice : RowChoice
        The rows of which the intrinsic dimension is measured.
    nested : bool
        See `corpus_spectra.Documents`.
    checked : bool
        Whether gains of sampled tokens are computed in other ways too.
    """

    def __init__(
        self,
        lengths,
        doc_ids,
        prefixes,
        lambdas,
        eps2,
        seed: int,
        choice: RowChoice,
        nested: bool,
        checked: bool = True,
    ):
        self.lengths, self.doc_ids, self.prefixes = np.asarray(lengths), doc_ids, sorted(prefixes)
        self.nested, self.checked = nested, checked
        self.lambdas, self.eps2, self.seed, self.choice = lambdas, eps2, seed, choice
        self.most = most_texts(self.prefixes, self.lengths, nested)
        self.whole = np.flatnonzero(self.lengths == self.prefixes[-1])
        self.whole_ids = [doc_ids[text] for text in self.whole]
        self.checks: dict[str, Checks] = {}

    def reduce(self, layer: str, width: int, shard: range, states: Iterable) -> Reduction:
        """Reduce the states of the texts of a shard at one layer.

        Layers may be reduced at the same time, in several threads; shards may not.

        Parameters
        ----------
        layer : str
        width : int
        shard : range
            Of texts.
        states : iterable of (int, (n, d) float32 ndarray)
            Each text of the shard, in order; finite, as `batches.Rows` has seen to.
        """
        lengths, n = self.lengths[shard.start : shard.stop], self.prefixes[-1]
        texts = {
            prefix: shard.start + np.flatnonzero(counting_at(prefix, lengths, self.nested))
            for prefix in self.prefixes
        }
        of_texts = TextSpectra(texts, width, self.nested, self.most)
        totals = Sums(self.prefixes, width, self.nested)
        of_width = regularisers(self.lambdas, self.eps2, n, width)
        values = [lam for _, lam in of_width]
        squares = np.empty((len(values), len(texts[n]), n))
        norms = np.empty((len(texts[n]), n))
        first = int(np.searchsorted(self.whole, shard.start))  # the shard's first text of n tokens
        if layer not in self.checks:
            self.checks[layer] = Checks(self.whole_ids, n, self.seed)
        checks = self.checks[layer]

        def work(chosen, Z):
            of_texts.add(chosen, Z)
            totals.add(Z)
            if Z.shape[1] < n:
                return
            rows = unit_norm(Z)
            places = np.searchsorted(texts[n], chosen)
            of_stack = pivots(rows, values, len(self.whole))
            squares[:, places] = of_stack
            norms[places] = np.einsum("tnd,tnd->tn", rows, rows)
            gain, rho = of_pivots(of_stack, values)
            for at, place in enumerate(places.tolist() if self.checked else ()):
                checks.check_text(layer, first + place, of_width, rows[at], gain[:, at], rho[:, at])

        stacks, chosen_rows = Stacks(width, work), Rows(self.choice)
        for text, Z in states:
            chosen_rows.add(text, Z)
            stacks.add(text, Z, longest_prefix(self.prefixes, len(Z)))
        stacks.flush()
        rows, checks.rows = checks.rows, []
        return Reduction(
            of_texts.spectra,
            of_texts.norms,
            totals.sums,
            squares,
            norms,
            rows,
            chosen_rows.joined(),
        )


def sums(groups: Iterable[h5py.Group], prefixes, width: int) -> Sums:
    """Sums over all texts at a layer, likewise."""
    total = Sums(prefixes, width)
    for group in groups:
        part = hdf5.arrays(group, "sums")
        for key in total.sums:
            total.merge(key, part[name_of(key)])
    return total


def layer_gains(groups: Iterable[h5py.Group], layer: str, width: int, of_width: list):
    """Gains of all texts at a layer and their checks (a list of dict), likewise.

    Parameters
    ----------
    groups : iterable of h5py.Group
    layer : str
    width : int
    of_width : list
        The regularisers by name.
    """
    squares, norms, checks = [], [], []
    for group in groups:
        part = hdf5.arrays(group, "gains")
        squares.append(part["pivots"])
        norms.append(part["norms"])
        checks += json.loads(part["checks"].tobytes())
    values = [lam for _, lam in of_width]
    gain, rho = of_pivots(np.concatenate(squares, axis=1), values)
    return LayerGains(layer, width, of_width, gain, rho, np.concatenate(norms)), checks


def chosen_rows(groups: Iterable[h5py.Group], choice: RowChoice) -> dict:
    """The rows of all texts at a layer by scope, first and n, likewise."""
    parts = {key: [] for key in choice.texts}
    for group in groups:
        part = hdf5.arrays(group, "rows")
        for key, of_shards in parts.items():
            of_shards.append(part[name_of(key)])
    return {
        key: np.concatenate([part for part in of_shards if len(part)] or of_shards[:1])
        for key, of_shards in parts.items()
    }


class LayerCorpus:
    """The spectra of the corpus at one layer, about the origin and about the mean.

    Texts come in the order of the corpus, and enter as they do where states are stored: one worker
    that sees them all makes the same bits.

    Parameters
    ----------
    texts : dict of int to int
        For each n, how many texts there are in all.
    width : int
    centres : dict of (str, int) to (d,) float64 ndarray
        See `Sums.centres`.
    nested : bool
        See `corpus_spectra.Documents`.
    device : Device, optional
        Where products are made.
    """

    def __init__(
        self,
        texts: dict[int, int],
        width: int,
        centres: dict,
        nested: bool,
        device: Device | None = None,
    ):
        self.prefixes = sorted(texts)
        corpora = self.corpora = {
            "unit": CorpusSpectra(texts, width, None, nested, device),
            "centred": CorpusSpectra(texts, width, centres, nested, device),
        }

        def work(texts, Z):  # no method: then all of it is free with the last reference to it
            if device:
                Z = device.place(Z)
            for corpus in corpora.values():
                corpus.add(Z)

        self.stacks = Stacks(width, work)

    def add(self, states: Iterable) -> None:
        """Take texts with their states (n, d)."""
        for text, Z in states:
            self.stacks.add(text, Z, longest_prefix(self.prefixes, len(Z)))

    def flush(self) -> None:
        """Take the texts that wait for others, after the last one."""
        self.stacks.flush()

    def merge(self, other: "LayerCorpus") -> None:
        """Take what another one has gathered of other texts of the same corpus."""
        for convention, corpus in self.corpora.items():
            corpus.merge(other.corpora[convention])

    def spectra(self) -> dict[tuple[str, str, str, int], Spectrum]:
        """(scope, convention, first, n) → Spectrum."""
        unit, centred = (corpus.spectra() for corpus in self.corpora.values())
        return unit | centred

    def save(self, group: h5py.Group) -> None:
        """Write what was gathered into an HDF5 group, with checksums."""
        for convention, corpus in self.corpora.items():
            corpus.save(group.create_group(convention))
        self.stacks.save(group.create_group("stacks"))

    def load(self, group: h5py.Group) -> None:
        """Take up what `save` wrote."""
        for convention, corpus in self.corpora.items():
            corpus.load(group[convention])
        self.stacks.load(group["stacks"])
