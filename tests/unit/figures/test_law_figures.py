import functools
import zlib
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import matplotlib
import numpy as np
import pandas as pd
import pytest
from jinja2 import Template

from infogeo.figures import families
from infogeo.figures.conditional_entropy import conditional_entropy
from infogeo.figures.depth import FINAL, depth_profiles
from infogeo.figures.entropy import entropy_scaling
from infogeo.figures.families import family_styles
from infogeo.figures.law_panels import CONTROLS, EXPONENTS_OF_SIZE, exponent_of
from infogeo.figures.style import LogTicks, save
from infogeo.figures.tables import NEEDED, select
from infogeo.figures.width_pairs import width_pairs
from infogeo.files.errors import InfogeoError
from infogeo.files.numbers import count
from infogeo.geometry.metrics import all_tokens, depth_of
from infogeo.laws import columns, measured

CHOSEN = {"corpus": "docs", "n": 128, "eps2": 0.5, "depth": "final", "axis": "non_embedding"}
HEADLINE = [
    ["entropy_over_ln_d", "centred"], ["entropy", "centred"], ["coding_rate_paper", "unit"],
    ["coding_rate_rank", "unit"], ["nll", ""],
]  # fmt: skip
GRID = [(width, layers) for width in (32, 64, 128) for layers in (1, 2, 4)]
ONE_DEPTH_EACH = [(48, 2), (96, 3), (192, 5), (256, 8)]
ONE_WIDTH = [(64, 1), (64, 2), (64, 4), (64, 8)]
TWO = {"ladder": GRID, "pythia-like": ONE_DEPTH_EACH}

# metric → (level of the data, exponent of N, exponent of d of the width law, random, untrained)
LEVELS = {
    ("coding_rate_paper[eps2=0.5]", "unit"): (0.42, -0.03, -0.25, 0.9, 0.62),
    ("coding_rate_rank[eps2=0.5]", "unit"): (0.50, -0.01, -0.05, 0.97, 0.71),
    ("entropy", "centred"): (2.1, 0.02, 0.0, 3.6, 3.1),
    ("entropy_over_ln_d", "centred"): (0.61, -0.05, -0.22, 0.98, 0.86),
    ("nll", ""): (4.4, -0.03, np.nan, np.nan, 7.65),
    ("predictive_entropy", ""): (4.3, -0.028, np.nan, np.nan, 7.6),
}


def frames(families=None):
    """The tables of results/scaling with realistic numbers, for {family: [(width, layers)]}."""
    tables = {name: [] for name in NEEDED["scaling"]}
    for family, shapes in (families or {"ladder": GRID}).items():
        rng = np.random.default_rng(zlib.crc32(family.encode()))
        for (metric, convention), numbers in LEVELS.items():
            for depth in ("0", "0.5", "1", "final") if convention else ("",):
                key = {
                    "corpus": "docs", "family": family, "scope": "text", "metric": metric,
                    "depth": depth, "convention": convention, "first": all_tokens(metric),
                    "n": 128, "axis": "non_embedding",
                }  # fmt: skip
                tables["laws"].append(key | a_law(metric, len(shapes), numbers, rng))
                for i, shape in enumerate(shapes):
                    replicates = 3 if i == 1 else 1
                    tables["points"].append(key | a_point(shape, replicates, numbers, rng))
                tables["pairs"] += [key | pair for pair in the_pairs(shapes, numbers, rng)]
            for shape in shapes if convention else []:
                tables["profiles"] += [
                    {"corpus": "docs", "family": family, "scope": "text", "metric": metric,
                     "convention": convention, "first": "in", "n": 128,
                     "model": f"{family}-{shape}", "run": "", "step": pd.NA} | layer
                    for layer in the_layers(shape, numbers)
                ]  # fmt: skip
    return {
        name: pd.DataFrame(rows, columns=None if rows else NEEDED["scaling"][name])
        for name, rows in tables.items()
    }


def size(width, layers):
    return 12 * width**2 * layers + 13 * width * layers


def a_law(metric, points, numbers, rng):
    slope, width_slope = numbers[1:3]
    law = {
        "points": points, "models": points + 2, "texts": 300, "problems": "",
        "falls_verdict": "width artefact" if metric.endswith("ln_d") else "inconclusive",
    }  # fmt: skip
    values = slope, slope - width_slope / 2, slope / 2, slope / 3, slope / 2, slope / 5
    for (name, _), value in zip(EXPONENTS_OF_SIZE, values, strict=True):
        half = 0.01 + 0.02 * rng.random()
        law |= {name: value, f"{name}_low": value - half, f"{name}_high": value + half}
    return law


def a_point(shape, replicates, numbers, rng):
    level, slope, width_slope, random, twin = numbers
    N, wide = size(*shape), shape[0] / 64
    fitted = level * (N / 1e5) ** slope
    y = fitted * np.exp(0.015 * rng.standard_normal())
    random, twin = random * wide**-0.1, twin * wide ** np.nan_to_num(width_slope / 2, nan=0.01)
    return {
        "N": N, "width": shape[0], "layers": shape[1], "y": y, "y_low": y * 0.988,
        "y_high": y * 1.012, "replicates": replicates,
        "seed_sd": 0.006 if replicates > 1 else np.nan,
        "fitted": fitted, "band_low": fitted * 0.98, "band_high": fitted * 1.02,
        "width_law": level * wide**width_slope,
        "random_null": random, "random_low": random * 0.995, "random_high": random * 1.005,
        "untrained": twin, "untrained_low": twin * 0.99, "untrained_high": twin * 1.01,
    }  # fmt: skip


def the_pairs(shapes, numbers, rng):
    for width, low in shapes:
        for other, high in shapes:
            if width == other and high == 2 * low:
                ratio = numbers[1] * np.log(2) + 0.01 * rng.standard_normal()
                yield {
                    "width": width, "layers_low": low, "layers_high": high, "ln_ratio": ratio,
                    "ln_ratio_low": ratio - 0.012, "ln_ratio_high": ratio + 0.012,
                }  # fmt: skip


def the_layers(shape, numbers):
    width, layers = shape
    for layer in [*range(layers + 1), "final"]:
        depth = 1.0 if layer == "final" else layer / layers
        y = numbers[0] * (size(*shape) / 1e5) ** numbers[1] * (1.4 - 0.5 * depth)
        y *= 1.1 if layer == "final" else 1
        yield {
            "N": size(*shape), "params_total": size(*shape) + 2048 * width, "width": width,
            "layers": layers, "layer": str(layer), "relative_depth": depth,
            "y": y, "y_low": y * 0.99, "y_high": y * 1.01,
            "untrained": y, "untrained_low": y, "untrained_high": y,
        }  # fmt: skip


def draw(name, tables, **other):
    """One of the four figures from the tables, for the usual choice."""
    function, second, also = {
        "entropy": (entropy_scaling, "points", ("eps2", "depth", "axis")),
        "conditional": (conditional_entropy, "points", ("axis",)),
        "depth": (depth_profiles, "profiles", ("eps2", "axis")),
        "pairs": (width_pairs, "pairs", ("eps2", "depth")),
    }[name]
    chosen = {key: CHOSEN[key] for key in ("corpus", "n", *also)} | other
    if name == "pairs":
        chosen |= {"metrics": HEADLINE}
    return function(tables["laws"], tables[second], **chosen)


FIGURES = ["entropy", "conditional", "depth", "pairs"]


@functools.cache
def usual(*families):
    """The tables of these families and, by name, the figures of them; not to be changed."""
    tables = frames({family: TWO[family] for family in families})
    return tables, {name: draw(name, tables) for name in FIGURES}


def artists(figure, gid):
    """All artists with this mark, panel by panel."""
    return figure.findobj(lambda artist: artist.get_gid() == gid)


def texts(figure):
    return "\n".join(text.get_text() for text in figure.findobj(matplotlib.text.Text))


def intervals(collection):
    """(lines, 2) ends of vertical or horizontal lines, ordered by the other coordinate."""
    ends = np.array(collection.get_segments())  # (lines, 2 ends, 2 coordinates)
    vertical = (ends[:, 0, 0] == ends[:, 1, 0]).all()
    return ends[np.argsort(ends[:, 0, 0 if vertical else 1])][:, :, 1 if vertical else 0]


def rows_of(table, metric, convention, family="ladder", depth="final"):
    return select(
        table, metric=metric, convention=convention, family=family,
        depth=depth_of(metric, depth),
    )  # fmt: skip


# ---------------------------------------------------------------- agreement with the tables


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("laws", columns.LAW_COLUMNS),
        ("points", columns.POINT_COLUMNS),
        ("pairs", columns.PAIR_COLUMNS),
        ("profiles", measured.PROFILE_COLUMNS),
    ],
)
def test_every_column_that_figures_draw_is_one_that_the_laws_write(table, columns):
    assert set(NEEDED["scaling"][table]) <= set(columns)


@pytest.mark.parametrize("family", TWO)
def test_every_model_stands_at_its_value_in_every_panel_against_n(family):
    tables, figures = usual(*TWO)
    panels = artists(figures["entropy"], f"data/{family}")
    panels += artists(figures["conditional"], f"data/{family}")
    assert len(panels) == 6
    for line, metric in zip(panels, LEVELS, strict=True):
        rows = rows_of(tables["points"], *metric, family).sort_values("N")
        np.testing.assert_array_equal(line.get_xydata(), rows[["N", "y"]])


def test_intervals_of_the_points_are_those_of_the_table():
    tables, figures = usual("ladder")
    for collection, metric in zip(
        artists(figures["entropy"], "interval/ladder"), LEVELS, strict=False
    ):
        rows = rows_of(tables["points"], *metric).sort_values("N")
        np.testing.assert_array_equal(intervals(collection), rows[["y_low", "y_high"]])


def test_fit_and_band_are_those_of_the_table():
    tables, figures = usual("ladder")
    figure = figures["entropy"]
    rows = rows_of(tables["points"], *next(iter(LEVELS))).sort_values("N")
    np.testing.assert_array_equal(
        artists(figure, "fit/ladder")[0].get_xydata(), rows[["N", "fitted"]]
    )
    corners = {
        tuple(corner) for corner in artists(figure, "band/ladder")[0].get_paths()[0].vertices
    }
    for end in ("band_low", "band_high"):
        assert {tuple(corner) for corner in rows[["N", end]].to_numpy()} <= corners


@pytest.mark.parametrize(
    ("control", "value", "low", "high"),
    [
        ("width law", "width_law", None, None),
        ("random unit vectors", "random_null", "random_low", "random_high"),
        ("untrained twins", "untrained", "untrained_low", "untrained_high"),
    ],
)
def test_every_control_stands_beside_the_data_with_its_interval(control, value, low, high):
    tables, figures = usual("ladder")
    figure = figures["entropy"]
    rows = rows_of(tables["points"], *next(iter(LEVELS))).sort_values(["N"])
    first = figure.axes[0]
    lines = [line for line in artists(figure, f"{control}/ladder") if line.axes is first]
    drawn = np.concatenate([line.get_xydata() for line in lines])
    assert {tuple(p) for p in drawn} == {tuple(p) for p in rows[["N", value]].to_numpy()}
    assert len(lines) == 3  # one per width: a null is constant along it
    if low:
        drawn = intervals(artists(figure, f"{control} interval/ladder")[0])
        np.testing.assert_array_equal(drawn, rows[[low, high]])


def test_the_spread_of_seeds_is_drawn_where_there_are_several():
    tables, figures = usual("ladder")
    rows = rows_of(tables["points"], "nll", "")
    y = rows.loc[rows["replicates"] > 1, "y"].item()
    drawn = intervals(artists(figures["conditional"], "seeds/ladder")[0])
    np.testing.assert_allclose(drawn, [[y * np.exp(-0.006), y * np.exp(0.006)]])


def test_untrained_twins_of_likelihoods_stand_above_a_broken_axis():
    _, figures = usual("ladder")
    figure = figures["conditional"]
    twins, data = artists(figure, "untrained twins/ladder")[0], artists(figure, "data/ladder")[0]
    assert twins.axes is not data.axes
    assert twins.axes.get_ylim()[0] > data.axes.get_ylim()[1]
    assert twins.axes.get_xlim() == data.axes.get_xlim()


@pytest.mark.parametrize("family", TWO)
def test_exponents_are_drawn_with_their_intervals_and_the_raw_one_is_printed(family):
    tables, figures = usual(*TWO)
    figure = figures["entropy"]
    for i, metric in enumerate(list(LEVELS)[:4]):
        law = rows_of(tables["laws"], *metric, family).iloc[0]
        assert f"{family}: {exponent_of(law)}" in texts(figure)
        for column, _ in EXPONENTS_OF_SIZE:
            drawn = intervals(artists(figure, f"{column}/{family}")[i])
            assert drawn.tolist() == [[law[f"{column}_low"], law[f"{column}_high"]]]


def test_printed_exponents_say_how_their_interval_was_made():
    law = frames()["laws"].iloc[0].to_dict()
    law |= {"exponent": -0.047, "exponent_low": -0.062, "exponent_high": 0.0311}
    assert exponent_of(law) == "exponent −0.047 [−0.062, +0.031]"
    law |= {"exponent": np.nan, "problems": "2 points: a law needs at least 3"}
    assert exponent_of(law) == "no exponent: 2 points: a law needs at least 3"


def test_the_verdict_is_printed_as_the_table_has_it():
    assert "falls with N: width artefact (9 points, 300 texts)" in texts(
        usual("ladder")[1]["entropy"]
    )


def test_depth_profiles_have_a_line_for_every_model_through_all_its_layers():
    tables, figures = usual(*TWO)
    figure = figures["depth"]
    metric, convention = next(iter(LEVELS))
    for model in tables["profiles"]["model"].unique():
        rows = select(tables["profiles"], model=model, metric=metric, convention=convention)
        depth = np.where(rows["layer"] == "final", FINAL, rows["relative_depth"])
        drawn = artists(figure, f"profile/{model}")[0].get_xydata()
        np.testing.assert_array_equal(drawn, np.column_stack([depth, rows["y"]]))


def test_what_is_without_the_first_token_is_a_line_of_its_own_and_in_no_panel_against_n():
    tables, figures = usual(*TWO)
    halved = {
        name: table[table["first"] == "in"].assign(
            first="out", **{column: table[column] / 2 for column in ("y", "exponent")
                            if column in table}
        )
        for name, table in tables.items()
    }  # fmt: skip
    both = {name: pd.concat([tables[name], out], ignore_index=True)
            for name, out in halved.items()}  # fmt: skip
    depth = draw("depth", both)
    metric, convention = next(iter(LEVELS))
    for model in tables["profiles"]["model"].unique():
        rows = select(halved["profiles"], model=model, metric=metric, convention=convention)
        line = artists(depth, f"without first/{model}")[0]
        np.testing.assert_array_equal(line.get_ydata(), rows["y"])
        before, after = (artists(figure, f"profile/{model}")[0].get_xydata()
                         for figure in (figures["depth"], depth))  # fmt: skip
        np.testing.assert_array_equal(before, after)
    entropy = draw("entropy", both)
    for family in TWO:
        for before, after in zip(artists(figures["entropy"], f"data/{family}"),
                                 artists(entropy, f"data/{family}"), strict=True):  # fmt: skip
            np.testing.assert_array_equal(before.get_xydata(), after.get_xydata())


def test_of_a_run_the_last_step_alone_has_a_line():
    tables = frames()
    last = tables["profiles"].assign(run=tables["profiles"]["model"], step=9)
    first = last.assign(model=last["model"] + "@0", step=0, y=2 * last["y"])
    both = pd.concat([last, first], ignore_index=True)
    one, other = (
        draw("depth", {"laws": tables["laws"], "profiles": profiles}) for profiles in (last, both)
    )
    assert len(one.axes[0].lines) == len(other.axes[0].lines) > 0


def test_profiles_are_labelled_by_the_count_of_the_chosen_axis():
    profiles = frames()["profiles"]
    total = frames()["laws"].assign(axis="total")
    figure = draw("depth", {"laws": total, "profiles": profiles}, axis="total")
    assert count(profiles["params_total"].max()) in texts(figure)
    assert count(profiles["N"].max()) not in texts(figure)


@pytest.mark.parametrize("column", [column for column, _ in EXPONENTS_OF_SIZE[:-1]])
def test_exponents_against_depth_have_their_intervals(column):
    tables, figures = usual("ladder")
    metric, convention = next(iter(LEVELS))
    rows = select(tables["laws"], metric=metric, convention=convention)
    drawn = intervals(artists(figures["depth"], f"{column}/ladder")[0])
    np.testing.assert_array_equal(drawn, rows[[f"{column}_low", f"{column}_high"]])


def test_width_pairs_have_a_row_for_every_pair_with_its_interval():
    tables, figures = usual("ladder")
    figure = figures["pairs"]
    for metric, convention in HEADLINE:
        metric = f"{metric}[eps2=0.5]" if metric.startswith("coding") else metric
        rows = rows_of(tables["pairs"], metric, convention)
        (collection,) = artists(figure, f"{metric}/ladder")
        np.testing.assert_array_equal(
            intervals(collection), rows[["ln_ratio_low", "ln_ratio_high"]]
        )
    assert "width 64: 2 → 4 layers" in texts(figure)


def test_a_family_has_the_colour_and_marker_of_the_other_figures_where_it_alone_has_pairs():
    tables = frames({"alone": ONE_DEPTH_EACH, "ladder": GRID})
    (pairs,) = artists(draw("pairs", tables), "nll/ladder")
    data = artists(draw("entropy", tables), "data/ladder")[0]
    assert matplotlib.colors.same_color(pairs.get_color(), data.get_color())


# ---------------------------------------------------------------- what is not there


@pytest.mark.parametrize(
    ("name", "table", "column"),
    [
        ("entropy", "points", "random_low"), ("conditional", "laws", "exponent_high"),
        ("depth", "profiles", "relative_depth"), ("pairs", "pairs", "ln_ratio"),
    ],
)  # fmt: skip
def test_a_table_without_a_needed_column_is_refused_by_name(name, table, column):
    tables = frames()
    tables[table] = tables[table].drop(columns=column)
    with pytest.raises(InfogeoError, match=rf"{table}\.parquet: .*{column}.* snakemake -R"):
        draw(name, tables)


@pytest.mark.parametrize("name", FIGURES)
def test_empty_tables_give_panels_that_say_so(name):
    tables = {table: frame[:0] for table, frame in frames().items()}
    figure = draw(name, tables)
    assert "no points of" in texts(figure) or "no two models" in texts(figure)


@pytest.mark.parametrize("name", ["entropy", "conditional"])
def test_a_metric_that_is_nan_everywhere_gives_a_panel_that_says_so(name):
    tables = frames()
    tables["points"]["y"] = np.nan
    said = texts(draw(name, tables)).replace("\n", " ")
    assert "none of 9 points has a positive value" in said


def test_points_that_a_log_axis_cannot_show_are_counted_in_the_panel():
    tables = frames()
    tables["points"].loc[tables["points"]["N"] == size(32, 1), "y"] = np.nan
    assert "1 of 9 points not drawn: not above 0" in texts(draw("entropy", tables))


@pytest.mark.parametrize("control", CONTROLS)
def test_a_control_that_is_nan_is_named_in_the_panel(control):
    tables = frames()
    assert f"{control}: not available" not in texts(usual("ladder")[1]["entropy"])
    tables["points"][CONTROLS[control][0]] = np.nan
    assert f"{control}: not available" in texts(draw("entropy", tables))


@pytest.mark.parametrize("name", FIGURES)
def test_missing_estimates_are_marked_and_the_figure_is_drawn(name):
    tables = frames()
    numbers = [f"{c}{end}" for c, _ in EXPONENTS_OF_SIZE for end in ("", "_low", "_high")]
    tables["laws"][numbers] = np.nan
    tables["laws"][["problems", "texts"]] = ["2 points: a law needs at least 3", pd.NA]
    tables["points"][["fitted", "band_low", "band_high", "y_low", "y_high"]] = np.nan
    tables["pairs"][["ln_ratio_low", "ln_ratio_high"]] = np.nan
    figure = draw(name, tables)
    if name != "pairs":
        assert "n/a" in texts(figure)
    figure.draw_without_rendering()


@pytest.mark.parametrize("name", FIGURES)
def test_a_family_of_one_width_is_drawn(name):
    tables = frames({"narrow": ONE_WIDTH})
    assert draw(name, tables).findobj(matplotlib.lines.Line2D)


def test_a_family_without_pairs_says_so():
    assert "same width" in texts(draw("pairs", frames({"pythia": ONE_DEPTH_EACH})))


# ---------------------------------------------------------------- style and files


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "kind"),
    [("entropy", "png"), ("conditional", "png"), ("depth", "png"), ("pairs", "pdf")],
)
def test_files_repeat_byte_for_byte_whatever_the_users_style(name, kind, tmp_path):
    tables = frames({"few": ONE_WIDTH})
    first, again = tmp_path / f"first.{kind}", tmp_path / f"again.{kind}"
    save(draw(name, tables), [first])
    with matplotlib.rc_context({"font.size": 20, "text.color": "red", "axes.grid": False}):
        save(draw(name, tables), [again])
    assert first.read_bytes() == again.read_bytes()


def test_pdf_has_embedded_truetype_text_and_neither_file_a_date_or_version(tmp_path):
    paths = [tmp_path / "figure.pdf", tmp_path / "figure.png"]
    save(draw("pairs", frames({"few": ONE_WIDTH})), paths)
    pdf, png = (path.read_bytes() for path in paths)
    assert b"/FontFile2" in pdf
    for unwanted in (b"/Type3", b"Date", b"atplotlib"):
        assert unwanted not in pdf + png


def test_ten_families_have_different_looks_and_the_first_differ_in_grey():
    ten = pd.DataFrame({"family": [f"family {i}" for i in range(10)], "corpus": "docs"})
    looks = list(family_styles(ten, "docs").values())
    assert len(set(looks)) == 10
    assert len({marker for _, marker in looks[:7]}) == 7  # grey has markers to go by


@pytest.mark.parametrize(
    ("low", "high"), [(1.2e4, 8e5), (0.55, 0.62), (4.1e-3, 3.9), (7e7, 1.2e10), (3.9, 4.4)]
)
def test_log_axes_have_a_readable_number_of_ticks(low, high):
    ticks = [tick for tick in LogTicks().tick_values(low, high) if low <= tick <= high]
    assert 3 <= len(ticks) <= 8
    assert len({f"{tick:.4g}" for tick in ticks}) == len(ticks)


@pytest.mark.parametrize("name", ["entropy", "conditional", "depth", "pairs"])
def test_of_many_families_those_with_most_models_are_drawn_and_it_says_so(name, monkeypatch):
    monkeypatch.setattr(families, "MOST", 2)
    tables = frames({"a-little": GRID[:4], "big": GRID, "equal": GRID})
    found = texts(draw(name, tables))
    assert "the 2 of 3 families with most models" in found
    assert "little" not in found and "equal" in found
    monkeypatch.setattr(families, "MOST", 3)
    assert "families with most models" not in texts(draw(name, tables))


def test_figures_grow_with_their_families():
    one, many = (
        [draw(name, frames(families)).get_figheight() for name in ("entropy", "conditional")]
        for families in ({"f0": GRID}, {f"f{i}": GRID for i in range(8)})
    )
    assert all(np.subtract(many, one) > 1)


# ---------------------------------------------------------------- one model, or no law


def alone():
    """The tables of one model: points, and laws without an exponent."""
    tables = frames({"solo": [(64, 2)]})
    exponents = [f"{name}{end}" for name, _ in EXPONENTS_OF_SIZE for end in ("", "_low", "_high")]
    tables["laws"] = tables["laws"].assign(
        points=1, problems="1 point: a law needs at least 3", **dict.fromkeys(exponents, np.nan)
    )
    none = dict.fromkeys(("fitted", "band_low", "band_high", "seed_sd"), np.nan)
    tables["points"] = tables["points"].assign(replicates=1, **none)
    return tables


def drawn(figure, gid):
    """Whether every artist of this mark has its points within its axes."""
    marks = [(ax, line) for ax in figure.axes for line in ax.lines if line.get_gid() == gid]
    assert marks
    return all(ax.viewLim.contains(*point) for ax, line in marks for point in line.get_xydata())


def test_one_model_alone_shows_its_points():
    tables, where = alone(), {"corpus": "docs", "n": 128, "axis": "non_embedding"}
    for figure in (
        entropy_scaling(tables["laws"], tables["points"], **CHOSEN),
        conditional_entropy(tables["laws"], tables["points"], **where),
    ):
        figure.draw_without_rendering()
        assert drawn(figure, "data/solo")
        assert any("(1 point, " in ax.get_title("left") for ax in figure.axes)


def test_an_axis_of_exponents_without_any_has_no_ticks_of_rounding():
    tables = alone()
    chosen = {name: value for name, value in CHOSEN.items() if name != "depth"}
    figure = depth_profiles(tables["laws"], tables["profiles"], **chosen)
    figure.draw_without_rendering()
    labels = [text.get_text() for ax in figure.axes for text in ax.get_yticklabels()]
    assert not [label for label in labels if "e" in label]


def test_a_legend_names_only_the_families_that_have_points():
    tables = frames({**TWO, "nothing": GRID})
    points = tables["points"][tables["points"]["family"] != "nothing"]
    figure = entropy_scaling(tables["laws"], points, **CHOSEN)
    names = {text.get_text() for text in figure.legends[0].get_texts()}
    assert set(TWO) <= names and "nothing" not in names


def test_titles_of_pairs_do_not_touch_each_other():
    tables = frames({"pythia-deduplicated-long-name": GRID, "another-family-of-models": GRID})
    chosen = {name: value for name, value in CHOSEN.items() if name != "axis"}
    figure = width_pairs(tables["laws"], tables["pairs"], metrics=HEADLINE, **chosen)
    figure.draw_without_rendering()
    lefts = [ax._left_title.get_window_extent() for ax in figure.axes]
    assert len(lefts) == len(HEADLINE)
    assert all(a.x1 <= b.x0 for a, b in pairwise(lefts))


def test_families_without_a_law_that_are_set_beside_others_are_left_out():
    tables = frames({"ladder": GRID, "sink": [(64, 4)]})
    for name in ("entropy", "conditional"):
        figure = draw(name, tables, beside=["sink"])
        assert artists(figure, "data/ladder") and not artists(figure, "data/sink")
        assert "sink" not in texts(figure)
        assert artists(draw(name, tables, beside=["ladder", "sink"]), "data/sink")


@pytest.mark.parametrize("name", ["entropy_scaling", "conditional_entropy"])
@pytest.mark.parametrize(("beside", "said"), [([], False), (["sink", "twin"], True)])
def test_the_caption_names_the_families_that_are_left_out(name, beside, said):
    caption = (Path(__file__).parents[3] / f"rules/captions/{name}.rst").read_text()
    snakemake = SimpleNamespace(params=MagicMock(beside=beside), wildcards=MagicMock())
    text = Template(caption).render(snakemake=snakemake)
    assert ("not drawn beside families with one: sink, twin." in text) == said
    assert "\n\n" not in text
