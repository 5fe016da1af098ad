"""One row a text: its mean state and its last state at n tokens, layer by layer.

The mean also without the first token, whose norm may be a hundred times that of the others.
"""

import hashlib
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from infogeo.files import hdf5
from infogeo.files.artefacts import replacing
from infogeo.files.errors import InfogeoError
from infogeo.geometry.rows import check_finite


class Rows(NamedTuple):
    """What a row of a text is.

    Attributes
    ----------
    scope : {"means", "last"}
        The mean over its first n tokens, or the state of the last of these.
    first : {"in", "out", ""}
        Whether the mean is taken with the first token; the last state has neither.
    """

    scope: str
    first: str


KINDS = (Rows("means", "in"), Rows("means", "out"), Rows("last", ""))

FORMAT = hdf5.Format("infogeo text rows", 1, "file of rows of texts")


def sample(
    doc_ids, lengths, n: int, most: int, *, nested: bool = True, seed: int = 0
) -> np.ndarray:
    """The texts of at least n tokens, or `most` of them, as rising indices.

    A hash of its name decides on a text. So two models with different texts of n tokens have as
    many in common as there can be.

    Parameters
    ----------
    doc_ids : sequence of str
    lengths : (texts,) array of int
    n, most : int
    nested : bool
        Whether the start of a longer text is one of n tokens; of an encoder, whose texts occur
        once for each n, it is not.
    seed : int
    """
    lengths = np.asarray(lengths)
    texts = np.flatnonzero(lengths >= n if nested else lengths == n)
    if len(texts) <= most:
        return texts
    draws = [hashlib.sha256(f"{seed}\n{doc_ids[text]}".encode()).digest() for text in texts]
    return texts[np.sort(sorted(range(len(texts)), key=draws.__getitem__)[:most])]


def rows_of_layers(states: Iterable, texts, n: int) -> Iterator[tuple[str, dict[Rows, np.ndarray]]]:
    """Yield each layer and the rows of some texts there.

    Parameters
    ----------
    states : iterable of (int, str, (tokens, d) array)
        Text, layer and states, all texts of a layer one after another, as stores have them. Others
        may be among them.
    texts : (m,) array of int
        Those of at least n tokens that are asked for, rising.
    n : int

    Yields
    ------
    layer : str
    rows : dict of Rows to (m, d) float64 array
        For each of KINDS, in the order of `texts`.

    Raises
    ------
    InfogeoError
        Where a layer lacks one of the texts, or a state is not finite.
    """
    place = {int(text): i for i, text in enumerate(texts)}
    for layer, of_layer in groupby(states, key=itemgetter(1)):
        rows, arrived = None, 0
        for text, _, Z in of_layer:
            if text not in place:
                continue
            check_finite(Z[:n], f"text {text}, layer {layer}")
            if rows is None:
                rows = {kind: np.empty((len(place), Z.shape[1])) for kind in KINDS}
            for kind, row in zip(KINDS, _rows(Z, n), strict=True):
                rows[kind][place[text]] = row
            arrived += 1
        if arrived != len(place):
            raise InfogeoError(
                f"layer {layer}: states of {arrived} of {len(place)} texts came. Hidden states and "
                "list of texts do not belong together."
            )
        if rows is not None:
            yield layer, rows


def _rows(Z, n: int):
    """The rows of one text, for each of KINDS."""
    Z = np.asarray(Z[:n], np.float64)
    total = Z.sum(axis=0)
    yield total / n
    yield Z[1:].sum(axis=0) / (n - 1)
    yield Z[-1]


class TextRows(NamedTuple):
    """Rows of texts at one layer.

    Attributes
    ----------
    doc_ids, sources : lists of str (m,)
    layer : str
    n : int
        Tokens of each text.
    rows : dict of Rows to (m, d) float64 array
    """

    doc_ids: list[str]
    sources: list[str]
    layer: str
    n: int
    rows: dict[Rows, np.ndarray]


def save(path, texts: TextRows, fingerprint: str) -> None:
    """Write as HDF5, whole or not at all: ``/texts/{doc_id,source}``, ``/rows/{scope}-{first}``.

    Raises
    ------
    InfogeoError
        Where the disk is full.
    """
    with replacing(path) as temporary, hdf5.create(temporary) as file:
        hdf5.stamp(file, FORMAT, fingerprint)
        file.attrs.update(layer=texts.layer, n=texts.n)
        hdf5.put_strings(file, "texts/doc_id", texts.doc_ids)
        hdf5.put_strings(file, "texts/source", texts.sources)
        for kind, rows in texts.rows.items():
            hdf5.put_checked(file, f"rows/{'-'.join(kind)}", rows)


def load(path, expected: str | None = None) -> TextRows:
    """Read what `save` wrote.

    Raises
    ------
    InfogeoError
        Where the file is missing, truncated, something else, or made from other settings.
    """
    with hdf5.opened(path, FORMAT, expected) as file, hdf5.reading(path, "its content"):
        names = (file[f"texts/{name}"].asstr()[:].tolist() for name in ("doc_id", "source"))
        rows = {kind: file[f"rows/{'-'.join(kind)}"][:] for kind in KINDS}
        return TextRows(*names, str(file.attrs["layer"]), int(file.attrs["n"]), rows)
