"""PCA and UMAP of the mean embeddings of every model of a corpus."""

import pandas as pd

from infogeo import logs, sentence_maps, sentences
from infogeo.artefacts import write_table

if __name__ == "__main__":
    with logs.rule(snakemake):
        params = snakemake.params
        frames = [
            sentence_maps.maps(
                model,
                sentences.load(path, expected),
                neighbours=params.umap_neighbours,
                seed=params.seed,
            )
            for model, path, expected in zip(
                params.models, snakemake.input, params.expected, strict=True
            )
        ]
        write_table(pd.concat(frames, ignore_index=True), snakemake.output[0], params.fingerprint)
