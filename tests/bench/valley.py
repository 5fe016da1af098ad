"""How often the rule on the valley of the entropy errs: half of it left, no valley, few sources.

Usage: python tests/bench/valley.py [simulations]

Planted are the centred entropies of texts at 13 layers: a curve with a valley, what is particular
to a text and to a source, and noise. Where exactly half of the valley is left without the first
token, "supported" and "contradicted" are both wrong; where there is no valley, so is any verdict.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "workflow_scripts"), str(ROOT / "tests/bench")]

import rates

from infogeo.laws import valley
from infogeo.laws.measured import Measured, Texts

LAYERS = 12
CURVE = np.interp(np.arange(LAYERS + 1), [0, 4, 8, 12], [0.0, -1.0, -1.0, 0.0])
MODEL = {"slug": "m", "family": "f", "layers": LAYERS}
CASES = [(texts, sources) for texts in (40, 400) for sources in (8, 20, 40)]


def entropies(left, depth, texts, sources, rng):
    """Entropies (2, layers, texts): with the first token, and with `left` of the valley without."""
    source = np.arange(texts) % sources
    shape = (2, LAYERS + 1, texts)
    own = 0.2 * rng.standard_normal(texts) + 0.2 * rng.standard_normal(sources)[source]
    by_source = 0.2 * rng.standard_normal((2, LAYERS + 1, sources))[..., source]
    curve = 3 + depth * np.stack([CURVE, left * CURVE])[..., None]
    return curve + own + by_source + 0.3 * rng.standard_normal(shape), source


def measured(values, source):
    first, layer, text = (axis.ravel() for axis in np.indices(values.shape))
    table = pd.DataFrame({
        "doc_id": np.char.add("t", text.astype(str)), "source": source[text].astype(str),
        "scope": "text", "layer": layer.astype(str), "convention": "centred",
        "first": np.array(["in", "out"])[first], "n": 8, "metric": "entropy",
        "value": values.ravel(),
    })  # fmt: skip
    texts = Texts()
    return Measured([table], texts), texts


def verdicts(left, depth, texts, sources, simulations):
    given = []
    for seed in range(simulations):
        rng = np.random.default_rng([seed, texts, sources, int(10 * left), int(10 * depth)])
        tables = measured(*entropies(left, depth, texts, sources, rng))
        row = valley.of_model("c", MODEL, *tables, n=8, seed=seed)
        given.append(row["verdict"])
    return pd.Series(given).value_counts(normalize=True)


def main(simulations: int) -> None:
    wrong = {}
    print("| texts | sources | planted | supported | contradicted | inconclusive | no valley |")
    print("|---|---|---|---|---|---|---|")
    for texts, sources in CASES:
        for name, left, depth in (
            ("half is left", 0.5, 1.0), ("none is left", 0.0, 1.0), ("all is left", 1.0, 1.0),
            ("no valley", 0.0, 0.0),
        ):  # fmt: skip
            shares = verdicts(left, depth, texts, sources, simulations)
            cells = [shares.get(word, 0.0) for word in
                     ("supported", "contradicted", "inconclusive", "not available")]  # fmt: skip
            words = " | ".join(f"{100 * cell:.1f} %" for cell in cells)
            print(f"| {texts} | {sources} | {name} | {words} |", flush=True)
            for verdict, rate in zip(("supported", "contradicted"), cells, strict=False):
                if name == "half is left":
                    at = f"half of the valley is left, {texts} texts of {sources} sources"
                    wrong[verdict] = max(wrong.get(verdict, (0.0, "")), (rate, at))
    rows = [("valley", verdict, at, rate, simulations) for verdict, (rate, at) in wrong.items()]
    rates.record("tests/bench/valley.py", rows)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 400)
