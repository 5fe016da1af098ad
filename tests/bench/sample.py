"""What the jobs of the sentence study take by the size of the sample, beside what they ask for.

    python tests/bench/sample.py [texts ...]     (default 125 250 500 1000)

Random states of ten labels at two depths: all distances of a model and of three twins, and the
summary of three such models. Seconds of wall clock and the largest resident memory of a process of
its own, against `infogeo.planning.job_costs` before its slack.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "workflow_scripts"))

from infogeo.planning import configuration, job_costs
from infogeo.sentences.distances import BASELINES, CHEAPER, DISTANCES
from infogeo.sentences.file import load, save
from infogeo.sentences.model_distances import measure
from infogeo.sentences.sample import SampledTexts

DEPTHS = {"0.5": "block_02", "final": "final"}
N, WIDTH, DRAWS, MODELS = 32, 256, 3, 3


def texts_of(number: int) -> SampledTexts:
    rng = np.random.default_rng(0)
    names = [f"d{i}" for i in range(number)]
    labels = [f"label{i % 10}" for i in range(number)]
    sources = [f"source{i // 2}" for i in range(number)]
    tokens, covered = rng.integers(0, 2048, (number, N)), rng.integers(50, 200, number)
    return SampledTexts(N, np.arange(number), names, labels, sources, tokens, covered, {})


def states_of(number: int, seed: int):
    def states():
        rng = np.random.default_rng(seed)
        for layer in DEPTHS.values():
            for text in range(number):
                yield text, layer, rng.normal(size=(N, WIDTH)).astype(np.float32)

    return states


def measured(number: int, twins: bool, path: Path) -> None:
    draws = [states_of(number, draw) for draw in range(DRAWS if twins else 1)]
    names = CHEAPER if twins else DISTANCES + BASELINES
    found = measure(texts_of(number), draws, DEPTHS, names)
    save(path, found, "f")


def summarise(model: Path, twins: Path) -> None:
    """Of as many models, each of these distances."""
    from infogeo.files.parts import LazyTables
    from infogeo.sentences.study import judge_corpus
    from infogeo.sentences.summary import score_table
    from infogeo.sentences.trends import trend_table

    slugs = [f"m{model}" for model in range(MODELS)]
    about = [
        {"slug": slug, "family": "f", "params_total": size, "params_non_embedding": size,
         "width": 64, "layers": 2, "replicate": None}
        for slug, size in zip(slugs, (10**6, 10**7, 10**8), strict=True)
    ]  # fmt: skip
    trained, untrained = (
        LazyTables(load, slugs, [path] * MODELS, ["f"] * MODELS) for path in (model, twins)
    )
    study = judge_corpus("c", about, trained, untrained, neighbours=10, permutations=999, seed=0)
    score_table(study, headline_depth="final")
    trend_table(study, headline_depth="final", draws=999, seed=0)


def cost(work, *arguments) -> tuple[float, float]:
    """Seconds, and megabytes, of a process of its own."""
    begin = time.monotonic()
    child = os.fork()
    if not child:
        os.close(1)
        work(*arguments)
        os._exit(0)
    _, status, usage = os.wait4(child, 0)
    assert status == 0, status
    return time.monotonic() - begin, usage.ru_maxrss / 1000


def main(sizes: list[int]) -> None:
    print(f"{'texts':>6} {'what':<22} {'s':>7} {'asked':>7} {'MB':>7} {'asked':>7}")
    config = configuration.merged({})
    model = {"params_total": 0, "params_non_embedding": 0, "width": WIDTH, "layers": 4,
             "vocabulary": 0}  # fmt: skip
    for texts in sizes:
        job = job_costs.Job(model, "float32", config, texts, texts * N, texts)
        over_all = job_costs.Summary([MODELS], [texts], [texts], 6, config)
        with tempfile.TemporaryDirectory() as name:
            paths = Path(name) / "model.h5", Path(name) / "twins.h5"
            report(texts, "model", cost(measured, texts, False, paths[0]),
                   job.distances(DISTANCES + CHEAPER, 1))  # fmt: skip
            report(texts, "twins", cost(measured, texts, True, paths[1]),
                   job.distances(2 * CHEAPER, DRAWS))  # fmt: skip
            report(texts, "summary of 3 models", cost(summarise, *paths),
                   over_all.summarise_sentences())  # fmt: skip


def report(texts, what, found, asked) -> None:
    seconds, megabytes = found
    print(f"{texts:>6} {what:<22} {seconds:>7.1f} {asked[1]:>7.1f} {megabytes:>7.0f} "
          f"{asked[0] / 1e6:>7.0f}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or [125, 250, 500, 1000])
