"""Layers by relative depth: number over blocks, and 'final', after the norm; and their widths."""

import math


def layer_at(depth: str, layers: int, measured: list[str], tolerance: float) -> str | None:
    """The measured layer nearest to a relative depth, or None where none is near enough."""
    if depth == "final":
        return "final" if "final" in measured else None
    numbers = [int(layer) for layer in measured if layer != "final"]
    if not numbers:
        return None
    nearest = min(numbers, key=lambda layer: (abs(layer / layers - float(depth)), layer))
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
