"""The sentence study for readers: Markdown and text for a terminal, from scores and trends."""

import textwrap

import numpy as np
import pandas as pd

from infogeo.files import tables
from infogeo.sentences.study import MEANS, REFERENCES


def _share(value, low=np.nan, high=np.nan) -> str:
    """0.710 0.663..0.751: a score and its interval."""
    if not np.isfinite(value):
        return "n/a"
    return f"{value:.3f} {low:.3f}..{high:.3f}" if np.isfinite(low) else f"{value:.3f}"


def _signed(row, name: str, digits: int = 3, factor: float = 1.0) -> str:
    """+0.020 [+0.011, +0.029], or n/a."""
    value, low, high = (factor * row[name + end] for end in ("", "_low", "_high"))
    if not np.isfinite(value):
        return "n/a"
    if not (np.isfinite(low) and np.isfinite(high)):
        return tables.number(value, digits)
    ends = f"[{tables.number(low, digits)}, {tables.number(high, digits)}]"
    return f"{tables.number(value, digits)} {ends}"


def sentences_of(row: pd.Series) -> list[str]:
    """The two claims about a family as sentences, from a headline row of the trends."""
    decade = np.log(10)
    trend = (
        f"Larger models separate meaning better: {row['trend_verdict']}. Per tenfold N the AUC "
        f"changes by {_signed(row, 'slope', factor=decade)}, beyond the untrained twins by "
        f"{_signed(row, 'excess_slope', factor=decade)} ({_number(row['points'], 'size')}, "
        f"{_number(row['models'], 'model')})."
    )
    more = (
        f"Covariance says more than the mean: {row['covariance_verdict']}. Its AUC is "
        f"{_signed(row, 'minus_cosine')} over the cosine of means and "
        f"{_signed(row, 'minus_cosine_centred')} over their centred cosine; beside that, "
        f"{_signed(row, 'minus_untrained')} over the untrained twins, "
        f"{_signed(row, 'minus_bag_of_words')} over the bag of words and "
        f"{_signed(row, 'minus_length')} over text length."
    )
    return [sentence + (f" Note: {row['problems']}." if row["problems"] else "")
            for sentence in (trend, more)]  # fmt: skip


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


HEAD = ["model", "N", "covariance", "twins", "cosine", "centred", "words", "length", "nearest"]


def _cells(scores: pd.DataFrame, model: str) -> list[str]:
    """One model's line: the AUC of every kind of distance at the headline depth."""
    of_model = scores[scores["model"] == model].set_index(["distance", "score"])

    def at(distance, score="auc"):
        absent = pd.Series(np.nan, index=of_model.columns)
        return of_model.loc[distance, score] if (distance, score) in of_model.index else absent

    covariance, purity = at("js_centred"), at("js_centred", "knn_purity")
    nearest = "n/a"
    if np.isfinite(purity["value"]):
        nearest = f"{purity['value']:.2f} ({purity['chance']:.2f})"
    return [
        model, tables.count(of_model["N"].iloc[0]),
        _share(*covariance[["value", "low", "high"]]), _share(covariance["untrained"]),
        *(_share(at(name)["value"]) for name in REFERENCES), nearest,
    ]  # fmt: skip


def _sections(scores: pd.DataFrame, trends: pd.DataFrame):
    """(headline row of the trends, lines of its models) of each corpus and family."""
    for _, row in trends[trends["headline"].astype(bool)].iterrows():
        rows = scores[(scores["corpus"] == row["corpus"]) & (scores["family"] == row["family"])]
        rows = rows[rows["depth"].isin([row["depth"], ""])]
        models = rows[["model", "N"]].drop_duplicates().sort_values("N", kind="stable")["model"]
        yield row, rows.iloc[0], [_cells(rows, model) for model in models]


def _about(row: pd.Series, first: pd.Series) -> str:
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
    for row, first, models in sections:
        cells = [HEAD, *models]
        widths = [max(len(line[i]) for line in cells) for i in range(len(HEAD))]
        lines += ["", _about(row, first)]
        lines += ["  ".join(map(str.ljust, line, widths)).rstrip() for line in cells]
        for sentence in sentences_of(row):
            lines += textwrap.wrap(sentence, 110, subsequent_indent="  ")
    if not sections:
        return "\n".join([*lines, NOTHING, ""])
    lines += [
        "",
        "covariance: √JS, centred; twins: the same, untrained; cosine: of mean states, then less",
        "the mean over texts (centred); words, length: no model; nearest: share of the own",
        "label, by chance in brackets. Texts of one source are not compared. See docs/verdicts.md",
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
        "states; cosine of the mean states, as they are and centred over texts; words and length "
        "need no model. Columns: results/README.md; rules and their error rates: docs/verdicts.md.",
    ]
    sections = list(_sections(scores, trends))
    for row, first, models in sections:
        lines += ["", f"## {_about(row, first)}", "", *tables.markdown_table(HEAD, models)]
        lines += ["", *(f"- {sentence}" for sentence in sentences_of(row))]
        same = np.logical_and.reduce(
            [trends[name] == row[name] for name in ("corpus", "family", "depth", "score")]
        )
        lines += ["", "Means over sizes, and the change per tenfold N (q: Benjamini–Hochberg over "
                  "all exploratory rows; none for the headline):", ""]  # fmt: skip
        lines += tables.markdown_table(
            ["distance", "AUC", "per tenfold N", "q", "over cosine", "over centred cosine",
             "over twins", "over words"],
            [
                [
                    other["distance"],
                    _share(*other[["value", "value_low", "value_high"]]),
                    _signed(other, "slope", factor=np.log(10)), _share(other["trend_q"]),
                    *(_signed(other, f"minus_{name}")
                      for name in (*MEANS, "untrained", "bag_of_words")),
                ]
                for _, other in trends[same].iterrows()
            ],
        )  # fmt: skip
    return "\n".join([*lines, *([] if sections else ["", NOTHING]), ""])
