"""Figures of training: metrics against tokens seen, their phases, and the exponent of N.

Nothing is computed here: values, intervals, phases and exponents are columns of the tables of
results/training.
"""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from infogeo.figures.depth import WITHOUT_FIRST, label_ends
from infogeo.figures.families import interval_mark, legend_below
from infogeo.figures.law_panels import EXPONENTS, axis_label, title
from infogeo.figures.style import (
    COLOURS,
    GREY,
    INK,
    MARKERS,
    WIDTH,
    leave_empty,
    linear_axis,
    log_axis,
    remark,
    shades,
    styled,
)
from infogeo.figures.tables import check_columns, select
from infogeo.files.numbers import count
from infogeo.geometry.metrics import CONDITIONAL, all_tokens, leading

ACROSS = 3  # families
MOST_ROWS = 24  # trajectories in a panel of phases
LONGEST = 1.5  # what is shown of an interval, in multiples of the range of the exponents
TWINS = {"marker": "D", "linestyle": "", "markerfacecolor": "white", "markersize": 3.5}
WORDS = {  # what a phase does: its look, and what is written in it
    "falls": ({"facecolor": "#9ecae1", "edgecolor": INK}, "↓"),
    "rises": ({"facecolor": "#f16913", "edgecolor": INK}, "↑"),
    "undecided": ({"facecolor": "white", "edgecolor": GREY}, "?"),
}
EXPONENT_LOOKS = [
    {"color": INK, "linestyle": "-", "marker": "o"},
    *(
        {"color": colour, "linestyle": dashes, "marker": marker, "markerfacecolor": "white"}
        for colour, dashes, marker in zip(
            COLOURS, ((0, (1, 1)), (0, (4, 1)), (0, (8, 1.5)), (0, (4, 1, 1, 1))), MARKERS[1:],
            strict=False,
        )
    ),
]  # fmt: skip


# ---------------------------------------------------------------- trajectories


def trajectories(table: pd.DataFrame, *, corpus: str) -> Figure:
    """Each declared metric against tokens seen: a line a size, the twins at step 0, the loss below.

    Parameters
    ----------
    table : pandas.DataFrame
        results/training/trajectories.parquet.
    corpus : str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InfogeoError
        Where the table lacks a column.
    """
    check_columns(table, "training", "trajectories")
    shown = select(table, corpus=corpus)
    families, note = shown_families(shown)
    keys = metric_rows(shown)
    with styled():
        figure = Figure(figsize=(WIDTH, 0.6 + 1.35 * max(len(keys), 1)), layout="constrained")
        remark(figure, note)
        if not len(keys):
            leave_empty(figure.subplots(), f"no run with two steps on {corpus}")
            return figure
        axes = figure.subplots(len(keys), len(families), squeeze=False, sharex="col")
        for column, family in zip(axes.T, families, strict=True):
            of_family = select(shown, family=family)
            for ax, (metric, convention) in zip(column, keys, strict=True):
                rows = select(of_family, metric=metric, convention=convention)
                ax.set_title(title(metric, convention))
                ax.set_ylabel(axis_label(metric))
                draw_trajectories(ax, rows)
            tokens_axis(column[-1], of_family)
            if len(families) > 1:
                column[0].set_title(f"{family}: {column[0].get_title(loc='left')}")
        legend_below(figure, trajectory_handles(), 4)
    return figure


def shown_families(rows: pd.DataFrame) -> tuple[list[str], str]:
    """The families with most trajectories, and a note where these are not all."""
    trajectories_of = rows.groupby("family")["runs"].nunique()
    order = trajectories_of.sort_values(ascending=False, kind="stable").index
    note = f"Drawn: {ACROSS} of {len(order)} families" if len(order) > ACROSS else ""
    return sorted(order[:ACROSS]), note


def metric_rows(rows: pd.DataFrame) -> list[tuple[str, str]]:
    """(metric, convention) in the order of the table, those of the prediction last."""
    keys = dict.fromkeys(zip(rows["metric"], rows["convention"], strict=True))
    return sorted(keys, key=lambda key: key[0] in CONDITIONAL)


def by_size(rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """(label, rows) of each trajectory, ascending in N."""
    trajectories_of = rows.sort_values(["N", "width"], kind="stable").groupby("runs", sort=False)
    return [
        (f"{count(part['N'].iloc[0])}  {part['width'].iloc[0]:.0f}×{part['layers'].iloc[0]:.0f}",
         part)
        for _, part in trajectories_of
    ]  # fmt: skip


def draw_trajectories(ax, rows: pd.DataFrame) -> None:
    """A line a trajectory with intervals, the same without the first token, twins at step 0."""
    if not np.isfinite(rows["y"]).any():
        reasons = [problem for problem in rows["problems"] if problem]
        leave_empty(ax, reasons[0] if reasons else "nothing measured")
        return
    sized = by_size(rows)
    ends = []
    for (_, part), colour in zip(sized, shades(len(sized)), strict=True):
        part = part.sort_values("place")
        of_all, without = (part[(part["first"] == "out") == out] for out in (False, True))
        at = np.exp(of_all["place"])
        gid = part["runs"].iloc[0]
        ax.fill_between(at, of_all["y_low"], of_all["y_high"], color=colour, alpha=0.25,
                        linewidth=0, gid=f"interval/{gid}")  # fmt: skip
        ax.plot(at, of_all["y"], color=colour, marker="o", markersize=2.2, linewidth=0.9,
                gid=f"trajectory/{gid}")  # fmt: skip
        ax.plot(np.exp(without["place"]), without["y"], color=colour,
                gid=f"without first/{gid}", **WITHOUT_FIRST)  # fmt: skip
        start = of_all[of_all["step"] == 0]
        ax.vlines(np.exp(start["place"]), start["untrained_low"], start["untrained_high"],
                  color=colour, linewidth=0.8)  # fmt: skip
        ax.plot(np.exp(start["place"]), start["untrained"], color=colour, gid=f"twins/{gid}",
                **TWINS)  # fmt: skip
        ends.append((at.iloc[-1], of_all["y"].iloc[-1]))
    ax.set_xscale("log")
    linear_axis(ax.yaxis)
    ax.autoscale_view()  # labels are placed by the limits
    label_ends(ax, [label for label, _ in sized], np.array(ends))


def tokens_axis(ax, rows: pd.DataFrame) -> None:
    """A log axis of tokens, or of steps where those are not known, with a place for step 0."""
    known = np.isfinite(rows["train_tokens"]).all()
    log_axis(ax, "x", write=count)
    zero = rows.loc[rows["step"] == 0, "place"]
    if len(zero):
        left, right = float(np.exp(zero.min())), float(np.exp(rows["place"].max()))
        ticks = [tick for tick in ax.get_xticks() if 2 * left < tick <= right]
        ax.set_xticks([left, *ticks], ["0", *map(count, ticks)])
    ax.set_xlabel("training tokens seen" if known else "training steps")


def trajectory_handles() -> list:
    return [
        Line2D([], [], color=GREY, marker="o", markersize=2.2, linewidth=0.9, label="all tokens"),
        Line2D([], [], color=GREY, label="without the first token", **WITHOUT_FIRST),
        Patch(color=GREY, alpha=0.25, linewidth=0, label="95 % interval"),
        Line2D([], [], color=GREY, label="untrained twins", **TWINS),
    ]


# ---------------------------------------------------------------- phases


def phases_by_size(table: pd.DataFrame, paths: pd.DataFrame, *, corpus: str) -> Figure:
    """The phases of the first declared entropy and of the loss, a bar a trajectory.

    Parameters
    ----------
    table, paths : pandas.DataFrame
        results/training/phases.parquet and trajectories.parquet.
    corpus : str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InfogeoError
        Where a table lacks a column.
    """
    check_columns(table, "training", "phases")
    check_columns(paths, "training", "trajectories")
    rows, paths = select(table, corpus=corpus), select(paths, corpus=corpus)
    keys = metric_rows(rows)
    keys = list(dict.fromkeys([leading(keys), keys[-1]])) if keys else []
    labelled = [f"{family}  " if rows["family"].nunique() > 1 else "" for family in rows["family"]]
    rows = rows.assign(prefix=labelled)
    trajectories_of = [
        (part["prefix"].iloc[0] + label, runs)
        for _, of_family in rows.groupby("family", sort=False)
        for label, part in by_size(of_family)
        for runs in [part["runs"].iloc[0]]
    ]
    shown = trajectories_of[:MOST_ROWS]
    with styled():
        height = 0.9 + 0.32 * max(len(shown), 2)
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        if not keys:
            leave_empty(figure.subplots(), f"no run with two steps on {corpus}")
            return figure
        if len(shown) < len(trajectories_of):
            remark(figure, f"Drawn: {len(shown)} of {len(trajectories_of)} trajectories")
        axes = figure.subplots(1, len(keys), squeeze=False, sharey=True)[0]
        for ax, (metric, convention) in zip(axes, keys, strict=True):
            ax.set_title(title(metric, convention))
            of_metric = select(rows, metric=metric, convention=convention)
            draw_phases(ax, of_metric, paths, [runs for _, runs in shown])
            tokens_axis(ax, paths[paths["runs"].isin([runs for _, runs in shown])])
            ax.grid(False, axis="y")
        axes[0].set_yticks(range(len(shown)), [label for label, _ in shown])
        axes[0].set_ylim(len(shown) - 0.4, -0.6)
        legend_below(figure, phase_handles(), 5)
    return figure


def draw_phases(ax, rows: pd.DataFrame, paths: pd.DataFrame, order: list[str]) -> None:
    """A bar a trajectory, its phases in it; below it the thinner bar without the first token."""
    ax.set_xscale("log")
    for place, runs in enumerate(order):
        of_run = select(paths, runs=runs)
        start, end = np.exp(of_run["place"].min()), np.exp(of_run["place"].max())
        for without, top, height in ((False, -0.36, 0.44), (True, 0.12, 0.22)):
            part = select(rows, runs=runs)
            part = part[(part["first"] == "out") == without].sort_values("phase")
            if not (part["phase"] > 0).all():
                if not without:
                    ax.text(0.5, place, part["problems"].iloc[0], ha="center", va="center",
                            transform=ax.get_yaxis_transform(), fontsize=5.5,
                            color=GREY)  # fmt: skip
                continue
            for _, phase in part.iterrows():
                look, sign = WORDS[phase["word"]]
                left = start if phase["phase"] == 1 else phase["starts"]
                right = end if phase["phase"] == part["phase"].max() else phase["ends"]
                ax.barh(place + top + height / 2, right - left, height, left, linewidth=0.5,
                        gid=f"{phase['word']}/{runs}", **look)  # fmt: skip
                if not without:
                    ax.text(np.sqrt(left * right), place + top + 0.4 * height, sign, ha="center",
                            va="center", fontsize=7)  # fmt: skip
            kinks = part[part["phase"] > 1]
            low = place + top + height * (0.5 if without else 0.82)  # below the signs
            ax.hlines(np.full(len(kinks), low), kinks["starts_low"], kinks["starts_high"],
                      color=INK, linewidth=1.4)  # fmt: skip


def phase_handles() -> list:
    looks = [Patch(label=f"{word} {sign}", linewidth=0.5, **look)
             for word, (look, sign) in WORDS.items()]  # fmt: skip
    interval = Line2D([], [], color=INK, linewidth=1.4, label="95 % interval of a change point")
    return [*looks, interval, Patch(facecolor="white", linewidth=0,
                                    label="thin bar: without the first token")]  # fmt: skip


# ---------------------------------------------------------------- exponents


def exponents(table: pd.DataFrame, *, corpus: str) -> Figure:
    """The exponent of N at every common step, raw and beyond each control.

    Parameters
    ----------
    table : pandas.DataFrame
        results/training/exponents.parquet.
    corpus : str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InfogeoError
        Where the table lacks a column.
    """
    check_columns(table, "training", "exponents")
    shown = select(table, corpus=corpus)
    shown = shown[shown["first"] == shown["metric"].map(all_tokens)]
    families = sorted(shown["family"].unique())
    keys = metric_rows(shown)
    with styled():
        figure = Figure(figsize=(WIDTH, 0.6 + 1.5 * max(len(keys), 1)), layout="constrained")
        if not keys:
            leave_empty(figure.subplots(), f"no step that 3 sizes have on {corpus}")
            return figure
        if len(families) > ACROSS:
            remark(figure, f"Drawn: {ACROSS} of {len(families)} families")
        families = families[:ACROSS]
        axes = figure.subplots(len(keys), len(families), squeeze=False, sharex="col")
        for column, family in zip(axes.T, families, strict=True):
            of_family = select(shown, family=family)
            for ax, (metric, convention) in zip(column, keys, strict=True):
                name = title(metric, convention)
                ax.set_title(f"{family}: {name}" if len(families) > 1 else name)
                draw_exponents(ax, select(of_family, metric=metric, convention=convention))
            tokens_axis(column[-1], of_family)
        for ax in axes[:, 0]:
            ax.set_ylabel("exponent of N")
        handles = [Line2D([], [], markersize=3, linewidth=0.9, label=name, **look)
                   for (column, name), look in zip(EXPONENTS, EXPONENT_LOOKS, strict=True)
                   if np.isfinite(shown[column]).any()]  # fmt: skip
        legend_below(figure, [*handles, interval_mark(GREY)], 6)
    return figure


def limit_intervals(ax, rows: pd.DataFrame) -> None:
    """Cut intervals that are many times as long as the exponents are apart."""
    values, low, high = (
        np.append(part[np.isfinite(part)], 0.0)
        for end in ("", "_low", "_high")
        for part in [rows[[f"{column}{end}" for column, _ in EXPONENTS]].to_numpy(float)]
    )
    room = LONGEST * max(np.ptp(values), 0.01)
    bottom = max(low.min(), values.min() - room)
    top = min(high.max(), values.max() + room)
    margin = 0.05 * (top - bottom)
    ax.set_ylim(bottom - margin, top + margin)


def draw_exponents(ax, rows: pd.DataFrame) -> None:
    """A line an exponent over training, with intervals; side by side where they would overlap."""
    ax.set_xscale("log")
    ax.axhline(0, color=INK, linewidth=0.6)
    rows = rows.sort_values("place")
    for i, ((column, _), look) in enumerate(zip(EXPONENTS, EXPONENT_LOOKS, strict=True)):
        part = rows[np.isfinite(rows[column])]
        at = np.exp(part["place"] + 0.06 * (i - 2))
        ax.vlines(at, part[f"{column}_low"], part[f"{column}_high"], color=look["color"],
                  linewidth=0.7)  # fmt: skip
        ax.plot(at, part[column], markersize=3, linewidth=0.9, gid=f"{column}", **look)
    linear_axis(ax.yaxis)
    limit_intervals(ax, rows)
    if not np.isfinite(rows["exponent"]).any():
        reasons = [problem for problem in rows["problems"] if problem]
        leave_empty(ax, reasons[0] if reasons else "no exponent")
