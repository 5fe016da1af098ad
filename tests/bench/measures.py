"""Like-named measures on the same states, one beside the other: the table of docs/measures.md.

Usage: python tests/bench/measures.py [folder of results] [corpus] [model] [layer ...]

The default is what `make real` leaves: SmolLM2-135M-Instruct, at its middle and its last layer.
"""

import re
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "workflow_scripts")]

from infogeo.files.artefacts import read_table
from infogeo.files.numbers import number

PAGE = ROOT / "docs/measures.md"
# What others call it, where they compute it: rows (scope), convention, metric here.
MEASURES = [
    ("effective rank, exp H", "tokens of a text", "text", "unit", "effective_rank"),
    ("effective rank, exp H, as of Diff-eRank", "tokens of a text", "text", "centred",
     "effective_rank"),
    ("effective rank, exp H", "a mean a text", "means", "raw_centred", "effective_rank"),
    ("the same of singular values: RankMe", "a mean a text", "means", "raw", "rankme"),
    ("exp H of eigenvalues, called RankMe too", "a mean a text", "means", "raw", "effective_rank"),
    ("RankMe", "a last token a text", "last", "raw", "rankme"),
    ("participation ratio", "tokens of a text", "text", "centred", "participation_ratio"),
    ("participation ratio", "a mean a text", "means", "raw_centred", "participation_ratio"),
    ("stable rank", "a mean a text", "means", "raw", "stable_rank"),
    ("NESum", "a mean a text", "means", "raw_centred", "stable_rank"),
    ("α-ReQ", "a mean a text", "means", "raw_centred", "alpha_req"),
    ("… its least value over ranges", "a mean a text", "means", "raw_centred", "alpha_req_low"),
    ("… its largest", "a mean a text", "means", "raw_centred", "alpha_req_high"),
    ("share of the largest eigenvalue", "a mean a text", "means", "raw_centred",
     "top_share[k=1]"),
]  # fmt: skip


def main(results: Path, corpus: str, model: str, layers: list[str]) -> None:
    table = read_table(results / f"entropy/{corpus}/{model}.parquet")
    table = table[table["n"] == table["n"].max()]
    means = table.groupby(["scope", "convention", "first", "metric", "layer"])["value"].mean()
    head = [f"layer {layer}" for layer in layers]
    lines = ["| called | of | column here | " + " | ".join(head) + " | without the first token |",
             "|---|---|---|" + "---|" * len(layers) + "---|"]  # fmt: skip
    for called, rows, scope, convention, metric in MEASURES:
        first = "" if scope == "last" else "in"
        cells = [means.get((scope, convention, first, metric, layer), np.nan) for layer in layers]
        without = [means.get((scope, convention, "out", metric, layer), np.nan) for layer in layers]
        out = "–" if scope == "last" else ", ".join(number(value, 2) for value in without)
        words = " | ".join(number(value, 2) for value in cells)
        lines.append(f"| {called} | {rows} | `{metric}`, {scope}, {convention} | {words} | {out} |")
    text = "\n".join(lines)
    print(text)
    begin, end = "<!-- table -->", "<!-- end -->"
    page = re.sub(f"{begin}.*{end}", f"{begin}\n{text}\n{end}", PAGE.read_text(), flags=re.S)
    PAGE.write_text(page)


if __name__ == "__main__":
    given = sys.argv[1:]
    defaults = [str(ROOT / "scratch/real/results"), "docstrings", "smollm2"]
    results, corpus, model = given[:3] + defaults[len(given[:3]) :]
    main(Path(results), corpus, model, given[3:] or ["15", "final"])
