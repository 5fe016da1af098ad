"""Run the benches of speed one after another and write docs/benchmarks.md: `make bench`.

    python tests/bench/run.py [heading ...]

All take some hours on an otherwise idle machine, the whole built-in example most of it; with
headings only these are run, and the rest of the page stays. The load before each is printed:
figures taken beside other work are worth little. Where a bench compares with the build before
this round, the page says `OLD`: a checkout of the commit below.
"""

import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

BENCH = Path(__file__).parent
DOCS = BENCH.parents[1] / "docs"
PACKAGES = ("torch", "transformers", "numpy", "scipy", "scikit-learn", "statsmodels", "h5py")
PACKAGES += ("snakemake",)
OLD = "9ae2ea4"  # the build that times are compared with

# Heading, program with its arguments, and why the distance to the floor is what it is.
BENCHES = (
    ("The built-in example", ["default.py", "OLD"], ""),
    (
        "The built-in example, without what is new",
        ["default.py", "OLD", "--same"],
        "The goal was 0.5. Metrics without the first token stay in, since no key leaves them out.",
    ),
    (
        "Spectra",
        ["spectra.py"],
        "Above the floor: the Gram matrix, which every way through n × n matrices has to form and "
        "the floor leaves out; both conventions follow from one. The rest is scaling and centring "
        "it.",
    ),
    (
        "Eigenvalues and factors of stacks",
        ["eigenvalues.py"],
        "Above the floor: QL of the tridiagonal matrix, a third of the time at order 64, and "
        "copies into the lanes. A matrix of order 256 is larger than the second-level cache.",
    ),
    (
        "Spectra of a corpus",
        ["corpus.py", "OLD"],
        "Above the floor: the second triangle of each product, centring and scaling of rows. "
        "Products in float32 would save a quarter of the time, but their error depends on the "
        "states: 1e-3 nats of a coding rate where rows of huge norm are not split off first.",
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
    ("Products in float32", ["products.py"], ""),
    ("Training of a ladder", ["training.py", "OLD"], ""),
    ("Token ablation by two builds", ["ablation_builds.py", "OLD"], ""),
    ("Token ablation of a real shape", ["ablation_builds.py", "OLD", "real", "1"], ""),
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
        "Above the floor: each block of the Grams is centred, and multiplied with those of other "
        "layers while it is in the cache. Rows are read once for each block. Goal: 20 times the "
        "pairwise way.",
    ),
    ("Skills", ["skills.py"], ""),
    ("Cost against n, d and texts", ["cost.py", str(DOCS / "cost.png")], "![cost](cost.png)"),
    (
        "Imports of each rule's job",
        ["imports.py"],
        "In a run of the default, 158 s of 1,076 s in jobs were imports: 85 % computed (goal: "
        "70 %). What `information_gain` and others import later is not in. "
        "`python tests/bench/imports.py results` says the same of a finished run of yours.",
    ),
    (
        "Snakemake's start",
        ["startup.py", "10", "100", "1000", "checkpoints", "OLD"],
        "Goals: 1.4 × the floor for a dry run of 1,000 models on four corpora; half of the old "
        "build with nothing to do; 20 s per 1,000 models of checkpoints. With nothing to do, the "
        "floor alone takes more than half of the old build. Above the floor: of 100 models, a job "
        "makes 2.3 files where a bare one makes one. Snakemake follows 4.6 inputs of a job, and "
        "1.9 of a bare one. Each job also has a log, a benchmark, params and resources. Several "
        "tables of a job in one file would bring the times down; nobody could then read such a "
        "table, or make it anew, by its name.",
    ),
)


def main(headings: list[str]) -> None:
    known = [heading for heading, *_ in BENCHES]
    if unknown := set(headings) - set(known):
        sys.exit(f"no bench has the heading {', '.join(sorted(unknown))}; there are: {known}")
    page = DOCS / "benchmarks.md"
    sections = {part.partition("\n")[0]: part for part in page.read_text().split("\n## ")[1:]}
    with tempfile.TemporaryDirectory() as old:
        archive = subprocess.run(
            ["git", "archive", OLD], cwd=BENCH.parents[1], check=True, capture_output=True
        )
        subprocess.run(["tar", "-x", "-C", old], input=archive.stdout, check=True)
        for heading, command, remark in BENCHES:
            if not headings or heading in headings:
                sections[heading] = section(heading, command, remark, old)
                parts = [sections[name].rstrip("\n") for name in known if name in sections]
                page.write_text("\n\n## ".join([head(), *parts]) + "\n")


def head() -> str:
    """The page above its sections."""
    kernels = os.environ.get("OPENBLAS_CORETYPE")
    return "\n\n".join([
        "# Benchmarks",
        "> **What**: the speed of each computation, beside the common way and a floor.\n"
        "> **Read it** before you call something slow, or change a hot loop.\n> **Result**: "
        "each bench asserts equal results first; where ours is above its floor, the page gives the "
        "reason.",
        "`make bench` runs the programs of tests/bench below one after another and writes this "
        "page. Each says at its top what it measures, the common way, and the floor; each asserts "
        "equal results before it times anything.",
        f"`OLD` is a checkout of {OLD}, the build before the last round of work on speed.",
        f"Python {platform.python_version()}, "
        f"{', '.join(f'{name} {version(name)}' for name in PACKAGES)}."
        + f" OpenBLAS, which numpy asks, is held to its kernels for {kernels}." * bool(kernels),
    ])  # fmt: skip


def machine() -> str:
    """Processor, cores and memory."""
    processor = next(
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return f"{processor}, {os.cpu_count()} cores, {memory:.0f} GB"


def section(heading: str, command: list[str], remark: str, old: str) -> str:
    """Run a bench; its part of the page, without the marks of the heading."""
    load, begin = os.getloadavg()[0], time.monotonic()
    print(f"{heading}: load {load:.1f}", end=" … ", flush=True)
    given = [old if argument == "OLD" else argument for argument in command[1:]]
    run = subprocess.run(
        [sys.executable, BENCH / command[0], *given], stdout=subprocess.PIPE, text=True,
        stderr=subprocess.DEVNULL, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=True,
    )  # fmt: skip
    print(f"{time.monotonic() - begin:.0f} s", flush=True)
    shown = " ".join([command[0], *(Path(argument).name for argument in command[1:])])
    output = run.stdout.strip("\n")  # a header may begin with blanks
    parts = [
        heading,
        f"`OMP_NUM_THREADS=1 python tests/bench/{shown}`, load before it {load:.1f} ({machine()}):",
        f"```\n{output}\n```",
        *([remark] if remark else []),
    ]
    return "\n\n".join(parts)


if __name__ == "__main__":
    main(sys.argv[1:])
