"""One style for all figures: colours, axes, panels, and how a figure is saved.

Files are a function of the tables alone: no dates, and fonts embedded.
"""

import textwrap
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, Locator, MaxNLocator, NullLocator

from infogeo.files.artefacts import replacing
from infogeo.files.numbers import significant

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
NARROW = 26  # characters that fit into the panels of these figures


class LogTicks(Locator):
    """Ticks for a log axis, also where it spans less than a decade."""

    series = ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7))

    def __init__(self, least: int = 4):
        self.least = least

    def nonsingular(self, low, high):
        """Limits of a log axis: about one value alone, and some where there is none."""
        if not (np.isfinite([low, high]).all() and low > 0):
            return 1, 10
        return (low / 2, high * 2) if low == high else (low, high)

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

    def write(value: float, _) -> str:
        span = abs(np.subtract(*axis.get_view_interval()))
        return significant(0.0 if abs(value) < 1e-9 * span else value)  # 0 is often 1e-17

    axis.set_major_formatter(FuncFormatter(write))


def leave_empty(ax, reason: str, width: int = 44) -> None:
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


def remark(figure, text: str) -> None:
    """A small line above a figure, where there is something to say."""
    if text:
        figure.suptitle(text, fontsize=5.5, color=GREY, style="italic")


def panel(ax, letter: str, name: str, reason: str = "") -> bool:
    """Give a panel its letter and title; where there is a reason that it is empty, say it."""
    ax.set_title(name)
    ax.annotate(
        letter, (0, 1), (-4, 3.5), xycoords="axes fraction", textcoords="offset points",
        weight="bold", ha="right", va="bottom",
    )  # fmt: skip
    if reason:
        leave_empty(ax, reason, NARROW)
    return not reason


def reason_empty(rows: pd.DataFrame, column: str, what: str) -> str:
    """The reason that a panel of these rows is empty; "" where it is not."""
    if not len(rows):
        return f"no {what}"
    return "" if np.isfinite(rows[column]).any() else f"none of {len(rows)} rows has {what}"


def shades(number: int) -> list:
    """Colours from light (small) to dark (large), which also differ in grey."""
    shade = matplotlib.colormaps["viridis_r"]
    return [shade(0.12 + 0.88 * i / max(number - 1, 1)) for i in range(number)]
