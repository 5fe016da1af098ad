"""Figure of what each layer predicts through the model's own final norm and head.

Values and intervals are columns of results/context/layer_prediction.parquet.
"""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from infogeo.figures.depth import FINAL, depth_axis
from infogeo.figures.families import (
    extremes,
    family_handles,
    family_styles,
    largest_families,
    legend_below,
    legend_height,
    legend_look,
    note_on_families,
)
from infogeo.figures.size import curve_look
from infogeo.figures.style import WIDTH, linear_axis, panel, reason_empty, remark, styled
from infogeo.figures.tables import check_columns, select
from infogeo.sources.runs import ends_of_runs

PANELS = {
    "nll": ("negative log-likelihood", "nats/token"),
    "predictive_entropy": ("predictive entropy", "nats/token"),
    "correlation": ("with the model's own surprisal", "rank correlation"),
}


def layer_prediction(predictions, *, corpus: str) -> Figure:
    """Each family's largest and smallest model against relative depth.

    Parameters
    ----------
    predictions : pandas.DataFrame
        results/context/layer_prediction.parquet.
    corpus : str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InfogeoError
        Where the table lacks a column.
    """
    check_columns(predictions, "context", "layer_prediction")
    (predictions,) = ends_of_runs(predictions)
    styles = family_styles(predictions, corpus)
    rows = select(predictions, corpus=corpus)
    rows = rows.assign(at=np.where(rows["layer"] == "final", FINAL, rows["relative_depth"]))
    drawn = extremes(rows[rows["family"].isin(largest_families(rows))])
    with styled():
        colour, marker = legend_look(styles)
        handles = [
            Line2D([], [], **curve_look("largest", colour, marker), label="largest model"),
            Line2D([], [], **curve_look("smallest", colour, marker), label="smallest model"),
            Line2D([], [], color=colour, alpha=0.2, linewidth=5, label="95 % interval"),
        ]
        height = 2.4 + legend_height(styles, len(handles), 4)
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        remark(figure, note_on_families(styles, "Drawn"))
        axes = figure.subplots(1, len(PANELS))
        for letter, ax, (name, (title, unit)) in zip("abc", axes, PANELS.items(), strict=True):
            if panel(ax, letter, title, reason_of(rows, name)):
                draw(ax, rows, name, drawn, styles)
                ax.set(xlabel="relative depth", ylabel=unit)
        legend_below(figure, [*family_handles(styles), *handles], 4)
    return figure


def reason_of(rows: pd.DataFrame, name: str) -> str:
    """The reason that a panel is empty; that of the first row where the table has one."""
    empty = reason_empty(rows, name, "prediction of layers")
    reasons = rows.loc[rows["problem"] != "", "problem"]
    return f"not available: {reasons.iloc[0]}" if empty and len(reasons) else empty


def draw(ax, rows: pd.DataFrame, name: str, drawn: list, styles: dict) -> None:
    """One quantity against depth with its interval."""
    for family, role, model in drawn:
        line = rows[(rows["model"] == model) & np.isfinite(rows[name])].sort_values("at")
        look = curve_look(role, *styles[family])
        ax.fill_between(
            line["at"], line[f"{name}_low"], line[f"{name}_high"],
            color=look["color"], alpha=0.2, linewidth=0, gid=f"{name} interval/{model}",
        )  # fmt: skip
        ax.plot(line["at"], line[name], gid=f"{name}/{model}", **look)
    depth_axis(ax)
    linear_axis(ax.yaxis)
