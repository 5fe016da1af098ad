"""Figure of entropies against N, with fits and every control."""

from matplotlib.figure import Figure

from infogeo.figures.families import shown_families
from infogeo.figures.law_panels import (
    CONTROLS,
    EXPONENTS_OF_SIZE,
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
from infogeo.figures.style import WIDTH, leave_empty, log_axis, remark, styled
from infogeo.figures.tables import check_columns
from infogeo.geometry.metrics import at_eps2

ENTROPY_PANELS = [
    ("coding_rate_paper", "unit"),
    ("coding_rate_rank", "unit"),
    ("entropy", "centred"),
    ("entropy_over_ln_d", "centred"),
]


def entropy_scaling(laws, points, *, corpus, n, eps2, depth, axis, beside=()) -> Figure:
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
    beside : list of str
        Families to leave out: see `shown_families`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    check_columns(laws, "scaling", "laws")
    check_columns(points, "scaling", "points")
    styles, note = shown_families(laws, corpus, beside)
    laws, points = (frame[frame["family"].isin(styles)] for frame in (laws, points))
    controls = list(CONTROLS)
    with styled():
        tall = 2.35 + heading_height(styles)
        rows = 0.8 + 0.24 * len(styles)  # inches for a row of exponents
        figure = Figure(figsize=(WIDTH, 2 * (tall + rows) + 0.4), layout="constrained")
        remark(figure, note)
        grid = figure.add_gridspec(4, 2, height_ratios=[tall, rows, tall, rows])
        for i, (metric, convention) in enumerate(ENTROPY_PANELS):
            metric = at_eps2(metric, eps2)
            top = figure.add_subplot(grid[2 * (i // 2), i % 2])
            below = figure.add_subplot(grid[2 * (i // 2) + 1, i % 2])
            laws_shown, points_shown = (
                of_metric(frame, metric, convention, corpus, n, depth, axis)
                for frame in (laws, points)
            )
            heading(top, "abcd"[i], title(metric, convention), laws_shown, styles)
            if not (points_shown["y"] > 0).any():
                leave_empty(top, why_empty(points_shown, metric, corpus, n, depth))
                below.set_axis_off()
                continue
            n_axis(top, points_shown, least=4)
            log_axis(top, "y")
            for control in controls:
                draw_control(top, points_shown, styles, control)
            draw_data(top, points_shown, styles)
            note_missing(top, points_shown, controls)
            top.set(xlabel=AXES[axis], ylabel=axis_label(metric))
            draw_exponents(below, laws_shown, styles, EXPONENTS_OF_SIZE, labels=i % 2 == 0)
        law_legend(figure, styles, controls)
    return figure
