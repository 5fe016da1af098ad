"""How numbers are written for readers."""

import ast
from pathlib import Path

import numpy as np
import pytest

from infogeo.files import numbers

LIBRARY = Path(numbers.__file__).parents[1]


@pytest.mark.parametrize(
    ("N", "written"),
    [
        (0, "0"), (999, "999"), (12_345, "12.3k"), (100_000, "100k"), (999_499, "999k"),
        (999_500, "1M"), (999_999, "1M"), (999_999_999, "1B"), (1.4e9, "1.4B"), (2e12, "2T"),
    ],
)  # fmt: skip
def test_counts_that_round_to_a_thousand_take_the_next_unit(N, written):
    assert numbers.count(N) == written


def test_minus_signs_are_true_ones():
    for text in (
        numbers.number(-0.0474), numbers.interval(-2, -1), numbers.percent(-0.01),
        numbers.scientific(-3.2e-13), numbers.significant(-1e-7), numbers.p_value(3e-5),
        numbers.estimate(-1, -2, -0.5, signed=True),
    ):  # fmt: skip
        assert "−" in text and "-" not in text


def test_an_estimate_has_its_interval_in_brackets_and_signs_where_asked_for():
    assert numbers.estimate(0.02, -0.011, 0.029, signed=True) == "+0.020 [−0.011, +0.029]"
    assert numbers.estimate(0.71, 0.66, 0.75, 2) == "0.71 [0.66, 0.75]"
    assert numbers.estimate(0.71) == "0.710"
    assert numbers.percent_interval(0.24, 0.461, 0) == "[24 %, 46 %]"


def test_what_has_no_value_is_na_and_no_interval_is_nothing():
    for write in (
        numbers.number, numbers.estimate, numbers.percent, numbers.scientific, numbers.significant
    ):  # fmt: skip
        assert write(np.nan) == numbers.MISSING
    assert numbers.interval(np.nan, np.nan) == numbers.interval(0.1, np.nan) == ""
    assert numbers.percent_interval(np.nan, 0.1) == ""


def test_an_interval_without_an_upper_end_is_open():
    assert numbers.interval(0.1, np.inf) == "[0.100, ∞)"


@pytest.mark.parametrize(("p", "written"), [(0.0123, "0.012"), (3e-5, "3e−05"), (1, "1.000")])
def test_p_values_below_a_thousandth_keep_a_digit(p, written):
    assert numbers.p_value(p) == written


def test_what_is_counted_is_plural_unless_there_is_one():
    assert [numbers.counted(n, "size") for n in (0, 1, 2)] == ["0 sizes", "1 size", "2 sizes"]


def test_reports_and_figures_write_decimals_here_alone():
    """No format of floats (:.3f, :+.2f, :.1e) outside the one formatter."""
    paths = [*LIBRARY.glob("*/report.py"), *LIBRARY.glob("figures/*.py")]
    assert len(paths) > 10
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FormattedValue) and node.format_spec:
                spec = ast.unparse(node.format_spec).strip("f'\"")
                assert spec[-1] not in "fe%" or spec == ",.0f", f"{path.name}: {spec}"
