"""The context study for readers: Markdown and text for a terminal, from its aggregates."""

from collections import defaultdict

import numpy as np
import pandas as pd

from infogeo.context.selection_summary import shown_k
from infogeo.files import report_table
from infogeo.files.numbers import (
    MISSING,
    count,
    estimate,
    interval,
    number,
    p_value,
    percent,
    percent_interval,
    scientific,
)
from infogeo.geometry.metrics import EPS2, Regulariser

SINKS = ("free", "forced", "excluded")


def terminal_text(gain, selection, distribution, headline_eps2: float) -> str:
    """The context study for a terminal, at most 110 columns: two lines per model.

    Parameters
    ----------
    gain, selection, distribution : pandas.DataFrame
        The aggregates.
    headline_eps2 : float
        The gain shown has λ = nε²/d.
    """
    k, regulariser = shown_k(selection), str(Regulariser(EPS2, headline_eps2))
    lines = [f"Context: last layer, λ = nε²/d with ε² = {headline_eps2:g}; 95 % intervals"]
    gain = _by_model(gain, layer="final", regulariser=regulariser)
    selection = _by_model(selection, selector="attention_mean")
    head = ["model", "N", "gain", "and surprisal", "twins", f"lasso k={k}", "for 90 %", "random",
            "verdict"]  # fmt: skip
    for corpus, models in distribution.groupby("corpus", sort=False):
        lines += ["", f"{corpus}, texts of {models['n'].iloc[0]} tokens"]
        cells = [_cells(gain, selection, row, k) for _, row in models.iterrows()]
        lines += report_table.terminal([head, *cells])
    lines += [
        "",
        "gain: nats/token; and surprisal: partial Spearman given position, frequency, repetition;",
        "twins: that of untrained states with the trained model's surprisal; lasso: texts in which",
        "it beats mean attention, held out (p: Holm); for 90 %: share of the earlier tokens",
        "that brings back 90 % of their effect on the prediction, under the selector below the",
        "verdict. See docs/verdicts.md",
        "",
    ]
    return "\n".join(lines)


def _cells(gain: dict, selection: dict, row: pd.Series, k: int) -> list[str]:
    """One model's cells in the terminal, from its row of the distribution."""
    key = row["corpus"], row["model"]
    mean = _row_of(gain[key], metric="gain_mean")
    partial = _row_of(gain[key], metric="partial_surprisal")
    rival = _row_of(selection[key], sink="free", k=k)
    wins = MISSING
    if np.isfinite(rival["lasso_wins"]):
        wins = f"{percent(rival['lasso_wins'], 0)}\np {p_value(rival['wilcoxon_p_holm'])}"
    needed = percent_interval(row["share90_low"], row["share90_high"], 0)
    share = percent(row["share90"], 0)
    if needed and share == MISSING:
        share = "not reached"
    partial_ends = interval(partial["low"], partial["high"], 2, signed=True)
    return [
        row["model"], count(row["N"]), number(mean["y"]),
        f"{number(partial['y'], 2, signed=True)}\n{partial_ends}",
        number(partial["untrained_on_trained"], 2, signed=True),
        wins, f"{share}\n{needed}", percent(row["share90_random"], 0),
        f"{row['verdict'].replace('not available', MISSING)}\n{row['best_selector']}",
    ]  # fmt: skip


def markdown_text(gain, selection, distribution, headline_eps2: float) -> str:
    """The context study as Markdown: the smallest and largest model of each family in numbers.

    Then the share of texts in which lasso beats mean attention at each k, and a sentence a model.
    Parameters are those of `terminal_text`.
    """
    regulariser = str(Regulariser(EPS2, headline_eps2))
    lines = [
        "# Context",
        "",
        f"Last layer, λ = nε²/d with ε² = {headline_eps2:g}; 95 % intervals over resampled text "
        "clusters. Gain in nats/token. The partial Spearman correlation of gain with surprisal is "
        "given position, token frequency and repetition. Columns: results/README.md; the verdict: "
        "docs/verdicts.md.",
    ]
    ks = sorted(selection["k"].unique())
    gain = _by_model(gain, layer="final", regulariser=regulariser)
    selection = _by_model(selection, selector="attention_mean")
    for (corpus, family), models in distribution.groupby(["corpus", "family"], sort=False):
        by_size = models.sort_values("N", kind="stable")
        shown = by_size.iloc[[0, -1]].drop_duplicates("model")
        lines += ["", f"## {family} on {corpus}", ""]
        lines += report_table.markdown(
            ["model", "N", "gain", "twins", "random", "ridge share", "gain and surprisal",
             "twins and their own", "twins and the model's", "largest residual of the identity"],
            [_gain_cells(row, gain[corpus, row["model"]]) for _, row in shown.iterrows()],
        )  # fmt: skip
        lines += ["", "Share of texts in which lasso explains more of the held-out coordinates than"
                  " mean attention (p: Wilcoxon, Holm over k).", ""]  # fmt: skip
        lines += _lasso_table({name: selection[corpus, name] for name in shown["model"]}, ks)
        lines += ["", *(f"- {row['sentence']}" for _, row in models.iterrows())]
    return "\n".join([*lines, ""])


def _gain_cells(model: pd.Series, gain: pd.DataFrame) -> list[str]:
    """One model's cells of the table of gains, from its row of the distribution and its gains."""
    mean, ridge, partial = (
        _row_of(gain, metric=name) for name in ("gain_mean", "ridge_share", "partial_surprisal")
    )
    residual = max(mean["largest_residual_ridge"], mean["largest_residual_slogdet"])
    return [
        model["model"], count(model["N"]),
        *(number(mean[column], 4) for column in ("y", "untrained", "random")), percent(ridge["y"]),
        estimate(partial["y"], partial["low"], partial["high"], 2, signed=True),
        *(number(partial[column], 2, signed=True)
          for column in ("untrained", "untrained_on_trained")),
        scientific(residual, 0),
    ]  # fmt: skip


def _lasso_table(models: dict[str, pd.DataFrame], ks: list) -> list[str]:
    """Name → a model's rows of the selector attention_mean, as lines of a table."""
    rows = []
    for name, selection in models.items():
        for sink in SINKS:
            rivals = [_row_of(selection, sink=sink, k=k) for k in ks]
            rows.append([name, sink, *map(_wins, rivals)])
    return report_table.markdown(["model", "first token", *(f"k = {k}" for k in ks)], rows)


def _wins(rival: pd.Series) -> str:
    """How often lasso beats a rival."""
    if not np.isfinite(rival["lasso_wins"]):
        return MISSING
    return f"{percent(rival['lasso_wins'], 0)} (p {p_value(rival['wilcoxon_p_holm'])})"


def _row_of(frame: pd.DataFrame, **columns) -> pd.Series:
    """The one row where the columns have these values; NaNs if there is none."""
    equal = np.logical_and.reduce([frame[name] == value for name, value in columns.items()])
    rows = frame[equal]
    return rows.iloc[0] if len(rows) else pd.Series(np.nan, index=frame.columns)


def _by_model(frame: pd.DataFrame, **columns) -> dict[tuple, pd.DataFrame]:
    """(corpus, model) → its rows where the columns have these values; none for all others.

    So that a line of one model does not search the rows of a thousand.
    """
    equal = np.logical_and.reduce([frame[name] == value for name, value in columns.items()])
    empty = frame.iloc[:0]
    return defaultdict(lambda: empty, iter(frame[equal].groupby(["corpus", "model"], sort=False)))
