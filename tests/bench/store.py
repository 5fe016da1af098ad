"""Bytes per second of the hidden-state store beside raw numpy files and gzip HDF5.

    python tests/bench/store.py [megabytes]        (256 where left out)

One layer of width 1024 is written, synced to the disk, and read back, one thread. The states are
those of a random transformer block in kind: normal numbers with a steep spectrum. The floor is
`ndarray.tofile` and `fromfile`; the common way is an HDF5 dataset compressed with gzip (level 4).
What is read is asserted equal to what was written before any time counts. Medians of 3 repeats,
wall clock: reads come from the page cache of the system, for all three alike.
"""

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ[f"{library}_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).parents[2] / "workflow_scripts"))

import h5py
import numpy as np

from infogeo.states.layout import STORED, to_stored
from infogeo.states.store import open_store
from infogeo.states.store_writer import create_store

WIDTH, TEXT, REPEATS = 1024, 128, 3


def sync(path) -> None:
    with Path(path).open("rb+") as file:
        os.fsync(file.fileno())


def write_store(path, values, dtype) -> None:
    texts = len(values) // TEXT
    with create_store(
        path,
        attrs={"fingerprint": "bench", "model": "bench"},
        doc_ids=[str(text) for text in range(texts)],
        sources=[""] * texts,
        labels=[""] * texts,
        lengths=np.full(texts, TEXT),
        widths={"final": WIDTH},
        dtype=dtype,
    ) as store:
        for row in range(0, len(values), 64 * TEXT):
            store.write_hidden("final", row, values[row : row + 64 * TEXT])
    sync(path)


def read_store(path, rows):
    with open_store(path) as store:
        return store.read_stored("final", 0, rows)


def write_raw(path, values, dtype) -> None:
    values.tofile(path)
    sync(path)


def write_gzip(path, values, dtype) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("hidden", data=values, chunks=(TEXT, WIDTH), compression="gzip")
    sync(path)


def read_gzip(path, rows):
    with h5py.File(path) as file:
        return file["hidden"][:]


def timed(function, *arguments):
    start = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - start, result


def main(megabytes: int) -> None:
    rng = np.random.default_rng(0)
    print(f"{'':34}{'write MB/s':>12}{'÷ floor':>9}{'read MB/s':>12}{'÷ floor':>9}{'bytes':>8}")
    for dtype in STORED:
        rows = megabytes * 10**6 // (WIDTH * STORED[dtype].itemsize) // TEXT * TEXT
        states = rng.standard_normal((rows, WIDTH), np.float32) * np.arange(1, WIDTH + 1) ** -0.5
        values = to_stored(states.astype(np.float32), dtype)
        ways = {
            "store": (write_store, read_store),
            "raw file (floor)": (
                write_raw,
                lambda path, rows, kind=values.dtype: np.fromfile(path, kind).reshape(rows, WIDTH),
            ),
            "HDF5, gzip (the common way)": (write_gzip, read_gzip),
        }
        times = {way: ([], []) for way in ways}
        sizes = {}
        with tempfile.TemporaryDirectory() as folder:
            for _ in range(REPEATS):
                for way, (write, read) in ways.items():
                    path = Path(folder) / "file"
                    path.unlink(missing_ok=True)
                    wrote, _ = timed(write, path, values, dtype)
                    took, found = timed(read, path, rows)
                    assert found.tobytes() == values.tobytes(), way
                    times[way][0].append(wrote)
                    times[way][1].append(took)
                    sizes[way] = path.stat().st_size / values.nbytes
        rates = {
            way: [values.nbytes / 1e6 / statistics.median(runs) for runs in both]
            for way, both in times.items()
        }
        floor = rates["raw file (floor)"]
        for way, (write, read) in rates.items():
            print(
                f"{dtype + ', ' + way:34}{write:12,.0f}{write / floor[0]:9.2f}{read:12,.0f}"
                f"{read / floor[1]:9.2f}{sizes[way]:8.2f}"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 256)
