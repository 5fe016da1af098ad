"""Figure of likelihoods against N, with fits and the untrained twins."""

import numpy as np
from matplotlib.figure import Figure

from infogeo.figures.families import shown_families
from infogeo.figures.law_panels import (
    CONTROLS,
    EXPONENTS,
    axis_label,
    draw_control,
    draw_data,
    draw_exponents,
    heading,
    heading_height,
    law_legend,
    note_missing,
    of_metric,
    title,
    why_empty,
)
from infogeo.figures.size import AXES, n_axis
from infogeo.figures.style import INK, WIDTH, leave_empty, log_axis, remark, styled
from infogeo.figures.tables import check_columns

CONDITIONAL_PANELS = [("nll", ""), ("predictive_entropy", "")]


def conditional_entropy(laws, points, *, corpus, n, axis, beside=()) -> Figure:
    """NLL and predictive entropy against N with fits, and the untrained twins' level above.

    Parameters are those of `entropy_scaling`.
    """
    check_columns(laws, "scaling", "laws")
    check_columns(points, "scaling", "points")
    styles, note = shown_families(laws, corpus, beside)
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
            laws_shown, points_shown = (
                of_metric(frame, metric, convention, corpus, n, "", axis)
                for frame in (laws, points)
            )
            above = ax
            if not (points_shown["y"] > 0).any():
                leave_empty(ax, why_empty(points_shown, metric, corpus, n, ""))
                below.set_axis_off()
            else:
                n_axis(ax, points_shown, least=4)
                log_axis(ax, "y")
                draw_data(ax, points_shown, styles)
                note_missing(ax, points_shown, [control])
                ax.set(xlabel=AXES[axis], ylabel=axis_label(metric))
                if np.isfinite(points_shown[CONTROLS[control][0]]).any():
                    above = broken_axis(ax)
                    draw_control(above, points_shown, styles, control)
                draw_exponents(below, laws_shown, styles, kinds, labels=i == 0)
            heading(above, "ab"[i], title(metric, convention), laws_shown, styles)
        law_legend(figure, styles, [control])
    return figure


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
