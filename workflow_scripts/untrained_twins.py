"""The spectra of the same architecture with seeded random weights; its states are never stored."""

import torch

from infogeo import cards, forward, logs, spectra
from infogeo.artefacts import read_table

if __name__ == "__main__":
    with logs.rule(snakemake):
        params = snakemake.params
        torch.set_num_threads(snakemake.threads)
        card = cards.read(snakemake.input.model, params.expected[0])
        cards.require_files(card)
        corpus = read_table(snakemake.input.corpus, params.expected[1])
        tokenizer = forward.load_tokenizer(card["directory"], params.trust_remote_code)
        encoded = forward.encode(tokenizer, corpus["text"], max(params.n), min(params.n))
        kept = corpus.iloc[encoded.kept]
        documents = spectra.Documents.of(kept["doc_id"], kept["source"], encoded.lengths, params.n)
        layers = forward.choose_layers(params.layers, card["layers"])
        twins = forward.twins(
            card,
            len(snakemake.output),
            dtype=params.dtype,
            seed=params.seed,
            trust_remote_code=params.trust_remote_code,
        )
        for twin, path in zip(twins, snakemake.output, strict=True):
            states = forward.ForwardStates(
                twin, encoded, documents.doc_ids, layers, params.batch_tokens
            )
            of_layers = list(spectra.compute(states, documents))
            tokens = spectra.Tokens(
                offsets=encoded.offsets,
                nll=states.nll,
                predictive_entropy=states.predictive_entropy,
                token_end_byte=encoded.token_end_byte,
            )
            spectra.write(path, documents, tokens, of_layers, params.fingerprint)
            print(f"{twin.name}: {len(of_layers)} layers, {len(encoded)} texts", flush=True)
