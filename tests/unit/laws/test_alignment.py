"""Similarity of models against their size: planted slopes, and who shares which twins."""

import numpy as np
import pytest

from infogeo.geometry.text_rows import KINDS, TextRows
from infogeo.laws.alignment import NO_TREND, NO_TWINS, Trend, alignment_table, trend, verdict

TEXTS = 100
DOC_IDS, SOURCES = [f"t{i}" for i in range(TEXTS)], [f"s{i // 2}" for i in range(TEXTS)]
ABOUT = np.random.default_rng(0).standard_normal((TEXTS, 24))


def test_a_planted_slope_at_equal_distance_is_the_slope():
    x = np.array([1.0, 2.0, 4.0, 5.0, 8.0, 9.0])
    z = 0.3 * (x[:, None] + x) / 2 - 0.2 * np.abs(x[:, None] - x) + 1
    exact = trend(x, z, np.stack([z] * 5))
    assert exact == pytest.approx((0.3, 0.3, 0.3))
    noise = 0.05 * np.random.default_rng(1).standard_normal((6, 6))
    noisy = trend(x, z + noise + noise.T, np.stack([z] * 5))
    assert noisy.low < 0.3 < noisy.high and noisy.high - noisy.low > 0.01
    moved = np.stack([z + by * (x[:, None] + x) for by in (-0.02, 0, 0.02)])
    of_texts = trend(x, z, moved)
    assert of_texts.high > 0.31  # the texts alone make an interval too


def test_three_sources_that_differ_in_their_slopes_widen_the_interval_as_three_do():
    x, rng, held = np.log(np.geomspace(1e6, 1e9, 10)), np.random.default_rng(2), []
    mean = (x[:, None] + x) / 2
    for of_sources in rng.standard_normal((2000, 3)):
        left = (of_sources.sum() - of_sources)[:, None, None] / 2 * mean
        found = trend(x, of_sources.mean() * mean, left)
        held.append(found.low <= 0 <= found.high)
    assert np.mean(held) == pytest.approx(0.95, abs=0.02)  # 4 standard errors


def test_too_few_points_and_a_pair_without_a_similarity_have_no_trend():
    x, z = np.arange(5.0), np.ones((5, 5))
    assert np.isnan(trend(x[:4], z[:4, :4], z[None, :4, :4])).all()
    lacking = z.copy()
    lacking[0, 3] = lacking[3, 0] = np.nan
    assert np.isnan(trend(x, lacking, z[None])).all() and trend(
        x, z, z[None]
    ).slope == pytest.approx(0)


@pytest.mark.parametrize(
    ("raw", "excess", "expected"),
    [
        ((0.1, 0.3), (0.1, 0.3), "supported"),
        ((0.1, 0.3), (-0.1, 0.3), "inconclusive"),
        ((-0.1, 0.3), (0.1, 0.3), "inconclusive"),
        ((-0.3, -0.1), (0.1, 0.3), "contradicted"),
        ((0.1, 0.3), None, "not available"),
    ],
)
def test_the_verdict_follows_the_rule_written_down(raw, excess, expected):
    given = NO_TREND if excess is None else Trend(0.0, *excess)
    assert verdict(Trend(0.0, *raw), given) == expected


def model(at: int, seed: int = 0) -> dict:
    return {
        "slug": f"m{at}-{seed}", "family": "f", "width": 4 + at, "layers": 1,
        "params_total": 10 ** (at + 1), "params_non_embedding": 10 ** (at + 1), "dtype": "float32",
        "tokenizer_sha256": "x", "replicate": ("l", seed), "run": None, "step": None,
    }  # fmt: skip


def rows_of(noise: float, seed: int, at: int, layer="final", sources=SOURCES) -> TextRows:
    """What all texts are about, and noise of its own; of NaN rows that are all alike."""
    own = np.random.default_rng([seed, at, 9]).standard_normal(ABOUT.shape)
    rows = np.ones_like(ABOUT) if np.isnan(noise) else ABOUT + noise * own
    return TextRows(DOC_IDS, sources, layer, 8, dict.fromkeys(KINDS, rows))


def made(of_models, of_twins, models=None, sources=SOURCES):
    models = models or [model(at) for at in range(7)] + [model(3, seed=1)]
    places = {given["slug"]: (int(given["slug"][1]), int(given["slug"][-1])) for given in models}

    def rows(slug):
        at, seed = places[slug]
        return rows_of(of_models(at), seed, at, sources=sources)

    def twins(slug, layer):
        at, _ = places[slug]
        return of_twins and (str(at), [rows_of(of_twins(at), 10 + d, at, layer) for d in range(3)])

    return alignment_table([("c", models, rows, twins)])


def falling(at):
    """Noise of larger models, whose similarity rises from 0.4 to 0.8."""
    return (1 / (0.35 + 0.07 * at) - 1) ** 0.5


def test_models_that_grow_alike_beyond_their_twins_are_found_and_others_are_not():
    rises = made(falling, lambda at: 0.8)
    assert rises["first"].tolist() == ["in", "out"]
    assert set(rises["verdict"]) == {"supported"}
    row = rises.iloc[0]
    assert (row["models"], row["points"], row["texts"], row["sources"]) == (8, 7, TEXTS, 50)
    assert 0 < row["excess_slope_low"] < row["excess_slope"] and row["slope_low"] > 0
    # The twins grow alike as much: shape, not training.
    both = made(falling, falling)
    assert (both["slope_low"] > 0).all() and set(both["verdict"]) == {"inconclusive"}
    assert set(made(lambda at: falling(6 - at), lambda at: 0.8)["verdict"]) == {"contradicted"}


def test_what_lacks_for_a_verdict_is_said():
    without = made(falling, None)
    assert set(without["verdict"]) == {"not available"} and set(without["problems"]) == {NO_TWINS}
    assert without["slope_low"].gt(0).all()
    empty = made(falling, lambda at: np.nan if at == 2 else 0.8)
    assert set(empty["problems"]) == {"a pair of untrained twins has no similarity"}
    few = made(falling, None, [model(at) for at in range(4)])
    assert set(few["problems"]) == {"4 sizes: 5 are needed"}
    mixed = [model(at) | {"tokenizer_sha256": str(at)} for at in range(6)]
    assert "different tokenizers" in made(falling, None, mixed)["problems"].iloc[0]
    two = made(falling, lambda at: 0.8, sources=[f"s{i % 2}" for i in range(TEXTS)])
    assert set(two["problems"]) == {"2 sources: 3 are needed"}
    assert set(two["verdict"]) == {"not available"} and two["slope"].isna().all()
    steps = [model(at) | {"run": "r", "step": at} for at in range(6)]
    assert made(falling, None, steps)["models"].tolist() == [1, 1]
