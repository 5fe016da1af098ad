"""The claims on whole texts: what separates meaning, by labels."""

import numpy as np
import pandas as pd

from infogeo.claims.claim_rows import (
    BETTER,
    COVARIANCES,
    LARGER,
    LAYER,
    MEANS,
    MEASURED,
    MIN_SIZES,
    NONE,
    Estimate,
    agreed,
    ends,
    more_sizes,
    rate_of,
    row_of,
)
from infogeo.sources.runs import ends_of_runs

DEPTHS = "models with one of sentences.depths"


def of_sentences(trends: pd.DataFrame, rates: pd.DataFrame) -> list[dict]:
    """The claims on whole texts, from sentences/trends.parquet."""
    rows = []
    declared = trends[trends["headline"].astype(bool)]
    for _, row in declared.iterrows():
        about = MEASURED, row["corpus"], row["family"]
        same = np.logical_and.reduce(
            [trends[name] == row[name] for name in ("corpus", "family", "depth", "score")]
        )
        by_distance = {(key["first"], key["distance"]): key for _, key in trends[same].iterrows()}
        mean = by_distance.get(("in", "cosine"))
        if mean is not None:
            rows.append(_separates(MEANS, mean, by_distance.get(("out", "cosine")), about, rates))
        else:
            rows.append(row_of(MEANS, about, "cosine", NONE, NONE, "not available", np.nan, "",
                             f"models with the depth {row['depth']}"))  # fmt: skip
        out = by_distance.get(("out", row["distance"]))
        rows.append(_separates(COVARIANCES, row, out, about, rates))
        better, larger = row["covariance_verdict"], row["trend_verdict"]
        rows.append(row_of(
            BETTER, about, row["distance"], ends(row, "minus_cosine", "AUC less cosine's"),
            ends(row, "minus_cosine_centred", "less centred cosine's"), better,
            rate_of(rates, "covariance", better), _judged(row, out, "covariance_verdict"),
            _for_means(row, better),
        ))  # fmt: skip
        rows.append(row_of(
            LARGER, about, row["distance"], ends(row, "slope", "AUC per ln N"),
            ends(row, "excess_slope", "beyond untrained twins"), larger,
            rate_of(rates, "larger", larger), _judged(row, out, "trend_verdict"),
            _for_trend(row, larger),
        ))  # fmt: skip
    return rows


def of_layers(which_layer: pd.DataFrame, rates: pd.DataFrame) -> list[dict]:
    """Whether the declared measure without labels chooses the layer, per family.

    Models with too few layers say nothing of it.

    Parameters
    ----------
    which_layer : pandas.DataFrame
        sentences/which_layer.parquet.
    rates : pandas.DataFrame
        error_rates.csv.
    """
    rows = []
    (which_layer,) = ends_of_runs(which_layer)
    declared = which_layer[which_layer["headline"].astype(bool)]
    for (corpus, family), models in declared.groupby(["corpus", "family"], sort=False):
        about = MEASURED, corpus, family
        judged = models[models["verdict"] != "not available"]
        if not len(judged):
            rows.append(row_of(LAYER, about, "entropy centred", NONE, NONE, "not available",
                               np.nan, "", models["problems"].iloc[0]))  # fmt: skip
            continue
        verdict = agreed(judged["verdict"], "supported", "contradicted")
        if verdict == "supported" and judged["rho"].gt(0).nunique() > 1:
            verdict = "inconclusive"  # one measure would choose the best layer, and the worst
        # Of the models the one that speaks least for the verdict.
        size = judged["rho"].abs()
        weakest = judged.loc[size.idxmax() if verdict == "contradicted" else size.idxmin()]
        twins = Estimate("untrained twins", weakest["untrained"])
        rests_on = (
            f"{weakest['layers']} layers, {weakest['texts']:.0f} texts, {weakest['model']}, least "
            f"of {len(judged)} of {len(models)} models with enough layers"
        )
        rows.append(row_of(
            LAYER, about, "entropy centred", ends(weakest, "rho", "rank correlation with the AUC"),
            twins, verdict, rate_of(rates, "layer", verdict), rests_on,
            "more layers, or more texts with labels" if verdict == "inconclusive" else "",
        ))  # fmt: skip
    return rows


def not_judged(families: list[tuple[str, str]], lacking: dict[str, str]) -> list[dict]:
    """Rows of families, (corpus, family), without a row in sentences/trends.parquet.

    Parameters
    ----------
    families : list of pairs of str
    lacking : dict
        Corpus → what it lacks for the study of sentences, or "".
    """
    return [
        row_of(claim, (MEASURED, corpus, family), "", NONE, NONE, "not available", np.nan, "",
             lacking[corpus] or DEPTHS)
        for corpus, family in families
        for claim in (MEANS, COVARIANCES, BETTER, LARGER, LAYER)
    ]  # fmt: skip


BASELINES = {
    "minus_untrained": "over untrained twins",
    "minus_bag_of_words": "over bag of words",
    "minus_length": "over text length",
}


def _separates(claim: str, row: pd.Series, out: pd.Series | None, about: tuple, rates) -> dict:
    value, gaps = _scores(row)
    verdict = separation_verdict(value, gaps)
    if out is not None:
        out = out.to_dict() | {"verdict": separation_verdict(*_scores(out))}
    weakest = min((g for g in gaps if np.isfinite(g.low)), key=lambda g: g.low, default=NONE)
    rate = rate_of(rates, "separation", verdict)
    to_add = _for_scores(row, verdict, [gap.what.removeprefix("over ") for gap in gaps
                                   if not np.isfinite(gap.low)])  # fmt: skip
    return row_of(claim, about, row["distance"], value, weakest, verdict, rate,
                  _judged(row, out, "verdict"), to_add)  # fmt: skip


def _scores(row: pd.Series) -> tuple[Estimate, list[Estimate]]:
    """The AUC of a distance, and that less each control's."""
    return ends(row, "value", "AUC"), [ends(row, name, words) for name, words in BASELINES.items()]


def separation_verdict(value: Estimate, gaps: list[Estimate]) -> str:
    """The verdict on "this distance separates meaning".

    Parameters
    ----------
    value : Estimate
        The AUC.
    gaps : list of Estimate
        The AUC less that of each control: all have to be beaten (intersection–union).
    """
    if not np.isfinite(value.high):
        return "not available"
    if value.low > 0.5 and all(gap.low > 0 for gap in gaps):  # NaN > 0 is false
        return "supported"
    return "contradicted" if value.high < 0.5 else "inconclusive"


def _judged(row: pd.Series, out, verdict: str) -> str:
    """What a verdict rests on, and which one the same rule gives without the first tokens."""
    rests_on = f"{row['points']} sizes, {row['models']} models, {row['texts']} texts"
    return rests_on if out is None else f"{rests_on}; without the first token {out[verdict]}"


def _for_scores(row: pd.Series, verdict: str, missing: list[str]) -> str:
    """What would decide a claim on scores of a family's models: no further model does.

    Parameters
    ----------
    row : pandas.Series
        Of trends.parquet.
    verdict : str
    missing : list of str
        Scores to compare with that a model lacks.
    """
    if verdict in ("supported", "contradicted"):
        return ""
    if not row["points"]:  # the texts were not judged
        return row["problems"]
    if missing:
        return f"at this depth, of every model: {', '.join(missing)}"
    return "more texts with labels, of more sources"


def _for_means(row: pd.Series, verdict: str) -> str:
    """What would decide whether covariances separate better than means."""
    names = ("cosine", "cosine_centred")
    missing = [name for name in names if np.isnan(row[f"minus_{name}_low"])]
    return _for_scores(row, verdict, missing)


def _for_trend(row: pd.Series, verdict: str) -> str:
    """What would decide whether larger models separate better."""
    if verdict in ("supported", "contradicted"):
        return ""
    if 0 < row["points"] < MIN_SIZES:
        return more_sizes(row["points"], MIN_SIZES)
    if not np.isfinite(row["slope_high"]):
        return row["problems"]
    if not np.isfinite(row["excess_slope_high"]):
        return "untrained twins of every model at this depth"
    return "more sizes, or more texts with labels, of more sources"
