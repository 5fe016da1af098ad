"""The sentence study for readers: Markdown and text for a terminal, from scores and trends."""

import numpy as np
import pandas as pd

from infogeo.files import report_table
from infogeo.files.numbers import count, counted, estimate, number
from infogeo.sentences.distances import BASELINES
from infogeo.sentences.study import MEANS, REFERENCES


def _difference(row, name: str, factor: float = 1.0) -> str:
    """A signed column with its interval, times a factor."""
    ends = (factor * row[name + end] for end in ("", "_low", "_high"))
    return estimate(*ends, signed=True)


def sentences_of(row: pd.Series) -> list[str]:
    """The two claims about a family as sentences, from a headline row of the trends."""
    if not row["texts"]:
        return [f"Not available: {row['problems']}."]
    decade = np.log(10)
    trend = (
        f"Larger models separate meaning better: {row['trend_verdict']}. Per tenfold N the AUC "
        f"changes by {_difference(row, 'slope', factor=decade)}, beyond the untrained twins by "
        f"{_difference(row, 'excess_slope', factor=decade)} ({counted(row['points'], 'size')}, "
        f"{counted(row['models'], 'model')})."
    )
    more = (
        f"Covariance says more than the mean: {row['covariance_verdict']}. Its AUC is "
        f"{_difference(row, 'minus_cosine')} over the cosine of means and "
        f"{_difference(row, 'minus_cosine_centred')} over their centred cosine; beside that, "
        f"{_difference(row, 'minus_untrained')} over the untrained twins, "
        f"{_difference(row, 'minus_bag_of_words')} over the bag of words and "
        f"{_difference(row, 'minus_length')} over text length."
    )
    noted = [sentence + (f" Note: {row['problems']}." if row["problems"] else "")
             for sentence in (trend, more)]  # fmt: skip
    return [*noted, *_of_first_token(row)]


def _of_first_token(row: pd.Series) -> list[str]:
    """Whether the first token of each text matters for the AUC, where it was taken without too."""
    low, high = row["minus_out_low"], row["minus_out_high"]
    if not np.isfinite([low, high]).all():
        return []
    matters = "matters" if low > 0 or high < 0 else "makes no difference that these texts show"
    return [
        f"The first token of each text {matters}: with it the AUC of covariance is "
        f"{_difference(row, 'minus_out')} over that without."
    ]


HEAD = [
    "model",
    "N",
    "covariance",
    "out",
    "twins",
    "cosine",
    "centred",
    "words",
    "length",
    "nearest",
]


def _cells(scores: pd.DataFrame, model: str) -> list[str]:
    """One model's line: the AUC of every kind of distance at the headline depth."""
    of_model = scores[scores["model"] == model].set_index(["first", "distance", "score"])

    def at(distance, score="auc", first="in"):
        key = "" if distance in BASELINES else first, distance, score
        absent = pd.Series(np.nan, index=of_model.columns)
        return of_model.loc[key] if key in of_model.index else absent

    covariance, purity = at("js_centred"), at("js_centred", "knn_purity")
    nearest = "n/a"
    if np.isfinite(purity["value"]):
        nearest = f"{number(purity['value'], 2)} ({number(purity['chance'], 2)})"
    return [
        model, count(of_model["N"].iloc[0]),
        estimate(*covariance[["value", "low", "high"]]),
        estimate(at("js_centred", first="out")["value"]), estimate(covariance["untrained"]),
        *(estimate(at(name)["value"]) for name in REFERENCES), nearest,
    ]  # fmt: skip


def _sections(scores: pd.DataFrame, trends: pd.DataFrame):
    """(headline row of the trends, title, lines of its models) of each corpus and family."""
    for _, row in trends[trends["headline"].astype(bool)].iterrows():
        own = scores[(scores["corpus"] == row["corpus"]) & (scores["family"] == row["family"])]
        own = own[own["depth"].isin([row["depth"], ""])]
        models = own[["model", "N"]].drop_duplicates().sort_values("N", kind="stable")["model"]
        yield row, _title(row, own), [_cells(own, model) for model in models]


def _title(row: pd.Series, scores: pd.DataFrame) -> str:
    if not len(scores):
        return f"{row['family']} on {row['corpus']}"
    first = scores.iloc[0]
    return (f"{row['family']} on {row['corpus']}: {first['texts']} texts of {first['labels']} "
            f"labels and {first['sources']} sources, depth {row['depth']}")  # fmt: skip


NOTHING = "no model has the headline distance at the headline depth: see results/sentences"


def terminal_text(scores: pd.DataFrame, trends: pd.DataFrame) -> str:
    """The sentence study for a terminal, at most 110 columns: a line per model, two verdicts.

    Parameters
    ----------
    scores, trends : pandas.DataFrame
        Of all corpora.
    """
    lines = ["Sentences: AUC of same-label against different-label pairs; 95 % intervals"]
    sections = list(_sections(scores, trends))
    for row, title, models in sections:
        lines += ["", title, *(report_table.terminal([HEAD, *models]) if models else [])]
        for sentence in sentences_of(row):
            lines += report_table.wrapped(sentence, rest="  ")
    if not sections:
        return "\n".join([*lines, NOTHING, ""])
    lines += [
        "",
        "covariance: √JS, centred; out: the same without the first token of each text; twins: the",
        "same, untrained; cosine: of mean states, then less the mean over texts (centred); words,",
        "length: no model; nearest: share of the own label, by chance in brackets. Texts of one",
        "source are not compared. See docs/verdicts.md",
        "",
    ]
    return "\n".join(lines)


def markdown_text(scores: pd.DataFrame, trends: pd.DataFrame) -> str:
    """The sentence study as Markdown: models, the two verdicts, and every distance's AUC.

    Parameters are those of `terminal_text`.
    """
    lines = [
        "# Sentences",
        "",
        "AUC: the chance that two texts of one label are nearer than two of different labels, "
        "texts of one source never compared. 95 % intervals over sources. Covariance: √JS, centred "
        "states; out: the same without the first token of each text; cosine of the mean states, as "
        "they are and centred over texts; words and length need no model. Columns: "
        "results/README.md; rules and their error rates: docs/verdicts.md.",
    ]
    sections = list(_sections(scores, trends))
    for row, title, models in sections:
        lines += ["", f"## {title}", ""]
        if models:
            lines += [*report_table.markdown(HEAD, models), ""]
        lines += [f"- {sentence}" for sentence in sentences_of(row)]
        if not models:
            continue
        same = np.logical_and.reduce(
            [trends[name] == row[name] for name in ("corpus", "family", "depth", "score")]
        )
        lines += ["", "Means over sizes, and the change per tenfold N (q: Benjamini–Hochberg over "
                  "all exploratory rows; none for the headline):", ""]  # fmt: skip
        lines += report_table.markdown(
            ["distance", "first token", "AUC", "per tenfold N", "q", "over cosine",
             "over centred cosine", "over twins", "over words"],
            [
                [
                    other["distance"], other["first"],
                    estimate(*other[["value", "value_low", "value_high"]]),
                    _difference(other, "slope", factor=np.log(10)), estimate(other["trend_q"]),
                    *(_difference(other, f"minus_{name}")
                      for name in (*MEANS, "untrained", "bag_of_words")),
                ]
                for _, other in trends[same].iterrows()
            ],
        )  # fmt: skip
    return "\n".join([*lines, *([] if sections else ["", NOTHING]), ""])
