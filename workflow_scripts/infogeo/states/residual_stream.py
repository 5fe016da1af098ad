"""Where the residual stream of a model can be read: found by looking at a pass, not by names."""

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise

import torch

from infogeo.files.errors import InfogeoError


@dataclass
class Stream:
    """What one pass of a model has shown.

    Attributes
    ----------
    base : module
        Whose output has the final states.
    blocks : ModuleList
        Each is called once, with what the one before it hands on.
    states : dict of layer -> tensor
        Of '0' … 'L' and 'final', as blocks hand them on.
    output : object
        What the whole model returned.
    output_type : type
        Of what the base returns.
    """

    base: torch.nn.Module
    blocks: torch.nn.ModuleList
    states: dict
    output: object
    output_type: type


def handed_on(output):
    """The states among what a block returns."""
    return output[0] if isinstance(output, (tuple, list)) else output


def _streams(output) -> int:
    """How many tensors of the shape of states a block returns."""
    states, parts = handed_on(output), output if isinstance(output, (tuple, list)) else [output]
    if not torch.is_tensor(states):
        return 0
    return sum(torch.is_tensor(part) and part.shape == states.shape for part in parts)


def handed_in(args, kwargs):
    """The states among what a block is called with; None where they are not recognised."""
    return args[0] if args else kwargs.get("hidden_states")


def find(model, depth: int | None, run, name: str) -> Stream:
    """Find the base and the blocks of a model from one pass.

    Parameters
    ----------
    model : PreTrainedModel
    depth : int or None
        Layers by its configuration.
    run : callable
        run() is a pass through the whole model.
    name : str
        Of the model, for messages.

    Raises
    ------
    InfogeoError
        Where there are no such blocks.
    """
    calls, bases, hooks = defaultdict(list), {}, []
    members = [block for blocks in _lists(model).values() for block in blocks]

    def record(module, args, kwargs, output):
        states = handed_in(args, kwargs), handed_on(output)
        copies = [x.clone() if torch.is_tensor(x) else None for x in states]
        calls[id(module)].append((*copies, _streams(output)))

    def record_base(module, args, output):
        final = getattr(output, "last_hidden_state", None)
        if torch.is_tensor(final):
            bases[module] = final.clone(), type(output)

    for block in {id(block): block for block in members}.values():
        hooks.append(block.register_forward_hook(record, with_kwargs=True))
    hooks += [module.register_forward_hook(record_base) for module in model.modules()]
    try:
        with torch.inference_mode():
            output = run()
    finally:
        for hook in hooks:
            hook.remove()
    base = _base(model, bases)
    lists = _lists(base) if base is not None else {}
    for blocks in lists.values():
        if len(blocks) == depth and _hand_on(blocks, calls):
            states = {"0": calls[id(blocks[0])][0][0]}
            states |= {str(i): calls[id(block)][0][1] for i, block in enumerate(blocks, start=1)}
            final, output_type = bases[base]
            return Stream(base, blocks, states | {"final": final}, output, output_type)
    raise InfogeoError(
        f"model {name!r}: {type(model).__name__} has no list of {depth} blocks (num_hidden_layers "
        "in its config.json) that run once each, on what the one before hands on. So its "
        f"residual stream cannot be read. {_what_runs(lists, calls)}"
    )


def _lists(module) -> dict:
    """The lists of modules in a module, by name, without lists in lists."""
    lists = {}
    for label, part in module.named_modules():
        if isinstance(part, torch.nn.ModuleList) and not any(
            label.startswith(f"{outer}.") for outer in lists
        ):
            lists[label] = part
    return lists


def _base(model, bases: dict):
    """Of the modules that gave final states: the decoder if it did, else the innermost."""
    decoder = model.get_decoder()
    if decoder in bases:
        return decoder
    innermost = [
        module
        for module in bases
        if not any(part in bases for part in module.modules() if part is not module)
    ]
    return innermost[-1] if innermost else None


def _hand_on(blocks, calls: dict) -> bool:
    """Whether blocks ran once each, and each was given what the one before has handed on."""
    runs = [calls[id(block)] for block in blocks]
    if any(len(run) != 1 or run[0][2] != 1 for run in runs) or runs[0][0][0] is None:
        return False
    return all(_follows(one[0][1], two[0][0]) for one, two in pairwise(runs))


def _follows(handed, given) -> bool:
    """Whether states are those before, or a multiple of them (RWKV halves them now and then)."""
    if handed is None or given is None or handed.shape != given.shape:
        return False
    rows = [torch.nan_to_num(x.double(), 0, 0, 0) for x in (handed, given.to(handed.device))]
    one, two = (x / x.norm().clamp(min=1e-300) for x in rows)
    return bool((one - two).norm() <= 0.01)


def _what_runs(lists: dict, calls: dict) -> str:
    """What runs instead, for a message."""
    lines = []
    for label, blocks in lists.items():
        times = sorted({len(calls[id(block)]) for block in blocks})
        streams = max((run[2] for block in blocks for run in calls[id(block)]), default=0)
        if streams:
            often = " or ".join(map(str, times))
            more = f", handing on {streams} streams of states" if streams > 1 else ""
            lines.append(f"{label} ({len(blocks)} modules, run {often} times each{more})")
    return f"Its lists: {'; '.join(lines)}." if lines else "It has no list of modules that run."


def hook(base, blocks, deliver) -> None:
    """Let every pass call deliver(layer, hidden) as each layer is reached."""

    def before_first(module, args, kwargs):
        deliver("0", handed_in(args, kwargs))

    def after(layer):
        return lambda module, args, output: deliver(layer, handed_on(output))

    blocks[0].register_forward_pre_hook(before_first, with_kwargs=True)
    for index, block in enumerate(blocks):
        block.register_forward_hook(after(str(index + 1)))
    base.register_forward_hook(
        lambda module, args, output: deliver("final", output.last_hidden_state)
    )


def ends_with_norm(base, blocks, ids, passed) -> bool:
    """Whether a norm comes after the last block: it undoes what scale its rows have.

    (A projection, or nothing, may come instead: some OPT models have their norms in blocks.)
    """
    finals = []
    for scale in (1.0, 4.0):

        def rescale(module, args, output, scale=scale):
            hidden = handed_on(output)
            rows = torch.nn.functional.normalize(hidden.float(), dim=-1)  # a zero row stays so
            hidden = (rows * (scale * hidden.shape[-1] ** 0.5)).to(hidden.dtype)
            return (hidden, *output[1:]) if isinstance(output, (tuple, list)) else hidden

        rescaling = blocks[-1].register_forward_hook(rescale)
        try:
            with torch.inference_mode():
                finals.append(base(ids, **passed).last_hidden_state.float())
        finally:
            rescaling.remove()
    return bool((finals[1] - finals[0]).norm() < finals[0].norm())
