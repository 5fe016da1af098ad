"""What earlier layers predict through the model's own final norm and head, beside its surprisal."""

import numpy as np
import pandas as pd

from infogeo.context.shared_texts import SharedTexts, joined
from infogeo.geometry.depths import relative_depth
from infogeo.inference import rank_correlation
from infogeo.sources.cards import by_family, model_columns

COLUMNS = ["doc_id", "source", "layer", "n", "nll", "predictive_entropy", "correlation", "problem"]
MEASURES = ("nll", "predictive_entropy", "correlation")
SUMMARY_COLUMNS = [
    "corpus", "family", "model", "N", "width", "layers", "run", "step",
    "layer", "relative_depth", "n", "texts",
    *(f"{name}{end}" for name in (*MEASURES, "excess") for end in ("", "_low", "_high")), "problem",
]  # fmt: skip
NO_NORM = (
    "no single module makes its final states of those of its last block: it has no final norm "
    "through which other layers could be read"
)


def of_texts(scores: dict, doc_ids, sources) -> pd.DataFrame:
    """One row per text and layer.

    Parameters
    ----------
    scores : dict
        Of `infogeo.states.layer_prediction.predict`, ``final`` among the layers.
    doc_ids, sources : sequences of str

    Returns
    -------
    pandas.DataFrame
        COLUMNS: means over tokens 2 … n in nats; Spearman's rank correlation over these of the NLL
        from that layer with the model's own.
    """
    own = [nll[1:] for nll in scores["final"][0]]
    rows = [
        {
            "doc_id": doc_id, "source": source, "layer": layer, "n": len(nll),
            "nll": nll[1:].mean(dtype=float), "problem": "",
            "predictive_entropy": entropy[1:].mean(dtype=float),
            "correlation": rank_correlation.spearman(nll[1:], surprisal)[0, 0],
        }
        for layer, (nlls, entropies) in scores.items()
        for doc_id, source, nll, entropy, surprisal in zip(
            doc_ids, sources, nlls, entropies, own, strict=True
        )
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=COLUMNS)


def none(problem: str) -> pd.DataFrame:
    """The table of a model without such predictions: a row that says why."""
    row = dict.fromkeys(COLUMNS, np.nan) | {
        "doc_id": "", "source": "", "layer": "", "n": 0, "problem": problem
    }  # fmt: skip
    return pd.DataFrame([row])


def summarise(corpus: str, models: list[dict], frames: dict, *, draws: int, seed: int):
    """Means over the texts that the models of a family share, with intervals.

    Parameters
    ----------
    corpus, models, draws, seed
        As for `gain_summary.summarise_gain`.
    frames : dict
        Slug → table of COLUMNS.

    Returns
    -------
    pandas.DataFrame
        SUMMARY_COLUMNS. excess: NLL from that layer less the model's own, of the same texts. A
        model without predictions has a row with the problem.
    """
    parts = []
    for family in by_family(models):
        tables = {model["slug"]: frames[model["slug"]] for model in family}
        rows_of = {slug: table[table["problem"] == ""] for slug, table in tables.items()}
        shared = SharedTexts(rows_of.values(), draws=draws, seed=seed)
        for model in family:
            rows = _of_model(shared, rows_of[model["slug"]], tables[model["slug"]]["problem"])
            rows["relative_depth"] = [
                relative_depth(layer, model["layers"]) for layer in rows["layer"]
            ]
            parts.append(rows.assign(**model_columns(corpus, model)))
    return joined(parts, SUMMARY_COLUMNS)


def _of_model(shared: SharedTexts, table: pd.DataFrame, problems) -> pd.DataFrame:
    if not len(table):
        return pd.DataFrame([{"layer": "", "texts": 0, "problem": problems.iloc[0]}])
    rows = None
    for name in (*MEASURES, "excess"):
        column = "nll" if name == "excess" else name
        index, values = shared.wide(table, ["layer", "n"], column)
        if rows is None:
            rows = index.assign(problem="", texts=np.isfinite(values).sum(0))
        if name == "excess":
            values = values - values[:, index["layer"].tolist().index("final"), None]
        rows[name], rows[f"{name}_low"], rows[f"{name}_high"] = shared.mean(values)
    return rows
