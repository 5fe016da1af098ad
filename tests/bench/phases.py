"""How often phases of training are miscounted, what their intervals cover, and how verdicts err.

Usage: python tests/bench/phases.py [simulations]

Planted are courses over ln tokens: continuous lines with 0, 1 or 2 kinks (off the steps), a value
for each text, and noise from step to step, independent or correlated by 0.5. Then the pace of two
courses of one centre, sizes that settle alike, and twins that differ from step 0 by nothing or by
just as much as still counts as nothing.
"""

import sys
import time
from itertools import product
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "workflow_scripts"), str(ROOT / "tests/bench")]

import rates

from infogeo.claims import training_claims as verdicts
from infogeo.inference import resampling
from infogeo.laws import pace, phases, trajectories
from infogeo.laws.trajectories import Course

TEXTS, SOURCES, DRAWS = 40, 20, 199
LENGTH = 10.0  # ln tokens of a run: as from step 1 to step 22,000
LINES = {  # kinks as shares of the run, and slopes
    "no change": ((), (0.0,)),
    "a fall": ((), (-0.3,)),
    "fall, rise": ((0.43,), (-0.3, 0.3)),
    "fall, level": ((0.43,), (-0.3, 0.0)),
    "fall, rise, fall": ((0.31, 0.69), (-0.3, 0.3, -0.3)),
}
DESIGNS = [(steps, alike, sd) for steps in (7, 12, 20) for alike in (0.0, 0.5)
           for sd in (0.05, 0.2)]  # fmt: skip
WEIGHTS = resampling.text_weights(np.arange(TEXTS) % SOURCES, draws=DRAWS, seed=0)


def nodes_of(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Places and values of a planted line's ends and kinks."""
    kinks, slopes = LINES[name]
    knots = LENGTH * np.array([0.0, *kinks, 1.0])
    return knots, 3 + np.concatenate([[0], np.cumsum(slopes * np.diff(knots))])


def noise(steps: int, alike: float, sd: float, rng) -> np.ndarray:
    """Normal noise that correlates from step to step."""
    lags = np.abs(np.subtract.outer(np.arange(steps), np.arange(steps)))
    correlation = np.linalg.cholesky(alike**lags + 1e-12 * np.eye(steps))
    return sd * correlation @ rng.standard_normal(steps)


def course(level, alike, sd, rng, seeds=1) -> Course:
    """A course around a level (steps,): what is particular to sources, texts, seeds and steps."""
    steps, source = len(level), np.arange(TEXTS) % SOURCES
    of_text = 0.2 * rng.standard_normal(TEXTS) + 0.2 * rng.standard_normal(SOURCES)[source]
    own = 0.1 * rng.standard_normal((seeds, steps, TEXTS))
    of_seeds = np.stack([noise(steps, alike, sd, rng) for _ in range(seeds)])
    values = level[:, None] + of_text + own + of_seeds[..., None]
    return Course({}, "", values, source.astype(str), WEIGHTS)


def places(steps: int) -> np.ndarray:
    return np.linspace(0, LENGTH, steps)


def fitted(name, steps, alike, sd, rng, seeds=1):
    x = places(steps)
    level = np.interp(x, *nodes_of(name))
    seed = int(rng.integers(2**31))
    return phases.segmented(course(level, alike, sd, rng, seeds), x, draws=DRAWS, seed=seed)


class Tally:
    """The highest rate of each rule's wrong verdicts, and where it was met."""

    def __init__(self, simulations: int):
        self.simulations, self.worst = simulations, {}

    def add(self, rule: str, verdict: str, rate: float, at: str) -> None:
        known = self.worst.get((rule, verdict), (-1.0, ""))
        self.worst[rule, verdict] = max(known, (rate, at))

    def rows(self) -> list[tuple]:
        return [(rule, verdict, at, rate, self.simulations)
                for (rule, verdict), (rate, at) in self.worst.items()]  # fmt: skip


# Which verdict is wrong for which planted line.
WRONG = {
    "collapse": {"supported": ["no change"],
                 "contradicted": ["no change", "a fall", "fall, rise", "fall, level",
                                  "fall, rise, fall"]},
    "expansion": {"supported": ["no change", "a fall", "fall, level"],
                  "contradicted": ["no change", "fall, rise", "fall, rise, fall"]},
    "compression": {"supported": ["no change", "a fall", "fall, rise", "fall, level"],
                    "contradicted": ["no change", "a fall", "fall, level", "fall, rise, fall"]},
}  # fmt: skip
RULES = {short: verdicts.RULES[claim] for claim, short in verdicts.OF_PHASES.items()}


def of_lines(tally: Tally, simulations: int) -> None:
    """Numbers of kinks, coverage, and the verdicts on phases."""
    print("steps  alike   sd  planted           0 kinks  1     2     3  kinks cover  changes cover")
    for steps, alike, sd in DESIGNS:
        for name, (kinks, slopes) in LINES.items():
            if steps < 3 * len(kinks) + 4:
                continue
            rng = np.random.default_rng([steps, int(10 * alike), int(100 * sd), len(name)])
            knots, nodes = nodes_of(name)
            counts, covered, changed, words = np.zeros(4), [], [], []
            for _ in range(simulations):
                result = fitted(name, steps, alike, sd, rng)
                counts[len(result.knots()) - 2] += 1
                words.append(result.words())
                if len(result.knots()) == len(knots):
                    low, high = resampling.percentiles(result.drawn.kinks)
                    covered.append((low <= knots[1:-1]) & (knots[1:-1] <= high))
                    _, low, high = result.changes()
                    changed.append((low <= np.diff(nodes)) & (np.diff(nodes) <= high))
            shares = [
                np.mean(part, axis=0) if part else np.array([]) for part in (covered, changed)
            ]
            cover = ["  ".join(f"{100 * share:4.0f}" for share in part) for part in shares]
            print(f"{steps:5} {alike:6} {sd:5}  {name:18}"
                  + "".join(f"{100 * c / simulations:6.1f}" for c in counts)
                  + f"  {cover[0]:12}  {cover[1]}", flush=True)  # fmt: skip
            at = f"{name}, {steps} steps that correlate by {alike:g}"
            if len(slopes) == 1:
                tally.add("phases", "a change too many", 1 - counts[0] / simulations, at)
            else:
                more = counts[len(slopes) :].sum() / simulations
                tally.add("phases", "a change too many", more, at)
            for short, rule in RULES.items():
                decided = [rule(of_course) for of_course in words]
                for verdict, lines in WRONG[short].items():
                    if name in lines:
                        tally.add(short, verdict, decided.count(verdict) / simulations, at)


def of_seeds(simulations: int) -> None:
    """Coverage where a course is the mean of several seeds."""
    print("\nseeds  planted           changes cover")
    for seeds in (2, 3, 5, 10):
        for name in ("fall, rise", "fall, rise, fall"):
            rng = np.random.default_rng([seeds, len(name)])
            knots, nodes = nodes_of(name)
            changed = []
            for _ in range(simulations):
                result = fitted(name, 12, 0.5, 0.1, rng, seeds)
                if len(result.knots()) == len(knots):
                    _, low, high = result.changes()
                    changed.append((low <= np.diff(nodes)) & (np.diff(nodes) <= high))
            shares = "  ".join(f"{100 * share:4.0f}" for share in np.mean(changed, axis=0))
            print(f"{seeds:5}  {name:18}{shares}", flush=True)


def of_pace(tally: Tally, simulations: int) -> None:
    """Leads of two courses of one centre; exponents of sizes that settle alike."""
    print("\nsteps  alike   sd  planted           leads  lags  not available")
    for steps, alike, sd in DESIGNS:
        for name in ("a fall", "fall, rise", "fall, rise, fall"):
            if steps == 12 or steps < 3 * len(LINES[name][0]) + 4:
                continue
            rng = np.random.default_rng([steps, int(10 * alike), int(100 * sd), len(name), 1])
            decided = []
            for _ in range(simulations):
                pair = [fitted(name, steps, alike, sd, rng) for _ in range(2)]
                if all(map(pace.changes, pair)):
                    lead = pair[1].paces[0] - pair[0].paces[0]
                    decided.append(verdicts.leads(*resampling.interval(lead[1:])))
                else:
                    decided.append("not available")
            cells = [decided.count(verdict) / simulations
                     for verdict in ("supported", "contradicted", "not available")]  # fmt: skip
            print(f"{steps:5} {alike:6} {sd:5}  {name:18}"
                  + "".join(f"{100 * cell:6.1f}" for cell in cells), flush=True)  # fmt: skip
            at = f"centres alike, {name}, {steps} steps that correlate by {alike:g}"
            for verdict, rate in zip(("supported", "contradicted"), cells, strict=False):
                tally.add("leads", verdict, rate, at)
    print("\nsizes  steps  alike  planted          earlier  later")
    for sizes, alike, name in product((3, 5), (0.0, 0.5), ("fall, rise", "fall, level")):
        rng = np.random.default_rng([sizes, int(10 * alike), len(name), 2])
        decided = [settling(name, sizes, 12, alike, rng) for _ in range(simulations)]
        cells = [decided.count(verdict) / simulations for verdict in ("supported", "contradicted")]
        print(f"{sizes:5}  {12:5} {alike:6}  {name:18}"
              + "".join(f"{100 * cell:6.1f}" for cell in cells), flush=True)  # fmt: skip
        at = f"{sizes} sizes alike, {name}, 12 steps that correlate by {alike:g}"
        for verdict, rate in zip(("supported", "contradicted"), cells, strict=True):
            tally.add("earlier", verdict, rate, at)


def settling(name, sizes, steps, alike, rng) -> str:
    """The verdict on sizes that settle alike."""
    results = [fitted(name, steps, alike, 0.05, rng) for _ in range(sizes)]
    of_metric = [{"N": 4.0**i, "settles": 1.0, "sources": SOURCES} for i in range(sizes)]
    trend = pace.settling_trend(of_metric, results)
    ends = (trend.get(f"settling_exponent_{end}", np.nan) for end in ("low", "high"))
    return verdicts.earlier(*ends)


def of_start(tally: Tally, simulations: int) -> None:
    """Step 0 beside twins of equal mean, and of one as far as still counts as equal."""
    print("\nseeds  draws  seeds' sd  twins   the same  another")
    rng = np.random.default_rng(3)
    for seeds, draws, sd in [(1, 3, 0.01), (1, 3, 0.03), (3, 3, 0.03), (5, 10, 0.03)]:
        for twins, wrong in ((1.0, "contradicted"), (1 / (1 + verdicts.SAME), "supported")):
            decided = []
            for _ in range(4 * simulations):
                both = course(np.full(1, 3.0), 0.0, 3 * sd, rng, seeds + draws)
                start = Course({}, "", both.values[:seeds], both.sources, WEIGHTS)
                start.twins = twins * both.values[seeds:, 0]
                row = trajectories.minus_twins(start) | trajectories.twins_level(start)
                columns = ("minus_untrained_low", "minus_untrained_high", "untrained")
                decided.append(verdicts.same_start(*(row[name] for name in columns)))
            cells = {word: decided.count(word) / len(decided) for word in
                     ("supported", "contradicted")}  # fmt: skip
            print(f"{seeds:5}  {draws:5}  {sd:9}  {twins:5.3f}"
                  + "".join(f"{100 * cell:9.1f}" for cell in cells.values()),
                  flush=True)  # fmt: skip
            at = f"twins at {twins:.3f} of step 0, {seeds} seeds, {draws} draws"
            tally.add("same start", wrong, cells[wrong], at)


def main(simulations: int) -> None:
    tally, began = Tally(simulations), time.perf_counter()
    of_lines(tally, simulations)
    of_seeds(simulations)
    of_pace(tally, simulations)
    of_start(tally, simulations)
    rates.record("tests/bench/phases.py", tally.rows())
    print(f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300)
