"""Predictions from the states of earlier layers, through a model's own final norm and head.

The model reads the next token off its last states by a norm and a matrix. What these two make of an
earlier layer's states shows how far the prediction has come there (the "logit lens" of
nostalgebraist 2020).
"""

import torch

from infogeo.geometry.depths import layer_names
from infogeo.states import likelihoods


def unchanged(states):
    """The norm of an architecture that has none after its last block."""
    return states


def find_norm(model):
    """What makes final states of those of the last block, found by looking at a pass.

    Parameters
    ----------
    model : LanguageModel

    Returns
    -------
    callable or None
        Final states (..., d) of states (..., d); None where no single module does it.
    """
    inside = {part for block in model.blocks for part in block.modules()}
    calls, states, hooks = [], {}, []

    def record(module, args, kwargs, output):
        given = next(filter(torch.is_tensor, (*args, *kwargs.values())), None)
        if given is not None and torch.is_tensor(output):
            calls.append((module, given.clone(), output.clone()))

    for module in model.base.modules():
        if module is not model.base and module not in inside:
            hooks.append(module.register_forward_hook(record, with_kwargs=True))
    try:
        with model.reading(lambda layer, hidden: states.update({layer: hidden.clone()})):
            ids, mask, positions = model.inputs([model.probe_text])
            model.run_base(ids, mask, positions)
    finally:
        for hook in hooks:
            hook.remove()
    last, final = states[layer_names(model.depth)[-2]], states["final"]
    # A norm may leave the last states nearly as they are and change others: it comes first.
    return next(
        (module for module, given, output in calls if _same(given, last) and _same(output, final)),
        unchanged if _same(last, final) else None,
    )


def _same(one, other) -> bool:
    """Whether two tensors are the same but for the rounding of a dtype."""
    if one.shape != other.shape:
        return False
    one, other = (x.float().cpu() for x in (one, other))
    return bool((one - other).norm() <= 1e-2 * other.norm())


def predict(model, norm, texts, layers) -> dict[str, tuple[list, list]]:
    """Likelihoods and predictive entropies from the states of some layers, in one pass.

    Parameters
    ----------
    model : LanguageModel
        Causal.
    norm : callable
        From `find_norm`.
    texts : list of (n_i,) int ndarrays
        Token ids.
    layers : collection of str

    Returns
    -------
    dict of layer to (nll, predictive_entropy)
        Lists of (n_i,) float32 ndarrays, nats: see `likelihoods.of_texts`. Of ``final``, and of the
        last block's states, they are the model's own. Logits of one layer exist at a time.

    Notes
    -----
    Verified against the logits that each tested family makes of these states itself.
    """
    ids, mask, positions = model.inputs(texts)
    states = {}

    def hold(layer, hidden):
        if layer in layers and layer != "final":
            states[layer] = hidden.clone()  # later layers may write where this was

    states["final"] = model.final_states(ids, mask, positions, hold)
    scores = {}
    for layer in layers:
        with torch.inference_mode():
            final = states["final"] if layer == "final" else norm(states.pop(layer))
        scores[layer] = likelihoods.of_texts(model, ids, mask, final)
    return scores
