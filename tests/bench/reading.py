"""How often a law, or a difference of two models, is held for more than how well texts are read.

    python tests/bench/reading.py [tables per row, default 2000]

Laws: models of real families. A model's loss falls as N^−0.08 from 4 nats; shuffled words cost all
about 7. The metric is a function of the loss, of N, or of both, with the scatter of published
entropies; that of shuffled words shares half of its variance with that of the texts. How much of
the metric a nat makes differs from model to model by 20 %. *Bent*: near the texts a nat makes half
as much again as on the whole way to shuffled words, and *bent twice* twice as much.

Pairs: two models of 2.5 and 3 nats, texts in sources of two, percentile intervals of 399 resamples.
Monte-Carlo error at 2000 tables and a rate of 2.5 %: ± 0.7 points.
"""

import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "workflow_scripts"))

from families import DESIGNS, scatter

from infogeo.inference import regression, resampling
from infogeo.inference.regression import Slope
from infogeo.laws import differences, verdicts
from infogeo.laws.reading import MARGIN, Read, gain_of_reading

A_NAT = 0.1  # of ln y: better readers have the lower value
SHUFFLED = 7.0  # nats
SOURCES = (5, 10, 20, 30, 100)


def slopes(x, Y) -> list[Slope]:
    """The headline slope of every curve (tables, points)."""
    exponent, _, half = regression.robust_t(regression.robust_design(regression.design(x)), Y)
    return [Slope(*row, np.nan) for row in zip(exponent, exponent - half, exponent + half,
                                               strict=True)]  # fmt: skip


def families(x, sd: float, tables: int, rng, *, a_nat=A_NAT, fall=0.0, bent=0.0) -> Read:
    """Simulated families (tables, points): see the head of this file."""
    nll = 4 * np.exp(-0.08 * (x - x.min())) + 0 * rng.standard_normal((tables, 1))
    lost = SHUFFLED * (1 + 0.02 * rng.standard_normal(nll.shape))
    each = a_nat * (1 + 0.2 * rng.standard_normal(nll.shape))
    own, common, other = sd * rng.standard_normal((3, *nll.shape)) / np.sqrt(2)
    # From 0 at 4 nats to `each` a nat of the whole way, steeper where texts are read.
    way = (nll - 4) / (lost - 4)
    value = each * (lost - 4) * way * (1 + bent * (1 - way)) - fall * x + common + own
    return Read(value, each * (lost - 4) - fall * x + common + other, nll, lost)


def of_laws(x, read: Read) -> tuple[float, float]:
    """Percent of families whose fall is supported, without the control and with it."""
    raw = slopes(x, read.value)
    beyond = slopes(x, read.value - MARGIN * gain_of_reading(read))
    without = [verdicts.falls(slope, {}) for slope in raw]
    found = [verdicts.falls(s, {"reading": e}) for s, e in zip(raw, beyond, strict=True)]
    return tuple(100 * np.mean([verdict == "supported" for verdict in of])
                 for of in (without, found))  # fmt: skip


def law_rates(tables: int) -> None:
    """Families of which reading makes the fall, or N does."""
    truths = {
        "reading": {}, "bent": {"bent": 0.5}, "bent twice": {"bent": 1.0},
        "N": {"a_nat": 0.0, "fall": 0.05},
        "both": {"fall": 0.05}, "against": {"a_nat": -A_NAT / 2, "fall": 0.05},
    }  # fmt: skip
    print("falls with N, percent supported without the control → with it")
    print(f"{'models':26}{'noise':>7}" + "".join(f"{name:>15}" for name in truths))
    for number, (design, (x, _)) in enumerate(DESIGNS.items()):
        for sd in scatter().values():
            cells = []
            for truth in truths.values():
                rng = np.random.default_rng(number)
                cells.append("{:.1f} → {:.1f}".format(
                    *of_laws(x, families(x, sd, tables, rng, **truth))
                ))  # fmt: skip
            print(f"{f'{len(x)} {design}':26}{sd:7.3f}" + "".join(f"{cell:>15}" for cell in cells),
                  flush=True)  # fmt: skip


def pair(sources: int, a_nat: float, also: float, weights, rng) -> str:
    """The verdict on one simulated pair."""
    texts = 2 * sources
    of_source = np.repeat(rng.standard_normal((2, sources)), 2, axis=1)
    of_text = (of_source + rng.standard_normal((2, texts))) / np.sqrt(2)
    tables = np.empty((4, 2, texts))  # the arrays of `Read`, models, texts
    for model, (loss, more) in enumerate(((2.5, also), (3.0, 0.0))):
        nll = loss + 0.3 * of_text[0] + 0.1 * rng.standard_normal(texts)
        lost = SHUFFLED + 0.3 * of_text[0] + 0.1 * rng.standard_normal(texts)
        own = more + 0.2 * of_text[1] + 0.05 * rng.standard_normal((2, texts))
        tables[:, model] = a_nat * nll + own[0], a_nat * lost + own[1], nll, lost
    row = {"difference": np.subtract(*tables[0].mean(axis=-1)), "sources": 99}
    row |= dict(zip(("low", "high"), resampling.percentiles(weights @ np.subtract(*tables[0])),
                    strict=True))  # fmt: skip
    drawn = Read(*(weights @ tables.swapaxes(1, 2)))
    for name, times in (("equal", 1.0), ("strict", MARGIN)):
        less = np.subtract(*(drawn.value - times * gain_of_reading(drawn)).T)
        row |= dict(zip((f"{name}_low", f"{name}_high"), resampling.percentiles(less), strict=True))
    return differences.verdict(row, controlled=True)


def pair_rates(pairs: int) -> None:
    """Pairs that differ in nothing, in how well they read, or by more."""
    truths = {"nothing": (0.0, 0.0), "reading": (A_NAT, 0.0), "half": (A_NAT, -0.05),
              "more": (0.0, -0.05)}  # fmt: skip
    print("\ntwo models, percent of pairs: supported, reading artefact")
    print(f"{'sources':>8}" + "".join(f"{name:>15}" for name in truths))
    for sources in SOURCES:
        of_text = np.repeat(np.arange(sources), 2).astype(str)
        weights = resampling.text_weights(of_text, draws=399, seed=0)
        cells = []
        for a_nat, also in truths.values():
            rng = np.random.default_rng(sources)
            found = [pair(sources, a_nat, also, weights, rng) for _ in range(pairs)]
            shares = [100 * found.count(name) / pairs for name in ("supported", "reading artefact")]
            cells.append("{:.1f}, {:.1f}".format(*shares))
        print(f"{sources:>8}" + "".join(f"{cell:>15}" for cell in cells), flush=True)


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    start = time.perf_counter()
    print(f"{count} tables per row\n")
    law_rates(count)
    pair_rates(count)
    print(f"\n{time.perf_counter() - start:.0f} s")
