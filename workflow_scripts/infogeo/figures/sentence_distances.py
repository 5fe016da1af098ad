"""Figure of distances between texts: ordered heat maps, and how well they separate labels.

Scores, intervals and twins are columns of the tables of results/sentences; the one thing
computed here is the order of a heat map.
"""

import textwrap

import numpy as np
import pandas as pd
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from infogeo.figures.families import (
    control_look,
    data_looks,
    family_handles,
    family_styles,
    interval_mark,
    legend_below,
    legend_height,
    legend_look,
)
from infogeo.figures.sentence_models import (
    DISTANCES,
    label_looks,
    note_on_family,
    of_model,
    short,
    shown_models,
    titled,
    with_size,
)
from infogeo.figures.size import N_LABEL, draw_against_n, n_axis
from infogeo.figures.style import COLOURS, GREY, INK, WIDTH, leave_empty, linear_axis, styled
from infogeo.figures.tables import check_columns, select
from infogeo.sentences.distances import BASELINES
from infogeo.sources.runs import ends_of_runs

AGAINST_N = ["js_centred", "cosine", "cosine_centred"]
HEAT_MAPS = ["js_centred", "cosine"]
HEAT_LABELS = {"js_centred": "√JS (√nats)", "cosine": "1 − cosine"}
MOST_NAMES = 20  # labels whose names fit under the strip of a heat map
BASELINE_LOOK = {"color": INK, "linestyle": (0, (5, 1.5, 1, 1.5)), "linewidth": 0.8}


def sentence_distances(scores, sentences, *, corpus: str, depth: str) -> Figure:
    """Figure 5: ordered heat maps of two distances, and the AUC of every distance.

    Parameters
    ----------
    scores : pandas.DataFrame
        results/sentences/scores.parquet.
    sentences : infogeo.sentences.file.Sentences or None
        Of the trained model that `shown_models` calls the largest; None where there is none.
    corpus : str
    depth : str
        Relative depth, or "final".

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InfogeoError
        Where the table lacks a column.
    """
    check_columns(scores, "sentences", "scores")
    (scores,) = ends_of_runs(scores)
    models = shown_models(scores, corpus)
    auc = select(scores, corpus=corpus, score="auc")
    with styled():
        styles = family_styles(scores, corpus)
        legend = legend_height(styles, 5, 5)
        figure = Figure(figsize=(WIDTH, 8.6 + legend), layout="constrained")
        above, middle, below = figure.subfigures(3, 1, height_ratios=[3.7, 2.5, 2.4 + legend])
        if not models:
            for part in (above, middle, below):
                leave_empty(part.subplots(), f"no scores of models on {corpus}")
            return figure
        draw_heat_maps(above, sentences, with_size(scores, corpus, "largest", models["largest"]),
                       depth)  # fmt: skip
        if note := note_on_family(scores, corpus):
            figure.suptitle(note, fontsize=6)
        letters = iter("cdefg")
        draw_separations(middle, letters, scores, models, corpus, depth)
        draw_separation_by_size(below, letters, auc, styles, depth)
    return figure


def order(distance: np.ndarray) -> np.ndarray:
    """Texts (m,) in the order of the leaves of average linkage, neighbours as near as can be.

    Notes
    -----
    Bar-Joseph et al. 2001 (optimal leaf ordering), as scipy has it.
    """
    condensed = squareform(distance, checks=False)
    return hierarchy.leaves_list(hierarchy.linkage(condensed, "average", optimal_ordering=True))


def draw_heat_maps(figure, sentences, model: str, depth: str) -> None:
    """Two distances between the texts of a model, each ordered by its own clustering."""
    labels = np.array([] if sentences is None else sentences.labels)
    looks = label_looks(labels)
    strip = 0.075 * min(len(looks), MOST_NAMES) + 0.05  # inches, of about three
    axes = figure.subplots(1, 4, width_ratios=[3 - strip, strip] * 2)
    for letter, ax, beside, name in zip("ab", axes[::2], axes[1::2], HEAT_MAPS, strict=True):
        title = textwrap.fill(model, 54) + f"\n{DISTANCES[name]}"
        distance = None if sentences is None else sentences.distances.get((0, depth, "in", name))
        reason = ""
        if distance is None:
            reason = f"no distances {name} at depth {depth}"
        elif len(distance) < 3 or not np.isfinite(distance).all():
            bad = np.count_nonzero(~np.isfinite(distance))
            reason = f"{len(distance)} texts, {bad} distances not finite: nothing to order"
        if titled(ax, letter, title, reason):
            leaves = order(distance)
            draw_heat_map(ax, distance, leaves, name)
            draw_strip(beside, labels[leaves], looks, name)
        else:
            beside.set_axis_off()


def draw_heat_map(ax, distance: np.ndarray, leaves: np.ndarray, name: str) -> None:
    """One distance between texts in the order of `leaves`, the first one on top."""
    apart = distance[~np.eye(len(distance), dtype=bool)]
    low, high = np.percentile(apart, [1, 99])  # one odd text must not take all shades
    image = ax.imshow(
        distance[np.ix_(leaves, leaves)], cmap="viridis", vmin=low, vmax=high,
        interpolation="nearest", aspect="auto", gid=f"heat/{name}",
    )  # fmt: skip
    bar = ax.figure.colorbar(
        image, ax=ax, orientation="horizontal", aspect=28, pad=0.03, extend="both"
    )
    bar.set_label(f"{HEAT_LABELS[name]}, 1st to 99th percentile")
    bar.outline.set_linewidth(0.4)
    linear_axis(bar.ax.xaxis, most=4)
    ax.set(xticks=[], yticks=[])
    ax.set_ylabel(f"{len(distance)} texts, in the order of clustering")
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(False)


def draw_strip(ax, labels: np.ndarray, looks: dict, name: str) -> None:
    """Beside the rows of a heat map a column for every label, filled where a text has it."""
    cells = np.ones((len(labels), len(looks), 3))  # white
    for column, (label, (colour, _, _)) in enumerate(looks.items()):
        cells[labels == label, column] = to_rgb(colour)
    ax.imshow(cells, interpolation="nearest", aspect="auto", gid=f"strip/{name}")
    for edge in range(len(looks) + 1):
        ax.axvline(edge - 0.5, color="#cccccc", linewidth=0.3)
    ax.set(xlim=(-0.5, len(looks) - 0.5), yticks=[])
    if len(looks) <= MOST_NAMES:
        names = [short(label) for label in looks]
        ax.set_xticks(range(len(looks)), names, rotation=90, fontsize=5)
    else:
        ax.set_xticks([])
        ax.set_xlabel(f"{len(looks)} labels,\nby name")
    ax.tick_params(axis="x", length=0, pad=1)
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(False)


def draw_separations(
    figure, letters, scores: pd.DataFrame, models: dict, corpus: str, depth: str
) -> None:
    """AUC of every distance with its interval, and its twins', for both models."""
    axes = figure.subplots(1, len(models), sharex=True, sharey=True, squeeze=False)[0]
    for ax, (role, model) in zip(axes, models.items(), strict=True):
        rows = of_model(scores, corpus, model, depth)
        title = "AUC of same-label pairs\n" + textwrap.fill(
            with_size(scores, corpus, role, model), 44
        )
        reason = "" if len(rows) else f"no AUC at depth {depth}"
        if titled(ax, next(letters), title, reason):
            out = of_model(scores, corpus, model, depth, "out")
            draw_separation(ax, rows, out[~out.index.isin(BASELINES)], model)
    axes[0].set_ylim(len(DISTANCES) - 0.4, -0.6)
    axes[0].set_yticks(range(len(DISTANCES)), list(DISTANCES.values()))
    marks = {"color": COLOURS[0], "linestyle": ""}
    handles = [
        Line2D([], [], marker="o", **marks, label="trained model"),
        Line2D([], [], **out_look(), label="without the first token"),
        Line2D([], [], marker="s", color=INK, linestyle="", label="no model"),
        interval_mark(),
        Line2D([], [], **twin_look(), label="untrained twins: mean, least to largest"),
        Line2D([], [], color=INK, linewidth=0.6, linestyle=(0, (6, 2)), label="chance"),
    ]
    legend_below(figure, handles, 3)


def out_look() -> dict:
    """How the trained model without the first token of each text is drawn."""
    return {
        "color": COLOURS[0], "linestyle": "", "marker": "o", "markersize": 3.2,
        "markerfacecolor": "white", "markeredgewidth": 0.8,
    }  # fmt: skip


def twin_look() -> dict:
    """How the twins of one model are drawn."""
    return control_look("untrained twins", COLOURS[1], "D")


def draw_separation(ax, rows: pd.DataFrame, out: pd.DataFrame, model: str) -> None:
    """A row per distance: its AUC, above that without the first token and that of the twins."""
    ax.axvline(0.5, color=INK, linewidth=0.6, linestyle=(0, (6, 2)))
    for place, name in enumerate(DISTANCES):
        if name not in rows.index or not np.isfinite(rows.loc[name, "value"]):
            ax.text(
                0.99, place, "n/a", transform=ax.get_yaxis_transform(),
                ha="right", va="center", fontsize=5.5, color=GREY,
            )  # fmt: skip
            continue
        row, alone = rows.loc[name], name in BASELINES
        colour, marker = (INK, "s") if alone else (COLOURS[0], "o")
        trained, twin = (place, place) if alone else (place - 0.24, place + 0.26)
        ax.hlines(
            trained, row["low"], row["high"], color=colour, gid=f"auc interval/{model}/{name}"
        )
        ax.plot(row["value"], trained, marker, color=colour, gid=f"auc/{model}/{name}")
        if name in out.index:
            without = out.loc[name]
            ax.hlines(place, without["low"], without["high"], color=colour, linewidth=0.8,
                      gid=f"out interval/{model}/{name}")  # fmt: skip
            ax.plot(without["value"], place, gid=f"out/{model}/{name}", **out_look())
        if np.isfinite(row["untrained"]):
            look = twin_look()
            ax.hlines(
                twin, row["untrained_low"], row["untrained_high"], color=look["color"],
                linewidth=0.8, gid=f"untrained interval/{model}/{name}",
            )  # fmt: skip
            ax.plot(row["untrained"], twin, gid=f"untrained/{model}/{name}", **look)
    ax.grid(False, axis="y")
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel("AUC")
    linear_axis(ax.xaxis, most=6)


def draw_separation_by_size(figure, letters, auc: pd.DataFrame, styles: dict, depth: str) -> None:
    """AUC against N for three distances, with the twins, bag of words and chance."""
    axes = figure.subplots(1, len(AGAINST_N), sharey=True)
    words = select(auc, distance="bag_of_words")["value"]
    for ax, name in zip(axes, AGAINST_N, strict=True):
        rows = select(auc, distance=name, depth=depth, first="in")
        reason = "" if np.isfinite(rows["value"]).any() else f"no AUC of {name} at depth {depth}"
        if not titled(ax, next(letters), f"AUC against size\n{DISTANCES[name]}", reason):
            continue
        looks = {
            family: control_look("untrained twins", *style) for family, style in styles.items()
        }
        draw_against_n(
            ax, rows, "untrained", "untrained_low", "untrained_high", looks, f"{name} untrained"
        )
        draw_against_n(ax, rows, "value", "low", "high", data_looks(styles), name)
        for value in sorted(set(words.dropna().round(6))):  # one for each tokenizer
            ax.axhline(value, gid=f"{name} bag_of_words", **BASELINE_LOOK)
        ax.axhline(0.5, color=INK, linewidth=0.6, linestyle=(0, (6, 2)))
        linear_axis(ax.yaxis, most=6)
        n_axis(ax, rows)
        ax.set_xlabel(N_LABEL)
    axes[0].set_ylabel("AUC")
    colour, marker = legend_look(styles)
    handles = [
        *family_handles(styles),
        Line2D([], [], color=colour, marker=marker, linestyle="", label="a model"),
        interval_mark(colour),
        Line2D([], [], **control_look("untrained twins", colour, marker), label="untrained twins"),
        Line2D([], [], **BASELINE_LOOK, label="bag of words"),
        Line2D([], [], color=INK, linewidth=0.6, linestyle=(0, (6, 2)), label="chance"),
    ]  # fmt: skip
    legend_below(figure, handles, 5)
