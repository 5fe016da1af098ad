"""The skills model, simulated beside its exact law; known exponents found by the fitting code."""

import numpy as np
import pandas as pd

from infogeo.files import artefacts, tables
from infogeo.jobs import binding
from infogeo.theory import known_exponents, skills

MODELS = np.unique(np.geomspace(1, 1e6, 37).round())  # numbers of comprehended skills
DRAWN = 12  # texts of the schematic figure


def main(files, params, output) -> None:
    """Simulate, fit, and write the tables."""
    P, Q = params.true_probabilities, params.background_probabilities
    m, share = params.skills_per_text, params.understood_share
    simulated = skills.simulate(
        MODELS,
        texts=params.texts,
        alpha=params.alpha,
        true=P,
        background=Q,
        skills_per_text=m,
        share=share,
        seed=params.seed,
    )
    simulated["code_length"] = skills.code_length(MODELS, params.alpha, P, Q, m, share)
    drawn = skills.graph(DRAWN, alpha=params.alpha, skills_per_text=m, seed=params.seed)
    edges = {"text": np.repeat(np.arange(DRAWN), m), "skill": drawn.ravel()}
    recovery = known_exponents.recovery(laws=params.laws, seed=params.seed)
    found = {
        "curve": known_exponents.curve(
            simulated, h1=skills.entropy(P), delta=skills.divergence(P, Q)
        ),
        "graph": pd.DataFrame(edges),
        "lemma": known_exponents.lemma(),
        "recovery": recovery,
    }
    for name, frame in found.items():
        artefacts.write_table(frame, output[name], params.fingerprint)
    tables.write_csv(recovery, output.table)


if __name__ == "__main__":
    binding.run(main, snakemake)
