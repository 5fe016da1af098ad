"""The exponent in N at every step that sizes have in common: when a law, or an artefact, arises."""

import numpy as np
import pandas as pd

from infogeo.laws.columns import KEY
from infogeo.laws.fit import scaling_laws
from infogeo.laws.settings import Settings
from infogeo.laws.trajectories import declared, places
from infogeo.sources import cards
from infogeo.sources.runs import steps_of_runs

LEAST_SIZES = 3  # of an exponent
SLOPES = ["exponent", "excess_width", "excess_random", "excess_untrained", "depth_exponent"]
COLUMNS = [
    *(name for name in KEY if name != "axis"), "step", "train_tokens", "place",
    "points", "sizes_left_out", "models", "texts", "clusters",
    *(f"{name}{end}" for name in SLOPES for end in ("", "_low", "_high")),
    "controls_applied", "falls_verdict", "falls_p", "falls_false_supported", "falls_false_artefact",
    "rises_false", "seed_sd", "problems",
]  # fmt: skip


def common_steps(models: list[dict]) -> list[list[dict]]:
    """The models of a family's runs at each step that `LEAST_SIZES` sizes have, ascending.

    A step is what was seen by then: tokens, or steps where a model does not know its tokens.

    Parameters
    ----------
    models : list of dict
        run, step, train_tokens, params_non_embedding.
    """
    of_runs = [model for run in steps_of_runs(models).values() for model in run]
    known = all(model["train_tokens"] is not None for model in of_runs)
    at: dict[int, list[dict]] = {}
    for model in of_runs:
        at.setdefault(model["train_tokens" if known else "step"], []).append(model)
    return [at[seen] for seen in sorted(at) if sizes(at[seen]) >= LEAST_SIZES]


def _places(at_steps: list[list[dict]]) -> np.ndarray:
    """`trajectories.places` of common steps."""
    known = all(model["train_tokens"] is not None for models in at_steps for model in models)
    return places([models[0]["train_tokens" if known else "step"] for models in at_steps])


def sizes(models: list[dict]) -> int:
    """How many N there are."""
    return len({model["params_non_embedding"] for model in models})


def table(corpus, models, measure, texts, random, spectra, settings: Settings) -> pd.DataFrame:
    """The laws at every common step of every family: COLUMNS.

    Parameters are those of `infogeo.laws.fit.scaling_laws`, which fits them with every control.
    """
    laws, order = [], declared(settings)
    for family in cards.by_family(models):
        most = sizes([run[0] for run in steps_of_runs(family).values()])
        at_steps = common_steps(family)
        for at_step, place in zip(at_steps, _places(at_steps), strict=True):
            fitted, _, _ = scaling_laws(corpus, at_step, measure, texts, random, spectra, settings)
            keys = zip(*(fitted[name] for name in ("metric", "convention", "first")), strict=True)
            fitted = fitted.iloc[np.argsort([order.index(key) for key in keys], kind="stable")]
            tokens = at_step[0]["train_tokens"]
            laws.append(fitted.assign(
                step=at_step[0]["step"], train_tokens=np.nan if tokens is None else tokens,
                place=place,
                sizes_left_out=most - sizes(at_step),
            ))  # fmt: skip
    if not laws:
        return pd.DataFrame(columns=COLUMNS)
    return pd.concat(laws, ignore_index=True)[COLUMNS]
