"""Laws from planted measurements: exponents, controls, verdicts, and what is left out."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from infogeo.files.errors import InfogeoError
from infogeo.geometry import metrics
from infogeo.laws import columns, measured
from infogeo.laws.controls import truncate
from infogeo.laws.fit import scaling_laws
from infogeo.laws.settings import Settings
from infogeo.sources.cards import NO_PREDICTION

TEXTS = 12
HEADLINE = {"n": 16, "eps2": 0.5, "depth": "final", "axis": "non_embedding",
            "metrics": [["entropy_over_ln_d", "centred"], ["coding_rate_paper", "unit"],
                        ["nll", ""]]}  # fmt: skip
GRID = [(width, depth) for width in (32, 64, 128) for depth in (1, 2, 4)]


class World:
    """Models whose measurements are planted; `laws` fits them.

    Parameters
    ----------
    shapes : list of (width, layers)
    seeds : dict
        Shape → number of seeds.
    """

    def __init__(self, shapes=GRID, seeds=None, family="small"):
        self.models = []
        for width, layers in shapes:
            for seed in range((seeds or {}).get((width, layers), 1)):
                N = 12 * width**2 * layers
                self.models.append({
                    "slug": f"w{width}-d{layers}-s{seed}", "family": family,
                    "params_total": N + 2048 * width, "params_non_embedding": N, "width": width,
                    "final_width": width, "layers": layers, "train_tokens": None,
                    "dtype": "float32", "tokenizer_sha256": "t", "replicate": ("small", seed),
                })  # fmt: skip
        rng = np.random.default_rng(0)
        self.text = np.exp(0.1 * rng.standard_normal(TEXTS))  # what is particular to each text
        self.text /= self.text.mean()
        self.noise = dict(zip([m["slug"] for m in self.models],
                              rng.standard_normal(len(self.models)), strict=True))  # fmt: skip
        self.trained, self.twins, self.random = {}, {}, []
        self.texts = measured.Texts()
        self.spectrum = np.full((TEXTS, 8), 1 / 8)

    def frame(self, model, value, metric, convention, layer="final", texts=range(TEXTS), n=16):
        """A model's long table with mean `value` over all texts."""
        return pd.DataFrame({
            "doc_id": [f"t{i}" for i in texts], "source": [f"s{i // 2}" for i in texts],
            "scope": "text", "layer": layer, "convention": convention,
            "first": metrics.all_tokens(metric), "n": n, "metric": metric,
            "value": value * self.text[list(texts)],
        })  # fmt: skip

    def plant(self, y, twins=None, random=None, metric="entropy_over_ln_d", convention="centred",
              **more):  # fmt: skip
        """Give every model the value y(model), its twins and the random null theirs."""
        for model in self.models:
            slug = model["slug"]
            self.trained[slug] = self.frame(model, y(model), metric, convention, **more)
            if twins:
                self.twins[slug] = pd.concat(
                    self.frame(model, twins(model) * factor, metric, convention, **more).assign(
                        draw=draw
                    )
                    for draw, factor in enumerate((0.99, 1.01))
                )
            if random:
                self.random += [
                    {"d": model["width"], "n": 16, "convention": convention, "first": "in",
                     "metric": metric, "draw": draw, "value": random(model) * factor}
                    for draw, factor in enumerate((0.999, 1.001))
                ]  # fmt: skip
        return self

    def spectra(self, slug, scope, layer, convention, first, n):
        return [f"t{i}" for i in range(TEXTS)], self.spectrum, np.full(TEXTS, 16)

    def measure(self, model):
        frames = (tables.get(model["slug"]) for tables in (self.trained, self.twins))
        return [
            None if frame is None else measured.Measured([frame], self.texts) for frame in frames
        ]

    def fit(self, **settings):
        random = pd.DataFrame(
            self.random, columns=["d", "n", "convention", "first", "metric", "draw", "value"]
        ).drop_duplicates(["d", "n", "convention", "metric", "draw"])
        chosen = {"depths": ("final",), "axes": ("non_embedding",), "draws": 199,
                  "headline": HEADLINE} | settings  # fmt: skip
        return scaling_laws(
            "c", self.models, self.measure, self.texts, random, self.spectra,
            Settings(**chosen),
        )  # fmt: skip

    def law(self, **settings):
        """The only law."""
        found, _, _ = self.fit(**settings)
        assert len(found) == 1
        return found.iloc[0]

    def noisy(self, curve, sd=0.003):
        """y(model) = curve(model) times the model's own noise."""
        return lambda model: curve(model) * np.exp(sd * self.noise[model["slug"]])


def test_of_a_run_at_several_steps_the_last_is_a_point():
    world = World([(16, 2), (32, 2), (64, 2), (128, 2)])
    ends = list(world.models)
    for model in ends:
        run = model["slug"]
        model |= {"run": run, "step": 100}
        world.models.insert(0, model | {"slug": f"{run}@5", "step": 5})
        world.noise[f"{run}@5"] = 0.0
    laws, points, _ = world.plant(lambda model: 2.0 if model["step"] < 9 else 1.0).fit()
    assert points["models"].tolist() == [model["slug"] for model in ends]
    assert points["y"].to_numpy() == pytest.approx(1) and "shape" not in laws["problems"][0]


def size(exponent):
    return lambda model: model["params_non_embedding"] ** exponent


def one_over_ln_d(model):
    return 1 / np.log(model["width"])


# ---------------------------------------------------------------- verdicts


def test_a_pure_width_artefact_is_called_one():
    world = World()
    world.plant(world.noisy(one_over_ln_d), twins=one_over_ln_d, random=one_over_ln_d)
    law = world.law()
    assert law["exponent_high"] < 0
    assert law["excess_width"] == pytest.approx(0, abs=0.003)
    assert law["falls_verdict"] == "width artefact"
    assert law["falls_false_supported"] < 0.05


def test_a_width_law_that_the_reference_spectra_do_not_give_is_named():
    world = World()
    world.spectrum = np.r_[np.arange(1.0, 8) ** -1.5, 1e-16] * np.ones((TEXTS, 1))
    law = world.plant(world.noisy(size(-0.1)), metric="alpha_req", convention="raw").law()
    assert law["exponent"] == pytest.approx(-0.1, abs=0.01) and np.isnan(law["excess_width"])
    assert "width law: not defined on the reference model's spectra" in law["problems"]


def test_a_fall_beyond_every_control_is_supported():
    world = World()
    world.plant(
        world.noisy(lambda m: size(-0.08)(m) * one_over_ln_d(m)),
        twins=one_over_ln_d, random=one_over_ln_d,
    )  # fmt: skip
    law = world.law()
    for name in ("excess_width", "excess_random", "excess_untrained", "depth_exponent"):
        assert law[name] == pytest.approx(-0.08, abs=0.006)
        assert law[f"{name}_low"] < law[name] < law[f"{name}_high"] < 0
    assert law["falls_verdict"] == "supported"
    assert law["controls_applied"] == ("width law, random vectors, untrained twins, fixed width")


@pytest.mark.parametrize("control", ["twins", "random"])
def test_a_fall_that_a_control_shows_as_well_is_not_supported(control):
    world = World()
    fall = world.noisy(lambda m: size(-0.3)(m) * one_over_ln_d(m))
    controls = {"twins": one_over_ln_d, "random": one_over_ln_d} | {control: size(-0.5)}
    assert world.plant(fall, **controls).law()["falls_verdict"] == "inconclusive"


def test_a_constant_metric_does_not_fall():
    world = World()
    law = world.plant(world.noisy(lambda m: 0.5), twins=one_over_ln_d).law()
    assert law["falls_verdict"] == "inconclusive"


def test_published_pythia_entropies_are_a_width_artefact():
    # Li et al. 2024 (arXiv 2410.10672), H / ln d on dolly-15k; N as in the models' names.
    rows = [
        (14e6, 128, 0.7732), (31e6, 256, 0.7155), (70e6, 512, 0.6707), (160e6, 768, 0.6243),
        (410e6, 1024, 0.576), (1e9, 2048, 0.5328), (1.4e9, 2048, 0.5309), (2.8e9, 2560, 0.5263),
        (6.9e9, 4096, 0.5003), (12e9, 5120, 0.4876),
    ]  # fmt: skip
    world = World([(d, layer) for layer, (_, d, _) in enumerate(rows, 1)])
    value = {}
    for model, (N, _, y) in zip(world.models, rows, strict=True):
        model["params_non_embedding"] = N
        value[model["slug"]] = y
    law = world.plant(lambda m: value[m["slug"]]).law()
    assert (f"{law['exponent']:.4f}", f"{law['standard_error']:.4f}") == ("-0.0685", "0.0043")
    assert f"{law['excess_width']:.4f}" == "0.0093"  # of H/ln d over 1/ln d: raw H remains
    assert law["falls_verdict"] == "width artefact"
    assert round(law["joint_inflation"]) == 45
    assert "fixed width" not in law["controls_applied"]  # only width 2048 has two models


# ---------------------------------------------------------------- controls


def test_width_law_is_the_same_functional_with_only_d_changed():
    world = World([(4, 1), (16, 1), (64, 1), (256, 1)])
    world.spectrum = np.tile([0.4, 0.3, 0.1, 0.1, 0.05, 0.05], (TEXTS, 1))
    _, points, _ = world.plant(world.noisy(one_over_ln_d)).fit()
    kept = np.array([0.4, 0.3, 0.1, 0.1]) / 0.9  # rank 6 exceeds d = 4
    full = world.spectrum[0]
    entropies = np.array([-(p * np.log(p)).sum() for p in (kept, full, full, full)])
    expected = entropies / np.log(points["width"])
    np.testing.assert_allclose(points["width_law"], expected, rtol=1e-12)


def test_controls_take_the_width_of_the_states_that_are_measured():
    world = World([(16, 1), (32, 1), (64, 1), (128, 1)])
    world.models[2]["final_width"] = 8  # as OPT-350m, whose last states are narrower
    _, points, _ = world.plant(world.noisy(one_over_ln_d), random=one_over_ln_d).fit()
    assert points["width"].tolist() == [16, 32, 8, 128]
    assert (
        np.isnan(points["random_null"][2]) and points["random_null"].notna().sum() == 3
    )  # d = 8: none


def test_truncation_keeps_the_largest_and_the_sum():
    eigenvalues = np.array([[0.1, 0.6, 0.3], [0.0, 0.0, 0.0], [0.2, 0.2, 0.1]])
    np.testing.assert_allclose(truncate(eigenvalues, 2), [[2 / 3, 1 / 3], [0, 0], [0.25, 0.25]])
    assert truncate(eigenvalues, 3) is eigenvalues


def test_conditional_entropy_has_no_width_law_and_no_random_null():
    world = World()
    curve = world.noisy(size(-0.05))
    law = world.plant(
        curve, twins=lambda m: 8.0, random=one_over_ln_d, metric="nll", convention="", layer=""
    ).law()
    assert np.isnan([law["excess_width"], law["excess_random"]]).all()
    assert law["excess_untrained"] == pytest.approx(-0.05, abs=0.005)
    assert law["controls_applied"] == "untrained twins, fixed width"
    assert (law["depth"], law["headline"], law["reference_model"]) == ("", True, "")
    assert law["falls_verdict"] == "supported"


def test_what_texts_do_to_models_and_twins_alike_leaves_the_excess():
    world = World()
    world.plant(
        world.noisy(size(-0.05)), twins=lambda m: 8.0, metric="nll", convention="", layer=""
    )
    tilt = np.repeat(np.random.default_rng(0).normal(0, 0.2, TEXTS // 2), 2)  # per cluster
    for model in world.models:
        factor = np.exp(tilt * np.log(model["params_non_embedding"] / 1e5))
        for tables in (world.trained, world.twins):
            frame = tables[model["slug"]]
            frame["value"] *= np.tile(factor, len(frame) // TEXTS)
    law = world.law()
    raw, excess = (
        law[f"{name}_high"] - law[f"{name}_low"] for name in ("exponent", "excess_untrained")
    )
    assert raw > 5 * excess


def test_the_reach_of_the_twins_spans_all_draws_of_all_seeds():
    world = World(seeds={(32, 1): 2})
    world.plant(world.noisy(one_over_ln_d), twins=lambda m: 2.0 + (m["slug"] == "w32-d1-s1"))
    _, points, _ = world.fit()
    first = points.iloc[0]
    assert first["untrained"] == pytest.approx(np.sqrt(6))
    assert first["untrained_low"] == pytest.approx(2 * 0.99)
    assert first["untrained_high"] == pytest.approx(3 * 1.01)


def test_the_depth_exponent_is_the_one_at_fixed_width():
    world = World()
    law = world.plant(world.noisy(lambda m: m["width"] ** 0.5 * m["layers"] ** -0.1)).law()
    frame = pd.DataFrame(world.models)
    frame["y"] = [np.log(world.noisy(lambda m: m["width"] ** 0.5 * m["layers"] ** -0.1)(m))
                  for m in world.models]  # fmt: skip
    reference = smf.ols("y ~ np.log(params_non_embedding) + C(width)", frame).fit()
    assert law["depth_exponent"] == pytest.approx(reference.params.iloc[-1], rel=1e-8)
    assert law["depth_exponent_high"] < 0 < law["exponent"]


def test_missing_twins_and_nulls_are_reported_and_decide_nothing():
    world = World()
    law = world.plant(world.noisy(lambda m: size(-0.3)(m) * one_over_ln_d(m))).law()
    assert "random vectors: not measured" in law["problems"]
    assert "untrained twins: not measured" in law["problems"]
    assert law["falls_verdict"] == "inconclusive"
    assert np.isnan(law["falls_p"])


def test_dataset_metrics_have_no_random_null_and_no_text_interval():
    world = World()
    world.plant(world.noisy(one_over_ln_d), twins=one_over_ln_d, random=one_over_ln_d)
    for tables in (world.trained, world.twins):
        for slug, frame in tables.items():
            tables[slug] = frame[frame["doc_id"] == "t0"].assign(
                scope="tokens", doc_id="", source=""
            )
    world.texts.add(["t0"], ["s0"])
    world.spectra = lambda *key: ([""], world.spectrum[:1], np.array([99]))
    found, points, _ = world.fit()
    law = found.iloc[0]
    assert law["controls_applied"] == "width law, untrained twins, fixed width"
    assert np.isnan(points[["y_low", "random_null"]]).all(axis=None)
    assert not law["text_resampling"]
    assert not law["headline"]
    assert np.isfinite(law["exponent_low"])


# ---------------------------------------------------------------- points


def test_seeds_of_a_shape_are_one_point_and_their_spread_is_kept():
    world = World(seeds={(32, 1): 3, (64, 2): 2})
    found, points, _ = world.plant(world.noisy(one_over_ln_d, sd=0.05)).fit()
    law, first = found.iloc[0], points.iloc[0]
    ln_y = np.log([world.noisy(one_over_ln_d, sd=0.05)(m) for m in world.models])
    assert (law["points"], law["models"]) == (9, 12)
    assert first["models"] == "w32-d1-s0 w32-d1-s1 w32-d1-s2"
    assert first["y"] == pytest.approx(np.exp(ln_y[:3].mean()))
    assert first["seed_sd"] == pytest.approx(ln_y[:3].std(ddof=1))
    assert points["replicates"].tolist() == [3, 1, 1, 1, 2, 1, 1, 1, 1]
    pair = ln_y[[m["slug"].startswith("w64-d2") for m in world.models]]
    assert law["seed_sd"] == pytest.approx(np.sqrt((ln_y[:3].var(ddof=1) + pair.var(ddof=1)) / 2))


def test_models_of_one_shape_that_are_no_seeds_are_not_averaged_and_the_law_names_them():
    world = World(seeds={(32, 1): 3})
    for model in world.models[:3]:  # as base, deduplicated and instruct
        model["replicate"] = None
    value = dict(zip(["w32-d1-s0", "w32-d1-s1", "w32-d1-s2"], [1.0, 9.0, 1.0], strict=True))
    laws, points, pairs = world.plant(lambda m: value.get(m["slug"], 1.0)).fit()
    law = laws.iloc[0]
    assert "w32-d1-s0, w32-d1-s1, w32-d1-s2" in law["problems"]
    assert "own family" in law["problems"]
    assert "column replicate" in law["problems"]
    assert law["falls_verdict"] == law["form_verdict"] == "not available"
    assert np.isnan(law["exponent"])
    assert np.isnan(law["seed_sd"])
    assert (law["points"], law["models"]) == (11, 11)
    np.testing.assert_allclose(points["y"][:3], [1, 9, 1])
    assert points["fitted"].isna().all()
    assert not len(pairs)  # no depth lies between models of one shape


def test_a_variant_in_a_family_of_its_own_stops_no_law():
    world = World(seeds={(32, 1): 2})
    world.models[1] |= {"replicate": None, "family": "instruct"}
    laws, _, _ = world.plant(world.noisy(size(-0.08))).fit()
    law = laws[laws["family"] == "small"].iloc[0]
    assert "shape" not in law["problems"]
    assert (law["points"], law["models"]) == (9, 9)
    assert np.isfinite(law["exponent"])


def test_texts_that_a_model_lacks_are_left_out_everywhere_and_counted():
    world = World()
    world.plant(world.noisy(one_over_ln_d))
    slug = world.models[3]["slug"]
    world.trained[slug] = world.trained[slug].iloc[3:]
    found, points, _ = world.fit()
    law = found.iloc[0]
    assert (law["texts"], law["texts_left_out"], law["clusters"]) == (9, 3, 5)
    value = world.noisy(one_over_ln_d)(world.models[0])
    assert points["y"][0] == pytest.approx(value * world.text[3:].mean())


def test_a_value_that_is_not_finite_is_left_out_aloud():
    world = World()
    world.plant(world.noisy(one_over_ln_d))
    world.trained["w32-d1-s0"].loc[4, "value"] = np.nan
    law = world.law()
    assert law["texts"] == TEXTS - 1
    assert "1 texts with a value that is not finite left out" in law["problems"]


def test_depths_take_the_nearest_layer_and_count_models_without_one():
    world = World()
    for model in world.models:
        layers = [str(i) for i in range(model["layers"] + 1)]
        world.trained[model["slug"]] = pd.concat(
            world.frame(model, 1 + int(layer) + 1 / model["width"], "entropy", "unit", layer=layer)
            for layer in layers
        )
    found, points, _ = world.fit(depths=("0", "0.5", "1"))
    found = found.set_index("depth")
    # One layer: 0 and 1 are both half a depth away from 0.5, more than the tolerance.
    assert found["models_left_out"].to_dict() == {"0": 0, "0.5": 3, "1": 0}
    assert set(points[points["depth"] == "0.5"]["layer"]) == {"1", "2"}
    assert set(points[points["depth"] == "1"]["layer"]) == {"1", "2", "4"}


def test_intervals_of_points_come_from_resampled_clusters():
    world = World()
    _, points, _ = world.plant(world.noisy(one_over_ln_d)).fit(draws=999)
    clusters = world.text.reshape(-1, 2).mean(1)
    error = clusters.std(ddof=1) / np.sqrt(len(clusters))
    relative = (points["y_high"] - points["y_low"]) / points["y"]
    np.testing.assert_allclose(relative, 2 * 1.96 * error, rtol=0.25)


# ---------------------------------------------------------------- pairs


def test_pairs_are_neighbours_in_depth_at_one_width():
    world = World(seeds={(32, 2): 2})
    _, points, pairs = world.plant(world.noisy(size(-0.08))).fit()
    assert list(zip(pairs["width"], pairs["layers_low"], pairs["layers_high"], strict=True)) == [
        (width, low, high) for width in (32, 64, 128) for low, high in ((1, 2), (2, 4))
    ]
    first = pairs.iloc[0]
    low, high = (points[(points["width"] == 32) & (points["layers"] == n)].iloc[0] for n in (1, 2))
    assert first["ln_ratio"] == pytest.approx(np.log(high["y"] / low["y"]))
    assert first["exponent"] == pytest.approx(first["ln_ratio"] / np.log(2))
    # The same text factors in every model: resampling texts does not move a ratio.
    assert first["ln_ratio_low"] == pytest.approx(first["ln_ratio"])
    assert first["models_high"] == "w32-d2-s0 w32-d2-s1"


# ---------------------------------------------------------------- what is refused, and says so


@pytest.mark.parametrize(
    ("field", "reason"), [("dtype", "different dtypes"), ("tokenizer_sha256", "tokenizers")]
)
def test_models_that_may_not_be_compared_are_not(field, reason):
    world = World()
    world.models[2][field] = "other"
    law = world.plant(world.noisy(one_over_ln_d)).law()
    assert reason in law["problems"]
    assert law["falls_verdict"] == "not available"
    assert np.isnan(law["exponent"])


def test_models_that_may_not_be_compared_still_have_points():
    world = World()
    world.models[2]["tokenizer_sha256"] = "other"
    laws, points, pairs = world.plant(world.noisy(one_over_ln_d)).fit()
    assert "tokenizers" in laws.iloc[0]["problems"]
    assert laws.iloc[0]["points"] == len(points) == len(world.models)
    assert np.isfinite(points["y"]).all() and points["fitted"].isna().all()
    assert not len(pairs)


def test_different_tokenizers_are_compared_on_equal_bytes_and_not_on_equal_tokens():
    laws = {}
    for metric in ("prefix_bits_per_byte", "bits_per_byte"):
        world = World()
        world.models[2]["tokenizer_sha256"] = "other"
        planted = world.plant(world.noisy(size(-0.05)), metric=metric, convention="", layer="")
        laws[metric] = planted.law()
    assert laws["prefix_bits_per_byte"]["exponent"] == pytest.approx(-0.05, abs=0.01)
    assert np.isnan(laws["bits_per_byte"]["exponent"])
    assert "prefix_bits_per_byte only" in laws["bits_per_byte"]["problems"]


def test_a_value_that_is_not_positive_names_its_model():
    world = World()
    law = world.plant(lambda m: 0.0 if m["width"] == 64 and m["layers"] == 2 else 1.0).law()
    assert "y is not positive for w64-d2-s0" in law["problems"]
    assert np.isnan(law["exponent"])
    assert law["form_verdict"] == law["falls_verdict"] == "not available"


def test_two_models_make_no_law():
    world = World([(32, 1), (64, 1)])
    law = world.plant(one_over_ln_d, twins=one_over_ln_d).law()
    assert "2 points: a law needs at least 3" in law["problems"]
    assert law["falls_verdict"] == "not available"


def test_texts_in_no_common_are_said():
    world = World()
    world.plant(world.noisy(one_over_ln_d))
    world.trained["w32-d1-s0"] = world.trained["w32-d1-s0"].iloc[:5]
    world.trained["w32-d2-s0"] = world.trained["w32-d2-s0"].iloc[5:]
    law = world.law()
    assert "no text has a finite value in every model" in law["problems"]
    assert (law["texts"], law["texts_left_out"]) == (0, TEXTS)


def test_spectra_without_the_texts_stop_the_run_and_their_file_is_named():
    world = World()
    world.plant(world.noisy(one_over_ln_d))
    world.spectra = lambda *key: (["t0"], world.spectrum[:1], np.array([16]))
    with pytest.raises(InfogeoError, match=r"w64-d2-s0.*11 texts are missing") as error:
        world.fit()
    # Named by its file, whichever rule makes it: with reduced states there is no compute_spectra.
    assert str(error.value).endswith("snakemake -R results/spectra/c/w64-d2-s0.h5")


# ---------------------------------------------------------------- all laws together


def test_headlines_are_those_declared_and_have_no_q_value():
    world = World()
    for metric, convention in (("entropy_over_ln_d", "centred"), ("entropy", "centred"),
                               ("coding_rate_paper[eps2=0.5]", "unit")):  # fmt: skip
        planted = World().plant(world.noisy(size(-0.05)), metric=metric, convention=convention)
        for slug, frame in planted.trained.items():
            world.trained[slug] = pd.concat([world.trained.get(slug), frame])
    found, _, _ = world.fit(axes=("non_embedding", "total"))
    found = columns.with_q_values(found)
    headline = found[found["headline"]]
    assert list(headline["metric"]) == ["entropy_over_ln_d", "coding_rate_paper[eps2=0.5]"]
    assert set(headline["axis"]) == {"non_embedding"}
    assert headline["q_value"].isna().all()
    rest = found[~found["headline"]]
    assert (rest["q_value"] >= rest["p_value"]).all()
    assert list(found.columns) == columns.LAW_COLUMNS


def test_texts_that_only_a_later_family_has_count_in_its_laws():
    def world(family, texts):
        return World(family=family).plant(lambda m: m["width"] ** -0.1, texts=texts)

    alone = world("b", range(4, TEXTS)).fit()[0]
    first, second = world("a", range(TEXTS // 2)), world("b", range(4, TEXTS))
    for model in second.models:
        slug, model["slug"] = model["slug"], f"b-{model['slug']}"
        first.trained[model["slug"]] = second.trained[slug]
    first.models += second.models
    together = first.fit()[0].query("family == 'b'")
    assert together["texts"].tolist() == alone["texts"].tolist() == [TEXTS - 4]
    np.testing.assert_allclose(together["exponent"], alone["exponent"])


def test_encoders_have_rows_of_laws_of_likelihoods_that_say_why_there_are_none():
    world = World().plant(size(-0.1))
    causal = world.fit()[0]
    for model in world.models:
        model["kind"] = "encoder"
    laws, points, _ = world.fit()
    conditional = laws[laws["metric"].isin(metrics.CONDITIONAL)]
    assert conditional["metric"].tolist() == list(metrics.CONDITIONAL)
    assert (conditional["problems"] == NO_PREDICTION).all()
    assert (conditional["falls_verdict"] == "not available").all()
    rest = laws.drop(conditional.index)
    assert rest["exponent"].tolist() == causal["exponent"].tolist()
    assert set(points["metric"]) == {"entropy_over_ln_d"}


def test_families_share_an_exponent_where_tokenizers_agree():
    first, second = World(), World([(48, 1), (96, 2), (192, 3), (96, 4), (48, 5)], family="b")
    first.plant(first.noisy(size(-0.05)))
    second.plant(second.noisy(lambda m: 3 * size(-0.05)(m)))
    first.models += second.models
    first.trained |= second.trained
    found, _, _ = first.fit()
    assert found["family"].tolist() == ["small", "b"]
    assert found["common_exponent"].nunique() == 1
    assert found["common_exponent"][0] == pytest.approx(-0.05, abs=0.003)
    assert (found["common_p"] > 0.01).all()
    assert (found["common_families"] == 2).all()

    for model in first.models[-5:]:
        model["tokenizer_sha256"] = "other"
    apart, _, _ = first.fit()
    assert apart["common_exponent"].isna().all()
    assert apart["problems"].str.contains("different tokenizers").all()


def test_the_same_seed_gives_the_same_laws():
    first, second = (World() for _ in range(2))
    for world in (first, second):
        world.plant(world.noisy(one_over_ln_d), twins=one_over_ln_d, random=one_over_ln_d)
    pd.testing.assert_frame_equal(first.fit()[0], second.fit()[0])
    moved = first.fit(seed=1)[0]
    assert moved["bootstrap_low"][0] != second.fit()[0]["bootstrap_low"][0]
