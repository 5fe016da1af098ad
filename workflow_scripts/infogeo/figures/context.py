"""Figures of the context study: information gain, token selection and token ablation.

As in `figures.laws`, nothing is computed here: means, intervals, nulls and p values are columns
of the tables of results/context, and marker, fill and dashes say in grey what colour says.
"""

import textwrap

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from infogeo.figures.laws import (
    AXES,
    COLOURS,
    DASHES,
    GREY,
    INK,
    MARKERS,
    MOST,
    WIDTH,
    check_columns,
    control_look,
    family_styles,
    linear_axis,
    log_axis,
    remark,
    say,
    select,
    styled,
    which_families,
    with_most_models,
)
from infogeo.files.numbers import count, scientific
from infogeo.geometry.metrics import EPS2, Regulariser

LAYER = "final"
N_LABEL = AXES["non_embedding"]

# What each table must have. A table that lacks a column was made by another version.
MODEL = ["corpus", "family", "model", "N"]
NEEDED = {
    "gain": [
        *MODEL, "width", "layer", "regulariser", "metric", "y", "low", "high",
        "untrained", "untrained_low", "untrained_high", "untrained_on_trained",
        "random", "random_low", "random_high",
        "largest_residual_ridge", "largest_residual_slogdet", "checked_tokens",
    ],
    "gain_positions": [
        *MODEL, "layer", "regulariser", "position", "quantity", "mean", "low", "high",
    ],
    "gain_checks": [*MODEL, "layer", "regulariser", "gain", "gain_ridge"],
    "gain_surprisal": [*MODEL, "layer", "regulariser", "surprisal", "gain", "low", "high"],
    "selection": [
        *MODEL, "selector", "sink", "k", "held_out", "held_out_low", "held_out_high",
        "in_sample", "in_sample_low", "in_sample_high",
        "lasso_wins", "lasso_wins_low", "lasso_wins_high", "wilcoxon_p_holm",
    ],
    "ablation": [
        *MODEL, "selector", "sink", "mode", "share", "recovery", "recovery_low", "recovery_high",
    ],
    "distribution": [
        *MODEL, "width", "share90", "share90_low", "share90_high", "censored",
        "share90_random", "share90_random_low", "share90_random_high",
        "gap", "gap_low", "gap_high",
        "participation_share", "participation_low", "participation_high", "problem",
    ],
}  # fmt: skip

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
ATTENTION = ["attention_mean", "attention_best_head", "attention_rollout"]
SINKS = {
    "free": "first token free",
    "forced": "first token always in",
    "excluded": "first token never in",
}
SIGNIFICANT = 0.05
NARROW = 26  # characters that fit into the panels of these figures
LISTED = 24  # families in a legend
BESIDE = 5  # families whose names fit beside the panels of the information-gain figure
CROWD = 60  # models whose marks fit into a panel as they are
ARROW = [(-0.4, -1), (0.4, -1), (0.4, 0), (1, 0), (0, 1), (-1, 0), (-0.4, 0), (-0.4, -1)]  # open


# ---------------------------------------------------------------------------- shared


def extremes(frame: pd.DataFrame) -> list[tuple[str, str, str]]:
    """(family, "largest" or "smallest", model) by N, the largest first; equal N: first by name.

    A family of one model has only a largest one.
    """
    found = []
    for family, rows in frame.groupby("family"):
        models = rows.drop_duplicates("model").sort_values("model")
        largest = models.sort_values("N", kind="stable", ascending=False)["model"].iloc[0]
        smallest = models.sort_values("N", kind="stable")["model"].iloc[0]
        found.append((family, "largest", largest))
        if smallest != largest:
            found.append((family, "smallest", smallest))
    return found


def largest_families(rows: pd.DataFrame) -> list[str]:
    """The `MOST` families with most models, by name."""
    return with_most_models(rows.groupby("family")["model"].nunique())


def crowding(models: int) -> float:
    """Factor by which marks shrink, so that many cover no more than `CROWD` do; at least 0.3."""
    return max(min(1.0, (CROWD / max(models, 1)) ** 0.5), 0.3)


def pale(small: float) -> float | None:
    """Opacity of the intervals of marks that shrink by a factor: less than that of the marks."""
    return small if small < 1 else None


def legend_height(styles: dict, others: int, columns: int) -> float:
    """Inches of the rows after the first of a legend of the families and other entries."""
    entries = len(family_handles(styles)) + others
    return 0.16 * (-(-entries // columns) - 1)


def named(models, most: int = 6) -> str:
    """Names of models; of many the first ones, and how many more there are."""
    names = list(models)
    more = [f"and {len(names) - most} more"] if len(names) > most else []
    return ", ".join([*names[:most], *more])


def curve_look(role: str, colour: str, marker: str) -> dict:
    """The largest model's curve is solid and filled, the smallest one's dashed and open."""
    look = {"color": colour, "marker": marker, "markersize": 3.2, "linewidth": 1.1}
    if role == "smallest":
        look |= {"linestyle": (0, (4, 1.5)), "markerfacecolor": "white", "markeredgewidth": 0.8}
    return look


def own_control(colour: str, marker: str) -> dict:
    """How the untrained geometry against the trained model's likelihoods is drawn."""
    return {
        "color": colour, "linestyle": (0, (1, 1.5)), "linewidth": 0.7, "marker": "+",
        "markersize": 4.5,
    }  # fmt: skip


def panel(ax, letter: str, name: str, reason: str = "") -> bool:
    """Give a panel its letter and title; where there is a reason that it is empty, say it."""
    ax.set_title(name)
    ax.annotate(
        letter, (0, 1), (-4, 3.5), xycoords="axes fraction", textcoords="offset points",
        weight="bold", ha="right", va="bottom",
    )  # fmt: skip
    if reason:
        say(ax, reason, NARROW)
    return not reason


def without(rows: pd.DataFrame, column: str, what: str) -> str:
    """The reason that a panel of these rows is empty; "" where it is not."""
    if not len(rows):
        return f"no {what}"
    return "" if np.isfinite(rows[column]).any() else f"none of {len(rows)} rows has {what}"


def draw_curves(ax, rows: pd.DataFrame, x: str, y: str, styles: dict, gid: str) -> None:
    """`y` against `x` with its band (low, high), for each family's largest and smallest model.

    Of many families, those with most models are drawn.
    """
    for family, role, model in extremes(rows[rows["family"].isin(largest_families(rows))]):
        look = curve_look(role, *styles[family])
        line = rows[rows["model"] == model].sort_values(x)
        ax.fill_between(
            line[x], line["low"], line["high"],
            color=look["color"], alpha=0.2, linewidth=0, gid=f"{gid} band/{model}",
        )  # fmt: skip
        ax.plot(line[x], line[y], gid=f"{gid}/{model}", markevery=0.13, **look)


def guides(rows: pd.DataFrame, value: str) -> list[pd.DataFrame]:
    """Points that a line may join: through the mean of the seeds of a shape, width by width."""
    shapes = rows.groupby(["width", "N"], as_index=False)[value].mean().sort_values("N")
    if shapes["width"].is_unique:
        return [shapes]
    return [line for _, line in shapes.groupby("width")]


def draw_against_n(
    ax, rows: pd.DataFrame, value: str, low: str | None, high: str | None, looks: dict, gid: str
) -> None:
    """One column against N, a mark per model, with intervals where it has them.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    rows : pandas.DataFrame
        One row per model.
    value, low, high : str
        Columns; low and high may be None.
    looks : dict
        Family → look of its marks; the line that guides the eye takes its dashes.
    gid : str
        Mark of the artists: gid/family.
    """
    small = crowding(rows["model"].nunique())
    for family, mine in rows.groupby("family"):
        look, mine = looks[family], mine.sort_values(["N", "model"])
        sizes = ("markersize", "markeredgewidth")
        look = look | {name: look[name] * small for name in sizes if name in look}
        for line in guides(mine, value):
            ax.plot(
                line["N"], line[value], **look | {"marker": "", "linewidth": 0.7 * small}, alpha=0.7
            )
        if low:
            ax.vlines(
                mine["N"], mine[low], mine[high],
                color=look["color"], linewidth=0.9 * small, alpha=pale(small),
                gid=f"{gid} interval/{family}",
            )  # fmt: skip
        ax.plot(mine["N"], mine[value], gid=f"{gid}/{family}", **look | {"linestyle": "none"})


def data_looks(styles: dict) -> dict:
    """Filled marks, joined by a line in the family's dashes."""
    return {
        family: {
            "color": colour, "marker": marker, "markersize": 4, "markeredgecolor": "white",
            "markeredgewidth": 0.5, "linestyle": DASHES[MARKERS.index(marker)],
        }
        for family, (colour, marker) in styles.items()
    }  # fmt: skip


def n_axis(ax, rows: pd.DataFrame, least: int = 3) -> None:
    """A log axis of N; one model alone stands in its middle."""
    log_axis(ax, "x", count, least)
    if rows["N"].nunique() == 1:
        only = rows["N"].iloc[0]
        ax.set_xlim(only / 2, only * 2)
        ax.set_xticks([only], [count(only)])


# ---------------------------------------------------------------------------- information gain


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
        check_columns(table, name, NEEDED, "context")
    styles = family_styles(gain, corpus)
    everywhere = select(gain, corpus=corpus)
    gain, positions, checks, surprisal = (
        select(table, corpus=corpus, layer=LAYER, regulariser=str(Regulariser(EPS2, eps2)))
        for table in tables.values()
    )
    with styled():
        below = len(styles) > BESIDE  # families stand under the panels
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
            if panel(ax, letter, name, without(rows, "mean", f"{quantity} by position")):
                draw_curves(ax, rows, "position", "mean", styles, quantity)
                log_axis(ax, "x")
                if quantity == "logdet":
                    log_axis(ax, "y")
                ax.set(xlabel="position of the token", ylabel=label)
        draw_identity(next(axes), checks, everywhere, styles)
        draw_mean_gain(next(axes), select(gain, metric="gain_mean"), styles)
        ax = next(axes)
        reason = without(surprisal, "gain", "gain by surprisal")
        if panel(ax, "f", "Gain by surprisal", reason):
            draw_curves(ax, surprisal, "surprisal", "gain", styles, "surprisal")
            ax.set(xlabel="surprisal of the token (nats)", ylabel="gain of a token (nats)")
        draw_relation(next(axes), gain, "g", "surprisal", styles)
        draw_relation(next(axes), gain, "h", "predictive_entropy", styles)
        gain_legend(next(axes), styles, [] if below else family_handles(styles))
        if below:
            figure.legend(handles=family_handles(styles), loc="outside lower center", ncols=6)
    return figure


def of_figure(table, name: str, **keys) -> pd.DataFrame:
    """The rows of a table that a figure draws: those in which every named column has its value.

    Parameters
    ----------
    table : infogeo.files.parts.Parts
        Such as results/context/gain_positions.parquet, of a thousand models millions of rows.
    name : str
        As in `check_columns`.

    Raises
    ------
    InfogeoError
        Where the table lacks a column.
    """
    found = []
    for part in table:
        check_columns(part, name, NEEDED, "context")
        found.append(select(part, **keys))
    return pd.concat(found, ignore_index=True)


def draw_identity(ax, checks: pd.DataFrame, gain: pd.DataFrame, styles: dict) -> None:
    """Gain from one Cholesky against that of scikit-learn's ridge optimum, token by token."""
    reason = without(checks, "gain", "token checked against scikit-learn")
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
    if not panel(ax, "e", "Mean gain against size", without(rows, "y", "mean gain")):
        return
    for control, column in (("random unit vectors", "random"), ("untrained twins", "untrained")):
        looks = {family: control_look(control, *styles[family]) for family in styles}
        draw_against_n(ax, rows, column, f"{column}_low", f"{column}_high", looks, control)
    draw_against_n(ax, rows, "y", "low", "high", data_looks(styles), "gain_mean")
    n_axis(ax, rows)
    ax.set(xlabel=N_LABEL, ylabel="mean gain (nats/token)")


def draw_relation(ax, gain: pd.DataFrame, letter: str, relation: str, styles: dict) -> None:
    """Partial Spearman of gain with a likelihood against N, and what untrained twins have."""
    name = relation.replace("_", " ")
    rows = select(gain, metric=f"partial_{relation}")
    if not panel(ax, letter, f"Gain with {name}", without(rows, "y", f"relation to {name}")):
        return
    looks = {family: control_look("untrained twins", *style) for family, style in styles.items()}
    draw_against_n(
        ax, rows, "untrained", "untrained_low", "untrained_high", looks, f"{relation} untrained"
    )
    looks = {family: own_control(*style) for family, style in styles.items()}
    draw_against_n(
        ax, rows, "untrained_on_trained", None, None, looks, f"{relation} untrained_on_trained"
    )
    draw_against_n(ax, rows, "y", "low", "high", data_looks(styles), relation)
    ax.axhline(0, color=INK, linewidth=0.6)
    linear_axis(ax.yaxis, most=6)
    n_axis(ax, rows)
    ax.set(xlabel=N_LABEL, ylabel="partial Spearman ρ")


def gain_legend(ax, styles: dict, families: list[Line2D]) -> None:
    """What the marks of the information-gain figure mean, in a panel of its own."""
    ax.set_axis_off()
    many = len(styles) > 1
    colour, marker = (INK, "o") if many else next(iter(styles.values()), (INK, "o"))
    handles = [
        *families,
        Line2D([], [], **curve_look("largest", colour, marker), label="a–c, f: largest model"),
        Line2D([], [], **curve_look("smallest", colour, marker), label="a–c, f: smallest model"),
        Patch(color=colour, alpha=0.2, linewidth=0, label="a–c, f: 95 % band"),
        Line2D([], [], color=colour, marker=marker, linestyle="", label="e, g, h: a model"),
        Line2D([], [], color=colour, linestyle="", marker="|", markersize=8,
               label="e, g, h: 95 % interval"),
        Line2D([], [], **control_look("random unit vectors", colour, marker),
               label="e: random unit vectors"),
        Line2D([], [], **control_look("untrained twins", colour, marker),
               label="e, g, h: untrained twins"),
        Line2D([], [], **own_control(colour, marker),
               label="g, h: untrained geometry,\ntrained likelihoods"),
    ]  # fmt: skip
    ax.legend(
        handles=handles, loc="upper left", borderaxespad=0,
        title=textwrap.fill(which_families(styles, "a–c, f"), 30), title_fontsize=6,
    )  # fmt: skip


# ---------------------------------------------------------------------------- selectors


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


def selector_handles(frame: pd.DataFrame) -> list[Line2D]:
    """Legend entries of the selectors that a table has."""
    return [
        Line2D([], [], **selector_look(selector), label=look[0])
        for selector, look in SELECTORS.items()
        if (frame["selector"] == selector).any()
    ]


def family_handles(styles: dict) -> list[Line2D]:
    """Legend entries of the families, where there is more than one; of many the first ones."""
    if len(styles) <= 1:
        return []
    handles = [
        Line2D([], [], color=colour, marker=marker, linestyle="", label=family)
        for family, (colour, marker) in list(styles.items())[:LISTED]
    ]
    if len(styles) > LISTED:
        handles.append(Line2D([], [], linestyle="", label=f"and {len(styles) - LISTED} more"))
    return handles


# ---------------------------------------------------------------------------- token selection


def token_selection(selection, *, corpus: str) -> Figure:
    """Explained share against k for every selector, and how often lasso beats attention.

    Parameters
    ----------
    selection : pandas.DataFrame
        results/context/selection.parquet.
    corpus : str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InfogeoError
        Where the table lacks a column.
    """
    check_columns(selection, "selection", NEEDED, "context")
    rows = select(selection, corpus=corpus)
    styles = family_styles(selection, corpus)
    with styled():
        families = min(max(len(styles), 1), MOST)
        legend = legend_height(styles, 3, 5)
        figure = Figure(figsize=(WIDTH, 3.5 * families + 3.9 + legend), layout="constrained")
        above, below = figure.subfigures(2, 1, height_ratios=[3.5 * families + 0.5, 3.4 + legend])
        if not len(rows):
            say(above.subplots(), f"no token selection on {corpus}")
            return figure
        draw_explained(above, rows, styles)
        draw_wins(below, rows, styles)
    return figure


def draw_explained(figure, rows: pd.DataFrame, styles: dict) -> None:
    """Held-out and in-sample shares against k: four panels a row, two rows a family.

    Of many families, those with most models have panels.
    """
    shown = largest_families(rows)
    remark(figure, which_families(styles, "Explained shares"))
    axes = figure.subplots(2 * len(shown), 4, sharex=True, squeeze=False)
    roles = {(family, role): model for family, role, model in extremes(rows)}
    scores = [
        ("held_out", "explained share,\nheld out"),
        ("in_sample", "explained share,\nin sample"),
    ]
    ks = sorted(rows["k"].unique())
    for i, family in enumerate(shown):
        columns = [("largest", sink) for sink in SINKS] + [("smallest", "free")]
        for j, (role, sink) in enumerate(columns):
            model = roles.get((family, role))
            mine = select(rows, model=model, sink=sink)
            for row, (score, label) in enumerate(scores):
                ax = axes[2 * i + row, j]
                if j:
                    ax.sharey(axes[2 * i + row, 0])
                    ax.tick_params(labelleft=False)
                else:
                    ax.set_ylabel(label)
                if row == 0:
                    title = f"{family if model is None else model}, {role}\n{SINKS[sink]}"
                    ax.set_title(title, fontsize=6.5)
                if model is None:
                    say(ax, f"no smaller model of {family}", NARROW)
                elif not np.isfinite(mine[score]).any():
                    say(ax, f"no rows of {model}", NARROW)
                else:
                    draw_selectors(ax, mine, "k", score, f"{score}/{model}/{sink}")
                    ax.axhline(0, color=INK, linewidth=0.6)
        for row in (0, 1):
            axes[2 * i + row, 0].yaxis.get_major_locator().set_params(nbins=5)
    for ax in axes.flat:
        ax.set_xscale("log")
        ax.set_xticks(ks, [f"{k:g}" for k in ks])
        ax.minorticks_off()
    for ax in axes[-1]:
        ax.set_xlabel("tokens chosen, k")
    handles = selector_handles(rows)
    figure.legend(handles=handles, loc="outside lower center", ncols=4)


def draw_wins(figure, rows: pd.DataFrame, styles: dict, most: int = 6) -> None:
    """Share of texts in which lasso beats attention, against N: a row per selector, a column per k.

    Of more than `most` values of k, evenly chosen ones are drawn.
    """
    rows = select(rows, sink="free")
    ks = np.array(sorted(rows["k"].unique()))
    ks = ks[np.unique(np.linspace(0, len(ks) - 1, min(len(ks), most)).round().astype(int))]
    axes = figure.subplots(len(ATTENTION), len(ks), sharex=True, sharey=True, squeeze=False)
    for i, selector in enumerate(ATTENTION):
        for j, k in enumerate(ks):
            ax, mine = axes[i, j], select(rows, selector=selector, k=k)
            if i == 0:
                ax.set_title(f"k = {k:g}")
            if j == 0:
                name = SELECTORS[selector][0].replace(", ", ",\n").replace("n r", "n\nr")
                ax.set_ylabel(f"{name}", fontsize=6.5)
            if not np.isfinite(mine["lasso_wins"]).any():
                say(ax, "not scored")
                ax.tick_params(labelbottom=i == len(ATTENTION) - 1, labelleft=j == 0)
                continue
            draw_win_marks(ax, mine, styles, f"wins/{selector}/{k:g}")
            ax.axhline(0.5, color=INK, linewidth=0.6)
            n_axis(ax, mine, least=2)
            ax.set_ylim(-0.05, 1.05)
            ax.set_yticks([0, 0.5, 1], ["0", "½", "1"])
            ax.tick_params(axis="x", labelrotation=45)
    for ax in axes[-1]:
        ax.set_xlabel("N")
    figure.supylabel("share of texts in which lasso explains more, held out", fontsize=7)
    marks = {"color": INK, "linestyle": "", "marker": "o", "markersize": 4}
    handles = [
        *family_handles(styles),
        Line2D([], [], **marks, label=f"Wilcoxon p < {SIGNIFICANT:g} (Holm over k)"),
        Line2D([], [], **marks, markerfacecolor="white", label="not significant"),
        Line2D([], [], color=INK, linestyle="", marker="|", markersize=8, label="95 % interval"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 5))


def draw_win_marks(ax, rows: pd.DataFrame, styles: dict, gid: str) -> None:
    """Shares of wins with intervals; filled where the paired test is significant."""
    small = crowding(len(rows))
    size = 3.2 * small
    for family, mine in rows.groupby("family"):
        colour, marker = styles[family]
        ax.vlines(
            mine["N"], mine["lasso_wins_low"], mine["lasso_wins_high"],
            color=colour, linewidth=0.9 * small, alpha=pale(small),
            gid=f"{gid} interval/{family}",
        )  # fmt: skip
        filled = mine["wilcoxon_p_holm"] < SIGNIFICANT
        for some, fill, kind in ((filled, colour, "significant"), (~filled, "white", "open")):
            ax.plot(
                mine["N"][some], mine["lasso_wins"][some], marker, color=colour, markersize=size,
                markerfacecolor=fill, markeredgewidth=0.8, gid=f"{gid} {kind}/{family}",
            )  # fmt: skip


# ---------------------------------------------------------------------------- token ablation


def token_ablation(ablation, distribution, *, corpus: str) -> Figure:
    """Figure 6: recovery against the share of tokens, and how many tokens are needed.

    Parameters
    ----------
    ablation, distribution : pandas.DataFrame
        results/context/ablation.parquet and distribution.parquet.
    corpus : str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InfogeoError
        Where a table lacks a column.
    """
    check_columns(ablation, "ablation", NEEDED, "context")
    check_columns(distribution, "distribution", NEEDED, "context")
    styles = family_styles(distribution, corpus)
    rows, models = select(ablation, corpus=corpus), select(distribution, corpus=corpus)
    with styled():
        columns = 2 if len(styles) <= 1 else 4  # of one family, larger panels
        panels = 4 // columns * min(max(len(styles), 1), MOST)
        high = 2.3 if columns == 2 else 1.9
        legend = legend_height(styles, 4, 6)
        figure = Figure(figsize=(WIDTH, high * panels + 3.3 + legend), layout="constrained")
        above, below = figure.subfigures(2, 1, height_ratios=[high * panels + 0.6, 2.7 + legend])
        if not len(models):
            say(above.subplots(), f"no token ablation on {corpus}")
            return figure
        draw_recovery(above, rows, models, styles, columns)
        draw_needed(below, models, styles)
    return figure


def draw_recovery(figure, rows, models, styles: dict, columns: int) -> None:
    """Recovery of each family's largest model that could be ablated, kept and dropped.

    Of many families, those with most models have panels.
    """
    shown = largest_families(models)
    remark(figure, which_families(styles, "Recovery"))
    axes = figure.subplots(4 // columns * len(shown), columns, sharey=True, squeeze=False)
    places = axes.flat
    for family in shown:
        mine = select(rows, family=family)
        model = next((name for _, role, name in extremes(mine)), None) if len(mine) else None
        for mode in ("keep", "drop"):
            for sink in ("free", "forced"):
                ax = next(places)
                here = select(mine, model=model, mode=mode, sink=sink)
                verb = {"keep": "kept", "drop": "dropped"}[mode]
                ax.set_title(f"{model or family}\n{verb}, {SINKS[sink]}", fontsize=6.5)
                if not np.isfinite(here["recovery"]).any():
                    problems = select(models, family=family)["problem"]
                    reasons = sorted({text for text in problems if text})
                    say(ax, "; ".join(reasons) or f"no ablation of {model or family}", NARROW)
                    continue
                draw_selectors(ax, here, "share", "recovery", f"{mode}/{sink}/{model}")
                ax.axhline(0.9, color=INK, linewidth=0.6, linestyle=(0, (6, 2)))
                ax.axhline(0, color=INK, linewidth=0.6)
                ax.set(xlim=(0, 1), xlabel=f"share of tokens {verb}")
                ax.set_ylim(max(-0.6, ax.get_ylim()[0]), 1.05)
                linear_axis(ax.xaxis, most=5)
    for ax in axes[:, 0]:
        ax.set_ylabel(r"recovery, $1 - \mathrm{KL}/\mathrm{KL}_0$")
    handles = selector_handles(rows)
    if handles:
        handles.append(
            Line2D([], [], color=INK, linewidth=0.6, linestyle=(0, (6, 2)), label="90 %")
        )
        figure.legend(handles=handles, loc="outside lower center", ncols=5)


def draw_needed(figure, models: pd.DataFrame, styles: dict) -> None:
    """Tokens needed, their gap to random, and the spread of the ridge weights, against N."""
    needed, gap, spread = figure.subplots(1, 3)
    best = data_looks(styles)
    random = {
        family: look | {
            "color": GREY, "markerfacecolor": "white", "markeredgecolor": GREY,
            "linestyle": (0, (1, 1.5)),
        }
        for family, look in best.items()
    }  # fmt: skip
    scored = models[models["problem"] == ""]
    reason = "" if len(scored) else without(models, "share90", "share for 90 %")
    if panel(needed, "", "Tokens needed for 90 %", reason):
        missed = scored["share90_random"].isna()
        draw_shares(needed, scored, "share90_random", missed, random, 10)
        draw_shares(needed, scored, "share90", scored["censored"].astype(bool), best, 6.5)
        needed.set(ylim=(0, 1.12), ylabel="share of tokens", xlabel=N_LABEL)
        n_axis(needed, scored)
    for ax, name, column, ends, label in (
        (gap, "Random − best selector", "gap", "gap", "difference of the shares"),
        (spread, "Participation of ridge weights", "participation_share", "participation",
         "share of earlier tokens"),
    ):  # fmt: skip
        if panel(ax, "", name, without(models, column, name.lower())):
            draw_against_n(ax, models, column, f"{ends}_low", f"{ends}_high", best, column)
            ax.axhline(0, color=INK, linewidth=0.6)
            ax.set(xlabel=N_LABEL, ylabel=label)
            linear_axis(ax.yaxis, most=6)
            n_axis(ax, models)
    left_out = [
        f"{problem} ({named(rows['model'])})"
        for problem, rows in models[models["problem"] != ""].groupby("problem")
    ]
    if left_out:
        remark(figure, textwrap.fill("Not ablated: " + "; ".join(left_out), 150))
    marks = {"linestyle": "", "markersize": 4}
    handles = [
        *family_handles(styles),
        Line2D([], [], color=INK, marker="o", **marks, label="best selector"),
        Line2D([], [], color=GREY, marker="o", markerfacecolor="white", **marks, label="random"),
        Line2D([], [], color=INK, marker="|", linestyle="", markersize=8, label="95 % interval"),
        Line2D([], [], color=INK, marker=ARROW, markerfacecolor="white", linestyle="",
               markersize=7, label="not reached"),
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 6))


def draw_shares(
    ax, models: pd.DataFrame, column: str, censored: pd.Series, looks: dict, high: float
) -> None:
    """Shares needed against N with intervals; an open arrow at 1 where 90 % is not reached."""
    draw_against_n(ax, models[~censored], column, f"{column}_low", f"{column}_high", looks, column)
    small = crowding(np.count_nonzero(censored))
    for family, rows in models[censored].groupby("family"):
        ax.plot(
            rows["N"], np.ones(len(rows)), color=looks[family]["color"], marker=ARROW,
            markerfacecolor="white", markeredgewidth=0.7, markersize=high * small, linestyle="",
            gid=f"{column} censored/{family}",
        )  # fmt: skip
