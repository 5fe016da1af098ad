"""Long tables as arrays, and means per model and layer."""

import numpy as np
import pandas as pd
import pytest

from infogeo.files.errors import InfogeoError
from infogeo.laws.measured import Measured, Texts, profile


def table(rows, draw=None):
    """A long table of rows (doc_id, layer, metric, value)."""
    frame = pd.DataFrame(rows, columns=["doc_id", "layer", "metric", "value"])
    frame = frame.assign(
        source=frame["doc_id"].str[:1], scope="text", convention="unit", first="in", n=8
    )
    frame.loc[frame["doc_id"] == "", "scope"] = "tokens"
    return frame if draw is None else frame.assign(draw=draw)


def test_values_stand_at_the_position_of_their_text_in_every_model():
    texts = Texts()
    first = Measured([table([("a1", "0", "h", 1.0), ("b1", "0", "h", 2.0)])], texts)
    second = Measured([table([("b1", "0", "h", 20.0), ("c1", "0", "h", 30.0)])], texts)
    key = ("text", "0", "unit", "in", 8, "h")
    np.testing.assert_array_equal(first.get(key, 3), [[1, 2, np.nan]])
    np.testing.assert_array_equal(second.get(key, 3), [[np.nan, 20, 30]])
    assert texts.sources == ["a", "b", "c"]
    assert first.get(("text", "1", "unit", "in", 8, "h"), 3) is None
    assert first.layers == ["0"]


def test_rows_in_any_order_and_of_several_metrics_layers_and_draws():
    rng = np.random.default_rng(0)
    rows = [(f"a{i}", str(layer), metric, rng.normal())
            for i in range(5) for layer in range(3) for metric in ("h", "r")]  # fmt: skip
    frame = pd.concat([table(rows, 0), table([(*r[:3], r[3] + 1) for r in rows], 1)])
    shuffled = Measured([frame.sample(frac=1, random_state=0)], texts := Texts())
    for doc_id, layer, metric, value in rows:
        found = shuffled.get(("text", layer, "unit", "in", 8, metric), 5)
        np.testing.assert_allclose(found[:, texts.position[doc_id]], [value, value + 1])


@pytest.mark.parametrize("size", [3, 5])  # across keys, and a layer each
def test_a_table_read_in_parts_is_the_same_as_one_read_whole(size):
    # By layer, each with its row of the whole corpus: by key the scope comes first.
    rows = [(f"a{i}", layer, "h", 10.0 * i) for layer in ("0", "final") for i in range(4)]
    rows = [*rows[:4], ("", "0", "h", 5.0), *rows[4:], ("", "final", "h", 6.0)]
    twins = [table(rows, 0), table([(*r[:3], r[3] + 1) for r in rows], 1)]
    whole = Measured([pd.concat(twins)], Texts())
    parts = [twin[i : i + size] for twin in reversed(twins) for i in range(0, 10, size)]
    found = Measured(parts, Texts())
    assert list(found.row) == list(whole.row)
    for key in whole.row:
        np.testing.assert_array_equal(found.get(key, 6), whole.get(key, 6))
    with pytest.raises(InfogeoError, match="twice"):
        Measured([*parts, parts[0]], Texts())


def test_layers_that_are_not_kept_are_forgotten():
    rows = [("a1", layer, "h", 1.0) for layer in ("", "0", "1", "final")]
    whole = Measured([table(rows)], Texts())
    kept = whole.only(["0", "final"])
    assert [layer for _, layer, *_ in kept.row] == ["", "0", "final"]
    assert (kept.layers, len(whole.row)) == (["0", "final"], 4)


def test_a_value_that_is_not_finite_is_not_taken_for_a_missing_one():
    measured = Measured([table([("a1", "0", "h", np.nan), ("a2", "0", "h", 1.0)])], Texts())
    np.testing.assert_array_equal(measured.get(("text", "0", "unit", "in", 8, "h"), 3)[0],
                                  [np.inf, 1, np.nan])  # fmt: skip


def test_dataset_values_have_one_column():
    measured = Measured([table([("a1", "0", "h", 1.0), ("", "0", "h", 5.0)])], Texts())
    np.testing.assert_array_equal(measured.get(("tokens", "0", "unit", "in", 8, "h"), 1), [[5.0]])


def test_a_text_without_source_is_its_own_cluster():
    texts = Texts()
    Measured([table([("a1", "0", "h", 1.0), ("a2", "0", "h", 2.0)]).assign(source="")], texts)
    assert texts.sources == ["a1", "a2"]


def test_a_value_given_twice_is_an_error():
    with pytest.raises(InfogeoError, match="twice"):
        Measured([table([("a1", "0", "h", 1.0), ("a1", "0", "h", 1.0)])], Texts())


MODEL = {"slug": "m", "family": "f", "params_non_embedding": 10, "params_total": 20,
         "width": 4, "final_width": 4, "layers": 2}  # fmt: skip


def test_means_with_intervals_over_clusters_and_the_reach_of_the_twins():
    rng = np.random.default_rng(0)
    rows = [(f"{'abcdefghij'[i // 4]}{i}", "1", "h", rng.normal()) for i in range(40)]
    texts = Texts()
    trained = Measured([table(rows)], texts)
    twins = pd.concat([table([(*r[:3], 7.0 + d) for r in rows], d) for d in range(3)])
    found = profile("c", MODEL, [trained, Measured([twins], texts)], texts, draws=999, seed=0).iloc[
        0
    ]
    values = np.array([row[3] for row in rows])
    assert found["y"] == pytest.approx(values.mean())
    assert (found["untrained"], found["untrained_low"], found["untrained_high"]) == (8, 7, 9)
    assert found["relative_depth"] == 0.5
    assert (found["N"], found["texts"]) == (10, 40)
    # Clusters of four are resampled: about ± 2 standard errors of their means.
    error = values.reshape(10, 4).mean(1).std(ddof=1) / np.sqrt(10)
    assert found["y_high"] - found["y_low"] == pytest.approx(4 * error, rel=0.25)
    assert found["y_low"] < found["y"] < found["y_high"]


def test_a_model_without_twins_has_its_means_and_a_gap_beside_them():
    texts = Texts()
    trained = Measured([table([("a1", "0", "entropy", 1.0), ("b1", "0", "entropy", 2.0)])], texts)
    untrained = Measured([table([], draw=0)], texts)  # a table without rows
    model = {"slug": "m", "family": "f", "params_non_embedding": 1, "params_total": 2, "width": 4,
             "final_width": 4, "layers": 2}  # fmt: skip
    (row,) = profile("c", model, [trained, untrained], texts, draws=9, seed=0).to_dict("records")
    assert (row["metric"], row["y"]) == ("entropy", 1.5)
    assert np.isnan(row["untrained"])


def test_difference_in_effective_rank_is_of_exponentials_of_means():
    rows = [(f"a{i}", "final", "entropy", value) for i, value in enumerate([1.0, 2.0])]
    texts = Texts()
    trained = Measured([table(rows)], texts)
    twins = Measured([table([(*r[:3], r[3] + 1) for r in rows], 0)], texts)
    found = profile("c", MODEL, [trained, twins], texts, draws=99, seed=0).set_index("metric")
    assert found.loc["diff_effective_rank", "y"] == pytest.approx(np.exp(2.5) - np.exp(1.5))
    assert found.loc["entropy", "relative_depth"] == 1


def test_texts_without_a_finite_value_are_counted():
    texts = Texts()
    rows = [("a1", "0", "h", 1.0), ("a2", "0", "h", np.inf)]
    measured = Measured([table(rows)], texts)
    found = profile("c", MODEL, [measured, None], texts, draws=99, seed=0).iloc[0]
    assert (found["y"], found["texts"], found["texts_not_finite"]) == (1, 1, 1)
    assert np.isnan(found["untrained"])
