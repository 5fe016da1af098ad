"""Attention of the last token of a text: its row in the last layer, and its rollout."""

import torch

from infogeo.files.errors import InfogeoError
from infogeo.states.model import LanguageModel

# How far a row of attention may sum from 1, by the precision in which it was computed.
ROW_SUM = {torch.float32: 1e-4, torch.float16: 5e-3, torch.bfloat16: 4e-2}


def attention_rows(model: LanguageModel, text):
    """Attention of the last token of a text, from an eager pass over that text alone.

    Parameters
    ----------
    model : LanguageModel
    text : (n,) int ndarray
        Token ids.

    Returns
    -------
    last_row : (heads, n) float32 ndarray
        Weights in the last layer; rows sum to 1.
    rollout_row : (n,) float32 ndarray
        The last token's row of the product over layers of (mean over heads + I) / 2
        (Abnar & Zuidema 2020, 2005.00928); sums to 1.

    Raises
    ------
    InfogeoError
        Where the model gives no attention weights, or weights that do not sum to 1 or that see
        later tokens.

    Notes
    -----
    Verified against a direct eager pass and the product in float64.
    """
    ids, mask, positions = model.inputs([text])
    # Not set_attn_implementation(), which does nothing in some architectures.
    config = model.base.config
    usual, config._attn_implementation = config._attn_implementation, "eager"
    try:
        with torch.inference_mode():
            output = model.run_base(ids, mask, positions, output_attentions=True)
    finally:
        config._attn_implementation = usual
    attentions = getattr(output, "attentions", None)
    check_attention(attentions, model.depth, len(text), model.name, model.causal)
    rollout = torch.zeros(len(text), dtype=torch.float32, device=model.device)
    rollout[-1] = 1
    for layer in reversed(attentions):
        mean = layer[0].float().mean(dim=0).to(model.device)  # (n, n)
        mean = mean / mean.sum(dim=-1, keepdim=True)
        rollout = (rollout + rollout @ mean) / 2
    last_row = attentions[-1][0, :, -1].float()  # (heads, n)
    last_row = last_row / last_row.sum(dim=-1, keepdim=True)
    return last_row.cpu().numpy(), rollout.cpu().numpy()


def attention_problem(model: LanguageModel) -> str:
    """Why an architecture has no attention rows, tried on three tokens; '' where it has."""
    try:
        attention_rows(model, model.probe_text)
    except InfogeoError as error:
        return str(error)
    return ""


def check_attention(attentions, depth: int, n: int, name: str, causal: bool = True) -> None:
    """Stop unless every layer has weights, which sum to 1 and, if causal, see no later token.

    SDPA and flash attention return None, or nothing at all, without a warning; and an architecture
    that is half switched to eager attention may take its mask for numbers to add.
    """
    if attentions is None or len(attentions) != depth or any(a is None for a in attentions):
        raise InfogeoError(
            f"model {name!r}: no attention weights of all {depth} layers; the architecture has no "
            "eager attention. Set states.attention_texts to 0 to do without them."
        )
    for layer, weights in enumerate(attentions):
        shape = (1, weights.shape[1], n, n)
        off = (weights.float().sum(dim=-1) - 1).abs().max().item()
        later = weights.triu(diagonal=1).abs().max().item() if causal else 0.0
        if weights.shape != shape or not max(off, later) <= ROW_SUM[weights.dtype]:
            raise InfogeoError(
                f"model {name!r}, layer {layer}: attention weights of shape "
                f"{tuple(weights.shape)} whose rows sum to 1 only within {off:.2g}, and which "
                f"give later tokens up to {later:.2g}. "
                "Set states.attention_texts to 0 to do without them."
            )
