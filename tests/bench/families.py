"""N and width of the models of real families, and the scatter of published entropies."""

import csv
from pathlib import Path

import numpy as np

PUBLISHED = Path(__file__).parents[2] / "config/published/matrix_entropy.csv"
PYTHIA = {14e6: 128, 31e6: 256, 70e6: 512, 160e6: 768, 410e6: 1024, 1e9: 2048, 1.4e9: 2048,
          2.8e9: 2560, 6.9e9: 4096, 12e9: 5120}  # fmt: skip
CEREBRAS = {111e6: 768, 256e6: 1088, 590e6: 1536, 1.3e9: 2048, 2.7e9: 2560, 6.7e9: 4096,
            13e9: 5120}  # fmt: skip
OPT = {125e6: 768, 350e6: 1024, 1.3e9: 2048, 2.7e9: 2560, 6.7e9: 4096, 13e9: 5120, 30e9: 7168,
       66e9: 9216}  # fmt: skip


def shapes(models: dict) -> tuple[np.ndarray, np.ndarray]:
    """ln N and widths, ascending in N."""
    return np.log(np.array(list(models))), np.array(list(models.values()))


def grid() -> tuple[np.ndarray, np.ndarray]:
    """ln N and widths of three widths with three depths each, as in the embedded ladder."""
    widths = np.repeat([32, 64, 128], 3)
    return np.log(12.0 * widths**2 * np.tile([1, 2, 4], 3)), widths


DESIGNS = {
    "Cerebras-GPT to 2.7B": shapes(dict(list(CEREBRAS.items())[:5])),
    "Pythia, every other": shapes(dict(list(PYTHIA.items())[::2])),
    "Cerebras-GPT": shapes(CEREBRAS),
    "OPT": shapes(OPT),
    "Pythia from 70M": shapes(dict(list(PYTHIA.items())[2:])),
    "Pythia": shapes(PYTHIA),
    "3 widths × 3 depths": grid(),
}


def scatter() -> dict[str, float]:
    """Family → residual sd of ln H (published matrix entropy) around its power law in N.

    The entropy itself: its quotient by ln d bends with ln d, which is no noise. Root mean square
    over corpora.
    """
    with PUBLISHED.open() as file:
        rows = [row for row in csv.DictReader(file) if row["metric"] == "entropy_over_ln_d"]
    found: dict[str, list] = {}
    for family, corpus in sorted({(row["family"], row["corpus"]) for row in rows}):
        some = [row for row in rows if (row["family"], row["corpus"]) == (family, corpus)]
        x, d, y = (np.log([float(row[name]) for row in some]) for name in ("N", "d", "value"))
        residuals = np.polyfit(x, y + np.log(d), 1, full=True)[1]
        found.setdefault(family, []).append(residuals[0] / (len(x) - 2))
    return {family: float(np.sqrt(np.mean(variances))) for family, variances in found.items()}


def noises(shape, rng) -> dict[str, np.ndarray]:
    """Noise of sd 1."""
    return {
        "normal": rng.standard_normal(shape),
        "heavy": rng.standard_t(3, shape) / np.sqrt(3),
    }
