"""Likelihoods and predictive entropies from final states, a few rows of logits at a time."""

import numpy as np
import torch

HEAD_NUMBERS = 1 << 22  # logits that exist at once on a CPU
SCORE_NUMBERS = 1 << 18  # of these, logits worked on at once: about what a core's cache holds
GPU_HEAD_NUMBERS = 1 << 26


def of_texts(model, ids, mask, final):
    """Negative log-likelihood and predictive entropy of every token of padded texts.

    Parameters
    ----------
    model : LanguageModel
    ids, mask : (texts, longest) tensors
        See `LanguageModel.inputs`.
    final : (texts, longest, d) tensor
        Final states.

    Returns
    -------
    nll, predictive_entropy : lists of (n_i,) float32 ndarrays
        In nats, of each token given those before it; NaN at a text's first token.
    """
    predicted = mask[:, 1:].bool()  # (texts, longest − 1): a token that has one before it
    targets = ids[:, 1:][predicted].to(model.head_device)
    with torch.inference_mode():
        scores = score(model, final[:, :-1][predicted.to(final.device)], targets)
    ends = np.cumsum(mask.sum(dim=1).cpu().numpy() - 1)[:-1]
    nll, entropy = (np.split(values, ends) for values in scores.cpu().numpy())
    return [_after_nan(part) for part in nll], [_after_nan(part) for part in entropy]


def _after_nan(values):
    return np.concatenate([np.full(1, np.nan, dtype=np.float32), values])


def rows_at_once(model) -> int:
    """Tokens of which a model makes logits at once."""
    on_gpu = model.head_device.type == "cuda"
    return max(1, (GPU_HEAD_NUMBERS if on_gpu else HEAD_NUMBERS) // model.vocabulary)


def score(model, rows, targets):
    """(2, m) tensor: NLL and predictive entropy for m rows of final states (m, d)."""
    scores = torch.empty((2, len(rows)), dtype=torch.float32, device=model.head_device)
    on_gpu, step = model.head_device.type == "cuda", rows_at_once(model)
    part = step if on_gpu else max(1, SCORE_NUMBERS // model.vocabulary)
    for start in range(0, len(rows), step):
        logits = model.head(rows[start : start + step].to(model.head_device)).float()
        for low in range(0, len(logits), part):
            at = slice(start + low, min(start + low + part, start + len(logits)))
            score_logits(logits[low : low + part], targets[at], scores[:, at])
    return scores


def score_logits(logits, targets, out) -> None:
    """Negative log-likelihood and entropy of predictions, without a second copy of the logits.

    Let x be the logits less their maximum and s = Σ eˣ. The NLL is ln s − x_target and the entropy
    ln s − Σ x eˣ / s.

    Parameters
    ----------
    logits : (m, V) float32 tensor
        Overwritten.
    targets : (m,) int64 tensor
    out : (2, m) float32 tensor
        Receives NLL and entropy, nats.
    """
    logits -= logits.amax(dim=-1, keepdim=True)
    chosen = logits.gather(-1, targets[:, None])[:, 0]
    powers = torch.exp(logits)
    total = powers.sum(dim=-1)
    log_total = total.log()
    torch.sub(log_total, chosen, out=out[0])
    mean = powers.mul_(logits).sum(dim=-1) / total
    torch.sub(log_total, mean, out=out[1])
