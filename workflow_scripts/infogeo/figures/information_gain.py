"""Figure of information gain: its identity with ridge regression, and likelihoods.

Means, intervals, nulls and p values are columns of the tables of results/context.
"""

import textwrap

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from infogeo.figures.families import (
    control_look,
    data_looks,
    family_handles,
    family_styles,
    interval_mark,
    legend_below,
    legend_height,
    legend_look,
    note_on_families,
)
from infogeo.figures.size import N_LABEL, curve_look, draw_against_n, draw_curves, n_axis
from infogeo.figures.style import INK, WIDTH, linear_axis, log_axis, panel, reason_empty, styled
from infogeo.figures.tables import check_columns, select
from infogeo.files.numbers import scientific
from infogeo.geometry.metrics import EPS2, Regulariser
from infogeo.sources.runs import ends_of_runs

LAYER = "final"
BESIDE = 5  # families whose names fit beside the panels


def information_gain(gain, positions, checks, surprisal, *, corpus: str, eps2: float) -> Figure:
    """Figure 3: gain, its identity with ridge regression, and its relation to likelihoods.

    Parameters
    ----------
    gain, positions, checks, surprisal : pandas.DataFrame
        results/context/gain.parquet, gain_positions.parquet, gain_checks.parquet and
        gain_surprisal.parquet.
    corpus : str
    eps2 : float
        ε² of the tied regulariser λ = n ε²/d that is drawn, at the state after the final norm.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InfogeoError
        Where a table lacks a column.
    """
    tables = {
        "gain": gain, "gain_positions": positions, "gain_checks": checks,
        "gain_surprisal": surprisal,
    }  # fmt: skip
    for name, table in tables.items():
        check_columns(table, "context", name)
    tables = dict(zip(tables, ends_of_runs(*tables.values()), strict=True))
    gain = tables["gain"]
    styles = family_styles(gain, corpus)
    everywhere = select(gain, corpus=corpus)
    gain, positions, checks, surprisal = (
        select(table, corpus=corpus, layer=LAYER, regulariser=str(Regulariser(EPS2, eps2)))
        for table in tables.values()
    )
    with styled():
        below = len(styles) > BESIDE  # families are listed under the panels
        more = legend_height(styles, 0, 6) + 0.3 if below else 0
        figure = Figure(figsize=(WIDTH, 6.6 + more), layout="constrained")
        axes = figure.subplots(3, 3).flat
        curves = [
            ("gain", "Gain by position", "gain of a token (nats)"),
            ("rho", "Ridge optimum by position", r"$\rho_i$ (squared norm, of 1)"),
            ("logdet", "Log-determinant by position", r"ln det$(I + G_i/\lambda)$ (nats)"),
        ]
        for letter, (quantity, name, label) in zip("abc", curves, strict=True):
            ax, rows = next(axes), select(positions, quantity=quantity)
            if panel(ax, letter, name, reason_empty(rows, "mean", f"{quantity} by position")):
                draw_curves(ax, rows, "position", "mean", styles, quantity)
                log_axis(ax, "x")
                if quantity == "logdet":
                    log_axis(ax, "y")
                ax.set(xlabel="position of the token", ylabel=label)
        draw_identity(next(axes), checks, everywhere, styles)
        draw_mean_gain(next(axes), select(gain, metric="gain_mean"), styles)
        ax = next(axes)
        reason = reason_empty(surprisal, "gain", "gain by surprisal")
        if panel(ax, "f", "Gain by surprisal", reason):
            draw_curves(ax, surprisal, "surprisal", "gain", styles, "surprisal")
            ax.set(xlabel="surprisal of the token (nats)", ylabel="gain of a token (nats)")
        draw_relation(next(axes), gain, "g", "surprisal", styles)
        draw_relation(next(axes), gain, "h", "predictive_entropy", styles)
        gain_legend(next(axes), styles, [] if below else family_handles(styles))
        if below:
            legend_below(figure, family_handles(styles), 6)
    return figure


def draw_identity(ax, checks: pd.DataFrame, gain: pd.DataFrame, styles: dict) -> None:
    """Gain from one Cholesky against that of scikit-learn's ridge optimum, token by token."""
    reason = reason_empty(checks, "gain", "token checked against scikit-learn")
    if not panel(ax, "d", "Identity with ridge regression", reason):
        return
    for family, rows in checks.groupby("family"):
        colour, marker = styles[family]
        ax.plot(
            rows["gain_ridge"], rows["gain"], marker,
            color=colour, markersize=2.5, markerfacecolor="none", markeredgewidth=0.5,
            rasterized=True, gid=f"identity/{family}",
        )  # fmt: skip
    ax.axline((0, 0), slope=1, color=INK, linewidth=0.6)
    ax.margins(0.06)
    ax.set(
        xlabel=r"ln$(1 + \rho_{\mathrm{scikit-learn}}/\lambda)$ (nats)",
        ylabel="gain, Cholesky (nats)",
    )
    ridge, slogdet = (
        gain[f"largest_residual_{name}"].max(skipna=True) for name in ("ridge", "slogdet")
    )
    ax.text(
        0.97, 0.04,
        f"largest residual (nats),\nall models, layers and λ:\n"
        f"ridge {scientific(ridge)}\nslogdet {scientific(slogdet)}",
        transform=ax.transAxes, ha="right", va="bottom", fontsize=6, color=INK,
    )  # fmt: skip


def draw_mean_gain(ax, rows: pd.DataFrame, styles: dict) -> None:
    """Mean gain against N, beside random unit vectors and the untrained twins."""
    if not panel(ax, "e", "Mean gain against size", reason_empty(rows, "y", "mean gain")):
        return
    for control, column in (("random unit vectors", "random"), ("untrained twins", "untrained")):
        looks = {family: control_look(control, *styles[family]) for family in styles}
        draw_against_n(ax, rows, column, f"{column}_low", f"{column}_high", looks, control)
    draw_against_n(ax, rows, "y", "low", "high", data_looks(styles), "gain_mean")
    n_axis(ax, rows)
    ax.set(xlabel=N_LABEL, ylabel="mean gain (nats/token)")


def draw_relation(ax, gain: pd.DataFrame, letter: str, relation: str, styles: dict) -> None:
    """Partial Spearman of gain with a likelihood against N, beside twins and types of tokens."""
    name = relation.replace("_", " ")
    rows = select(gain, metric=f"partial_{relation}")
    if not panel(ax, letter, f"Gain with {name}", reason_empty(rows, "y", f"relation to {name}")):
        return
    looks = {family: control_look("untrained twins", *style) for family, style in styles.items()}
    draw_against_n(
        ax, rows, "untrained", "untrained_low", "untrained_high", looks, f"{relation} untrained"
    )
    looks = {family: own_control(*style) for family, style in styles.items()}
    draw_against_n(
        ax, rows, "untrained_on_trained", None, None, looks, f"{relation} untrained_on_trained"
    )
    looks = {f: control_look("random unit vectors", *style) for f, style in styles.items()}
    draw_against_n(ax, rows, "types_partial", None, None, looks, f"{relation} types_partial")
    draw_against_n(ax, rows, "y", "low", "high", data_looks(styles), relation)
    ax.axhline(0, color=INK, linewidth=0.6)
    linear_axis(ax.yaxis, most=6)
    n_axis(ax, rows)
    ax.set(xlabel=N_LABEL, ylabel="partial Spearman ρ")


def gain_legend(ax, styles: dict, families: list[Line2D]) -> None:
    """What the marks of the information-gain figure mean, in a panel of its own."""
    ax.set_axis_off()
    colour, marker = legend_look(styles)
    handles = [
        *families,
        Line2D([], [], **curve_look("largest", colour, marker), label="a–c, f: largest model"),
        Line2D([], [], **curve_look("smallest", colour, marker), label="a–c, f: smallest model"),
        Patch(color=colour, alpha=0.2, linewidth=0, label="a–c, f: 95 % band"),
        Line2D([], [], color=colour, marker=marker, linestyle="", label="e, g, h: a model"),
        interval_mark(colour, "e, g, h: 95 % interval"),
        Line2D([], [], **control_look("random unit vectors", colour, marker),
               label="e: random unit vectors;\ng, h: one a type of token"),
        Line2D([], [], **control_look("untrained twins", colour, marker),
               label="e, g, h: untrained twins"),
        Line2D([], [], **own_control(colour, marker),
               label="g, h: untrained geometry,\ntrained likelihoods"),
    ]  # fmt: skip
    ax.legend(
        handles=handles, loc="upper left", borderaxespad=0,
        title=textwrap.fill(note_on_families(styles, "a–c, f"), 30), title_fontsize=6,
    )  # fmt: skip


def own_control(colour: str, marker: str) -> dict:
    """How the untrained geometry against the trained model's likelihoods is drawn."""
    return {
        "color": colour, "linestyle": (0, (1, 1.5)), "linewidth": 0.7, "marker": "+",
        "markersize": 4.5,
    }  # fmt: skip
