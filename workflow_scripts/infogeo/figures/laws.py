"""Figures: one style, and functions that take tables and return a Figure.

Nothing is computed here: points, intervals, fits, bands, nulls and exponents are columns of the
tables of results/scaling. Colour says which family, marker fill and line style say what is
drawn, so that the figures also read in grey and without colour vision. Files are a function of
the tables alone: no dates, and fonts embedded.
"""

import textwrap
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, Locator, MaxNLocator, NullLocator

from infogeo.files.artefacts import replacing
from infogeo.files.errors import InfogeoError
from infogeo.files.numbers import count, estimate, number, significant
from infogeo.geometry.metrics import at_eps2, depth_of, parse_metric

WIDTH = 7.0  # inches: the text width of a two-column paper

STYLE = {
    "font.family": ["DejaVu Sans"],  # comes with matplotlib, so the same on every machine
    "font.size": 7,
    "axes.titlesize": 7.5,
    "axes.labelsize": 7,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "legend.handlelength": 2.4,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "lines.linewidth": 1.1,
    "lines.markersize": 4,
    "figure.dpi": 100,
    "savefig.dpi": 220,
    "pdf.fonttype": 42,  # TrueType: text stays text, and publishers accept it
    "svg.hashsalt": "infogeo",
}

# Okabe & Ito (2008), in the order in which neighbours differ most, in grey as well.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"]
MARKERS = ["o", "s", "^", "D", "v", "P", "X"]
DASHES = ["-", (0, (8, 1.5)), (0, (8, 1.5, 1.5, 1.5)), (0, (4, 1)), (0, (4, 1, 1, 1)), "-", "--"]
GREY = "#5f5f5f"
INK = "#222222"

# The exponents of a law: column and label. Intervals are {column}_low and {column}_high.
EXPONENTS = [
    ("exponent", "raw"),
    ("excess_width", "over width law"),
    ("excess_random", "over random"),
    ("excess_untrained", "over untrained"),
    ("depth_exponent", "at fixed width"),
]

MOST = 8  # families that are drawn, or have panels of their own
ENTROPY_PANELS = [
    ("coding_rate_paper", "unit"),
    ("coding_rate_rank", "unit"),
    ("entropy", "centred"),
    ("entropy_over_ln_d", "centred"),
]
CONDITIONAL_PANELS = [("nll", ""), ("predictive_entropy", "")]
DEPTH_PANELS = [ENTROPY_PANELS[0], ENTROPY_PANELS[1], ENTROPY_PANELS[3]]

# What each table must have. A table that lacks a column was made by another version.
KEY = ["corpus", "family", "scope", "metric", "depth", "convention", "n", "axis"]
NEEDED = {
    "laws": [
        *KEY, "points", "models", "texts", "falls_verdict", "problems",
        *(f"{name}{end}" for name, _ in EXPONENTS for end in ("", "_low", "_high")),
    ],
    "points": [
        *KEY, "N", "width", "layers", "y", "y_low", "y_high", "seed_sd", "replicates",
        "fitted", "band_low", "band_high", "width_law",
        "random_null", "random_low", "random_high",
        "untrained", "untrained_low", "untrained_high",
    ],
    "profiles": [
        "corpus", "family", "scope", "metric", "convention", "n",
        "model", "N", "params_total", "width", "layers", "layer", "relative_depth",
        "y", "y_low", "y_high",
    ],
    "pairs": [
        "corpus", "family", "scope", "metric", "depth", "convention", "n",
        "width", "layers_low", "layers_high", "ln_ratio", "ln_ratio_low", "ln_ratio_high",
    ],
}  # fmt: skip

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
    "predictive_entropy": ("Predictive entropy", "entropy (nats/token)"),
}
AXES = {
    "non_embedding": "non-embedding parameters N",
    "total": "parameters N, embeddings included",
}


# ---------------------------------------------------------------------------- tables


def check_columns(frame: pd.DataFrame, table: str, needed=NEEDED, folder: str = "scaling") -> None:
    """Stop where a table lacks a column that its figure draws.

    Parameters
    ----------
    frame : pandas.DataFrame
    table : str
        Its name: a key of `needed`, and of the file in results/{folder}.
    needed : dict
        Table → columns.
    folder : str

    Raises
    ------
    InfogeoError
        Naming the table, the columns it lacks, and the command that makes it anew.
    """
    missing = [name for name in needed[table] if name not in frame.columns]
    if missing:
        path = f"results/{folder}/{table}.parquet"
        raise InfogeoError(
            f"{path}: lacks the column(s) {', '.join(missing)} that the figures draw. "
            f"It was made by another version. Make it anew: snakemake -R {path}"
        )


def select(frame: pd.DataFrame, **keys) -> pd.DataFrame:
    """The rows in which every named column has the given value."""
    chosen = np.ones(len(frame), dtype=bool)
    for name, value in keys.items():
        chosen &= (frame[name] == value).to_numpy()
    return frame[chosen]


def family_styles(laws: pd.DataFrame, corpus: str) -> dict[str, tuple[str, str]]:
    """Colour and marker of each family that has laws: the same in every figure of a corpus."""
    families = sorted(select(laws, corpus=corpus)["family"].unique())
    return {
        family: (COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)])
        for i, family in enumerate(families)
    }


def with_most_models(counts: pd.Series) -> list[str]:
    """The `MOST` families with most models, by name; of equal ones the first by name.

    Parameters
    ----------
    counts : pandas.Series
        Models of each family, in the order of names.
    """
    return sorted(counts.sort_values(ascending=False, kind="stable").index[:MOST])


def which_families(styles: dict, what: str) -> str:
    """A note where not every family has `what`; "" where all have."""
    if len(styles) <= MOST:
        return ""
    return f"{what}: the {MOST} of {len(styles)} families with most models"


def remark(figure, text: str) -> None:
    """A small line above a figure, where there is something to say."""
    if text:
        figure.suptitle(text, fontsize=5.5, color=GREY, style="italic")


def drawn(laws: pd.DataFrame, corpus: str) -> tuple[dict[str, tuple[str, str]], str]:
    """Styles of the families that a figure of laws draws, and a note where these are not all."""
    styles = family_styles(laws, corpus)
    shown = with_most_models(select(laws, corpus=corpus).groupby("family")["models"].max())
    return {family: styles[family] for family in shown}, which_families(styles, "Drawn")


# ---------------------------------------------------------------------------- text


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
    return f"falls with N: {law['falls_verdict']} ({law['points']} points{texts})"


# ---------------------------------------------------------------------------- axes


class LogTicks(Locator):
    """Ticks for a log axis, also where it spans less than a decade."""

    series = ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7))

    def __init__(self, least: int = 4):
        self.least = least

    def __call__(self):
        return self.tick_values(*sorted(self.axis.get_view_interval()))

    def tick_values(self, low, high):
        if high / low < 4:  # nearly linear: round steps read best
            return [
                t
                for t in MaxNLocator(self.least + 1, steps=[1, 2, 5, 10]).tick_values(low, high)
                if t > 0
            ]
        decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
        for mantissas in self.series:
            ticks = [m * 10.0**k for k in decades for m in mantissas if low <= m * 10.0**k <= high]
            if len(ticks) >= self.least:
                break
        return ticks


def four_digits(value: float) -> str:
    """What a log axis writes at a tick."""
    return significant(value, 4)


def log_axis(ax, which: str, write=four_digits, least: int = 4) -> None:
    """Make the x or y axis logarithmic with readable labels."""
    ax.set(**{f"{which}scale": "log"})
    axis = getattr(ax, f"{which}axis")
    axis.set_major_locator(LogTicks(least))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: write(value)))


def linear_axis(axis, most: int = 4) -> None:
    """Few round ticks with true minus signs, for exponents and ln-ratios."""
    axis.set_major_locator(MaxNLocator(most, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: significant(value)))


def say(ax, reason: str, width: int = 44) -> None:
    """Write in an empty panel why it is empty, in lines of `width` characters."""
    ax.grid(False)
    ax.tick_params(length=0, labelbottom=False, labelleft=False)  # axes may be shared: keep ticks
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.text(
        0.5, 0.5, textwrap.fill(reason, width), transform=ax.transAxes,
        ha="center", va="center", color=GREY, style="italic",
    )  # fmt: skip


@contextmanager
def styled():
    """Everything drawn and saved inside has the house style, whatever the user's matplotlibrc."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def settle(figure: Figure) -> None:
    """Lay a figure out and fix its panels, so that it is drawn alike every time.

    The layout solver's last bits depend on memory addresses, and snapping to pixels shows them:
    positions are rounded to a ten-thousandth of the figure.
    """
    for _ in range(2):  # broken axes move the panels once more
        figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for part in figure.subfigs:
        part.bbox_relative.set_points(np.round(part.bbox_relative.get_points(), 4))
    for ax in figure.axes:
        ax.set_position(np.round(ax.get_position().bounds, 4))


def save(figure: Figure, paths) -> None:
    """Write a figure once per path (PDF or PNG, by suffix), whole or not at all.

    The bytes depend on the figure alone: no dates, no versions.
    """
    nothing = {
        "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
        "png": {"Software": None},
    }
    with styled():
        settle(figure)
        for path in map(Path, paths):
            kind = path.suffix[1:]
            with replacing(path) as temporary:
                figure.savefig(temporary, format=kind, metadata=nothing[kind])


# ---------------------------------------------------------------------------- one law against N

# Columns of points.parquet: value, interval.
CONTROLS = {
    "width law": ("width_law", None, None),
    "random unit vectors": ("random_null", "random_low", "random_high"),
    "untrained twins": ("untrained", "untrained_low", "untrained_high"),
}


def control_look(control: str, colour: str, marker: str) -> dict:
    """How a control is drawn; the legend uses the same."""
    return {
        "width law": {"color": colour, "linestyle": ":", "marker": "_", "markersize": 7},
        "random unit vectors": {
            "color": GREY, "linestyle": (0, (1, 2)), "linewidth": 0.7,
            "marker": "x", "markersize": 3.5,
        },
        "untrained twins": {
            "color": colour, "linestyle": (0, (4, 2)), "linewidth": 0.7,
            "marker": marker, "markerfacecolor": "white", "markeredgewidth": 0.8, "markersize": 3.5,
        },
    }[control]  # fmt: skip


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


def family_legend(figure: Figure, styles: dict, where: str = "lower", note: str = "") -> None:
    """The families' colours and markers, where there is more than one family, under a note."""
    if len(styles) > 1:
        handles = [
            Line2D([], [], color=colour, marker=marker, label=family)
            for family, (colour, marker) in styles.items()
        ]
        figure.legend(
            handles=handles, loc=f"outside {where} center", ncols=min(len(handles), 6),
            title=note or None, title_fontsize=5.5,
        )  # fmt: skip


def law_legend(figure: Figure, styles: dict, controls: list[str]) -> None:
    """One legend for all panels: the families, then what each mark means."""
    many = len(styles) > 1
    colour, marker = (INK, "o") if many else next(iter(styles.values()), (INK, "o"))
    handles = [
        Line2D([], [], color=c, marker=m, linestyle=DASHES[MARKERS.index(m)], label=family)
        for family, (c, m) in styles.items()
        if many
    ]
    handles += [
        Line2D([], [], color=INK, linestyle="", marker="|", markersize=8, label="95 % interval"),
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
        n=n, depth=depth_of(metric, depth), axis=axis,
    )  # fmt: skip


def absent(ax, points: pd.DataFrame, controls: list[str]) -> None:
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


# ---------------------------------------------------------------------------- figures


def entropy_scaling(laws, points, *, corpus, n, eps2, depth, axis) -> Figure:
    """Entropies against N with fits and every control, and below each its exponents.

    Parameters
    ----------
    laws, points : pandas.DataFrame
        results/scaling/laws.parquet and points.parquet.
    corpus : str
    n : int
        Tokens per text.
    eps2 : float
        ε² of the coding rates.
    depth : str
        Relative depth, or "final".
    axis : str
        What N counts: "non_embedding" or "total".

    Returns
    -------
    matplotlib.figure.Figure
    """
    check_columns(laws, "laws")
    check_columns(points, "points")
    styles, note = drawn(laws, corpus)
    laws, points = (frame[frame["family"].isin(styles)] for frame in (laws, points))
    controls = list(CONTROLS)
    with styled():
        tall = 2.35 + heading_height(styles)
        rows = 0.75 + 0.2 * len(styles)  # inches for a row of exponents
        figure = Figure(figsize=(WIDTH, 2 * (tall + rows) + 0.4), layout="constrained")
        remark(figure, note)
        grid = figure.add_gridspec(4, 2, height_ratios=[tall, rows, tall, rows])
        for i, (metric, convention) in enumerate(ENTROPY_PANELS):
            metric = at_eps2(metric, eps2)
            top = figure.add_subplot(grid[2 * (i // 2), i % 2])
            below = figure.add_subplot(grid[2 * (i // 2) + 1, i % 2])
            mine, here = (
                of_metric(frame, metric, convention, corpus, n, depth, axis)
                for frame in (laws, points)
            )
            heading(top, "abcd"[i], title(metric, convention), mine, styles)
            if not (here["y"] > 0).any():
                say(top, why_empty(here, metric, corpus, n, depth))
                below.set_axis_off()
                continue
            log_axis(top, "x", count)
            log_axis(top, "y")
            for control in controls:
                draw_control(top, here, styles, control)
            draw_data(top, here, styles)
            absent(top, here, controls)
            top.set(xlabel=AXES[axis], ylabel=axis_label(metric))
            draw_exponents(below, mine, styles, EXPONENTS, labels=i % 2 == 0)
        law_legend(figure, styles, controls)
    return figure


def conditional_entropy(laws, points, *, corpus, n, axis) -> Figure:
    """NLL and predictive entropy against N with fits, and the untrained twins' level above.

    Parameters are those of `entropy_scaling`.
    """
    check_columns(laws, "laws")
    check_columns(points, "points")
    styles, note = drawn(laws, corpus)
    laws, points = (frame[frame["family"].isin(styles)] for frame in (laws, points))
    control = "untrained twins"
    kinds = [EXPONENTS[0], EXPONENTS[3], EXPONENTS[4]]
    with styled():
        tall = 3.02 + heading_height(styles)
        rows = 0.65 + 0.2 * len(styles)  # inches for a row of exponents
        figure = Figure(figsize=(WIDTH, tall + rows + 0.13), layout="constrained")
        remark(figure, note)
        grid = figure.add_gridspec(2, 2, height_ratios=[tall, rows])
        for i, (metric, convention) in enumerate(CONDITIONAL_PANELS):
            ax, below = (figure.add_subplot(grid[row, i]) for row in (0, 1))
            mine, here = (
                of_metric(frame, metric, convention, corpus, n, "", axis)
                for frame in (laws, points)
            )
            above = ax
            if not (here["y"] > 0).any():
                say(ax, why_empty(here, metric, corpus, n, ""))
                below.set_axis_off()
            else:
                log_axis(ax, "x", count)
                log_axis(ax, "y")
                draw_data(ax, here, styles)
                absent(ax, here, [control])
                ax.set(xlabel=AXES[axis], ylabel=axis_label(metric))
                if np.isfinite(here[CONTROLS[control][0]]).any():
                    above = broken_axis(ax)
                    draw_control(above, here, styles, control)
                draw_exponents(below, mine, styles, kinds, labels=i == 0)
            heading(above, "ab"[i], title(metric, convention), mine, styles)
        law_legend(figure, styles, [control])
    return figure


def heading_height(styles: dict) -> float:
    """Inches of the lines that more families than one add to the heading of a panel."""
    return 0.13 * (max(len(styles), 1) - 1)


def broken_axis(ax):
    """Axes above `ax` that go on beyond a break: untrained models lie far above trained ones."""
    above = ax.inset_axes([0, 1.07, 1, 0.26], sharex=ax)
    log_axis(above, "y", least=2)
    above.margins(y=0.5)
    above.spines["bottom"].set_visible(False)
    above.tick_params(axis="x", length=0, labelbottom=False)
    slash = {
        "marker": [(-1, -0.6), (1, 0.6)], "markersize": 6, "linestyle": "none", "color": INK,
        "markeredgewidth": 0.6, "clip_on": False,
    }  # fmt: skip
    above.plot([0], [0], transform=above.transAxes, **slash)
    ax.plot([0], [1], transform=ax.transAxes, **slash)
    return above


FINAL = 1.5  # where the state after the final norm stands on an axis of relative depth


def place_of(depth) -> np.ndarray:
    """Positions on a depth axis: a relative depth itself, and "final" beyond the last layer."""
    return np.array([FINAL if value == "final" else float(value) for value in depth])


def depth_axis(ax) -> None:
    """Relative depth from 0 to 1, and then the state after the final norm."""
    ax.set_xlim(-0.25, FINAL + 0.25)
    ax.set_xticks([0, 0.5, 1, FINAL], ["0", "½", "1", "norm"], fontsize=6)


def depth_profiles(laws, profiles, *, corpus, n, eps2, axis) -> Figure:
    """Entropy against relative depth, a line per model, and every exponent against depth.

    Parameters
    ----------
    laws, profiles : pandas.DataFrame
        results/scaling/laws.parquet and profiles.parquet.
    corpus, n, eps2, axis
        As in `entropy_scaling`.
    """
    check_columns(laws, "laws")
    check_columns(profiles, "profiles")
    styles, note = drawn(laws, corpus)
    laws, profiles = (frame[frame["family"].isin(styles)] for frame in (laws, profiles))
    with styled():
        figure = Figure(figsize=(WIDTH, 2.0 * len(DEPTH_PANELS) + 0.4), layout="constrained")
        remark(figure, note)
        grid = figure.add_gridspec(
            len(DEPTH_PANELS), 1 + len(EXPONENTS), width_ratios=[2.6, *[1] * len(EXPONENTS)]
        )
        for i, (metric, convention) in enumerate(DEPTH_PANELS):
            metric = at_eps2(metric, eps2)
            last = i == len(DEPTH_PANELS) - 1
            left = figure.add_subplot(grid[i, 0])
            left.set_title(title(metric, convention))
            here = select(
                profiles, corpus=corpus, scope="text", metric=metric, convention=convention, n=n
            )
            if (here["y"] > 0).any():
                draw_profiles(
                    left, here, styles, "N" if axis == "non_embedding" else "params_total"
                )
                left.set(ylabel=axis_label(metric), xlabel="relative depth" if last else "")
            else:
                say(left, why_empty(here, metric, corpus, n, ""))
            mine = select(
                laws, corpus=corpus, scope="text", metric=metric, convention=convention,
                n=n, axis=axis,
            )  # fmt: skip
            first = None
            for j, (column, name) in enumerate(EXPONENTS):
                ax = figure.add_subplot(grid[i, 1 + j], sharey=first)
                first = first or ax
                draw_exponent_by_depth(ax, mine, styles, column)
                if last:
                    ax.set_xlabel("depth")
                if i == 0:
                    ax.set_title(name.replace(" ", "\n", 1), fontsize=6.5)
                if j == 0:
                    ax.set_ylabel("exponent of N")
                else:
                    ax.tick_params(labelleft=False)
        family_legend(figure, styles)
    return figure


def draw_profiles(ax, profiles: pd.DataFrame, styles: dict, size: str) -> None:
    """A line per model over its layers, coloured by its size (a column), labelled at its end."""
    log_axis(ax, "y")
    models = profiles.drop_duplicates("model").sort_values([size, "width", "model"])
    shade = matplotlib.colormaps["viridis_r"]
    sizes = sorted(models[size].unique())
    ends = {}
    for _, model in models.iterrows():
        rows = profiles[profiles["model"] == model["model"]]
        at = np.where(rows["layer"] == "final", FINAL, rows["relative_depth"])
        rows = rows.assign(at=at).sort_values("at")
        colour = shade(0.12 + 0.88 * sizes.index(model[size]) / max(len(sizes) - 1, 1))
        look = {
            "color": colour,
            "marker": styles[model["family"]][1],
            "markersize": 2.5,
            "linewidth": 0.9,
        }
        stream = rows[rows["at"] < FINAL]
        ax.plot(rows["at"], rows["y"], gid=f"profile/{model['model']}", **look | {"linestyle": ":"})
        ax.plot(stream["at"], stream["y"], **look)
        ax.vlines(rows["at"], rows["y_low"], rows["y_high"], color=colour, linewidth=0.7)
        key = (model["family"], model[size], model["width"], model["layers"])
        ends[key] = (rows["at"].iloc[-1], rows["y"].iloc[-1])  # one label for all seeds of a shape
    depth_axis(ax)
    labels = [f"{count(N)}  {width}×{layers}" for _, N, width, layers in ends]
    label_ends(ax, labels, np.array(list(ends.values())))


def label_ends(ax, labels: list[str], ends: np.ndarray, most: int = 14) -> None:
    """Write labels right of the axes beside the ends of lines, moved apart where they touch.

    Of more than `most` lines, evenly chosen ones are labelled, the first and last among them.
    """
    chosen = np.linspace(0, len(ends) - 1, min(len(ends), most)).round().astype(int)
    heights = (ax.transData + ax.transAxes.inverted()).transform(ends)[:, 1]
    order = chosen[np.argsort(heights[chosen])]
    places, gap = heights[order], 0.07
    for _ in range(500):  # neighbours that are too close push each other away
        push = np.clip(gap - np.diff(places), 0, None) / 2
        places[:-1] -= push
        places[1:] += push
    leader = {"arrowstyle": "-", "color": GREY, "linewidth": 0.4, "relpos": (0, 0.5)}
    for i, place in zip(order, places, strict=True):
        ax.annotate(
            labels[i], ends[i], (1.1, place), textcoords="axes fraction",
            va="center", fontsize=5.5, color=INK, arrowprops=leader | {"shrinkA": 0, "shrinkB": 2},
        )  # fmt: skip


def draw_exponent_by_depth(ax, laws: pd.DataFrame, styles: dict, column: str) -> None:
    """One exponent of every family's laws against relative depth, with intervals."""
    for i, (family, (colour, marker)) in enumerate(styles.items()):
        rows = laws[(laws["family"] == family) & np.isfinite(laws[column])]
        at = place_of(rows["depth"]) + 0.4 / len(styles) * (i - (len(styles) - 1) / 2)
        rows = rows.assign(at=at).sort_values("at")
        gid = f"{column}/{family}"
        ax.vlines(rows["at"], rows[f"{column}_low"], rows[f"{column}_high"], color=colour, gid=gid)
        ax.plot(rows["at"], rows[column], marker, color=colour, markersize=2.5)
    ax.axhline(0, color=INK, linewidth=0.6)
    depth_axis(ax)
    linear_axis(ax.yaxis)
    if not np.isfinite(laws[column]).any():
        ax.text(0.5, 0.5, "n/a", transform=ax.transAxes, ha="center", color=GREY)


def width_pairs(laws, pairs, *, corpus, n, eps2, depth, metrics) -> Figure:
    """ln-ratios of metrics between models of one width and different depth, with intervals.

    Parameters
    ----------
    laws, pairs : pandas.DataFrame
        results/scaling/laws.parquet (for the families' colours) and pairs.parquet.
    corpus, n, eps2, depth
        As in `entropy_scaling`.
    metrics : list of [metric, convention]
        One panel each; coding rates without their ε².
    """
    check_columns(laws, "laws")
    check_columns(pairs, "pairs")
    mine = select(pairs, corpus=corpus, scope="text", n=n)
    styles, note = drawn(laws, corpus)
    mine = mine[mine["family"].isin(styles)]
    styles = {family: styles[family] for family in styles if family in set(mine["family"])}
    key = ["family", "width", "layers_low", "layers_high"]
    rows = mine[key].drop_duplicates().sort_values(key).reset_index(drop=True)
    names = [
        f"{f'{family}, ' if len(styles) > 1 else ''}width {width}: {low} → {high} layers"
        for family, width, low, high in rows.itertuples(index=False)
    ]
    with styled():
        figure = Figure(figsize=(WIDTH, 0.95 + 0.16 * max(len(rows), 4)), layout="constrained")
        if not len(rows):
            say(figure.subplots(), f"no two models on {corpus} have the same width at two depths")
            return figure
        axes = figure.subplots(1, len(metrics), squeeze=False, sharey=True)[0]
        axes[0].set_ylim(len(rows) - 0.4, -0.6)
        axes[0].set_yticks(range(len(rows)), names)
        for ax, (metric, convention) in zip(axes, metrics, strict=True):
            metric = at_eps2(metric, eps2)
            here = select(
                mine, metric=metric, convention=convention, depth=depth_of(metric, depth)
            ).merge(rows.reset_index(names="row"), on=key)
            name, _, notes = title(metric, convention).partition(" (")
            ax.set_title(textwrap.fill(name, 15) + (f"\n({notes}" if notes else ""))
            if not np.isfinite(here["ln_ratio"]).any():
                say(ax, f"no finite ratio of {metric}")
                ax.tick_params(labelleft=ax is axes[0])
                continue
            for family, some in here.groupby("family"):
                colour, marker = styles[family]
                ax.hlines(
                    some["row"], some["ln_ratio_low"], some["ln_ratio_high"],
                    color=colour, gid=f"{metric}/{family}",
                )  # fmt: skip
                ax.plot(some["ln_ratio"], some["row"], marker, color=colour, markersize=3.5)
            ax.axvline(0, color=INK, linewidth=0.6)
            linear_axis(ax.xaxis, most=3)
        family_legend(figure, styles, "upper", note)
        figure.supxlabel("ln ratio of the metric, deeper over shallower model", fontsize=7)
    return figure
