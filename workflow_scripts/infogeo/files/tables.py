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
