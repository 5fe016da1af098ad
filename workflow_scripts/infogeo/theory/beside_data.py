"""What the exponents of real models imply for the skills model, beside those of their tokens."""

import numpy as np
import pandas as pd

from infogeo.inference import regression
from infogeo.theory import shifted_power
from infogeo.theory.shifted_power import Shifted
from infogeo.theory.zipf import Zipf

NOT_FITTED = "not available: there is no NLL law: "
NO_LIKELIHOOD = "no model of the family has likelihoods"

COMPARISON_COLUMNS = ["corpus", "family", "quantity", "value", "low", "high", "problems"]


def implied(points: pd.DataFrame, laws: pd.DataFrame, families, *, n: int, axis: str):
    """What the NLL law of each family implies: αγ, the b of NLL = c + a N^−b, and c = H_∞.

    α alone is not identified: any α goes with a γ.

    Parameters
    ----------
    points, laws : pandas.DataFrame
        results/scaling/points.parquet and laws.parquet.
    families : iterable of (corpus, family)
        Those to answer for, whether they have a law or not.
    n, axis
        The headline's tokens per text and N axis.

    Returns
    -------
    pandas.DataFrame
        corpus, family, n, points, and the fields of `Shifted`, a row for each of `families`. No fit
        where the law itself has none; `problem` then says why. The intervals hold the scatter of
        the models; what the choice of texts does to all models alike is not in them.
    """
    points, laws = (
        dict(list(_of_headline(table, n, axis).groupby(["corpus", "family"])))
        for table in (points, laws)
    )
    rows = []
    for key in families:
        fit = _implied_by(points.get(key), laws.get(key))
        about = dict(zip(("corpus", "family"), key, strict=True))
        count = len(points.get(key, ()))
        rows.append(about | {"n": n, "points": count} | fit._asdict())
    return pd.DataFrame(rows)


def _of_headline(table: pd.DataFrame, n: int, axis: str) -> pd.DataFrame:
    return table[(table["metric"] == "nll") & (table["n"] == n) & (table["axis"] == axis)]


def _implied_by(points, law) -> Shifted:
    """The fit of one family from its points and its law, None where it has none."""
    problem = NO_LIKELIHOOD if law is None else law["problems"].iloc[0]
    if points is None:
        return Shifted(*(np.nan,) * 6, NOT_FITTED + problem)
    x, y = np.log(points["N"].to_numpy(float)), np.log(points["y"].to_numpy(float))
    # As of models of one shape that are no replicates.
    if points["fitted"].isna().all() and not regression.reason_no_fit(x, y):
        return Shifted(*(np.nan,) * 6, NOT_FITTED + problem)
    return shifted_power.fit(x, y)


def comparison(laws: pd.DataFrame, tokens: dict[tuple[str, str], Zipf]) -> pd.DataFrame:
    """The exponents of the NLL laws beside those of the corpus's own tokens.

    Parameters
    ----------
    laws : pandas.DataFrame
        From `implied`.
    tokens : dict
        (corpus, family) → `infogeo.theory.zipf.Zipf` of the corpus under the family's tokenizer.

    Returns
    -------
    pandas.DataFrame
        COMPARISON_COLUMNS, one row per corpus, family and quantity: alpha_gamma and limit (H_∞,
        nats per token) of the NLL law; zipf_exponent, zipf_head, zipf_tail of the tokens;
        alpha_tokens = s − 1, the α that the tokens would have as skills; gamma_needed =
        alpha_gamma/alpha_tokens. Its ends are quotients of the two intervals' opposite ends, so it
        covers at least as often as they do, the two being independent.
    """
    rows = []
    for law in laws.itertuples():
        zipf = tokens[law.corpus, law.family]
        alpha = tuple(value - 1 for value in zipf[:3])
        quantities = {
            "alpha_gamma": ((law.exponent, law.low, law.high), law.problem),
            "limit": ((law.limit, law.limit_low, law.limit_high), ""),
            "zipf_exponent": (zipf[:3], zipf.problem),
            "zipf_head": (zipf.head, ""),
            "zipf_tail": (zipf.tail, ""),
            "alpha_tokens": (alpha, ""),
            "gamma_needed": _quotient((law.exponent, law.low, law.high), alpha),
        }
        rows += [
            dict(zip(COMPARISON_COLUMNS, (law.corpus, law.family, name, *value, problem),
                     strict=True))
            for name, (value, problem) in quantities.items()
        ]  # fmt: skip
    return pd.DataFrame(rows, columns=COMPARISON_COLUMNS)


def _quotient(above, below) -> tuple[tuple, str]:
    """above/below of two estimates (value, low, high), and why it has none or no upper end."""
    value, low, high = below
    if np.isnan([above[1], value]).any():
        return (np.nan,) * 3, "not available: one of the two exponents is not"
    if value <= 0:
        return (np.nan,) * 3, "not defined: s − 1 is not above 0"
    if low <= 0:
        return (above[0] / value, above[1] / high, np.inf), "no upper end: s − 1 may be 0"
    return (above[0] / value, above[1] / high, above[2] / low), ""
