"""Which families a figure draws, in which colours and marks, and their legends.

Colour says which family, marker fill and line style say what is drawn, so that the figures also
read in grey and without colour vision.
"""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from infogeo.figures.style import COLOURS, DASHES, GREY, INK, MARKERS
from infogeo.figures.tables import select

MOST = 8  # families that are drawn, or have panels of their own
LISTED = 24  # families in a legend


def family_styles(laws: pd.DataFrame, corpus: str) -> dict[str, tuple[str, str]]:
    """Colour and marker of each family that has laws: the same in every figure of a corpus."""
    families = sorted(select(laws, corpus=corpus)["family"].unique())
    return {
        family: (COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)])
        for i, family in enumerate(families)
    }


def with_most_models(counts: pd.Series) -> list[str]:
    """The `MOST` families with most models, by name; of equal ones the first by name.

    Parameters
    ----------
    counts : pandas.Series
        Models of each family, in the order of names.
    """
    return sorted(counts.sort_values(ascending=False, kind="stable").index[:MOST])


def largest_families(rows: pd.DataFrame) -> list[str]:
    """The `MOST` families with most models, by name."""
    return with_most_models(rows.groupby("family")["model"].nunique())


def panel_count(styles: dict) -> int:
    """How many families have panels of their own; one where there is none, which says why."""
    return min(max(len(styles), 1), MOST)


def note_on_families(styles: dict, what: str) -> str:
    """A note where not every family has `what`; "" where all have."""
    if len(styles) <= MOST:
        return ""
    return f"{what}: the {MOST} of {len(styles)} families with most models"


def shown_families(
    laws: pd.DataFrame, corpus: str, beside=()
) -> tuple[dict[str, tuple[str, str]], str]:
    """Styles of the families that a figure of laws draws, and a note where these are not all.

    Families `beside`, that have no law and are compared with others model by model, are not drawn
    where there are others.
    """
    styles = family_styles(laws, corpus)
    counts = select(laws, corpus=corpus).groupby("family")["models"].max()
    shown = with_most_models(counts.drop(list(beside), errors="ignore")) or with_most_models(counts)
    of_laws = {family: look for family, look in styles.items() if family not in beside}
    return {family: styles[family] for family in shown}, note_on_families(of_laws, "Drawn")


def extremes(frame: pd.DataFrame) -> list[tuple[str, str, str]]:
    """(family, "largest" or "smallest", model) by N, the largest first; equal N: first by name.

    A family of one model has only a largest one.
    """
    models_of = []
    for family, rows in frame.groupby("family"):
        models = rows.drop_duplicates("model").sort_values("model")
        largest = models.sort_values("N", kind="stable", ascending=False)["model"].iloc[0]
        smallest = models.sort_values("N", kind="stable")["model"].iloc[0]
        models_of.append((family, "largest", largest))
        if smallest != largest:
            models_of.append((family, "smallest", smallest))
    return models_of


def shortened(models, most: int = 6) -> str:
    """Names of models; of many the first ones, and how many more there are."""
    names = list(models)
    more = [f"and {len(names) - most} more"] if len(names) > most else []
    return ", ".join([*names[:most], *more])


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


def legend_look(styles: dict) -> tuple[str, str]:
    """Colour and marker of what all families share in a legend: the only one's, or neutral."""
    return next(iter(styles.values())) if len(styles) == 1 else (INK, "o")


def interval_mark(colour: str = INK, label: str = "95 % interval") -> Line2D:
    """Legend entry of the intervals of points."""
    return Line2D([], [], color=colour, linestyle="", marker="|", markersize=8, label=label)


def legend_below(figure, handles: list, columns: int) -> None:
    """A legend below all panels, in at most so many columns."""
    figure.legend(handles=handles, loc="outside lower center", ncols=columns)


def legend_height(styles: dict, others: int, columns: int) -> float:
    """Inches of the rows after the first of a legend of the families and other entries."""
    entries = len(family_handles(styles)) + others
    return 0.16 * (-(-entries // columns) - 1)


def family_legend(figure: Figure, styles: dict, where: str = "lower", note: str = "") -> None:
    """The families' colours and markers, where there is more than one family, under a note."""
    if len(styles) > 1:
        handles = [
            Line2D([], [], color=colour, marker=marker, label=family)
            for family, (colour, marker) in styles.items()
        ]
        figure.legend(
            handles=handles, loc=f"outside {where} center", ncols=min(len(handles), 6),
            title=note or None, title_fontsize=5.5,
        )  # fmt: skip


def control_look(control: str, colour: str, marker: str) -> dict:
    """How a control is drawn; the legend uses the same."""
    return {
        "width law": {"color": colour, "linestyle": ":", "marker": "_", "markersize": 7},
        "random unit vectors": {
            "color": GREY, "linestyle": (0, (1, 2)), "linewidth": 0.7,
            "marker": "x", "markersize": 3.5,
        },
        "untrained twins": {
            "color": colour, "linestyle": (0, (4, 2)), "linewidth": 0.7,
            "marker": marker, "markerfacecolor": "white", "markeredgewidth": 0.8, "markersize": 3.5,
        },
    }[control]  # fmt: skip


def data_looks(styles: dict) -> dict:
    """Filled marks, joined by a line in the family's dashes."""
    return {
        family: {
            "color": colour, "marker": marker, "markersize": 4, "markeredgecolor": "white",
            "markeredgewidth": 0.5, "linestyle": DASHES[MARKERS.index(marker)],
        }
        for family, (colour, marker) in styles.items()
    }  # fmt: skip
