"""The exponent in N at common steps, and all tables of training from files."""

import numpy as np
import pandas as pd
import pytest
from made_runs import SETTINGS, World, random_null, run, sized, spectra

from infogeo.files import artefacts
from infogeo.laws import exponents_over_training, training_tables
from infogeo.laws.fit import scaling_laws

SHAPES = [(32, 1), (32, 2), (64, 1), (64, 2)]


def models_of(shapes=SHAPES, steps=(0, 1, 8), **options):
    return [
        model for width, layers in shapes
        for model in run(f"w{width}d{layers}", steps=steps, width=width, layers=layers, **options)
    ]  # fmt: skip


def test_common_steps_are_those_that_three_sizes_have():
    models = models_of(SHAPES[:3], (0, 1)) + run("late", [1, 8], width=128)
    at_steps = exponents_over_training.common_steps(models)
    assert [(group[0]["step"], len(group)) for group in at_steps] == [(0, 3), (1, 4)]


def test_models_meet_at_equal_tokens_where_all_know_them():
    models = models_of(SHAPES[:3], (1, 2))
    for model in models[4:]:  # half as many tokens a step
        model["step"] *= 2
    at_steps = exponents_over_training.common_steps(models)
    assert [[model["step"] for model in group] for group in at_steps] == [[1, 1, 2], [2, 2, 4]]
    models[0]["train_tokens"] = None
    assert [group[0]["step"] for group in exponents_over_training.common_steps(models)] == [2]


def test_a_family_of_two_sizes_has_no_exponents():
    assert exponents_over_training.common_steps(models_of(SHAPES[:2])) == []


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Files of every model of a family, and all tables of training made from them."""
    folder = tmp_path_factory.mktemp("training")
    world = World(sized, twins=lambda of, *key: sized(of | {"step": 0}, *key))
    models, files, twins = models_of(steps=(0, 1, 4, 8, 64, 512)), {}, {}
    for model in models:
        for kind, frame, of in zip(("a", "b"), world.frames(model), (files, twins), strict=True):
            if kind == "b" and model["step"]:
                of[model["slug"]] = of[f"{model['run']}@0"]  # one file an architecture
                continue
            path = folder / f"{model['slug']}.{kind}.parquet"
            other = frame.assign(n=99)  # of another length: to be left out
            artefacts.write_table(pd.concat([frame, other], ignore_index=True), path, "e")
            of[model["slug"]] = path, "e"
    null = random_null([32, 64])
    tables = training_tables.tables_of_corpus(
        "c", models, files, twins, null, spectra, SETTINGS
    )  # fmt: skip
    return models, files, twins, null, tables


def test_the_exponents_are_the_laws_of_the_models_at_that_step(made):
    models, files, twins, null, tables = made
    declared = training_tables.Declared(files, twins, SETTINGS)
    at_step = [model for model in models if model["step"] == 8]
    laws, _, _ = scaling_laws(
        "c", at_step, declared.of, declared.texts, null, spectra, SETTINGS
    )  # fmt: skip
    exponents = tables["exponents"]
    rows = exponents[exponents["step"] == 8].reset_index(drop=True)
    assert len(rows) == len(laws) == 3
    for column in ("exponent", "excess_width_low", "excess_untrained", "depth_exponent_high"):
        np.testing.assert_allclose(rows[column], laws[column])
    assert rows["falls_verdict"].tolist() == laws["falls_verdict"].tolist()
    assert (rows["train_tokens"] == 800).all()
    assert (exponents["sizes_left_out"] == 0).all()
    declared_order = [("entropy", "in"), ("entropy", "out"), ("nll", "")]
    assert list(zip(rows["metric"], rows["first"], strict=True)) == declared_order


def test_every_table_has_a_row_for_what_it_is_of(made):
    *_, tables = made
    counts = {name: len(frame) for name, frame in tables.items()}
    assert counts["trajectories"] == 4 * 3 * 6
    assert counts["pace"] == 4 * 3
    assert counts["exponents"] == 3 * 6
    assert set(tables["phases"]["word"]) <= {"falls", "rises", "undecided"}
    assert set(tables["trajectories"]["n"]) == {16}
    assert {name: list(frame) for name, frame in tables.items()} == training_tables.COLUMNS


def test_shared_twins_are_read_once(made):
    models, files, twins, *_ = made
    declared = training_tables.Declared(files, twins, SETTINGS)
    assert declared.of(models[0])[1] is declared.of(models[5])[1]


def test_models_without_twins_have_no_twins_beside_step_0(made):
    models, files, _, null, _ = made
    tables = training_tables.tables_of_corpus(
        "c", models[:6], files, {}, null, spectra, SETTINGS
    )  # fmt: skip
    assert tables["trajectories"]["untrained"].isna().all()
    assert len(tables["exponents"]) == 0
