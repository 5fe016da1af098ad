"""Figure of token selection: what selectors explain, and lasso against attention."""

import textwrap

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from infogeo.figures.families import (
    extremes,
    family_handles,
    family_styles,
    interval_mark,
    largest_families,
    legend_below,
    legend_height,
    note_on_families,
    panel_count,
)
from infogeo.figures.selectors import SELECTORS, SINKS, draw_selectors, selector_handles
from infogeo.figures.size import crowding, n_axis, pale
from infogeo.figures.style import INK, NARROW, WIDTH, leave_empty, remark, styled
from infogeo.figures.tables import check_columns, select
from infogeo.sources.runs import ends_of_runs

ATTENTION = ["attention_mean", "attention_best_head", "attention_rollout"]
SIGNIFICANT = 0.05
LABEL = 14  # characters that fit beside a panel of wins


def token_selection(selection, *, corpus: str) -> Figure:
    """Explained share against k for every selector, and how often lasso beats attention.

    Parameters
    ----------
    selection : pandas.DataFrame
        results/context/selection.parquet.
    corpus : str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InfogeoError
        Where the table lacks a column.
    """
    check_columns(selection, "context", "selection")
    (selection,) = ends_of_runs(selection)
    rows = select(selection, corpus=corpus)
    styles = family_styles(selection, corpus)
    with styled():
        families = panel_count(styles)
        legend = legend_height(styles, 3, 5)
        figure = Figure(figsize=(WIDTH, 3.5 * families + 3.9 + legend), layout="constrained")
        above, below = figure.subfigures(2, 1, height_ratios=[3.5 * families + 0.5, 3.4 + legend])
        if not len(rows):
            leave_empty(above.subplots(), f"no token selection on {corpus}")
            return figure
        draw_explained(above, rows, styles)
        draw_wins(below, rows, styles)
    return figure


def draw_explained(figure, rows: pd.DataFrame, styles: dict) -> None:
    """Held-out and in-sample shares against k: four panels a row, two rows a family.

    Of many families, those with most models have panels.
    """
    shown = largest_families(rows)
    remark(figure, note_on_families(styles, "Explained shares"))
    axes = figure.subplots(2 * len(shown), 4, sharex=True, squeeze=False)
    roles = {(family, role): model for family, role, model in extremes(rows)}
    scores = [
        ("held_out", "explained share,\nheld out"),
        ("in_sample", "explained share,\nin sample"),
    ]
    ks = sorted(rows["k"].unique())
    for i, family in enumerate(shown):
        columns = [("largest", sink) for sink in SINKS] + [("smallest", "free")]
        for j, (role, sink) in enumerate(columns):
            model = roles.get((family, role))
            shown = select(rows, model=model, sink=sink)
            for row, (score, label) in enumerate(scores):
                ax = axes[2 * i + row, j]
                if j:
                    ax.sharey(axes[2 * i + row, 0])
                    ax.tick_params(labelleft=False)
                else:
                    ax.set_ylabel(label)
                if row == 0:
                    title = f"{family if model is None else model}, {role}\n{SINKS[sink]}"
                    ax.set_title(title, fontsize=6.5)
                if model is None:
                    leave_empty(ax, f"no smaller model of {family}", NARROW)
                elif not np.isfinite(shown[score]).any():
                    leave_empty(ax, f"no rows of {model}", NARROW)
                else:
                    draw_selectors(ax, shown, "k", score, f"{score}/{model}/{sink}")
                    ax.axhline(0, color=INK, linewidth=0.6)
        for row in (0, 1):
            axes[2 * i + row, 0].yaxis.get_major_locator().set_params(nbins=5)
    for ax in axes.flat:
        ax.set_xscale("log")
        ax.set_xticks(ks, [f"{k:g}" for k in ks])
        ax.minorticks_off()
    for ax in axes[-1]:
        ax.set_xlabel("tokens chosen, k")
    handles = selector_handles(rows)
    legend_below(figure, handles, 4)


def draw_wins(figure, rows: pd.DataFrame, styles: dict, most: int = 6) -> None:
    """Share of texts in which lasso beats attention, against N: a row per selector, a column per k.

    Of more than `most` values of k, evenly chosen ones are drawn.
    """
    rows = select(rows, sink="free")
    ks = np.array(sorted(rows["k"].unique()))
    ks = ks[np.unique(np.linspace(0, len(ks) - 1, min(len(ks), most)).round().astype(int))]
    axes = figure.subplots(len(ATTENTION), len(ks), sharex=True, sharey=True, squeeze=False)
    for i, selector in enumerate(ATTENTION):
        for j, k in enumerate(ks):
            ax, shown = axes[i, j], select(rows, selector=selector, k=k)
            if i == 0:
                ax.set_title(f"k = {k:g}")
            if j == 0:
                ax.set_ylabel(textwrap.fill(SELECTORS[selector][0], LABEL), fontsize=6.5)
            if not np.isfinite(shown["lasso_wins"]).any():
                leave_empty(ax, "not scored")
                ax.tick_params(labelbottom=i == len(ATTENTION) - 1, labelleft=j == 0)
                continue
            draw_win_marks(ax, shown, styles, f"wins/{selector}/{k:g}")
            ax.axhline(0.5, color=INK, linewidth=0.6)
            n_axis(ax, shown, least=2)
            ax.set_ylim(-0.05, 1.05)
            ax.set_yticks([0, 0.5, 1], ["0", "½", "1"])
            ax.tick_params(axis="x", labelrotation=45)
    for ax in axes[-1]:
        ax.set_xlabel("N")
    figure.supylabel("share of texts in which lasso explains more, held out", fontsize=7)
    marks = {"color": INK, "linestyle": "", "marker": "o", "markersize": 4}
    handles = [
        *family_handles(styles),
        Line2D([], [], **marks, label=f"Wilcoxon p < {SIGNIFICANT:g} (Holm over k)"),
        Line2D([], [], **marks, markerfacecolor="white", label="not significant"),
        interval_mark(),
    ]
    legend_below(figure, handles, 5)


def draw_win_marks(ax, rows: pd.DataFrame, styles: dict, gid: str) -> None:
    """Shares of wins with intervals; filled where the paired test is significant."""
    small = crowding(len(rows))
    size = 3.2 * small
    for family, shown in rows.groupby("family"):
        colour, marker = styles[family]
        ax.vlines(
            shown["N"], shown["lasso_wins_low"], shown["lasso_wins_high"],
            color=colour, linewidth=0.9 * small, alpha=pale(small),
            gid=f"{gid} interval/{family}",
        )  # fmt: skip
        filled = shown["wilcoxon_p_holm"] < SIGNIFICANT
        for some, fill, kind in ((filled, colour, "significant"), (~filled, "white", "open")):
            ax.plot(
                shown["N"][some], shown["lasso_wins"][some], marker, color=colour, markersize=size,
                markerfacecolor=fill, markeredgewidth=0.8, gid=f"{gid} {kind}/{family}",
            )  # fmt: skip
