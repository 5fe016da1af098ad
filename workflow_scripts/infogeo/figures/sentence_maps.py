"""Figure of the maps of texts, by PCA and UMAP."""

import textwrap

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from infogeo.figures.families import legend_below
from infogeo.figures.sentence_models import (
    estimate,
    label_looks,
    label_mark,
    note_on_family,
    of_model,
    short,
    shown_models,
    titled,
    with_size,
)
from infogeo.figures.style import GREY, WIDTH, leave_empty, linear_axis, styled
from infogeo.figures.tables import check_columns, select
from infogeo.files.numbers import percent


def sentence_maps(maps, scores, *, corpus: str, depth: str) -> Figure:
    """Figure 4: PCA and UMAP of the mean embeddings, of the smallest and the largest model.

    Parameters
    ----------
    maps, scores : pandas.DataFrame
        results/sentences/{corpus}/maps.parquet and results/sentences/scores.parquet.
    corpus : str
    depth : str
        Relative depth, or "final".

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InfogeoError
        Where a table lacks a column.
    """
    check_columns(maps, "sentences", "maps", corpus)
    check_columns(scores, "sentences", "scores")
    looks = label_looks(maps["label"])
    models = shown_models(scores, corpus)
    with styled():
        rows = max(len(models), 1)
        legend = 0.17 * -(-len(looks) // legend_columns(looks))  # inches
        figure = Figure(figsize=(WIDTH, 3.1 * rows + 0.3 + legend), layout="constrained")
        axes = figure.subplots(rows, 2, squeeze=False)
        if not models:
            for ax in axes.flat:
                leave_empty(ax, f"no scores of models on {corpus}")
            return figure
        if note := note_on_family(scores, corpus):
            figure.suptitle(note, fontsize=6)
        for i, (role, model) in enumerate(models.items()):
            places = select(maps, model=model, depth=depth)
            auc = of_model(scores, corpus, model, depth)
            for j, (kind, name) in enumerate((("pca", "PCA"), ("umap", "UMAP"))):
                ax = axes[i, j]
                title = textwrap.fill(with_size(scores, corpus, role, model), 54)
                if "cosine" in auc.index:
                    title += f"\n{name}; AUC of the cosine {estimate(auc.loc['cosine'])}"
                else:
                    title += f"\n{name}; no AUC of the cosine at depth {depth}"
                if titled(ax, "abcd"[2 * i + j], title, why_no_map(places, kind, model, depth)):
                    draw_map(ax, places, kind, looks, f"{kind}/{model}")
        handles = [
            Line2D([], [], label=short(name), **label_mark(look)) for name, look in looks.items()
        ]
        if handles:
            legend_below(figure, handles, legend_columns(looks))
    return figure


def legend_columns(names) -> int:
    """Columns of a legend of these names over the whole width, in rows of about equal length."""
    longest = max((len(short(name)) for name in names), default=1)
    rows = -(-len(names) * (longest + 6) // 110)
    return max(-(-len(names) // max(rows, 1)), 1)


def why_no_map(rows: pd.DataFrame, kind: str, model: str, depth: str) -> str:
    """The reason that a map is empty; "" where it is not."""
    if not len(rows):
        return f"no map of {model} at depth {depth}"
    placed = np.isfinite(rows[[f"{kind}_1", f"{kind}_2"]]).all(axis=1)
    return "" if placed.any() else f"none of {len(rows)} texts has a place"


def draw_map(ax, rows: pd.DataFrame, kind: str, looks: dict, gid: str) -> None:
    """The texts of one map, label by label; one unit is as long on both axes."""
    for label, some in rows.groupby("label"):
        mark = label_mark(looks[label])
        ax.plot(some[f"{kind}_1"], some[f"{kind}_2"], gid=f"{gid}/{label}", **mark)
    missing = int((~np.isfinite(rows[[f"{kind}_1", f"{kind}_2"]]).all(axis=1)).sum())
    if missing:
        ax.text(
            0.99, 0.01, f"{missing} of {len(rows)} texts have no place", transform=ax.transAxes,
            ha="right", va="bottom", fontsize=5.5, color=GREY, style="italic",
        )  # fmt: skip
    ax.set_aspect("equal", adjustable="datalim")
    ax.margins(0.06)
    if kind == "umap":  # its axes have no meaning
        ax.grid(False)
        ax.tick_params(length=0, labelbottom=False, labelleft=False)
        ax.set(xlabel="UMAP 1", ylabel="UMAP 2")
        return
    for axis, component in ((ax.xaxis, 1), (ax.yaxis, 2)):
        share = rows[f"explained_{component}"].iloc[0]
        known = f"{percent(share)} of the variance" if np.isfinite(share) else "share n/a"
        axis.set_label_text(f"PC {component} ({known})")
        linear_axis(axis, most=5)
