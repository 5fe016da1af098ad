"""What runs cost that this machine cannot make: bytes, FLOPs and GPU hours, from the plan.

    python tests/bench/budget.py [results]

First the plan beside what a finished run of the embedded default has left in results/: bytes of
hidden states and of spectra, and the rate of the dumps. Bytes per text and layer of the files that
follow are measured there and carried over. Then Pythia on 10,000 texts and a model of 70 B on a
million, with the states of the last layer or of all; and what a run without stored states
(`keep_hidden_states: false`) leaves of them, and needs besides.
"""

import csv
import sys
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "workflow_scripts"))

from infogeo.planning import configuration, costs, job_costs, plan

# Layers, width, vocabulary as padded, parameters in all and without embeddings (2304.01373, table
# 1; Llama 3 70B: 2407.21783, table 3).
PYTHIA = {
    "pythia-70m": (6, 512, 50304, 70.4e6, 18.9e6),
    "pythia-160m": (12, 768, 50304, 162e6, 85.1e6),
    "pythia-410m": (24, 1024, 50304, 405e6, 302e6),
    "pythia-1b": (16, 2048, 50304, 1.01e9, 806e6),
    "pythia-1.4b": (24, 2048, 50304, 1.41e9, 1.21e9),
    "pythia-2.8b": (32, 2560, 50304, 2.78e9, 2.52e9),
    "pythia-6.9b": (32, 4096, 50432, 6.86e9, 6.44e9),
    "pythia-12b": (36, 5120, 50688, 11.8e9, 11.3e9),
}
LARGE = {"70 B": (80, 8192, 128256, 70.6e9, 68.5e9)}
DTYPE, GPU_FLOPS, GPU_BYTES = "bfloat16", 2e14, 80e9
LENGTHS = (32, 128)


def shape(row) -> dict:
    keys = ("layers", "width", "vocabulary", "params_total", "params_non_embedding")
    return {key: int(value) for key, value in zip(keys, row, strict=True)}


def spectra_bytes(width: int, texts: int, layers: int) -> int:
    """Eigenvalues of the texts, which a file of spectra holds beside those of the corpus."""
    config = {"spectra": {"n": LENGTHS}}
    return costs.eigenvalue_bytes({"width": width}, config, texts) * layers


def measured(results: Path) -> dict:
    """Print the plan beside a finished run; bytes per text and layer of each small stage."""
    rows = list(csv.DictReader((results / "plan.csv").open()))
    sizes = {"entropy": [], "context": [], "sentences": []}
    print("The embedded default: planned beside measured")
    print(f"{'model':18}{'states MB':>11}{'file MB':>9}{'spectra MB':>12}{'file MB':>9}"
          f"{'dump GFLOP':>12}{'s':>7}{'GFLOP/s':>9}")  # fmt: skip
    for row in rows:
        model, corpus = row["model"], row["corpus"]
        texts, layers = int(row["texts"]), int(row["layers"]) + 2
        file = results / "hidden_states" / corpus / f"{model}.h5"
        spectra = results / "spectra" / corpus / f"{model}.h5"
        took = results / "benchmarks/dump_hidden_states" / corpus / f"{model}.tsv"
        if not took.exists():
            continue  # a checkpoint of a ladder: one job measures all of a row
        timing = next(csv.DictReader(took.open(), delimiter="\t"))
        planned = spectra_bytes(int(row["width"]), texts, layers)
        work, took = int(row["forward_flops"]) / 1e9, float(timing["s"])
        print(
            f"{model:18}{int(row['hidden_states_bytes']) / 1e6:11.1f}"
            f"{file.stat().st_size / 1e6:9.1f}{planned / 1e6:12.1f}"
            f"{spectra.stat().st_size / 1e6:9.1f}{work:12.1f}{took:7.1f}{work / took:9.1f}"
        )
        for stage, found in sizes.items():
            files = (results / stage / corpus).glob(f"{model}.*")
            found.append(sum(path.stat().st_size for path in files) / (texts * layers))
    return {stage: sum(found) / len(found) for stage, found in sizes.items()}


def job(row, texts: int, layers="all") -> job_costs.Job:
    """The jobs of a model on so many texts, on the GPUs assumed here."""
    compared = {} if layers == "all" else {"depths": layers}
    config = configuration.merged(
        {
            "plan": {"flops_per_second": GPU_FLOPS},
            "states": {"layers": layers},
            "scaling": compared,
            "sentences": compared,
        }
    )
    return job_costs.Job(shape(row), DTYPE, config, texts, texts * max(LENGTHS))


def projected(models: dict, texts: int, per_text_layer: dict) -> None:
    n = max(LENGTHS)
    print(f"\n{texts:,} texts of {n} tokens, {DTYPE}, {GPU_FLOPS:.0e} FLOP/s and "
          f"{GPU_BYTES / 1e9:.0f} GB a GPU")  # fmt: skip
    print(f"{'model':14}{'GPUs':>5}{'forward':>12}{'dump':>8}{'ablation':>10}"
          f"{'states: last':>14}{'all':>9}{'spectra':>9}{'tables':>9}")  # fmt: skip
    print(f"{'':14}{'':>5}{'':>12}{'h':>8}{'h':>10}"
          f"{'':>14}{'layers':>9}{'':>9}{'':>9}")  # fmt: skip
    for name, row in models.items():
        of_all, of_last = job(row, texts), job(row, texts, ["final"])
        gpus = costs.gpus_needed(of_all.model["params_total"], DTYPE, GPU_BYTES)
        hours = (work()[1] / 3600 for work in (of_all.dump_hidden_states, of_all.token_ablation))
        one, every = (
            costs.hidden_states_bytes(of.model, of.tokens, of.layers, DTYPE)
            for of in (of_last, of_all)
        )
        tables = sum(per_text_layer.values()) * texts
        width = of_all.model["width"]
        print(f"{name:14}{gpus:5}{plan.human(of_all.forward(), 'FLOP'):>12}"
              f"{next(hours):8.2f}{next(hours):10.2f}"
              f"{plan.human(one, 'B'):>14}{plan.human(every, 'B'):>9}"
              f"{plan.human(spectra_bytes(width, texts, 1), 'B'):>9}"
              f"{plan.human(int(tables), 'B'):>9}")  # fmt: skip


def requested(models: dict, texts: int) -> None:
    """Memory and hours of the jobs that take spectra and gains, of one thread and of 16."""
    print(f"\n{texts:,} texts: GB and hours of a job, one thread / 16 threads")
    works = ("compute_spectra", "information_gain", "untrained_twins", "compute_entropy")
    works += ("untrained_entropy",)
    print(f"{'model':14}{'layers':>8}" + "".join(f"{work:>32}" for work in works))
    for name, row in models.items():
        for layers in ("all", ["final"]):
            one = job(row, texts, layers)
            cells = []
            for work in works:
                found = [getattr(replace(one, threads=threads), work)() for threads in (1, 16)]
                cells.append(" / ".join(f"{size / 1e9:,.3g}, {s / 3600:,.3g}" for size, s in found))
            print(f"{name:14}{one.layers:8}" + "".join(f"{cell:>32}" for cell in cells))


def unstored(models: dict, texts: int) -> None:
    """What a run without stored states leaves and needs, of all layers and of the last alone."""
    n = max(LENGTHS)
    print(f"\nwithout stored states, {texts:,} unlabelled texts of {n} tokens, {DTYPE}")
    print(f"{'model':14}{'layers':>8}{'states':>10}{'store':>10}{'ratio':>10}{'shards':>10}"
          f"{'memory':>10}{'passes h':>10}{'core h':>10}{'beside GPU':>12}")  # fmt: skip
    for name, row in models.items():
        for layers in ("all", ["final"]):
            of = job(row, texts, layers)
            given = of.model, of.config
            whole = costs.hidden_states_bytes(of.model, of.tokens, of.layers, DTYPE)
            left = costs.reduced_states_bytes(*given, False, texts, of.tokens, DTYPE)
            gains = costs.gain_bytes(of.config, texts) * of.layers // 2  # pivots alone
            shards = gains + spectra_bytes(of.model["width"], texts, of.layers) + left
            shards += whole if job_costs.keeps_states(of) else 0
            second = 0 if job_costs.keeps_states(of) else of.forward(likelihoods=False)
            passes = of.passes(of.forward() + second) / 3600
            core = (of.spectra() + of.gains()) / 3600
            beside = (job_costs.beside_model(of) + of.gains()) / 3600
            held = costs.accumulator_bytes(
                *given, texts, 1 if job_costs.keeps_states(of) else of.layers
            )
            sizes = (f"{plan.human(size, 'B'):>10}" for size in (shards, held))
            print(f"{name:14}{of.layers:8}{plan.human(whole, 'B'):>10}{plan.human(left, 'B'):>10}"
                  f"{left / whole:10.5f}{''.join(sizes)}{passes:10.2f}{core:10.1f}"
                  f"{beside:12.1f}")  # fmt: skip


def main(results: Path) -> None:
    per_text_layer = measured(results)
    sizes = ", ".join(f"{stage} {size:,.0f}" for stage, size in per_text_layer.items())
    print(f"\nbytes per text and layer: {sizes}")
    projected(PYTHIA, 10_000, per_text_layer)
    projected(LARGE, 1_000_000, per_text_layer)
    requested(PYTHIA, 10_000)
    requested(LARGE, 1_000_000)
    unstored(PYTHIA, 10_000)
    unstored(LARGE, 1_000_000)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "results"))
