"""Information gain in untrained twins, against their own likelihoods and those of the model."""

import numpy as np
import pandas as pd
import torch

from infogeo import cards, forward, logs
from infogeo.artefacts import read_table, write_table
from infogeo.errors import InfogeoError
from infogeo.information_gain import Texts, compute, relation_table, text_table
from infogeo.store import open_store


def require_same_tokens(doc_ids, encoded, states) -> None:
    """Refuse a store whose texts or tokens are not those that the twins will see.

    Raises
    ------
    InfogeoError
    """
    same = list(doc_ids) == states.doc_ids and np.array_equal(encoded.token_ids, states.token_ids())
    if not same:
        raise InfogeoError(
            f"{states.path}: its texts or token ids are not those of this corpus and tokenizer "
            f"({len(states.doc_ids)} texts, {states.offsets[-1]:,} tokens stored; {len(encoded)} "
            f"texts, {len(encoded.token_ids):,} tokens here). Make it anew: "
            f"snakemake -R {states.path}"
        )


if __name__ == "__main__":
    with logs.rule(snakemake):
        params = snakemake.params
        torch.set_num_threads(snakemake.threads)
        card = cards.read(snakemake.input.model, params.expected[0])
        cards.require_files(card)
        corpus = read_table(snakemake.input.corpus, params.expected[1])
        shortest, n = params.n_range
        tokenizer = forward.load_tokenizer(card["directory"], params.trust_remote_code)
        encoded = forward.encode(tokenizer, corpus["text"], n, shortest)
        kept = corpus.iloc[encoded.kept]
        offsets = encoded.offsets
        texts = Texts.of(kept["doc_id"], kept["source"], offsets, encoded.token_ids, n)
        with open_store(snakemake.input.states, params.expected[2]) as states:
            require_same_tokens(kept["doc_id"], encoded, states)
            said = states.nll(), states.predictive_entropy()
            trained = texts.said(*said, offsets, "trained")
        layers = forward.choose_layers(params.layers, card["layers"])
        gains, relations = [], []
        twins = forward.twins(
            card,
            params.draws,
            dtype=params.dtype,
            seed=params.seed,
            trust_remote_code=params.trust_remote_code,
        )
        for draw, twin in enumerate(twins):
            states = forward.ForwardStates(
                twin, encoded, list(kept["doc_id"]), layers, params.batch_tokens
            )
            # The twin's own likelihoods are known only after its last text.
            found = list(compute(states, texts, params.lambdas, params.eps2))
            own = texts.said(states.nll, states.predictive_entropy, offsets)
            gains += [text_table(layer, texts).assign(draw=draw) for layer in found]
            relations.append(relation_table(found, texts, own | trained).assign(draw=draw))
            print(f"{twin.name}: {len(found)} layers, {len(texts)} texts", flush=True)
        for frames, path in ((gains, "texts"), (relations, "relations")):
            table = pd.concat(frames, ignore_index=True)
            write_table(table, snakemake.output[path], params.fingerprint)
