"""Fit every scaling law with its controls and verdicts, and the means per model and layer."""

from functools import lru_cache

import numpy as np
import pandas as pd

from infogeo import artefacts, cards, logs, spectra
from infogeo.laws import Settings, scaling_laws, with_q_values
from infogeo.measured import Measured, Texts, profiles

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
    """The callable by which the laws read a reference model's spectra, one layer kept."""

    @lru_cache(maxsize=1)
    def layer_of(slug: str, layer: str):
        file = spectra.read(files[slug], expected[slug])
        return file.documents, file.layer(layer)

    def read(slug: str, scope: str, layer: str, convention: str, n: int):
        documents, found = layer_of(slug, layer)
        spectrum = found.spectra[scope, convention, n]
        texts = documents.texts[n] if scope == "text" else []
        doc_ids = [documents.doc_ids[i] for i in texts] or [""]
        return doc_ids, spectrum.eigenvalues, spectrum.rows - np.asarray(spectrum.zero_rows)

    return read


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
        files.models, FIELDS, slug=params.models, family=params.families, dtype=params.dtypes
    )
    random = artefacts.read_table(files.null, params.expected_null)
    tables = {"laws": [], "points": [], "pairs": [], "profiles": []}
    per_corpus = len(params.models)
    for i, corpus in enumerate(params.corpora):
        part = slice(i * per_corpus, (i + 1) * per_corpus)
        texts = Texts()
        trained, untrained = (
            {
                slug: Measured(artefacts.read_table(file, expected), texts)
                for slug, file, expected in zip(
                    params.models, table[part], params.expected[part], strict=True
                )
            }
            for table in (files.entropy, files.untrained)
        )
        read = spectra_of(
            dict(zip(params.models, files.spectra[part], strict=True)),
            dict(zip(params.models, params.expected_spectra[part], strict=True)),
        )
        laws, points, pairs = scaling_laws(
            corpus, models, trained, untrained, texts, random, read, settings
        )
        means = profiles(
            corpus, models, trained, untrained, texts, draws=params.draws, seed=params.seed
        )
        means = cards.with_commits(means, models)
        for name, frame in zip(tables, (laws, points, pairs, means), strict=True):
            tables[name].append(frame)
    tables = {name: pd.concat(parts, ignore_index=True) for name, parts in tables.items()}
    tables["laws"] = with_q_values(tables["laws"])
    for name, frame in tables.items():
        artefacts.write_table(frame, output[name], params.fingerprint)


if __name__ == "__main__":
    with logs.rule(snakemake):
        main(snakemake.input, snakemake.params, snakemake.output)
