"""What several test modules do with tiny models."""

import numpy as np

from infogeo.states.batches import Rows

FAMILIES = ("gpt_neox", "gpt2", "opt", "llama")


def run_alone(model, text, layers):
    """The states and likelihoods of one text, run by itself."""
    rows = Rows(model, layers, [len(text)], ["alone"])
    rows.run([text], batch_tokens=1)
    return rows


def keeps(n):
    """Which of n tokens to keep: gaps of several kinds, with and without the first token."""
    rng = np.random.default_rng(n)
    patterns = {
        "last alone": [n - 1],
        "first and last": [0, n - 1],
        "every third": list(range(n - 1, -1, -3)),
        "all but the first": list(range(1, n)),
        "one gap": [*range(3), *range(n - 4, n)],
        "random half": [*np.flatnonzero(rng.random(n - 1) < 0.5), n - 1],
        "all": list(range(n)),
    }
    return {name: np.isin(np.arange(n), kept) for name, kept in patterns.items()}
