"""The laws declared before the run for readers: Markdown and text for a terminal."""

import textwrap

import pandas as pd

from infogeo.files import report_table
from infogeo.files.numbers import estimate, interval, number, percent
from infogeo.geometry.metrics import parse_metric
from infogeo.laws import first_token

EXPONENTS = {
    "exponent": "raw",
    "excess_width": "over width law",
    "excess_random": "over random",
    "excess_untrained": "over twins",
    "excess_reading": "over better reading",
    "depth_exponent": "fixed width",
}
COLUMNS = 90  # of a terminal


def headline(laws: pd.DataFrame) -> pd.DataFrame:
    """The laws declared before the run, those of one corpus and family together."""
    return laws[laws["headline"]].sort_values(["corpus", "family"], kind="stable")


def with_beside(laws: pd.DataFrame) -> pd.DataFrame:
    """The headline laws, and as `beside` the exponents of the same without the first tokens."""
    key = ["corpus", "family", "scope", "metric", "depth", "convention", "n", "axis"]
    ends = ["exponent", "exponent_low", "exponent_high"]
    beside = laws.loc[laws["first"] == "out", [*key, *ends]]
    beside = beside.rename(columns={name: name.replace("exponent", "beside") for name in ends})
    return headline(laws).merge(beside, "left", on=key, validate="1:1")


def terminal_text(laws: pd.DataFrame, profiles: pd.DataFrame) -> str:
    """The headline laws for a terminal, in COLUMNS: exponents over the ends of their intervals.

    Parameters
    ----------
    laws, profiles : pandas.DataFrame
        results/scaling/laws.parquet and profiles.parquet.
    """
    lines = ["Exponents of N with 95 % intervals, and whether the metric falls with N by itself"]
    declared = headline(laws)
    if not len(declared):
        return "\n".join([*lines, "no headline law: see headline in the configuration", ""])
    for _, group in declared.groupby(["corpus", "family"], sort=False):
        first = group.iloc[0]
        lines += ["", *report_table.wrapped(f"{_title(first)}: {_size(first)}", width=COLUMNS)]
        rows = [["metric, verdict", *(textwrap.fill(name, 10) for name in EXPONENTS.values())]]
        rows += [
            [_terminal_name(law), *(_stacked(law, column) for column in EXPONENTS)]
            for _, law in group.iterrows()
        ]
        lines += report_table.terminal(rows)
        for problem, laws_of in group[group["problems"] != ""].groupby("problems", sort=False):
            note = f"note, {', '.join(laws_of['metric'])}: {problem}"
            lines += report_table.wrapped(note, width=COLUMNS)
    for sentence in _first_token(declared, profiles):
        lines += ["", *report_table.wrapped(sentence, width=COLUMNS)]
    return "\n".join([*lines, ""])


def markdown_text(laws: pd.DataFrame, profiles: pd.DataFrame) -> str:
    """The headline laws as Markdown tables, verdicts with their false-verdict rates.

    Parameters
    ----------
    laws, profiles : pandas.DataFrame
        results/scaling/laws.parquet and profiles.parquet.
    """
    lines = [
        "# Scaling laws declared before the run",
        "",
        "Exponents of N with 95 % intervals: robust t (HC2, Bell–McCaffrey), texts resampled by "
        "cluster. n/a: the control does not apply or could not be estimated. Columns and rules: "
        "results/README.md and docs/verdicts.md.",
    ]
    declared, columns = with_beside(laws), [*EXPONENTS, "beside"]
    for _, group in declared.groupby(["corpus", "family"], sort=False):
        lines += ["", f"## {_title(group.iloc[0])}", ""]
        lines += report_table.markdown(
            ["metric", *EXPONENTS.values(), "raw, without the first token"],
            [
                [_name(law), *(_exponent(law, column) for column in columns)]
                for _, law in group.iterrows()
            ],
        )
        lines += ["", *report_table.markdown(
            ["metric", "falls with N", "false “supported”", "false “artefact”", "power-law form",
             "false “supported”", "power", "held-out largest model: error", "from"],
            [
                [
                    _name(law), law["falls_verdict"], percent(law["falls_false_supported"]),
                    percent(law["falls_false_artefact"]), law["form_verdict"],
                    percent(law["form_false_supported"]), percent(law["form_power"]),
                    percent(law["held_out_error"]), _size(law),
                ]
                for _, law in group.iterrows()
            ],
        )]  # fmt: skip
        notes = [f"- {_name(law)}: {law['problems']}" for _, law in group.iterrows()
                 if law["problems"]]  # fmt: skip
        lines += ["", *notes] if notes else []
    moved = [f"- {sentence}" for sentence in _first_token(declared, profiles)]
    lines += ["", "## First token", "", *moved] if moved else []
    return "\n".join([*lines, ""])


def _first_token(declared: pd.DataFrame, profiles: pd.DataFrame) -> list[str]:
    return [text for n in declared["n"].unique() for text in first_token.sentences(profiles, n)]


def _title(law: pd.Series) -> str:
    """What the laws of one corpus and family have in common."""
    axis = "non-embedding" if law["axis"] == "non_embedding" else "all"
    return f"{law['family']} on {law['corpus']}, texts of {law['n']} tokens, N = {axis} parameters"


def _size(law: pd.Series) -> str:
    texts = "" if pd.isna(law["texts"]) else f", {law['texts']} texts"
    return f"{law['points']} points ({law['models']} models){texts}"


def _name(law: pd.Series) -> str:
    return f"{law['metric']} ({law['convention']})" if law["convention"] else law["metric"]


def _terminal_name(law: pd.Series) -> str:
    """A metric, its convention and its verdict below each other."""
    base, regulariser = parse_metric(law["metric"])
    below = [law["convention"], f"[{regulariser}]" if regulariser else ""]
    return "\n".join([base, " ".join(filter(None, below)), law["falls_verdict"]])


def _stacked(law: pd.Series, column: str) -> str:
    """An exponent above the ends of its interval."""
    ends = interval(law[f"{column}_low"], law[f"{column}_high"], signed=True)
    return f" {number(law[column], signed=True)}\n" + ends.replace(", ", ",\n ")


def _exponent(law: pd.Series, column: str) -> str:
    return estimate(law[column], law[f"{column}_low"], law[f"{column}_high"], signed=True)
