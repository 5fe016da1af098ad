"""One statement of a rule's parameters for its params and its fingerprint."""

import inspect
from types import SimpleNamespace

import pytest

from infogeo.planning.recipes import Recipe

PAIR = SimpleNamespace(model="small", corpus="stories")
PARENT = {"where": lambda w: f"models/{w.model}", "logic": "a hash"}
CHILD = {"n": [8, 24], "seed": 0, "logic": "another hash"}


def child(parent: dict, own: dict) -> Recipe:
    made = Recipe("model", **parent)
    return Recipe("model", "corpus", **own, expected=lambda w: [made.fingerprint(w)])


def test_params_are_what_was_stated_and_the_fingerprint():
    recipe = child(PARENT, CHILD)
    assert recipe.params.keys() == CHILD.keys() | {"expected", "fingerprint"}
    assert recipe.params["n"] == [8, 24]
    assert recipe.params["fingerprint"](PAIR) == recipe.fingerprint(PAIR)


def test_params_have_their_signatures_at_hand():
    functions = [value for value in child(PARENT, CHILD).params.values() if callable(value)]
    assert [list(inspect.signature(found).parameters) for found in functions] == [
        ["w"], ["wildcards"]
    ]  # fmt: skip
    for found in functions:
        assert inspect.signature(found) is found.__signature__


@pytest.mark.parametrize("name", CHILD)
def test_every_parameter_changes_the_fingerprint(name):
    changed = child(PARENT, CHILD | {name: "other"})
    assert changed.fingerprint(PAIR) != child(PARENT, CHILD).fingerprint(PAIR)


@pytest.mark.parametrize("name", PARENT)
def test_every_parameter_changes_the_fingerprint_of_consumers(name):
    changed = child(PARENT | {name: "other"}, CHILD)
    assert changed.fingerprint(PAIR) != child(PARENT, CHILD).fingerprint(PAIR)


def test_a_fingerprint_follows_its_own_wildcards_alone():
    recipe, other = Recipe("model", **PARENT), SimpleNamespace(model="small", corpus="other")
    assert recipe.fingerprint(PAIR) == recipe.fingerprint(other)
    larger = SimpleNamespace(model="large", corpus="stories")
    assert recipe.fingerprint(PAIR) != recipe.fingerprint(larger)


def test_a_recipe_without_wildcards_needs_none():
    assert Recipe(seed=0).fingerprint() == Recipe(seed=0).fingerprint(PAIR)
