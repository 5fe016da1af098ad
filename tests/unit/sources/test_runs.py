"""Steps of runs."""

import pandas as pd

from infogeo.sources.runs import ends_of_runs, last_of_runs


def test_of_a_run_the_last_step_is_compared_and_models_without_a_run():
    models = [
        {"slug": "a", "run": "r", "step": 5}, {"slug": "b", "run": "r", "step": 100},
        {"slug": "c", "run": None, "step": None}, {"slug": "d", "run": "s", "step": 0},
        {"slug": "e"},
    ]  # fmt: skip
    assert [model["slug"] for model in last_of_runs(models)] == ["b", "c", "d", "e"]


def at(*rows) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["model", "run", "step"])


def test_tables_beside_each_other_have_the_last_step_that_all_of_them_have():
    gain = at(("a1", "r", 1), ("a5", "r", 5), ("a9", "r", 9), ("b", "", None), ("c2", "s", 2))
    context = at(("a1", "r", 1), ("a5", "r", 5), ("b", "", None))
    kept, beside = ends_of_runs(gain, context)
    # The ninth step has gains alone: its gain is not set beside the fifth step's selection.
    assert kept["model"].tolist() == ["a5", "b", "c2"] and beside["model"].tolist() == ["a5", "b"]
    (alone,) = ends_of_runs(gain)
    assert alone["model"].tolist() == ["a9", "b", "c2"]


def test_steps_that_no_two_tables_share_are_in_none_and_no_rows_are_no_error():
    one, other = ends_of_runs(at(("a1", "r", 1)), at(("a5", "r", 5)))
    assert one.empty and other.empty
    assert ends_of_runs(at())[0].empty
