"""Distances between the sampled texts in untrained twins, whose states are never stored."""

from functools import partial

import torch

from infogeo.files.artefacts import read_table
from infogeo.geometry.depths import layers_at
from infogeo.jobs import binding
from infogeo.sentences.distances import TWIN_DISTANCES
from infogeo.sentences.file import save
from infogeo.sentences.model_distances import measure
from infogeo.sentences.sample import SampledTexts
from infogeo.sources import cards
from infogeo.states import model as forward


def main(files, params, output) -> None:
    """Run each twin on the sampled texts, and write the geometry."""
    torch.set_num_threads(params.threads)
    card = cards.read(files.model, params.expected[0])
    cards.require_files(card)
    sample = read_table(files.sample, params.expected[2])
    corpus = read_table(files.corpus, params.expected[1])
    corpus = corpus[(sample["left_out"] == "").to_numpy()]
    tokenizer = forward.load_tokenizer(card["directory"], params.trust_remote_code)
    encoded = forward.encode(tokenizer, corpus["text"], params.n, params.n)
    kept = corpus.iloc[encoded.kept]
    doc_ids = list(kept["doc_id"])
    texts = SampledTexts.of(
        doc_ids,
        list(kept["label"]),
        list(kept["source"]),
        encoded.offsets,
        encoded.token_ids,
        encoded.token_end_byte,
        sample=sample,
        n=params.n,
    )
    stored = forward.choose_layers(params.layers, card["layers"])
    layers = layers_at(params.depths, card["layers"], stored, params.depth_tolerance)
    wanted = [layer for layer in stored if layer in layers.values()]
    twins = forward.twins(
        card,
        params.draws,
        dtype=params.dtype,
        seed=params.seed,
        trust_remote_code=params.trust_remote_code,
    )
    draws = (
        partial(forward.states, twin, encoded, doc_ids, wanted, params.batch_tokens)
        for twin in twins
    )
    found = measure(texts, draws, layers, TWIN_DISTANCES)
    print(f"{len(texts)} texts of {params.n} tokens; left out: {texts.left_out}", flush=True)
    save(output[0], found, params.fingerprint)


if __name__ == "__main__":
    binding.run(main, snakemake)
