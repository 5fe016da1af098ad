"""Which libraries read the bfloat16 data sets of a store rightly.

    python tests/bench/readers.py

A store of a few numbers is written, and read by each library, at a pinned version, in an
environment of its own (a minute, from the package index). A library is right where it gives every
number that the store holds. `h5dump` is read where it is installed (Debian: hdf5-tools).
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "workflow_scripts"))

import numpy as np

from infogeo.states.layout import TOKEN_ARRAYS
from infogeo.states.store_writer import create_store

NUMBERS = [1.0, -2.5, 100.0, 99840.0, 9.9838e-07, 1.0012e-08]  # beyond half precision at both ends
# What is installed, and the Python that reads hidden/final of the file `path` as a list of floats.
READERS = {
    "h5py==3.16.0": "import h5py; values = h5py.File(path)['hidden/final'].astype('f4')[:]",
    "netCDF4==1.7.5.1": "import netCDF4; values = netCDF4.Dataset(path)['hidden/final'][:]",
    "h5netcdf==1.8.2 h5py==3.16.0": (
        "import h5netcdf; file = h5netcdf.File(path, 'r', phony_dims='sort'); "
        "values = file['hidden/final'][:]"
    ),
    "tables==3.11.1": "import tables; values = tables.open_file(path).root.hidden.final[:]",
    "pyfive==1.3.0": "import pyfive; values = pyfive.File(path)['hidden/final'][:]",
}


def write(path) -> np.ndarray:
    """A store of one text of as many tokens as there are numbers; what it holds."""
    states = np.array(NUMBERS, dtype=np.float32)[:, None]
    tokens = {name: np.zeros(len(states), kind) for name, kind in TOKEN_ARRAYS.items()}
    with create_store(
        path,
        attrs={"fingerprint": "readers", "model": "readers"},
        doc_ids=["a"],
        sources=[""],
        labels=[""],
        lengths=[len(states)],
        widths={"final": 1},
        dtype="bfloat16",
    ) as store:
        store.write_tokens(0, **tokens)
        store.write_hidden("final", 0, states)
    bits = (states[:, 0].view("<u4") + 0x8000) >> 16  # none of the numbers is half way
    return (bits.astype("<u4") << 16).view("<f4")


def verdict(values, expected) -> str:
    if values.shape == expected.shape and np.array_equal(values, expected):
        return "right"
    return "wrong: " + ", ".join(f"{value:g}" for value in values)


def read_by(requirements: str, code: str, path, folder) -> np.ndarray | str:
    """The numbers that a library gives, or its error."""
    python = folder / "venv/bin/python"
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder / "venv"], check=True)
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, *requirements.split()], check=True, stderr=subprocess.DEVNULL)
    code = f"import json; path = {str(path)!r}; {code}; print(json.dumps(values.ravel().tolist()))"
    run = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    if run.returncode:
        return "refused: " + run.stderr.strip().splitlines()[-1][:80]
    return np.array(json.loads(run.stdout.splitlines()[-1]), dtype=np.float32)


def h5dump(path) -> np.ndarray:
    """The numbers that Debian's program gives."""
    command = ["h5dump", "-m", "%.9g", "-y", "-d", "hidden/final", path]
    dump = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    data = dump[dump.index("DATA {") :].split("}")[0]
    return np.array(re.findall(r"-?\d[\d.e+-]*", data), dtype=np.float32)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, path = Path(name), Path(name) / "store.h5"
        expected = write(path)
        print(f"{'reader':22} numbers {', '.join(f'{value:g}' for value in expected)}")
        for requirements, code in READERS.items():
            values = read_by(requirements, code, path, folder)
            outcome = values if isinstance(values, str) else verdict(values, expected)
            print(f"{requirements.split()[0]:22} {outcome}", flush=True)
        if shutil.which("h5dump"):
            version = subprocess.run(["h5dump", "--version"], capture_output=True, text=True)
            outcome = verdict(h5dump(path), expected)
            print(f"{version.stdout.split(':')[-1].strip():22} {outcome}")


if __name__ == "__main__":
    main()
