"""Mean information gain per model, its relations to surprisal, and its checks."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from infogeo.context.shared_texts import SharedTexts, joined, over_texts
from infogeo.files.errors import InfogeoError
from infogeo.geometry.depths import relative_depth, width_at
from infogeo.geometry.metrics import EPS2, MEAN_GAIN, Metric, parse_regulariser
from infogeo.sources.cards import by_family, model_columns

GAIN_COLUMNS = [
    "corpus", "family", "model", "N", "params_total", "width", "layers", "replicate",
    "run", "step",
    "layer", "relative_depth", "n", "regulariser", "lam", "metric", "y", "low", "high",
    "untrained", "untrained_low", "untrained_high", "untrained_on_trained",
    "random", "random_low", "random_high",
    "within_position", "with_repetition", "spearman", "types_partial", "types_spearman", "texts",
    "largest_residual_ridge", "largest_residual_slogdet", "checked_tokens",
]  # fmt: skip
PLACE = ["layer", "regulariser", "lam", "n", "metric"]
GAIN_TABLES = (
    "gain", "gain_relations", "gain_checks", "untrained_gain", "untrained_relations",
    "crossed_relations",
)  # fmt: skip


def summarise_gain(corpus: str, models: list[dict], tables: dict, random, *, draws: int, seed: int):
    """Mean gain, ridge optimum and relations to surprisal, per model, layer and regulariser.

    Parameters
    ----------
    corpus : str
    models : list of dict
        slug, family, params_non_embedding, params_total, width, layers; run and step, if it has
        them.
    tables : dict
        GAIN_TABLES: slug → table; gain and untrained_gain may be infogeo.files.parts.Parts.
    random : pandas.DataFrame
        results/nulls/random.parquet.
    draws, seed : int
        Of the bootstrap over text clusters.

    Returns
    -------
    pandas.DataFrame
        GAIN_COLUMNS. Gains in nats per token. untrained: mean, least and largest draw of the
        twins; untrained_on_trained: the twins' geometry against the trained model's likelihoods.
        random: mean and 2.5 % and 97.5 % points over draws of n random unit vectors, in metric
        gain_mean alone (1/n of the coding rate where λ = nε²/d).

    Raises
    ------
    InfogeoError
        Where the random null lacks a model's width, n or regulariser.
    """
    of_tokens = random[(random["convention"] == "unit") & (random["first"] == "in")]
    by_key = of_tokens.groupby(["d", "n", "metric"])["value"]
    nulls = {key: values.to_numpy() for key, values in by_key}
    parts = []
    for family in by_family(models):
        shared = SharedTexts((tables["gain"][m["slug"]] for m in family), draws=draws, seed=seed)
        for model in family:
            of_model = {name: tables[name][model["slug"]] for name in GAIN_TABLES}
            rows = pd.concat([_gains(shared, of_model), _relations(of_model)], ignore_index=True)
            null = [_null(nulls, width_at(row.layer, model), row) for row in rows.itertuples()]
            rows[["random", "random_low", "random_high"]] = np.reshape(null, (-1, 3))
            rows = rows.merge(_residuals(of_model["gain_checks"]), "left", ["layer", "regulariser"])
            rows["checked_tokens"] = rows["checked_tokens"].fillna(0).astype(int)
            rows["relative_depth"] = [
                relative_depth(layer, model["layers"]) for layer in rows["layer"]
            ]
            parts.append(rows.assign(**model_columns(corpus, model)))
    return joined(parts, GAIN_COLUMNS)


def _gains(shared: SharedTexts, of_model: dict) -> pd.DataFrame:
    """Means of gain_mean, rho_mean, ridge_share, and of the twins'."""
    index, values = shared.wide(of_model["gain"], PLACE, "value")
    mean, low, high = shared.mean(values)
    rows = index.assign(y=mean, low=low, high=high, texts=np.isfinite(values).sum(0))
    twins, values = shared.wide(of_model["untrained_gain"], [*PLACE, "draw"], "value")
    return rows.merge(_over_draws(twins.assign(value=over_texts(values))), "left", PLACE)


def _over_draws(twins: pd.DataFrame) -> pd.DataFrame:
    """Mean, least and largest draw of the twins' `value`."""
    over_draws = twins.groupby(PLACE, sort=False)["value"].agg(["mean", "min", "max"])
    over_draws.columns = ["untrained", "untrained_low", "untrained_high"]
    return over_draws.reset_index()


def _relations(of_model: dict) -> pd.DataFrame:
    """Partial Spearman correlations as metrics, beside the twins'."""

    def named(frame):
        frame = frame.assign(metric="partial_" + frame["relation"].astype(str))
        return frame.drop(columns=["relation", "tokens"])

    rows = named(of_model["gain_relations"]).rename(columns={"partial_spearman": "y"})
    own, crossed = (
        named(of_model[name]).rename(columns={"partial_spearman": "value"})
        for name in ("untrained_relations", "crossed_relations")
    )
    crossed = crossed.groupby(PLACE)["value"].mean().rename("untrained_on_trained").reset_index()
    return rows.merge(_over_draws(own), "left", PLACE).merge(crossed, "left", PLACE)


def _null(nulls: dict, width: int, row) -> tuple[float, float, float]:
    """Gain per token of random unit vectors: mean, 2.5 % and 97.5 % points."""
    if row.metric != "gain_mean":
        return (np.nan, np.nan, np.nan)
    regulariser = parse_regulariser(row.regulariser)
    tied = regulariser.kind == EPS2
    metric = str(Metric("coding_rate" if tied else MEAN_GAIN, regulariser))
    if (width, row.n, metric) not in nulls:
        raise InfogeoError(
            f"results/nulls/random.parquet: no rows of d = {width}, n = {row.n}, metric {metric}. "
            "Make it anew: snakemake -R random_null"
        )
    values = nulls[width, row.n, metric] / (row.n if tied else 1)
    return values.mean(), *np.quantile(values, [0.025, 0.975])


def _residuals(checks: pd.DataFrame) -> pd.DataFrame:
    largest = checks.groupby(["layer", "regulariser"], sort=False).agg(
        largest_residual_ridge=("residual_ridge", "max"),
        largest_residual_slogdet=("residual_slogdet", "max"),
        checked_tokens=("position", "size"),
    )
    return largest.reset_index()


def at_final(corpus: str, models: list[dict], frames: dict) -> Iterator[pd.DataFrame]:
    """The table of each model (slug → table) at layer `final`, the model's columns before it."""
    names = ["corpus", "family", "model", "N", "width", "run", "step"]
    for model in models:
        frame = frames[model["slug"]]
        row = model_columns(corpus, model)
        part = frame[frame["layer"] == "final"].assign(**{name: row[name] for name in names})
        yield part[[*names, *frame.columns]].astype({"step": "Int64"})
