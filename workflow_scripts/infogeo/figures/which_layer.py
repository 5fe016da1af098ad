"""Figure of which layer separates labels, and which measures without labels go with that.

Every number is a column of the tables of results/sentences and results/scaling.
"""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from infogeo.figures.depth import FINAL, WITHOUT_FIRST, depth_axis
from infogeo.figures.families import control_look, interval_mark, legend_below
from infogeo.figures.sentence_models import (
    note_on_family,
    shown_models,
    titled,
    with_size,
)
from infogeo.figures.style import (
    COLOURS,
    GREY,
    INK,
    WIDTH,
    leave_empty,
    linear_axis,
    remark,
    styled,
)
from infogeo.figures.tables import check_columns, select
from infogeo.sources.runs import ends_of_runs

# What is drawn of all measures: name, then scope, convention and metric.
MEASURES = {
    "entropy of a text, centred": ("text", "centred", "entropy"),
    "entropy of a text, unit": ("text", "unit", "entropy"),
    "participation ratio, centred": ("text", "centred", "participation_ratio"),
    "entropy of means, centred": ("means", "centred", "entropy"),
    "RankMe of means": ("means", "raw", "rankme"),
    "α-ReQ of means": ("means", "raw", "alpha_req"),
    "stable rank of means": ("means", "raw_centred", "stable_rank"),
    "entropy of last tokens, centred": ("last", "centred", "entropy"),
    "RankMe of last tokens": ("last", "raw", "rankme"),
}
LOOK = {"color": COLOURS[0], "marker": "o", "markersize": 2.5, "linewidth": 0.9}
TWINS = control_look("untrained twins", COLOURS[1], "D")


def which_layer(layers, measures, profiles, *, corpus: str, n: int) -> Figure:
    """The label AUC and the centred entropy against depth, and how measures go with the AUC.

    Parameters
    ----------
    layers, measures : pandas.DataFrame
        results/sentences/layers.parquet and which_layer.parquet.
    profiles : pandas.DataFrame
        results/scaling/profiles.parquet.
    corpus : str
    n : int
        Tokens of the measures.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InfogeoError
        Where a table lacks a column.
    """
    check_columns(layers, "sentences", "layers")
    check_columns(measures, "sentences", "which_layer")
    check_columns(profiles, "scaling", "profiles")
    layers, measures = ends_of_runs(layers, measures)
    models = shown_models(layers, corpus)
    with styled():
        figure = Figure(figsize=(WIDTH, 7.2), layout="constrained")
        if not models:
            reasons = select(measures, corpus=corpus)["problems"].replace("", np.nan).dropna()
            leave_empty(figure.subplots(), f"not available: {next(iter(reasons), 'no AUC')}")
            return figure
        remark(figure, note_on_family(layers, corpus))
        above, below = figure.subfigures(2, 1, height_ratios=[4.2, 3.2])
        axes = [
            *above.subplots(2, len(models), squeeze=False),
            below.subplots(1, len(models), sharey=True, squeeze=False)[0],
        ]
        columns, drawn = zip(*axes, strict=True), []
        for place, (column, (role, model)) in enumerate(zip(columns, models.items(), strict=False)):
            letters = "abcdef"[place :: len(models)]
            title = with_size(layers, corpus, role, model)
            titled(column[0], letters[0], f"label AUC of mean states\n{title}", "")
            draw_aucs(column[0], select(layers, corpus=corpus, model=model))
            rows = select(
                profiles, corpus=corpus, model=model, scope="text", convention="centred",
                metric="entropy", n=n,
            )  # fmt: skip
            reason = "" if len(rows) else f"no centred entropy at n = {n}"
            if titled(column[1], letters[1], f"centred entropy of a text, n = {n}", reason):
                draw_entropies(column[1], rows)
            rows = select(measures, corpus=corpus, model=model)
            reason = "" if np.isfinite(rows["rho"]).any() else why_empty(rows)
            if titled(column[2], letters[2], "rank correlation with the AUC", reason):
                draw_correlations(column[2], rows)
                drawn.append(column[2])
        if drawn:  # the left one may be empty
            drawn[0].tick_params(axis="y", labelleft=True)
        legend_below(below, handles(), 3)
    return figure


def why_empty(rows: pd.DataFrame) -> str:
    """Why a model has no correlation."""
    return f"not available: {rows['problems'].iloc[0]}" if len(rows) else "not available"


def by_depth(rows: pd.DataFrame, first: str) -> pd.DataFrame:
    """The rows with the first token or without, in order of depth."""
    own = rows[rows["first"] == first]
    at = np.where(own["layer"] == "final", FINAL, own["relative_depth"])
    return own.assign(at=at).sort_values("at")


def draw_twins(ax, rows: pd.DataFrame, gid: str) -> None:
    """The twins against depth: their mean, and the least and the largest draw."""
    ax.vlines(rows["at"], rows["untrained_low"], rows["untrained_high"], color=TWINS["color"],
              linewidth=0.7, gid=f"{gid} draws")  # fmt: skip
    ax.plot(rows["at"], rows["untrained"], gid=gid, **TWINS)


def draw_aucs(ax, rows: pd.DataFrame) -> None:
    """The AUC against depth with its interval, without the first token, and of the twins."""
    both = by_depth(rows, "in"), by_depth(rows, "out")
    model = rows["model"].iloc[0]
    ax.axhline(0.5, color=INK, linewidth=0.6, linestyle=(0, (6, 2)))
    draw_twins(ax, both[0], f"untrained/{model}")
    ax.vlines(both[0]["at"], both[0]["low"], both[0]["high"], color=LOOK["color"], linewidth=0.7,
              gid=f"auc interval/{model}")  # fmt: skip
    ax.plot(both[0]["at"], both[0]["auc"], gid=f"auc/{model}", **LOOK)
    ax.plot(both[1]["at"], both[1]["auc"], gid=f"auc out/{model}", color=LOOK["color"],
            **WITHOUT_FIRST)  # fmt: skip
    ax.set(xlabel="relative depth", ylabel="AUC")
    depth_axis(ax)
    linear_axis(ax.yaxis)


def draw_entropies(ax, rows: pd.DataFrame) -> None:
    """The centred entropy against depth, without the first token, and of the twins."""
    both = by_depth(rows, "in"), by_depth(rows, "out")
    model = rows["model"].iloc[0]
    draw_twins(ax, both[0], f"entropy untrained/{model}")
    ax.vlines(both[0]["at"], both[0]["y_low"], both[0]["y_high"], color=LOOK["color"],
              linewidth=0.7)  # fmt: skip
    ax.plot(both[0]["at"], both[0]["y"], gid=f"entropy/{model}", **LOOK)
    ax.plot(both[1]["at"], both[1]["y"], gid=f"entropy out/{model}", color=LOOK["color"],
            **WITHOUT_FIRST)  # fmt: skip
    ax.set(xlabel="relative depth", ylabel="entropy (nats)")
    depth_axis(ax)
    linear_axis(ax.yaxis)


def draw_correlations(ax, rows: pd.DataFrame) -> None:
    """A line a measure: its correlation, that without the first token, and the twins'."""
    for at in (-0.5, 0, 0.5):
        ax.axvline(at, color=INK, linewidth=0.6, linestyle="-" if at == 0 else (0, (6, 2)))
    model = rows["model"].iloc[0]
    for place, (name, (scope, convention, metric)) in enumerate(MEASURES.items()):
        own = select(rows, scope=scope, convention=convention, metric=metric)
        for first, move, look in (("in", -0.2, {}), ("", -0.2, {}),
                                  ("out", 0.04, {"markerfacecolor": "white"})):  # fmt: skip
            for row in select(own, first=first).itertuples():
                ax.hlines(place + move, row.rho_low, row.rho_high, color=LOOK["color"],
                          linewidth=0.8, gid=f"rho interval {first}/{model}/{name}")  # fmt: skip
                ax.plot(row.rho, place + move, "o", color=LOOK["color"], markersize=3.2,
                        gid=f"rho {first}/{model}/{name}", **look)  # fmt: skip
                if first != "out":
                    ax.plot(row.untrained, place + 0.28, gid=f"rho untrained/{model}/{name}",
                            **TWINS)  # fmt: skip
        if not np.isfinite(own["rho"]).any():
            ax.text(0, place, "n/a", ha="center", va="center", fontsize=5.5, color=GREY)
    ax.set(xlim=(-1.05, 1.05), ylim=(len(MEASURES) - 0.4, -0.6), xlabel="Spearman's ρ")
    linear_axis(ax.xaxis, most=5)
    ax.set_yticks(range(len(MEASURES)), list(MEASURES))
    ax.grid(False, axis="y")
    ax.tick_params(axis="y", length=0)


def handles() -> list[Line2D]:
    """What marks and lines mean."""
    return [
        Line2D([], [], **LOOK, label="trained model"),
        Line2D([], [], color=LOOK["color"], label="without the first token (open mark)",
               **WITHOUT_FIRST),
        interval_mark(LOOK["color"]),
        Line2D([], [], **TWINS, label="untrained twins: mean, least to largest"),
        Line2D([], [], color=INK, linewidth=0.6, linestyle=(0, (6, 2)), label="chance; ρ of ±½"),
    ]  # fmt: skip
