"""Distances between the sampled texts in untrained twins, whose states are never stored."""

from functools import partial

from infogeo.geometry.depths import choose_layers, layers_at
from infogeo.sentences.distances import CHEAPER
from infogeo.sentences.file import Sentences
from infogeo.sentences.model_distances import measure
from infogeo.sentences.sample import SampledTexts
from infogeo.sources import cards
from infogeo.states import batches, loading
from infogeo.states.tokens import encode, load_tokenizer

FIELD = "sentences.n"  # of the configuration, for messages


def of_twins(
    card: dict,
    corpus,
    sample,
    *,
    n: int,
    depths: list[str],
    depth_tolerance: float,
    draws: int,
    layers,
    batch_tokens: int,
    dtype: str,
    trust_remote_code: bool,
    seed: int,
) -> tuple[SampledTexts, Sentences]:
    """Run each twin of a model on the sampled texts, and measure the distances between them.

    Parameters
    ----------
    card : dict
        Of the model; see `cards.read`.
    corpus : pandas.DataFrame
        Every text of the corpus.
    sample : pandas.DataFrame
        Why a text is left out, in the order of the corpus.
    n : int
        Tokens of a text.
    depths, depth_tolerance
        See `layers_at`.
    draws : int
        Number of twins.
    layers, batch_tokens, dtype, trust_remote_code, seed
        See `choose_layers`, `batches.states` and `loading.twins`.

    Returns
    -------
    SampledTexts, Sentences
        The texts of at least n tokens, and what was measured of them.
    """
    cards.require_files(card, weights=False)
    corpus = corpus[(sample["left_out"] == "").to_numpy()]
    if corpus.empty:
        none = SampledTexts.of([], [], [], [0], [], [], sample=sample, n=n)
        return none, measure(none, [], {}, CHEAPER)
    tokenizer = load_tokenizer(card["directory"], trust_remote_code)
    encoded = encode(tokenizer, corpus["text"], n, n, FIELD)
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
        n=n,
    )
    stored = choose_layers(layers, card["layers"])
    at = layers_at(depths, card["layers"], stored, depth_tolerance)
    twins = loading.twins(card, draws, dtype=dtype, seed=seed, trust_remote_code=trust_remote_code)
    states = (
        partial(batches.states, twin, encoded, doc_ids, stored, batch_tokens, FIELD)
        for twin in twins
    )
    return texts, measure(texts, states, at, CHEAPER)
