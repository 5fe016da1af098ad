"""How often the verdicts on scaling laws are wrong, and how often they find what is there.

    python tests/bench/verdicts.py [tables per row, default 2000] [figure.png]

Every row simulates tables of published-like values: models of a real family, the metric entropy
divided by ln d, noise as around the published laws (normal; Student's t with 3 degrees of freedom
scaled to the same sd). Controls: the width law 1/ln d, random unit vectors (n = 128), and fixed
width where it applies; untrained twins are left out, which can only make *supported* more frequent.
Monte-Carlo error at 2000 tables and a rate of 5 %: ± 1 point. Given a path, draws the power.
"""

import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "workflow_scripts"))

from families import DESIGNS, noises, scatter

from infogeo.geometry.nulls import random_null
from infogeo.inference import forms, regression
from infogeo.inference.regression import Slope
from infogeo.laws import verdicts

EXPONENTS = (0.01, 0.02, 0.05, 0.1)  # of the fall beyond the width law
FORM_EXPONENTS = (0.05, 0.07, 0.1, 0.15)
TOKENS = 128


def slopes(X, Y) -> list[Slope]:
    """The headline slope of every curve (tables, points)."""
    known = regression.robust_design(X)
    exponent, _, half = regression.robust_t(known, Y)
    return [Slope(*row, np.nan) for row in zip(exponent, exponent - half, exponent + half,
                                               strict=True)]  # fmt: skip


def random_law(widths) -> np.ndarray:
    """ln of the metric of random unit vectors at each point."""
    table = random_null(widths, [TOKENS], [0.5], [0.1], draws=4, seed=0)
    some = table[(table["metric"] == "entropy_over_ln_d") & (table["convention"] == "centred")]
    means = some.groupby("d")["value"].mean()
    return np.log([means[d] for d in widths])


def falls(x, widths, random, Y) -> list[str]:
    """The verdict on "falls with N" of every table."""
    X, width_law = regression.design(x), -np.log(np.log(widths))
    controls = {"width": slopes(X, Y - width_law), "random": slopes(X, Y - random)}
    keep = regression.repeated(widths)
    if len(np.unique(widths[keep])) >= 2:
        controls["depth"] = slopes(regression.design(x[keep], widths[keep]), Y[:, keep])
    return [
        verdicts.falls(raw, dict(zip(controls, rest, strict=True)))
        for raw, *rest in zip(slopes(X, Y), *controls.values(), strict=True)
    ]


def form_verdicts(x, Y) -> list[str]:
    """The verdict on the power-law form of every table."""
    n, z = len(x), x - x.mean()
    aicc = {
        "power": forms.aicc(
            (regression.least_squares(regression.design(x), Y)[2] ** 2).sum(-1), n, 3
        ),
        "constant": forms.aicc(((Y - Y.mean(-1, keepdims=True)) ** 2).sum(-1), n, 2),
        "logarithm": forms.aicc(forms.fit_logarithm(z, Y)[1], n, 3),
    }
    return [
        verdicts.power_law_form({f"aicc_{form}": values[i] for form, values in aicc.items()}, n)
        for i in range(len(Y))
    ]


def logarithm(x, exponent: float) -> np.ndarray:
    """ln of the logarithm a + b ln N nearest to N^−exponent."""
    z = x - x.mean()
    c, _ = forms.fit_logarithm(z, -exponent * z[None])
    return np.log1p(c[0] * z)


def share(found: list[str], verdict: str) -> float:
    return 100 * found.count(verdict) / len(found)


def each_noise(tables: int):
    """(design, x, widths, where the noise is from, its sd, its shape, noise (tables, points))."""
    for number, (design, (x, widths)) in enumerate(DESIGNS.items()):
        for source, sd in scatter().items():
            rng = np.random.default_rng(number)
            for shape, noise in noises((tables, len(x)), rng).items():
                yield design, x, widths, source, sd, shape, sd * noise


def falls_rates(tables: int) -> None:
    """False verdicts where nothing, width alone, or N alone is behind a metric; and power.

    `steeper`: falls through d alone, by 0.1 faster than the width law. `half`: once more as fast as
    the width law, through N. `N alone`: that without the width law.
    """
    print("falls with N, percent of tables; exponents are those beyond the width law")
    print(f"{'':42}{'supported':^27}{'width artefact':^24}{'supported at exponent':^32}")
    print(f"{'models':26}{'noise':>15} {'width':>9}{'steeper':>9}{'constant':>9}{'width':>8}"
          f"{'half':>8}{'N alone':>8}" + "".join(f"{-e:>8}" for e in EXPONENTS))  # fmt: skip
    nulls = {design: random_law(widths) for design, (_, widths) in DESIGNS.items()}
    for design, x, widths, _, sd, shape, noise in each_noise(tables):
        width_law = -np.log(np.log(widths))
        fall = regression.least_squares(regression.design(x), width_law)[0]
        truths = {
            "width": width_law, "steeper": width_law - 0.1 * np.log(widths), "constant": 0 * x,
            "half": width_law + fall * x, "N alone": fall * x,
        } | {e: width_law - e * x for e in EXPONENTS}  # fmt: skip
        found = {
            name: falls(x, widths, nulls[design], truth + noise) for name, truth in truths.items()
        }
        cells = [share(found[name], "supported") for name in ("width", "steeper", "constant")]
        cells += [share(found[name], "width artefact") for name in ("width", "half", "N alone")]
        cells += [share(found[e], "supported") for e in EXPONENTS]
        print(f"{f'{len(x)} {design}':26}{f'{sd:.3f} {shape}':>15} "
              + "".join(f"{cell:9.1f}" for cell in cells[:3])
              + "".join(f"{cell:8.1f}" for cell in cells[3:]), flush=True)  # fmt: skip


def form_rates(tables: int) -> None:
    """The power-law form where a constant, a logarithm, or a power law is behind a metric."""
    print("\npower-law form, percent of tables found a power law (rejected: the most found none)")
    print(f"{'':51}{'logarithm like exponent':^32}{'power law of exponent':^32}")
    print(f"{'models':26}{'noise':>15}{'constant':>10}"
          + 2 * "".join(f"{-e:>8}" for e in FORM_EXPONENTS) + f"{'rejected':>9}")  # fmt: skip
    for design, x, _, _, sd, shape, noise in each_noise(tables):
        if len(x) < forms.MIN_FORM_POINTS:
            continue
        z = x - x.mean()
        cells = [share(form_verdicts(x, noise), "supported")]
        cells += [
            share(form_verdicts(x, logarithm(x, e) + noise), "supported") for e in FORM_EXPONENTS
        ]
        power = [form_verdicts(x, -e * z + noise) for e in FORM_EXPONENTS]
        cells += [share(found, "supported") for found in power]
        rejected = max(share(found, "not supported") for found in power)
        print(f"{f'{len(x)} {design}':26}{f'{sd:.3f} {shape}':>15}{cells[0]:10.1f}"
              + "".join(f"{cell:8.1f}" for cell in cells[1:]) + f"{rejected:9.1f}",
              flush=True)  # fmt: skip


def power_figure(tables: int, path: str) -> None:
    """Power against exponent, a line per family; left *falls with N*, right the form."""
    from matplotlib.figure import Figure

    from infogeo.figures.style import COLOURS, GREY, MARKERS, WIDTH, styled

    chosen = ["Cerebras-GPT to 2.7B", "OPT", "Pythia", "3 widths × 3 depths"]
    exponents = np.geomspace(0.003, 0.3, 13)
    with styled():
        figure = Figure(figsize=(WIDTH, 3.6), layout="constrained")
        axes = figure.subplots(1, 2, sharey=True)
        names = ("(a) falls with N: supported", "(b) power-law form: supported")
        labels = ("exponent of the fall beyond the width law", "exponent of the power law")
        for ax, name, label in zip(axes, names, labels, strict=True):
            ax.set(xscale="log", xlabel=label, ylim=(-3, 103))
            ax.set_title(name, loc="left")
            ax.set_xticks([0.003, 0.01, 0.03, 0.1, 0.3], ["0.003", "0.01", "0.03", "0.1", "0.3"])
            ax.minorticks_off()
            ax.axhline(80, color=GREY, linewidth=0.6, linestyle=":")
        axes[0].set_ylabel("percent of simulated tables")
        sizes = scatter()
        for (source, sd), full in zip(sizes.items(), (True, False), strict=True):
            for at, design in enumerate(chosen):
                (x, widths), colour = DESIGNS[design], COLOURS[at]
                noise = sd * np.random.default_rng(at).standard_normal((tables, len(x)))
                null, width_law = random_law(widths), -np.log(np.log(widths))
                falling = [share(falls(x, widths, null, width_law - e * x + noise), "supported")
                           for e in exponents]  # fmt: skip
                curves = [(axes[0], falling)]
                if len(x) >= forms.MIN_FORM_POINTS:
                    z = x - x.mean()
                    found = [
                        share(form_verdicts(x, -e * z + noise), "supported") for e in exponents
                    ]
                    curves.append((axes[1], found))
                look = {"color": colour, "marker": MARKERS[at], "markersize": 4,
                        "linestyle": "-" if full else "--",
                        "markerfacecolor": colour if full else "white"}  # fmt: skip
                for ax, curve in curves:
                    ax.plot(exponents, curve, **look)
                if full:
                    axes[1].plot([], [], **look, label=f"{len(x)} models: {design}")
            axes[1].plot([], [], color=GREY, marker="o", markersize=4,
                         linestyle="-" if full else "--",
                         markerfacecolor=GREY if full else "white",
                         label=f"noise {sd:.3f}, as around {source}")  # fmt: skip
        handles = [line for line in axes[1].get_lines() if not line.get_label().startswith("_")]
        handles.sort(key=lambda line: line.get_label().startswith("noise"))
        axes[1].legend(handles=handles, loc="upper left", bbox_to_anchor=(0, 0.78))
        figure.savefig(path, dpi=200)


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    start = time.perf_counter()
    if len(sys.argv) > 2:
        power_figure(count, sys.argv[2])
    else:
        print(f"{count} tables per row\n")
        falls_rates(count)
        form_rates(count)
    print(f"\n{time.perf_counter() - start:.0f} s")
