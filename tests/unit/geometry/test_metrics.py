"""Names of metrics and regularisers: composed and read in one place, and equal after both."""

import ast
import re
from pathlib import Path

import pytest
import yaml

from infogeo.files.errors import InfogeoError
from infogeo.geometry import metrics
from infogeo.geometry.metrics import EPS2, LAMBDA, Metric, Regulariser

ROOT = Path(__file__).parents[3]
VALUES = [0.01, 0.5, 1, 1.0, 100.0, 1e-5, 2.5e-7, 123456, 1e6, 1 / 3]


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("kind", [EPS2, LAMBDA])
def test_a_regulariser_is_read_back_to_six_digits_and_named_the_same_again(kind, value):
    name = str(Regulariser(kind, value))
    again = metrics.parse_regulariser(name)
    assert again.kind == kind
    assert again.value == pytest.approx(value, rel=5e-6)
    assert str(again) == name


@pytest.mark.parametrize("value", VALUES)
def test_a_metric_is_read_back_and_named_the_same_again(value):
    for convention in metrics.CONVENTIONS:
        for name in [*metrics.names(convention, [value], [value]), *metrics.CONDITIONAL]:
            metric = metrics.parse_metric(name)
            assert str(metric) == name
            assert (metric.regulariser and metric.regulariser.kind) == metrics.REGULARISED.get(
                metric.base
            )


def test_names_are_as_in_the_tables():
    assert str(Metric("coding_rate", Regulariser(EPS2, 0.5))) == "coding_rate[eps2=0.5]"
    assert metrics.parse_metric("mean_gain[lambda=1]") == ("mean_gain", ("lambda", 1.0))
    assert metrics.at_eps2("coding_rate_rank", 1e-5) == "coding_rate_rank[eps2=1e-05]"
    assert metrics.at_eps2("entropy", 0.5) == "entropy"
    assert metrics.names("centred", [0.01, 0.5], [0.1, 1.0]) == [
        "entropy", "entropy_over_ln_d", "entropy_over_ln_rank", "effective_rank",
        "renyi_2", "renyi_inf", "participation_ratio",
    ]  # fmt: skip
    assert metrics.names("unit", [0.01, 0.5], [0.1, 1.0])[7:] == [
        "coding_rate[eps2=0.01]", "coding_rate[eps2=0.5]",
        "coding_rate_paper[eps2=0.01]", "coding_rate_paper[eps2=0.5]",
        "coding_rate_rank[eps2=0.01]", "coding_rate_rank[eps2=0.5]",
        "mean_gain[lambda=0.1]", "mean_gain[lambda=1]",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "name", ["", "eps2", "eps2=", "eps=0.5", "eps2=0.5.1", "eps2=e", "x[eps2=1]"]
)
def test_what_is_no_regulariser_is_refused(name):
    with pytest.raises(InfogeoError, match=r"no such regulariser.*eps2=0\.5"):
        metrics.parse_regulariser(name)


@pytest.mark.parametrize(
    "name", ["", "a b", "a[]", "a[eps2=]", "a[0.5]", "a[eps2=1][eps2=1]", "[eps2=1]"]
)
def test_what_is_no_name_of_a_metric_is_refused(name):
    with pytest.raises(InfogeoError, match=r"no such metric.*coding_rate\[eps2=0\.5\]"):
        metrics.parse_metric(name)


@pytest.mark.parametrize(
    "name", ["renyi[order=1]", "schatten[order=0]", "coding_rate[eps2=0]", "mean_gain[lambda=0]",
             "top_share[k=0]", "top_share[k=1.5]"],
)  # fmt: skip
def test_a_parameter_out_of_range_is_refused_with_its_range(name):
    with pytest.raises(InfogeoError, match=r"must be (above 0|a whole number from 1 on)"):
        metrics.parse_metric(name)


def test_regularisers_are_fixed_or_tied_to_the_coding_rate():
    assert metrics.regularisers([0.1, 1], [0.5], n=64, d=16) == [
        ("lambda=0.1", 0.1), ("lambda=1", 1.0), ("eps2=0.5", 64 * 0.5 / 16),
    ]  # fmt: skip


def test_conditional_metrics_have_neither_convention_nor_depth():
    for metric in metrics.CONDITIONAL:
        assert metrics.conventions(metric) == [""]
        assert metrics.depth_of(metric, "final") == ""
    assert metrics.conventions("entropy") == ["unit", "centred"]
    assert metrics.conventions("coding_rate_paper") == ["unit"]
    assert metrics.depth_of("coding_rate[eps2=0.5]", "final") == "final"


def test_the_configuration_allows_the_metrics_that_there_are_and_no_other():
    schema = yaml.safe_load((ROOT / "config/schemas/config.schema.yaml").read_text())
    pair = schema["properties"]["headline"]["properties"]["metrics"]["items"]["prefixItems"]
    assert sorted(pair[0]["enum"]) == sorted(
        [*metrics.SPECTRAL, *metrics.CODING, *metrics.CONDITIONAL]
    )


def test_no_other_source_file_composes_or_takes_apart_a_name():
    grammar = re.compile(r"(eps2|lambda)=(\{|\[|\()|\[(eps2|lambda)=|startswith\(.coding_rate")
    parting = re.compile(
        r"""partition\(["']\["']|split\(["']\["']|regulariser\w*\.(split|partition)"""
    )
    sources = [*(ROOT / "workflow_scripts").rglob("*.py"), *(ROOT / "rules").glob("*.smk")]
    texts = [(path.name, code(path)) for path in sources if path.name != "metrics.py"]
    places = [name for name, text in texts if grammar.search(text) or parting.search(text)]
    assert places == []


def code(path):
    """A source file without its docstrings; a Snakefile as it is."""
    text = path.read_text()
    if path.suffix != ".py":
        return "\n".join(line for line in text.splitlines() if "eps2=CONFIG" not in line)
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            node.value.value = ""
    return ast.unparse(tree)


def test_the_entropy_of_centred_rows_leads_or_the_first_declared_of_a_spectrum():
    loss, entropy = ("nll", ""), ("entropy", "centred")
    rate = ("coding_rate_rank[eps2=0.5]", "unit")
    assert metrics.leading([loss, rate, entropy]) == entropy
    assert metrics.leading([loss, rate]) == rate
    assert metrics.leading([loss]) == loss
