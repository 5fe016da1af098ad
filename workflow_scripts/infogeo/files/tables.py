"""Tables for readers: how numbers are written, and whole files of CSV and text."""

import numpy as np
import pandas as pd

from infogeo.files.artefacts import replacing


def number(value: float, digits: int = 3) -> str:
    """A signed number, or n/a."""
    return f"{value:+.{digits}f}" if np.isfinite(value) else "n/a"


def interval(low: float, high: float) -> str:
    """The ends of an interval, or nothing."""
    return f"{number(low)}..{number(high)}" if np.isfinite(low) and np.isfinite(high) else ""


def share(value: float) -> str:
    """A rate in percent, or n/a."""
    return f"{100 * value:.1f} %" if np.isfinite(value) else "n/a"


def count(N: float) -> str:
    """A number of parameters: 12345 → 12.3k."""
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if size <= N:
            return f"{N / size:.3g}{unit}"
    return f"{N:.0f}"


def markdown_table(head: list[str], rows: list[list[str]]) -> list[str]:
    """Lines of a Markdown table."""
    return [
        "| " + " | ".join(head) + " |",
        "|" + " --- |" * len(head),
        *("| " + " | ".join(row) + " |" for row in rows),
    ]


def write_csv(frame: pd.DataFrame, path) -> None:
    """Write a table as CSV with ten significant digits, whole or not at all."""
    with replacing(path) as temporary:
        frame.to_csv(temporary, index=False, float_format="%.10g", lineterminator="\n")


def write_text(text: str, path) -> None:
    """Write a text file (UTF-8), whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
