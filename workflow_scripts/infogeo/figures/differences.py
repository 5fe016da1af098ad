"""Figure of paired differences: two models side by side, metric by metric."""

import textwrap

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from infogeo.figures.families import control_look, interval_mark, legend_below
from infogeo.figures.style import (
    COLOURS,
    GREY,
    INK,
    NARROW,
    WIDTH,
    leave_empty,
    linear_axis,
    remark,
    styled,
)
from infogeo.figures.tables import check_columns, select
from infogeo.geometry.metrics import depth_of

SHOWN = 6  # pairs
ACROSS = 3


def paired_differences(
    differences: pd.DataFrame, *, corpus: str, n: int, depth: str, metrics: list
) -> Figure:
    """Differences of the headline's metrics, in per cent of the second model's, pair by pair.

    Parameters
    ----------
    differences : pandas.DataFrame
        results/scaling/differences.parquet.
    corpus : str
    n : int
    depth : str
        Relative depth, or "final".
    metrics : list of (str, str)
        Metric and convention.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InfogeoError
        Where the table lacks a column.
    """
    check_columns(differences, "scaling", "differences")
    rows = select(differences, corpus=corpus, n=n, scope="text")
    rows = rows[rows["first"].isin(["in", ""])]
    pairs = list(dict.fromkeys(zip(rows["model"], rows["other_model"], strict=True)))
    with styled():
        across = min(max(len(pairs), 1), ACROSS)
        down = -(-min(len(pairs), SHOWN) // across) or 1
        height = 0.7 + (0.8 + 0.25 * len(metrics)) * down
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        if not pairs:
            leave_empty(figure.subplots(), f"no pairs of models on {corpus}")
            return figure
        if len(pairs) > SHOWN:
            remark(figure, f"Drawn: {SHOWN} of {len(pairs)} pairs")
        axes = figure.subplots(down, across, squeeze=False, sharey=True)
        for ax in axes.flat[len(pairs) :]:
            ax.set_axis_off()
        for ax, (model, other) in zip(axes.flat, pairs[:SHOWN], strict=False):
            of_pair = select(rows, model=model, other_model=other)
            _draw(ax, of_pair, depth, metrics)
            ax.set_title(textwrap.fill(f"{model} − {other}", NARROW))
        labels = [f"{metric} {convention}".strip() for metric, convention in metrics]
        axes[0, 0].set_yticks(range(len(metrics)), labels)
        axes[0, 0].set_ylim(len(metrics) - 0.4, -0.6)
        handles = [
            Line2D([], [], marker="o", color=COLOURS[0], linestyle="", label="difference"),
            interval_mark(COLOURS[0]),
            Line2D([], [], **EQUAL, label="at equal likelihood"),
            Line2D([], [], **_twins(), label="that of the untrained twins"),
        ]
        legend_below(figure, handles, len(handles))
    return figure


# How a difference at equal likelihood is drawn.
EQUAL = {"marker": "s", "markersize": 3.5, "color": GREY, "linestyle": ""}


def _twins() -> dict:
    """How the difference of the twins is drawn."""
    return control_look("untrained twins", COLOURS[1], "D") | {"linestyle": ""}


def _draw(ax, rows: pd.DataFrame, depth: str, metrics: list) -> None:
    """A line per metric: its difference; below it at equal likelihood, and that of the twins."""
    ax.axvline(0, color=INK, linewidth=0.6)
    for place, (metric, convention) in enumerate(metrics):
        of_metric = select(rows, metric=metric, convention=convention)
        layer = _layer(of_metric, depth_of(metric, depth))
        if layer is None or not np.isfinite(layer["difference"]):
            ax.text(0.99, place, "n/a", transform=ax.get_yaxis_transform(), ha="right",
                    va="center", fontsize=5.5, color=GREY)  # fmt: skip
            continue
        share = 100 / abs(layer["other_value"])
        ax.hlines(place, layer["low"] * share, layer["high"] * share, color=COLOURS[0])
        ax.plot(layer["difference"] * share, place, "o", color=COLOURS[0], gid=f"pair/{metric}")
        if np.isfinite(layer["equal_low"]):
            ends = layer["equal_low"] * share, layer["equal_high"] * share
            ax.hlines(place + 0.2, *ends, color=EQUAL["color"])
            ax.plot(layer["equal_difference"] * share, place + 0.2, gid=f"equal/{metric}", **EQUAL)
        if np.isfinite(layer["untrained_difference"]):
            ax.plot(layer["untrained_difference"] * share, place + 0.4, **_twins())
    ax.grid(False, axis="y")
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel("difference, % of the second model's mean")
    linear_axis(ax.xaxis)


def _layer(rows: pd.DataFrame, depth: str):
    """The row at a depth, the nearest one; None where there is none."""
    if depth in ("", "final"):
        rows = select(rows, layer=depth)
    else:
        rows = rows[rows["layer"] != "final"]
        rows = rows.iloc[np.argsort(abs(rows["relative_depth"] - float(depth)), kind="stable")]
    return None if rows.empty else rows.iloc[0]
