"""One statement of a rule's parameters for its params and its fingerprint."""

import inspect
from types import SimpleNamespace

import pytest
from snakemake.common import get_function_params, get_input_function_aux_params

from infogeo.planning.recipes import Recipe, with_signature

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


def test_snakemake_finds_the_parameters_of_params_without_a_look_at_their_signatures(monkeypatch):
    functions = [value for value in child(PARENT, CHILD).params.values() if callable(value)]
    signatures = [inspect.signature(found).parameters for found in functions]
    monkeypatch.setattr(inspect, "signature", None)
    assert [list(get_function_params(found)) for found in functions] == [["w"], ["wildcards"]]
    assert [get_function_params(found) for found in functions] == signatures
    assert get_input_function_aux_params(functions[0], {"w": 1, "other": 2}) == {"w": 1}


def test_parameters_of_a_method_are_those_that_it_takes_from_its_object(monkeypatch):
    class Resource:
        def evaluate(self, *args, **kwargs):
            return args, kwargs

    found = dict(inspect.signature(Resource().evaluate).parameters)
    with_signature(Resource.evaluate, bound=True)
    monkeypatch.setattr(inspect, "signature", None)
    assert get_function_params(Resource().evaluate) == found
    assert get_input_function_aux_params(Resource().evaluate, {"attempt": 1}) == {"attempt": 1}


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
