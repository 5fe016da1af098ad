"""The rows of the table of claims: what they are called, what they hold, and who errs how often."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

MIN_SIZES = 3  # of a slope with an interval
POWER, BEYOND = "falls as a power law of N", "falls beyond the controls"
RIDGE, LASSO = "information gain is the ridge form", "Lasso sometimes beats attention"
DISTRIBUTED = "information is distributed over tokens"
MEANS, COVARIANCES = "mean embeddings separate meaning", "covariances separate meaning"
BETTER, LARGER = "covariances separate better than means", "larger models separate better"
LEMMA, THEOREM = "skills lemma: entropy falls as n^-α", "skills theorem: exponents are found"
VALLEY = "the mid-layer valley of the entropy is the first token"
COLLAPSE, EXPANSION = "entropy collapses early in training", "entropy expands in training"
COMPRESSION = "entropy is compressed late in training"
LEADS, EARLIER = "entropy leads the loss", "larger models settle earlier"
START = "step 0 is an untrained twin"
LAYER = "a measure without labels chooses the layer"
ALIKE = "larger models are more alike"
CLAIMS = (POWER, BEYOND, RIDGE, LASSO, DISTRIBUTED, MEANS, COVARIANCES, BETTER, LARGER, LEMMA,
          THEOREM, VALLEY, LAYER, ALIKE, COLLAPSE, EXPANSION, COMPRESSION, LEADS, EARLIER,
          START)  # fmt: skip
MEASURED, SIMULATED = "measured", "simulated"


class Estimate(NamedTuple):
    """A number with its 95 % interval, and what it is."""

    what: str = ""
    value: float = np.nan
    low: float = np.nan
    high: float = np.nan


NONE = Estimate()
COLUMNS = [
    "claim", "source", "corpus", "family", "metric",
    "estimate_of", "estimate", "low", "high",
    "control", "control_estimate", "control_low", "control_high",
    "verdict", "false_rate", "rests_on", "to_add",
]  # fmt: skip


def row_of(claim, about, metric, estimate, control, verdict, rate, rests_on, to_add) -> dict:
    values = (claim, *about, metric, *estimate, *control, verdict, rate, rests_on, to_add)
    return dict(zip(COLUMNS, values, strict=True))


def error_rates() -> pd.DataFrame:
    """How often rules err that are not simulated for each law: rule, verdict, truth, rate.

    Measured by the programs that it names, in tests/bench.
    """
    return pd.read_csv(Path(__file__).with_name("error_rates.csv"))


def rate_of(rates: pd.DataFrame, rule: str, verdict: str) -> float:
    """The highest measured rate at which a rule gives a verdict wrongly.

    Of an inconclusive one: that of "supported". NaN where no verdict is available.
    """
    if verdict == "not available":
        return np.nan
    of_rule = rates[rates["rule"] == rule]
    decided = verdict if verdict in set(of_rule["verdict"]) else "supported"
    return of_rule.loc[of_rule["verdict"] == decided, "rate"].max()


def agreed(verdicts, supported: str, contradicted: str) -> str:
    """The verdict on a family from those of its models: one that differs leaves it open."""
    distinct = set(verdicts)
    if "not available" in distinct:
        return "not available"
    if distinct == {supported}:
        return "supported"
    return "contradicted" if distinct == {contradicted} else "inconclusive"


def ends(row: pd.Series, name: str, what: str) -> Estimate:
    return Estimate(what, row[name], row[f"{name}_low"], row[f"{name}_high"])


def more_sizes(points: int, needed: int) -> str:
    more = needed - points
    return f"{more} more size{'' if more == 1 else 's'}: {needed} are needed"


def table(rows: list[dict]) -> pd.DataFrame:
    """All claims: those measured, per corpus and family in the order of CLAIMS, those simulated,
    those of published values."""
    frame = pd.DataFrame(rows, columns=COLUMNS)
    kinds = [MEASURED, SIMULATED]
    frame["_kind"] = [kinds.index(s) if s in kinds else len(kinds) for s in frame["source"]]
    frame["_order"] = frame["claim"].map(CLAIMS.index)
    keys = ["_kind", "source", "corpus", "family", "_order"]
    return frame.sort_values(keys, kind="stable", ignore_index=True)[COLUMNS]
