"""Gains of every token on disk: what the relations of twins with any model's likelihoods need."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import numpy as np

from infogeo.files import hdf5
from infogeo.files.artefacts import replacing
from infogeo.geometry.layer_gains import FullTexts, LayerGains

FORMAT = hdf5.Format("infogeo token gains", 1, "file of token gains")


@contextlib.contextmanager
def writing(
    path, texts: FullTexts, end_bytes: np.ndarray, fingerprint: str
) -> Iterator[Callable[[LayerGains], None]]:
    """Yield what adds the gains of a layer to a new file, which is whole at the end.

    ``/texts/{n,index,doc_ids,sources,frequency,tokens,end_bytes}``, ``/layers`` (their names in
    order) and ``/gain/{layer}`` (regularisers, texts, n), float32, with attributes ``names`` and
    ``lam`` (of the regularisers).

    Parameters
    ----------
    path : path-like
    texts : FullTexts
    end_bytes : (texts, n) int array
        UTF-8 byte of the text at which each token ends: they tell whether a model sees the same
        tokens.
    fingerprint : str
    """
    names = []
    with replacing(path) as temporary, hdf5.create(temporary) as file:
        hdf5.stamp(file, FORMAT, fingerprint)
        for field in fields(FullTexts):
            put = hdf5.put_strings if field.name in ("doc_ids", "sources") else hdf5.put
            put(file, f"texts/{field.name}", getattr(texts, field.name))
        hdf5.put(file, "texts/end_bytes", end_bytes)

        def add(gains: LayerGains) -> None:
            hdf5.put_checked(file, f"gain/{gains.layer}", gains.gain.astype(np.float32))
            of_layer = file[f"gain/{gains.layer}"]
            kinds, of_layer.attrs["lam"] = zip(*gains.regularisers, strict=True)
            of_layer.attrs["names"] = list(kinds)
            names.append(gains.layer)

        yield add
        hdf5.put_strings(file, "layers", names)


def write_none(path, fingerprint: str) -> None:
    """Write a file without texts and layers, of a model that has no gains."""
    none = np.empty(0, int), np.empty(0, object), np.empty(0, object), *[np.empty((0, 0), int)] * 2
    with writing(path, FullTexts(0, *none), none[-1], fingerprint):
        pass


class TokenGains:
    """Such a file, read layer by layer.

    Parameters
    ----------
    path : path-like
    expected : str, optional
        Fingerprint that the file must carry.

    Attributes
    ----------
    path : Path
    texts : FullTexts
    end_bytes : (texts, n) int array
    layers : list of str

    Raises
    ------
    InfogeoError
        Where the file is missing, truncated, something else, or made from other settings.
    """

    def __init__(self, path, expected: str | None = None):
        self.path = Path(path)
        with (
            hdf5.opened(self.path, FORMAT, expected) as file,
            hdf5.reading(self.path, "its list of texts or layers"),
        ):
            self.layers = list(file["layers"].asstr()[:])
            parts = dict(file["texts"].items())
            self.end_bytes = parts["end_bytes"][:]
            self.texts = FullTexts(
                int(parts["n"][()]),
                parts["index"][:],
                *(parts[name].asstr()[:] for name in ("doc_ids", "sources")),
                frequency=parts["frequency"][:],
                tokens=parts["tokens"][:],
            )

    def layer(self, name: str) -> tuple[list[tuple[str, float]], np.ndarray]:
        """The regularisers of one layer, and its gains (regularisers, texts, n)."""
        with hdf5.opened(self.path, FORMAT) as file, hdf5.reading(self.path, f"gain/{name}"):
            gain = file[f"gain/{name}"]
            return list(zip(gain.attrs["names"], map(float, gain.attrs["lam"]), strict=True)), gain[
                :
            ]
