"""How the selectors of tokens are drawn, against k or a share of tokens."""

import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from infogeo.figures.style import COLOURS, DASHES, GREY, INK

# Eight lines in one panel: the three that the argument turns on are bold, and no two share both
# marker and dashes.
THIN, BOLD = 0.8, 1.8
SELECTORS = {
    "lasso": ("lasso", COLOURS[0], "o", "-", BOLD),
    "attention_mean": ("attention, mean of heads", COLOURS[1], "s", "-", BOLD),
    "random": ("random", "#8a8a8a", "x", (0, (3, 0.7)), BOLD),
    "omp": ("orthogonal matching pursuit", COLOURS[5], "v", DASHES[3], THIN),
    "attention_best_head": ("attention, best head", COLOURS[4], "D", DASHES[1], THIN),
    "attention_rollout": ("attention rollout", COLOURS[3], "P", DASHES[4], THIN),
    "recency": ("most recent", COLOURS[2], "^", DASHES[2], THIN),
    "norm": ("largest norm", INK, "*", (0, (1, 1.2)), THIN),
}
SINKS = {
    "free": "first token free",
    "forced": "first token always in",
    "excluded": "first token never in",
}


def draw_selectors(ax, rows: pd.DataFrame, x: str, y: str, gid: str) -> None:
    """A line with its band for every selector; the emphasised ones lie on top."""
    for selector in reversed(SELECTORS):
        line, look = rows[rows["selector"] == selector].sort_values(x), selector_look(selector)
        ax.fill_between(
            line[x], line[f"{y}_low"], line[f"{y}_high"],
            color=look["color"], alpha=0.13, linewidth=0, gid=f"{gid} band/{selector}",
        )  # fmt: skip
        ax.plot(line[x], line[y], gid=f"{gid}/{selector}", **look)


def selector_look(selector: str) -> dict:
    """How a selector is drawn; the legend uses the same."""
    _, colour, marker, dashes, width = SELECTORS[selector]
    return {
        "color": colour, "marker": marker, "linestyle": dashes, "linewidth": width,
        "markersize": 3.6 if width == BOLD else 3, "markeredgewidth": 0.8,
    }  # fmt: skip


def selector_handles(frame: pd.DataFrame) -> list:
    """Legend entries of the selectors that a table has, and of their bands."""
    handles = [
        Line2D([], [], **selector_look(selector), label=look[0])
        for selector, look in SELECTORS.items()
        if (frame["selector"] == selector).any()
    ]
    return handles and [*handles, Patch(color=GREY, alpha=0.25, linewidth=0, label="95 % band")]
