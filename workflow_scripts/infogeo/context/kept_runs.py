"""Runs of a model on sets of kept tokens, and how far the prediction moves."""

import math

import numpy as np
import torch

from infogeo.files.errors import InfogeoError
from infogeo.states import gaps, likelihoods
from infogeo.states.beginnings import Beginnings
from infogeo.states.out_of_memory import run_halving_on_oom

MEASURES = ("kl", "delta_nll", "cosine_mean", "cosine_last")
# Fewest first tokens that a set takes over from the whole text; with fewer, little is saved.
LEAST_SHARED = 16
# Numbers of new tokens are rounded up to these steps, so that more sets are run at once.
STEP = 8


def run_sets(
    model, texts, sets, next_tokens, *, batch_tokens: int, names, shared: bool
) -> list[np.ndarray]:
    """How far the prediction after each text moves when only some of its tokens are there.

    Parameters
    ----------
    model : LanguageModel
    texts : list of (n,) int ndarrays
        Token ids, as many of every text.
    sets : list of (s, n) bool ndarrays
        What is kept of each text; the last token always, and one of the sets is the whole text.
    next_tokens : list of int or None
        The true token after each text.
    batch_tokens : int
        Most tokens of a batch.
    names : list of str
        Of the texts, for messages.
    shared : bool
        Whether sets that keep the first tokens of a text begin with keys of the whole text's run:
        see `states.beginnings`.

    Returns
    -------
    list of (s, 4) float64 ndarrays
        The columns `MEASURES`.

    Raises
    ------
    InfogeoError
        Where a prediction is not finite, or memory does not suffice for one set.
    """
    owner = np.repeat(np.arange(len(texts)), [len(of_text) for of_text in sets])  # (S,)
    remaining = np.concatenate(sets)  # (S, n)
    ids = np.broadcast_to(np.stack(texts)[owner], remaining.shape)
    sizes, n = remaining.sum(axis=1), remaining.shape[1]
    measured = np.empty((len(remaining), len(MEASURES)))
    targets = torch.tensor([-1 if token is None else token for token in next_tokens])
    targets = targets.to(model.device)
    # Of the whole texts: log-probabilities, mean and last state.
    reference = [
        torch.empty((len(texts), width), dtype=torch.float64, device=model.device)
        for width in (model.vocabulary, model.widths["final"], model.widths["final"])
    ]

    starts = shared_tokens(remaining) if shared else np.zeros_like(sizes)
    beginnings = Beginnings(model, texts) if shared else None

    def run(batch):
        start, rows = starts[batch], owner[batch]
        whole = sizes[batch[0]] == n
        own = remaining[batch] & (np.cumsum(remaining[batch], axis=1) > start[:, None])
        positions = np.nonzero(own)[1].reshape(len(batch), -1)
        if shared and whole:
            logits, mean, last = beginnings.run_whole(rows)
        elif start.any():
            logits, mean, last = beginnings.run(rows, start, positions)
        else:
            some = ids[batch][own].reshape(positions.shape)
            logits, mean, last = gaps.run_kept(model, some, positions)
        outcome = torch.log_softmax(logits.double(), dim=-1), mean.double(), last.double()
        if whole:
            for values, new in zip(reference, outcome, strict=True):
                values[rows] = new
        full = [values[rows] for values in reference]
        measured[batch] = _measure(full, outcome, targets[rows]).cpu().numpy()

    most_rows = likelihoods.rows_at_once(model)
    for batch, tokens in _batches(sizes, starts, n, batch_tokens, most_rows):
        run_halving_on_oom(
            model,
            run,
            batch,
            lambda part, tokens=tokens: len(part) * tokens,
            lambda row: f"model {model.name!r}, text {names[owner[row]]!r}",
        )
    wrong = ~np.isfinite(measured[:, 0])
    if wrong.any():
        raise InfogeoError(
            f"model {model.name!r}, text {names[owner[wrong.argmax()]]!r}: the prediction from "
            f"{sizes[wrong.argmax()]} of its tokens is not finite. The dtype "
            f"({str(model.dtype).removeprefix('torch.')}, in the models table) may not suit it."
        )
    return np.split(measured, np.cumsum([len(of_text) for of_text in sets])[:-1])


def shared_tokens(remaining) -> np.ndarray:
    """How many first tokens of each set (S, n) are taken over from the run on its whole text. (S,)

    At most those before the first gap; 0 of whole texts, and where they are few.
    """
    before = np.where(remaining.all(axis=1), 0, remaining.argmin(axis=1))
    new = remaining.sum(axis=1) - before
    starts = before - -new % STEP
    return np.where((before >= LEAST_SHARED) & (starts > 0), starts, 0)


def _batches(sizes, starts, n: int, batch_tokens: int, most_rows: int):
    """Sets that are run at once, and how many tokens each has in memory, those before included.

    They have equally many new tokens, so that nothing is padded. Whole texts come first: the others
    are measured against them, and may begin with their keys.
    """
    new = sizes - starts
    for shared in (False, True):
        of_kind = (starts > 0) == shared
        for length in np.unique(new[of_kind])[::-1]:
            of_length = np.flatnonzero(of_kind & (new == length))
            of_length = of_length[np.argsort(starts[of_length], kind="stable")]
            tokens = n if shared else int(length)
            # A batch's log-probabilities are bounded too: with few tokens, they are most of it.
            step = max(1, min(batch_tokens // tokens, most_rows))
            for first in range(0, len(of_length), step):
                yield of_length[first : first + step], tokens


def _measure(full, ablated, targets):
    """`MEASURES` of runs (B, 4), from log-probabilities (B, V), means and last states (B, d)."""
    (log_p, *states), (log_q, *others) = full, ablated
    kl = (log_p.exp() * (log_p - log_q)).sum(dim=-1).clamp(min=0)  # below 0 by rounding only
    known = targets >= 0
    at = targets.clamp(min=0)[:, None]
    delta = torch.where(known, (log_p.gather(1, at) - log_q.gather(1, at))[:, 0], math.nan)
    shifts = [
        (1 - torch.cosine_similarity(state, other, dim=-1)).clamp(min=0)
        for state, other in zip(states, others, strict=True)
    ]
    return torch.stack([kl, delta, *shifts], dim=1)
