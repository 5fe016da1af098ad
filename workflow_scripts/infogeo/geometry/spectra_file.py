"""Spectra on disk: one HDF5 file for a model and a corpus, from which all entropies follow."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from infogeo.files import hdf5
from infogeo.files.artefacts import replacing
from infogeo.files.errors import InfogeoError
from infogeo.geometry.corpus_spectra import Documents
from infogeo.geometry.metrics import NORMS
from infogeo.geometry.spectra import LayerSpectra, Spectrum

FORMAT = hdf5.Format("infogeo spectra", 2, "file of spectra")


@dataclass(frozen=True)
class Tokens:
    """What a model says of each token of all texts, one text after the other (T tokens).

    Attributes
    ----------
    offsets : array of int64 (texts + 1,)
        Where each text begins.
    nll, predictive_entropy : array of float32 (T,)
        Of the token given the earlier ones of its text, nats; NaN at the first. All are NaN
        of an encoder, which predicts no next token.
    token_end_byte : array of int32 (T,)
        UTF-8 byte offset in the text where the token ends.
    """

    offsets: np.ndarray
    nll: np.ndarray
    predictive_entropy: np.ndarray
    token_end_byte: np.ndarray

    @property
    def has_likelihoods(self) -> bool:
        return not np.isnan(self.nll).all()


def write_spectra_file(
    path,
    documents: Documents,
    tokens: Tokens,
    layers: Iterable[LayerSpectra],
    fingerprint: str,
) -> None:
    """Write spectra as HDF5, layer by layer as they come; the same spectra give the same bytes.

    ``/documents/{doc_id,source}``; ``/texts/{n}`` (int32: which texts the rows of n belong to);
    ``/tokens/{offsets,nll,predictive_entropy,token_end_byte}``, as in the store, so that all
    entropies follow from this file alone; ``/layers``, their names in order;
    ``/spectra/{layer}/{scope}-{convention}-{first}-{n}/{eigenvalues,zero_rows}`` with attribute
    ``rows``; ``/norms/{layer}/{first}-{n}/{name}`` (see `row_norms`). Attribute ``width`` is on
    each layer, ``format``, ``format_version`` and ``fingerprint`` on ``/``.

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
            layer = file.create_group(f"spectra/{spectra.layer}", track_order=True)
            layer.attrs["width"] = spectra.width
            for key, spectrum in spectra.spectra.items():
                group = layer.create_group("-".join(map(str, key)))
                group.attrs["rows"] = spectrum.rows
                hdf5.put_checked(group, "eigenvalues", spectrum.eigenvalues)
                hdf5.put(group, "zero_rows", spectrum.zero_rows)
            for (first, n), norms in spectra.norms.items():
                for name, values in norms.items():
                    hdf5.put_checked(file, f"norms/{spectra.layer}/{first}-{n}/{name}", values)
        hdf5.put_strings(file, "layers", names)


class SpectraFile:
    """Spectra on disk, as `write_spectra_file` writes them, read layer by layer.

    Parameters
    ----------
    path : str or Path
    expected : str, optional
        Fingerprint that the file must carry.

    Attributes
    ----------
    path : Path
    documents : Documents
    tokens : Tokens
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
            hdf5.reading(self.path, f"spectra/{name} or norms/{name}"),
        ):
            group, of_norms = file[f"spectra/{name}"], file[f"norms/{name}"]
            spectra = {}
            for key in group:
                scope, convention, first, n = key.split("-")
                part = group[key]
                spectra[scope, convention, first, int(n)] = Spectrum(
                    hdf5.array(part, "eigenvalues"), hdf5.array(part, "zero_rows"),
                    int(part.attrs["rows"]),
                )  # fmt: skip
            norms = {}
            for key in of_norms:
                first, n = key.split("-")
                part = of_norms[key]
                norms[first, int(n)] = {
                    metric: hdf5.array(part, metric) for metric in NORMS if metric in part
                }
            return LayerSpectra(name, int(group.attrs["width"]), spectra, norms)

    def __iter__(self) -> Iterator[LayerSpectra]:
        return map(self.layer, self.layers)
