"""Where the benches keep the error rates that the table of claims prints."""

import csv
from pathlib import Path

RATES = Path(__file__).parents[2] / "workflow_scripts/infogeo/claims/error_rates.csv"
COLUMNS = ["rule", "verdict", "truth", "rate", "simulations", "program"]


def record(program: str, rows: list[tuple]) -> None:
    """Put a program's rows (rule, verdict, truth, rate 0 … 1, simulations) in place of its old.

    Not where these rest on more simulations: a short try is no measurement.
    """
    with RATES.open(newline="", encoding="utf-8") as file:
        recorded = list(csv.DictReader(file))
    kept = [row for row in recorded if row["program"] != program]
    old = [int(row["simulations"]) for row in recorded if row["program"] == program]
    before = max(old, default=0)
    if max(simulations for *_, simulations in rows) < before:
        print(f"not recorded: the rates in {RATES.name} rest on up to {before} simulations")
        return
    for *about, rate, simulations in rows:
        values = (*about, f"{rate:.4g}", simulations, program)
        kept.append(dict(zip(COLUMNS, values, strict=True)))
    kept.sort(key=lambda row: (row["rule"], row["verdict"], row["program"]))
    with RATES.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(kept)
    print(f"recorded in {RATES.name}")
