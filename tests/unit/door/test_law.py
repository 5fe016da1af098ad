"""Laws of numbers measured elsewhere: controls, verdicts, and what is missing."""

import numpy as np
import pytest

import infogeo
from infogeo.files.errors import InfogeoError
from infogeo.geometry.entropy import evaluate
from infogeo.geometry.nulls import random_null
from infogeo.geometry.spectra import text_spectra
from infogeo.laws.controls import truncate
from infogeo.laws.published_laws import published_laws

WIDTHS = np.array([64, 128, 256, 512, 768, 1024])
SIZES = 12.0 * WIDTHS**2 * np.arange(2, 8)


def noisy(exponent, seed=0):
    """y of a power law with a little scatter."""
    return SIZES**exponent * np.exp(0.002 * np.random.default_rng(seed).standard_normal(6))


def test_a_law_is_judged_as_published_laws_are():
    y = noisy(0.01) / np.log(WIDTHS)
    law = infogeo.fit_law(SIZES, y, width=WIDTHS, metric="entropy_over_ln_d", draws=99)
    rows = [
        {"table": "t", "corpus": "c", "family": "f", "metric": "entropy_over_ln_d", "model": str(d),
         "N": N, "d": d, "value": value}
        for N, d, value in zip(SIZES, WIDTHS, y, strict=True)
    ]  # fmt: skip
    published = published_laws(rows, draws=99, seed=0).iloc[0]
    for name in ("exponent", "exponent_low", "excess_width", "excess_width_high", "bootstrap_low"):
        assert law.estimates[name] == published[name]
    assert (law.verdict, law.form) == (published["falls_verdict"], published["form_verdict"])
    assert law.verdict == "width artefact"


def test_a_fall_beyond_every_control_is_supported():
    law = infogeo.fit_law(SIZES, noisy(-0.1), width=WIDTHS, metric="nll", untrained=[8.0] * 6,
                          draws=99)  # fmt: skip
    assert law.verdict == "supported"
    assert law.exponent == pytest.approx(-0.1, abs=0.005)
    assert law.low < law.exponent < law.high < 0
    assert set(law.controls) == {"untrained twins"}
    assert law.problems == []
    assert "falls with N: supported" in str(law)


def test_without_controls_no_fall_is_supported_and_the_law_names_what_is_missing():
    law = infogeo.fit_law(SIZES, noisy(-0.1), width=WIDTHS, draws=99)
    assert law.verdict == "inconclusive"
    assert [problem.split(":")[0] for problem in law.problems] == [
        "width law", "random vectors", "untrained twins",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["coding_rate_paper[eps2=0.5]", "renyi[order=0.5]"])
def test_random_vectors_are_those_of_the_workflow(name):
    y = noisy(-0.1)
    law = infogeo.fit_law(SIZES, y, width=WIDTHS, metric=name, convention="unit", n=8, draws=99)
    table = random_null(WIDTHS, [8], [0.5], [], 32, 0, [0.5])
    table = table.query("metric == @name and first == 'in' and convention == 'unit'")
    null = np.log(table.groupby("d")["value"].mean().to_numpy())
    excess = np.polyfit(np.log(SIZES), np.log(y) - null, 1)[0]
    assert law.controls["random vectors"].exponent == pytest.approx(excess)


def test_the_width_law_of_a_reference_changes_only_d_in_its_spectra():
    texts = np.random.default_rng(1).standard_normal((3, 80, 256))
    name, y = "coding_rate_rank[eps2=0.1]", noisy(-0.1)
    law = infogeo.fit_law(SIZES, y, width=WIDTHS, metric=name, convention="unit", reference=texts,
                          draws=99)  # fmt: skip
    by_width = [
        np.mean([
            evaluate(name, truncate(text_spectra(Z, [80])["unit", "in", 80][0], d), d, 80, "unit")
            for Z in texts
        ])
        for d in WIDTHS
    ]  # fmt: skip
    excess = np.polyfit(np.log(SIZES), np.log(y / by_width), 1)[0]
    assert law.controls["width law"].exponent == pytest.approx(excess)


@pytest.mark.parametrize("written", ["coding_rate_rank[eps2=0.50]", "coding_rate_rank[eps2=5e-1]"])
def test_a_metric_may_be_written_with_other_digits(written):
    options = {"width": WIDTHS, "convention": "unit", "n": 8, "draws": 99}
    law = infogeo.fit_law(SIZES, noisy(-0.1), metric=written, **options)
    same = infogeo.fit_law(SIZES, noisy(-0.1), metric="coding_rate_rank[eps2=0.5]", **options)
    assert law.controls["random vectors"] == same.controls["random vectors"]


def test_widths_may_be_floats():
    laws = [infogeo.fit_law(SIZES, noisy(-0.1), width=width, metric="entropy", n=8, draws=99)
            for width in (WIDTHS, WIDTHS.astype(float))]  # fmt: skip
    assert laws[0].controls == laws[1].controls


def test_models_may_come_in_any_order():
    y, order = noisy(-0.1), np.array([3, 0, 5, 1, 4, 2])
    law = infogeo.fit_law(SIZES, y, width=WIDTHS, metric="nll", untrained=y, draws=99)
    shuffled = infogeo.fit_law(SIZES[order], y[order], width=WIDTHS[order], metric="nll",
                               untrained=y[order], draws=99)  # fmt: skip
    assert shuffled.exponent == law.exponent
    assert np.array_equal(shuffled.fitted, law.fitted[order])
    assert shuffled.controls == law.controls


def test_two_models_make_no_law_and_the_law_says_so():
    law = infogeo.fit_law([1e6, 1e7], [3.0, 2.0], width=[8, 16], metric="nll", untrained=[9, 9])
    assert law.verdict == law.form == "not available"
    assert law.problems == ["2 points: a law needs at least 3"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"y": [1.0, 2.0]}, r"y: shape \(2,\)"),
        ({"N": [1, 2, 0]}, "N: 0"),
        ({"y": [1.0, -2.0, 3.0]}, "y: -2"),
        ({"metric": "rank"}, "no such metric"),
        ({"metric": "coding_rate[eps2=0.5]"}, "not in convention 'centred'"),
        ({"metric": "rankme", "convention": "raw", "n": 9}, "matrix of a row a text.*Leave metric"),
        ({"metric": "top_share[k=1]", "n": 9}, "matrix of a row a text.*Leave metric"),
        ({"untrained": [1.0]}, r"untrained: shape \(1,\)"),
        ({"names": ["a"]}, "names: 1 of them, but there are 3 models"),
        ({"width": [8, 16.5, 32]}, "width: .* whole numbers"),
        ({"width": [1, 16, 32]}, "width: .* at least 2"),
        ({"n": 1}, "n: 1"),
        ({"draws": 0}, "draws: 0"),
        ({"metric": "entropy", "n": 9, "reference": np.eye(4)}, "text 0 has 4 tokens"),
    ],
)
def test_what_cannot_be_fitted_is_refused(changed, message):
    arguments = {"N": [1e6, 1e7, 1e8], "y": [3.0, 2.0, 1.0], "width": [8, 16, 32]} | changed
    with pytest.raises(InfogeoError, match=message):
        infogeo.fit_law(arguments.pop("N"), arguments.pop("y"), **arguments)
