"""Steps of runs."""

from infogeo.sources.runs import last_of_runs


def test_of_a_run_the_last_step_is_compared_and_models_without_a_run():
    models = [
        {"slug": "a", "run": "r", "step": 5}, {"slug": "b", "run": "r", "step": 100},
        {"slug": "c", "run": None, "step": None}, {"slug": "d", "run": "s", "step": 0},
        {"slug": "e"},
    ]  # fmt: skip
    assert [model["slug"] for model in last_of_runs(models)] == ["b", "c", "d", "e"]
