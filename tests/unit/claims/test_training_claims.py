"""Verdicts on training, and their rows: all trajectories, with the first token and without."""

import numpy as np
import pandas as pd
import pytest

from infogeo.claims import claim_rows, report, training_claims
from infogeo.claims.claim_rows import COLLAPSE, COMPRESSION, EARLIER, EXPANSION, LEADS, START

FALLS, RISES, OPEN = "falls", "rises", "undecided"
RATES = pd.DataFrame(
    [("collapse", "supported", 0.01), ("collapse", "contradicted", 0.02),
     ("leads", "supported", 0.03), ("same start", "contradicted", 0.05)],
    columns=["rule", "verdict", "rate"],
)  # fmt: skip


@pytest.mark.parametrize(
    ("words", "verdicts"),
    [
        ([FALLS, RISES, FALLS], ("supported", "supported", "supported")),
        ([OPEN, FALLS, RISES, FALLS], ("supported", "supported", "supported")),
        ([FALLS, RISES], ("supported", "supported", "contradicted")),
        ([FALLS, FALLS], ("supported", "contradicted", "inconclusive")),
        ([RISES, FALLS], ("contradicted", "supported", "supported")),
        ([RISES, FALLS, OPEN], ("contradicted", "supported", "supported")),
        ([OPEN], ("inconclusive",) * 3),
        ([OPEN, RISES], ("inconclusive", "supported", "contradicted")),
        ([FALLS, OPEN], ("supported", "inconclusive", "inconclusive")),
    ],
)
def test_verdicts_on_the_phases_of_one_course(words, verdicts):
    rules = (training_claims.collapse, training_claims.expansion, training_claims.compression)
    assert tuple(rule(words) for rule in rules) == verdicts


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.1, 0.4, "supported"), (-0.4, -0.1, "contradicted"), (-0.1, 0.4, "inconclusive"),
     (np.nan, 0.4, "not available")],
)  # fmt: skip
def test_the_verdict_on_a_lead(low, high, verdict):
    assert training_claims.leads(low, high) == verdict


def test_a_negative_exponent_is_an_earlier_settling():
    assert training_claims.earlier(-0.3, -0.1) == "supported"
    assert training_claims.earlier(0.1, 0.3) == "contradicted"


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(-0.1, 0.2, "supported"), (0.01, 0.1, "supported"), (0.1, 0.3, "contradicted"),
     (-0.3, 0.1, "inconclusive"), (np.nan, np.nan, "not available")],
)  # fmt: skip
def test_step_0_is_a_twin_where_nothing_but_small_differences_are_left(low, high, verdict):
    assert training_claims.same_start(low, high, 4.0) == verdict


def tables(courses: dict, leads=(0.5, 0.2, 0.8), gap=(0.0, -0.1, 0.1), steps=(0, 1)):
    """Tables of runs: run → words of its entropy with the first token, and without."""
    paces, phases, trajectories = [], [], []
    for place, (runs, of_firsts) in enumerate(courses.items()):
        about = {"corpus": "c", "family": "f", "runs": runs, "N": 4**place, "texts": 20.0,
                 "problems": ""}  # fmt: skip
        keys = [("entropy", "centred", "in"), ("entropy", "centred", "out"), ("nll", "", "")]
        for (metric, convention, first), words in zip(keys, [*of_firsts, [FALLS]], strict=True):
            key = about | {"metric": metric, "convention": convention, "first": first}
            trend = {"": "settling_exponent", "_low": "settling_exponent_low",
                     "_high": "settling_exponent_high"}  # fmt: skip
            paces.append(key | {"words": ", ".join(words), "sizes": len(courses)}
                         | dict(zip(("lead", "lead_low", "lead_high"), leads, strict=True))
                         | dict(zip(trend.values(), (-0.2, -0.3, -0.1), strict=True)))  # fmt: skip
            for i, word in enumerate(words):
                sign = {FALLS: -1, RISES: 1, OPEN: 0}[word]
                phases.append(key | {
                    "phase": i + 1, "word": word, "change": sign * (i + 1.0 + place),
                    "change_low": sign * (i + 1 + place) - 0.5,
                    "change_high": sign * (i + 1 + place) + 0.5,
                })  # fmt: skip
            for step in steps:
                trajectories.append(key | {
                    "step": step, "untrained": 4.0, "untrained_low": 3.9, "untrained_high": 4.1,
                } | dict(zip(("minus_untrained", "minus_untrained_low", "minus_untrained_high"),
                             gap, strict=True)))  # fmt: skip
    return pd.DataFrame(trajectories), pd.DataFrame(phases), pd.DataFrame(paces)


def judged(*args, **options) -> dict:
    rows = training_claims.of_training(*tables(*args, **options), RATES)
    return {row["claim"]: row for row in claim_rows.table(rows).to_dict("records")}


THREE = [FALLS, RISES, FALLS]


def test_three_phases_in_every_trajectory_are_three_supported_claims():
    rows = judged({"a": (THREE, THREE), "b": (THREE, THREE)})
    assert {claim: row["verdict"] for claim, row in rows.items()} == dict.fromkeys(
        (COLLAPSE, EXPANSION, COMPRESSION, LEADS, EARLIER, START), "supported"
    )
    collapse = rows[COLLAPSE]
    assert (collapse["estimate"], collapse["low"], collapse["high"]) == (-1, -1.5, -0.5)
    assert rows[EXPANSION]["estimate"] == 2  # the weaker of both
    assert rows[COMPRESSION]["estimate"] == -3
    assert collapse["false_rate"] == 0.01
    assert collapse["rests_on"] == "2 trajectories, 2 sizes, 20 texts"


def test_a_collapse_that_is_the_first_token_s_is_open_and_says_so():
    rows = judged({"a": (THREE, [RISES, FALLS])})
    assert rows[COLLAPSE]["verdict"] == "inconclusive"
    assert rows[COLLAPSE]["to_add"] == "1 of 2 courses agree; others: rises, falls"
    assert rows[COLLAPSE]["control_estimate"] == 1


def test_a_trajectory_that_differs_leaves_the_family_open():
    rows = judged({"a": (THREE, THREE), "b": ([RISES], [RISES])})
    assert rows[COLLAPSE]["verdict"] == "inconclusive"
    assert judged({"b": ([RISES], [RISES])})[COLLAPSE]["verdict"] == "contradicted"


def test_the_lead_shown_is_the_one_that_says_least():
    row = judged({"a": (THREE, THREE)}, leads=(-0.5, -0.8, -0.2))[LEADS]
    assert (row["verdict"], row["high"]) == ("contradicted", -0.2)


def test_claims_on_training_are_written_with_their_units_for_a_terminal():
    rows = training_claims.of_training(*tables({"a": (THREE, THREE)}), RATES)
    text = report.terminal_text(claim_rows.table(rows), [])
    assert "lead, ln tokens +0.500 [+0.200, +0.800]" in text
    assert "less the twins' +0.000 [−0.100, +0.100]; twins 4.000 [3.900, 4.100]" in text


def test_what_lacks_is_named():
    trajectories, phases, paces = tables({"a": (THREE, THREE)}, (np.nan,) * 3, steps=(1,))
    paces["words"], paces["problems"] = "", "5 steps: 6 are needed"
    paces[["settling_exponent", "settling_exponent_low", "settling_exponent_high"]] = np.nan
    rows = training_claims.of_training(trajectories, phases, paces, RATES)
    assert {row["verdict"] for row in rows} == {"not available"}
    lacking = {row["claim"]: row["to_add"] for row in rows}
    assert lacking.pop(START) == "step 0 of a run"
    assert set(lacking.values()) == {"5 steps: 6 are needed"}


def test_a_run_that_lacks_what_others_have_is_named():
    trajectories, phases, paces = tables({"a": (THREE, THREE), "b": (THREE, THREE)})
    of_b = paces["runs"] == "b"
    paces.loc[of_b, ["lead", "lead_low", "lead_high"]] = np.nan
    paces.loc[of_b, "problems"] = "no phase changes"
    rows = training_claims.of_training(trajectories, phases, paces, RATES)
    (row,) = (row for row in rows if row["claim"] == LEADS)
    assert row["to_add"] == "b: no phase changes"
