"""The context study for readers: Markdown and text for a terminal, from its aggregates."""

from collections import defaultdict

import numpy as np
import pandas as pd

from infogeo.context.selection_summary import shown_k
from infogeo.files import tables
from infogeo.geometry.metrics import EPS2, Regulariser


def _correlation(value, low, high) -> str:
    if not np.isfinite(value):
        return "n/a"
    text = f"{value:+.2f} {low:+.2f}..{high:+.2f}" if np.isfinite(low) else f"{value:+.2f}"
    return text.replace("0.", ".")


def _percent(value, low=np.nan, high=np.nan) -> str:
    if not (np.isfinite(value) or np.isfinite(low)):
        return "n/a"
    point = f"{100 * value:.0f} %" if np.isfinite(value) else "not reached"
    return f"{point} {100 * low:.0f}..{100 * high:.0f}" if np.isfinite(low) else point


def _p(value: float) -> str:
    return f"{value:.0e}" if value < 0.001 else f"{value:.3f}"


def _at(frame: pd.DataFrame, **where) -> pd.Series:
    """The one row where the columns have these values; NaNs if there is none."""
    some = np.logical_and.reduce([frame[name] == value for name, value in where.items()])
    rows = frame[some]
    return rows.iloc[0] if len(rows) else pd.Series(np.nan, index=frame.columns)


def _by_model(frame: pd.DataFrame, **where) -> dict[tuple, pd.DataFrame]:
    """(corpus, model) → its rows where the columns have these values; none for all others.

    So that a line of one model does not search the rows of a thousand.
    """
    some = np.logical_and.reduce([frame[name] == value for name, value in where.items()])
    empty = frame.iloc[:0]
    return defaultdict(lambda: empty, iter(frame[some].groupby(["corpus", "model"], sort=False)))


def _cells(gain: dict, selection: dict, row: pd.Series, k: int) -> list[str]:
    """One model's line in the terminal, from its row of the distribution."""
    at = row["corpus"], row["model"]
    mean = _at(gain[at], metric="gain_mean")["y"]
    partial = _at(gain[at], metric="partial_surprisal")
    rival = _at(selection[at], sink="free", k=k)
    wins = "n/a"
    if np.isfinite(rival["lasso_wins"]):
        wins = f"{_percent(rival['lasso_wins'])} p {_p(rival['wilcoxon_p_holm'])}"
    return [
        row["model"], tables.count(row["N"]), f"{mean:.3f}" if np.isfinite(mean) else "n/a",
        _correlation(partial["y"], partial["low"], partial["high"]),
        _correlation(partial["untrained_on_trained"], np.nan, np.nan), wins,
        _percent(row["share90"], row["share90_low"], row["share90_high"]),
        row["best_selector"] or "-", _percent(row["share90_random"]),
        row["verdict"].replace("not available", "n/a"),
    ]  # fmt: skip


def terminal_text(gain, selection, distribution, headline_eps2: float) -> str:
    """The context study for a terminal: a line per model.

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
    head = ["model", "N", "gain", "and surprisal", "twins", f"lasso k={k}", "for 90 %",
            "under", "random", "verdict"]  # fmt: skip
    for corpus, models in distribution.groupby("corpus", sort=False):
        rows = [head, *(_cells(gain, selection, row, k)
                        for _, row in models.iterrows())]  # fmt: skip
        lines += ["", f"{corpus}, texts of {models['n'].iloc[0]} tokens"]
        widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
        for row in rows:
            cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
            lines.append("  ".join(cells).rstrip())
    lines += [
        "",
        "gain: nats/token; and surprisal: partial Spearman given position and token frequency, and",
        "twins: that of untrained states with the trained model's surprisal; lasso: texts in which",
        "it beats mean attention, held out (p: Holm); for 90 %: share of the earlier tokens",
        "that brings back 90 % of their effect on the prediction. See docs/verdicts.md",
        "",
    ]
    return "\n".join(lines)


def markdown_text(gain, selection, distribution, headline_eps2: float) -> str:
    """The context study as Markdown: the smallest and largest model of each family, the share of
    texts in which lasso beats mean attention at each k, and one sentence per model.

    Parameters are those of `terminal_text`.
    """
    regulariser = str(Regulariser(EPS2, headline_eps2))
    lines = [
        "# Context",
        "",
        f"Last layer, λ = nε²/d with ε² = {headline_eps2:g}; 95 % intervals over resampled text "
        "clusters. Gain in nats/token. The partial Spearman correlation of gain with surprisal is "
        "given position and log token frequency. Columns: results/README.md; the verdict: "
        "docs/verdicts.md.",
    ]
    ks = sorted(selection["k"].unique())
    gain = _by_model(gain, layer="final", regulariser=regulariser)
    selection = _by_model(selection, selector="attention_mean")
    for (corpus, family), models in distribution.groupby(["corpus", "family"], sort=False):
        by_size = models.sort_values("N", kind="stable")
        shown = by_size.iloc[[0, -1]].drop_duplicates("model")
        lines += ["", f"## {family} on {corpus}", ""]
        rows = []
        for _, row in shown.iterrows():
            mean, ridge, partial = (
                _at(gain[corpus, row["model"]], metric=name)
                for name in ("gain_mean", "ridge_share", "partial_surprisal")
            )
            residual = max(mean["largest_residual_ridge"], mean["largest_residual_slogdet"])
            rows.append([
                row["model"], tables.count(row["N"]), f"{mean['y']:.4f}",
                f"{mean['untrained']:.4f}",
                f"{mean['random']:.4f}", tables.share(ridge["y"]),
                _correlation(partial["y"], partial["low"], partial["high"]),
                _correlation(partial["untrained"], np.nan, np.nan),
                _correlation(partial["untrained_on_trained"], np.nan, np.nan), f"{residual:.0e}",
            ])  # fmt: skip
        lines += tables.markdown_table(
            ["model", "N", "gain", "twins", "random", "ridge share", "gain and surprisal",
             "twins and their own", "twins and the model's", "largest residual of the identity"],
            rows,
        )  # fmt: skip
        lines += ["", "Share of texts in which lasso explains more of the held-out coordinates than"
                  " mean attention (p: Wilcoxon, Holm over k).", ""]  # fmt: skip
        lines += _lasso_table({name: selection[corpus, name] for name in shown["model"]}, ks)
        lines += ["", *(f"- {row['sentence']}" for _, row in models.iterrows())]
    return "\n".join([*lines, ""])


def _lasso_table(models: dict[str, pd.DataFrame], ks: list) -> list[str]:
    """Name → a model's rows of the selector attention_mean, as lines of a table."""
    rows = []
    for name, of_model in models.items():
        for sink in ("free", "forced", "excluded"):
            cells = [_at(of_model, sink=sink, k=k) for k in ks]
            rows.append([name, sink, *(
                f"{_percent(cell['lasso_wins'])} (p {_p(cell['wilcoxon_p_holm'])})"
                if np.isfinite(cell["lasso_wins"]) else "n/a"
                for cell in cells
            )])  # fmt: skip
    return tables.markdown_table(["model", "first token", *(f"k = {k}" for k in ks)], rows)
