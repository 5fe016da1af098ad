"""Whole files of CSV."""

import numpy as np
import pandas as pd

from infogeo.files import tables


def test_csv_has_ten_digits_and_no_trace_of_a_failure(tmp_path):
    frame = pd.DataFrame({"name": ["a", "b"], "value": [1 / 3, np.nan]})
    tables.write_csv(frame, tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text() == "name,value\na,0.3333333333\nb,\n"
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]
