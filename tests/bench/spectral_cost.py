"""What measures of features, and the first token, cost compute_entropy: beside an older build.

Usage: python tests/bench/spectral_cost.py SPECTRA OLDER [rounds]

SPECTRA is a file of results/spectra, OLDER a checkout of the build of 9ae2ea4, which knew neither.
Each case is a process of its own, all in turn, with one thread: *older* the older build, on the
spectra that it would have made of the same states; *all tokens* what it has and norms of rows (no
first token left out, no last tokens, no rows without scaling); *off* everything but RankMe, α-ReQ,
stable rank and shares of rows without scaling; *features* all, which is the default; *orders* also
Rényi and Schatten at three orders. All write their table, as the job does. Processor seconds of the
functions, and of the whole process with its start.
"""

import os
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

import numpy as np

EPS2, LAMBDAS, ORDERS = [0.01, 0.1, 0.5, 1.0], [0.01, 0.1, 1.0], [0.5, 3.0, 4.0]
CASES = ("older", "all tokens", "off", "features", "orders")
ROOT = Path(__file__).parents[2]


def older_spectra(path: str, made: Path) -> None:
    """The same spectra as the older build writes them; it is the one that is imported."""
    import h5py

    older = import_module("infogeo.spectra")
    with h5py.File(path) as file:
        texts = {n: file[f"texts/{n}"][:] for n in sorted(map(int, file["texts"]))}
        names = (list(file[f"documents/{name}"].asstr()[:]) for name in ("doc_id", "source"))
        tokens = {name: values[:] for name, values in file["tokens"].items()}
        layers = []
        for name in file["layers"].asstr():
            group, spectra = file[f"spectra/{name}"], {}
            for scope in ("text", "tokens", "means"):
                for convention in ("unit", "centred"):
                    for n in texts:
                        part = group[f"{scope}-{convention}-in-{n}"]
                        rows = int(part.attrs["rows"])
                        spectra[scope, convention, n] = older.Spectrum(
                            part["eigenvalues"][:], part["zero_rows"][:], rows
                        )
            layers.append(older.LayerSpectra(name, int(group.attrs["width"]), spectra))
        documents = older.Documents(*names, texts)
        older.write(made, documents, older.Tokens(**tokens), layers, "bench")


def of_older(path: str, table: Path) -> int:
    """Write the older build's table; its rows."""
    older = {
        name: import_module(f"infogeo.{name}")
        for name in ("artefacts", "entropy", "parts", "spectra")
    }
    parts = list(older["entropy"].entropies(older["spectra"].read(path), EPS2, LAMBDAS))
    older["artefacts"].write_table(older["parts"].in_parts(iter(parts)), table, "bench")
    return sum(map(len, parts))


def of_ours(case: str, path: str, table: Path) -> int:
    """Write our table; its rows."""
    from infogeo.files.artefacts import write_table
    from infogeo.files.parts import in_parts
    from infogeo.geometry.entropy import entropies
    from infogeo.geometry.spectra_file import SpectraFile

    parts = list(entropies(SpectraFile(path), EPS2, LAMBDAS, ORDERS if case == "orders" else []))
    write_table(in_parts(iter(parts)), table, "bench")
    return sum(map(len, parts))


def lesser_spectra(case: str, path: str, made: Path) -> None:
    """The spectra without those that a case has not."""
    from infogeo.geometry.metrics import RAW_CONVENTIONS
    from infogeo.geometry.spectra import LayerSpectra
    from infogeo.geometry.spectra_file import SpectraFile, write_spectra_file

    spectra, layers = SpectraFile(path), []
    for layer in spectra:
        kept = {
            key: spectrum for key, spectrum in layer.spectra.items()
            if key[1] not in RAW_CONVENTIONS and (case == "off" or key[2] == "in")
        }  # fmt: skip
        norms = {key: of for key, of in layer.norms.items() if case == "off" or key[0] == "in"}
        layers.append(LayerSpectra(layer.layer, layer.width, kept, norms))
    write_spectra_file(made, spectra.documents, spectra.tokens, layers, "bench")


def child(step: str, case: str, path: str, made: str) -> None:
    """Make the spectra of a case, or its table."""
    if step == "spectra":
        if case == "older":
            older_spectra(path, Path(made))
        else:
            lesser_spectra(case, path, Path(made))
        return
    start = time.process_time()
    rows = of_older(path, Path(made)) if case == "older" else of_ours(case, path, Path(made))
    print(time.process_time() - start, rows)


def run(checkout: Path, *arguments) -> tuple[list[str], float]:
    """What a child prints, and the processor seconds that it takes in all."""
    environment = os.environ | {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
    environment["PYTHONPATH"] = str(checkout / "workflow_scripts")
    before = os.times()
    command = [sys.executable, __file__, "child", *map(str, arguments)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    after = os.times()
    children = zip(after[2:4], before[2:4], strict=True)
    return done.stdout.split(), sum(one - other for one, other in children)


def main(path: str, older: Path, rounds: int) -> None:
    seconds = {case: [] for case in CASES}  # of the functions, of the process
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        spectra = dict.fromkeys(CASES, path)
        for case in ("older", "all tokens", "off"):
            spectra[case] = Path(folder, f"{case}.h5")
            run(older if case == "older" else ROOT, "spectra", case, path, spectra[case])
        for _ in range(rounds):
            for case in CASES:
                checkout = older if case == "older" else ROOT
                table = Path(folder, "table.parquet")
                (of_functions, rows[case]), whole = run(
                    checkout, "table", case, spectra[case], table
                )
                seconds[case].append((float(of_functions), whole))
    times = {case: np.array(of_case) for case, of_case in seconds.items()}  # (rounds, 2)
    print(f"{'':12}{'rows':>10}{'functions':>11}{'÷ older':>9}{'÷ off':>7}", end="")
    print(f"{'process':>10}{'÷ older':>9}{'÷ off':>7}   (medians of {rounds} rounds)")
    for case, of_case in times.items():
        print(f"{case:12}{int(rows[case]):10,}", end="")
        for column, width in ((0, 9), (1, 8)):
            ratios = [np.median(of_case[:, column] / times[other][:, column]) for other in
                      ("older", "off")]  # fmt: skip
            print(f"{np.median(of_case[:, column]):{width}.2f} s{ratios[0]:9.2f}{ratios[1]:7.2f}",
                  end="")  # fmt: skip
        print()


if __name__ == "__main__":
    if sys.argv[1] == "child":
        child(*sys.argv[2:])
    else:
        main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 5)
