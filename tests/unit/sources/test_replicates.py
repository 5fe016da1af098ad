"""Which models are averaged as one point of a law, and which may not be."""

import pytest

from infogeo.sources.replicates import points


def model(slug, replicate=None, width=8, layers=1, vocabulary=100):
    N = 12 * width**2 * layers
    return {"slug": slug, "width": width, "layers": layers, "params_non_embedding": N,
            "params_total": N + width * vocabulary, "replicate": replicate}  # fmt: skip


def test_replicates_of_one_shape_are_one_point_and_points_ascend_in_size():
    models = [model("large", width=16), model("s0", ("l", 0)), model("s1", ("l", 1)),
              model("deep", layers=2)]  # fmt: skip
    assert points(models, "non_embedding") == ([[1, 2], [3], [0]], "")


def test_the_count_that_a_law_is_fitted_against_orders_the_points():
    models = [model("wide", width=16, vocabulary=10), model("deep", layers=3, vocabulary=999)]
    assert points(models, "non_embedding")[0] == [[1], [0]]
    assert points(models, "total")[0] == [[0], [1]]


def test_models_of_other_vocabularies_are_points_of_their_own():
    models = [model("small"), model("multilingual", vocabulary=200)]
    for axis in ("non_embedding", "total"):
        assert points(models, axis) == ([[0], [1]], "")


@pytest.mark.parametrize(
    "replicates",
    [(None, None), (("", 0), None), (("", 0), ("", 0)), (("l", 0), ("l", 0)), (("l", 0), ("m", 1)),
     (("l", 0), ("", 1))],
    ids=["none", "one alone", "one number", "one seed", "two ladders", "a ladder and a number"],
)  # fmt: skip
def test_other_models_of_one_shape_clash_and_are_named_with_what_to_do(replicates):
    models = [
        model("base", replicates[0]),
        model("instruct", replicates[1]),
        model("big", width=16),
    ]
    grouped, clash = points(models, "non_embedding")
    assert grouped == [[0], [1], [2]]
    assert "base, instruct" in clash
    assert "big" not in clash
    assert "family" in clash
    assert "column replicate" in clash


def test_a_clash_of_many_models_names_some_and_counts_the_others():
    models = [model(f"w{width}-step{step}", width=width)
              for width in range(8, 80, 8) for step in range(100)]  # fmt: skip
    _, clash = points(models, "non_embedding")
    assert "w8-step0, w8-step1, w8-step2, 97 more and w16-step0" in clash
    assert "6 more" in clash
    assert len(clash) < 500
