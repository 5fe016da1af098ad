"""Each job of a model of real size by an older build and by this one: CPU, wall clock, memory.

    python tests/bench/real_size.py OLD [--models llama neox] [--layers N] [--texts 60]
        [--draws 3] [--without ablation ...] [--runs 3]

OLD is a checkout of the older build. The models are random: a Llama of 30 layers × 576 with a
vocabulary of 49,152, and a GPT-NeoX of 12 × 768 with 50,304; texts have 128 tokens or more, and
settings are the default's. Each job is one command of Snakemake (whose start counts), on one core,
in a fresh copy of either build; the two alternate job by job. CPU counts all children; memory is
the most that one process holds, looked at five times a second. `shuffled` is new, and counts in no
sum. Medians over runs. Fewer layers, texts or draws, or jobs left out, make it short.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/bench")]

import pandas as pd
import psutil
from default import copy
from tiny import save_tokenizer, sentences

MODELS = {"llama": 30, "neox": 12}  # and their layers
TARGETS = {
    "dump": "hidden_states/texts/{model}.h5",
    "spectra": "spectra/texts/{model}.h5",
    "gain": "context/texts/{model}.gain.parquet",
    "selection": "context/texts/{model}.selection.parquet",
    "ablation": "context/texts/{model}.ablation.parquet",
    "twins": "context/texts/{model}.untrained_gain.parquet",
    "shuffled": "spectra/texts/{model}.shuffled.h5",
    "entropy": "entropy/texts/{model}.parquet",
}
NEW = ("shuffled",)  # jobs that the older build has not
CONFIG = """
models: models.tsv
corpora: corpora.tsv
controls: {{untrained_draws: {draws}}}
"""


def config_of(name: str, layers: int):
    """The configuration of a model of real size."""
    import transformers as hf

    if name == "llama":
        return hf.LlamaConfig(
            vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=layers,
            num_attention_heads=9, num_key_value_heads=3, max_position_embeddings=2048,
            tie_word_embeddings=True, bos_token_id=0, eos_token_id=0,
        )  # fmt: skip
    return hf.GPTNeoXConfig(
        vocab_size=50304, hidden_size=768, intermediate_size=3072, num_hidden_layers=layers,
        num_attention_heads=12, max_position_embeddings=2048, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip


def save(name: str, layers: int, folder: Path) -> None:
    """A random model with a tokenizer."""
    import torch
    import transformers as hf

    torch.manual_seed(0)
    hf.AutoModelForCausalLM.from_config(config_of(name, layers)).save_pretrained(folder)
    save_tokenizer(folder)


def prepare(build: Path, folder: Path, models: dict[str, Path], texts: int, draws: int) -> None:
    """A copy of a build that measures the models on so many texts."""
    copy(build, folder)
    (folder / "bench.yaml").write_text(CONFIG.format(draws=draws))
    rows = [f"{name}\tbench\tlocal\t{path}\tfloat32" for name, path in models.items()]
    lines = ["slug\tfamily\tsource\twhere\tdtype", *rows]
    (folder / "models.tsv").write_text("\n".join(lines) + "\n")
    of_texts = sentences(texts, low=150, high=160)
    pd.DataFrame({"text": of_texts}).to_parquet(folder / "texts.parquet")
    (folder / "corpora.tsv").write_text("slug\tsource\twhere\ntexts\tlocal\ttexts.parquet\n")
    targets = ["corpora/texts.parquet", *(f"models/{name}/model.json" for name in models)]
    job(folder, targets)


def job(folder: Path, targets: list[str]) -> tuple[float, float, float]:
    """Make files of results: CPU seconds, seconds by the clock, and MB of the largest process."""
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--configfile", "bench.yaml"]
    command += ["--quiet", "rules", "host", "--", *(f"results/{target}" for target in targets)]
    environment = os.environ | {"PYTHONPATH": str(folder / "workflow_scripts")}
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with subprocess.Popen(
        command, cwd=folder, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as run:  # fmt: skip
        peaks = [0]
        watcher = threading.Thread(target=watch, args=(run, peaks))
        watcher.start()
        printed = run.communicate()[0]
        watcher.join()
    assert run.returncode == 0, printed[-3000:]
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent, wall, max(peaks) / 1e6


def watch(run, peaks: list[int]) -> None:
    """Note the resident bytes of the processes of a run until it ends."""
    while run.poll() is None:
        try:
            started = psutil.Process(run.pid).children(recursive=True)
            peaks += [process.memory_info().rss for process in started]
        except psutil.Error:  # one has just ended
            pass
        time.sleep(0.2)


def table(name: str, measured: dict) -> None:
    """Print the medians of the jobs of a model, and ratios of this build to the older one."""
    print(f"\n{name:12}{'CPU s':>18}{'':8}{'wall s':>18}{'':8}{'peak MB':>16}")
    print(f"{'':12}" + f"{'older':>9}{'this':>9}{'ratio':>8}" * 2 + f"{'older':>8}{'this':>8}")
    medians = {
        key: [statistics.median(values) for values in zip(*runs, strict=True)]
        for key, runs in measured.items()
    }
    works = [work for build, work in medians if build == "this"]
    compared = [work for work in works if work not in NEW]
    sums = {"all jobs": compared, "but the dump": [work for work in compared if work != "dump"]}
    for label, of in {**{work: [work] for work in works}, **sums}.items():
        cells = ""
        for place in (0, 1):
            pair = [
                sum(medians.get((build, work), [0, 0])[place] for work in of)
                for build in ("older", "this")
            ]
            ratio = f"{pair[1] / pair[0]:8.2f}" if pair[0] else f"{'new':>8}"
            cells += f"{pair[0]:9.1f}{pair[1]:9.1f}{ratio}"
        for build in ("older", "this"):
            cells += f"{max(medians.get((build, work), [0, 0, 0])[2] for work in of):8.0f}"
        print(f"{label:12}{cells}", flush=True)


def main(given) -> None:
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        folder, models = Path(folder), {}
        for name in given.models:
            models[name] = folder / f"model-{name}"
            save(name, given.layers or MODELS[name], models[name])
        measured = {name: {} for name in models}
        for run in range(given.runs):
            builds = {"older": given.old, "this": ROOT}
            for build, path in builds.items():
                (folder / f"{build}-{run}").mkdir()
                prepare(path, folder / f"{build}-{run}", models, given.texts, given.draws)
            for name, jobs in measured.items():
                for work in (work for work in TARGETS if work not in given.without):
                    for build in builds if work not in NEW else ("this",):
                        target = TARGETS[work].format(model=name)
                        cost = job(folder / f"{build}-{run}", [target])
                        jobs.setdefault((build, work), []).append(cost)
                        spent, wall, peak = cost
                        print(f"{name:8}{work:10}{build:6}{spent:8.1f} s CPU{wall:8.1f} s"
                              f"{peak:7.0f} MB", flush=True)  # fmt: skip
        for name, jobs in measured.items():
            table(name, jobs)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("old", type=Path)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--layers", type=int)
    parser.add_argument("--texts", type=int, default=60)
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--without", nargs="*", choices=TARGETS, default=[])
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    arguments.old = arguments.old.resolve()
    main(arguments)
