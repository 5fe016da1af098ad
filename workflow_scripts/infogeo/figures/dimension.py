"""Figure of intrinsic dimension against depth, and against scale at the last layer.

Values, intervals and controls are columns of results/dimension/dimension.parquet.
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
from infogeo.figures.style import GREY, WIDTH, log_axis, panel, reason_empty, remark, styled
from infogeo.figures.tables import check_columns, select
from infogeo.geometry.dimension_rows import SCOPES
from infogeo.sources.runs import ends_of_runs

TITLES = {"last": "last token of a text", "means": "mean of a text", "tokens": "sampled tokens"}
NULL = {"color": GREY, "linestyle": (0, (1, 2)), "linewidth": 0.8, "marker": "x", "markersize": 3}


def intrinsic_dimension(dimensions, *, corpus: str, n: int) -> Figure:
    """Intrinsic dimension of each family's largest and smallest model, for every scope.

    Parameters
    ----------
    dimensions : pandas.DataFrame
        results/dimension/dimension.parquet.
    corpus : str
    n : int
        Tokens of the texts; of scope `tokens` whatever n there is.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InfogeoError
        Where the table lacks a column.
    """
    check_columns(dimensions, "dimension", "dimension")
    (dimensions,) = ends_of_runs(dimensions)
    styles = family_styles(dimensions, corpus)
    shown = select(dimensions, corpus=corpus, first="in")
    shown = shown[(shown["n"] == n) | (shown["scope"] == "tokens")]
    drawn = extremes(shown[shown["family"].isin(largest_families(shown))])
    with styled():
        handles = legend_handles(styles)
        height = 4.6 + legend_height(styles, len(handles), 4)
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        remark(figure, note_on_families(styles, "Drawn"))
        axes = figure.subplots(2, len(SCOPES))
        for (by_depth, by_scale), scope, letters in zip(
            axes.T, SCOPES, ("ad", "be", "cf"), strict=True
        ):
            rows = select(shown, scope=scope)
            two_nn = select(rows, estimator="two_nn")
            reason = reason_of(two_nn, f"dimension of {TITLES[scope]}s")
            if panel(by_depth, letters[0], f"TwoNN, {TITLES[scope]}", reason):
                draw(by_depth, two_nn.assign(at=places(two_nn)), drawn, styles, f"depth {scope}")
                depth_axis(by_depth)
                by_depth.set(xlabel="relative depth", ylabel="intrinsic dimension")
            at_final = select(rows, estimator="gride", layer="final")
            reason = reason_of(at_final, f"dimension of {TITLES[scope]}s at the last layer")
            if panel(by_scale, letters[1], f"GRIDE, {TITLES[scope]}", reason):
                draw(
                    by_scale, at_final.assign(at=at_final["scale"]), drawn, styles, f"scale {scope}"
                )
                scale_axis(by_scale, at_final)
                by_scale.set(
                    xlabel="scale: rank of the farther neighbour",
                    ylabel="intrinsic dimension\nat the last layer",
                )
        legend_below(figure, [*family_handles(styles), *handles], 4)
    return figure


def places(rows: pd.DataFrame) -> np.ndarray:
    """Where layers are on an axis of depth."""
    return np.where(rows["layer"] == "final", FINAL, rows["relative_depth"])


def scale_axis(ax, rows: pd.DataFrame) -> None:
    """A log axis of scales with a tick at each."""
    log_axis(ax, "x")
    scales = sorted(rows["scale"].unique())
    ax.set_xticks(scales, [f"{scale}" for scale in scales])


def reason_of(rows: pd.DataFrame, what: str) -> str:
    """The reason that a panel is empty; that of the first row where the table has one."""
    empty = reason_empty(rows, "value", what)
    reasons = rows.loc[rows["reason"] != "", "reason"]
    return f"not available: {reasons.iloc[0]}" if empty and len(reasons) else empty


def draw(ax, rows: pd.DataFrame, drawn: list, styles: dict, gid: str) -> None:
    """Dimensions against `at` with intervals, beside random rows of equal spectrum and twins."""
    log_axis(ax, "y")
    for family, role, model in drawn:
        line = rows[(rows["model"] == model) & np.isfinite(rows["value"])].sort_values("at")
        look = curve_look(role, *styles[family])
        ax.fill_between(
            line["at"], line["low"], line["high"],
            color=look["color"], alpha=0.2, linewidth=0, gid=f"{gid} interval/{model}",
        )  # fmt: skip
        if role == "largest":
            ax.plot(line["at"], line["null"], **NULL, gid=f"{gid} null/{model}")
            ax.plot(line["at"], line["untrained"], **twin_look(*styles[family]),
                    gid=f"{gid} untrained/{model}")  # fmt: skip
        ax.plot(line["at"], line["value"], gid=f"{gid}/{model}", **look)


def twin_look(colour: str, marker: str) -> dict:
    """How the untrained twins of a family's largest model are drawn."""
    return {
        "color": colour, "linestyle": (0, (1, 1.2)), "linewidth": 0.9, "marker": "+",
        "markersize": 4.5,
    }  # fmt: skip


def legend_handles(styles: dict) -> list[Line2D]:
    """What curves, bands and marks mean."""
    colour, marker = legend_look(styles)
    return [
        Line2D([], [], **curve_look("largest", colour, marker), label="largest model"),
        Line2D([], [], **curve_look("smallest", colour, marker), label="smallest model"),
        Line2D([], [], color=colour, alpha=0.2, linewidth=5, label="95 % interval"),
        Line2D([], [], **twin_look(colour, marker), label="largest: untrained twins"),
        Line2D([], [], **NULL, label="largest: random rows, equal spectrum"),
    ]
