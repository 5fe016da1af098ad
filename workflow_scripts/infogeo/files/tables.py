"""Whole files of CSV and text."""

import pandas as pd

from infogeo.files.artefacts import replacing


def write_csv(frame: pd.DataFrame, path) -> None:
    """Write a table as CSV with ten significant digits, whole or not at all."""
    with replacing(path) as temporary:
        frame.to_csv(temporary, index=False, float_format="%.10g", lineterminator="\n")


def write_text(text: str, path) -> None:
    """Write a text file (UTF-8), whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def joined(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """Tables of the same columns as one; those without rows leave no trace in its types."""
    return pd.concat([frame for frame in frames if len(frame)] or frames[:1], ignore_index=True)
