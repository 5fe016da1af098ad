"""Tables of a layer's information gains: by text, by position, and beside a model's surprisal."""

from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from infogeo.geometry.layer_gains import FullTexts, LayerGains
from infogeo.geometry.repetition import TypeGains
from infogeo.inference import resampling
from infogeo.inference.rank_correlation import midranks, of_ranks, partial_spearman

BINS = 20  # of surprisal, with equally many tokens
TYPES = ("types_partial", "types_spearman")  # correlations of one random vector a type of token
TOGETHER_BYTES = 2**26  # of the gains of layers that are resampled together


def _long(gains: LayerGains, columns: list[dict]):
    """One table of a layer from the columns for each of its regularisers."""
    import pandas as pd

    return pd.concat(
        [
            pd.DataFrame({"layer": gains.layer, "regulariser": name, "lam": lam, **of_kind})
            for (name, lam), of_kind in zip(gains.regularisers, columns, strict=True)
        ],
        ignore_index=True,
    )


def text_table(gains: LayerGains, texts: FullTexts):
    """Means over the tokens of each text.

    Returns
    -------
    pandas.DataFrame
        doc_id, source, layer, n, regulariser, lam, metric, value: gain_mean (nats per token) and
        rho_mean over all n tokens; ridge_share, the share of the squared norm of tokens 2 … n that
        ridge on the earlier ones explains: 1 − Σρ/Σ‖z‖² (NaN where all are zero rows).
    """
    import pandas as pd

    squares = gains.norms[:, 1:].sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = 1.0 - gains.rho[..., 1:].sum(axis=-1) / np.where(squares > 0, squares, np.nan)
    metrics = {
        "gain_mean": gains.gain.mean(axis=-1),
        "rho_mean": gains.rho.mean(axis=-1),
        "ridge_share": share,
    }  # (regularisers, texts)
    frames = [
        _long(
            gains,
            [
                {"doc_id": texts.doc_ids, "source": texts.sources, "metric": metric, "value": row}
                for row in values
            ],
        )
        for metric, values in metrics.items()
    ]
    columns = "doc_id source layer n regulariser lam metric value".split()
    return pd.concat(frames, ignore_index=True).assign(n=texts.n)[columns]


def position_table(gains: LayerGains, weights):
    """Means over texts at each position, with 95 % intervals over resampled text clusters.

    Parameters
    ----------
    gains : LayerGains
    weights : (draws, texts) array
        See `infogeo.inference.resampling.text_weights`.

    Returns
    -------
    pandas.DataFrame
        layer, regulariser, lam, position (from 1), quantity, mean, low, high, texts. Quantities:
        gain, rho, and logdet: ln det(I + G_i/λ) of the tokens up to there.
    """
    import pandas as pd

    columns = "layer regulariser lam position quantity mean low high texts".split()
    texts, n = gains.norms.shape
    parts = {"gain": gains.gain, "rho": gains.rho, "logdet": gains.gain.cumsum(axis=-1)}
    frames = []
    for quantity, values in parts.items():
        bands = [resampling.interval(weights @ of_kind) for of_kind in values]  # (2, n) each
        of_kinds = [
            {"position": np.arange(1, n + 1), "quantity": quantity, "mean": of_kind.mean(axis=0),
             "low": low, "high": high, "texts": texts}
            for of_kind, (low, high) in zip(values, bands, strict=True)
        ]  # fmt: skip
        frames.append(_long(gains, of_kinds))
    return pd.concat(frames, ignore_index=True)[columns]


def surprisal_table(gains: LayerGains, surprisal, weights):
    """Mean gain in quantile bins of surprisal, with 95 % intervals over resampled text clusters.

    Parameters
    ----------
    gains : LayerGains
    surprisal : (texts, n − 1) array
        Nats, of tokens 2 … n; the bins hold equally many of all tokens (equal values stay
        together, and empty bins are left out).
    weights : (draws, texts) array

    Returns
    -------
    pandas.DataFrame
        layer, regulariser, lam, bin (from 0), surprisal (mean), gain, low, high, tokens.
    """
    edges = np.quantile(surprisal, np.arange(1, BINS) / BINS)
    bins = np.searchsorted(edges, surprisal, side="right")  # (texts, n − 1)
    places = (np.arange(len(bins))[:, None] * BINS + bins).ravel()

    def sums(values=None):  # (texts, BINS)
        values = None if values is None else values.ravel()
        return np.bincount(places, values, len(bins) * BINS).reshape(-1, BINS)

    counts = sums()
    tokens = counts.sum(axis=0)
    used = tokens > 0
    counts, tokens = counts[:, used], tokens[used]
    resampled = weights @ counts
    columns = []
    for gain in gains.gain[..., 1:]:
        total = sums(gain)[:, used]
        with np.errstate(invalid="ignore"):
            low, high = resampling.interval(weights @ total / resampled)
        columns.append({
            "bin": np.flatnonzero(used), "surprisal": sums(surprisal)[:, used].sum(0) / tokens,
            "gain": total.sum(axis=0) / tokens, "low": low, "high": high, "tokens": tokens,
        })  # fmt: skip
    return _long(gains, columns)


def relation_table(
    layers: list[LayerGains],
    texts: FullTexts,
    scores: dict,
    copies=None,
    types: TypeGains | None = None,
):
    """Partial Spearman correlations of the gain with what a model says of the same tokens.

    Given are the position, the frequency of the token, and how long ago it came before in its text;
    all tokens 2 … n count.

    Parameters
    ----------
    layers : list of LayerGains
        Together they are resampled in less time than one after the other.
    texts : FullTexts
    scores : dict
        Relation → (texts, n − 1) array, such as the surprisal of each token.
    copies : (draws, texts) int array, optional
        Resamples of text clusters for 95 % intervals (NaN without), see `resampling.text_copies`.
    types : TypeGains, optional
        Of random vectors, one for every type of token.

    Returns
    -------
    pandas.DataFrame
        layer, regulariser, lam, n, relation; partial_spearman, low, high; within_position (the same
        with a level per position in place of its rank), with_repetition (repetition not held
        fixed), spearman (nothing held fixed); and of random vectors for each type of token
        types_partial and types_spearman (NaN without); tokens, texts. NaN where a variable is
        constant.
    """
    import pandas as pd

    # Regularisers of one λ have one gain.
    gain = {
        (place, lam): of_kind[:, 1:].ravel()
        for place, gains in enumerate(layers)
        for (_, lam), of_kind in zip(gains.regularisers, gains.gain, strict=True)
    }
    targets = np.stack([values.ravel() for values in scores.values()])
    controls = texts.controls
    of_targets, of_controls = midranks(targets), midranks(controls)
    of_gain = midranks(list(gain.values()))
    low = high = np.full((len(gain), len(targets)), np.nan)
    if copies is not None:
        of_text = np.repeat(np.arange(len(texts)), texts.n - 1)
        drawn = partial_spearman(list(gain.values()), targets, controls, of_text, copies)
        low, high = resampling.interval(drawn)
    columns = {
        "partial_spearman": of_ranks(of_gain, of_targets, of_controls),
        "low": low,
        "high": high,
        "within_position": of_ranks(of_gain, of_targets, of_controls[1:], controls[0]),
        "with_repetition": of_ranks(of_gain, of_targets, of_controls[:2]),
        "spearman": of_ranks(of_gain, of_targets, of_controls[:0]),
    }  # (gains, targets) each
    columns = {name: dict(zip(gain, values, strict=True)) for name, values in columns.items()}
    of_types = _of_types(layers, types, of_targets, of_controls)
    frames = [
        _long(gains, [
            {"n": texts.n, "relation": list(scores),
             **{name: values[place, lam] for name, values in columns.items()},
             **{name: values[gains.width, lam] for name, values in of_types.items()},
             "tokens": targets.shape[1], "texts": len(texts)}
            for _, lam in gains.regularisers
        ])
        for place, gains in enumerate(layers)
    ]  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def _of_types(layers, types: TypeGains | None, of_targets, of_controls) -> dict[str, dict]:
    """TYPES by width and λ: layers of one width share them."""
    nothing = np.full(len(of_targets), np.nan)
    if types is None:
        return {name: defaultdict(lambda: nothing) for name in TYPES}
    gain = {}
    for gains in layers:
        lambdas = [lam for _, lam in gains.regularisers]
        of_width = types.of(gains.width, lambdas)
        gain |= {
            (gains.width, lam): of_kind[:, 1:].ravel()
            for lam, of_kind in zip(lambdas, of_width, strict=True)
        }
    ranks = midranks(list(gain.values()))
    correlations = (
        of_ranks(ranks, of_targets, of_controls[:held]) for held in (len(of_controls), 0)
    )
    return {
        name: dict(zip(gain, values, strict=True))
        for name, values in zip(TYPES, correlations, strict=True)
    }


def tables_together(
    layers: Iterable[tuple[LayerGains, list]],
    texts: FullTexts,
    scores: dict,
    copies,
    types: TypeGains,
) -> dict:
    """All tables of some layers.

    Parameters
    ----------
    layers : iterable of (LayerGains, list of dict)
        With the layer's rows of `Checks`.
    texts : FullTexts
    scores : dict
        See `relation_table`; "surprisal" is one of them.
    copies : (draws, texts) int array
        Of the bootstrap over text clusters; see `resampling.text_copies`.
    types : TypeGains

    Returns
    -------
    dict
        texts, positions, relations, checks, surprisal → pandas.DataFrame; see the functions of
        those names, and for checks `Checks`: doc_id, layer, regulariser, lam, position, gain, rho;
        rho_ridge, gain_ridge = ln(1 + rho_ridge/λ), gain_slogdet (NaN where it would cost too
        much); the absolute differences residual_ridge and residual_slogdet, nats.
    """
    import pandas as pd

    weights = resampling.as_weights(copies)
    of_layers, checks = zip(*layers, strict=True)
    surprisal = scores["surprisal"]
    made = {
        "texts": [text_table(gains, texts) for gains in of_layers],
        "positions": [position_table(gains, weights) for gains in of_layers],
        "relations": [relation_table(of_layers, texts, scores, copies, types)],
        "checks": [pd.DataFrame(rows) for rows in checks],
        "surprisal": [surprisal_table(gains, surprisal, weights) for gains in of_layers],
    }
    return {name: pd.concat(frames, ignore_index=True) for name, frames in made.items()}


def layers_together(layers: list[str], texts: FullTexts, kinds: int, threads: int) -> list:
    """Layers in groups that `tables_together` takes: no larger than the threads' even shares.

    Gains of a group take at most TOGETHER_BYTES, if it has more than one layer.

    Parameters
    ----------
    layers : list of str
    texts : FullTexts
    kinds : int
        Regularisers.
    threads : int

    Returns
    -------
    list of lists of str
    """
    of_layer = 16 * kinds * len(texts) * texts.n  # gain and ρ
    most = min(-(-len(layers) // threads), max(1, TOGETHER_BYTES // of_layer))
    return [layers[start : start + most] for start in range(0, len(layers), most)]
