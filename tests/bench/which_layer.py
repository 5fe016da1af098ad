"""How often the rule on which layer a measure chooses errs, and how often its interval covers.

Usage: python tests/bench/which_layer.py [simulations]

Planted are the AUCs of 6, 13 and 31 layers in the population of sources, a measure whose rank
correlation with them is as close to the planted one as shuffling layers comes, and twins with AUCs
of their own. Sources move the AUCs, of all layers together and of each alone. "Supported" is wrong
where the planted correlation is ½ or less, or that of the twins is as large; "contradicted" where
it is ½ or more.
"""

import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "workflow_scripts"), str(ROOT / "tests/bench")]

import rates

from infogeo.sentences.which_layer import interval, rank_correlations, verdict

DRAWS, SPREAD = 199, 0.04  # of the AUCs of layers
SHARED, OWN = 0.04, 0.015  # standard errors of all AUCs together, and of each
CASES = [(layers, sources) for layers in (6, 13, 31) for sources in (20, 60)]
TRUTHS = {  # planted correlation of the model, of the twins
    "none": (0.0, 0.0), "one half": (0.5, 0.0), "0.9, of the twins too": (0.9, 0.9),
    "0.9": (0.9, 0.0), "1": (1.0, 0.0),
}  # fmt: skip


def measure_like(auc, rho: float, rng) -> np.ndarray:
    """Of measures whose ranks are more or less shuffled, one at the planted correlation."""
    mixed = np.linspace(0, 1, 60)[:, None] * rng.standard_normal((60, len(auc)))
    candidates = (auc - auc.mean()) / auc.std() * np.linspace(1, 0, 60)[:, None] + mixed
    values, _ = rank_correlations(candidates, auc, np.zeros((1, len(auc))))
    return candidates[np.abs(values - rho).argmin()]


def simulated(layers: int, sources: int, planted: tuple, rng):
    """The verdict, and whether the interval holds the correlation in the population."""
    results = []
    times = rng.multinomial(sources, np.full(sources, 1 / sources), DRAWS)
    for rho in planted:
        auc = 0.6 + SPREAD * rng.standard_normal(layers)
        measure = measure_like(auc, rho, rng)[None]
        truth = rank_correlations(measure, auc, np.zeros((1, layers)))[0][0]
        noise = SHARED * rng.standard_normal((sources, 1))
        noise = (noise + OWN * rng.standard_normal((sources, layers))) / np.sqrt(sources)
        influence = noise - noise.mean(axis=0)
        found = rank_correlations(measure, auc + noise.sum(axis=0), times @ influence)
        results.append((truth, *found))
    (truth, rho, draws), (_, of_twins, draws_of_twins) = results
    ends = interval(rho, draws)[:, 0]
    word = verdict(rho[0], ends, interval(rho - of_twins, draws - draws_of_twins)[:, 0])
    return word, ends[0] - 1e-9 <= truth <= ends[1] + 1e-9


def main(simulations: int) -> None:
    wrong = {}
    print("| layers | sources | planted | supported | contradicted | inconclusive | covered |")
    print("|---|---|---|---|---|---|---|")
    for layers, sources in CASES:
        for name, planted in TRUTHS.items():
            rng = np.random.default_rng([layers, sources, *(int(10 * rho) for rho in planted)])
            given = [simulated(layers, sources, planted, rng) for _ in range(simulations)]
            words = [word for word, _ in given]
            shares = [words.count(word) / simulations
                      for word in ("supported", "contradicted", "inconclusive")]  # fmt: skip
            covered = np.mean([inside for _, inside in given])
            cells = " | ".join(f"{100 * share:.1f} %" for share in (*shares, covered))
            print(f"| {layers} | {sources} | {name} | {cells} |", flush=True)
            at = f"{name}, {layers} layers, {sources} sources"
            if name in ("none", "one half", "0.9, of the twins too"):
                wrong["supported"] = max(wrong.get("supported", (0, "")), (shares[0], at))
            if name not in ("none",):
                wrong["contradicted"] = max(wrong.get("contradicted", (0, "")), (shares[1], at))
    rows = [("layer", word, at, rate, simulations) for word, (rate, at) in wrong.items()]
    rates.record("tests/bench/which_layer.py", rows)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 400)
