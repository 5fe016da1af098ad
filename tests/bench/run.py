"""Run the benches of speed one after another and write docs/benchmarks.md: `make bench`.

    python tests/bench/run.py

Takes about half an hour on an otherwise idle machine; the page grows with each bench. The load
before each is printed: figures taken beside other work are worth little.
"""

import os
import platform
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

BENCH = Path(__file__).parent
DOCS = BENCH.parents[1] / "docs"
PACKAGES = ("torch", "transformers", "numpy", "scipy", "scikit-learn", "statsmodels", "h5py")
PACKAGES += ("snakemake",)

# Heading, program with its arguments, and why the distance to the floor is what it is.
BENCHES = (
    (
        "Spectra",
        ["spectra.py"],
        "Above the floor: the Gram matrix, which every way through n × n matrices has to form and "
        "the floor leaves out; both conventions follow from one. The rest is scaling and centring "
        "it.",
    ),
    (
        "Measures of arrays",
        ["measure.py", "256", "128", "2048"],
        "Above the floor: the Gram matrices in float64 of float32 states, which stand beside it.",
    ),
    ("Information gain", ["context.py"], ""),
    (
        "Token selection",
        ["selection.py"],
        "Above the floor: at each step the path asks of every candidate when it would join or "
        "leave, which the floor leaves out.",
    ),
    ("√JS", ["sentences.py"], ""),
    (
        "Token ablation",
        ["ablation.py", "4", "3"],
        "Above the floor, the further the smaller the model: of the batched run matrix products "
        "take 60, 39 and 21 % at widths 128, 64 and 32 by a profile, attention 17 to 21 %; the "
        "rest are activations, norms, copies, and what is measured of each set.",
    ),
    ("Dump", ["dump.py", "3"], ""),
    (
        "Store",
        ["store.py"],
        "Writing is above the floor for the checksums of every chunk (fletcher32), which damage to "
        "a file is found by, and reading for checking them.",
    ),
    (
        "Scaling: bootstrap",
        ["bootstrap.py"],
        "Above the floor, which is one gather and one product: each draw needs its own standard "
        "error (residuals: 57 % by a profile), and percentiles need an order (25 %). All 999 draws "
        "of a law take less than a millisecond.",
    ),
    (
        "Similarity",
        ["similarity.py"],
        "Above the floor: each block of the Grams is centred and multiplied with those of the "
        "other layers while it is in the cache, and rows are read once for each block. Goal: 20 "
        "times the pairwise way.",
    ),
    ("Skills", ["skills.py"], ""),
    ("Cost against n, d and texts", ["cost.py", str(DOCS / "cost.png")], "![cost](cost.png)"),
    (
        "Imports of each rule's job",
        ["imports.py"],
        "In a run of the default, 247 s of 1,819 s of CPU in jobs were imports: 86 % computed "
        "(goal: 70 %; 84 % with the one to two seconds in which `information_gain`, "
        "`measure_states` and `untrained_twins` load and compile the loop over ranks). "
        "`python tests/bench/imports.py results` says the same of a finished run of yours.",
    ),
    (
        "Snakemake's start",
        ["startup.py", "10", "100", "1000"],
        "Goals: 30 s and 1 GB for 1,000 models on four corpora, and 5 s for a run of the default "
        "with nothing to do. The floor, Snakemake alone, is beyond 30 s there already, at about "
        "1.2 to 1.5 ms a job. Ours is about twice the floor: files for log and benchmark, params "
        "and resources of each job are evaluated and printed; what this project computes for them "
        "takes 4 % of a dry run of 100 models by a profile.",
    ),
)


def main() -> None:
    processor = next(
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    parts = [
        "# Benchmarks",
        "> **What**: the speed of each computation, beside the common way and a floor.\n"
        "> **Read it** before you call something slow, or change a hot loop.\n> **Result**: "
        "each bench asserts equal results first; where ours is above its floor, the page gives the "
        "reason.",
        "`make bench` runs the programs of tests/bench below one after another and writes this "
        "page. Each says at its top what it measures, the common way, and the floor; each asserts "
        "equal results before it times anything.",
        f"Machine: {processor}, {os.cpu_count()} cores, {memory:.0f} GB, Python "
        f"{platform.python_version()}; "
        f"{', '.join(f'{name} {version(name)}' for name in PACKAGES)}.",
    ]
    for heading, command, remark in BENCHES:
        load, begin = os.getloadavg()[0], time.monotonic()
        print(f"{heading}: load {load:.1f}", end=" … ", flush=True)
        run = subprocess.run(
            [sys.executable, BENCH / command[0], *command[1:]], stdout=subprocess.PIPE, text=True,
            stderr=subprocess.DEVNULL, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=True,
        )  # fmt: skip
        print(f"{time.monotonic() - begin:.0f} s", flush=True)
        shown = " ".join([command[0], *(Path(argument).name for argument in command[1:])])
        output = run.stdout.strip("\n")  # a header may begin with blanks
        parts += [
            f"## {heading}",
            f"`OMP_NUM_THREADS=1 python tests/bench/{shown}`, load before it {load:.1f}:",
            f"```\n{output}\n```",
            *([remark] if remark else []),
        ]
        (DOCS / "benchmarks.md").write_text("\n\n".join(parts) + "\n")


if __name__ == "__main__":
    main()
