"""Figure of the skills model: a graph of texts and skills, its conditional entropy, its exponents.

As in `figures.law_panels`, nothing is computed here: curves, fits and coverages are columns of
the tables of results/theory, and marker, fill and dashes say in grey what colour says.
"""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from infogeo.figures.style import (
    COLOURS,
    GREY,
    INK,
    MARKERS,
    WIDTH,
    linear_axis,
    log_axis,
    panel,
    styled,
)
from infogeo.figures.tables import check_columns
from infogeo.files.numbers import interval, number, scientific
from infogeo.theory.skills import needed

VARIANTS = {
    "parameter_limited": ("parameters", COLOURS[0], MARKERS[0]),
    "data_limited": ("data", COLOURS[1], MARKERS[1]),
    "compute_limited": ("compute", COLOURS[2], MARKERS[2]),
}
EXACT = {"color": INK, "linewidth": 1.1}
FITTED = {"color": COLOURS[1], "linestyle": (0, (4, 1.5)), "linewidth": 1.3}
SIMULATED = {"color": COLOURS[0], "marker": "o", "markersize": 3.2, "linestyle": "none"}
NEAR = (92, 98)  # percent: where a coverage of 95 % should lie


def skills(
    graph, curve, recovery, *, alpha: float, comprehended: int, skills_per_text: int, share: float,
    exponent: float,
) -> Figure:  # fmt: skip
    """Figure 2: texts and skills, H(X|Y) against n, and known exponents recovered.

    Parameters
    ----------
    graph, curve, recovery : pandas.DataFrame
        results/theory/graph.parquet (text, skill: an edge per row, of a small simulated graph),
        curve.parquet (`theory.curve`) and recovery.parquet (`theory.recovery`).
    alpha : float
        The skills' Zipf exponent is 1 + α.
    comprehended : int
        n of the model in the graph.
    skills_per_text : int
    share : float
        Of a text's skills that must be comprehended.
    exponent : float
        The one that H − H_∞ tends to in n.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InfogeoError
        Where a table lacks a column.
    """
    for name, table in (("graph", graph), ("curve", curve), ("recovery", recovery)):
        check_columns(table, "theory", name)
    with styled():
        figure = Figure(figsize=(WIDTH, 4.9), layout="constrained")
        grid = figure.add_gridspec(2, 6)
        places = grid[0, :3], grid[0, 3:], grid[1, :2], grid[1, 2:4], grid[1, 4:]
        axes = [figure.add_subplot(place) for place in places]
        draw_graph(axes[0], graph, comprehended, needed(skills_per_text, share))
        draw_entropy(axes[1], curve)
        draw_excess(axes[2], curve, alpha, exponent)
        draw_recovered(axes[3], recovery)
        draw_coverage(axes[4], recovery)
    return figure


def draw_graph(ax, graph: pd.DataFrame, n: int, least: int) -> None:
    """Skills above, texts below, an edge for each skill of a text; filled: comprehended."""
    if not panel(ax, "a", f"Texts and skills; the first n = {n} are comprehended",
                 "" if len(graph) else "no text"):  # fmt: skip
        return
    drawn = np.unique(graph["skill"])
    texts = np.unique(graph["text"])
    skill_x = dict(zip(drawn, np.linspace(0, 1, 2 * len(drawn) + 1)[1::2], strict=True))
    text_x = dict(zip(texts, np.linspace(0, 1, 2 * len(texts) + 1)[1::2], strict=True))
    for text, skill in graph[["text", "skill"]].itertuples(index=False):
        known = skill <= n
        ax.plot(
            [text_x[text], skill_x[skill]], [0, 1], zorder=1,
            color=COLOURS[0] if known else GREY, linewidth=0.8 if known else 0.6,
            linestyle="-" if known else (0, (2, 1.5)), gid="edge",
        )  # fmt: skip
    counts = graph["skill"].le(n).groupby(graph["text"]).sum()
    for kind, marker, colour, places, height, filled in (
        ("skill", "o", COLOURS[0], skill_x, 1, {skill: skill <= n for skill in drawn}),
        ("text", "s", COLOURS[2], text_x, 0, {text: counts[text] >= least for text in texts}),
    ):
        for full in (True, False):
            chosen = [x for name, x in places.items() if filled[name] == full]
            ax.plot(
                chosen, [height] * len(chosen), marker, color=colour, markersize=6, zorder=2,
                markerfacecolor=colour if full else "white", clip_on=False,
                gid=f"{kind} {'filled' if full else 'open'}",
            )  # fmt: skip
    for skill, x in skill_x.items():
        name = f"{skill:,}" if skill < 10_000 else scientific(skill, 0)
        name = name.replace("+0", "").replace("+", "")  # 1e5
        ax.text(x, 1.09, name, ha="left", va="bottom", fontsize=5.5, rotation=50, color=INK)
    ax.text(-0.02, 1, "skill k", ha="right", va="center", color=INK)
    ax.text(-0.02, 0, "text", ha="right", va="center", color=INK)
    ax.set(xlim=(-0.12, 1.02), ylim=(-0.62, 1.42), xticks=[], yticks=[])
    ax.grid(False)
    ax.spines[:].set_visible(False)
    look = {"linestyle": "none", "markersize": 5}
    handles = [
        Line2D([], [], color=COLOURS[0], marker="o", label="comprehended skill", **look),
        Line2D([], [], color=COLOURS[0], marker="o", markerfacecolor="white",
               label="skill that is not", **look),
        Line2D([], [], color=COLOURS[2], marker="s", label="understood text", **look),
        Line2D([], [], color=COLOURS[2], marker="s", markerfacecolor="white",
               label="text that is not", **look),
    ]  # fmt: skip
    ax.legend(handles=handles, loc="lower center", ncols=2, handlelength=1, columnspacing=1.5)


def draw_entropy(ax, curve: pd.DataFrame) -> None:
    """H(X|Y) in nats against n: exact, simulated, and the power law fitted to the simulation."""
    curve = curve[curve["n"] >= 1]
    if not panel(ax, "b", "Conditional entropy", "" if len(curve) else "no n of at least 1"):
        return
    n, limit = curve["n"], curve["h1"].iloc[0]
    ax.plot(n, curve["exact_entropy"], label="exact", gid="exact", **EXACT)
    ax.plot(n, curve["fitted"], label="fitted power law", gid="fitted", **FITTED)
    ax.vlines(n, curve["entropy_low"], curve["entropy_high"], color=SIMULATED["color"],
              linewidth=1.2, gid="simulated interval")  # fmt: skip
    ax.plot(n, curve["entropy"], gid="simulated",
            label=f"{curve['texts'].iloc[0]:,} simulated texts", **SIMULATED)  # fmt: skip
    ax.axhline(limit, color=GREY, linewidth=0.8, linestyle=(0, (1, 1.5)))
    ax.annotate(
        f"$H_\\infty$ = {number(limit)} nats", (0.02, limit), (0, -2), color=GREY, va="top",
        xycoords=("axes fraction", "data"), textcoords="offset points",
    )  # fmt: skip
    start = limit + curve["delta"].iloc[0] * 1.15
    ax.set(xlabel="comprehended skills n", ylabel="$H(X|Y)$ (nats)")
    ax.set_ylim(limit - 0.12 * (start - limit), start)
    log_axis(ax, "x", power_of_ten)
    ax.legend(loc="upper right")


def draw_excess(ax, curve: pd.DataFrame, alpha: float, exponent: float) -> None:
    """H − H_∞ against n + ½ on logarithmic axes, and its slope."""
    curve = curve[curve["n"] >= 1]
    if not panel(ax, "c", "Excess over the limit", "" if len(curve) else "no n of at least 1"):
        return
    x, delta = curve["n"] + 0.5, curve["delta"]
    seen = curve["not_understood"] > 0  # none at all has no logarithm; its interval has an end
    ax.plot(x, delta * curve["exact_not_understood"], gid="excess exact", **EXACT)
    ax.plot(x, curve["fitted"] - curve["h1"], gid="excess fitted", **FITTED)
    floor = 0.5 * float((delta * curve["exact_not_understood"]).min())
    low = np.maximum(delta * curve["not_understood_low"], floor)
    ax.vlines(x, low, delta * curve["not_understood_high"], color=SIMULATED["color"],
              linewidth=1.2, gid="excess interval")  # fmt: skip
    for used in (True, False):
        some = seen & (curve["used"] == used)
        ax.plot(
            x[some], (delta * curve["not_understood"])[some],
            gid=f"excess {'used' if used else 'left out'}",
            **SIMULATED | ({} if used else {"markerfacecolor": "white"}),
        )  # fmt: skip
    ax.set(xlabel="n + ½", ylabel=r"$H - H_\infty$ (nats)")
    log_axis(ax, "x", power_of_ten, least=3)
    log_axis(ax, "y", power_of_ten, least=3)
    ax.set_ylim(bottom=floor)
    row = curve.iloc[0]
    text = f"α = {alpha:g}, limit slope {number(exponent, signed=True)}"
    if np.isfinite(row["exponent"]):
        ends = interval(row["exponent_low"], row["exponent_high"], signed=True)
        text += f"\nfitted {number(row['exponent'], signed=True)}\n{ends}"
    ax.text(0.03, 0.03, text, transform=ax.transAxes, va="bottom", fontsize=6, color=INK)


def power_of_ten(value: float) -> str:
    """1, 10, 100, and 10⁴ from there on; 10⁻² below 1."""
    if not 0.1 < value < 1000:
        return f"$10^{{{round(np.log10(value))}}}$"
    return f"{value:g}"


def reach_looks(recovery: pd.DataFrame) -> list[tuple[float, str]]:
    """(first n, face) of each range: open from the first skill on, filled beyond it."""
    starts = sorted(recovery["n_low"].unique())
    return [(start, "white" if start == starts[0] and len(starts) > 1 else "") for start in starts]


def draw_recovered(ax, recovery: pd.DataFrame) -> None:
    """Mean fitted exponent over the known one; the bar is the interval's mean width."""
    if not panel(ax, "d", "Exponents recovered", "" if len(recovery) else "no table"):
        return
    recovery = recovery[recovery["points"] == recovery["points"].max()]
    aside = 0.012 * np.ptp([0, *recovery["exponent_true"]])
    for variant, (_, colour, marker) in VARIANTS.items():
        for i, (start, face) in enumerate(reach_looks(recovery)):
            rows = recovery[(recovery["variant"] == variant) & (recovery["n_low"] == start)]
            at, known = rows["exponent_true"] + aside * (2 * i - 1), rows["exponent_true"]
            ratio, half = rows["exponent_mean"] / known, rows["width"] / 2 / known.abs()
            ax.vlines(at, ratio - half, ratio + half, color=colour, linewidth=1.0,
                      gid=f"recovered interval/{variant}/{start:g}")  # fmt: skip
            ax.plot(at, ratio, marker, color=colour, markersize=4, markerfacecolor=face or colour,
                    gid=f"recovered/{variant}/{start:g}")  # fmt: skip
    ax.axhline(1, color=INK, linewidth=0.6, zorder=0)
    low, high = ax.get_ylim()
    ax.set(xlim=(1.12 * recovery["exponent_true"].min(), 0), ylim=(low, high + 0.6 * (high - low)),
           xlabel="known exponent", ylabel="fitted / known exponent")  # fmt: skip
    for axis in (ax.xaxis, ax.yaxis):
        linear_axis(axis, most=5)
    handles = [
        Line2D([], [], color=colour, marker=marker, linestyle="none", label=name)
        for name, colour, marker in VARIANTS.values()
    ]
    ax.legend(handles=handles, loc="upper left", handlelength=1, title="limited by",
              title_fontsize=6.5, alignment="left")  # fmt: skip


def draw_coverage(ax, recovery: pd.DataFrame) -> None:
    """How often the 95 % interval holds the known exponent, by the number of models."""
    if not panel(ax, "e", "Coverage", "" if len(recovery) else "no table"):
        return
    ax.axhspan(*NEAR, color="#e6e6e6", linewidth=0, zorder=0)
    ax.axhline(95, color=INK, linewidth=0.6, zorder=0)
    counts = sorted(recovery["points"].unique())
    for i, (variant, (_, colour, marker)) in enumerate(VARIANTS.items()):
        for start, face in reach_looks(recovery):
            rows = recovery[(recovery["variant"] == variant) & (recovery["n_low"] == start)]
            at = rows["points"].map(counts.index) + 0.22 * (i - 1)
            ax.plot(
                at, 100 * rows["coverage"], marker, color=colour, markersize=4,
                markerfacecolor=face or colour, gid=f"coverage/{variant}/{start:g}",
            )  # fmt: skip
    ax.set_xticks(range(len(counts)), counts)
    ax.set(xlim=(-0.5, len(counts) - 0.5), ylim=(0, 104), xlabel="models in the table",
           ylabel="intervals that hold it (%)")  # fmt: skip
    handles = [
        Line2D([], [], color=INK, marker="o", markerfacecolor=face or INK, linestyle="none",
               label=f"n from {start:,.0f}")
        for start, face in reach_looks(recovery)
    ]  # fmt: skip
    ax.legend(handles=handles, loc="lower left", handlelength=1)
