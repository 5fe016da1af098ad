"""What better reading adds to a metric: values of models brought to equal likelihood.

A text that a model reads badly may look compressed, or the reverse. Each model is measured on the
texts as they are and with their words in random order. Between the two lies what its value would be
at the likelihood of the model that reads these texts worst. Rule: docs/verdicts.md.
"""

from typing import NamedTuple

import numpy as np

# How much of what reading adds is taken out before a verdict. Near the texts a nat makes more than
# on the whole way to shuffled words: 1.2 to 2.1 times in the ladder, with a tenth of the words
# shuffled (tests/bench/shuffled.py).
MARGIN = 2.0


class Read(NamedTuple):
    """Means over texts of several models, (models,) or (draws, models).

    Attributes
    ----------
    value, shuffled : arrays
        The metric on the texts as they are, and with shuffled words; both plain or both ln.
    nll, shuffled_nll : arrays
        Nats per token.
    """

    value: np.ndarray
    shuffled: np.ndarray
    nll: np.ndarray
    shuffled_nll: np.ndarray


def share_to_worst(read: Read) -> np.ndarray:
    """How far each model has to go towards its shuffled texts to read as badly as the worst.

    0 for the model of the largest nll, and 1 where shuffled words take a model just there. NaN
    where they do not take it so far: nothing is extrapolated, in no resample either.
    """
    worst = read.nll.max(axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (worst - read.nll) / (read.shuffled_nll - read.nll)
    return np.where((share >= 0) & (share <= 1), share, np.nan)


def gain_of_reading(read: Read) -> np.ndarray:
    """What reading better than the worst adds to each model's value; its shape.

    Value and nll are taken to change together on the way to the shuffled texts.

    Notes
    -----
    Verified against interpolation of each model's value, one after another.
    """
    return share_to_worst(read) * (read.value - read.shuffled)


def reason_not_comparable(read: Read) -> str:
    """Why values (models,) cannot be brought to equal likelihood, or ""."""
    if not np.isfinite(read.shuffled).all():
        return "shuffled words: a mean is not positive"
    if np.isnan(share_to_worst(read)).any():
        return "shuffled words do not take every model to the likelihood of the worst reader"
    return ""


class Shuffled(NamedTuple):
    """Several models on texts whose words are in random order.

    Attributes
    ----------
    curve : (models,) array and (draws, models) array or None
        ln of means over texts, and what resampling the texts does to it; NaN: not measured.
    gain : the same
        ln of what better reading adds; see `reading.gain_of_reading`.
    problem : str
        Why there is no gain, or "".
    left_out : int
        Texts without a value in some model that was measured once their words are shuffled.
    """

    curve: tuple
    gain: tuple
    problem: str
    left_out: int


def shuffled(tables, weights) -> Shuffled | None:
    """What is measured of shuffled words, over the texts that every model has in both ways.

    Parameters
    ----------
    tables : (4, models, texts) array
        The arrays of `Read`; NaN where a text has no value.
    weights : (draws, texts) array
        Resamples of the texts.

    Returns
    -------
    Shuffled or None
        None where no model has values.
    """
    finite = np.isfinite(tables)
    measured, both = finite.any(axis=2).all(axis=0), finite.all(axis=(0, 1))
    if not measured.any():
        return None
    lacking = np.full(len(measured), np.nan), None
    left_out = int((~finite.all(axis=0)[measured].all(axis=0)).sum())
    if not both.any():
        every = (
            "no text is long enough in every model"
            if measured.all()
            else "not measured for every model"
        )
        return Shuffled(lacking, lacking, every, left_out)
    if not both.all():
        tables, weights = tables[..., both], weights[:, both]
        with np.errstate(invalid="ignore"):  # a draw may hold none of them
            weights = weights / weights.sum(axis=1, keepdims=True)
    drawn = (tables.reshape(-1, tables.shape[-1]) @ weights.T).reshape(*tables.shape[:2], -1)
    means, drawn = tables.mean(axis=-1), drawn.swapaxes(1, 2)  # (4, models), (4, draws, models)
    with np.errstate(invalid="ignore", divide="ignore"):
        read, reads = (Read(*np.log(of[:2]), *of[2:]) for of in (means, drawn))
    curve = read.shuffled, reads.shuffled - read.shuffled
    if problem := reason_not_comparable(read):
        return Shuffled(curve, lacking, problem, left_out)
    gain = gain_of_reading(read)
    return Shuffled(curve, (gain, gain_of_reading(reads) - gain), "", left_out)
