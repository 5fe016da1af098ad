"""Distances between the sampled texts in untrained twins, whose states are never stored."""

import torch

from infogeo.jobs import binding
from infogeo.files.artefacts import read_table
from infogeo.sentences.file import save
from infogeo.sentences.twin_distances import of_twins
from infogeo.sources import cards


def main(files, params, output) -> None:
    """Run each twin on the sampled texts, and write the geometry."""
    torch.set_num_threads(params.threads)
    model, corpus, sample = params.expected
    texts, distances = of_twins(
        cards.read(files.model, model),
        read_table(files.corpus, corpus),
        read_table(files.sample, sample),
        n=params.n,
        depths=params.depths,
        depth_tolerance=params.depth_tolerance,
        draws=params.draws,
        layers=params.layers,
        batch_tokens=params.batch_tokens,
        dtype=params.dtype,
        trust_remote_code=params.trust_remote_code,
        seed=params.seed,
    )
    print(f"{len(texts)} texts of {params.n} tokens; left out: {texts.left_out}", flush=True)
    save(output[0], distances, params.fingerprint)


if __name__ == "__main__":
    binding.run(main, snakemake)
