"""The claim on the similarity of models of a family."""

import pandas as pd

from infogeo.claims.claim_rows import ALIKE, MEASURED, NONE, agreed, ends, rate_of, row_of

METRIC = "CKA of mean states"


def of_alignment(alignment: pd.DataFrame, rates: pd.DataFrame) -> list[dict]:
    """Whether larger models are more alike, with the first token of each text and without.

    Parameters
    ----------
    alignment : pandas.DataFrame
        results/similarity/alignment.parquet.
    rates : pandas.DataFrame
        error_rates.csv.
    """
    rows = []
    for (corpus, family), of_family in alignment.groupby(["corpus", "family"], sort=False):
        about = MEASURED, corpus, family
        verdict = agreed(of_family["verdict"], "supported", "contradicted")
        if verdict == "not available":
            problem = of_family["problems"][of_family["problems"] != ""].iloc[0]
            rows.append(row_of(ALIKE, about, METRIC, NONE, NONE, verdict, rate_of(rates, "alike",
                               verdict), "", problem))  # fmt: skip
            continue
        # Of both the one that speaks least for the verdict.
        if verdict == "contradicted":
            weakest = of_family.loc[of_family["slope_high"].idxmax()]
        else:
            weakest = of_family.loc[
                of_family[["slope_low", "excess_slope_low"]].min(axis=1).idxmin()
            ]
        first = "with" if weakest["first"] == "in" else "without"
        rests_on = (
            f"{weakest['points']:.0f} sizes, {weakest['models']:.0f} models, "
            f"{weakest['texts']:.0f} texts, {first} the first token"
        )
        rows.append(row_of(
            ALIKE, about, METRIC, ends(weakest, "slope", "z per ln N"),
            ends(weakest, "excess_slope", "beyond untrained twins"), verdict,
            rate_of(rates, "alike", verdict), rests_on,
            "more sizes, further apart" if verdict == "inconclusive" else "",
        ))  # fmt: skip
    return rows
