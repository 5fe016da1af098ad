"""What a finished run says last: the claims, the files to open, the time it took."""

from pathlib import Path

from infogeo.jobs.progress import duration

MOST_LISTED = 8


def of_all(claims, files: dict[str, str], seconds: float) -> str:
    """The end of a run after which every table and figure is there.

    Parameters
    ----------
    claims : path-like
        The claims for a terminal.
    files : dict
        File to open → what it is.
    seconds : float
        What the run took.
    """
    width = max(map(len, files))
    lines = [f"{file:<{width}}  {what}" for file, what in files.items()]
    return _ending(Path(claims).read_text(), "Open", lines, seconds)


def of_part(files, begin: float, seconds: float) -> str:
    """The end of a run of some targets: the tables and figures that it made.

    Parameters
    ----------
    files : list of str
        Those that the workflow makes in all.
    begin : float
        When the run began, in seconds since the epoch.
    seconds : float
        What it took.
    """
    made = [file for file in files if Path(file).exists() and Path(file).stat().st_mtime >= begin]
    rest = len(made) - MOST_LISTED
    more = [f"and {rest} more in results/tables/ and results/figures/"] if rest > 0 else []
    return _ending("", "Made", made[:MOST_LISTED] + more, seconds)


def _ending(text: str, label: str, lines: list[str], seconds: float) -> str:
    labels = [label] + [""] * len(lines)
    rows = [f"{name:<6}{line}" for name, line in zip(labels, lines, strict=False)]
    above = [text] if text else []
    return "\n".join(["", *above, *rows, f"Took  {duration(seconds)}"])
