"""Marks and curves of models against their size."""

import pandas as pd

from infogeo.figures.families import extremes, largest_families
from infogeo.figures.style import log_axis
from infogeo.files.numbers import count

AXES = {
    "non_embedding": "non-embedding parameters N",
    "total": "parameters N, embeddings included",
}
N_LABEL = AXES["non_embedding"]
CROWD = 60  # models whose marks fit into a panel as they are


def crowding(models: int) -> float:
    """Factor by which marks shrink, so that many cover no more than `CROWD` do; at least 0.3."""
    return max(min(1.0, (CROWD / max(models, 1)) ** 0.5), 0.3)


def pale(small: float) -> float | None:
    """Opacity of the intervals of marks that shrink by a factor: less than that of the marks."""
    return small if small < 1 else None


def guides(rows: pd.DataFrame, value: str) -> list[pd.DataFrame]:
    """Points that a line may join: through the mean of the seeds of a shape, width by width.

    None where models of one shape may differ in more than the seed (checkpoints, variants), as
    `infogeo.sources.replicates` has it: their mean is no model, and they have no order.
    """
    if rows.groupby(["width", "N"])["replicate"].agg(_clash).any():
        return []
    shapes = rows.groupby(["width", "N"], as_index=False)[value].mean().sort_values("N")
    if shapes["width"].is_unique:
        return [shapes]
    return [line for _, line in shapes.groupby("width")]


def _clash(names: pd.Series) -> bool:
    """Whether the models of one shape, by their `replicate`, are no replicates of each other."""
    origins = {name.rpartition("/")[0] for name in names}
    return len(names) > 1 and ("" in set(names) or not names.is_unique or len(origins) > 1)


def draw_against_n(
    ax, rows: pd.DataFrame, value: str, low: str | None, high: str | None, looks: dict, gid: str
) -> None:
    """One column against N, a mark per model, with intervals where it has them.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    rows : pandas.DataFrame
        One row per model, with its `replicate`.
    value, low, high : str
        Columns; low and high may be None.
    looks : dict
        Family → look of its marks; the line that guides the eye takes its dashes.
    gid : str
        Mark of the artists: gid/family.
    """
    small = crowding(rows["model"].nunique())
    for family, models in rows.groupby("family"):
        look, models = looks[family], models.sort_values(["N", "model"])
        sizes = ("markersize", "markeredgewidth")
        look = look | {name: look[name] * small for name in sizes if name in look}
        for line in guides(models, value):
            ax.plot(
                line["N"], line[value], **look | {"marker": "", "linewidth": 0.7 * small}, alpha=0.7
            )
        if low:
            ax.vlines(
                models["N"], models[low], models[high],
                color=look["color"], linewidth=0.9 * small, alpha=pale(small),
                gid=f"{gid} interval/{family}",
            )  # fmt: skip
        ax.plot(models["N"], models[value], gid=f"{gid}/{family}", **look | {"linestyle": "none"})


def n_axis(ax, rows: pd.DataFrame, least: int = 3) -> None:
    """A log axis of N; one model alone is in its middle."""
    log_axis(ax, "x", count, least)
    if rows["N"].nunique() == 1:
        only = rows["N"].iloc[0]
        ax.set_xlim(only / 2, only * 2)
        ax.set_xticks([only], [count(only)])


def curve_look(role: str, colour: str, marker: str) -> dict:
    """The largest model's curve is solid and filled, the smallest one's dashed and open."""
    look = {"color": colour, "marker": marker, "markersize": 3.2, "linewidth": 1.1}
    if role == "smallest":
        look |= {"linestyle": (0, (4, 1.5)), "markerfacecolor": "white", "markeredgewidth": 0.8}
    return look


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
