"""The theory beside data for readers: Markdown and text for a terminal."""

import numpy as np
import pandas as pd

from infogeo.files import report_table
from infogeo.files.numbers import estimate, interval, number, percent

NAMES = {
    "alpha_gamma": "αγ of the NLL law (b of c + a N^−b)",
    "limit": "H∞ of the NLL law (c, nats/token)",
    "zipf_exponent": "Zipf exponent s of the tokens",
    "zipf_head": "s of the first ranks alone",
    "zipf_tail": "s of the last ranks alone",
    "alpha_tokens": "α if tokens were skills (s − 1)",
    "gamma_needed": "γ needed: αγ / (s − 1)",
}


def _estimate(row) -> str:
    return estimate(row.value, row.low, row.high)


def sentences(rows: pd.DataFrame) -> list[str]:
    """What agrees and what does not, in numbers, for one corpus and family of `comparison`."""
    by = {row.quantity: row for row in rows.itertuples()}
    law, s, head, tail = (
        by[name] for name in ("alpha_gamma", "zipf_exponent", "zipf_head", "zipf_tail")
    )
    out = []
    if np.isnan(law.low):
        out.append(f"The NLL law gives no αγ: {law.problems}.")
    else:
        note = f" ({law.problems})" if law.problems else ""
        out.append(f"The NLL law implies αγ = {_estimate(law)} with H∞ = "
                   f"{_estimate(by['limit'])} nats/token{note}.")  # fmt: skip
    if np.isnan(s.value):
        return [*out, f"The tokens give no Zipf exponent: {s.problems}."]
    apart = head.high < tail.low or tail.high < head.low
    out.append(
        f"The tokens have s = {_estimate(s)}; one exponent "
        f"{'does not hold' if apart else 'is compatible with the data'}: {_estimate(head)} over "
        f"the first ranks, {_estimate(tail)} over the last."
    )
    alpha, gamma = by["alpha_tokens"], by["gamma_needed"]
    if not alpha.value > 0:
        out.append(f"Read as skills the tokens would have α = s − 1 = {_estimate(alpha)}, and a "
                   "skills law needs α > 0: the two do not agree at any γ.")  # fmt: skip
    elif not np.isnan(gamma.low):
        within = gamma.low <= 1 <= gamma.high
        out.append(
            f"If tokens were skills, α = {_estimate(alpha)}, and γ would have to be "
            f"{_estimate(gamma)}. γ = 1, a fixed number of parameters per skill, is "
            + ("in that interval." if within else "not in that interval.")
        )
    return out


def recovery_sentences(table: pd.DataFrame) -> list[str]:
    """How often the fitting code's intervals hold the known exponent, a line per range of n."""
    out = []
    for (low, high), rows in table.groupby(["n_low", "n_high"]):
        off = (rows["exponent_curve"] / rows["exponent_true"] - 1).abs().max()
        error = number(100 * rows["coverage_error"].iloc[0], 1)
        out.append(
            f"n from {low:,.0f} to {high:,.0f}: the 95 % interval holds the known exponent in "
            f"{number(100 * rows['coverage'].min(), 1)} to {percent(rows['coverage'].max())} of "
            f"tables ({len(rows)} rows, each ± {error}); without noise the slope is off by at "
            f"most {percent(off, 2)}."
        )
    return out


def _table(rows: pd.DataFrame) -> list[list[str]]:
    return [
        [NAMES[row.quantity], number(row.value), interval(row.low, row.high), row.problems]
        for row in rows.itertuples()
    ]


def markdown_text(compared: pd.DataFrame, recovered: pd.DataFrame) -> str:
    """The theory beside data as Markdown.

    Parameters
    ----------
    compared, recovered : pandas.DataFrame
        From `comparison` and `recovery`.
    """
    lines = [
        "# Theory: the skills model beside data",
        "",
        "95 % intervals: profile (F) for the NLL law, over models; resampled sources for the "
        "tokens. A law H − H∞ ~ N^−αγ fixes the product αγ alone. Columns: results/README.md.",
    ]
    for (corpus, family), rows in compared.groupby(["corpus", "family"], sort=False):
        lines += ["", f"## {family} on {corpus}", ""]
        lines += report_table.markdown(["quantity", "value", "95 % interval", "note"], _table(rows))
        lines += ["", *(f"- {sentence}" for sentence in sentences(rows))]
    lines += ["", "## Known exponents, fitted by the same code", ""]
    lines += [f"- {sentence}" for sentence in recovery_sentences(recovered)]
    return "\n".join([*lines, ""])


def terminal_text(compared: pd.DataFrame, recovered: pd.DataFrame) -> str:
    """The theory beside data for a terminal, at most 110 columns; parameters as above."""
    lines = ["Theory: what the skills model needs, and what models and tokens have; 95 % intervals"]
    for (corpus, family), rows in compared.groupby(["corpus", "family"], sort=False):
        lines += ["", f"{family} on {corpus}"]
        lines += report_table.terminal([row[:3] for row in _table(rows)])
        lines += _wrapped(sentences(rows))
    lines += ["", "The fitting code on tables of known exponent:", *_wrapped(
        recovery_sentences(recovered)
    )]  # fmt: skip
    return "\n".join([*lines, ""])


def _wrapped(sentences: list[str]) -> list[str]:
    return [line for sentence in sentences for line in report_table.wrapped(sentence)]
