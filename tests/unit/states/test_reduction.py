"""Shards are reduced as the whole corpus would be."""

import numpy as np
import pytest

from infogeo.geometry import corpus_spectra
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


class Taken:
    """Takes matrices, and gives back nothing."""

    def add(self, *_): ...

    def take(self): ...
