"""Whether the intervals, tests and verdicts of the sentence study hold, on simulated texts.

    python tests/bench/separation.py [data sets per row, default 200]

A text is a point in 10 dimensions: the mean of its label, plus an effect of its source, plus its
own noise (sd 1); the distance is Euclidean. Eight labels of 25 texts whose separation differs from
label to label. Truth: the mean score of 500 further data sets with the same labels, whose sources
and texts are new.

1. Intervals: how often they hold the truth, for each score and for the AUC less that of a noisier
   distance on the same texts. `bootstrap`: percentiles of the AUC over plainly resampled sources
   (99 draws); `wider`: its median width over ours.
2. Permutation tests of labels that mean nothing: how often p < 0.05 when sources exchange labels,
   as the library does, and when texts do.
3. Verdicts on families of 6 sizes.

Monte-Carlo error at 200 data sets: ± 3 points (two standard errors) at 95 %.
"""

import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "workflow_scripts"))

from rates import record

from infogeo.jobs import progress
from infogeo.claims import claim_rows, sentence_claims
from infogeo.inference.resampling import percentiles
from infogeo.sentences.permutations import permutation_p
from infogeo.sentences.scores import SCORES, weighted_auc
from infogeo.sentences.separation import Separation
from infogeo.sentences.study import judge_corpus
from infogeo.sentences.trends import trend_table

LABELS, TEXTS, DIMENSIONS = 8, 25, 10
SOURCES = {  # of each label
    "25": [25] * LABELS,
    "8": [8] * LABELS,
    "4": [4] * LABELS,
    "2 to 25": [2, 3, 4, 6, 9, 13, 18, 25],
}
ROWS = [("25", 0.7), ("8", 0.7), ("4", 0.0), ("4", 0.7), ("2 to 25", 0.7)]  # sources, sd of theirs
TRUTH, DRAWS, PERMUTATIONS = 500, 99, 99
MEANS = np.random.default_rng(5).standard_normal((LABELS, DIMENSIONS))
MEANS = 0.6 * MEANS * np.linspace(0.3, 1.7, LABELS)[:, None]


def distances(points):
    """Euclidean distances (m, m) of points (m, d)."""
    squares = (points**2).sum(-1)
    return np.sqrt(np.maximum(squares[:, None] + squares - 2 * points @ points.T, 0))


def texts(rng, counts, spread: float, means, per_label: int = TEXTS):
    """Points (m, d), labels and sources of one data set; sources of random sizes."""
    labels = np.repeat(np.arange(len(counts)), per_label)
    sources = []
    for count in counts:
        sizes = 1 + rng.multinomial(per_label - count, np.full(count, 1 / count))
        sources += np.repeat(np.arange(count), sizes).tolist()
    sources = np.unique(np.stack([labels, sources]), axis=1, return_inverse=True)[1]
    effects = spread * rng.standard_normal((sources.max() + 1, DIMENSIONS))
    noise = rng.standard_normal((len(labels), DIMENSIONS))
    return means[labels] + effects[sources] + noise, labels, sources


def judging(labels, sources, seed=0):
    return Separation(labels, sources, neighbours=10, permutations=PERMUTATIONS, seed=seed)


def pair(rng, counts, spread):
    """A Separation, a distance, and a noisier one of the same texts."""
    points, labels, sources = texts(rng, counts, spread, MEANS)
    noisy = points + 0.7 * rng.standard_normal(points.shape)
    return judging(labels, sources), distances(points), distances(noisy)


def bootstrap(separation, distance, rng):
    """Percentile interval of the AUC, sources resampled without strata."""
    k = len(separation.texts.members)
    pairs = separation.sorted_pairs(distance)
    times = rng.multinomial(k, np.full(k, 1 / k), DRAWS).astype(float)
    return percentiles([weighted_auc(*pairs, draw[separation.texts.sources]) for draw in times])


def intervals(sets: int) -> None:
    """Part 1."""
    print(f"{'sources':<8}{'effect':>7}" + "".join(f"{name:>13}" for name in SCORES)
          + f"{'difference':>12}{'bootstrap':>11}{'wider':>7}{'auc':>7}{'width':>7}")  # fmt: skip
    for name, spread in ROWS:
        counts = SOURCES[name]
        true = []
        for i in range(TRUTH):
            separation, near, noisy = pair(np.random.default_rng([1, i]), counts, spread)
            values = separation.values(near)
            true.append([*values, values[0] - separation.values(noisy)[0]])
        true = np.mean(true, axis=0)
        held, width, plain = [], [], []
        for i in range(sets):
            rng = np.random.default_rng([2, i])
            separation, near, noisy = pair(rng, counts, spread)
            one, other = ((separation.values(d), separation.influence(d)) for d in (near, noisy))
            value = np.append(one[0], one[0][0] - other[0][0])
            influence = np.column_stack([one[1], one[1][:, 0] - other[1][:, 0]])
            low, high = separation.interval(value, influence)
            held.append((low <= true) & (true <= high))
            width.append(high[0] - low[0])
            low, high = bootstrap(separation, near, rng)
            plain.append((low <= true[0] <= high, (high - low) / width[-1]))
        rates, plain = 100 * np.mean(held, axis=0), np.array(plain, float)
        print(f"{name:<8}{spread:7.1f}" + "".join(f"{rate:13.1f}" for rate in rates[:-1])
              + f"{rates[-1]:12.1f}{100 * plain[:, 0].mean():11.1f}"
              f"{np.median(plain[:, 1]):7.2f}{true[0]:7.3f}{np.median(width):7.3f}",
              flush=True)  # fmt: skip


def permutations(sets: int) -> None:
    """Part 2."""
    print(f"\n{'sources':<8}{'effect':>7} {'exchanged':<9}"
          + "".join(f"{name:>13}" for name in SCORES))  # fmt: skip
    for name, spread in ROWS:
        counts = SOURCES[name]
        found = {"sources": [], "texts": []}
        for i in range(sets):
            rng = np.random.default_rng([3, i])
            points, labels, sources = texts(rng, counts, spread, np.zeros_like(MEANS))
            for what, p in found.items():
                separation = judging(labels, sources, seed=i)
                if what == "texts":
                    some = [rng.permutation(labels) for _ in range(PERMUTATIONS)]
                    separation.permutations.labellings = np.stack([labels, *some])
                p.append(permutation_p(separation.permutations.scores(distances(points))))
        for what, p in found.items():
            rates = 100 * (np.array(p) < 0.05).mean(axis=0)
            print(f"{name:<8}{spread:7.1f} {what:<9}" + "".join(f"{r:13.1f}" for r in rates),
                  flush=True)  # fmt: skip


def family(rng, rise: float, ahead: tuple[float, float], *, signal=1.0, twins=2.0,
           twins_rise=0.0, words=2.0):  # fmt: skip
    """The headline row of a simulated family: 6 sizes, 12 texts of 8 sources of each label.

    The noise of a model has sd 0.6 exp(0.05 z − rise · size) for the covariance, and that plus
    `ahead` for the two cosines; every model and distance draws its own on the same texts. Twins:
    the same with sd `twins` and their own rise; bag of words and length: with sd `words`. Means of
    the labels are scaled by `signal`.
    """
    points, labels, sources = texts(rng, [8] * LABELS, 0.7, signal * MEANS, per_label=12)
    about = {"doc_ids": [str(i) for i in range(len(points))], "labels": [str(x) for x in labels],
             "sources": [str(x) for x in sources]}  # fmt: skip

    def near(noise):
        return distances(points + noise * rng.standard_normal(points.shape))

    models, trained, untrained = [], {}, {}
    without = {(0, "", name): near(words) for name in ("bag_of_words", "length")}
    for size in range(6):
        slug, noise = f"m{size}", 0.6 * np.exp(0.05 * rng.standard_normal() - rise * size)
        models.append({"slug": slug, "family": "f", "params_total": 2**size, "width": size,
                       "params_non_embedding": 2**size, "layers": 1,
                       "replicate": None})  # fmt: skip
        levels = {"js_centred": 0.0, "cosine": ahead[0], "cosine_centred": ahead[1]}
        trained[slug] = SimpleNamespace(**about, distances=without | {
            (0, "final", name): near(noise + level) for name, level in levels.items()
        })  # fmt: skip
        noise = twins * np.exp(0.05 * rng.standard_normal() - twins_rise * size)
        untrained[slug] = SimpleNamespace(**about, distances={
            (0, "final", "js_centred"): near(noise)
        })  # fmt: skip
    study = judge_corpus(
        "simulated", models, trained, untrained, neighbours=5, permutations=1, seed=0
    )
    found = trend_table(study, headline_depth="final", draws=999, seed=0)
    return found[found["headline"]].iloc[0]


def judged(row) -> dict[str, str]:
    """The verdicts on the three claims."""
    ends = [
        claim_rows.Estimate("", row[name], row[f"{name}_low"], row[f"{name}_high"])
        for name in ("value", *sentence_claims.BASELINES)
    ]
    return {
        "larger": row["trend_verdict"], "covariance": row["covariance_verdict"],
        "separation": sentence_claims.separation_verdict(ends[0], ends[1:]),
    }  # fmt: skip


ALL = ("larger", "covariance", "separation")
TRUTHS = [  # truth, keywords of `family`, claims that do not hold, claims whose opposite does not
    ("no change with N; covariance as both cosines", {}, ALL[:2], ALL[:2]),
    ("as one cosine, well above the other", {"ahead": (0.0, 0.8)}, ALL[1:2], ALL[1:2]),
    ("rises with N, above both cosines", {"rise": 0.1, "ahead": (0.5, 0.5)}, (), ALL),
    ("rises with N, and so do the twins", {"rise": 0.1, "twins": 0.6, "twins_rise": 0.1},
     ("larger", "separation"), ("larger",)),
    ("as good as the bag of words", {"words": 0.6}, ("separation",), ("separation",)),
    ("labels mean nothing", {"signal": 0.0}, ALL, ALL),
]  # fmt: skip


def verdicts(sets: int) -> None:
    """Part 3."""
    names = ("supported", "contradicted", "inconclusive")
    print(f"\n{'claim':<12}{'truth':<46}" + "".join(f"{name:>14}" for name in names))
    wrong: dict[tuple, tuple] = {}
    for truth, keywords, not_so, not_opposite in TRUTHS:
        keywords = {"rise": 0.0, "ahead": (0.0, 0.0)} | keywords
        found = [judged(family(np.random.default_rng([4, i]), **keywords)) for i in range(sets)]
        for claim in ALL:
            given = [row[claim] for row in found]
            rates = {name: given.count(name) / sets for name in names}
            shown = "".join(f"{100 * rate:14.1f}" for rate in rates.values())
            print(f"{claim:<12}{truth:<46}{shown}", flush=True)
            for verdict, false in (("supported", not_so), ("contradicted", not_opposite)):
                if claim in false:
                    key = claim, verdict
                    wrong[key] = max(wrong.get(key, (0.0, "")), (rates[verdict], truth))
    record("tests/bench/separation.py",
           [(*key, truth, rate, sets) for key, (rate, truth) in wrong.items()])  # fmt: skip


if __name__ == "__main__":
    sets = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    progress.Heartbeat.close = lambda self, note="": None  # 1500 small studies
    start = time.perf_counter()
    intervals(sets)
    permutations(sets)
    verdicts(sets)
    print(f"\n{sets} data sets per row; {time.perf_counter() - start:.0f} s")
