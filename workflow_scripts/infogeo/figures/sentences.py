"""Figures of the sentence study: maps of texts, and how well distances separate their labels.

Coordinates, scores, intervals and twins are columns of the tables of results/sentences; the one
thing computed here is the order of a heat map. Shape and fill of a mark say in grey what its
colour says.
"""

import textwrap

import numpy as np
import pandas as pd
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from infogeo.figures.context import (
    N_LABEL,
    data_looks,
    draw_against_n,
    extremes,
    family_handles,
    legend_height,
    n_axis,
    panel,
)
from infogeo.figures.laws import (
    COLOURS,
    GREY,
    INK,
    WIDTH,
    check_columns,
    control_look,
    family_styles,
    linear_axis,
    say,
    select,
    styled,
)
from infogeo.files import numbers
from infogeo.files.numbers import count, number, percent
from infogeo.sentences.distances import BASELINES

# What each table must have. A table that lacks a column was made by another version.
NEEDED = {
    "scores": [
        "corpus", "family", "model", "N", "width", "depth", "distance", "score",
        "value", "low", "high", "untrained", "untrained_low", "untrained_high",
    ],
    "maps": [
        "model", "depth", "doc_id", "label",
        "pca_1", "pca_2", "umap_1", "umap_2", "explained_1", "explained_2",
    ],
}  # fmt: skip

SHAPES = ["o", "s", "^", "D", "v", "X"]
DISTANCES = {
    "js_centred": "√JS, centred",
    "js_unit": "√JS, unit",
    "bures_centred": "Bures, centred",
    "bures_unit": "Bures, unit",
    "cosine_centred": "cosine of means, centred",
    "cosine": "cosine of means",
    "euclidean": "Euclidean of means",
    "bag_of_words": "bag of words",
    "length": "length in bytes",
}
AGAINST_N = ["js_centred", "cosine", "cosine_centred"]
HEAT_MAPS = ["js_centred", "cosine"]
HEAT_LABELS = {"js_centred": "√JS (√nats)", "cosine": "1 − cosine"}
MOST_NAMES = 20  # labels whose names fit under the strip of a heat map
BASELINE_LOOK = {"color": INK, "linestyle": (0, (5, 1.5, 1, 1.5)), "linewidth": 0.8}


# ---------------------------------------------------------------------------- labels and models


def label_looks(labels) -> dict[str, tuple[str, str, bool]]:
    """Colour, shape and whether it is filled, of each label in alphabetical order.

    Twelve labels differ in shape or fill, 72 with colour.
    """
    looks = {}
    for i, label in enumerate(sorted(set(labels))):
        shape, half, round_ = i % len(SHAPES), i // len(SHAPES) % 2, i // (2 * len(SHAPES))
        colour = COLOURS[(shape + 3 * half + round_) % len(COLOURS)]
        looks[label] = (colour, SHAPES[shape], half == 0)
    return looks


def label_mark(look: tuple[str, str, bool]) -> dict:
    """How the mark of a label is drawn; the legend uses the same."""
    colour, shape, filled = look
    return {
        "color": colour, "marker": shape, "linestyle": "",
        "markersize": (4 if filled else 3.4) + (shape == "X"),  # so that all look equally large
        "markerfacecolor": colour if filled else "white",
        "markeredgecolor": "white" if filled else colour,
        "markeredgewidth": 0.3 if filled else 0.9,
    }  # fmt: skip


def shown_models(scores: pd.DataFrame, corpus: str) -> dict[str, str]:
    """The "smallest" and "largest" model by N, of the family with most models on a corpus.

    Of families of equal size the first by name; a family of one model has only a largest one, and
    without scores there is none.
    """
    rows = select(scores, corpus=corpus)
    if not len(rows):
        return {}
    counts = rows.groupby("family")["model"].nunique()  # in the order of names
    found = {role: model for _, role, model in extremes(select(rows, family=counts.idxmax()))}
    return {role: found[role] for role in ("smallest", "largest") if role in found}


def of_model(scores: pd.DataFrame, corpus: str, model: str, depth: str) -> pd.DataFrame:
    """AUC of a model at a depth by distance; the baselines stand at every depth."""
    rows = select(scores, corpus=corpus, model=model, score="auc")
    rows = rows[(rows["depth"] == depth) | rows["distance"].isin(BASELINES)]
    return rows.set_index("distance")


def titled(ax, letter: str, title: str, reason: str) -> bool:
    """`panel`, the letter beside the first line of a title of several."""
    shown = panel(ax, "", title, reason)
    ax.annotate(
        letter, (0, 1), (-4, 3.5 + 9 * title.count("\n")), xycoords="axes fraction",
        textcoords="offset points", weight="bold", ha="right", va="bottom",
    )  # fmt: skip
    return shown


def short(name: str, most: int = 24) -> str:
    """A label, its middle left out where it is long."""
    half = most // 2
    return name if len(name) <= most else f"{name[: half - 1]}…{name[-half:]}"


def estimate(row) -> str:
    """A score with its interval, for a heading."""
    if not np.isfinite(row["value"]):
        return "n/a"
    if not np.isfinite([row["low"], row["high"]]).all():
        return f"{number(row['value'], 2)} (no interval)"
    return numbers.estimate(row["value"], row["low"], row["high"], 2)


def described(scores: pd.DataFrame, corpus: str, role: str, model: str) -> str:
    """A model for a heading, with its size."""
    N = select(scores, corpus=corpus, model=model)["N"].iloc[0]
    return f"{model} ({role}, N = {count(N)})"


# ---------------------------------------------------------------------------- maps


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
    check_columns(maps, "maps", NEEDED, f"sentences/{corpus}")
    check_columns(scores, "scores", NEEDED, "sentences")
    looks = label_looks(maps["label"])
    models = shown_models(scores, corpus)
    with styled():
        rows = max(len(models), 1)
        legend = 0.17 * -(-len(looks) // legend_columns(looks))  # inches
        figure = Figure(figsize=(WIDTH, 3.1 * rows + 0.3 + legend), layout="constrained")
        axes = figure.subplots(rows, 2, squeeze=False)
        if not models:
            for ax in axes.flat:
                say(ax, f"no scores of models on {corpus}")
            return figure
        for i, (role, model) in enumerate(models.items()):
            here = select(maps, model=model, depth=depth)
            auc = of_model(scores, corpus, model, depth)
            for j, (kind, name) in enumerate((("pca", "PCA"), ("umap", "UMAP"))):
                ax = axes[i, j]
                title = textwrap.fill(described(scores, corpus, role, model), 54)
                if "cosine" in auc.index:
                    title += f"\n{name}; AUC of the cosine {estimate(auc.loc['cosine'])}"
                else:
                    title += f"\n{name}; no AUC of the cosine at depth {depth}"
                if titled(ax, "abcd"[2 * i + j], title, why_no_map(here, kind, model, depth)):
                    draw_map(ax, here, kind, looks, f"{kind}/{model}")
        handles = [
            Line2D([], [], label=short(name), **label_mark(look)) for name, look in looks.items()
        ]
        if handles:
            figure.legend(handles=handles, loc="outside lower center", ncols=legend_columns(looks))
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


# ---------------------------------------------------------------------------- distances


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
    check_columns(scores, "scores", NEEDED, "sentences")
    models = shown_models(scores, corpus)
    auc = select(scores, corpus=corpus, score="auc")
    with styled():
        styles = family_styles(scores, corpus)
        legend = legend_height(styles, 5, 5)
        figure = Figure(figsize=(WIDTH, 8.6 + legend), layout="constrained")
        above, middle, below = figure.subfigures(3, 1, height_ratios=[3.7, 2.5, 2.4 + legend])
        if not models:
            for part in (above, middle, below):
                say(part.subplots(), f"no scores of models on {corpus}")
            return figure
        draw_heat_maps(above, sentences, described(scores, corpus, "largest", models["largest"]),
                       depth)  # fmt: skip
        letters = iter("cdefg")
        draw_separations(middle, letters, scores, models, corpus, depth)
        draw_separation_by_size(below, letters, auc, styles, depth)
    return figure


# -------- heat maps


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
        found = None if sentences is None else sentences.distances.get((0, depth, name))
        reason = ""
        if found is None:
            reason = f"no distances {name} at depth {depth}"
        elif len(found) < 3 or not np.isfinite(found).all():
            bad = np.count_nonzero(~np.isfinite(found))
            reason = f"{len(found)} texts, {bad} distances not finite: nothing to order"
        if titled(ax, letter, title, reason):
            leaves = order(found)
            draw_heat_map(ax, found, leaves, name)
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


# -------- scores


def draw_separations(
    figure, letters, scores: pd.DataFrame, models: dict, corpus: str, depth: str
) -> None:
    """AUC of every distance with its interval, and its twins', for both models."""
    axes = figure.subplots(1, len(models), sharex=True, sharey=True, squeeze=False)[0]
    for ax, (role, model) in zip(axes, models.items(), strict=True):
        rows = of_model(scores, corpus, model, depth)
        title = "AUC of same-label pairs\n" + textwrap.fill(
            described(scores, corpus, role, model), 44
        )
        reason = "" if len(rows) else f"no AUC at depth {depth}"
        if titled(ax, next(letters), title, reason):
            draw_separation(ax, rows, model)
    axes[0].set_ylim(len(DISTANCES) - 0.4, -0.6)
    axes[0].set_yticks(range(len(DISTANCES)), list(DISTANCES.values()))
    marks = {"color": COLOURS[0], "linestyle": ""}
    handles = [
        Line2D([], [], marker="o", **marks, label="trained model"),
        Line2D([], [], marker="s", color=INK, linestyle="", label="no model"),
        Line2D([], [], color=INK, linestyle="", marker="|", markersize=8, label="95 % interval"),
        Line2D([], [], **twin_look(), label="untrained twins: mean, least to largest"),
        Line2D([], [], color=INK, linewidth=0.6, linestyle=(0, (6, 2)), label="chance"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))


def twin_look() -> dict:
    """How the twins of one model are drawn."""
    return control_look("untrained twins", COLOURS[1], "D")


def draw_separation(ax, rows: pd.DataFrame, model: str) -> None:
    """A row per distance: its AUC, above that of the twins."""
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
        trained, twin = (place, place) if alone else (place - 0.14, place + 0.2)
        ax.hlines(
            trained, row["low"], row["high"], color=colour, gid=f"auc interval/{model}/{name}"
        )
        ax.plot(row["value"], trained, marker, color=colour, gid=f"auc/{model}/{name}")
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
        rows = select(auc, distance=name, depth=depth)
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
    many = len(styles) > 1
    colour, marker = (INK, "o") if many else next(iter(styles.values()))
    handles = [
        *family_handles(styles),
        Line2D([], [], color=colour, marker=marker, linestyle="", label="a model"),
        Line2D([], [], color=colour, linestyle="", marker="|", markersize=8,
               label="95 % interval"),
        Line2D([], [], **control_look("untrained twins", colour, marker), label="untrained twins"),
        Line2D([], [], **BASELINE_LOOK, label="bag of words"),
        Line2D([], [], color=INK, linewidth=0.6, linestyle=(0, (6, 2)), label="chance"),
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 5))
