"""Models brought to equal likelihood: interpolation, and planted families where it decides."""

import numpy as np
import pandas as pd
import pytest
from test_laws import TEXTS, World, size

from infogeo.geometry import metrics
from infogeo.laws import reading
from infogeo.laws.measured import Measured, OfModel
from infogeo.laws.reading import Read

METRIC = "entropy"


class ReadWorld(World):
    """Models that read texts at a planted likelihood, and read shuffled words badly."""

    def read(self, y, shuffled, nll, shuffled_nll, **more):
        """Plant y and nll of texts, and of shuffled words, as functions of a model."""
        twins = lambda model: 1.0  # noqa: E731
        self.plant(y, twins=twins, random=twins, metric=METRIC, **more)
        self.shuffled = {}
        for model in self.models:
            slug = model["slug"]
            of_text = (nll(model), "nll", "", ""), (shuffled_nll(model), "nll", "", "")
            first, other = (self.frame(model, *given) for given in of_text)
            self.trained[slug] = pd.concat([self.trained[slug], first])
            again = self.frame(model, shuffled(model), METRIC, "centred", **more)
            self.shuffled[slug] = pd.concat([again, other])
        return self

    def measure(self, model):
        tables = (self.trained, self.twins, self.shuffled)
        frames = (of.get(model["slug"]) for of in tables)
        return OfModel(*(None if frame is None else Measured([frame], self.texts)
                         for frame in frames))  # fmt: skip

    def law(self, **settings):
        laws, points, _ = self.fit(**settings)
        laws = laws[laws["metric"] == METRIC]
        assert len(laws) == 1
        self.points = points[points["metric"] == METRIC]
        return laws.iloc[0]


def loss(model):
    """Larger models read better: from about 3 to 2.5 nats."""
    return 5 * size(-0.05)(model)


def as_read(slope, also=lambda model: 1.0):
    """What a metric is where its ln falls by `slope` for every nat of loss less, times `also`."""
    return {
        "y": lambda m: np.exp(slope * loss(m)) * also(m),
        "shuffled": lambda m: np.exp(slope * (loss(m) + 3)) * also(m),
        "nll": loss,
        "shuffled_nll": lambda m: loss(m) + 3,
    }


def planted(slope, also=lambda model: 1.0):
    world = ReadWorld()
    curves = as_read(slope, also)
    return world.read(**curves | {"y": world.noisy(curves["y"], 0.001)})


def test_each_value_is_interpolated_to_the_likelihood_of_the_worst_reader():
    rng = np.random.default_rng(0)
    nll, value, shuffled = rng.uniform(2, 3, 5), rng.normal(size=5), rng.normal(size=5)
    read = Read(value, shuffled, nll, nll + rng.uniform(2, 4, 5))
    expected = [
        value[i] - np.interp(nll.max(), [nll[i], read.shuffled_nll[i]], [value[i], shuffled[i]])
        for i in range(5)
    ]
    np.testing.assert_allclose(reading.gain_of_reading(read), expected, atol=1e-14)
    assert expected[int(nll.argmax())] == 0
    assert reading.reason_not_comparable(read) == ""


def test_a_model_that_shuffled_words_do_not_take_so_far_is_not_extrapolated():
    read = Read(np.zeros(2), np.ones(2), np.array([2.0, 4.0]), np.array([3.0, 5.0]))
    assert "likelihood of the worst reader" in reading.reason_not_comparable(read)
    # Shuffled words read better than the texts: no way to a larger loss.
    better = Read(np.zeros(2), np.ones(2), np.array([2.0, 4.0]), np.array([1.0, 5.0]))
    assert "likelihood of the worst reader" in reading.reason_not_comparable(better)


def test_a_resample_is_not_extrapolated_either():
    # Half of the texts bring both models to the worst reader's loss, the other half do not.
    nll, lost = np.array([[2.0, 4.0], [2.0, 4.0]]), np.array([[4.5, 6.0], [3.5, 6.0]])
    reads = Read(np.zeros((2, 2)), np.ones((2, 2)), nll, lost)
    assert np.isnan(reading.gain_of_reading(reads)).tolist() == [[False, False], [True, False]]
    tables = np.array([np.ones((2, 2)), np.full((2, 2), 2.0), nll.T, lost.T])
    weights = np.array([[0.5, 0.5], [0.9, 0.1], [0.0, 1.0]])
    found = reading.shuffled(tables, weights)
    assert found.problem == "" and np.isfinite(found.gain[0]).all()
    assert np.isnan(found.gain[1][:, 0]).tolist() == [False, False, True]


def test_a_fall_that_better_reading_makes_is_not_supported():
    world = planted(slope=0.4)
    law = world.law()
    assert law["exponent_high"] < 0 and law["excess_untrained_high"] < 0
    assert law["equal_exponent"] == pytest.approx(0, abs=0.002)
    # Twice what reading adds is taken out before a verdict.
    assert law["excess_reading"] == pytest.approx(-law["exponent"], abs=0.004)
    assert law["falls_verdict"] == "inconclusive"
    assert "better reading" in law["controls_applied"]
    # Without the control the same fall passes.
    world.shuffled = {}
    without = world.law()
    assert without["falls_verdict"] == "supported" and np.isnan(without["equal_exponent"])
    assert "better reading" not in without["controls_applied"]
    for name in ("exponent", "exponent_high", "excess_width_low", "depth_exponent_high"):
        assert without[name] == law[name]


@pytest.mark.parametrize("slope", [-0.3, 0.0, 0.1])
def test_a_fall_beyond_better_reading_is_supported(slope):
    law = planted(slope, also=size(-0.08)).law()
    assert law["equal_exponent"] == pytest.approx(-0.08, abs=0.004)
    assert law["equal_exponent_low"] < -0.08 < law["equal_exponent_high"]
    beyond = 2 * law["equal_exponent"] - law["exponent"]
    assert law["excess_reading"] == pytest.approx(beyond, abs=1e-12)
    assert law["falls_verdict"] == "supported"


def test_the_law_of_shuffled_words_and_what_reading_adds_stand_beside_it():
    world = planted(slope=0.4)
    law = world.law()
    points = world.points
    order = np.argsort([model["params_non_embedding"] for model in world.models], kind="stable")
    models = [world.models[i] for i in order]
    np.testing.assert_allclose(points["shuffled"], [as_read(0.4)["shuffled"](m) for m in models])
    worst = max(map(loss, models))
    np.testing.assert_allclose(points["reading"],
                               [np.exp(0.4 * (loss(m) - worst)) for m in models],
                               rtol=0.01)  # fmt: skip
    x = np.log(points["N"])
    assert law["shuffled_exponent"] == pytest.approx(
        np.polyfit(x, np.log(points["shuffled"]), 1)[0]
    )
    assert law["shuffled_exponent_low"] < law["shuffled_exponent"] < law["shuffled_exponent_high"]


def test_a_model_without_shuffled_words_leaves_the_law_open():
    world = planted(0.1, also=size(-0.08))
    del world.shuffled[world.models[3]["slug"]]
    law = world.law()
    assert law["falls_verdict"] == "inconclusive"
    assert "better reading: not measured for every model" in law["problems"]


def test_texts_that_are_too_short_once_shuffled_are_left_out_of_both():
    world = planted(0.4)
    whole = world.law()
    for slug, frame in world.shuffled.items():
        world.shuffled[slug] = frame[frame["doc_id"] != "t4"]
    law = world.law()
    assert law["texts"] == TEXTS
    assert (law["shuffled_texts_left_out"], whole["shuffled_texts_left_out"]) == (1, 0)
    # Every text has the same place between its two likelihoods here.
    assert law["excess_reading"] == pytest.approx(whole["excess_reading"], abs=1e-3)
    assert law["exponent"] == whole["exponent"]


def test_a_resample_without_a_shuffled_text_leaves_the_law_open():
    world = planted(0.1, also=size(-0.08))
    for slug, frame in world.shuffled.items():
        world.shuffled[slug] = frame[frame["doc_id"] == "t4"]
    law = world.law()
    assert law["exponent_high"] < 0 and law["falls_verdict"] == "inconclusive"
    assert np.isnan(law["excess_reading_high"]) and np.isnan(law["equal_exponent_high"])
    assert "better reading: not every resample of the texts has a value" in law["problems"]


def test_shuffled_words_that_make_every_text_too_short_are_called_so():
    world = planted(0.1, also=size(-0.08))
    for number, (slug, frame) in enumerate(world.shuffled.items()):
        world.shuffled[slug] = frame[frame["doc_id"] == f"t{number % 2}"]
    law = world.law()
    assert "better reading: no text is long enough in every model" in law["problems"]


def test_likelihoods_are_how_well_a_text_is_read_and_have_no_such_control():
    world = planted(0.4)
    laws, *_ = world.fit()
    law = laws[laws["metric"] == "nll"].iloc[0]
    assert "better reading" not in law["controls_applied"]
    assert law["shuffled_exponent"] < 0 and np.isnan(law["excess_reading"])
    assert metrics.CONDITIONAL[0] == "nll"
