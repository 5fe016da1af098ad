"""The file of mean embeddings and distances of a model's texts."""

from dataclasses import dataclass, field

import numpy as np

from infogeo.files import hdf5
from infogeo.files.artefacts import replacing
from infogeo.geometry.metrics import FIRST
from infogeo.sentences.distances import BASELINES, DISTANCES

FORMAT = hdf5.Format("infogeo sentences", 2, "file of sentences")


@dataclass(frozen=True)
class Sentences:
    """Mean embeddings of texts and distances between texts.

    Attributes
    ----------
    doc_ids, labels, sources : lists of str (m,)
    left_out : dict of str to int
        Reason → number of texts.
    n : int
        Tokens of each text.
    means : dict of (draw, depth) to (m, d) float32 array
        Mean over the n tokens. draw: 0 of a trained model, else that of the twin.
    distances : dict of (draw, depth, first, name) to (m, m) float64 array
        Symmetric, the diagonal 0. first: with the first tokens of the texts (``in``) or without
        (``out``). Depth and first "" where no model is needed.
    layer_means : dict of (draw, layer, first) to (m, d) float32 array
        Mean over the n tokens, or over all but the first, at every layer that is stored.
    """

    doc_ids: list[str]
    labels: list[str]
    sources: list[str]
    left_out: dict[str, int]
    n: int
    means: dict[tuple[int, str], np.ndarray]
    distances: dict[tuple[int, str, str, str], np.ndarray]
    layer_means: dict[tuple[int, str, str], np.ndarray] = field(default_factory=dict)


def save(path, sentences: Sentences, fingerprint: str) -> None:
    """Write as HDF5, whole or not at all; the same numbers give the same bytes.

    ``/texts/{doc_id,label,source}``, ``/means/{draw}/{depth}``,
    ``/distances/{draw}/{depth}/{first}/{name}``, ``/baselines/{name}``,
    ``/layer_means/{draw}/{layer}/{first}``; the reasons as attributes of ``/left_out``; ``n``,
    ``format``, ``format_version`` and ``fingerprint`` on ``/``.

    Raises
    ------
    InfogeoError
        Where the disk is full.
    """
    texts = {
        "doc_id": sentences.doc_ids, "label": sentences.labels, "source": sentences.sources
    }  # fmt: skip
    with replacing(path) as temporary, hdf5.create(temporary) as file:
        hdf5.stamp(file, FORMAT, fingerprint)
        file.attrs["n"] = sentences.n
        file.create_group("left_out").attrs.update(sentences.left_out)
        for name, values in texts.items():
            hdf5.put_strings(file, f"texts/{name}", values)
        for (draw, depth), values in sentences.means.items():
            hdf5.put_checked(file, f"means/{draw}/{depth}", values)
        for (draw, depth, first, name), values in sentences.distances.items():
            place = f"distances/{draw}/{depth}/{first}/{name}" if depth else f"baselines/{name}"
            hdf5.put_checked(file, place, values)
        for key, values in sentences.layer_means.items():
            hdf5.put_checked(file, "/".join(map(str, ("layer_means", *key))), values)


def load(path, expected: str | None = None) -> Sentences:
    """Read what `save` wrote.

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
    with hdf5.opened(path, FORMAT, expected) as file, hdf5.reading(path, "its content"):
        means = {
            (int(draw), depth): dataset[:]
            for draw in sorted(file.get("means", {}), key=int)  # none where no text is compared
            for depth, dataset in file["means"][draw].items()
        }
        distances = {}
        for draw, depth in means:
            for first in (first for first in FIRST if first in file[f"distances/{draw}/{depth}"]):
                group = file[f"distances/{draw}/{depth}/{first}"]
                distances |= {
                    (draw, depth, first, name): group[name][:]
                    for name in DISTANCES
                    if name in group
                }
        for name in BASELINES:
            if f"baselines/{name}" in file:
                distances[0, "", "", name] = file[f"baselines/{name}"][:]
        layer_means = {
            (int(draw), layer, first): dataset[:]
            for draw in sorted(file.get("layer_means", {}), key=int)
            for layer, of_layer in file["layer_means"][draw].items()
            for first, dataset in of_layer.items()
        }
        left_out = {reason: int(number) for reason, number in file["left_out"].attrs.items()}
        names = (list(file[f"texts/{name}"].asstr()[:]) for name in ("doc_id", "label", "source"))
        return Sentences(*names, left_out, int(file.attrs["n"]), means, distances, layer_means)
