"""A verdict on each of the paper's claims, for every family and corpus. Rules: docs/verdicts.md.

Nothing is estimated here: every number comes from the tables of the parts of the study.
"""

import numpy as np
import pandas as pd
from scipy import special

from infogeo.claims.claim_rows import (
    BEYOND,
    DISTRIBUTED,
    LASSO,
    LEMMA,
    MEASURED,
    MIN_SIZES,
    NONE,
    POWER,
    RIDGE,
    SIMULATED,
    THEOREM,
    VALLEY,
    Estimate,
    agreed,
    ends,
    more_sizes,
    rate_of,
    row_of,
)
from infogeo.context.distribution import too_few
from infogeo.context.selection_summary import shown_k
from infogeo.files.numbers import percent
from infogeo.geometry.metrics import CONDITIONAL, NORMALISED, parse_metric
from infogeo.inference import forms
from infogeo.laws.law import CONTROLS
from infogeo.sources.cards import REASONS
from infogeo.sources.runs import ends_of_runs

NOMINAL = 0.95  # coverage
IDENTITY = 1e-9  # nats: what rounding may leave of an identity
RARELY = 0.05  # share of texts that is "never" for practical purposes
# ---------------------------------------------------------------- scaling laws


def of_laws(frame: pd.DataFrame, source: str) -> list[dict]:
    """The claims that scaling laws decide, of the laws declared before the run.

    Parameters
    ----------
    frame : pandas.DataFrame
        laws.parquet, or published.parquet.
    source : str
        "measured", or where the values come from.
    """
    rows = []
    for _, law in frame[frame["headline"]].iterrows():
        if parse_metric(law["metric"]).base in (*NORMALISED, *CONDITIONAL):
            about = (law.get("table", source), law["corpus"], law["family"])
            rows += [_power_law(law, about), _beyond(law, about)]
    return rows


def _power_law(law: pd.Series, about: tuple) -> dict:
    """Whether the metric falls, and falls as a power law, whatever makes it fall."""
    raw, fixed = _slope(law, "exponent", "exponent"), _slope(law, "depth_exponent", "fixed width")
    if not np.isfinite(raw.high):
        verdict, rate = "not available", np.nan
    elif raw.low > 0:
        verdict, rate = "contradicted", law["rises_false"]
    elif law["form_verdict"] == "not supported":
        verdict, rate = "contradicted", law["form_false_rejected"]
    else:
        verdict = "inconclusive"
        if raw.high < 0 and law["form_verdict"] == "supported":
            verdict = "supported"
        rate = law["form_false_supported"]
    to_add = _sizes(law, forms.MIN_FORM_POINTS)
    if verdict == "inconclusive" and not to_add:
        power = percent(law["form_power"])
        to_add = f"more sizes, further apart: such a power law is recognised in {power}"
    return row_of(POWER, about, _metric(law), raw, fixed, verdict, rate, _points(law), to_add)


def _beyond(law: pd.Series, about: tuple) -> dict:
    """Whether the metric falls beyond every control."""
    raw = _slope(law, "exponent", "exponent")
    verdict, rate = law["falls_verdict"], law["falls_false_supported"]
    if verdict == "width artefact":
        rate = law["falls_false_artefact"]
    elif verdict == "inconclusive" and raw.low > 0:
        verdict, rate = "contradicted", law["rises_false"]
    applied = [name for name, words in CONTROLS.items() if words in law["controls_applied"]]
    controls = [
        _slope(law, "depth_exponent" if name == "depth" else f"excess_{name}", CONTROLS[name])
        for name in applied
    ]
    measured = [control for control in controls if np.isfinite(control.high)]
    closest = max(measured, key=lambda control: control.high, default=NONE)
    missing = [_sizes(law, MIN_SIZES)]
    if np.isfinite(raw.high):
        missing += [c.what + " of every model" for c in controls if not np.isfinite(c.high)]
        if law["widths"] == 1:
            missing.append("a second width: all models have one")
        elif "depth" not in applied:
            missing.append("a second depth at two widths: N and width change together")
    to_add = "; ".join(filter(None, missing))
    return row_of(BEYOND, about, _metric(law), raw, closest, verdict, rate, _points(law), to_add)


def _slope(law: pd.Series, column: str, what: str) -> Estimate:
    """An exponent of a law; its name is kept where it has no value."""
    return Estimate(what, law[column], law[f"{column}_low"], law[f"{column}_high"])


def _metric(law: pd.Series) -> str:
    return " ".join(filter(None, [law["metric"], law["convention"]]))


def _points(law: pd.Series) -> str:
    texts = "" if pd.isna(law["texts"]) else f", {law['texts']} texts"
    return f"{law['points']} sizes, {law['models']} models{texts}"


def _sizes(law: pd.Series, needed: int) -> str:
    """What lacks for a number of sizes, or why there is no law for another reason."""
    fitted = np.isfinite(law["exponent_high"])
    if not fitted and not 0 < law["points"] < MIN_SIZES:
        return law["problems"]
    return more_sizes(law["points"], needed) if law["points"] < needed else ""


def without_law(frame: pd.DataFrame, families: list[tuple[str, str]]) -> list[dict]:
    """Rows of the families without a headline law of normalised, or of conditional, entropy."""
    rows = []
    declared = frame[frame["headline"]]
    for corpus, family in families:
        of_family = declared[(declared["corpus"] == corpus) & (declared["family"] == family)]
        metrics = {parse_metric(metric).base for metric in of_family["metric"]}
        for name, group in (("normalised entropy", NORMALISED), ("nll", CONDITIONAL)):
            if metrics.isdisjoint(group):
                to_add = f"one of {', '.join(group)} in headline.metrics"
                rows += [
                    row_of(claim, (MEASURED, corpus, family), name, NONE, NONE, "not available",
                         np.nan, "", to_add)
                    for claim in (POWER, BEYOND)
                ]  # fmt: skip
    return rows


def of_valleys(valleys: pd.DataFrame, rates: pd.DataFrame) -> list[dict]:
    """Whether the valley of the centred entropy over layers is the first token, per family.

    Models without a valley say nothing of it.

    Parameters
    ----------
    valleys : pandas.DataFrame
        results/scaling/valleys.parquet.
    rates : pandas.DataFrame
        error_rates.csv.
    """
    rows = []
    for (corpus, family), models in valleys.groupby(["corpus", "family"], sort=False):
        about = MEASURED, corpus, family
        having = models[models["verdict"] != "not available"]
        if not len(having):
            problem = models["problem"].iloc[0]
            rows.append(row_of(VALLEY, about, "entropy centred", NONE, NONE, "not available",
                               np.nan, "", problem))  # fmt: skip
            continue
        verdict = agreed(having["verdict"], "supported", "contradicted")
        # Of the models the one that speaks least for the verdict.
        if verdict == "contradicted":
            weakest = having.loc[having["beyond_half_low"].idxmin()]
        else:
            weakest = having.loc[having["beyond_half_high"].idxmax()]
        rests_on = (
            f"{weakest['texts']} texts, {weakest['model']} at layer {weakest['layer']}, least of "
            f"{len(having)} of {len(models)} models with a valley"
        )
        rows.append(row_of(
            VALLEY, about, "entropy centred", ends(weakest, "valley", "depth, nats"),
            ends(weakest, "out", "without the first token"), verdict,
            rate_of(rates, "valley", verdict), rests_on,
            "more texts, of more sources" if verdict == "inconclusive" else "",
        ))  # fmt: skip
    return rows


# ---------------------------------------------------------------- context


def of_context(gain, selection, distribution, rates) -> list[dict]:
    """The claims on information gain, token selection and token ablation, per family.

    Parameters
    ----------
    gain, selection, distribution : pandas.DataFrame
        The aggregates of results/context/.
    rates : pandas.DataFrame
        error_rates.csv.
    """
    rows = []
    gain, selection, distribution = ends_of_runs(gain, selection, distribution)
    for (corpus, family), models in distribution.groupby(["corpus", "family"], sort=False):
        if models["problem"].isin(REASONS).all():
            rows += without_prediction([(corpus, family)], models["problem"].iloc[0])
            continue
        about = MEASURED, corpus, family
        of_gain, of_selection = (
            frame[(frame["corpus"] == corpus) & (frame["family"] == family)]
            for frame in (gain, selection)
        )
        rows += [
            _ridge(of_gain, about),
            _lasso(of_selection, about, shown_k(selection), rates),
            _distributed(models, about, rates),
        ]
    return rows


def without_prediction(families: list[tuple[str, str]], reason: str) -> list[dict]:
    """The same rows of families, (corpus, family), of which no model predicts a next token."""
    return [
        row_of(claim, (MEASURED, corpus, family), "", NONE, NONE, "not available", np.nan, "",
             reason)
        for corpus, family in families
        for claim in (RIDGE, LASSO, DISTRIBUTED)
    ]  # fmt: skip


def _ridge(gain: pd.DataFrame, about: tuple) -> dict:
    """An identity, checked: no error rate applies."""
    residuals = gain[["largest_residual_ridge", "largest_residual_slogdet"]].to_numpy(float)
    checked = gain[gain["metric"] == "gain_mean"]
    verdict, estimate, control = "not available", NONE, NONE
    if np.isfinite(residuals).any():
        largest = np.nanmax(residuals)
        verdict = "supported" if largest <= IDENTITY else "contradicted"
        estimate = Estimate("largest residual, nats", largest)
        control = Estimate("least mean gain", checked["y"].min())
    tokens = f"{int(checked['checked_tokens'].sum())} tokens checked"
    to_add = "" if verdict != "not available" else "texts of the largest spectra.n"
    return row_of(RIDGE, about, "", estimate, control, verdict, np.nan, tokens, to_add)


def _lasso(selection: pd.DataFrame, about: tuple, k: int, rates) -> dict:
    of_models = selection[
        (selection["selector"] == "attention_mean") & (selection["sink"] == "free")
        & (selection["k"] == k)
    ].dropna(subset=["lasso_wins_low"])  # fmt: skip
    if not len(of_models):
        return row_of(LASSO, about, "", NONE, NONE, "not available", np.nan, "",
                    "texts with attention: states.attention_texts")  # fmt: skip
    columns = ("lasso_wins", "lasso_wins_low", "texts", "sources")
    wins = zip(*(of_models[name] for name in columns), strict=True)
    verdict = agreed([lasso_verdict(*row) for row in wins], "supported", "contradicted")
    if verdict == "not available":
        few = of_models.loc[of_models["texts"].idxmin()]
        to_add = f"{few['model']}: {too_few(few['texts'], few['sources'])}"
        return row_of(LASSO, about, "", NONE, NONE, verdict, np.nan, "", to_add)
    least = of_models.loc[of_models["lasso_wins_low"].idxmin()]
    estimate = Estimate("share of texts", *least[["lasso_wins", "lasso_wins_low",
                                                  "lasso_wins_high"]])  # fmt: skip
    rests_on = (
        f"k = {k}, {least['texts']} texts, {least['model']}, least of {len(of_models)} models"
    )
    rate = rate_of(rates, "lasso", verdict)
    return row_of(LASSO, about, "", estimate, Estimate("equals", 0.5), verdict, rate, rests_on, "")


def lasso_verdict(share: float, low: float, texts: int, sources: int | None = None) -> str:
    """The verdict on "Lasso sometimes beats attention" for one model.

    Parameters
    ----------
    share, low : float
        Share of texts in which it does, and the lower end of its interval over sources.
    texts : int
        Resampled texts hold too little variance where few say yes, or few say no: the exact
        binomial ends have to agree.
    sources : int, optional
        Of these texts; default: one each. Too few texts or sources, as for ablation
        (`distribution.too_few`), have no verdict.
    """
    if too_few(texts, texts if sources is None else sources):
        return "not available"
    yes = round(share * texts)
    exact_low = special.betaincinv(yes, texts - yes + 1, 0.025) if yes else 0.0
    if min(low, exact_low) > 0.5:
        return "supported"
    high = special.betaincinv(yes + 1, texts - yes, 0.975) if yes < texts else 1.0
    return "contradicted" if high < RARELY else "inconclusive"


def _distributed(models: pd.DataFrame, about: tuple, rates) -> dict:
    verdict = agreed(models["verdict"], "distributed", "concentrated")
    rate = rate_of(rates, "distributed", verdict)
    known = models[models["verdict"] != "not available"]
    if verdict == "not available":
        why = models.loc[models["verdict"] == verdict, ["model", "problem"]].iloc[0]
        to_add = f"{why['model']}: {why['problem']}"
        return row_of(DISTRIBUTED, about, "", NONE, NONE, verdict, rate, "", to_add)
    # Of the models the one that speaks least for the verdict, or lies across the boundary.
    high = verdict == "contradicted"
    weakest = known.loc[known["share90_high"].idxmax() if high else known["share90_low"].idxmin()]
    names = ("share90", "share90_low", "share90_high")
    estimate = Estimate("share of tokens for 90 %", *weakest[list(names)])
    control = Estimate("random", *weakest[[name.replace("share90", "share90_random")
                                           for name in names]])  # fmt: skip
    end = "most" if high else "least"
    rests_on = f"{weakest['texts']} texts, {weakest['model']}, {end} of {len(known)} models"
    return row_of(DISTRIBUTED, about, "", estimate, control, verdict, rate, rests_on, "")


# ---------------------------------------------------------------- theory


def of_skills(curve: pd.DataFrame, recovery: pd.DataFrame, alpha: float) -> list[dict]:
    """The lemma and the theorem, from results/theory/: no family, no corpus."""
    about = SIMULATED, "", ""
    exponent = ends(curve.iloc[0], "exponent", "exponent of n")
    verdict, to_add = "not available", "theory.texts: too few points for a fit"
    if np.isfinite(exponent.high):
        verdict = "supported" if exponent.low <= -alpha <= exponent.high else "contradicted"
        to_add = ""
    rests_on = f"{int(curve['used'].sum())} numbers of skills"
    rows = [row_of(LEMMA, about, "", exponent, Estimate("known", -alpha), verdict, np.nan, rests_on,
                 to_add)]  # fmt: skip
    reached = recovery[recovery["n_low"] >= 100]
    short = reached["coverage"] - (NOMINAL - 3 * reached["coverage_error"])
    least = reached.loc[reached["coverage"].idxmin()]
    verdict = "supported" if (short >= 0).all() else "contradicted"
    coverage = Estimate("least coverage", least["coverage"])
    rows.append(row_of(THEOREM, about, "", coverage, Estimate("nominal", NOMINAL), verdict,
                     np.nan, f"{len(reached)} laws from 100 skills on", ""))  # fmt: skip
    return rows
