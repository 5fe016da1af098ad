"""Layers: their names, their relative depths (number over blocks), and their widths.

A relative depth is that of the nearest layer; half way between two it is that of the earlier one,
whose states fewer blocks have changed. This holds for what is stored and for what is compared.
"""

import math
from fractions import Fraction

from infogeo.files.errors import InfogeoError


def layer_names(depth: int) -> list[str]:
    """'0' … 'L' for the residual stream after that many of L blocks, and 'final'."""
    return [*map(str, range(depth + 1)), "final"]


def choose_layers(depths, depth: int) -> list[str]:
    """Names of the configured layers of a model of `depth` blocks, in order, once each.

    Parameters
    ----------
    depths : 'all' or list of str, float
        Relative depths in [0, 1], and 'final'.
    depth : int

    Raises
    ------
    InfogeoError
        Where an entry is neither 'final' nor a number from 0 to 1.
    """
    names = layer_names(depth)
    if depths == "all" or depths == ["all"]:
        return names
    chosen, wrong = set(), []
    for entry in depths:
        try:
            share = 1.0 if entry == "final" else float(entry)
        except (TypeError, ValueError):
            share = math.nan
        if 0 <= share <= 1:
            chosen.add(
                "final" if entry == "final" else str(_nearest(entry, depth, range(depth + 1)))
            )
        else:
            wrong.append(repr(entry))
    if wrong or not chosen:
        raise InfogeoError(
            f"config states.layers: {', '.join(wrong) or 'an empty list'} is out of range; "
            "entries are relative depths from 0 to 1, or 'final' (or the whole is 'all')."
        )
    return [name for name in names if name in chosen]


def _nearest(depth, layers: int, numbers) -> int:
    """The number nearest to a relative depth, of two the smaller; exact, as 0.7 is no float."""
    share = Fraction(str(depth))
    return min(numbers, key=lambda number: (abs(Fraction(number, layers) - share), number))


def layer_at(depth: str, layers: int, measured: list[str], tolerance: float) -> str | None:
    """The measured layer nearest to a relative depth, or None where none is near enough."""
    if depth == "final":
        return "final" if "final" in measured else None
    numbers = [int(layer) for layer in measured if layer != "final"]
    if not numbers:
        return None
    nearest = _nearest(depth, layers, numbers)
    return str(nearest) if abs(nearest / layers - float(depth)) <= tolerance + 1e-12 else None


def layers_at(depths, layers: int, measured: list[str], tolerance: float) -> dict[str, str]:
    """Depth → layer, of the depths that have one."""
    nearest = {depth: layer_at(depth, layers, measured, tolerance) for depth in depths}
    return {depth: layer for depth, layer in nearest.items() if layer is not None}


def width_at(layer: str, model: dict) -> int:
    """Width of the states of a layer; '' is no layer.

    Parameters
    ----------
    layer : str
    model : dict
        width and final_width, as in model.json: OPT-350m projects its last states to another one.
    """
    return model["final_width" if layer == "final" else "width"]


def relative_depth(layer: str, layers: int) -> float:
    """The share of the blocks before a layer, 1 for 'final'; NaN where there is no layer."""
    if layer == "":
        return math.nan
    return 1.0 if layer == "final" else int(layer) / layers
