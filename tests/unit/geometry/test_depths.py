"""Layers by relative depth."""

import math

import pytest

from infogeo.files.errors import InfogeoError
from infogeo.geometry import depths


@pytest.mark.parametrize(
    ("depth", "layer"), [("0", "0"), ("0.5", "6"), ("0.45", "5"), ("1", "12"), ("final", "final")]
)
def test_layer_at_relative_depth(depth, layer):
    assert depths.layer_at(depth, 12, [*map(str, range(13)), "final"], 0.05) == layer


def test_no_layer_near_enough_or_no_final_norm():
    assert depths.layer_at("0.5", 4, ["0", "1", "4", "final"], 0.1) is None
    assert depths.layer_at("final", 4, ["0", "4"], 0.1) is None


def test_depths_without_a_layer_are_left_out():
    found = depths.layers_at(["0", "0.5", "1", "final"], 4, ["0", "1", "4"], 0.1)
    assert found == {"0": "0", "1": "4"}


def test_relative_depth_of_a_layer():
    assert depths.relative_depth("3", 12) == 0.25
    assert depths.relative_depth("final", 12) == 1.0
    assert math.isnan(depths.relative_depth("", 12))


@pytest.mark.parametrize("layers", [1, 2, 3, 4, 5, 6, 10, 25])
@pytest.mark.parametrize("depth", ["0", "0.1", "0.3", "0.5", "0.7", "0.9", "1"])
def test_what_is_stored_and_what_is_compared_at_a_depth_are_one_layer(depth, layers):
    every = depths.layer_names(layers)
    assert depths.choose_layers([depth], layers) == [depths.layer_at(depth, layers, every, 1)]


def test_half_way_between_two_layers_is_the_earlier_one():
    assert depths.layer_at("0.5", 5, depths.layer_names(5), 0.1) == "2"
    assert depths.choose_layers(["0.5"], 5) == ["2"]
    assert depths.layer_at("0.7", 5, depths.layer_names(5), 0.1) == "3"
    # The ladders of the default have 1, 2 and 4 blocks: no half way within the tolerance.
    assert [depths.layer_at("0.5", blocks, depths.layer_names(blocks), 0.1)
            for blocks in (1, 2, 4)] == [None, "1", "2"]  # fmt: skip


def test_relative_depths_become_layers():
    assert depths.choose_layers("all", 2) == ["0", "1", "2", "final"]
    assert depths.choose_layers(["final", "0.5", 1, "0"], 3) == ["0", "1", "3", "final"]
    with pytest.raises(InfogeoError, match=r"'7', nan.*out of range"):
        depths.choose_layers(["7", math.nan, "0.5"], 4)
