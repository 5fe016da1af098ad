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


def ends_of_runs(frame: pd.DataFrame) -> pd.DataFrame:
    """Of models that are one run at several steps the last step, and the models without a run.

    Steps of a run are no models of the same size: what compares models takes the last of them.

    Parameters
    ----------
    frame : pandas.DataFrame
        With columns run ("" without one) and step.
    """
    last = frame.groupby("run")["step"].transform("max")
    return frame[(frame["run"] == "") | (frame["step"] == last)]


def joined(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """Tables of the same columns as one; those without rows leave no trace in its types."""
    return pd.concat([frame for frame in frames if len(frame)] or frames[:1], ignore_index=True)
