"""README's table of verdicts, its picture and numbers in docs/, from results of the example.

Usage: python tests/bench/front_page.py [--check] [results]

Writes all of them. With --check nothing is written: the program ends with 1, and names the rows and
sentences, where a page differs from the results. `make results` ends with that check. What the
results do not have is not compared.
"""

import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "workflow_scripts"), str(ROOT / "tests/bench")]

import page_numbers
import pandas as pd

from infogeo.claims.report import estimate_text
from infogeo.files import report_table

FAMILY, CORPUS = "ladder", "docstrings"
PICTURE = f"figures/{CORPUS}/entropy_scaling.png"
BEGIN, END = "<!-- from results: make front-page -->\n", "<!-- end -->\n"
HEAD = ["claim, on the built-in example", "number", "control", "verdict"]

# A claim in README's words; claim and metric in claims.csv; how its number and control are put.
ROWS = [
    ("normalised entropy falls with N", "falls beyond the controls", "entropy_over_ln_d centred",
     "exponent {}", "over the width law {}"),
    ("the loss falls with N", "falls beyond the controls", "nll",
     "exponent {}", "at fixed width {}"),
    ("Lasso beats attention", "Lasso sometimes beats attention", "",
     "in {} of texts", "chance {}"),
    ("information is distributed", "information is distributed over tokens", "",
     "{} of tokens for 90 %", "at random {}"),
    ("covariances separate better than means", "covariances separate better than means",
     "js_centred", "AUC {}", "without the mean {}"),
]  # fmt: skip


def table(claims: pd.DataFrame) -> list[str]:
    """The lines of README's table; none where a claim is not among the results."""
    claims = claims[(claims["family"] == FAMILY) & (claims["corpus"] == CORPUS)]
    rows = []
    for title, claim, metric, number, control in ROWS:
        of = claims[(claims["claim"] == claim) & (claims["metric"] == metric)]
        if of.empty:
            return []
        row = of.iloc[0]
        number, control = (
            words.format(estimate_text(row, prefix))
            for words, prefix in ((number, ""), (control, "control_"))
        )
        rows.append([title, number, control, row["verdict"]])
    return [f"{line}\n" for line in report_table.markdown(HEAD, rows)]


def split(readme: str) -> tuple[str, str, str]:
    """README before its table, the table, and what follows."""
    before, _, rest = readme.partition(BEGIN)
    lines, _, after = rest.partition(END)
    return before + BEGIN, lines, END + after


def main(results: Path, readme: Path, check: bool) -> int:
    """Write README's table, or compare it; the program's exit status."""
    path = results / "tables/claims.csv"
    lines = table(pd.read_csv(path).fillna({"metric": ""})) if path.exists() else []
    before, shown, after = split(readme.read_text())
    if not lines:
        if check:
            return 0
        print(f"{path} lacks claims of README's table; make them: make results", file=sys.stderr)
        return 1
    if not check:
        readme.write_text(before + "".join(lines) + after)
        shutil.copyfile(results / PICTURE, readme.parent / "docs/entropy_scaling.png")
        return 0
    if "".join(lines) == shown:
        return 0
    different = [line for line in lines if line not in shown]
    print(
        f"README's table differs from {path}, which has:\n{''.join(different)}"
        "Models trained on another processor differ in last digits. To write these: make front-page"
    )
    return 1


if __name__ == "__main__":
    arguments = sys.argv[1:]
    check = "--check" in arguments
    folders = [Path(name) for name in arguments if name != "--check"]
    results = folders[0] if folders else ROOT / "results"
    status = main(results, ROOT / "README.md", check)
    sys.exit(page_numbers.main(results, ROOT / "docs", check) or status)
