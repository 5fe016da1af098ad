"""Figure of entropies and exponents against relative depth."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from infogeo.figures.entropy import ENTROPY_PANELS
from infogeo.figures.families import (
    family_handles,
    interval_mark,
    legend_below,
    shown_families,
)
from infogeo.figures.law_panels import EXPONENTS, axis_label, title, why_empty
from infogeo.figures.style import (
    GREY,
    INK,
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
from infogeo.geometry.metrics import at_eps2
from infogeo.sources.runs import ends_of_runs

DEPTH_PANELS = [ENTROPY_PANELS[0], ENTROPY_PANELS[1], ENTROPY_PANELS[3]]
WITHOUT_FIRST = {"linestyle": (0, (5, 1.5, 1, 1.5)), "linewidth": 0.8}
FINAL = 1.5  # the place of the state after the final norm on an axis of relative depth


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
    check_columns(laws, "scaling", "laws")
    check_columns(profiles, "scaling", "profiles")
    styles, note = shown_families(laws, corpus)
    laws, profiles = (frame[frame["family"].isin(styles)] for frame in (laws, profiles))
    (profiles,) = ends_of_runs(profiles)
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
            profiles_shown = select(
                profiles, corpus=corpus, scope="text", metric=metric, convention=convention,
                n=n,
            )  # fmt: skip
            if (profiles_shown["y"] > 0).any():
                draw_profiles(
                    left, profiles_shown, styles, "N" if axis == "non_embedding" else "params_total"
                )
                left.set(ylabel=axis_label(metric), xlabel="relative depth" if last else "")
            else:
                leave_empty(left, why_empty(profiles_shown, metric, corpus, n, ""))
            laws_shown = select(
                laws, corpus=corpus, scope="text", metric=metric, convention=convention,
                first="in", n=n, axis=axis,
            )  # fmt: skip
            first = None
            for j, (column, name) in enumerate(EXPONENTS):
                ax = figure.add_subplot(grid[i, 1 + j], sharey=first)
                first = first or ax
                draw_exponent_by_depth(ax, laws_shown, styles, column)
                if last:
                    ax.set_xlabel("depth")
                if i == 0:
                    ax.set_title(name.replace(" ", "\n", 1), fontsize=6.5)
                if j == 0:
                    ax.set_ylabel("exponent of N")
                else:
                    ax.tick_params(labelleft=False)
            if not np.isfinite(laws_shown[[name for name, _ in EXPONENTS]]).any(axis=None):
                first.set_ylim(-0.1, 0.1)  # nothing sets the scale
        handles = [*family_handles(styles), *first_token_lines(), interval_mark(GREY)]
        legend_below(figure, handles, 6)
    return figure


def first_token_lines() -> list[Line2D]:
    """Legend entries of the lines with the first token of the texts and without it."""
    return [
        Line2D([], [], color=GREY, linewidth=0.9, label="all tokens"),
        Line2D([], [], color=GREY, label="without the first token", **WITHOUT_FIRST),
    ]


def draw_profiles(ax, profiles: pd.DataFrame, styles: dict, size: str) -> None:
    """A line per model over its layers, coloured by its size (a column), labelled at its end."""
    log_axis(ax, "y")
    models = profiles.drop_duplicates("model").sort_values([size, "width", "model"])
    sizes = sorted(models[size].unique())
    colours = dict(zip(sizes, shades(len(sizes)), strict=True))
    ends = {}
    for _, model in models.iterrows():
        of_model = profiles[profiles["model"] == model["model"]]
        at = np.where(of_model["layer"] == "final", FINAL, of_model["relative_depth"])
        of_model = of_model.assign(at=at).sort_values("at")
        rows, without = (of_model[of_model["first"] == first] for first in ("in", "out"))
        colour = colours[model[size]]
        look = {
            "color": colour,
            "marker": styles[model["family"]][1],
            "markersize": 2.5,
            "linewidth": 0.9,
        }
        stream = rows[rows["at"] < FINAL]
        ax.plot(rows["at"], rows["y"], gid=f"profile/{model['model']}", **look | {"linestyle": ":"})
        ax.plot(stream["at"], stream["y"], **look)
        ax.plot(
            without["at"], without["y"], gid=f"without first/{model['model']}",
            color=colour, **WITHOUT_FIRST,
        )  # fmt: skip
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
    places, gap = heights[order], min(0.07, 1 / max(len(order) - 1, 1))
    for _ in range(500):  # neighbours that are too close push each other away, within the panel
        push = np.clip(gap - np.diff(places), 0, None) / 2
        places[:-1] -= push
        places[1:] += push
        places = np.clip(places, 0, 1)  # beside the panel, not beside its title
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
