"""Fit every scaling law with its controls and verdicts, and the means per model and layer."""

from functools import lru_cache

import numpy as np
import pandas as pd

from infogeo.files import artefacts
from infogeo.files.parts import Parts
from infogeo.geometry.depths import layers_at
from infogeo.geometry.spectra_file import SpectraFile
from infogeo.jobs import binding
from infogeo.laws.fit import Settings, scaling_laws, with_q_values
from infogeo.laws.measured import Measured, Texts, profile
from infogeo.sources import cards

FIELDS = (
    "params_total",
    "params_non_embedding",
    "width",
    "final_width",
    "layers",
    "train_tokens",
    "tokenizer_sha256",
    "commit",
)


def spectra_of(files: dict[str, str], expected: dict[str, str]):
    """The callable by which the laws read a reference model's spectra."""

    @lru_cache(maxsize=2)  # a law of each axis in turn, whose reference models may differ
    def layer_of(slug: str, layer: str):
        file = SpectraFile(files[slug], expected[slug])
        return file.documents, file.layer(layer)

    def read(slug: str, scope: str, layer: str, convention: str, n: int):
        documents, found = layer_of(slug, layer)
        spectrum = found.spectra[scope, convention, n]
        texts = documents.texts[n] if scope == "text" else []
        doc_ids = [documents.doc_ids[i] for i in texts] or [""]
        return doc_ids, spectrum.eigenvalues, spectrum.rows - np.asarray(spectrum.zero_rows)

    return read


class Measurements:
    """What was measured of the models on a corpus, read one model at a time.

    Attributes
    ----------
    texts : Texts
        Of the models read so far.
    profiles : dict
        Slug → means of every layer of the models read so far.
    """

    def __init__(self, corpus: str, files, params):
        self.corpus, self.params = corpus, params
        # Slug → entropies of the model, of its twins, and the fingerprint of both.
        self.files = dict(zip(params.models, files, strict=True))
        self.texts, self.profiles = Texts(), {}

    def of(self, model: dict) -> list[Measured]:
        """Of a model and of its twins, the layers at the depths of the laws."""
        params, (*files, expected) = self.params, self.files[model["slug"]]
        both = [Measured(Parts(file, expected), self.texts) for file in files]
        self.profiles[model["slug"]] = profile(
            self.corpus, model, *both, self.texts, draws=params.draws, seed=params.seed
        )
        layers = layers_at(params.depths, model["layers"], both[0].layers, params.depth_tolerance)
        return [measured.only(layers.values()) for measured in both]


def main(files, params, output) -> None:
    """Read one corpus after the other, fit, and write the four tables."""
    settings = Settings(
        depths=tuple(params.depths),
        depth_tolerance=params.depth_tolerance,
        axes=tuple(params.axes),
        draws=params.draws,
        seed=params.seed,
        headline={
            "n": params.headline_n,
            "eps2": params.headline_eps2,
            "depth": params.headline_depth,
            "axis": params.headline_axis,
            "metrics": params.headline_metrics,
        },
    )
    models = cards.described(
        files.models,
        FIELDS,
        slug=params.models,
        family=params.families,
        replicate=params.replicates,
        dtype=params.dtypes,
    )
    random = artefacts.read_table(files.null, params.expected_null)
    tables = {"laws": [], "points": [], "pairs": [], "profiles": []}
    per_corpus = len(params.models)
    for i, corpus in enumerate(params.corpora):
        part = slice(i * per_corpus, (i + 1) * per_corpus)
        of_corpus = (files.entropy[part], files.untrained[part], params.expected[part])
        measurements = Measurements(corpus, zip(*of_corpus, strict=True), params)
        read = spectra_of(
            dict(zip(params.models, files.spectra[part], strict=True)),
            dict(zip(params.models, params.expected_spectra[part], strict=True)),
        )
        found = scaling_laws(
            corpus, models, measurements.of, measurements.texts, random, read, settings
        )
        profiles = pd.concat(
            [measurements.profiles[slug] for slug in params.models], ignore_index=True
        )
        for name, frame in zip(tables, (*found, cards.with_commits(profiles, models)), strict=True):
            tables[name].append(frame)
    tables = {name: pd.concat(parts, ignore_index=True) for name, parts in tables.items()}
    tables["laws"] = with_q_values(tables["laws"])
    for name, frame in tables.items():
        artefacts.write_table(frame, output[name], params.fingerprint)


if __name__ == "__main__":
    binding.run(main, snakemake)
