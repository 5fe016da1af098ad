"""Heads: logits of final states, a few rows at a time."""

from functools import partial

import torch

from infogeo.files.errors import InfogeoError


def find(model, stream):
    """The head of a causal model: its output matrix, or what the model itself does with it.

    Parameters
    ----------
    model : LanguageModel
    stream : residual_stream.Stream
        What one pass has shown.

    Returns
    -------
    callable
        Logits (m, V) of final states (m, d).

    Raises
    ------
    InfogeoError
        Where the logits do not follow from the final states.
    """
    rows, module = stream.states["final"][0].to(model.head_device), model.model
    own = partial(own_head, module, stream.base, stream.output_type)
    plain = partial(output_matrix, module.get_output_embeddings())
    with torch.inference_mode():
        if not _near(own(rows), stream.output.logits[0].to(model.head_device)):
            raise InfogeoError(
                f"model {model.name!r}: the logits of {type(module).__name__} do not follow from "
                "its final states alone, so that likelihoods cannot be computed a few rows at a "
                "time."
            )
        if module.get_output_embeddings().weight.shape[1] != rows.shape[1]:
            return own
        # Some do more than multiply by the output matrix: a scale, or a soft cap, which shows in
        # large logits.
        loud = rows * (100 / plain(rows).abs().max())
        return plain if _near(own(loud), plain(loud)) else own


def output_matrix(matrix, rows):
    """Logits (m, V): final states (m, d) by the output matrix, in its dtype."""
    return matrix(rows.to(matrix.weight.dtype))


def own_head(module, base, output_type, rows):
    """Logits (m, V) that a model itself makes of final states (m, d), blocks left out."""
    output = output_type(last_hidden_state=rows[None])
    usual = base.forward
    base.forward = lambda *args, **kwargs: output
    try:
        ids = torch.zeros((1, len(rows)), dtype=torch.int64, device=rows.device)
        return module(ids, use_cache=False).logits[0]
    finally:
        base.forward = usual


def _near(one, other) -> bool:
    """Whether two tensors are the same but for rounding, in any precision."""
    return bool((one.float() - other.float()).norm() <= 0.01 * other.float().norm())
