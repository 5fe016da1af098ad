"""The skills model simulated beside its exact law, and what the fitting code makes of it."""

import numpy as np
import pandas as pd

from infogeo.theory import known_exponents, skills

MODELS = np.unique(np.geomspace(1, 1e6, 37).round())  # numbers of comprehended skills
DRAWN = 12  # texts of the schematic figure


def tables(
    *,
    texts: int,
    alpha: float,
    true_probabilities,
    background_probabilities,
    skills_per_text: int,
    understood_share: float,
    laws: int,
    seed: int,
) -> dict[str, pd.DataFrame]:
    """The four tables of results/theory/.

    Parameters
    ----------
    texts, alpha, skills_per_text, seed
        See `skills.simulate`.
    true_probabilities, background_probabilities : list of float
        P of a text whose skills are understood, Q of any other.
    understood_share : float
        Of its skills, for a text to be understood.
    laws : int
        See `known_exponents.recovery`.

    Returns
    -------
    dict
        curve (`known_exponents.curve`, and code_length in bits), graph (text, skill),
        lemma and recovery (`known_exponents`).
    """
    P, Q, m = true_probabilities, background_probabilities, skills_per_text
    simulated = skills.simulate(
        MODELS, texts=texts, alpha=alpha, true=P, background=Q, skills_per_text=m,
        share=understood_share, seed=seed,
    )  # fmt: skip
    simulated["code_length"] = skills.code_length(MODELS, alpha, P, Q, m, understood_share)
    drawn = skills.graph(DRAWN, alpha=alpha, skills_per_text=m, seed=seed)
    edges = {"text": np.repeat(np.arange(DRAWN), m), "skill": drawn.ravel()}
    h1, delta = skills.entropy(P), skills.divergence(P, Q)
    return {
        "curve": known_exponents.curve(simulated, h1=h1, delta=delta),
        "graph": pd.DataFrame(edges),
        "lemma": known_exponents.lemma(),
        "recovery": known_exponents.recovery(laws=laws, seed=seed),
    }
