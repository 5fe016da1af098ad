"""How often the verdict "information is distributed" is wrong, on simulated ablations.

    python tests/bench/distribution.py [models per row, default 500]

Each row simulates models that were run on some tokens of 32 texts from 20 sources. The KL
divergence of a text where a share s of the earlier tokens is kept is a (1 − s)^θ; a and θ vary by
source, by text and (θ) by selector and text. The population's share for 90 % recovery under the
best selector is set exactly; random needs more. `covers`: how often the interval holds the truth.
Monte-Carlo error at 500 models and a rate of 5 %: ± 2 points.
"""

import sys
import time
from pathlib import Path

import numpy as np
from scipy import optimize

sys.path.insert(0, str(Path(__file__).parents[2] / "workflow_scripts"))

from rates import record

from infogeo.context.distribution import HALF, LEVEL, Curves, tokens_needed, verdict

GRID = np.array([0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1])
TEXTS, SOURCES, SELECTORS = 32, 20, 7
SCALE, SPREAD, OWN = (0.4, 0.4), (0.2, 0.2), 0.1  # sd of ln a and ln θ: (source, text); selector


def spreads(rng, texts: int, sources):
    """ln a and the part of ln θ that selectors share, (texts,); they go together."""
    by_source = rng.standard_normal((2, sources.max() + 1))[:, sources]
    by_text = rng.standard_normal((2, texts))
    scale = SCALE[0] * by_source[0] + SCALE[1] * by_text[0]
    exponent = SPREAD[0] * by_source.mean(0) + SPREAD[1] * by_text.mean(0)
    return scale, exponent


def middle_of(share: float) -> float:
    """The median of θ for which the population needs this share for LEVEL recovery."""
    rng = np.random.default_rng(0)
    scale, exponent = spreads(rng, 400_000, np.arange(400_000))
    theta = np.exp(exponent + OWN * rng.standard_normal(len(exponent)))
    a = np.exp(scale)

    def left(log_middle):
        kl = a * (1 - share) ** (np.exp(log_middle) * theta)
        return kl.sum() / a.sum() - (1 - LEVEL)

    return float(np.exp(optimize.brentq(left, -3, 6)))


def model(rng, middles: list[float]) -> tuple[Curves, np.ndarray]:
    """Curves of one simulated model, a selector for each median θ, the last one random."""
    sources = np.concatenate([np.arange(SOURCES), rng.integers(0, SOURCES, TEXTS - SOURCES)])
    scale, exponent = spreads(rng, TEXTS, sources)
    own = OWN * rng.standard_normal((TEXTS, len(middles)))
    theta = np.array(middles) * np.exp(exponent[:, None] + own)
    kl = np.exp(scale)[:, None, None] * (1 - GRID) ** theta[..., None]  # (texts, selectors, points)
    names = [(f"s{i}", "free") for i in range(len(middles) - 1)] + [("random", "free")]
    return Curves(names, np.broadcast_to(GRID, kl.shape[1:]), kl, kl[..., 0]), sources


if __name__ == "__main__":
    models = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    start = time.perf_counter()
    print(
        f"{'truth':>6} {'other selectors':>16}{'distributed':>13}{'concentrated':>14}"
        f"{'inconclusive':>14}{'covers':>8}{'mean':>7}{'width':>7}"
    )
    wrong = {"supported": (0.0, ""), "contradicted": (0.0, "")}
    for truth in (0.3, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7):
        for further in (0.0, 0.02, 0.1):
            if further and truth != 0.5:
                continue
            middles = [middle_of(truth)] + [middle_of(truth + further)] * (SELECTORS - 1)
            middles.append(middle_of(min(0.95, truth + 0.2)))
            rng, found = np.random.default_rng(1), []
            for i in range(models):
                curves, sources = model(rng, middles)
                found.append(tokens_needed(curves, sources, seed=i))
            ends = np.array([(row["share90_low"], row["share90_high"]) for row in found])
            verdicts = [verdict(*pair) for pair in ends]
            rates = [100 * verdicts.count(name) / models
                     for name in ("distributed", "concentrated", "inconclusive")]  # fmt: skip
            covers = 100 * ((ends[:, 0] <= truth) & (truth <= ends[:, 1])).mean()
            others = "the same" if not further else f"+{further:.2f}"
            about = f"{truth:g} of the tokens needed, other selectors {others}"
            if truth <= HALF:
                wrong["supported"] = max(wrong["supported"], (rates[0] / 100, about))
            if truth >= HALF:
                wrong["contradicted"] = max(wrong["contradicted"], (rates[1] / 100, about))
            print(
                f"{truth:6.2f} {others:>16}{rates[0]:13.1f}{rates[1]:14.1f}{rates[2]:14.1f}"
                f"{covers:8.1f}{np.mean([row['share90'] for row in found]):7.3f}"
                f"{np.median(np.ptp(ends, axis=1)):7.3f}",
                flush=True,
            )
    record("tests/bench/distribution.py", [
        ("distributed", name, about, rate, models) for name, (rate, about) in wrong.items()
    ])  # fmt: skip
    print(f"\n{models} models per row; {time.perf_counter() - start:.0f} s")
