"""Figures of training: what is drawn of the tables, and what an empty panel says."""

import numpy as np
import pandas as pd
import pytest

from infogeo.figures import training
from infogeo.files.errors import InfogeoError

STEPS = [0, 1, 10, 100]
PLACES = np.log([10, 100, 1000, 10000])


def paths(runs=("a", "b"), family="f", first="in", metric="entropy", tokens=True) -> pd.DataFrame:
    return pd.DataFrame([
        {"corpus": "c", "family": family, "runs": name, "N": 10**i, "width": 32, "layers": i + 1,
         "metric": metric, "convention": "" if metric == "nll" else "centred",
         "first": "" if metric == "nll" else first, "step": step, "place": place,
         "train_tokens": 100 * step if tokens else np.nan,
         "y": 3 + i + place, "y_low": 2.9 + i + place, "y_high": 3.1 + i + place,
         "untrained": 5.0 + i, "untrained_low": 4.9, "untrained_high": 5.1, "problems": ""}
        for i, name in enumerate(runs) for step, place in zip(STEPS, PLACES, strict=True)
    ])  # fmt: skip


def drawn(figure, panel=0) -> dict:
    return {line.get_gid(): line for line in figure.axes[panel].lines if line.get_gid()}


def test_a_line_a_run_from_step_0_on_with_the_twins_at_0():
    table = pd.concat([paths(), paths(first="out"), paths(metric="nll")])
    figure = training.trajectories(table, corpus="c")
    lines = drawn(figure)
    np.testing.assert_allclose(lines["trajectory/a"].get_xdata(), np.exp(PLACES))
    np.testing.assert_allclose(lines["trajectory/b"].get_ydata(), 4 + PLACES)
    assert lines["twins/b"].get_xdata() == pytest.approx([10])
    assert lines["twins/b"].get_ydata() == [6]
    assert "without first/a" in lines
    assert [ax.get_ylabel() for ax in figure.axes] == ["$H$ (nats)", "NLL (nats/token)"]
    labels = [text.get_text() for text in figure.axes[-1].get_xticklabels()]
    assert labels[0] == "0" and figure.axes[-1].get_xlabel() == "training tokens seen"


def test_steps_stand_on_the_axis_where_tokens_are_not_known():
    figure = training.trajectories(paths(tokens=False), corpus="c")
    assert figure.axes[0].get_xlabel() == "training steps"


def test_of_four_families_three_are_drawn_and_the_note_says_so():
    table = pd.concat([paths(family=name) for name in "abcd"])
    figure = training.trajectories(table, corpus="c")
    assert "3 of 4 families" in figure.get_suptitle()
    assert len(figure.axes) == 3


def phase(runs="a", number=1, word="falls", **columns) -> dict:
    return {"corpus": "c", "family": "f", "runs": runs, "N": 1, "width": 32, "layers": 1,
            "metric": "entropy", "convention": "centred", "first": "in", "phase": number,
            "starts": [0, 1000][number - 1], "starts_low": [np.nan, 500][number - 1],
            "starts_high": [np.nan, 2000][number - 1], "ends": [1000, 10000][number - 1],
            "word": word, "problems": "", **columns}  # fmt: skip


def bars(ax) -> dict:
    return {bar.get_gid(): (bar.get_x(), bar.get_x() + bar.get_width()) for bar in ax.patches}


def test_phases_are_bars_from_step_0_to_the_end_that_meet_at_the_change_point():
    table = pd.DataFrame([phase(), phase(number=2, word="rises")])
    figure = training.phases_by_size(table, paths(), corpus="c")
    found = bars(figure.axes[0])
    assert found["falls/a"] == pytest.approx((10, 1000))
    assert found["rises/a"] == pytest.approx((1000, 10000))
    (interval,) = [c for c in figure.axes[0].collections if len(c.get_segments())]
    assert interval.get_segments()[0][:, 0].tolist() == [500, 2000]
    assert {text.get_text() for text in figure.axes[0].texts} == {"↓", "↑"}


def test_a_trajectory_without_phases_says_why():
    table = pd.DataFrame([phase(), phase("b", problems="5 steps: 6 are needed")])
    table.loc[1, "phase"] = 0
    figure = training.phases_by_size(table, paths(), corpus="c")
    assert "5 steps: 6 are needed" in [text.get_text() for text in figure.axes[0].texts]


def exponent_rows(**columns) -> pd.DataFrame:
    row = {"corpus": "c", "family": "f", "metric": "entropy", "convention": "centred",
           "first": "in", "train_tokens": 100.0, "problems": ""}  # fmt: skip
    for i, (name, _) in enumerate(training.EXPONENTS):
        row |= {name: 0.1 * i, f"{name}_low": 0.1 * i - 0.01, f"{name}_high": 0.1 * i + 0.01}
    return pd.DataFrame([
        row | {"step": step, "place": place} | columns
        for step, place in zip(STEPS, PLACES, strict=True)
    ])  # fmt: skip


def test_every_exponent_is_a_line_over_training():
    table = pd.concat([exponent_rows(), exponent_rows(first="out", exponent=9)])
    lines = drawn(training.exponents(table, corpus="c"))
    assert list(lines) == [name for name, _ in training.EXPONENTS]
    assert set(lines["exponent"].get_ydata()) == {0}
    assert set(lines["depth_exponent"].get_ydata()) == {0.4}


def test_an_exponent_that_no_step_has_is_not_in_the_legend():
    rows = exponent_rows()
    for column, shown in ((rows["depth_exponent"], True), (np.nan, False)):
        figure = training.exponents(rows.assign(depth_exponent=column), corpus="c")
        names = {text.get_text() for legend in figure.legends for text in legend.get_texts()}
        assert ("at fixed width" in names) == shown and "raw" in names


def test_an_interval_much_longer_than_exponents_are_apart_is_cut():
    (ax,) = training.exponents(exponent_rows(exponent_high=50.0), corpus="c").axes
    low, high = ax.get_ylim()
    assert 1 < high / (0.4 + training.LONGEST * 0.4) < 1.1
    assert -0.1 < low < -0.01  # where nothing is long, nothing is cut


@pytest.mark.parametrize(
    ("draw", "words"),
    [(lambda: training.trajectories(paths(), corpus="d"), "no run with two steps on d"),
     (lambda: training.phases_by_size(pd.DataFrame([phase()]), paths(), corpus="d"),
      "no run with two steps on d"),
     (lambda: training.exponents(exponent_rows(), corpus="d"), "no step that 3 sizes have on d")],
)  # fmt: skip
def test_a_corpus_without_rows_says_so(draw, words):
    assert words in draw().axes[0].texts[0].get_text()


def test_tables_of_another_version_are_refused():
    with pytest.raises(InfogeoError, match="lacks the column"):
        training.trajectories(paths().drop(columns="place"), corpus="c")
