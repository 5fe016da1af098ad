"""How the gains of untrained twins go with the likelihoods of a trained model, token by token."""

import numpy as np
import pandas as pd

from infogeo.files.errors import InfogeoError
from infogeo.geometry.spectra_file import SpectraFile
from infogeo.geometry.token_gains import TokenGains
from infogeo.inference.rank_correlation import spearman

COLUMNS = "layer regulariser lam n relation draw partial_spearman tokens texts".split()


def crossed_relations(spectra: SpectraFile, twins: list[TokenGains]) -> pd.DataFrame:
    """Partial Spearman correlations of each twin's gains with what the model says of the tokens.

    Given are position, frequency and repetition, as in `gain_tables.relation_table`.

    Parameters
    ----------
    spectra : SpectraFile
        Of the model: its texts, and its likelihoods.
    twins : list of TokenGains
        A draw each.

    Returns
    -------
    pandas.DataFrame
        COLUMNS; relation is surprisal or predictive_entropy. Without rows where twins have no
        gains.

    Raises
    ------
    InfogeoError
        Where the model sees other texts or tokens than its twins.

    Notes
    -----
    Verified against `gain_tables.relation_table` of the same gains and likelihoods.
    """
    rows, layers_of_twins = [], twins[0].layers if twins else []
    if layers_of_twins:
        texts = twins[0].texts
        targets = _targets(spectra, twins[0])
    for name in layers_of_twins:
        layers = [twin.layer(name) for twin in twins]
        gain = np.concatenate([gain[..., 1:] for _, gain in layers])
        gain = gain.reshape(len(gain), -1)  # (draws · regularisers, tokens)
        partial = spearman(gain, list(targets.values()), texts.controls)
        kinds = [(draw, *kind) for draw, (kinds, _) in enumerate(layers) for kind in kinds]
        rows += [
            {
                "layer": name, "regulariser": regulariser, "lam": lam, "n": texts.n,
                "relation": relation, "draw": draw, "partial_spearman": value,
                "tokens": gain.shape[1], "texts": len(texts),
            }
            for (draw, regulariser, lam), values in zip(kinds, partial, strict=True)
            for relation, value in zip(targets, values, strict=True)
        ]  # fmt: skip
    return pd.DataFrame(rows, columns=COLUMNS)


def _targets(spectra: SpectraFile, twin: TokenGains) -> dict[str, np.ndarray]:
    """What the model says of tokens 2 … n of the texts of its twin."""
    texts, tokens = twin.texts, spectra.tokens
    whole = np.flatnonzero(np.diff(tokens.offsets) == texts.n)
    of_model = [spectra.documents.doc_ids[text] for text in whole]
    ends = tokens.token_end_byte[tokens.offsets[whole][:, None] + np.arange(texts.n)]
    if of_model != list(texts.doc_ids) or not np.array_equal(ends, twin.end_bytes):
        raise InfogeoError(
            f"{spectra.path}: its {len(whole)} texts of {texts.n} tokens, or their tokens, are not "
            f"those of its untrained twins ({len(texts)} in {twin.path}). Make both anew: "
            f"snakemake -R {spectra.path} {twin.path}"
        )
    scores = texts.scores_of_model(tokens.nll, tokens.predictive_entropy, tokens.offsets)
    return {relation: values.ravel() for relation, values in scores.items()}
