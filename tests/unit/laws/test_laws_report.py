"""From files of entropies and spectra to laws, and from laws to tables for readers."""

import json
from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import fit_scaling_laws
import training_paths
from infogeo.files import artefacts
from infogeo.files.errors import InfogeoError
from infogeo.files.numbers import number
from infogeo.geometry import nulls
from infogeo.geometry.corpus_spectra import Documents, spectra_of_layer
from infogeo.geometry.entropy import entropies
from infogeo.geometry.spectra_file import SpectraFile, Tokens, write_spectra_file
from infogeo.laws import columns, first_token, report
from infogeo.laws.settings import Settings

SHAPES = [(8, 1), (8, 2), (16, 1), (16, 2)]
TEXTS, TOKENS = 6, 12
DEPTHS = ["0", "1", "final"]


class Outputs(dict):
    """Named outputs, as Snakemake's."""

    __getattr__ = dict.__getitem__


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Files of four small models of random states, and the tables fitted from them."""
    folder = tmp_path_factory.mktemp("run")
    rng = np.random.default_rng(0)
    documents = Documents.of(
        [f"t{i}" for i in range(TEXTS)], [f"s{i // 2}" for i in range(TEXTS)],
        [TOKENS] * TEXTS, [TOKENS],
    )  # fmt: skip
    files = {"models": [], "entropy": [], "untrained": [], "spectra": [], "shuffled": []}
    slugs = [f"w{width}-d{depth}" for width, depth in SHAPES]
    for slug, (width, depth) in zip(slugs, SHAPES, strict=True):
        N = 12 * width**2 * depth
        model = {"slug": slug, "params_total": N + 100 * width, "params_non_embedding": N,
                 "width": width, "final_width": width, "layers": depth, "train_tokens": None,
                 "tokenizer_sha256": "t", "commit": "", "kind": "causal",
                 "source": "hub"}  # fmt: skip
        path = folder / f"{slug}.json"
        path.write_text(json.dumps(model))
        files["models"].append(path)
        for kind, bend in (("entropy", 1.0), ("untrained", 0.3)):
            layers = [*map(str, range(depth + 1)), "final"]
            states = {
                (i, layer): (rng.normal(size=(TOKENS, width)) * np.arange(1, width + 1) ** -bend)
                for i in range(TEXTS) for layer in layers
            }  # fmt: skip

            def read(layer, states=states):
                return [(i, layer, states[i, layer].astype(np.float32)) for i in range(TEXTS)]

            tokens = Tokens(
                offsets=np.arange(TEXTS + 1) * TOKENS,
                nll=rng.uniform(2, 4, TEXTS * TOKENS).astype(np.float32),
                predictive_entropy=rng.uniform(2, 4, TEXTS * TOKENS).astype(np.float32),
                token_end_byte=np.tile(3 * np.arange(1, TOKENS + 1), TEXTS),
            )
            file = folder / f"{slug}.{kind}.h5"
            of_layers = [spectra_of_layer(partial(read, layer), documents) for layer in layers]
            write_spectra_file(file, documents, tokens, of_layers, "s")
            parts = entropies(SpectraFile(file), [0.5], [1.0])
            if kind == "untrained":
                parts = (part.assign(draw=0) for part in parts)
            else:
                files["spectra"].append(file)
            path = folder / f"{slug}.{kind}.parquet"
            artefacts.write_table(parts, path, "e")
            files[kind].append(path)
    files["null"] = folder / "random.parquet"
    null = nulls.random_null([8, 16], [TOKENS], [0.5], [1.0], 4, 0)
    artefacts.write_table(null, files["null"], "n")
    params = SimpleNamespace(
        corpora=["c"], models=slugs, families=["f"] * 4, replicates=[None] * 4,
        dtypes=["float32"] * 4,
        depths=DEPTHS, depth_tolerance=0.1,
        axes=["non_embedding", "total"], draws=99, headline_n=TOKENS, headline_eps2=0.5,
        headline_depth="final", headline_axis="non_embedding",
        headline_metrics=[["entropy", "centred"], ["coding_rate_paper", "unit"], ["nll", ""]],
        seed=0, fingerprint="l", expected=["e"] * 4, expected_spectra=["s"] * 4,
        expected_null="n", expected_untrained=["e"] * 4, places_of_twins=[0, 1, 2, 3],
        runs=[None] * 4, steps=[None] * 4, train_tokens=[None] * 4,
        shuffled=[], expected_shuffled=[],
    )  # fmt: skip
    output = Outputs(
        {
            name: folder / f"{name}.parquet"
            for name in ("laws", "points", "pairs", "profiles", "valleys")
        }
    )
    fit_scaling_laws.main(SimpleNamespace(**files), params, output)
    found = {name: artefacts.read_table(path, "l") for name, path in output.items()}
    return SimpleNamespace(files=files, params=params, output=output, **found)


def test_every_law_is_there_once(run):
    spectral = 14 + 3 + 1  # both conventions; coding rates at one ε², mean gain at one λ
    # Texts, tokens and means; without the first token likewise, the last token, and rows as they
    # are (10 metrics, 9 of centred ones): of these against the N of the headline alone.
    beside = 3 * spectral + spectral + (2 + 1) * (10 + 9)
    expected = (3 * spectral * 2 + beside) * len(DEPTHS) + 4 * 2
    key = ["scope", "metric", "depth", "convention", "first", "n", "axis"]
    assert len(run.laws) == expected == len(run.laws[key].drop_duplicates())
    assert len(run.points) == 4 * expected
    assert np.isfinite(run.laws["exponent"]).all()


def test_the_width_law_passes_through_its_reference_model(run):
    laws = run.laws[run.laws["reference_model"] != ""]
    key = [*laws.columns[: len(columns.KEY)]]
    points = run.points.merge(laws[[*key, "reference_model"]], on=key)
    own = points[points["models"] == points["reference_model"]]
    assert len(own) == len(laws)
    np.testing.assert_allclose(own["width_law"], own["y"], rtol=1e-12)


def test_points_and_profiles_agree_where_all_texts_are_used(run):
    points = run.points[run.points["axis"] == "non_embedding"]
    key = ["scope", "layer", "convention", "first", "n", "metric"]
    both = points.merge(run.profiles, left_on=["models", *key], right_on=["model", *key])
    assert len(both) == len(points)
    np.testing.assert_allclose(both["y_x"], both["y_y"], rtol=1e-12)
    np.testing.assert_allclose(both["untrained_x"], both["untrained_y"], rtol=1e-12)


def test_steps_of_runs_have_the_laws_of_their_models(run, tmp_path):
    shared = ("null", "untrained")
    files = {name: paths if name in shared else [path for path in paths for _ in range(2)]
             for name, paths in run.files.items()}  # fmt: skip
    given = vars(run.params) | {
        name: [value for value in values for _ in range(2)]
        for name, values in vars(run.params).items()
        if isinstance(values, list) and len(values) == len(SHAPES)
    }
    steps = [f"{slug}@{step}" for slug in run.params.models for step in (0, 9)]
    given |= {"models": steps, "runs": given["models"]}
    given |= {"steps": [0, 9] * 4, "train_tokens": [0, 900] * 4}
    names = ("trajectories", "phases", "pace", "exponents")
    output = Outputs({
        f"{name}{end}": tmp_path / f"{name}{suffix}" for name in names
        for end, suffix in (("", ".parquet"), ("_table", ".csv"))
    })  # fmt: skip
    training_paths.main(SimpleNamespace(**files), SimpleNamespace(**given), output)
    made = {name: artefacts.read_table(output[name], "l") for name in names}
    assert {name: len(pd.read_csv(output[f"{name}_table"])) for name in names} == {
        name: len(frame) for name, frame in made.items()
    }
    laws = run.laws[(run.laws["axis"] == "non_embedding") & (run.laws["scope"] == "text")]
    key = ["metric", "convention", "first", "depth"]
    both = made["exponents"].merge(laws, on=key, suffixes=("", "_of_laws"), validate="m:1")
    assert len(both) == len(made["exponents"]) == 2 * (2 * 2 + 1)  # steps; first token in and out
    for name in ("exponent", "excess_width_low", "excess_random", "excess_untrained_high"):
        np.testing.assert_allclose(both[name], both[f"{name}_of_laws"])
    path = made["trajectories"].merge(
        run.profiles.assign(runs=run.profiles["model"]),
        on=["runs", "metric", "convention", "first", "layer"], suffixes=("", "_of_profiles"),
    )  # fmt: skip
    path = path[path["scope"] == "text"]
    assert len(path) == len(made["trajectories"]) == 4 * 10
    np.testing.assert_allclose(path["y_low"], path["y_low_of_profiles"])
    np.testing.assert_allclose(path["untrained"], path["untrained_of_profiles"])
    assert set(made["phases"]["problems"]) == {"2 steps: 6 are needed"}


def test_tables_of_another_run_are_refused(run):
    params = SimpleNamespace(**vars(run.params) | {"expected": ["e", "e", "other", "e"]})
    with pytest.raises(InfogeoError, match=r"w16-d1\.entropy\.parquet"):
        fit_scaling_laws.main(SimpleNamespace(**run.files), params, run.output)


def test_the_terminal_table_fits_its_columns_and_names_every_headline(run):
    laws = run.laws.assign(falls_verdict="width artefact")
    laws["family"] = "ladder-of-small-models"
    laws["corpus"] = "docstrings"
    laws["problems"] = "3 texts with a value that is not finite left out, and so on and on"
    text = report.terminal_text(laws, run.profiles)
    assert max(map(len, text.splitlines())) <= 90
    for metric in ("entropy", "coding_rate_paper", "nll"):
        assert sum(line.startswith(f"{metric} ") for line in text.splitlines()) == 1
    title = "ladder-of-small-models on docstrings, texts of 12 tokens, "
    title += "N = non-embedding parameters: 4 points"
    assert title in " ".join(text.split())
    law = run.laws[run.laws["headline"] & (run.laws["metric"] == "entropy")].iloc[0]
    row = next(line for line in text.splitlines() if line.startswith("entropy "))
    assert row.split()[1:] == [number(law[name], signed=True) for name in report.EXPONENTS]
    assert law["excess_reading"] != law["excess_reading"] and row.split()[5] == "n/a"
    verdicts = [line for line in text.splitlines() if line.startswith("width artefact ")]
    assert len(verdicts) == 3  # below the name of each metric, beside the upper ends


def test_the_terminal_table_has_the_exponent_over_better_reading_above_its_ends(run):
    laws = run.laws.assign(excess_reading=0.012, excess_reading_low=-0.5, excess_reading_high=0.25)
    lines = report.terminal_text(laws, run.profiles).splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("entropy "))
    column = next(line.index("reading") for line in lines if line.split() == ["reading"])
    below = [lines[at + i][column:].split()[0] for i in range(3)]
    assert below == ["+0.012", "[−0.500,", "+0.250]"]


def test_what_does_not_apply_reads_na_and_problems_are_noted(run):
    laws = run.laws[run.laws["metric"] == "nll"].copy()
    laws["problems"] = "3 texts with a value that is not finite left out"
    text = report.terminal_text(laws, run.profiles)
    row = next(line for line in text.splitlines() if line.startswith("nll "))
    assert row.split()[2:4] == ["n/a", "n/a"]
    assert "note, nll: 3 texts" in text
    assert "nll: 3 texts" in report.markdown_text(laws, run.profiles)


def test_no_headline_says_so(run):
    assert "no headline law" in report.terminal_text(run.laws.assign(headline=False), run.profiles)


def test_markdown_rows_have_as_many_cells_as_their_head(run):
    lines = [
        line for line in report.markdown_text(run.laws, run.profiles).splitlines() if "|" in line
    ]
    counts = [line.count("|") for line in lines]
    assert counts == [9] * 5 + [10] * 5


def planted(level: float, without: float) -> pd.DataFrame:
    """Profiles of a model at one layer: its entropy with the first token, and without."""
    row = {"corpus": "c", "family": "f", "model": "m", "scope": "text", "layer": "3",
           "convention": "centred", "n": 12, "metric": "entropy",
           "relative_depth": 0.5}  # fmt: skip
    return pd.DataFrame([
        row | {"first": first, "y": y, "y_low": y - 0.1, "y_high": y + 0.1}
        for first, y in (("in", level), ("out", without))
    ])  # fmt: skip


def test_a_first_token_that_decides_is_reported_in_both_tables(run):
    laws = run.laws
    for text in (report.terminal_text, report.markdown_text):
        moved = " ".join(text(laws, planted(0.17, 3.04)).split())
        assert "decides the centred entropy of 1 of 1 models at some layer" in moved
        assert "Most at layer 3 of m: 0.170 nats with it, 3.040 without (n = 12)." in moved
        assert "decides" not in text(laws, planted(3.0, 3.15))


def test_the_first_token_is_reported_where_it_moves_the_declared_entropy_the_most():
    most = planted(3.0, 1.0).assign(layer="5")  # lower without it
    others = [planted(2.0, 0.1).assign(n=99), planted(2.0, 9.0).assign(convention="unit")]
    profiles = pd.concat([planted(2.0, 3.0), most, *others])
    (sentence,) = first_token.sentences(profiles, 12)
    assert "at layer 5 of m: 3.000 nats with it, 1.000 without" in sentence


def test_the_headline_without_the_first_token_is_that_law_s_exponent(run):
    declared = report.with_beside(run.laws).set_index("metric")
    out = run.laws[(run.laws["first"] == "out") & (run.laws["scope"] == "text")]
    for law in out[out["depth"] == "final"].itertuples():
        if law.metric in declared.index and law.convention == declared["convention"][law.metric]:
            assert declared["beside"][law.metric] == law.exponent
    assert np.isnan(declared["beside"]["nll"])


def test_what_stands_beside_others_has_laws_against_the_headline_s_size_alone():
    settings = Settings(headline={"axis": "total"})
    key = {"scope": "text", "convention": "unit", "first": "out"}
    assert settings.axes_of(key) == ("total",)
    assert settings.axes_of(key | {"first": "in"}) == ("non_embedding", "total")
