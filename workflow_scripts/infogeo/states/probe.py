"""What a few tokens show of a model before it is run: a reason to refuse it, or its positions."""

import inspect

import numpy as np
import torch

from infogeo.files.errors import InfogeoError

TOKENS = 3
# How far states may lie apart, relative to their norm, that only rounding tells apart: in experts
# it depends on which other tokens came to them.
ROUNDING = {torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 1e-1}


def texts(config, vocabulary: int) -> list[np.ndarray]:
    """Two texts of tokens that mean nothing special to the model. Each (3,) int32."""
    special = {
        token
        for part in (config, config.get_text_config())
        for key, value in part.to_dict().items()
        if "token" in key
        for token in (value if isinstance(value, list) else [value])
        if isinstance(token, int)
    }
    plain = [token for token in range(min(vocabulary, 1000)) if token not in special]
    if len(plain) < 2 * TOKENS:
        plain = [token % vocabulary for token in range(2 * TOKENS)]
    plain = np.array(plain[-2 * TOKENS :], dtype=np.int32)
    return [plain[:TOKENS], plain[TOKENS : 2 * TOKENS]]


def not_finite_remedy(dtype: torch.dtype) -> str:
    """What may have made a number infinite or NaN, and what to do."""
    if dtype == torch.float16:
        return (
            "float16 ends at 65504: set the model's dtype to bfloat16 or float32 in the models "
            "table."
        )
    return "The weights may be damaged, or the dtype may not suit this model."


def require_finite(model, stream) -> None:
    """Stop where a layer, or the logits, hold infinite numbers or NaN."""
    layers = dict(stream.states)
    if model.causal:
        layers["logits"] = stream.output.logits
    for layer, values in layers.items():
        if values.isfinite().all():
            continue
        weights = (
            f"Its weight {name} is not finite in this dtype. "
            for name, weight in model.model.named_parameters()
            if not weight.is_meta and not weight.isfinite().all()
        )
        raise InfogeoError(
            f"model {model.name!r}, layer {layer}: values in {dtype_name(model.dtype)} are not "
            f"finite for {TOKENS} tokens. {next(weights, '')}{not_finite_remedy(model.dtype)}"
        )


def require_shape(model, states: dict, batch) -> None:
    """Stop unless states of every layer are those of the tokens given: (texts, n, d)."""
    expected = (len(batch), len(batch[0]))
    width = getattr(model.model.config.get_text_config(), "hidden_size", None)
    for layer, hidden in states.items():
        if hidden.dim() != 3 or hidden.shape[:2] != expected:
            raise InfogeoError(
                f"model {model.name!r}, layer {layer}: {type(model.model).__name__} makes states "
                f"of shape {tuple(hidden.shape)} of {expected[0]} texts of {expected[1]} tokens, "
                f"not {expected} and a width. It has several residual streams, or adds or orders "
                "tokens in its own way, and cannot be measured."
            )
        if layer != "final" and hidden.shape[-1] != (width or hidden.shape[-1]):
            raise InfogeoError(
                f"model {model.name!r}, layer {layer}: states of {type(model.model).__name__} are "
                f"{hidden.shape[-1]} wide, and its config.json says {width} (hidden_size). Several "
                "residual streams may lie side by side; it cannot be measured."
            )


def settle_positions(model, own: dict, batch) -> None:
    """Find the positions that a model gives its tokens itself, by a pass that must repeat one.

    Parameters
    ----------
    model : LanguageModel
        Receives `first_position`.
    own : dict of layer -> (2, 3, d) tensor
        States from a pass without position ids.
    batch : list of two (3,) int ndarrays

    Raises
    ------
    InfogeoError
        Where a model run as causal sees later tokens, or two equal passes differ.
    """
    other = [batch[0].copy(), batch[1]]
    other[0][-1] = batch[1][-1]  # a later token: none before may move
    choices = [None]
    if "position_ids" in inspect.signature(model.base.forward).parameters:
        padding = getattr(model.model.config.get_text_config(), "pad_token_id", None)
        # RoBERTa and its kin count from the padding token's number + 1.
        choices = [0, *([] if padding is None else [padding + 1]), None]
    for model.first_position in choices:
        states = _states(model, other)
        if _apart(own, states, 1, TOKENS) <= ROUNDING[model.dtype]:
            break
    else:
        raise InfogeoError(
            f"model {model.name!r}: two passes of {type(model.model).__name__} over the same text "
            "differ, so that its states are not those of the text alone (random hashing?). It "
            "cannot be measured."
        )
    later = _apart(own, states, 0, TOKENS - 1)
    if model.causal and later > ROUNDING[model.dtype]:
        raise InfogeoError(
            f"model {model.name!r}: {type(model.model).__name__} is not causal: its states move by "
            f"{later:.2g} of their norm with a token that comes after them. So it has no "
            "likelihoods, and the start of a text is not a shorter text. Set column `kind` of its "
            "row in the models table to `encoder`. If it was trained as a decoder, set is_decoder "
            "(or such) in its config.json."
        )


def require_masked_padding(model, batch) -> None:
    """Stop where states of an encoder depend on the padding of its batch; a causal one cannot."""
    short = batch[1][:-1]
    padded, alone = _states(model, [batch[0], short]), _states(model, [short])
    alone = {layer: hidden.expand(2, -1, -1) for layer, hidden in alone.items()}
    apart = _apart(padded, alone, 1, TOKENS - 1)
    if apart > ROUNDING[model.dtype]:
        raise InfogeoError(
            f"model {model.name!r}: {type(model.model).__name__} does not heed its attention mask: "
            f"states of a text move by {apart:.2g} of their norm with the padding behind it. They "
            "depend on the other texts of a batch, and cannot be measured."
        )


def _states(model, batch) -> dict:
    states = {}
    ids, mask, positions = model.inputs(batch)
    model.final_states(
        ids, mask, positions, lambda layer, hidden: states.__setitem__(layer, hidden.clone())
    )
    return states


def _apart(one: dict, other: dict, text: int, tokens: int) -> float:
    """The most that the first tokens of a text move at any layer, relative to their norm."""
    return max(
        float((one[layer][text, :tokens].float() - hidden[text, :tokens].float()).norm())
        / max(float(one[layer][text, :tokens].float().norm()), 1e-30)
        for layer, hidden in other.items()
    )


def dtype_name(dtype: torch.dtype) -> str:
    """The name of a dtype in the models table and in stores."""
    return str(dtype).removeprefix("torch.")
