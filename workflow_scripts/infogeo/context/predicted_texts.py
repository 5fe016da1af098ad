"""The table of what earlier layers predict, while a model is loaded."""

import pandas as pd

from infogeo.context import layer_prediction
from infogeo.files import tables
from infogeo.geometry.depths import layer_names
from infogeo.states.layer_prediction import predict
from infogeo.states.out_of_memory import run_halving_on_oom


def measure(model, norm, tokens, doc_ids, sources, batch_tokens: int) -> pd.DataFrame:
    """Predictions from the states of every layer, for texts of equal length.

    Parameters
    ----------
    model : LanguageModel
    norm : callable or None
        From `find_norm`.
    tokens : list of (n,) int ndarrays
    doc_ids, sources : lists of str
    batch_tokens : int
        Most tokens of a batch.

    Returns
    -------
    pandas.DataFrame
        See `layer_prediction.of_texts`.

    Raises
    ------
    InfogeoError
        Where memory does not suffice for one text.
    """
    if norm is None:
        return layer_prediction.none(f"{model.name}: {layer_prediction.NO_NORM}")
    parts, n, names = [], len(tokens[0]), layer_names(model.depth)

    def run(batch):
        scores = predict(model, norm, [tokens[text] for text in batch], names)
        of_batch = ([values[text] for text in batch] for values in (doc_ids, sources))
        parts.append(layer_prediction.of_texts(scores, *of_batch))

    step = max(1, batch_tokens // n)
    for start in range(0, len(tokens), step):
        run_halving_on_oom(
            model,
            run,
            range(len(tokens))[start : start + step],
            lambda part: len(part) * n,
            lambda text: f"model {model.name!r}, text {doc_ids[text]!r}",
        )
    return tables.joined(parts)
