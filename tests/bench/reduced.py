"""What storing no hidden states saves and costs: bytes on disk and CPU seconds, side by side.

    python tests/bench/reduced.py [shapes ...]     (default w128-d4 w512-d6)

The docstrings of the embedded default under models of these shapes (hardly trained, which changes
neither bytes nor seconds), once with stored states (dump, spectra, gains) and once without. The
numbers of both are compared first. Once the texts have labels, so that the states of sampled
sentences are kept, and once they have none.
"""

import resource
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[2]
SOURCES = ("Snakefile", "rules", "workflow_scripts", "profiles", "envs", "config")
TABLES = ("gain", "gain_positions", "gain_relations", "gain_checks", "gain_surprisal")
CONFIG = """
ladders: {{bench: {{tokens: 512, widths: {widths}, depths: {depths}, seeds: [0]}}}}
"""


def checkout(folder: Path, shapes: list[str]) -> Path:
    """A copy of the project whose models have these shapes."""
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, folder / name)
    pairs = [shape.removeprefix("w").split("-d") for shape in shapes]
    widths, depths = (sorted({int(pair[place]) for pair in pairs}) for place in (0, 1))
    (folder / "bench.yaml").write_text(CONFIG.format(widths=widths, depths=depths))
    columns = "slug family source where dtype".split()
    rows = [[shape, "bench", "ladder", f"bench/{shape}-s0", "float32"] for shape in shapes]
    lines = ["\t".join(row) for row in [columns, *rows]]
    (folder / "config/models.tsv").write_text("\n".join(lines) + "\n")
    return folder


def snakemake(folder: Path, targets: list[str], keep: bool) -> tuple[int, float]:
    """Make the targets; most bytes that the folder for shards held, CPU seconds of all jobs."""
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--configfile", "bench.yaml"]
    command += ["--config", f"keep_hidden_states={str(keep).lower()}", "--", *targets]
    most, ended = 0, threading.Event()

    def watch():
        nonlocal most
        while not ended.wait(0.2):
            most = max(most, size((folder / "scratch").rglob("*")))

    watcher, before = threading.Thread(target=watch), spent()
    watcher.start()
    try:
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    finally:
        ended.set()
        watcher.join()
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    return most, spent() - before


def spent() -> float:
    """CPU seconds of all processes that were started here and have ended.

    (Snakemake reports that of its last look at a job, which may be half a minute before its end.)
    """
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def size(paths) -> int:
    total = 0
    for path in paths:
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue  # moved into its place just now
    return total


def files(folder: Path, corpus: str, model: str) -> dict[str, list[Path]]:
    """By folder of results, the files that either way leaves."""
    results = folder / "results"
    return {
        "hidden_states": [results / f"hidden_states/{corpus}/{model}.h5"],
        "spectra": [results / f"spectra/{corpus}/{model}.h5"],
        "context": [results / f"context/{corpus}/{model}.{name}.parquet" for name in TABLES],
    }


def same(one: dict, other: dict) -> bool:
    """Whether spectra and gains are equal, fingerprints aside."""
    equal = True
    with h5py.File(one["spectra"][0]) as a, h5py.File(other["spectra"][0]) as b:

        def compare(name, item):
            nonlocal equal
            if isinstance(item, h5py.Dataset):
                floating = item.dtype.kind == "f"
                equal &= np.array_equal(item[()], b[name][()], equal_nan=floating)

        a.visititems(compare)
    for left, right in zip(one["context"], other["context"], strict=True):
        equal &= pd.read_parquet(left).equals(pd.read_parquet(right))
    return equal


def compare(folder: Path, corpus: str, model: str) -> None:
    made = files(folder, corpus, model)
    targets = [str(path.relative_to(folder)) for part in made.values() for path in part]
    columns, kept = {}, folder / "stored"
    for keep in (True, False):
        shards, cpu = snakemake(folder, targets, keep)
        columns[keep] = {name: size(paths) for name, paths in made.items()}
        columns[keep] |= {"scratch, at most": shards, "CPU s": cpu}
        if keep:
            shutil.copytree(folder / "results", kept / "results")
    equal = same(files(kept, corpus, model), made)
    print(f"\n{model}, {corpus}: spectra and gains are {'' if equal else 'NOT '}equal")
    print(f"{'MB':20}{'stored':>10}{'not stored':>12}{'ratio':>9}")
    three, one = columns[True].pop("CPU s"), columns[False].pop("CPU s")
    for name, stored in columns[True].items():
        reduced = columns[False][name]
        print(f"{name:20}{stored / 1e6:10.2f}{reduced / 1e6:12.2f}{reduced / stored:9.4f}")
    print(f"CPU s: {three:.0f} of three jobs, {one:.0f} of one, {one / three:.2f}×", flush=True)
    shutil.rmtree(kept)
    assert equal


def main(shapes: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = checkout(Path(name), shapes)
        snakemake(folder, ["results/corpora/docstrings.parquet"], True)
        # The same texts without their labels.
        frame = pd.read_parquet(folder / "results/corpora/docstrings.parquet")
        frame[["text"]].to_parquet(folder / "texts.parquet")
        table = folder / "config/corpora.tsv"
        columns = table.read_text().splitlines()[0].split("\t")
        row = {"slug": "unlabelled", "source": "local", "where": "texts.parquet"}
        line = "\t".join(row.get(column, "") for column in columns)
        table.write_text(table.read_text().rstrip("\n") + f"\n{line}\n")
        models = [f"results/models/{model}/model.json" for model in shapes]
        snakemake(folder, [*models, "results/corpora/unlabelled.parquet"], True)
        for corpus in ("docstrings", "unlabelled"):
            for model in shapes:
                compare(folder, corpus, model)


if __name__ == "__main__":
    main(sys.argv[1:] or ["w128-d4", "w512-d6"])
