"""Figure of token ablation: recovery, and how many tokens are needed."""

import textwrap

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from infogeo.figures.families import (
    data_looks,
    extremes,
    family_handles,
    family_styles,
    interval_mark,
    largest_families,
    legend_below,
    legend_height,
    note_on_families,
    panel_count,
    shortened,
)
from infogeo.figures.selectors import SINKS, draw_selectors, selector_handles
from infogeo.figures.size import N_LABEL, crowding, draw_against_n, n_axis
from infogeo.figures.style import (
    GREY,
    INK,
    NARROW,
    WIDTH,
    leave_empty,
    linear_axis,
    panel,
    reason_empty,
    remark,
    styled,
)
from infogeo.figures.tables import check_columns, select
from infogeo.sources.runs import ends_of_runs

ARROW = [(-0.4, -1), (0.4, -1), (0.4, 0), (1, 0), (0, 1), (-1, 0), (-0.4, 0), (-0.4, -1)]  # open


def token_ablation(ablation, distribution, *, corpus: str) -> Figure:
    """Figure 6: recovery against the share of tokens, and how many tokens are needed.

    Parameters
    ----------
    ablation, distribution : pandas.DataFrame
        results/context/ablation.parquet and distribution.parquet.
    corpus : str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InfogeoError
        Where a table lacks a column.
    """
    check_columns(ablation, "context", "ablation")
    check_columns(distribution, "context", "distribution")
    ablation, distribution = ends_of_runs(ablation, distribution)
    styles = family_styles(distribution, corpus)
    rows, models = select(ablation, corpus=corpus), select(distribution, corpus=corpus)
    with styled():
        columns = 2 if len(styles) <= 1 else 4  # of one family, larger panels
        panels = 4 // columns * panel_count(styles)
        high = 2.3 if columns == 2 else 1.9
        legend = legend_height(styles, 4, 6)
        figure = Figure(figsize=(WIDTH, high * panels + 3.3 + legend), layout="constrained")
        above, below = figure.subfigures(2, 1, height_ratios=[high * panels + 0.6, 2.7 + legend])
        if not len(models):
            leave_empty(above.subplots(), f"no token ablation on {corpus}")
            return figure
        draw_recovery(above, rows, models, styles, columns)
        draw_needed(below, models, styles, set(rows["model"]))
    return figure


def draw_recovery(figure, rows, models, styles: dict, columns: int) -> None:
    """Recovery of each family's largest model that could be ablated, kept and dropped.

    Of many families, those with most models have panels.
    """
    shown = largest_families(models)
    remark(figure, note_on_families(styles, "Recovery"))
    axes = figure.subplots(4 // columns * len(shown), columns, sharey=True, squeeze=False)
    places = axes.flat
    for family in shown:
        of_family = select(rows, family=family)
        model = next((name for _, _, name in extremes(of_family)), None)
        for mode in ("keep", "drop"):
            for sink in ("free", "forced"):
                ax = next(places)
                recovery = select(of_family, model=model, mode=mode, sink=sink)
                verb = {"keep": "kept", "drop": "dropped"}[mode]
                ax.set_title(f"{model or family}\n{verb}, {SINKS[sink]}", fontsize=6.5)
                if not np.isfinite(recovery["recovery"]).any():
                    problems = select(models, family=family)["problem"]
                    reasons = sorted({text for text in problems if text})
                    leave_empty(
                        ax, "; ".join(reasons) or f"no ablation of {model or family}", NARROW
                    )
                    continue
                draw_selectors(ax, recovery, "share", "recovery", f"{mode}/{sink}/{model}")
                ax.axhline(0.9, color=INK, linewidth=0.6, linestyle=(0, (6, 2)))
                ax.axhline(0, color=INK, linewidth=0.6)
                ax.set(xlim=(0, 1), xlabel=f"share of tokens {verb}")
                ax.set_ylim(max(-0.6, ax.get_ylim()[0]), 1.05)
                linear_axis(ax.xaxis, most=5)
    for ax in axes[:, 0]:
        ax.set_ylabel(r"recovery, $1 - \mathrm{KL}/\mathrm{KL}_0$")
    handles = selector_handles(rows)
    if handles:
        handles.append(
            Line2D([], [], color=INK, linewidth=0.6, linestyle=(0, (6, 2)), label="90 %")
        )
        legend_below(figure, handles, 5)


def draw_needed(figure, models: pd.DataFrame, styles: dict, ablated: set) -> None:
    """Tokens needed, their gap to random, and the spread of the ridge weights, against N.

    `ablated` are the models that were run on some of their tokens, perhaps of too few texts.
    """
    needed, gap, spread = figure.subplots(1, 3)
    best = data_looks(styles)
    random = {
        family: look | {
            "color": GREY, "markerfacecolor": "white", "markeredgecolor": GREY,
            "linestyle": (0, (1, 1.5)),
        }
        for family, look in best.items()
    }  # fmt: skip
    scored = models[models["problem"] == ""]
    reason = "" if len(scored) else reason_empty(models, "share90", "share for 90 %")
    if panel(needed, "", "Tokens needed for 90 %", reason):
        missed = scored["share90_random"].isna()
        draw_shares(needed, scored, "share90_random", missed, random, 10)
        draw_shares(needed, scored, "share90", scored["censored"].astype(bool), best, 6.5)
        needed.set(ylim=(0, 1.12), ylabel="share of tokens", xlabel=N_LABEL)
        n_axis(needed, scored)
    for ax, name, column, ends, label in (
        (gap, "Random − best selector", "gap", "gap", "difference of the shares"),
        (spread, "Participation of ridge weights", "participation_share", "participation",
         "share of earlier tokens"),
    ):  # fmt: skip
        if panel(ax, "", name, reason_empty(models, column, name.lower())):
            draw_against_n(ax, models, column, f"{ends}_low", f"{ends}_high", best, column)
            ax.axhline(0, color=INK, linewidth=0.6)
            ax.set(xlabel=N_LABEL, ylabel=label)
            linear_axis(ax.yaxis, most=6)
            n_axis(ax, models)
    without = models[models["problem"] != ""]
    run = without["model"].isin(ablated)
    notes = [
        f"{what}: "
        + "; ".join(
            f"{problem} ({shortened(rows['model'])})" for problem, rows in some.groupby("problem")
        )
        for what, some in (
            ("Ablated, without a share", without[run]),
            ("Not ablated", without[~run]),
        )
        if len(some)
    ]
    remark(figure, "\n".join(textwrap.fill(note, 150) for note in notes))
    marks = {"linestyle": "", "markersize": 4}
    handles = [
        *family_handles(styles),
        Line2D([], [], color=INK, marker="o", **marks, label="best selector"),
        Line2D([], [], color=GREY, marker="o", markerfacecolor="white", **marks, label="random"),
        interval_mark(),
        Line2D([], [], color=INK, marker=ARROW, markerfacecolor="white", linestyle="",
               markersize=7, label="not reached"),
    ]  # fmt: skip
    legend_below(figure, handles, 6)


def draw_shares(
    ax, models: pd.DataFrame, column: str, censored: pd.Series, looks: dict, high: float
) -> None:
    """Shares needed against N with intervals; an open arrow at 1 where 90 % is not reached."""
    draw_against_n(ax, models[~censored], column, f"{column}_low", f"{column}_high", looks, column)
    small = crowding(np.count_nonzero(censored))
    for family, rows in models[censored].groupby("family"):
        ax.plot(
            rows["N"], np.ones(len(rows)), color=looks[family]["color"], marker=ARROW,
            markerfacecolor="white", markeredgewidth=0.7, markersize=high * small, linestyle="",
            gid=f"{column} censored/{family}",
        )  # fmt: skip
