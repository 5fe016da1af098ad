"""Runs with planted metrics: tables of measurements as the workflow makes them, without a model."""

import numpy as np
import pandas as pd

from infogeo.geometry import metrics
from infogeo.laws.measured import Measured, Texts
from infogeo.laws.settings import Settings

TEXTS, SOURCES = 24, 12
DEPTH, N_TOKENS = "final", 16
SETTINGS = Settings(
    depths=(DEPTH,), axes=("non_embedding",), draws=99, seed=0,
    headline={"n": N_TOKENS, "eps2": 0.5, "depth": DEPTH, "axis": "non_embedding",
              "metrics": [["entropy", "centred"], ["nll", ""]]},
)  # fmt: skip
STEPS = [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]
TOKENS_A_STEP = 100


def model(run="a", step=0, width=32, layers=2, replicate=None, family="f", tokens=True) -> dict:
    N = 12 * width**2 * layers
    return {
        "slug": f"{run}@{step}", "run": run, "step": step, "family": family,
        "train_tokens": step * TOKENS_A_STEP if tokens else None,
        "params_total": N + 2048 * width, "params_non_embedding": N, "width": width,
        "final_width": width, "layers": layers, "dtype": "float32", "tokenizer_sha256": "t",
        "replicate": None if replicate is None else ("", replicate),
    }  # fmt: skip


def run(name="a", steps=STEPS, **of_model) -> list[dict]:
    return [model(name, step, **of_model) for step in steps]


class World:
    """Tables of measurements of models, planted: a level per model and metric, a value per text.

    Parameters
    ----------
    level : callable
        Given a model, a metric and whether the first token is in it ("in", "out", ""), the mean.
    twins : callable, optional
        The same of the untrained twins, whose two draws lie 1 % around it.
    """

    def __init__(self, level, twins=None, noise=0.01):
        self.level, self.twins, self.texts = level, twins, Texts()
        rng = np.random.default_rng(5)
        self.of_text = 0.1 * rng.standard_normal(TEXTS)
        self.of_text -= self.of_text.mean()
        self.noise, self.rng = noise, rng
        self._measured: dict[str, tuple] = {}

    def frame(self, level) -> pd.DataFrame:
        keys = [("entropy", "centred", first) for first in metrics.FIRST] + [("nll", "", "")]
        return pd.concat(
            pd.DataFrame({
                "doc_id": [f"t{i}" for i in range(TEXTS)],
                "source": [f"s{i % SOURCES}" for i in range(TEXTS)], "scope": "text",
                "layer": "" if metric == "nll" else DEPTH, "convention": convention,
                "first": first, "n": N_TOKENS, "metric": metric,
                "value": level(metric, first) + self.of_text
                + self.noise * self.rng.standard_normal(TEXTS),
            })
            for metric, convention, first in keys
        )  # fmt: skip

    def frames(self, of: dict) -> tuple[pd.DataFrame, pd.DataFrame | None]:
        """The tables of a model and of its twins."""
        trained = self.frame(lambda metric, first: self.level(of, metric, first))
        if self.twins is None:
            return trained, None
        twins = [
            self.frame(
                lambda metric, first, factor=factor: factor * self.twins(of, metric, first)
            ).assign(draw=draw)
            for draw, factor in enumerate((0.99, 1.01))
        ]
        return trained, pd.concat(twins)

    def measure(self, of: dict) -> tuple[Measured, Measured | None]:
        if of["slug"] not in self._measured:
            self._measured[of["slug"]] = tuple(
                None if frame is None else Measured([frame], self.texts)
                for frame in self.frames(of)
            )
        return self._measured[of["slug"]]


def bent(of: dict, metric: str, first: str = "in") -> float:
    """Falls from 4 to 3 until 800 tokens, rises to 5 until 25,600, falls to 4.5; the loss falls."""
    seen = max(of["step"], 0.5) * TOKENS_A_STEP
    if metric == "nll":
        return float(np.interp(np.log(seen), np.log([50, 3200, 102400]), [7.0, 6.5, 2.0]))
    knots = np.log([50, 800, 25600, 102400])
    return float(np.interp(np.log(seen), knots, [4.0, 3.0, 5.0, 4.5]))


def sized(of: dict, metric: str, first: str = "in") -> float:
    """`bent`, and larger models change earlier; without the first token the collapse is half."""
    earlier = (of["params_non_embedding"] / 24576) ** 0.2
    level = bent(of | {"step": min(of["step"] * earlier, 1024)}, metric)
    if metric == "nll":
        return level - 0.1 * np.log(of["params_non_embedding"] / 24576) * (of["step"] > 0)
    level += 0.2 * np.log(of["width"] / 32)
    return level + 0.3 * (first == "out")


RANDOM_COLUMNS = ["d", "n", "convention", "first", "metric", "draw", "value"]


def random_null(widths) -> pd.DataFrame:
    """Of random vectors: a level a width, two draws."""
    rows = [
        (d, N_TOKENS, "centred", first, "entropy", draw, 4 + 0.1 * np.log(d) + 0.01 * draw)
        for d in widths for first in metrics.FIRST for draw in range(2)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=RANDOM_COLUMNS)


def spectra(*_):
    """Of any reference model: equal eigenvalues."""
    eigenvalues = np.full((TEXTS, 12), 1 / 12)
    return [f"t{i}" for i in range(TEXTS)], eigenvalues, np.full(TEXTS, N_TOKENS)
