"""Numbers of the built-in example in the sentences of docs/, from the tables of its results.

A sentence is a template whose {} are numbers; `front_page.py` writes or compares all of them.
"""

import re
from pathlib import Path

import numpy as np
import pandas as pd

from infogeo.files.numbers import estimate, number, percent, percent_interval, scientific

EXAMPLE = {"family": "ladder", "corpus": "docstrings"}


class AbsentError(Exception):
    """The results have no such table or row."""


class Results:
    """The tables of a folder of results."""

    def __init__(self, folder: Path):
        self.folder = folder

    def rows(self, table: str, **wanted) -> pd.DataFrame:
        """The rows of a table with these values; an empty cell is ""."""
        path = self.folder / table
        if not path.exists():
            raise AbsentError(path)
        frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
        for name, value in wanted.items():
            column = frame[name].fillna("") if isinstance(value, str) else frame[name]
            frame = frame[column == value]
        if frame.empty:
            raise AbsentError(f"{path}: {wanted}")
        return frame

    def row(self, table: str, **wanted) -> pd.Series:
        """The first of these rows."""
        return self.rows(table, **wanted).iloc[0]


def span(shares, written) -> str:
    """A range of numbers, written once where both ends are alike: 2–9 %."""
    low, high = written(np.min(shares)), written(np.max(shares))
    return high if low == high else f"{low.removesuffix(' %')}–{high}"


def percents(shares) -> str:
    return span(shares, lambda share: percent(share, 0))


def with_ends(row: pd.Series, name: str, factor: float = 1, digits: int = 3, **signed) -> str:
    """A column of a row with its interval."""
    ends = (row[column] * factor for column in (name, f"{name}_low", f"{name}_high"))
    return estimate(*ends, digits, **signed)


def identity(results: Results) -> list[str]:
    """The next power of ten: what rounding leaves differs from one processor to another."""
    row = results.row("tables/claims.csv", **EXAMPLE, claim="information gain is the ridge form")
    return [scientific(10 ** np.ceil(np.log10(row["estimate"])), 0)]


def concentrated(results: Results) -> list[str]:
    claim = "information is distributed over tokens"
    row = results.row("tables/claims.csv", **EXAMPLE, claim=claim)
    ends = percent_interval(row["low"], row["high"], 0)
    return [f"{percent(row['estimate'], 0)} {ends}"]


def published(results: Results) -> list[str]:
    row = results.row("tables/published_laws.csv", family="pythia", corpus="dolly",
                      metric="entropy_over_ln_d")  # fmt: skip
    names = ("exponent", "excess_width")
    return [*(with_ends(row, name, signed=True) for name in names), row["falls_verdict"]]


def lasso(results: Results) -> list[str]:
    rows = results.rows("tables/token_selection.csv", **EXAMPLE, selector="attention_mean",
                        sink="free", k=8)  # fmt: skip
    return [percents(rows["lasso_wins"])]


def tokens_needed(results: Results) -> list[str]:
    rows = results.rows("context/distribution.parquet", **EXAMPLE)
    return [percents(rows[name]) for name in ("share90", "share90_random")]


def correlations(results: Results, *columns: str) -> list[str]:
    rows = results.rows("tables/information_gain.csv", **EXAMPLE, layer="final",
                        regulariser="eps2=0.5", metric="partial_surprisal")  # fmt: skip
    return [span(rows[name], lambda value: number(value, 2)) for name in columns]


def trend(results: Results) -> pd.Series:
    return results.row("tables/sentence_trends.csv", **EXAMPLE, headline=True)


def per_decade(results: Results, name: str) -> str:
    return with_ends(trend(results), name, factor=np.log(10), signed=True)


def coverage(results: Results) -> list[str]:
    rows = results.rows("tables/skills.csv")
    return [percents(rows.loc[rows["n_low"] >= 100, "coverage"])]


def theory(results: Results, quantity: str) -> list[str]:
    row = results.row("tables/theory.csv", **EXAMPLE, quantity=quantity)
    return [estimate(row["value"], row["low"], row["high"])]


def dimensions(results: Results, layer: str, scope: str) -> pd.Series:
    """TwoNN of a layer of the largest model, at its largest n."""
    rows = results.rows("tables/intrinsic_dimension.csv", **EXAMPLE, estimator="two_nn",
                        scope=scope, layer=layer)  # fmt: skip
    rows = rows[(rows["N"] == rows["N"].max()) & (rows["first"] != "out")]
    return rows.loc[rows["n"].idxmax()]


def dimension(results: Results, scope: str) -> list[str]:
    row = dimensions(results, "final", scope)
    null = estimate(row["null"], row["null_low"], row["null_high"], 1)
    value = estimate(row["value"], row["low"], row["high"], 1)
    return [value, number(row["untrained"], 1), null]


def embeddings(results: Results) -> list[str]:
    row = dimensions(results, "0", "tokens")
    counts = (f"{int(row[name]):,}" for name in ("duplicates", "rows"))
    return [number(row["value"], 0), *counts]


# Page, template, and the numbers in the places of its {}.
SENTENCES = [
    ("reading.md", "is the ridge form, to {} nats.", identity),
    ("reading.md", "at most {} of the tokens bring back 90 %", concentrated),
    ("reading.md", "has an exponent of {}. The entropy itself has one of {}: *{}*.", published),
    ("reading.md", "than mean attention's in {} of texts (k = 8).", lasso),
    ("reading.md", "comes back with the {} of tokens that attention or recency ranks first, "
     "against {} at random", tokens_needed),
    ("reading.md", "correlation with surprisal is {}, and one random vector for every type of "
     "token reaches {}.", lambda results: correlations(results, "spearman", "types_spearman")),
    ("reading.md", "held fixed, {} are left, against {} of untrained geometry.",
     lambda results: correlations(results, "y", "untrained_on_trained")),
    ("reading.md", "example ({} docstrings", lambda results: [str(trend(results)["texts"])]),
    ("reading.md", "Covariances have an AUC of {}.",
     lambda results: [with_ends(trend(results), "value")]),
    ("reading.md", "once the mean over texts is removed, is {}.",
     lambda results: [with_ends(trend(results), "minus_cosine_centred", signed=True)]),
    ("reading.md", "The AUC changes by {} for ten times the parameters.",
     lambda results: [per_decade(results, "slope")]),
    ("reading.md", "Beyond the untrained twins it changes by {}: *{}*.",
     lambda results: [per_decade(results, "excess_slope"), trend(results)["trend_verdict"]]),
    ("reading.md", "hold the known exponents in {} of tables", coverage),
    ("reading.md", "They hold them in as few as {} where", lambda results: [
        percent(results.rows("tables/skills.csv")["coverage"].min(), 0)]),
    ("reading.md", "imply a product αγ of {}.", lambda results: theory(results, "alpha_gamma")),
    ("reading.md", "need an α of {}, which", lambda results: theory(results, "alpha_tokens")),
    *(("dimension.md", f"| `{scope}` | {{}} | {{}} | {{}} |",
       lambda results, scope=scope: dimension(results, scope))
      for scope in ("last", "means", "tokens")),
    ("dimension.md", "sampled tokens have {}, and {} of {} rows there are merged", embeddings),
]  # fmt: skip


def places(page: str, template: str) -> re.Match:
    """Where the numbers of a sentence are on a page, however its lines are broken."""
    parts = (r"\s+".join(map(re.escape, re.split(r"\s+", part))) for part in template.split("{}"))
    matches = list(re.finditer(r"([^|]{1,60}?)".join(parts) + r"(?!\d)", page))
    if len(matches) != 1:
        raise LookupError(f"{len(matches)} sentences of the form {template!r}, where one is needed")
    return matches[0]


def renewed(page: str, template: str, numbers: list[str]) -> str:
    """The page with these numbers in the sentence."""
    match = places(page, template)
    for place, written in reversed(list(enumerate(numbers, start=1))):
        if match[place].split() != written.split():
            page = page[: match.start(place)] + written + page[match.end(place) :]
    return page


def main(folder: Path, docs: Path, check: bool) -> int:
    """Write the numbers of the pages, or compare them; the program's exit status.

    Sentences about a row that the results do not have stay as they are.
    """
    results, different = Results(folder), []
    pages = {page: (docs / page).read_text() for page, _, _ in SENTENCES}
    for page, template, numbers_of in SENTENCES:
        try:
            numbers = numbers_of(results)
        except AbsentError:
            continue
        text = renewed(pages[page], template, numbers)
        if text != pages[page]:
            different.append(f"docs/{page}: … {template.format(*numbers)} …")
            pages[page] = text
    if not check:
        for page, text in pages.items():
            (docs / page).write_text(text)
        return 0
    if different:
        print(f"Pages differ from {folder}, which has:", *different, sep="\n")
    return int(bool(different))
