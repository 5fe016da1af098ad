"""The claims for readers: Markdown and text for a terminal."""

import numpy as np
import pandas as pd

from infogeo.claims.claim_rows import BEYOND, MEASURED, POWER, SIMULATED
from infogeo.files import report_table
from infogeo.files.numbers import interval, number, percent, scientific

NOT_AVAILABLE = "not available"
# What cannot be negative is written without a sign.
UNSIGNED = {"share of texts", "equals", "share of tokens for 90 %", "random", "AUC",
            "least mean gain", "least coverage", "nominal", "twins"}  # fmt: skip


def estimate_text(row: pd.Series, prefix: str) -> str:
    """An estimate with its interval, as short as it can be read.

    Parameters
    ----------
    row : pandas.Series
        A row of the claims.
    prefix : str
        "" for the estimate itself, "control_" for that of its control.
    """
    value, low, high = (row[f"{prefix}{name}"] for name in ("estimate", "low", "high"))
    signed = row["control" if prefix else "estimate_of"] not in UNSIGNED
    if np.isfinite(low) and np.isfinite(high):
        point = number(value, signed=signed) if np.isfinite(value) else "not reached"
        return f"{point} {interval(low, high, signed=signed)}"
    if not np.isfinite(value):
        return ""
    return scientific(value) if 0 < abs(value) < 5e-4 else number(value, signed=signed)


def claim_text(row: pd.Series) -> str:
    """The claim of a row, with its metric where there are several."""
    return f"{row['metric']} {row['claim']}" if row["claim"] in (POWER, BEYOND) else row["claim"]


def groups(frame: pd.DataFrame):
    """Yield (title, rows) of each source, corpus and family."""
    for (source, corpus, family), rows in frame.groupby(["source", "corpus", "family"], sort=False):
        title = source if source == SIMULATED else f"{family} on {corpus}"
        if source not in (MEASURED, SIMULATED):
            title += f", as published ({source})"
        yield title, rows


def own_claims(frame: pd.DataFrame, trained) -> pd.DataFrame:
    """The claims of a run without those of published values, in the order in which a reader asks.

    Parameters
    ----------
    frame : pandas.DataFrame
        From `table`.
    trained : collection of str
        Families of ladders. Other families come first, the theory last; in each part, what is not
        available comes last.
    """
    own = frame[frame["source"].isin((MEASURED, SIMULATED))]
    part = np.where(own["source"] == SIMULATED, 2, own["family"].isin(trained))
    order = 2 * part + (own["verdict"] == NOT_AVAILABLE).to_numpy()
    return own.iloc[np.argsort(order, kind="stable")]


def terminal_text(frame: pd.DataFrame, trained) -> str:
    """The claims of a run for a terminal, at most 110 columns: two lines a claim.

    Parameters are those of `own_claims`.
    """
    lines = ["Claims: verdicts, and how often each is wrong in simulations"]
    for title, rows in groups(own_claims(frame, trained)):
        lines += ["", title]
        missing = rows["verdict"] == NOT_AVAILABLE
        for _, row in rows[~missing].iterrows():
            rate = f"{percent(row['false_rate'])} wrong" if row["false_rate"] >= 0 else ""
            lines.append(f"{claim_text(row):<70.70} {row['verdict']:<15} {rate}".rstrip())
            parts = [
                f"{row[what]} {estimate_text(row, prefix)}"
                for what, prefix in (("estimate_of", ""), ("control", "control_"))
                if estimate_text(row, prefix)
            ]
            if row["to_add"] and row["verdict"] not in ("supported", "contradicted"):
                parts.append(f"to add: {row['to_add']}")
            lines += report_table.wrapped("; ".join(parts), first=" " * 4, rest=" " * 4)
        for line in _missing(rows[missing]):
            lines += report_table.wrapped(line, rest=" " * 4)
    return "\n".join([*lines, "", "Rules and error rates: docs/verdicts.md", ""])


def _missing(rows: pd.DataFrame):
    """Yield a line for each reason why some claims are not available."""
    for to_add, of in rows.groupby("to_add", sort=False):
        names = "; ".join(claim_text(row) for _, row in of.iterrows())
        yield f"{NOT_AVAILABLE} ({to_add}): {names}" if to_add else f"{NOT_AVAILABLE}: {names}"


def markdown_text(frame: pd.DataFrame) -> str:
    """The claims as Markdown: per source, corpus and family a table, and what is not available.

    Parameters
    ----------
    frame : pandas.DataFrame
        From `table`.
    """
    lines = [
        "# Claims",
        "",
        "A verdict on each of the paper's claims. Estimates have 95 % intervals, and a control "
        "beside them. *Wrong*: how often this verdict is wrong in simulations; for an undecided "
        "claim, how often *supported* would be. Rules, and how the rates were measured: "
        "docs/verdicts.md.",
    ]
    for title, rows in groups(frame):
        lines += ["", f"## {title}"]
        missing = rows["verdict"] == NOT_AVAILABLE
        table = [
            [
                claim_text(row), f"{row['estimate_of']} {estimate_text(row, '')}".strip(),
                f"{row['control']} {control}" * bool(control),
                row["verdict"],
                percent(row["false_rate"]), row["rests_on"], row["to_add"],
            ]
            for _, row in rows[~missing].iterrows()
            for control in [estimate_text(row, "control_")]
        ]  # fmt: skip
        if table:
            names = ["claim", "estimate", "control", "verdict", "wrong", "rests on", "to add"]
            lines += ["", *report_table.markdown(names, table)]
        for line in _missing(rows[missing]):
            lines += ["", f"{line[0].upper()}{line[1:]}."]
    return "\n".join([*lines, ""])
