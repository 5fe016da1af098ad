"""Tables of published values: read, and checked with all problems at once.

The Snakefile imports this module, so it needs nothing beyond the standard library.
"""

import csv
import math
from pathlib import Path

from infogeo.files.errors import stop_at

COLUMNS = ["family", "model", "N", "d", "corpus", "metric", "value"]
METRICS = ("entropy_over_ln_d", "entropy", "nll", "bits_per_byte", "predictive_entropy")


def read(paths) -> list[dict]:
    """The rows of the tables, in their order.

    Parameters
    ----------
    paths : iterable of path-like
        CSV files with COLUMNS, in any order.

    Returns
    -------
    list of dict
        COLUMNS with N, d as int and value as float, and `table`, the name of the file; the path
        where another table has that name.

    Raises
    ------
    InfogeoError
        Listing every problem of every table with file, line, column, value and what would be
        right.
    """
    rows, problems, paths = [], [], list(map(str, paths))
    names = [Path(path).name for path in paths]
    for path, name in zip(paths, names, strict=True):
        of_table, wrong = _read(path)
        # Results name no folder of the machine on which they were made.
        table = name if names.count(name) == 1 else path
        rows += [row | {"table": table} for row in of_table]
        problems += [f"{path}: {problem}" for problem in wrong]
    stop_at(problems, "The tables of published values")
    return rows


def _read(path: str) -> tuple[list[dict], list[str]]:
    if not Path(path).is_file():
        return [], ["no such file. `published` in the configuration lists the tables"]
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        return [], [f"byte {error.start} is not UTF-8; save the table as UTF-8"]
    lines = csv.reader(text.splitlines())
    header = [name.strip() for name in next(lines, [])]
    if sorted(header) != sorted(COLUMNS):
        return [], [f"the header is {','.join(header)!r}; it must be {','.join(COLUMNS)}"]
    rows, problems, first = [], [], {}
    for number, cells in enumerate(lines, start=2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(header):
            problems.append(f"line {number}: {len(cells)} cells under {len(header)} columns")
            continue
        texts = dict(zip(header, (cell.strip() for cell in cells), strict=True))
        row, wrong = _converted(texts)
        key = tuple(texts[name] for name in ("family", "model", "corpus", "metric"))
        if key in first:
            wrong.append(f"the same family, model, corpus and metric as line {first[key]}")
        first.setdefault(key, number)
        problems += [f"line {number}, {problem}" for problem in wrong]
        rows.append(row)
    return rows, problems if rows or problems else ["a header but no row"]


def _converted(cells: dict) -> tuple[dict, list[str]]:
    """A row with its types, and what is wrong with it."""
    row = {name: cells[name] for name in COLUMNS}
    problems = [f"{name}: empty" for name in ("family", "model", "corpus") if not cells[name]]
    if cells["metric"] not in METRICS:
        problems.append(f"metric: {cells['metric']!r} must be one of {', '.join(METRICS)}")
    for name, least in (("N", 1), ("d", 2)):
        if cells[name].isascii() and cells[name].isdigit() and int(cells[name]) >= least:
            row[name] = int(cells[name])
        else:
            problems.append(f"{name}: {cells[name]!r} must be a whole number of at least {least}")
    try:
        row["value"] = float(cells["value"])
    except ValueError:
        row["value"] = math.nan
    if not (math.isfinite(row["value"]) and row["value"] > 0):
        problems.append(f"value: {cells['value']!r} must be a number above 0")
    return row, problems
