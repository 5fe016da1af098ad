"""The laws declared before the run for readers: Markdown and text for a terminal."""

import pandas as pd

from infogeo.files import tables
from infogeo.geometry.metrics import parse_metric

EXPONENTS = {
    "exponent": "raw",
    "excess_width": "over width law",
    "excess_random": "over random",
    "excess_untrained": "over twins",
    "depth_exponent": "fixed width",
}


def headline(laws: pd.DataFrame) -> pd.DataFrame:
    """The laws declared before the run, those of one corpus and family together."""
    return laws[laws["headline"]].sort_values(["corpus", "family"], kind="stable")


def _about(law: pd.Series) -> str:
    """What the laws of one corpus and family have in common."""
    axis = "non-embedding" if law["axis"] == "non_embedding" else "all"
    return f"{law['family']} on {law['corpus']}, texts of {law['n']} tokens, N = {axis} parameters"


def _size(law: pd.Series) -> str:
    texts = "" if pd.isna(law["texts"]) else f", {law['texts']} texts"
    return f"{law['points']} points ({law['models']} models){texts}"


def terminal_text(laws: pd.DataFrame) -> str:
    """The headline laws for a terminal, at most 110 columns: exponents over their intervals.

    Parameters
    ----------
    laws : pandas.DataFrame
        results/scaling/laws.parquet.
    """
    lines = ["Exponents of N with 95 % intervals, and whether the metric falls with N by itself"]
    chosen = headline(laws)
    if not len(chosen):
        return "\n".join([*lines, "no headline law: see headline in the configuration", ""])
    for _, group in chosen.groupby(["corpus", "family"], sort=False):
        first = group.iloc[0]
        lines += ["", f"{_about(first)}: {_size(first)}"]
        rows = [["metric", *EXPONENTS.values(), "verdict"]]
        for _, law in group.iterrows():
            bounds = [
                tables.interval(law[f"{name}_low"], law[f"{name}_high"]) for name in EXPONENTS
            ]
            base, regulariser = parse_metric(law["metric"])
            below = [law["convention"], f"[{regulariser}]" if regulariser else ""]
            rows.append([base, *(tables.number(law[c]) for c in EXPONENTS), law["falls_verdict"]])
            rows.append([" ".join(filter(None, ["", *below])), *bounds, ""])
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        for row in rows:
            cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
            lines.append(" ".join(cells).rstrip())
        lines += [f"note, {law['metric']}: {law['problems']}"
                  for _, law in group.iterrows() if law["problems"]]  # fmt: skip
    return "\n".join([*lines, ""])


def markdown_text(laws: pd.DataFrame) -> str:
    """The headline laws as Markdown tables, verdicts with their false-verdict rates.

    Parameters
    ----------
    laws : pandas.DataFrame
        results/scaling/laws.parquet.
    """
    lines = [
        "# Scaling laws declared before the run",
        "",
        "Exponents of N with 95 % intervals: robust t (HC2, Bell–McCaffrey), texts resampled by "
        "cluster. n/a: the control does not apply or could not be estimated. Columns and rules: "
        "results/README.md and docs/verdicts.md.",
    ]
    for _, group in headline(laws).groupby(["corpus", "family"], sort=False):
        lines += ["", f"## {_about(group.iloc[0])}", ""]
        lines += tables.markdown_table(
            ["metric", *EXPONENTS.values()],
            [
                [_name(law), *(_estimate(law, column) for column in EXPONENTS)]
                for _, law in group.iterrows()
            ],
        )
        lines += ["", *tables.markdown_table(
            ["metric", "falls with N", "false “supported”", "false “artefact”", "power-law form",
             "false “supported”", "power", "held-out largest model: error", "from"],
            [
                [
                    _name(law), law["falls_verdict"], tables.share(law["falls_false_supported"]),
                    tables.share(law["falls_false_artefact"]), law["form_verdict"],
                    tables.share(law["form_false_supported"]), tables.share(law["form_power"]),
                    tables.share(law["held_out_error"]), _size(law),
                ]
                for _, law in group.iterrows()
            ],
        )]  # fmt: skip
        notes = [f"- {_name(law)}: {law['problems']}" for _, law in group.iterrows()
                 if law["problems"]]  # fmt: skip
        lines += ["", *notes] if notes else []
    return "\n".join([*lines, ""])


def _name(law: pd.Series) -> str:
    return f"{law['metric']} ({law['convention']})" if law["convention"] else law["metric"]


def _estimate(law: pd.Series, column: str) -> str:
    bounds = tables.interval(law[f"{column}_low"], law[f"{column}_high"])
    return (
        f"{tables.number(law[column], 4)} [{bounds}]" if bounds else tables.number(law[column], 4)
    )
