"""Whether a measure without labels tells at which layer texts of one label lie together.

The rule of the verdict was written before its rates were measured: docs/verdicts.md.
"""

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from infogeo.geometry.depths import relative_depth
from infogeo.geometry.metrics import DESCRIPTIVE, FIRST
from infogeo.inference import multiple_tests, resampling
from infogeo.sentences.distances import mean_distances
from infogeo.sentences.file import Sentences
from infogeo.sentences.judged_texts import NotJudged
from infogeo.sentences.separation import Separation
from infogeo.sentences.summary import bounds

LEAST_LAYERS = 5
LARGE = 0.5  # of a rank correlation
MEASURE = ["scope", "convention", "first", "n", "metric"]
HEADLINE = {"scope": "text", "convention": "centred", "first": "in", "metric": "entropy"}
MODEL = ["corpus", "family", "model", "N", "run", "step"]
LAYER_COLUMNS = [
    *MODEL, "layer", "relative_depth", "first", "texts", "sources", "auc", "low", "high",
    "untrained", "untrained_low", "untrained_high",
]  # fmt: skip
COLUMNS = [
    *MODEL, *MEASURE, "headline", "layers", "texts", "sources", *bounds(["rho"]), "p", "q",
    "untrained", *bounds(["excess"]), "verdict", "problems",
]  # fmt: skip


class LayerAucs:
    """The label AUC of the mean states at every layer of a model, and of its twins.

    Parameters
    ----------
    trained : Sentences
    untrained : Sentences or None
        Of the twins, several draws; None where there are none.

    Attributes
    ----------
    layers : list of str
        In order of depth.
    trained : dict
        first → (values (layers,), influence (sources, layers)).
    twins : dict
        first → (values (draws, layers), influence (sources, layers) on their mean); empty without.

    Raises
    ------
    NotJudged
        Where the texts cannot be judged by their labels.
    """

    def __init__(self, trained: Sentences, untrained: Sentences | None):
        clusters = resampling.clusters(trained.doc_ids, trained.sources)
        self.separation = Separation(trained.labels, clusters, neighbours=1, permutations=0, seed=0)
        names = {layer for _, layer, _ in trained.layer_means}
        self.layers = sorted(names, key=lambda name: (name == "final", name.zfill(9)))
        self.trained = {
            first: (values[0], influence)
            for first, (values, influence) in self._judged(trained).items()
        }
        self.twins = {}
        if untrained is not None and untrained.doc_ids == trained.doc_ids:
            self.twins = self._judged(untrained)

    def _judged(self, sentences: Sentences) -> dict:
        """first → values (draws, layers), and the influence (sources, layers) on their mean."""
        draws = sorted({draw for draw, _, _ in sentences.layer_means})
        judged = {}
        for first in FIRST:
            cells = [
                [self._auc(sentences.layer_means[draw, layer, first]) for layer in self.layers]
                for draw in draws
            ]
            values = np.array([[value for value, _ in row] for row in cells])
            influence = np.array([[own for _, own in row] for row in cells])
            judged[first] = values, influence.mean(axis=0).T
        return judged

    def _auc(self, means) -> tuple[float, np.ndarray]:
        return self.separation.auc(mean_distances(means)["cosine_centred"])

    @property
    def counts(self) -> dict:
        """Texts and sources."""
        texts = self.separation.texts
        return {"texts": len(texts), "sources": len(texts.members)}

    def table(self, blocks: int) -> pd.DataFrame:
        """A row a layer and first, of LAYER_COLUMNS those that tell nothing of the model."""
        frames = []
        for first, (values, influence) in self.trained.items():
            low, high = self.separation.interval(values, influence)
            twins, _ = self.twins.get(first, (np.full((1, len(values)), np.nan), None))
            frames.append(pd.DataFrame({
                "layer": self.layers, "first": first, **self.counts, "auc": values,
                "low": np.maximum(low, 0), "high": np.minimum(high, 1),
                "relative_depth": [relative_depth(layer, blocks) for layer in self.layers],
                "untrained": twins.mean(0), "untrained_low": twins.min(0),
                "untrained_high": twins.max(0),
            }))  # fmt: skip
        return pd.concat(frames, ignore_index=True)


def rank_correlations(measures, auc, shifts) -> tuple[np.ndarray, np.ndarray]:
    """Spearman's rank correlation of measures with AUCs over layers, and under resampled sources.

    Parameters
    ----------
    measures : (measures, layers) array
    auc : (layers,) array
    shifts : (draws, layers) array
        What resampled sources do to the AUCs.

    Returns
    -------
    values : (measures,) array
        NaN where all layers have one value.
    draws : (measures, draws) array

    Notes
    -----
    Verified against scipy.stats.spearmanr, ties among them.
    """
    ranks = _standardised(rankdata(measures, axis=-1))
    values = ranks @ _standardised(rankdata(auc))
    return values, ranks @ _standardised(rankdata(auc + shifts, axis=-1)).T


def interval(values, draws) -> np.ndarray:
    """95 % interval of a correlation, or of a difference of two: (2, measures).

    Noise in the AUCs makes a correlation smaller, once where it is measured and once more in each
    resample. Percentiles miss large correlations, percentiles reflected at the value miss others
    where layers are few (tests/bench/which_layer.py): the interval is the hull of both.

    Parameters
    ----------
    values : (measures,) array
    draws : (measures, draws) array
    """
    low, high = resampling.interval(draws.T)
    return np.stack([np.minimum(low, 2 * values - high), np.maximum(high, 2 * values - low)])


def _standardised(ranks):
    """Ranks (..., layers) less their mean, of unit norm; NaN where all are tied."""
    centred = ranks - ranks.mean(axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        return centred / np.linalg.norm(centred, axis=-1, keepdims=True)


def verdict(rho: float, interval, excess) -> str:
    """The verdict on "this measure chooses the layer" for one model.

    Parameters
    ----------
    rho : float
    interval, excess : pairs of float
        Ends of the interval of rho, and of rho less that of the twins.
    """
    if not np.isfinite([rho, *interval]).all():
        return "not available"
    sign = 1 if rho > 0 else -1
    nearest, ahead = (min(sign * end for end in ends) for ends in (interval, excess))
    if nearest > LARGE and ahead > 0:  # NaN > 0 is false
        return "supported"
    return "contradicted" if max(map(abs, interval)) < LARGE else "inconclusive"


def tables_of_model(
    about: dict, profile: pd.DataFrame, trained, untrained, *, n: int, draws: int, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The AUC of each layer of a model, and how every measure goes with it over layers.

    Parameters
    ----------
    about : dict
        corpus, family, model.
    profile : pandas.DataFrame
        The model's rows of results/scaling/profiles.parquet.
    trained, untrained : Sentences
        Or None, of the twins.
    n : int
        Tokens at which measures are taken.
    draws, seed : int
        Of the resamples of sources.

    Returns
    -------
    (DataFrame, DataFrame)
        LAYER_COLUMNS and COLUMNS. Where there is no AUC or too few layers the second one has the
        headline alone, which says why.
    """
    layers = pd.DataFrame(columns=LAYER_COLUMNS)
    if not len(profile):
        return layers, _without(about, n, 0, "no text of this model is long enough")
    about, blocks = about | {"N": profile["N"].iloc[0]}, int(profile["layers"].iloc[0])
    try:
        aucs = LayerAucs(trained, untrained)
    except NotJudged as reason:
        return layers, _without(about, n, 0, str(reason))
    layers = aucs.table(blocks).assign(**about).reindex(columns=LAYER_COLUMNS)
    measured = _by_layer(profile, aucs.layers, n)
    if len(aucs.layers) < LEAST_LAYERS or not len(measured):
        problem = (
            f"{len(aucs.layers)} layers with states of the judged texts: {LEAST_LAYERS} are needed "
            "(states.layers, keep_hidden_states)"
        )
        if len(aucs.layers) >= LEAST_LAYERS:
            problem = f"no measure at n = {n} at every one of these layers"
        return layers, _without(about, n, len(aucs.layers), problem)
    rows = _correlated(measured, aucs, draws, seed)
    return layers, rows.assign(**about, layers=len(aucs.layers), **aucs.counts)


def _by_layer(profile: pd.DataFrame, layers: list[str], n: int) -> pd.DataFrame:
    """Measures that exist at all of these layers: a row each, columns (y | untrained, layer)."""
    rows = profile[
        (profile["n"] == n) & profile["layer"].isin(layers)
        & ~profile["metric"].str.partition("[")[0].isin(DESCRIPTIVE)
    ]  # fmt: skip
    wide = rows.pivot(index=MEASURE, columns="layer", values=["y", "untrained"])
    if not set(layers) <= set(wide.columns.get_level_values("layer")):
        return wide.iloc[:0]
    ordered = wide.reindex(columns=pd.MultiIndex.from_product([["y", "untrained"], layers]))
    return ordered[np.isfinite(ordered["y"]).all(axis=1)]


def _correlated(measured: pd.DataFrame, aucs: LayerAucs, draws: int, seed: int) -> pd.DataFrame:
    """A row a measure, of COLUMNS those that tell nothing of the model."""
    frames = []
    firsts = measured.index.get_level_values("first")
    for first in FIRST:
        # A row a text, the last token's, has no first token: it goes with the AUC of all.
        of_first = measured[(firsts == first) | ((firsts == "") & (first == "in"))]
        if not len(of_first):
            continue
        value, resampled = _resampled(of_first["y"], *aucs.trained[first], aucs, draws, seed)
        frame = of_first.index.to_frame(index=False).assign(rho=value)
        frame["rho_low"], frame["rho_high"] = np.clip(interval(value, resampled), -1, 1)
        below = np.minimum((resampled <= 0).sum(1), (resampled >= 0).sum(1))
        frame["p"] = np.where(np.isnan(value), np.nan, np.minimum(1, 2 * (1 + below) / (1 + draws)))
        frame["problems"] = np.where(np.isnan(value), "the measure is the same at all layers", "")
        twins, gap = np.full(len(frame), np.nan), np.full_like(resampled, np.nan)
        if first in aucs.twins:
            values, influence = aucs.twins[first]
            twins, of_twins = _resampled(
                of_first["untrained"], values.mean(0), influence, aucs, draws, seed
            )
            gap = resampled - of_twins
        frame = frame.assign(untrained=twins, excess=value - twins)
        frame["excess_low"], frame["excess_high"] = interval(value - twins, gap)
        frames.append(frame)
    table = pd.concat(frames, ignore_index=True)
    table["headline"] = np.logical_and.reduce(
        [table[name] == asked for name, asked in HEADLINE.items()]
    )
    table["verdict"] = [
        verdict(row.rho, (row.rho_low, row.rho_high), (row.excess_low, row.excess_high))
        for row in table.itertuples()
    ]
    no_twins = table["problems"].eq("") & table["untrained"].isna()
    table.loc[no_twins, "problems"] = "no untrained twins at these layers"
    return table.reindex(columns=COLUMNS)


def _resampled(measures, auc, influence, aucs: LayerAucs, draws: int, seed: int):
    """`rank_correlations` of measures (measures, layers) with AUCs; all see the same resamples."""
    shifts = aucs.separation.shifts(influence, draws=draws, seed=seed)
    return rank_correlations(measures.to_numpy(float), auc, shifts)


def _without(about: dict, n: int, layers: int, problem: str) -> pd.DataFrame:
    row = about | HEADLINE | {
        "n": n, "headline": True, "layers": layers, "verdict": "not available",
        "problems": problem,
    }  # fmt: skip
    return pd.DataFrame([row]).reindex(columns=COLUMNS)


def joined(tables: list[tuple[pd.DataFrame, pd.DataFrame]]) -> dict[str, pd.DataFrame]:
    """The tables of all models and corpora, `layers` and `measures`, with q values."""
    layers, measures = (
        pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
        for parts in zip(*tables, strict=True)
    )
    exploratory = ~measures["headline"].astype(bool)
    measures["q"] = np.nan
    measures.loc[exploratory, "q"] = multiple_tests.benjamini_hochberg(
        measures.loc[exploratory, "p"]
    )
    return {"layers": layers, "measures": measures}
