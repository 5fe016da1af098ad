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
from infogeo.geometry.dimension_rows import RowChoice
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

FORMAT = hdf5.Format("infogeo text rows", 2, "file of rows of texts")


def sample(doc_ids, texts, most: int, *, seed: int = 0) -> np.ndarray:
    """Some texts, or `most` of them, as rising indices.

    A hash of its name decides on a text. So two models with different texts have as many in common
    as there can be.

    Parameters
    ----------
    doc_ids : sequence of str
        Of all texts.
    texts : (m,) array of int
        Those from which the sample is drawn, rising; see `of_choice`.
    most, seed : int
    """
    if len(texts) <= most:
        return texts
    draws = [hashlib.sha256(f"{seed}\n{doc_ids[text]}".encode()).digest() for text in texts]
    return texts[np.sort(sorted(range(len(texts)), key=draws.__getitem__)[:most])]


def of_choice(choice: RowChoice, n: int) -> np.ndarray:
    """The texts of n tokens of which a choice of rows has the rows of every one of KINDS."""
    return choice.texts["last", "in", n]


def chosen(rows: dict, choice: RowChoice, texts, n: int) -> dict[Rows, np.ndarray]:
    """The rows of some texts, for each of KINDS, of those that were kept for the dimension.

    Parameters
    ----------
    rows : dict
        See `dimension_rows.Rows.joined`.
    choice : RowChoice
    texts : (m,) array of int
        Among `of_choice`.
    n : int

    Notes
    -----
    Verified against `rows_of_layers`.
    """
    at = np.searchsorted(of_choice(choice, n), texts)
    return {
        kind: np.asarray(rows[kind.scope, kind.first or "in", n][at], np.float64) for kind in KINDS
    }


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


def save(path, layers: list[TextRows], fingerprint: str) -> None:
    """Write the rows of the same texts at one layer or several as HDF5, whole or not at all.

    ``/texts/{doc_id,source}``, ``/rows/{layer}/{scope}-{first}``.

    Raises
    ------
    InfogeoError
        Where the disk is full.
    """
    with replacing(path) as temporary, hdf5.create(temporary) as file:
        hdf5.stamp(file, FORMAT, fingerprint)
        file.attrs.update(n=layers[0].n)
        hdf5.put_strings(file, "texts/doc_id", layers[0].doc_ids)
        hdf5.put_strings(file, "texts/source", layers[0].sources)
        for texts in layers:
            for kind, rows in texts.rows.items():
                hdf5.put_checked(file, f"rows/{texts.layer}/{'-'.join(kind)}", rows)


def load(path, expected: str | None = None, layer: str | None = None) -> dict[str, TextRows]:
    """Read what `save` wrote, by layer, or of one layer alone.

    Raises
    ------
    InfogeoError
        Where the file is missing, truncated, something else, or made from other settings.
    """
    with hdf5.opened(path, FORMAT, expected) as file, hdf5.reading(path, "its content"):
        names = [file[f"texts/{name}"].asstr()[:].tolist() for name in ("doc_id", "source")]
        n, layers = int(file.attrs["n"]), {}
        for name in file["rows"] if layer is None else [layer]:
            rows = {kind: file[f"rows/{name}/{'-'.join(kind)}"][:] for kind in KINDS}
            layers[name] = TextRows(*names, name, n, rows)
        return layers
