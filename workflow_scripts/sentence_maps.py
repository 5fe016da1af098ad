"""PCA and UMAP of the mean embeddings of every model of a corpus."""

import pandas as pd

from infogeo.files.artefacts import write_table
from infogeo.jobs import logs
from infogeo.sentences.file import load
from infogeo.sentences.maps import maps

if __name__ == "__main__":
    with logs.rule(snakemake):
        params = snakemake.params
        frames = [
            maps(
                model,
                load(path, expected),
                neighbours=params.umap_neighbours,
                seed=params.seed,
            )
            for model, path, expected in zip(
                params.models, snakemake.input, params.expected, strict=True
            )
        ]
        write_table(pd.concat(frames, ignore_index=True), snakemake.output[0], params.fingerprint)
