"""What each stage costs against the tokens n and the width d of a text, with slopes and a figure.

    python tests/bench/cost.py [figure.png]

Processor time of one thread per text (of √JS: per pair of texts), medians. Along n the width is
1024, along d the length is 128. The slope is that of the last three points in the log-log plane.
√JS is also run on 10 to 80 texts: cost per pair is flat; the others take one text after another.
"""

import os
import sys
from pathlib import Path

for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ[f"{library}_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).parents[2] / "workflow_scripts"))

import numpy as np
import timing

from infogeo.context.held_out import half_grams, selector_scores
from infogeo.context.selectors import prepared
from infogeo.geometry import spectra
from infogeo.geometry.information_gain import gains
from infogeo.sentences.distances import jensen_shannon

N, D = 128, 1024
LENGTHS, WIDTHS, TEXTS = (32, 64, 128, 256, 512), (256, 512, 1024, 2048, 4096), (10, 20, 40, 80)
KS, ROTATIONS, DRAWS, HEADS = (1, 2, 4, 8, 16), 4, 20, 8
PAIRED = 8  # texts of the runs of √JS along n and d
APART = 1.7  # from one label of the figure to the next, as a ratio of its axis


def states(*shape: int) -> np.ndarray:
    """Float32 rows with a common mean and a steep spectrum, as hidden states have."""
    rng = np.random.default_rng(shape)
    Z = rng.standard_normal(shape) * np.arange(1, shape[-1] + 1) ** -0.5
    return (Z + 0.3 * rng.standard_normal(shape[-1])).astype(np.float32)


def selection(Z):
    """Every selector of one text, scored held out; the halves, which texts share, are there."""
    n = len(Z)
    attention = np.random.default_rng(0).dirichlet(np.ones(n), HEADS + 1)
    rows = prepared(Z, centred=False)
    halves = half_grams(rows[None], ROTATIONS, 0)[0]
    return lambda: selector_scores(
        Z, attention[:-1], attention[-1], rows @ rows.T, halves, list(KS), sink="free",
        draws=DRAWS, rng=np.random.default_rng(0),
    )  # fmt: skip


def distances(texts: int, n: int, d: int):
    Z = states(texts, n, d)
    return lambda: jensen_shannon(Z, "unit"), texts * (texts - 1) / 2


def stages(n: int, d: int) -> dict:
    """Name of the stage -> what to call, and how many texts or pairs that is."""
    Z = states(n, d)
    return {
        "spectra": (lambda: spectra.text_spectra(Z, [n]), 1),
        "information gain": (lambda: gains(Z, [0.1]), 1),
        "token selection": (selection(Z), 1),
        "√JS of a pair": distances(PAIRED, n, d),
    }


def slope(x, y) -> float:
    return float(np.polyfit(np.log(x[-3:]), np.log(y[-3:]), 1)[0])


def measure() -> dict:
    """(stage, axis) -> values of the axis, and seconds for one."""
    found = {}
    for axis, values in (("n", LENGTHS), ("d", WIDTHS)):
        for value in values:
            n, d = (value, D) if axis == "n" else (N, value)
            for stage, (call, count) in stages(n, d).items():
                x, y = found.setdefault((stage, axis), ([], []))
                x.append(value)
                y.append(timing.median(call) / count)
    for value in TEXTS:
        call, count = distances(value, 32, D)
        x, y = found.setdefault(("√JS of a pair", "texts"), ([], []))
        x.append(value)
        y.append(timing.median(call) / count)
    return found


def draw(found: dict, path: str) -> None:
    from matplotlib.figure import Figure

    from infogeo.figures.style import COLOURS, DASHES, MARKERS, WIDTH, log_axis, save, styled

    labels = {"n": f"tokens n (width {D})", "d": f"width d ({N} tokens)", "texts": "texts (n = 32)"}
    with styled():
        figure = Figure(figsize=(WIDTH, 2.6), layout="constrained")
        panels = figure.subplots(1, 3, sharey=True)
        for ax, (axis, label) in zip(panels, labels.items(), strict=True):
            ends = []  # of curves, whose slopes must not lie over each other
            for place, stage in enumerate(dict.fromkeys(stage for stage, _ in found)):
                if (stage, axis) not in found:
                    continue
                x, y = found[stage, axis]
                ax.plot(
                    x, np.array(y) * 1e3, color=COLOURS[place], label=stage,
                    marker=MARKERS[place], linestyle=DASHES[place],
                )  # fmt: skip
                ends.append((y[-1] * 1e3, slope(x, y), COLOURS[place]))
            lowest = 0.0
            for end, steepness, colour in sorted(ends):
                lowest = max(end, lowest * APART)
                ax.annotate(
                    f"{steepness:.1f}".replace("-", "−"), (x[-1], lowest), xytext=(4, 0),
                    textcoords="offset points", va="center", color=colour,
                )  # fmt: skip
            log_axis(ax, "x")
            log_axis(ax, "y")
            ax.set_xticks(x, [str(value) for value in x])
            ax.set_xlabel(label)
        panels[0].set_ylabel("CPU time for one (ms)")
        panels[1].set_title("slopes of the last three points beside the curves")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
        save(figure, [path])


def main(figure: str | None) -> None:
    found = measure()
    for (stage, axis), (x, y) in found.items():
        cells = "".join(f"{f'{axis} {value}':>10}" for value in x)
        times = "".join(f"{took * 1e3:10.3g}" for took in y)
        print(f"{stage:18}{cells}     slope\n{'  ms for one':18}{times}{slope(x, y):10.2f}")
    if figure:
        draw(found, figure)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
