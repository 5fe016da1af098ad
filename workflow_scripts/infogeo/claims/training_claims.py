"""The claims on training: how the entropy of a run goes, and how it starts and settles."""

import numpy as np
import pandas as pd

from infogeo.claims.claim_rows import (
    COLLAPSE,
    COMPRESSION,
    EARLIER,
    EXPANSION,
    LEADS,
    MEASURED,
    MIN_SIZES,
    NONE,
    START,
    Estimate,
    agreed,
    ends,
    more_sizes,
    rate_of,
    row_of,
)
from infogeo.geometry.metrics import leading
from infogeo.laws.phases import FALLS, RISES, UNDECIDED

SAME = 0.05  # of the twins' value: less is no difference
OF_PHASES = {COLLAPSE: "collapse", EXPANSION: "expansion", COMPRESSION: "compression"}


# ---------------------------------------------------------------- verdicts on one trajectory


def collapse(words: list[str]) -> str:
    """Whether the first phase that is decided falls.

    Parameters
    ----------
    words : list of str
        Of each phase in order: falls, rises or undecided.
    """
    decided = [word for word in words if word != UNDECIDED]
    if decided and decided[0] == FALLS:
        return "supported"
    return "contradicted" if words[:1] == [RISES] else "inconclusive"


def expansion(words: list[str]) -> str:
    """Whether a phase rises; see `collapse`."""
    if RISES in words:
        return "supported"
    return "contradicted" if set(words) == {FALLS} else "inconclusive"


def compression(words: list[str]) -> str:
    """Whether the last phase that is decided falls after one that rises; see `collapse`."""
    decided = [word for word in words if word != UNDECIDED]
    if decided and decided[-1] == FALLS and RISES in decided:
        return "supported"
    return "contradicted" if words[-1:] == [RISES] else "inconclusive"


RULES = {COLLAPSE: collapse, EXPANSION: expansion, COMPRESSION: compression}


def leads(low: float, high: float) -> str:
    """Whether an interval lies above 0 (supported) or below it; NaN: not available."""
    if not (np.isfinite(low) and np.isfinite(high)):
        return "not available"
    return "supported" if low > 0 else "contradicted" if high < 0 else "inconclusive"


def earlier(low: float, high: float) -> str:
    """Whether larger models settle earlier: an exponent of N below 0."""
    return leads(-high, -low)


def same_start(low: float, high: float, twins: float) -> str:
    """Whether the interval of the difference from the twins holds nothing but small differences."""
    if not np.isfinite([low, high, twins]).all():
        return "not available"
    if -SAME * abs(twins) <= low and high <= SAME * abs(twins):
        return "supported"
    return "contradicted" if low > 0 or high < 0 else "inconclusive"


# ---------------------------------------------------------------- rows


def of_training(
    trajectories: pd.DataFrame, phases: pd.DataFrame, pace: pd.DataFrame, rates: pd.DataFrame
) -> list[dict]:
    """The claims on training, per family.

    Parameters
    ----------
    trajectories, phases, pace : pandas.DataFrame
        The tables of results/training/.
    rates : pandas.DataFrame
        error_rates.csv.
    """
    rows = []
    for (corpus, family), of_family in pace.groupby(["corpus", "family"], sort=False):
        about = MEASURED, corpus, family
        metric, convention = leading(
            list(dict.fromkeys(zip(of_family["metric"], of_family["convention"], strict=True)))
        )

        def of_metric(frame, key=(corpus, family, metric, convention)):
            names = ("corpus", "family", "metric", "convention")
            same = [frame[name] == value for name, value in zip(names, key, strict=True)]
            return frame[np.logical_and.reduce(same)]

        name = f"{metric} {convention}".strip()
        paces = of_metric(pace)
        for claim in OF_PHASES:
            rows.append(_of_phases(claim, about, name, paces, of_metric(phases), rates))
        loss = of_family[of_family["metric"] == "nll"]
        rows.append(_leads(about, name, paces, rates))
        rows.append(_earlier(about, name, paces, loss, rates))
        rows.append(_start(about, name, of_metric(trajectories), rates))
    return rows


def _beside(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of all tokens, and of the same without the first."""
    return rows[rows["first"] != "out"], rows[rows["first"] == "out"]


def _reason(rows: pd.DataFrame) -> str:
    """The first problem of rows, and whose it is where others have none."""
    troubled = rows[rows["problems"] != ""]
    if troubled.empty:
        return ""
    problem, run = troubled[["problems", "runs"]].iloc[0]
    return problem if len(troubled) == len(rows) else f"{run}: {problem}"


def _size(rows: pd.DataFrame) -> str:
    runs, sizes = rows["runs"].nunique(), rows["N"].nunique()
    return f"{runs} trajectories, {sizes} sizes, {rows['texts'].min():.0f} texts"


def _of_phases(claim, about, name, paces, phases, rates) -> dict:
    """Whether phases go as the claim says in every trajectory, without the first token too."""
    rule = RULES[claim]
    verdicts = [rule(words.split(", ")) if words else "not available" for words in paces["words"]]
    verdict = agreed(verdicts, "supported", "contradicted")
    rate = rate_of(rates, OF_PHASES[claim], verdict)
    if verdict == "not available":
        to_add = _reason(paces)
        return row_of(claim, about, name, NONE, NONE, verdict, rate, "", to_add)
    estimates = [
        _change(claim, rows, what)
        for rows, what in zip(_beside(phases), ("change", "without the first token"), strict=True)
    ]
    to_add = "" if verdict != "inconclusive" else _open(paces, verdicts)
    return row_of(claim, about, name, *estimates, verdict, rate, _size(paces), to_add)


def _change(claim: str, phases: pd.DataFrame, what: str) -> Estimate:
    """The change of the phase that the claim is about, of the trajectory that says least for it."""
    chosen = []
    for _, of_run in phases.groupby("runs", sort=False):
        decided = of_run[of_run["word"] != UNDECIDED]
        row = of_run.iloc[0] if claim != COMPRESSION else of_run.iloc[-1]
        if claim == EXPANSION:
            row = of_run.loc[of_run["change"].idxmax()]
        elif len(decided):
            row = decided.iloc[0 if claim == COLLAPSE else -1]
        chosen.append(ends(row, "change", what))
    if not chosen:
        return NONE
    if claim == EXPANSION:
        return min(chosen, key=lambda change: change.low)
    return max(chosen, key=lambda change: change.high)


def _open(paces: pd.DataFrame, verdicts: list[str]) -> str:
    """Which trajectories say otherwise, as their phases."""
    ways = dict.fromkeys(paces.loc[np.array(verdicts) != "supported", "words"])
    shown = "; ".join(list(ways)[:2])
    return f"{verdicts.count('supported')} of {len(verdicts)} courses agree; others: {shown}"


def _leads(about, name, paces, rates) -> dict:
    verdicts = [leads(*row) for row in paces[["lead_low", "lead_high"]].to_numpy()]
    verdict = agreed(verdicts, "supported", "contradicted")
    rate = rate_of(rates, "leads", verdict)
    if verdict == "not available":
        to_add = _reason(paces) or "a loss that changes: a model that predicts the next token"
        return row_of(LEADS, about, name, NONE, NONE, verdict, rate, "", to_add)
    most = verdict == "contradicted"  # of the trajectories the one that says least for the verdict
    shown = []
    for rows, what in zip(_beside(paces), ("lead, ln tokens", "without the first token"),
                          strict=True):  # fmt: skip
        if not len(rows):
            shown.append(NONE)
            continue
        place = rows["lead_high"].idxmax() if most else rows["lead_low"].idxmin()
        shown.append(ends(rows.loc[place], "lead", what))
    to_add = "" if verdict != "inconclusive" else "more steps, more texts or seeds"
    return row_of(LEADS, about, name, *shown, verdict, rate, _size(paces), to_add)


def _earlier(about, name, paces, loss, rates) -> dict:
    trend = "settling_exponent"
    each = paces.drop_duplicates("first")
    verdict = agreed(
        [earlier(*row) for row in each[[f"{trend}_low", f"{trend}_high"]].to_numpy()],
        "supported", "contradicted",
    )  # fmt: skip
    rate = rate_of(rates, "earlier", verdict)
    if verdict == "not available":
        sizes = int(each["sizes"].fillna(0).min())
        to_add = _reason(paces) or more_sizes(sizes, max(MIN_SIZES, sizes + 1))
        return row_of(EARLIER, about, name, NONE, NONE, verdict, rate, "", to_add)
    of_loss = ends(loss.iloc[0], trend, "of the loss") if len(loss) else NONE
    estimate = ends(each.iloc[0], trend, "exponent of tokens")
    to_add = "" if verdict != "inconclusive" else "more sizes, further apart"
    return row_of(EARLIER, about, name, estimate, of_loss, verdict, rate, _size(paces), to_add)


def _start(about, name, trajectories, rates) -> dict:
    """Whether step 0 is what the untrained twins are, in every trajectory that has one."""
    starts, _ = _beside(trajectories[trajectories["step"] == 0])
    columns = ["minus_untrained_low", "minus_untrained_high", "untrained"]
    verdicts = [same_start(*row) for row in starts[columns].to_numpy()]
    verdict = agreed(verdicts or ["not available"], "supported", "contradicted")
    rate = rate_of(rates, "same start", verdict)
    if verdict == "not available":
        to_add = "draws of the untrained twins" if len(starts) else "step 0 of a run"
        return row_of(START, about, name, NONE, NONE, verdict, rate, "", to_add)
    share = np.abs(starts[columns[:2]]).max(axis=1) / np.abs(starts["untrained"])
    farthest = starts.loc[share.idxmax()]
    estimate = ends(farthest, "minus_untrained", "less the twins'")
    twins = ends(farthest, "untrained", "twins")
    to_add = "" if verdict != "inconclusive" else "draws of the untrained twins; seeds"
    return row_of(START, about, name, estimate, twins, verdict, rate, _size(starts), to_add)
