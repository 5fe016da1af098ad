"""Runs on some tokens of a text alone, at their original positions, and where they go wrong."""

import math

import numpy as np
import torch

from infogeo.states.model import LanguageModel
from infogeo.states.out_of_memory import is_out_of_memory

# How far next-token log-probabilities (nats) may lie apart between two ways to run the same tokens:
# some 30 units in the last place of a logit of 1 in half precision, rather more in float32. A wrong
# position or a visible token that should be hidden moves them by far more in a trained model.
GAP_TOLERANCE = {torch.float32: 1e-4, torch.float16: 3e-2, torch.bfloat16: 3e-1}


def run_kept(model: LanguageModel, token_ids, positions):
    """One batched forward pass over some tokens of texts, at their original positions.

    Parameters
    ----------
    model : LanguageModel
    token_ids, positions : (B, k) int ndarrays
        As many tokens of every text, so that nothing is padded; positions rise.

    Returns
    -------
    logits : (B, V) float32 tensor
        Of the token after the last one.
    mean, last : (B, d) float32 tensors
        Mean over the tokens of the final states, and the last token's.

    Notes
    -----
    Verified against full-length passes whose 4-D mask hides the other tokens: log-probabilities
    within 1e-5 on tiny models of the architectures in tests/unit/states/test_architectures.py.
    `check_gaps` finds out where an architecture cannot do this.
    """
    token_ids, positions = (
        torch.from_numpy(np.asarray(array, dtype=np.int64)).to(model.device)
        for array in (token_ids, positions)
    )
    reach = int((positions[:, -1] - positions[:, 0]).max()) + 1  # tokens from first to last
    if reach > token_ids.shape[1] and _shorter_window(model, reach):
        mask = masks(model, positions, positions)  # windows would count the kept tokens alone
    else:
        # Without a mask, gapped positions would be taken for texts packed into one row.
        mask = torch.ones_like(token_ids)
    final, logits = predict_next(model, token_ids, mask, positions)
    run = logits, final.mean(dim=1, dtype=torch.float32), final[:, -1].float()
    return tuple(values.to(model.device) for values in run)


def _shorter_window(model, n: int) -> bool:
    """Whether some layers look back over fewer than n tokens."""
    windows = layer_windows(model.model.config.get_text_config()).values()
    return any(window is not None and window < n for window in windows)


def masks(model, queries, keys, visible=None):
    """4-D masks (B, 1, q, k): tokens see those at no later positions, of which `visible` alone.

    Parameters
    ----------
    model : LanguageModel
    queries, keys : (B, q) and (B, k) int tensors
        Positions of the tokens that look back, and of those that they may see.
    visible : bool tensor, optional
        Broadcast to (B, q, k). Every token must see one, itself perhaps: else it has no softmax.

    Returns
    -------
    tensor, or dict of kind of layer to tensor
        One mask, or one for each kind of layer where their windows differ.
    """
    back = queries[:, :, None] - keys[:, None, :]  # (B, q, k): how far back is a token
    seen = back >= 0
    if visible is not None:
        seen &= visible
    made = {}
    for kind, window in layer_windows(model.model.config.get_text_config()).items():
        hidden = ~(seen & (back < window)) if window else ~seen
        # Numbers to add suit every kind of attention; a mask that is boolean does not.
        mask = torch.zeros(hidden.shape, dtype=model.dtype, device=hidden.device)
        made[kind] = mask.masked_fill_(hidden, torch.finfo(model.dtype).min)[:, None]
    return made if len(made) > 1 else made.popitem()[1]


def predict_next(model, ids, mask, positions, **options):
    """Final states (B, k, d), and logits (B, V) in float32 at the last token alone."""
    options["position_ids"] = positions + model.first_position
    final = model.final_states(ids, mask, options)
    with torch.inference_mode():
        logits = model.head(final[:, -1].to(model.head_device))
    return final, logits.float().to(model.device)


def gapped_problem(model: LanguageModel, n: int) -> str:
    """Why a configuration rules out runs on some of n tokens at their positions; '' if it does not.

    Some models count the tokens that they are given, in their positions or in a window over which
    they look back. They would see the kept tokens nearer together than they are. Windows of the
    kinds of attention that transformers masks are given as masks made from positions.
    """
    config, name = model.model.config.get_text_config(), type(model.model).__name__
    if not model.causal:
        return f"{name} is run as an encoder: it predicts no token after the last one."
    if model.first_position is None or getattr(config, "alibi", False):
        return (
            f"{name} takes no position ids: it would see the kept tokens as neighbours, nearer "
            "together than they are."
        )
    kinds = set(layer_windows(config)) - {"full_attention", "sliding_attention"}
    if kinds:
        return (
            f"{name} has layers of kind {', '.join(sorted(kinds))}, which know the tokens that "
            "they are given by their order, not by their positions."
        )
    if "local" in getattr(config, "attention_layers", ()) and config.window_size < n:  # GPT-Neo
        return (
            f"{name} looks back over a window of {config.window_size} tokens, fewer than "
            f"n = {n}. Its own mask would count the kept tokens alone."
        )
    return ""


def gap_residual(model: LanguageModel, text, remaining) -> float:
    """How far a run on the kept tokens is from a full-length run that hides the others.

    Parameters
    ----------
    model : LanguageModel
    text : (n,) int ndarray
        Token ids.
    remaining : (n,) bool ndarray
        The last must be kept.

    Returns
    -------
    float
        Largest absolute difference of the log-probabilities (nats) of the token after the
        last.
    """
    text, remaining = np.asarray(text), np.asarray(remaining)
    alone = run_kept(model, text[None, remaining], np.flatnonzero(remaining)[None])[0]
    ids, _, _ = model.inputs([text])
    positions = torch.arange(len(text), device=model.device)[None]
    # Hidden tokens see themselves.
    visible = torch.from_numpy(remaining | np.eye(len(text), dtype=bool)).to(model.device)
    _, whole = predict_next(model, ids, masks(model, positions, positions, visible), positions)
    apart = torch.log_softmax(alone, dim=-1) - torch.log_softmax(whole, dim=-1)
    return float(apart.abs().max())


def layer_windows(config) -> dict[str, int | None]:
    """Over how many tokens, itself included, each kind of layer looks back; None: over all.

    Kinds are named as in the `layer_types` of transformers.
    """
    window = getattr(config, "sliding_window", None)
    kinds = getattr(config, "layer_types", None)
    if not kinds:
        window = window if getattr(config, "use_sliding_window", True) else None
        kinds = ["sliding_attention" if window else "full_attention"]
    return {kind: window if kind == "sliding_attention" else None for kind in kinds}


def check_gaps(model: LanguageModel, text, seed: int) -> tuple[float, str]:
    """How far runs on kept tokens are from full runs that hide the others, and what is wrong.

    Tried with about half of the tokens, and with all: a window that is shorter than the text shows
    in the latter, since a mask given whole replaces it.

    Parameters
    ----------
    model : LanguageModel
    text : (n,) int ndarray
    seed : int

    Returns
    -------
    residual : float
        The larger `gap_residual`; NaN where it could not be measured.
    problem : str
        Why the model cannot be run on some of its tokens; '' if it can.
    """
    problem = gapped_problem(model, len(text))
    if problem:
        return math.nan, problem
    half = np.random.default_rng([seed, len(text)]).random(len(text)) < 0.5
    half[-1] = True
    name, tolerance = type(model.model).__name__, GAP_TOLERANCE[model.dtype]
    try:
        residual = float(
            np.max([gap_residual(model, text, remaining) for remaining in (half, half | True)])
        )
    except Exception as error:  # code of any architecture that takes no mask of four dimensions
        if is_out_of_memory(error):
            raise
        reason = f"{type(error).__name__}: {error}"
        return math.nan, f"{name} cannot be run with a 4-D mask, so nothing is checked ({reason})."
    if not residual <= tolerance:
        problem = (
            f"{name}: a run on some tokens alone and a full run that hides the others differ by "
            f"{residual:.2g} nats (tolerance {tolerance:g})."
        )
    return residual, problem
