"""How often "larger models are more alike" is said wrongly, on simulated families.

    python tests/bench/alignment.py [families per row, default 400] [--record]

Models have N of real families. Fisher's z of the similarity of two falls with their distance in
size, by 0.1 a unit of ln N; models are alike to all others by more or less (sd 0.1), pairs too
(0.05), and so are their untrained twins. 40 sources of texts move all pairs together and each by
itself (sd of a mean 0.02). Truths: no change with N; a rise by 0.15 a unit of ln N, of the twins as
much; a rise of the models alone. *Covered*: intervals of the models' slope that hold it.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "workflow_scripts"))

from families import DESIGNS
from rates import record

from infogeo.laws.alignment import trend, verdict

SOURCES, RISE = 40, 0.15
TRUTHS = {"no change with N": (0.0, 0.0), "rises with N, and so do the twins": (RISE, RISE),
          "rises with N": (RISE, 0.0)}  # fmt: skip
WRONG = {"supported": list(TRUTHS)[:2], "contradicted": list(TRUTHS)}


def similarities(x, rise: float, rng):
    """z (points, points) and the same without each source."""
    points = len(x)
    mean, apart = (x[:, None] + x) / 2, np.abs(x[:, None] - x)
    own, of_pair = 0.1 * rng.standard_normal(points), 0.05 * rng.standard_normal((points, points))
    truth = rise * mean - 0.1 * apart + own[:, None] + own + of_pair
    common = rng.standard_normal((SOURCES, 1, 1))
    moved = 0.02 * np.sqrt(SOURCES / 2) * (common + rng.standard_normal((SOURCES, points, points)))
    total = moved.sum(axis=0)
    return truth + total / SOURCES, truth + (total - moved) / (SOURCES - 1)


def main(families: int, keep: bool) -> None:
    highest = {}
    print(f"{'models':26}{'truth':36}{'supported':>11}{'contradicted':>14}{'covered':>9}")
    for number, (design, (x, _)) in enumerate(DESIGNS.items()):
        for truth, (of_models, of_twins) in TRUTHS.items():
            rng, found, held = np.random.default_rng(number), [], []
            for _ in range(families):
                (z, left), (t, t_left) = (similarities(x, by, rng) for by in (of_models, of_twins))
                raw = trend(x, z, left)
                found.append(verdict(raw, trend(x, z - t, left - t_left)))
                held.append(raw.low <= of_models <= raw.high)
            rates = {name: found.count(name) / families for name in WRONG}
            print(
                f"{f'{len(x)} {design}':26}{truth:36}"
                + "{:10.1f} {:13.1f} {:8.1f}".format(
                    *(100 * rate for rate in rates.values()), 100 * np.mean(held)
                ),
                flush=True,
            )
            for name, rate in rates.items():
                if truth in WRONG[name]:
                    of_name = f"{truth}, {len(x)} sizes"
                    highest[name] = max(highest.get(name, (-1.0, "")), (rate, of_name))
    if keep:
        record("tests/bench/alignment.py", [
            ("alike", name, truth, rate, families) for name, (rate, truth) in highest.items()
        ])  # fmt: skip


if __name__ == "__main__":
    counts = [int(word) for word in sys.argv[1:] if word.isdigit()]
    main(counts[0] if counts else 400, "--record" in sys.argv)
