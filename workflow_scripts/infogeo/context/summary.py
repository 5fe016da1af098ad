"""Means per model of the context study: information gain, token selection, token ablation.

Every mean is over the texts that all models of a family have (models with no text at all left
out), every interval a 95 % percentile interval over resampled text clusters.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy import stats

from infogeo.files.errors import InfogeoError
from infogeo.geometry.depths import relative_depth, width_at
from infogeo.geometry.metrics import EPS2, MEAN_GAIN, Metric, parse_regulariser
from infogeo.inference import resampling
from infogeo.sources.cards import by_family, model_columns

GAIN_COLUMNS = [
    "corpus", "family", "model", "N", "params_total", "width", "layers",
    "layer", "relative_depth", "n", "regulariser", "lam", "metric", "y", "low", "high",
    "untrained", "untrained_low", "untrained_high", "untrained_on_trained",
    "random", "random_low", "random_high", "within_position", "spearman", "texts",
    "largest_residual_ridge", "largest_residual_slogdet", "checked_tokens",
]  # fmt: skip
SELECTION_COLUMNS = [
    "corpus", "family", "model", "N", "width", "layers", "selector", "sink", "k",
    "held_out", "held_out_low", "held_out_high", "in_sample", "in_sample_low", "in_sample_high",
    "jaccard", "relative_position", "texts", "lasso_wins", "lasso_wins_low", "lasso_wins_high",
    "median_difference", "wilcoxon_p", "wilcoxon_p_holm",
]  # fmt: skip
ABLATION_COLUMNS = [
    "corpus", "family", "model", "N", "width", "layers", "selector", "sink", "mode", "share", "k",
    "kl", "kl_low", "kl_high", "recovery", "recovery_low", "recovery_high",
    "delta_nll", "delta_nll_low", "delta_nll_high", "cosine_mean", "cosine_last", "texts",
]  # fmt: skip


class Sample:
    """The texts that models share, and resamples of their clusters.

    Parameters
    ----------
    frames : iterable of pandas.DataFrame or infogeo.files.parts.Parts
        Long tables with doc_id and source, one per model; empty ones are passed over.
    draws, seed : int

    Attributes
    ----------
    doc_ids : list of str
    clusters : (texts,) array of str
        The source of each text; the doc_id where there is none.
    weights : (draws, texts) array
    """

    def __init__(self, frames, *, draws: int, seed: int):
        frames = [texts for texts in map(_texts, frames) if len(texts)]
        shared = set.intersection(*(set(frame["doc_id"]) for frame in frames)) if frames else set()
        self.doc_ids, self.clusters = [], np.zeros(0, dtype=str)
        self.weights = np.zeros((draws, 0))
        if shared:
            texts = frames[0][frames[0]["doc_id"].isin(shared)]
            self.doc_ids = texts["doc_id"].tolist()
            self.clusters = resampling.clusters(texts["doc_id"], texts["source"])
            self.weights = resampling.text_weights(self.clusters, draws=draws, seed=seed)

    def wide(self, table, keys: list[str], column: str):
        """One column of a long table as an array.

        Parameters
        ----------
        table : pandas.DataFrame or infogeo.files.parts.Parts
        keys : list of str
        column : str

        Returns
        -------
        index : pandas.DataFrame
            The keys, in the order of the table.
        values : (texts, keys) float64 array
            NaN where a text lacks the row.

        Raises
        ------
        InfogeoError
            Where a text that models share has a row twice.
        """
        index, values = None, np.full((len(self.doc_ids), 0), np.nan)
        given = values.astype(bool)  # (texts, keys): whether there was such a row
        for part in _parts(table[["doc_id", *keys, column]]):
            index, columns = _places(index, part[keys])
            new = len(index) - values.shape[1]
            values = np.pad(values, [(0, 0), (0, new)], constant_values=np.nan)
            given = np.pad(given, [(0, 0), (0, new)])
            rows = pd.Index(self.doc_ids).get_indexer(part["doc_id"])  # −1: not a shared text
            known = rows >= 0
            cells = rows[known], columns[known]
            flat = np.ravel_multi_index(cells, values.shape) if known.any() else cells[0]
            if given[cells].any() or pd.Index(flat).has_duplicates:
                raise InfogeoError(
                    f"a table of the context study holds a text's {column} twice for one "
                    f"({', '.join(keys)}); make the table anew"
                )
            given[cells] = True
            values[cells] = part[column].to_numpy(float)[known]
        return index, values

    def mean(self, values):
        """Means over texts with their intervals; a text whose value is NaN is left out.

        Parameters
        ----------
        values : (texts, columns) array

        Returns
        -------
        mean, low, high : (columns,) arrays
            NaN where no text has a value; no interval where a resample may hold no text.
        """
        present = np.isfinite(values)
        filled = np.where(present, values, 0.0)
        with np.errstate(invalid="ignore"):
            resampled = (self.weights @ filled) / (self.weights @ present)
        return over_texts(values), *resampling.interval(resampled)


def over_texts(values):
    """Means over texts (texts, columns); a text whose value is NaN is left out. (columns,)"""
    present = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.where(present, values, 0.0).sum(0) / present.sum(0)


def _parts(table):
    """A table as an iterable of DataFrames."""
    return [table] if isinstance(table, pd.DataFrame) else table


def _texts(table) -> pd.DataFrame:
    """doc_id and source of the texts of a long table, in its order."""
    parts = [part.drop_duplicates("doc_id") for part in _parts(table[["doc_id", "source"]])]
    return pd.concat(parts, ignore_index=True).drop_duplicates("doc_id")


def _places(index: pd.DataFrame | None, keys: pd.DataFrame):
    """`index` with the keys that it lacks below it, and the place of each row of `keys` in it."""
    groups = keys.groupby(list(keys), sort=False, dropna=False).ngroup().to_numpy()
    first = np.unique(groups, return_index=True)[1]  # groups are counted as they come
    found = keys.iloc[first].reset_index(drop=True)
    if index is None:
        return found, groups
    index = pd.concat([index, found], ignore_index=True).drop_duplicates(ignore_index=True)
    numbered = index.assign(_place=np.arange(len(index)))
    return index, found.merge(numbered, "left", list(keys))["_place"].to_numpy()[groups]


def _joined(parts: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    """Parts below each other; a column that no part has is NaN."""
    parts = [part for part in parts if len(part)]
    if not parts:
        return pd.DataFrame(columns=columns)
    return pd.concat(parts, ignore_index=True).reindex(columns=columns)


# ---------------------------------------------------------------- information gain

PLACE = ["layer", "regulariser", "lam", "n", "metric"]
GAIN_TABLES = (
    "gain", "gain_relations", "gain_checks", "untrained_gain", "untrained_relations",
)  # fmt: skip


def gain(corpus: str, models: list[dict], read: dict, random, *, draws: int, seed: int):
    """Mean gain, ridge optimum and relations to surprisal, per model, layer and regulariser.

    Parameters
    ----------
    corpus : str
    models : list of dict
        slug, family, params_non_embedding, params_total, width, layers.
    read : dict
        gain, gain_relations, gain_checks, untrained_gain, untrained_relations: slug → table; gain
        and untrained_gain may be infogeo.files.parts.Parts.
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
    nulls = {key: rows["value"].to_numpy() for key, rows in
             random[random["convention"] == "unit"].groupby(["d", "n", "metric"])}  # fmt: skip
    parts = []
    for family in by_family(models):
        sample = Sample((read["gain"][m["slug"]] for m in family), draws=draws, seed=seed)
        for model in family:
            of_model = {name: read[name][model["slug"]] for name in GAIN_TABLES}
            rows = pd.concat([_gains(sample, of_model), _relations(of_model)], ignore_index=True)
            null = [_null(nulls, width_at(row.layer, model), row) for row in rows.itertuples()]
            rows[["random", "random_low", "random_high"]] = np.reshape(null, (-1, 3))
            rows = rows.merge(_residuals(of_model["gain_checks"]), "left", ["layer", "regulariser"])
            rows["checked_tokens"] = rows["checked_tokens"].fillna(0).astype(int)
            rows["relative_depth"] = [
                relative_depth(layer, model["layers"]) for layer in rows["layer"]
            ]
            parts.append(rows.assign(**model_columns(corpus, model)))
    return _joined(parts, GAIN_COLUMNS)


def _gains(sample: Sample, of_model: dict) -> pd.DataFrame:
    """Means of gain_mean, rho_mean, ridge_share, and of the twins'."""
    index, values = sample.wide(of_model["gain"], PLACE, "value")
    mean, low, high = sample.mean(values)
    rows = index.assign(y=mean, low=low, high=high, texts=np.isfinite(values).sum(0))
    twins, values = sample.wide(of_model["untrained_gain"], [*PLACE, "draw"], "value")
    return rows.merge(_over_draws(twins.assign(value=over_texts(values))), "left", PLACE)


def _over_draws(twins: pd.DataFrame) -> pd.DataFrame:
    """Mean, least and largest draw of the twins' `value`."""
    found = twins.groupby(PLACE, sort=False)["value"].agg(["mean", "min", "max"])
    found.columns = ["untrained", "untrained_low", "untrained_high"]
    return found.reset_index()


def _relations(of_model: dict) -> pd.DataFrame:
    """Partial Spearman correlations as metrics, beside the twins'."""

    def named(frame):
        frame = frame.assign(metric="partial_" + frame["relation"].astype(str))
        return frame.drop(columns=["relation", "tokens"])

    rows = named(of_model["gain_relations"]).rename(columns={"partial_spearman": "y"})
    twins = named(of_model["untrained_relations"]).rename(columns={"partial_spearman": "value"})
    own, trained = (twins[twins["reference"] == name] for name in ("own", "trained"))
    crossed = trained.groupby(PLACE)["value"].mean().rename("untrained_on_trained").reset_index()
    rows = rows[rows["reference"] == "own"].drop(columns="reference")
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
    found = checks.groupby(["layer", "regulariser"], sort=False).agg(
        largest_residual_ridge=("residual_ridge", "max"),
        largest_residual_slogdet=("residual_slogdet", "max"),
        checked_tokens=("position", "size"),
    )
    return found.reset_index()


def at_final(corpus: str, models: list[dict], frames: dict) -> Iterator[pd.DataFrame]:
    """The table of each model (slug → table) at layer `final`, the model's columns before it."""
    about = ["corpus", "family", "model", "N", "width"]
    for model in models:
        frame = frames[model["slug"]]
        row = model_columns(corpus, model)
        part = frame[frame["layer"] == "final"].assign(**{name: row[name] for name in about})
        yield part[[*about, *frame.columns]]


# ---------------------------------------------------------------- token selection


def selection(corpus: str, models: list[dict], frames: dict, *, draws: int, seed: int):
    """Explained shares of the selectors, and how often lasso beats each of them.

    Parameters
    ----------
    corpus, models, draws, seed
        As for `gain`.
    frames : dict
        Slug → long table of doc_id, source, selector, sink, k, metric, value.

    Returns
    -------
    pandas.DataFrame
        SELECTION_COLUMNS. lasso_wins is the share of texts in which lasso, with the same sink and
        k, explains strictly more of the held-out coordinates; a tie is no win. median_difference:
        lasso less the selector. wilcoxon_p: two-sided signed-rank test, zero differences left
        out, 1 where all are zero; it takes texts as independent, which the interval of lasso_wins
        does not. wilcoxon_p_holm: Holm over k. NaN in the rows of lasso itself.

    Notes
    -----
    Verified against scipy on single cells.
    """
    keys, parts = ["selector", "sink", "k"], []
    for family in by_family(models):
        sample = Sample((frames[m["slug"]] for m in family), draws=draws, seed=seed)
        for model in family:
            frame = frames[model["slug"]]
            index, values = sample.wide(frame[frame["metric"] == "held_out"], keys, "value")
            rows = index.assign(texts=np.isfinite(values).sum(0))
            rows["held_out"], rows["held_out_low"], rows["held_out_high"] = sample.mean(values)
            rows = rows.join(_against_lasso(index, values, sample))
            for metric in ("in_sample", "jaccard", "relative_position"):
                at, found = sample.wide(frame[frame["metric"] == metric], keys, "value")
                mean, low, high = sample.mean(found)
                at = at.assign(**{metric: mean, f"{metric}_low": low, f"{metric}_high": high})
                rows = rows.merge(at, "left", keys)
            parts.append(rows.assign(**model_columns(corpus, model)))
    return _joined(parts, SELECTION_COLUMNS)


def _against_lasso(index: pd.DataFrame, values, sample: Sample) -> pd.DataFrame:
    """The paired columns; values (texts, rows of index)."""
    place = {key: i for i, key in enumerate(index.itertuples(index=False, name=None))}
    rivals = [place.get(("lasso", sink, k), -1) for _, sink, k in place]
    lasso = np.pad(values, [(0, 0), (0, 1)], constant_values=np.nan)[:, rivals]
    lasso[:, index["selector"] == "lasso"] = np.nan
    difference = lasso - values  # (texts, rows)
    known = np.isfinite(difference)
    wins, low, high = sample.mean(np.where(known, difference > 0, np.nan))
    out = pd.DataFrame({"lasso_wins": wins, "lasso_wins_low": low, "lasso_wins_high": high})
    pairs = [column[some] for column, some in zip(difference.T, known.T, strict=True)]
    out["median_difference"] = [np.median(pair) if len(pair) else np.nan for pair in pairs]
    out["wilcoxon_p"] = [_signed_rank(pair) for pair in pairs]
    out["wilcoxon_p_holm"] = np.nan
    tested = out["wilcoxon_p"].notna().to_numpy()
    for rows in index[tested].groupby(["selector", "sink"]).groups.values():
        p = out.loc[rows, "wilcoxon_p"].to_numpy()
        out.loc[rows, "wilcoxon_p_holm"] = holm(p)
    return out


def holm(p) -> np.ndarray:
    """p values (tests,) adjusted for their number (Holm 1979).

    Notes
    -----
    Verified against statsmodels' multipletests, which collects garbage at every call.
    """
    order = np.argsort(p)
    steps = np.maximum.accumulate(np.asarray(p)[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(steps, 1)
    return adjusted


def _signed_rank(difference) -> float:
    if not len(difference):
        return np.nan
    difference = difference[difference != 0]
    return float(stats.wilcoxon(difference).pvalue) if len(difference) else 1.0


def shown_k(selection: pd.DataFrame) -> int:
    """The k that reports show: the largest that was run, at most 8."""
    ks = selection["k"].unique()
    return int(max(ks[ks <= 8], default=0))


# ---------------------------------------------------------------- token ablation


def over_draws(frame: pd.DataFrame) -> pd.DataFrame:
    """An ablation table with the draws of a random selector averaged within each text."""
    keys = ["doc_id", "source", "selector", "sink", "mode", "share", "k"]
    values = ["kl", "delta_nll", "cosine_mean", "cosine_last"]
    return frame.groupby(keys, sort=False)[values].mean().reset_index()


def nothing_kept(sample: Sample, frame: pd.DataFrame) -> dict[str, np.ndarray]:
    """Sink → KL_0 (texts,): the KL divergence where nothing but the last token, and the first
    where it is forced, is kept."""
    none = frame[(frame["mode"] == "keep") & (frame["k"] == 0)].drop_duplicates(["doc_id", "sink"])
    index, values = sample.wide(none, ["sink"], "kl")
    return dict(zip(index["sink"], values.T, strict=True))


def ablation(corpus: str, models: list[dict], frames: dict, *, draws: int, seed: int):
    """KL divergence, recovery and shifts of the models run on some of their tokens.

    Parameters
    ----------
    corpus, models, draws, seed
        As for `gain`.
    frames : dict
        Slug → long table of doc_id, source, selector, sink, mode, share, k, draw, kl, delta_nll,
        cosine_mean, cosine_last.

    Returns
    -------
    pandas.DataFrame
        ABLATION_COLUMNS. recovery = 1 − mean KL / mean KL_0 with the KL_0 of the same sink in
        both modes, numerator and denominator resampled together; NaN where mean KL_0 is 0.
    """
    keys, parts = ["selector", "sink", "mode", "share", "k"], []
    for family in by_family(models):
        sample = Sample((frames[m["slug"]] for m in family), draws=draws, seed=seed)
        for model in family:
            frame = over_draws(frames[model["slug"]])
            if not len(frame):
                continue
            base = nothing_kept(sample, frame)
            index, kl = sample.wide(frame, keys, "kl")
            rows = index.assign(texts=np.isfinite(kl).sum(0))
            rows["kl"], rows["kl_low"], rows["kl_high"] = sample.mean(kl)
            absent = np.full(len(sample.doc_ids), np.nan)
            zero = np.stack([base.get(sink, absent) for sink in index["sink"]], axis=-1)
            estimates = recovery(np.full((1, len(kl)), 1.0), kl, zero)[0]
            low, high = resampling.interval(recovery(sample.weights, kl, zero))
            rows = rows.assign(recovery=estimates, recovery_low=low, recovery_high=high)
            for name in ("delta_nll", "cosine_mean", "cosine_last"):
                mean, low, high = sample.mean(sample.wide(frame, keys, name)[1])
                rows = rows.assign(**{name: mean, f"{name}_low": low, f"{name}_high": high})
            parts.append(rows.assign(**model_columns(corpus, model)))
    return _joined(parts, ABLATION_COLUMNS)


def recovery(weights, kl, base):
    """1 − mean KL / mean KL_0 for each weighting of the texts; NaN where mean KL_0 is 0.

    Parameters
    ----------
    weights : (draws, texts) array
    kl, base : (texts, columns) arrays

    Returns
    -------
    (draws, columns) array
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (weights @ kl) / (weights @ base)
    return np.where(np.isfinite(share), 1 - share, np.nan)
