"""Distances between the sampled texts in untrained twins, whose states are never stored."""

from functools import partial

import torch

from infogeo.files.artefacts import read_table
from infogeo.geometry.depths import choose_layers, layers_at
from infogeo.jobs import binding
from infogeo.sentences.distances import TWIN_DISTANCES
from infogeo.sentences.file import save
from infogeo.sentences.model_distances import measure
from infogeo.sentences.sample import SampledTexts
from infogeo.sources import cards
from infogeo.states import batches, loading
from infogeo.states.tokens import encode, load_tokenizer


def main(files, params, output) -> None:
    """Run each twin on the sampled texts, and write the geometry."""
    torch.set_num_threads(params.threads)
    card = cards.read(files.model, params.expected[0])
    cards.require_files(card)
    sample = read_table(files.sample, params.expected[2])
    corpus = read_table(files.corpus, params.expected[1])
    corpus = corpus[(sample["left_out"] == "").to_numpy()]
    tokenizer = load_tokenizer(card["directory"], params.trust_remote_code)
    encoded = encode(tokenizer, corpus["text"], params.n, params.n, "sentences.n")
    chosen = corpus.iloc[encoded.corpus_rows]
    doc_ids = list(chosen["doc_id"])
    texts = SampledTexts.of(
        doc_ids,
        list(chosen["label"]),
        list(chosen["source"]),
        encoded.offsets,
        encoded.token_ids,
        encoded.token_end_byte,
        sample=sample,
        n=params.n,
    )
    stored = choose_layers(params.layers, card["layers"])
    layers = layers_at(params.depths, card["layers"], stored, params.depth_tolerance)
    names = [layer for layer in stored if layer in layers.values()]
    twins = loading.twins(
        card,
        params.draws,
        dtype=params.dtype,
        seed=params.seed,
        trust_remote_code=params.trust_remote_code,
    )
    draws = (
        partial(batches.states, twin, encoded, doc_ids, names, params.batch_tokens, "sentences.n")
        for twin in twins
    )
    distances = measure(texts, draws, layers, TWIN_DISTANCES)
    print(f"{len(texts)} texts of {params.n} tokens; left out: {texts.left_out}", flush=True)
    save(output[0], distances, params.fingerprint)


if __name__ == "__main__":
    binding.run(main, snakemake)
