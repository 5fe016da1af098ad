"""Which models share untrained twins, and whether they may."""

import json
from types import SimpleNamespace

import pytest

import compare_weights
from infogeo.files.errors import InfogeoError
from infogeo.sources import twin_groups


def row(
    slug,
    where="",
    *,
    source="hub",
    family="f",
    dtype="float32",
    params=None,
    replicate=None,
    run=None,
):
    return {
        "slug": slug, "source": source, "where": where, "family": family, "dtype": dtype,
        "params": params, "params_non_embedding": None, "replicate": replicate, "run": run,
    }  # fmt: skip


def ladder(slug, where, **other):
    return row(slug, where, source="ladder", **other)


def card(slug="m", **other):
    config = {"hidden_size": 8, "initializer_range": 0.1, "_name_or_path": slug}
    return {
        "slug": slug, "kind": "causal", "trust_remote_code": False, "tokenizer_sha256": "t",
        "params_total": 10, "vocabulary": 5, "config": config | other.pop("config", {}), **other,
    }  # fmt: skip


def test_members_of_a_ladder_that_differ_in_seed_share_the_twins_of_the_first_row():
    rows = [
        ladder("b", "small/w32-d2-s1"), ladder("a", "small/w32-d2-s0"),
        ladder("deep", "small/w32-d4-s0"), ladder("other", "large/w32-d2-s0"),
        ladder("half", "small/w32-d2-s0", dtype="bfloat16"),
    ]  # fmt: skip
    of = twin_groups.architectures(rows)
    assert of == {"b": "b", "a": "b", "deep": "deep", "other": "other", "half": "half"}


def test_replicates_of_one_family_and_size_share_their_twins():
    rows = [
        row("s0", params=14, replicate=0), row("s1", params=14, replicate=1),
        row("larger", params=31, replicate=0), row("elsewhere", family="g", params=14, replicate=1),
        row("unnumbered", params=14), row("unsized", replicate=2),
    ]  # fmt: skip
    of = twin_groups.architectures(rows)
    assert of.pop("s1") == "s0"
    assert all(slug == first for slug, first in of.items())


def test_steps_of_a_run_share_their_twins_and_so_do_runs_that_are_replicates():
    rows = [row(f"a@{step}", run="a") for step in (9, 1, 0)] + [row("b", run="b")]
    rows += [row(f"{run}@1", run=run, params=14, replicate=n) for n, run in enumerate("cd")]
    of = twin_groups.architectures(rows)
    assert of == {
        "a@9": "a@9", "a@1": "a@9", "a@0": "a@9", "b": "b", "c@1": "c@1", "d@1": "c@1"
    }  # fmt: skip


def test_states_of_another_engine_have_no_twins():
    assert twin_groups.architectures([row("given", source="states")]) == {"given": ""}


def test_a_row_at_the_end_changes_no_group():
    rows = [ladder("z", "small/w32-d2-s0"), ladder("y", "small/w32-d4-s0")]
    more = [*rows, ladder("a", "small/w32-d2-s1")]
    assert twin_groups.architectures(more) == twin_groups.architectures(rows) | {"a": "z"}


def test_cards_of_one_architecture_may_differ_in_what_says_nothing_about_it():
    twin_groups.require_same(card("a"), card("b", config={"torch_dtype": "float16"}))


def test_all_steps_of_a_run_with_another_tokenizer_or_shape_are_named_at_once(tmp_path):
    steps = [card("r@9"), card("r@4"), card("r@1", tokenizer_sha256="u"), card("other"),
             card("r@0", config={"hidden_size": 16})]  # fmt: skip
    paths = [tmp_path / f"{step['slug']}.json" for step in steps]
    for step, path in zip(steps, paths, strict=True):
        path.write_text(json.dumps(step))
    of = ["r@9", "r@9", "r@9", "other", "r@9"]
    params = SimpleNamespace(architectures=of, same_as=[""] * 5)
    with pytest.raises(InfogeoError) as raised:
        compare_weights.main(SimpleNamespace(models=paths), params, [tmp_path / "weights.csv"])
    _, *lines = str(raised.value).splitlines()
    assert [line.split(" share")[0] for line in lines] == [
        "  - models r@1 and r@9", "  - models r@0 and r@9"
    ]  # fmt: skip
    assert "tokenizer_sha256 (u and t)" in lines[0] and "hidden_size (16 and 8)" in lines[1]


def test_what_differs_between_models_that_share_twins_is_named():
    other = card("b", tokenizer_sha256="u", config={"initializer_range": 0.2, "rope_pct": 0.25})
    with pytest.raises(InfogeoError) as raised:
        twin_groups.require_same(card("a"), other)
    words = str(raised.value)
    assert words.startswith("models a and b share their untrained twins")
    assert "initializer_range (0.1 and 0.2), rope_pct (None and 0.25)" in words
    assert "tokenizer_sha256 (t and u)" in words and "no replicate" in words
