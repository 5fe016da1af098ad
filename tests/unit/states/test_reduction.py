"""Shards are reduced as the whole corpus would be."""

import numpy as np
import pytest

from infogeo.geometry import corpus_spectra, eigenvalues, layer_gains
from infogeo.geometry import matrix_kernels as kernels
from infogeo.geometry.dimension_rows import RowChoice
from infogeo.states import reduction


@pytest.mark.parametrize("nested", [True, False])
def test_a_shard_has_its_eigenvalues_from_whom_the_whole_corpus_has_them(nested, monkeypatch):
    lengths, names, width = np.array([3, 8, 4, 8, 5]), list("abcde"), 6
    counts = []
    monkeypatch.setattr(
        corpus_spectra, "Waiting", lambda count, order: counts.append(count) or Taken()
    )
    choice = RowChoice(lengths, [4, 8], 10, 0, nested)
    reducer = reduction.Reducer(lengths, names, [4, 8], [0.1], [0.5], 0, choice, nested, False)
    states = [np.random.default_rng(n).standard_normal((n, width)) for n in lengths]
    reducer.reduce("0", width, range(1, 3), [(1, states[1]), (2, states[2])])
    documents = corpus_spectra.Documents.of(names, names, lengths, [4, 8], nested)
    whole = corpus_spectra.TextSpectra(documents.texts, width, nested)
    for text, Z in enumerate(states):
        if n := max((n for n in (4, 8) if n <= len(Z) and (nested or n == len(Z))), default=0):
            whole.add([text], Z[None, :n])
    most = 4 if nested else 2  # of each convention, with the first token and without
    assert counts
    assert all(count == {6: 4 * most, 4: 2 * most, 3: 2 * most} for count in counts)


def test_a_shard_has_its_factors_from_whom_the_whole_layer_has_them(monkeypatch):
    lengths, names, width = np.full(5, 8), list("abcde"), 6
    rng = np.random.default_rng(0)
    states = [rng.standard_normal((8, width)).astype(np.float32) for _ in names]
    regularisers = layer_gains.regularisers([0.1], [0.5], 8, width)
    # All texts together are just enough for the compiled loops.
    monkeypatch.setattr(eigenvalues, "FEW", len(regularisers) * len(names) * 8**2)
    monkeypatch.setattr(kernels, "pivots", lambda *room: room[-1].fill(2.0))
    monkeypatch.setattr(layer_gains, "BATCH_BYTES", 1)  # a text a stack
    offsets = np.arange(0, 48, 8)
    texts = layer_gains.FullTexts.of(names, names, offsets, np.zeros(40, np.int32), 8)
    whole = layer_gains.gains_of_layer(
        ((text, "0", Z) for text, Z in enumerate(states)), texts, [0.1], [0.5]
    )
    choice = RowChoice(lengths, [8], 10, 0, True)
    reducer = reduction.Reducer(lengths, names, [8], [0.1], [0.5], 0, choice, True, False)
    of_shard = reducer.reduce("0", width, range(1, 3), [(1, states[1]), (2, states[2])])
    assert (whole.gain == np.log(2.0)).all()
    assert (of_shard.pivots == 2.0).all()


class Taken:
    """Takes matrices, and gives back nothing."""

    def add(self, *_): ...

    def take(self): ...
