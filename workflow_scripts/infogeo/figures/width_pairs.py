"""Figure of models of one width and different depth, side by side."""

import textwrap

import numpy as np
from matplotlib.figure import Figure

from infogeo.figures.families import family_legend, shown_families
from infogeo.figures.law_panels import title
from infogeo.figures.sentence_models import short
from infogeo.figures.style import INK, WIDTH, leave_empty, linear_axis, styled
from infogeo.figures.tables import check_columns, select
from infogeo.geometry.metrics import all_tokens, at_eps2, depth_of


def width_pairs(laws, pairs, *, corpus, n, eps2, depth, metrics) -> Figure:
    """ln-ratios of metrics between models of one width and different depth, with intervals.

    Parameters
    ----------
    laws, pairs : pandas.DataFrame
        results/scaling/laws.parquet (for the families' colours) and pairs.parquet.
    corpus, n, eps2, depth
        As in `entropy_scaling`.
    metrics : list of [metric, convention]
        One panel each; coding rates without their ε².
    """
    check_columns(laws, "scaling", "laws")
    check_columns(pairs, "scaling", "pairs")
    pairs = select(pairs, corpus=corpus, scope="text", n=n)
    styles, note = shown_families(laws, corpus)
    pairs = pairs[pairs["family"].isin(styles)]
    styles = {family: styles[family] for family in styles if family in set(pairs["family"])}
    key = ["family", "width", "layers_low", "layers_high"]
    rows = pairs[key].drop_duplicates().sort_values(key).reset_index(drop=True)
    names = [
        f"{f'{short(family)}, ' if len(styles) > 1 else ''}width {width}: {low} → {high} layers"
        for family, width, low, high in rows.itertuples(index=False)
    ]
    with styled():
        figure = Figure(figsize=(WIDTH, 0.95 + 0.16 * max(len(rows), 4)), layout="constrained")
        if not len(rows):
            leave_empty(
                figure.subplots(), f"no two models on {corpus} have the same width at two depths"
            )
            return figure
        axes = figure.subplots(1, len(metrics), squeeze=False, sharey=True)[0]
        panel = (WIDTH - 0.055 * max(map(len, names))) / len(metrics) - 0.15  # inches
        size = 7.5 if panel > 0.9 else 6
        letters = max(int(panel * 72 / (0.62 * size)), 6)
        axes[0].set_ylim(len(rows) - 0.4, -0.6)
        axes[0].set_yticks(range(len(rows)), names)
        for ax, (metric, convention) in zip(axes, metrics, strict=True):
            metric = at_eps2(metric, eps2)
            ratios = select(
                pairs,
                metric=metric,
                convention=convention,
                first=all_tokens(metric),
                depth=depth_of(metric, depth),
            ).merge(rows.reset_index(names="row"), on=key)
            # A no-break space: ε² and its value stay on one line.
            name, _, notes = (
                title(metric, convention).replace(" = ", "\u00a0=\u00a0").partition(" (")
            )
            words = [name, f"({notes}"] if notes else [name]
            ax.set_title("\n".join(textwrap.fill(part, letters) for part in words), fontsize=size)
            if not np.isfinite(ratios["ln_ratio"]).any():
                leave_empty(ax, f"no finite ratio of {metric}")
                ax.tick_params(labelleft=ax is axes[0])
                continue
            for family, some in ratios.groupby("family"):
                colour, marker = styles[family]
                ax.hlines(
                    some["row"], some["ln_ratio_low"], some["ln_ratio_high"],
                    color=colour, gid=f"{metric}/{family}",
                )  # fmt: skip
                ax.plot(some["ln_ratio"], some["row"], marker, color=colour, markersize=3.5)
            ax.axvline(0, color=INK, linewidth=0.6)
            linear_axis(ax.xaxis, most=3 if panel > 0.9 else 2)
            ax.tick_params(axis="x", labelsize=6.5 if panel > 0.9 else 4.5)
        family_legend(figure, styles, "upper", note)
        label = "ln ratio of the metric, deeper over shallower model, with 95 % interval"
        figure.supxlabel(label, fontsize=7)
    return figure
