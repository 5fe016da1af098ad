"""Six short texts by their tokens, and states of them, for the tests of this wing."""

import numpy as np
import pandas as pd

from infogeo.sentences.sample import SampledTexts

# Tokens of the texts t0, t1 …; n = 4
TOKENS = [
    [1, 2, 3, 4, 5], [1, 2, 3], [1, 2, 3, 4, 9, 9], [6, 6, 6, 6, 7], [4, 3, 2, 1], [8, 8, 8, 1],
]  # fmt: skip


def texts_of(tokens=TOKENS, n=4, sampled=(0, 1, 2, 3, 4, 7), doc_ids=None):
    """Texts t0, t1 …, labels by turns; t7 was sampled and is not among them, t5 was not."""
    doc_ids = doc_ids or [f"t{i}" for i in range(len(tokens))]
    names = [f"t{i}" for i in range(8)]
    left_out = ["" if i in sampled else "label too small" for i in range(8)]
    return SampledTexts.of(
        doc_ids,
        [f"label {i % 2}" for i in range(len(tokens))],
        [f"source {i}" for i in range(len(tokens))],
        np.cumsum([0, *map(len, tokens)]),
        np.concatenate(tokens),
        np.concatenate([3 * np.arange(1, len(text) + 1) for text in tokens]),
        sample=pd.DataFrame({"doc_id": names, "left_out": left_out}),
        n=n,
    )


WIDTHS = {"0": 20, "1": 20, "final": 6}


def every_state(seed=0, tokens=TOKENS):
    """layer → states of every text."""
    rng = np.random.default_rng(seed)
    return {
        layer: [rng.standard_normal((len(text), d)).astype(np.float32) for text in tokens]
        for layer, d in WIDTHS.items()
    }


def by_layer(states):
    return lambda: ((i, layer, Z) for layer, Zs in states.items() for i, Z in enumerate(Zs))


def by_text(states):
    return lambda: ((i, layer, Zs[i]) for i in range(len(TOKENS)) for layer, Zs in states.items())
