"""The figure of the skills model draws what its tables say."""

import numpy as np
import pandas as pd
import pytest

from infogeo.figures import theory as theory_figures
from infogeo.figures.style import save
from infogeo.files.errors import InfogeoError
from infogeo.files.numbers import number
from infogeo.theory import known_exponents, skills, spending

TRUE, BACKGROUND = np.array([0.7, 0.2, 0.1]), np.array([0.2, 0.3, 0.5])


@pytest.fixture(scope="module")
def tables():
    n = np.r_[0, np.unique(np.geomspace(1, 1e5, 12).round())]
    simulated = skills.simulate(n, texts=20_000, alpha=0.7, true=TRUE, background=BACKGROUND,
                                skills_per_text=1, share=1.0, seed=0)  # fmt: skip
    curve = known_exponents.curve(simulated, h1=skills.entropy(TRUE),
                         delta=skills.divergence(TRUE, BACKGROUND))  # fmt: skip
    edges = skills.graph(9, alpha=0.7, skills_per_text=3, seed=1)
    graph = pd.DataFrame({"text": np.repeat(np.arange(9), 3), "skill": edges.ravel()})
    return {"graph": graph, "curve": curve, "recovery": known_exponents.recovery(laws=20, seed=0)}


def drawn(tables, share=1.0, **changed):
    return theory_figures.skills(**(tables | changed), alpha=0.7, comprehended=5,
                                 skills_per_text=3, share=share, exponent=-0.7)  # fmt: skip


def artists(figure, gid):
    return [artist for ax in figure.axes for artist in ax.get_children() if artist.get_gid() == gid]


def xy(figure, gid):
    (line,) = artists(figure, gid)
    return line.get_xdata(), line.get_ydata()


def test_the_graph_fills_what_is_comprehended_and_understood(tables):
    graph = tables["graph"]
    known = graph["skill"] <= 5
    for share, least in ((1.0, 3), (0.5, 2)):
        figure = drawn(tables, share)
        assert len(artists(figure, "edge")) == len(graph)
        understood = (known.groupby(graph["text"]).sum() >= least).sum()
        assert len(xy(figure, "text filled")[0]) == understood
        assert len(xy(figure, "text open")[0]) == 9 - understood
        assert len(xy(figure, "skill filled")[0]) == graph["skill"][known].nunique()
        assert len(xy(figure, "skill open")[0]) == graph["skill"][~known].nunique()
    solid = [edge for edge in artists(figure, "edge") if edge.get_linestyle() == "-"]
    assert len(solid) == known.sum()


def test_curves_and_intervals_are_the_columns_of_the_table(tables):
    figure = drawn(tables)
    curve = tables["curve"].iloc[1:]  # n = 0 has no place on a logarithmic axis
    for gid, column in (("exact", "exact_entropy"), ("fitted", "fitted"), ("simulated", "entropy")):
        x, y = xy(figure, gid)
        np.testing.assert_allclose(x, curve["n"])
        np.testing.assert_allclose(y, curve[column])
    (bars,) = artists(figure, "simulated interval")
    ends = np.array([segment[:, 1] for segment in bars.get_segments()])
    np.testing.assert_allclose(ends, curve[["entropy_low", "entropy_high"]])

    delta = curve["delta"].iloc[0]
    np.testing.assert_allclose(xy(figure, "excess exact")[1], delta * curve["exact_not_understood"])
    np.testing.assert_allclose(xy(figure, "excess fitted")[1], curve["fitted"] - curve["h1"])
    x, y = xy(figure, "excess used")
    used = curve[curve["used"]]
    np.testing.assert_allclose(x, used["n"] + 0.5)
    np.testing.assert_allclose(y, delta * used["not_understood"])
    left_out = curve[~curve["used"] & (curve["not_understood"] > 0)]
    np.testing.assert_allclose(xy(figure, "excess left out")[0], left_out["n"] + 0.5)
    words = [text.get_text() for text in figure.axes[2].texts]
    shown = number(curve["exponent"].iloc[0], signed=True)
    assert any("limit slope −0.700" in word and f"fitted {shown}" in word for word in words)


def test_recovery_and_coverage_are_the_columns_of_the_table(tables):
    figure = drawn(tables)
    recovery = tables["recovery"]
    for variant in spending.VARIANTS:
        for start in (1, 100):
            rows = recovery[(recovery["variant"] == variant) & (recovery["n_low"] == start)]
            _, y = xy(figure, f"coverage/{variant}/{start}")
            np.testing.assert_allclose(y, 100 * rows["coverage"])
            rows = rows[rows["points"] == 10]
            _, y = xy(figure, f"recovered/{variant}/{start}")
            np.testing.assert_allclose(y, rows["exponent_mean"] / rows["exponent_true"])
            (bars,) = artists(figure, f"recovered interval/{variant}/{start}")
            lengths = [np.ptp(segment[:, 1]) for segment in bars.get_segments()]
            np.testing.assert_allclose(lengths, rows["width"] / -rows["exponent_true"])


def test_marks_tell_the_variants_apart_without_colour(tables):
    figure = drawn(tables)
    (looks,) = [{
        (line.get_marker(), line.get_markerfacecolor() == "white")
        for line in figure.axes[4].lines if str(line.get_gid()).startswith("coverage")
    }]  # fmt: skip
    assert len(looks) == 6


def test_a_simulation_without_a_fit_is_drawn_without_one(tables):
    curve = known_exponents.curve(tables["curve"].iloc[:4], h1=0.8, delta=0.7)
    figure = drawn(tables, curve=curve)
    assert not np.isfinite(xy(figure, "fitted")[1]).any()
    assert not any("fitted" in text.get_text() for text in figure.axes[2].texts)


def test_empty_tables_say_so_and_far_skills_have_short_names(tables):
    figure = drawn(tables, **{name: table.iloc[:0] for name, table in tables.items()})
    words = [text.get_text() for ax in figure.axes for text in ax.texts]
    assert {"no text", "no n of at least 1", "no table"} <= set(words)
    far = pd.DataFrame({"text": [0, 0], "skill": [1, 3 * 10**15]})
    words = [text.get_text() for text in drawn(tables, graph=far).axes[0].texts]
    assert "3e15" in words
    far = far.assign(skill=[2, 80_000])
    assert "8e4" in [text.get_text() for text in drawn(tables, graph=far).axes[0].texts]


@pytest.mark.parametrize(("table", "column"), [("graph", "skill"), ("curve", "fitted"),
                                               ("recovery", "coverage")])  # fmt: skip
def test_a_table_without_a_column_is_refused(tables, table, column):
    with pytest.raises(InfogeoError, match=rf"results/theory/{table}.parquet: lacks .* {column}"):
        drawn(tables, **{table: tables[table].drop(columns=column)})


def test_files_repeat_byte_for_byte(tables, tmp_path):
    for name in ("a", "b"):
        save(drawn(tables), [tmp_path / f"{name}.png", tmp_path / f"{name}.pdf"])
    for kind in ("png", "pdf"):
        first, second = (tmp_path / f"{name}.{kind}" for name in "ab")
        assert first.read_bytes() == second.read_bytes()
        assert first.stat().st_size > 10_000
