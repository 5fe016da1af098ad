"""Intrinsic dimensions of all models in one table."""

import numpy as np
import pandas as pd

from infogeo.laws.dimension_table import COLUMNS, dimension_table

MODELS = [
    {"slug": name, "family": "f", "params_non_embedding": 10, "params_total": 20, "width": 8,
     "final_width": 4, "layers": 2, "commit": "", "run": "r", "step": 5}
    for name in ("a", "b")
]  # fmt: skip


def lines(value, layers=("0", "final")):
    return pd.DataFrame([
        {"layer": layer, "scope": "last", "first": "in", "n": 8,
         "estimator": "gride", "scale": scale,
         "value": value * scale, "low": 1.0, "high": 2.0, "null": 3.0, "null_low": 2.0,
         "null_high": 4.0, "rows": 30, "duplicates": 1, "reason": ""}
        for layer in layers for scale in (2, 4)
    ])  # fmt: skip


def test_twins_stand_beside_every_value_as_mean_least_and_largest_draw():
    twins = pd.concat([lines(value).assign(draw=draw) for draw, value in enumerate((1, 2, 6))])
    measured = {"a": lines(5), "b": lines(7)}
    table = dimension_table("docs", MODELS, measured, {"a": twins, "b": twins})
    assert list(table) == COLUMNS
    row = table[(table["model"] == "b") & (table["layer"] == "final") & (table["scale"] == 4)]
    (row,) = row.to_dict("records")
    assert (row["value"], row["corpus"], row["N"]) == (28, "docs", 10)
    assert (row["untrained"], row["untrained_low"], row["untrained_high"]) == (12, 4, 24)
    assert (row["run"], row["step"]) == ("r", 5)
    assert (row["width"], row["relative_depth"]) == (4, 1)  # OPT-350m projects its last states


def test_twins_without_a_value_leave_a_gap():
    twins = lines(np.nan).assign(draw=0)
    table = dimension_table("docs", MODELS[:1], {"a": lines(5)}, {"a": twins})
    assert table["untrained"].isna().all() and table["value"].notna().all()


def test_a_model_without_twins_leaves_a_gap_and_has_its_values():
    twins = lines(3).assign(draw=0)
    table = dimension_table("docs", MODELS, {"a": lines(5), "b": lines(7)}, {"b": twins})
    of_a, of_b = (table[table["model"] == name] for name in "ab")
    assert of_a["untrained"].isna().all()
    assert of_a["value"].tolist() == [10, 20, 10, 20]
    assert of_b["untrained"].tolist() == [6, 12, 6, 12]
