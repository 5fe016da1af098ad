"""Tables of token selection: what each selector explains, token weights, ridge regressions."""

import numpy as np
import pandas as pd

from infogeo.context.held_out import half_grams, selector_scores
from infogeo.context.least_squares import participation, ridge_weights
from infogeo.context.paths import SINKS, lasso, tableau_of
from infogeo.context.selectors import over_candidates, prepared
from infogeo.files.errors import InfogeoError
from infogeo.geometry.metrics import regularisers
from infogeo.geometry.rows import check_finite

SELECTION_COLUMNS = [
    "doc_id", "source", "n", "selector", "sink", "k", "metric", "value", "draws",
]  # fmt: skip
RIDGE_COLUMNS = [
    "doc_id", "source", "n", "regulariser", "lam",
    "participation_ratio", "participation_share", "explained",
]  # fmt: skip
TEXT_COLUMNS = ("doc_id", "source", "selector", "sink", "metric", "regulariser")
WHOLE_COLUMNS = ("n", "k", "draws", "position", "token_start_byte", "token_end_byte")


def selection_tables(
    states,
    *,
    n: int,
    ks,
    lambdas,
    eps2,
    headline_eps2: float,
    draws: int,
    rotations: int,
    centred: bool,
    seed: int,
    update=lambda done: None,
) -> tuple:
    """Selection, token weights and ridge regressions of a store's texts with attention.

    Parameters
    ----------
    states : infogeo.states.store.HiddenStates
        Of the texts whose attention is stored, those of exactly n tokens are taken; layer 'final'.
    n : int
    ks : list of int
        Numbers of tokens to choose; those above d/4 are left out.
    lambdas, eps2 : list of float
        The regularisers of the ridge; see `metrics.regularisers`.
    headline_eps2 : float
        The ε² of the ridge weights among the token weights.
    draws, rotations : int
        Of the random selector and of the coordinates.
    centred : bool
        See `selectors.prepared`.
    seed : int
        The draws of a text have streams of their own, (seed, its place in the store, sink).
    update : callable
        Called with the number of texts that are done.

    Returns
    -------
    selection : pandas.DataFrame
        doc_id, source, n, selector, sink, k, metric, value, draws; see `held_out.selector_scores`.
    tokens : pandas.DataFrame
        doc_id, position (from 0), token_start_byte, token_end_byte and the weights of every
        earlier token for the last one: attention_mean, attention_rollout (over the earlier tokens),
        ridge, and lasso_k for every k (NaN at the last token, and where k is left out).
    ridge : pandas.DataFrame
        doc_id, source, n, regulariser, lam, participation_ratio, participation_share, explained.
        All three are without rows, but with their columns, where no text has n tokens.

    Raises
    ------
    InfogeoError
        Where n is below 2, the layer is not stored, or a state is not finite.
    """
    texts, hidden = _texts_with_attention(states, n)
    d, ends = hidden.shape[2], states.token_end_byte()
    rows = np.array([prepared(Z, centred) for Z in hidden]).reshape(hidden.shape)
    scored = sorted(k for k in ks if k <= d / 4)
    halves = half_grams(rows, rotations, seed) if scored else np.empty((len(texts), 0, n, n))
    named = regularisers(lambdas, eps2, n, d)

    selection, tokens, ridge = [], [], []
    for place, text in enumerate(texts):
        update(place)
        gram = rows[place] @ rows[place].T
        last_row, rollout = states.attention_last_row(text), states.rollout_row(text)
        keys = {"doc_id": states.doc_ids[text], "source": states.sources[text], "n": n}
        for index, sink in enumerate(SINKS):
            of_sink = selector_scores(
                hidden[place], last_row, rollout, gram, halves[place], scored,
                sink=sink, draws=draws, rng=np.random.default_rng([seed, text, index]),
            )  # fmt: skip
            selection += [{**keys, "sink": sink, **row} for row in of_sink]
        for name, lam in named:
            values = participation(gram, ridge_weights(gram, lam))
            ridge.append({**keys, "regulariser": name, "lam": lam, **values})
        weights = {
            "attention_mean": over_candidates(last_row, 0).mean(axis=0),
            "attention_rollout": over_candidates(rollout, 0),
            "ridge": ridge_weights(gram, n * headline_eps2 / d),
            **_lasso_weights(gram, ks, scored),
        }
        bytes_ = ends[states.offsets[text] : states.offsets[text + 1]]
        tokens.append(_token_rows(keys["doc_id"], bytes_, weights))
    columns = [
        *("doc_id", "position", "token_start_byte", "token_end_byte"),
        *("attention_mean", "attention_rollout", "ridge"),
        *(f"lasso_{k}" for k in ks),
    ]
    return (
        _typed(pd.DataFrame(selection, columns=SELECTION_COLUMNS)),
        _typed(pd.concat(tokens, ignore_index=True) if tokens else pd.DataFrame(columns=columns)),
        _typed(pd.DataFrame(ridge, columns=RIDGE_COLUMNS)),
    )


def texts_taken(states, n: int) -> tuple[int, str]:
    """How many texts `selection_tables` takes, and a sentence on them.

    Parameters are those of `selection_tables`.
    """
    texts = len(states.attention_texts)
    taken = int(sum(states.lengths[text] == n for text in states.attention_texts))
    if states.attrs.get("attention_problem"):
        return taken, f"No attention is stored: {states.attrs['attention_problem']}"
    left = texts - taken
    return taken, f"{taken} of {texts} texts with attention have {n} tokens; {left} are left out"


def _texts_with_attention(states, n: int):
    """The texts of n tokens whose attention is stored, and their states (texts, n, d)."""
    if n < 2:
        raise InfogeoError(
            f"{states.path}: texts of {n} token have no earlier tokens to choose from. "
            "Set a number above 1 in config spectra.n."
        )
    if "final" not in states.layers:
        raise InfogeoError(
            f"{states.path}: token selection needs layer 'final'; the store holds "
            f"{', '.join(states.layers)}. Add final to config states.layers."
        )
    texts = [text for text in states.attention_texts if states.lengths[text] == n]
    hidden = np.empty((len(texts), n, states.widths["final"]), np.float32)
    for place, text in enumerate(texts):
        hidden[place] = states.read(text, "final")
        check_finite(hidden[place], f"{states.path}: text {states.doc_ids[text]!r}, layer final")
    return texts, hidden


def _lasso_weights(gram, ks, scored) -> dict:
    """lasso_k → weights (n − 1,) of every k; NaN where k is not scored, or n or larger."""
    n = len(gram)
    sizes = [k for k in scored if k < n]
    _, weights = lasso(*tableau_of(gram[None], "free"), sizes)
    by_size = dict(zip(sizes, weights[0], strict=True))
    return {f"lasso_{k}": by_size.get(k, np.full(n - 1, np.nan)) for k in ks}


def _token_rows(doc_id: str, ends, weights: dict) -> pd.DataFrame:
    """A row for each token of a text: its bytes, and its weights for the last one."""
    return pd.DataFrame(
        {
            "doc_id": doc_id,
            "position": np.arange(len(ends)),
            "token_start_byte": np.append(0, ends[:-1]).astype(np.int64),
            "token_end_byte": ends.astype(np.int64),
            **{name: np.append(values, np.nan) for name, values in weights.items()},
        }
    )


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Types set apart from the values: a table without rows has none to infer them from."""
    kinds = {**dict.fromkeys(TEXT_COLUMNS, "str"), **dict.fromkeys(WHOLE_COLUMNS, "int64")}
    return frame.astype({name: kinds.get(name, "float64") for name in frame.columns})
