"""Figures of similarities: layer × layer of some models, and model × model."""

import textwrap

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from infogeo.figures.families import MOST, extremes, legend_below, with_most_models
from infogeo.figures.style import GREY, INK, WIDTH, leave_empty, remark, styled
from infogeo.figures.tables import check_columns, select
from infogeo.files.numbers import count

# Scope and first token of the rows of texts → title of a panel.
KINDS = {
    ("means", "in"): "mean state",
    ("means", "out"): "mean state without the first token",
    ("last", ""): "state of the last token",
}
# What the layer figure draws of the twins: rows of texts, and the title of the panel.
TWINS = ("means", "in"), "untrained twins: mean state"
MODELS_SHOWN = 4  # of the layer figure
TITLE = 24  # characters of a line of a title
WRITTEN = 8  # rows of a heat map up to which its values are written in it
LABELLED = 30  # and up to which every row is named
CHANCE = 0.05  # p from which a cell is marked

LACKING = Patch(facecolor="white", edgecolor=GREY, hatch="////", linewidth=0,
                label="not available")  # fmt: skip
CROSS = Line2D([], [], linestyle="", marker="x", markersize=3, color=INK,
               label=f"white × in a cell: not beyond permuted texts, p ≥ {CHANCE}")  # fmt: skip


def layer_similarity(layers: pd.DataFrame, *, corpus: str) -> Figure:
    """CKA of all pairs of layers above the diagonal and mutual neighbours below it.

    Parameters
    ----------
    layers : pandas.DataFrame
        results/similarity/layers.parquet.
    corpus : str

    Returns
    -------
    matplotlib.figure.Figure
        A row for the largest and the smallest model of each family, up to four models; a column
        for each of KINDS, and one of the untrained twins, at the layers of which they keep rows,
        where there are such.

    Raises
    ------
    InfogeoError
        Where the table lacks a column.
    """
    check_columns(layers, "similarity", "layers")
    rows = select(layers, corpus=corpus)
    models = _shown(rows)
    with styled():
        panels = [(kind, title, "value") for kind, title in KINDS.items()]
        if rows["untrained"].notna().any():
            panels.append((*TWINS, "untrained"))
        height = 0.6 + 6.9 / len(panels) * max(len(models), 1)
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        if not models:
            leave_empty(figure.subplots(), f"no two layers on {corpus}")
            return figure
        if (left := rows["model"].nunique() - len(models)) > 0:
            remark(figure, f"Drawn: {len(models)} of {len(models) + left} models")
        axes = figure.subplots(len(models), len(panels), squeeze=False)
        for across, model in zip(axes, models, strict=True):
            of_model = select(rows, model=model)
            for ax, (kind, title, column) in zip(across, panels, strict=True):
                _draw_layers(ax, of_model, kind, column)
                if model == models[0]:
                    ax.set_title(textwrap.fill(title, 96 // (len(panels) + 1)))
            size = f"N = {count(of_model['N'].iloc[0])}"
            across[0].set_ylabel(f"{textwrap.fill(model, 26)}\n{size}\nlayer")
        _scale(figure, axes)
    return figure


def model_similarity(models: pd.DataFrame, *, corpus: str) -> Figure:
    """CKA of all pairs of models above the diagonal and mutual neighbours below it.

    Parameters
    ----------
    models : pandas.DataFrame
        results/similarity/models.parquet.
    corpus : str

    Returns
    -------
    matplotlib.figure.Figure
        A panel for each of KINDS; models family by family, the smallest first. Below them the same
        of the untrained twins, where there are such.

    Raises
    ------
    InfogeoError
        Where the table lacks a column.
    """
    check_columns(models, "similarity", "models")
    rows = select(models, corpus=corpus)
    with styled():
        names = _by_size(rows)
        drawn = ["value", "untrained"] if rows["untrained"].notna().any() else ["value"]
        figure = Figure(figsize=(WIDTH, 0.4 + 2.7 * len(drawn)), layout="constrained")
        if len(names) < 2:
            leave_empty(figure.subplots(), f"no two models on {corpus}")
            return figure
        axes = figure.subplots(len(drawn), len(KINDS), squeeze=False)
        for across, column in zip(axes, drawn, strict=True):
            for ax, (kind, title) in zip(across, KINDS.items(), strict=True):
                _draw(ax, rows, kind, ("model", "other_model"), names, column)
                title = title if column == "value" else f"untrained twins: {title}"
                ax.set_title(textwrap.fill(title, TITLE))
                ax.tick_params(labelleft=ax is across[0], labelbottom=column == drawn[-1])
        _scale(figure, axes)
    return figure


def _shown(rows: pd.DataFrame) -> list[str]:
    """The largest and smallest models of the families with most models, the largest first."""
    if not len(rows):
        return []
    families = with_most_models(rows.groupby("family")["model"].nunique())[:MOST]
    ends = extremes(rows[rows["family"].isin(families)])
    largest_first = sorted(ends, key=lambda end: end[1] != "largest")
    return [model for _, _, model in largest_first[:MODELS_SHOWN]]


def _by_size(rows: pd.DataFrame) -> list[str]:
    """All models, family by family and the smallest first."""
    sides = [
        rows[[f"{side}{name}" for name in ("family", "model", "N")]] for side in ("", "other_")
    ]
    models = pd.concat([side.set_axis(["family", "model", "N"], axis=1) for side in sides])
    models = models.drop_duplicates("model")
    return models.sort_values(["family", "N", "model"])["model"].tolist()


def _place(layer: str) -> float:
    """The place of a layer among others."""
    return np.inf if layer == "final" else int(layer)


def _draw_layers(ax, rows: pd.DataFrame, kind: tuple, column: str) -> None:
    """The heat map of the layers of a model; of its twins, of the layers that they have alone."""
    if column == "untrained":
        rows = rows[rows["untrained"].notna()]
    names = sorted({*rows["layer"], *rows["other_layer"]}, key=_place)
    if names:
        _draw(ax, rows, kind, ("layer", "other_layer"), names, column)
    else:
        leave_empty(ax, "no twins at two layers", 12)


def _draw(
    ax, rows: pd.DataFrame, kind: tuple, ends: tuple[str, str], names: list[str], column="value"
) -> None:
    """One heat map: CKA above the diagonal, mutual neighbours below it."""
    scope, first = kind
    places = {name: i for i, name in enumerate(names)}
    values = np.full((len(names), len(names)), np.nan)
    by_chance = np.zeros(values.shape, bool)
    for measure, above in (("cka", True), ("mutual_knn", False)):
        part = select(rows, scope=scope, first=first, measure=measure)
        pair = np.sort([part[end].map(places) for end in ends], axis=0)
        at = tuple(pair if above else pair[::-1])
        values[at] = part[column]
        by_chance[at] = (part["p"] >= CHANCE) & (column == "value")
    diagonal = np.eye(len(names), dtype=bool)
    if (np.isnan(values) & ~diagonal).any():  # cells without a value let it through
        whole = (-0.5, -0.5), len(names), len(names)
        ax.add_patch(
            Rectangle(*whole, facecolor="w", edgecolor=GREY, hatch="////", linewidth=0, zorder=-1)
        )
        ax.imshow(np.where(diagonal, 0.0, np.nan), cmap="binary", vmin=0, vmax=1,
                  interpolation="nearest")  # fmt: skip
    ax.imshow(values, cmap="viridis", vmin=0, vmax=1, interpolation="nearest",
              gid=f"similarity/{scope}-{first}/{column}")  # fmt: skip
    ax.grid(False)
    if by_chance.any():
        ax.plot(*np.nonzero(by_chance.T), "x", color="white", markersize=3, markeredgewidth=0.7)
    if len(names) <= WRITTEN:
        for row, column in np.argwhere(np.isfinite(values)):
            value = values[row, column]
            ax.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=5,
                    color=INK if value > 0.6 else "white")  # fmt: skip
    _name(ax, names)


def _name(ax, names: list[str]) -> None:
    """The names of rows and columns; of many every so many."""
    step = -(-len(names) // LABELLED)
    at = list(range(0, len(names), step))
    size = 6 if len(names) <= WRITTEN else 4.5
    shown = [names[i] for i in at]
    turned = len(names) > WRITTEN or max(map(len, names)) > 5
    ax.set_xticks(at, shown, rotation=90 if turned else 0, fontsize=size)
    ax.set_yticks(at, shown, fontsize=size)
    ax.tick_params(length=0, pad=1)
    for spine in ax.spines.values():
        spine.set_visible(False)


def _scale(figure, axes) -> None:
    """The shades, and what the two triangles and the marks are."""
    bar = figure.colorbar(axes[0, 0].images[-1], ax=axes, shrink=min(1, 1.6 / len(axes)), pad=0.01,
                          aspect=30)  # fmt: skip
    bar.set_label("above the diagonal: debiased CKA\nbelow: mutual neighbours")
    bar.outline.set_linewidth(0.4)
    crossed = any(line.get_marker() == "x" for ax in axes.flat for line in ax.lines)
    handles = [CROSS] * crossed + [LACKING] * any(ax.patches for ax in axes.flat)
    if handles:
        legend_below(figure, handles, 2)
