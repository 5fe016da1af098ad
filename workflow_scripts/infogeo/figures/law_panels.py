"""A law against N: its points, fit, controls and exponents, as panels.

Nothing is computed here: points, intervals, fits, bands, nulls and exponents are columns of the
tables of results/scaling.
"""

import textwrap

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from infogeo.figures.families import control_look, interval_mark, legend_look
from infogeo.figures.style import DASHES, GREY, INK, MARKERS, linear_axis
from infogeo.figures.tables import select
from infogeo.files.numbers import estimate, number
from infogeo.geometry.metrics import all_tokens, depth_of, parse_metric

# The exponents of a law: column and label. Intervals are {column}_low and {column}_high.
EXPONENTS = [
    ("exponent", "raw"),
    ("excess_width", "over width law"),
    ("excess_random", "over random"),
    ("excess_untrained", "over untrained"),
    ("depth_exponent", "at fixed width"),
]
# Of laws over N, whose models may have read shuffled words.
EXPONENTS_OF_SIZE = [*EXPONENTS, ("excess_reading", "over better reading")]
NAMES = {
    "entropy": ("Matrix entropy", "$H$ (nats)"),
    "entropy_over_ln_d": ("Matrix entropy / ln d", r"$H\,/\,\ln d$"),
    "entropy_over_ln_rank": ("Matrix entropy / ln rank", r"$H\,/\,\ln\,\min(n, d)$"),
    "effective_rank": ("Effective rank", "exp $H$"),
    "renyi_2": ("Rényi entropy, α = 2", "$H_2$ (nats)"),
    "renyi_inf": ("Rényi entropy, α = ∞", r"$H_\infty$ (nats)"),
    "participation_ratio": ("Participation ratio", r"$1/\Sigma\lambda^2$"),
    "coding_rate": ("Coding rate", r"$R_\varepsilon$ (nats)"),
    "coding_rate_paper": (
        "Coding rate, paper’s norm",
        r"$R_\varepsilon\,/\,d\,\ln(1+\varepsilon^{-2})$",
    ),
    "coding_rate_rank": (
        "Coding rate, rank-aware",
        r"$R_\varepsilon\,/\,r\,\ln(1+d/r\varepsilon^2)$",
    ),
    "nll": ("Conditional entropy", "NLL (nats/token)"),
    "bits_per_byte": ("Conditional entropy", "NLL (bits/byte)"),
    "prefix_bits_per_byte": ("Conditional entropy, equal bytes", "NLL (bits/byte)"),
    "predictive_entropy": ("Predictive entropy", "entropy (nats/token)"),
}
# Columns of points.parquet: value, interval.
CONTROLS = {
    "width law": ("width_law", None, None),
    "random unit vectors": ("random_null", "random_low", "random_high"),
    "untrained twins": ("untrained", "untrained_low", "untrained_high"),
}


def title(metric: str, convention: str) -> str:
    """A metric's name for a panel, its convention and ε² included."""
    base, regulariser = parse_metric(metric)
    notes = [convention] if convention else []
    notes += [f"ε² = {regulariser.value:g}"] if regulariser else []
    name = NAMES.get(base, (metric, metric))[0]
    return f"{name} ({', '.join(notes)})" if notes else name


def axis_label(metric: str) -> str:
    """A metric's symbol and unit."""
    return NAMES.get(parse_metric(metric).base, (metric, metric))[1]


def exponent_of(law) -> str:
    """A law's exponent with its interval, as printed in panels."""
    value, low, high = law["exponent"], law["exponent_low"], law["exponent_high"]
    if not np.isfinite(value):
        return textwrap.shorten(f"no exponent: {law['problems']}", 58, placeholder=" …")
    if not (np.isfinite(low) and np.isfinite(high)):
        return f"exponent {number(value, signed=True)} (no interval)"
    return f"exponent {estimate(value, low, high, signed=True)}"


def verdict_of(law) -> str:
    """The verdict on "falls with N" and on how much it rests."""
    texts = "" if pd.isna(law["texts"]) else f", {law['texts']} texts"
    points = f"{law['points']} point{'' if law['points'] == 1 else 's'}"
    return f"falls with N: {law['falls_verdict']} ({points}{texts})"


def joined(rows: pd.DataFrame) -> list[pd.DataFrame]:
    """The points that a line may join: of one width where widths repeat, else the whole family."""
    rows = rows.sort_values("N")
    return [rows] if rows["width"].is_unique else [same for _, same in rows.groupby("width")]


def draw_data(ax, points: pd.DataFrame, styles: dict) -> None:
    """Draw fits with bands, points with intervals and the spread of the seeds, per family.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    points : pandas.DataFrame
        Rows of points.parquet of one metric: one per family and point.
    styles : dict
        Family → (colour, marker).
    """
    for family, rows in points.groupby("family"):
        colour, marker = styles[family]
        rows = rows.sort_values("N")
        ax.fill_between(
            rows["N"], rows["band_low"], rows["band_high"],
            color=colour, alpha=0.14, linewidth=0, gid=f"band/{family}",
        )  # fmt: skip
        dashes = DASHES[MARKERS.index(marker)]
        ax.plot(rows["N"], rows["fitted"], color=colour, linestyle=dashes, gid=f"fit/{family}")
        seeds = rows[rows["replicates"] > 1]
        spread = seeds["y"].to_numpy() * np.exp(np.outer([-1, 1], seeds["seed_sd"]))
        ax.vlines(seeds["N"], *spread, color=colour, linewidth=6, alpha=0.4, gid=f"seeds/{family}")
        ax.vlines(
            rows["N"], rows["y_low"], rows["y_high"],
            color=INK, linewidth=0.9, zorder=2.4, gid=f"interval/{family}",
        )  # fmt: skip
        ax.plot(
            rows["N"], rows["y"], marker, color=colour, markeredgecolor="white",
            markeredgewidth=0.5, zorder=3, gid=f"data/{family}",
        )  # fmt: skip


def draw_control(ax, points: pd.DataFrame, styles: dict, control: str) -> None:
    """Draw one of CONTROLS, per family, with intervals where it has them."""
    value, low, high = CONTROLS[control]
    for family, rows in points.groupby("family"):
        look = control_look(control, *styles[family])
        for line in joined(rows):
            ax.plot(line["N"], line[value], gid=f"{control}/{family}", **look)
        if low:
            ax.vlines(
                rows["N"], rows[low], rows[high],
                color=look["color"], linewidth=0.8, gid=f"{control} interval/{family}",
            )  # fmt: skip


def heading(ax, letter: str, name: str, laws: pd.DataFrame, styles: dict) -> None:
    """Above a panel: its letter and name, and each family's exponent with its interval."""
    lines = [(name, INK)]
    for _, law in laws.sort_values("family").iterrows():
        who = f"{law['family']}: " if len(styles) > 1 else ""
        lines.append((f"{who}{exponent_of(law)}", styles[law["family"]][0] if who else GREY))
    place = {"xycoords": "axes fraction", "textcoords": "offset points", "va": "bottom"}
    for row, (text, colour) in enumerate(reversed(lines)):
        ax.annotate(text, (0, 1), (0, 3 + 9 * row), color=colour, **place)
    ax.annotate(letter, (0, 1), (-4, 3 + 9 * (len(lines) - 1)), weight="bold", ha="right", **place)


def draw_exponents(ax, laws: pd.DataFrame, styles: dict, kinds, labels: bool) -> None:
    """The verdict, and a row for each of the exponents of a law, with its interval."""
    verdicts = {
        (f"{law['family']}: " if len(styles) > 1 else "") + verdict_of(law)
        for _, law in laws.iterrows()
    }
    ax.set_title("\n".join(sorted(verdicts)), fontsize=6, color=GREY, pad=2)
    step = 0.7 / len(styles)
    for row, (column, _) in enumerate(kinds):
        for _, law in laws.iterrows():
            colour, marker = styles[law["family"]]
            at = row + step * (list(styles).index(law["family"]) - (len(styles) - 1) / 2)
            if np.isfinite(law[column]):
                ax.hlines(
                    at, law[f"{column}_low"], law[f"{column}_high"],
                    color=colour, gid=f"{column}/{law['family']}",
                )  # fmt: skip
                ax.plot(law[column], at, marker, color=colour, markersize=3.5)
            else:
                ax.annotate(
                    "n/a", (1, at), xycoords=("axes fraction", "data"),
                    ha="right", va="center", fontsize=5.5, color=colour,
                )  # fmt: skip
    ax.axvline(0, color=INK, linewidth=0.6)
    ax.set(ylim=(len(kinds) - 0.4, -0.6), xlabel="exponent of N")
    ax.set_yticks(range(len(kinds)), [name if labels else "" for _, name in kinds])
    ax.tick_params(axis="y", length=0)
    ax.grid(False, axis="y")
    linear_axis(ax.xaxis)


def law_legend(figure: Figure, styles: dict, controls: list[str]) -> None:
    """One legend for all panels: the families that have a curve, then what each mark means."""
    drawn = {line.get_gid() for ax in figure.axes for line in ax.lines}
    many = len(styles) > 1
    colour, marker = legend_look(styles)
    handles = [
        Line2D([], [], color=c, marker=m, linestyle=DASHES[MARKERS.index(m)], label=family)
        for family, (c, m) in styles.items()
        if many and f"data/{family}" in drawn
    ]
    handles += [
        interval_mark(),
        Line2D([], [], color=colour, alpha=0.4, linestyle="", marker="|", markersize=8,
               markeredgewidth=6, label="± sd of seeds"),
        (Line2D([], [], color=colour), Patch(color=colour, alpha=0.14, linewidth=0)),
    ]  # fmt: skip
    labels = [h.get_label() for h in handles[:-1]] + ["power law, 95 % band"]
    for control in controls:
        handles.append(Line2D([], [], **control_look(control, colour, marker)))
        labels.append(control)
    if not many:
        handles.insert(0, Line2D([], [], color=colour, marker=marker, linestyle=""))
        labels.insert(0, f"models ({next(iter(styles), 'none')})")
    ncols = len(handles) if len(handles) <= 5 else 4
    figure.legend(handles, labels, loc="outside lower center", ncols=ncols)


def why_empty(points: pd.DataFrame, metric: str, corpus: str, n: int, depth: str) -> str:
    """The reason that a panel has nothing to draw."""
    if len(points):
        return f"{metric}: none of {len(points)} points has a positive value"
    where = f", depth {depth}" if depth_of(metric, depth) else ""
    return f"no points of {metric} for {corpus} at n = {n}{where}"


def of_metric(frame, metric, convention, corpus, n, depth, axis) -> pd.DataFrame:
    """The rows of laws or points for one panel: per text, at one n, depth and axis."""
    return select(
        frame, corpus=corpus, scope="text", metric=metric, convention=convention,
        first=all_tokens(metric), n=n, depth=depth_of(metric, depth), axis=axis,
    )  # fmt: skip


def note_missing(ax, points: pd.DataFrame, controls: list[str]) -> None:
    """Say in the panel which controls have no value, and which points a log axis drops."""
    remarks = [
        f"{control}: not available"
        for control in controls
        if not np.isfinite(points[CONTROLS[control][0]]).any()
    ]
    dropped = int((~(points["y"] > 0)).sum())
    remarks += [f"{dropped} of {len(points)} points not drawn: not above 0"] if dropped else []
    if remarks:
        ax.annotate(
            "\n".join(remarks), (0.99, 0.02), xycoords="axes fraction",
            ha="right", va="bottom", fontsize=5.5, color=GREY, style="italic",
            bbox={"color": "white", "alpha": 0.85, "linewidth": 0, "pad": 1}, zorder=4,
        )  # fmt: skip


def heading_height(styles: dict) -> float:
    """Inches of the lines that more families than one add to the heading of a panel."""
    return 0.13 * (max(len(styles), 1) - 1)
