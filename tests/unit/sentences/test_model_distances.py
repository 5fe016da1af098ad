"""Distances of a model: from states in any order, at every depth and of every draw."""

import numpy as np
import pytest
from token_texts import TOKENS, WIDTHS, by_layer, by_text, every_state, texts_of

from infogeo.files.errors import InfogeoError
from infogeo.geometry.metrics import CONVENTIONS
from infogeo.sentences.distances import (
    BASELINES,
    CHEAPER,
    DISTANCES,
    bag_of_words,
    bures,
    jensen_shannon,
    mean_distances,
)
from infogeo.sentences.model_distances import layers_of_texts, measure
from infogeo.states.store import open_store
from infogeo.states.store_writer import create_store


@pytest.mark.parametrize("order", [by_layer, by_text])
def test_states_are_gathered_by_text_whatever_their_order(order):
    states, texts = every_state(), texts_of(n=5)
    found = dict(layers_of_texts(order(states), texts, ["final", "0"]))
    assert set(found) == {"0", "final"}
    for layer, Z in found.items():
        assert Z.dtype == np.float32
        np.testing.assert_array_equal(Z, np.stack([states[layer][i][:5] for i in (0, 2, 3)]))


def test_a_layer_is_held_only_while_it_streams():
    states, read_so_far = every_state(), []

    def watched():
        for item in by_layer(states)():
            read_so_far.append(item[1])
            yield item

    for layer, _ in layers_of_texts(watched, texts_of(), ["0", "1", "final"]):
        assert read_so_far[-1] == layer


def test_states_may_come_in_a_buffer_that_is_used_again():
    states, texts = every_state(), texts_of()
    plain = dict(layers_of_texts(by_layer(states), texts, ["0"]))

    def reusing():
        buffer = np.empty((6, 20), np.float32)
        for i, Z in enumerate(states["0"]):
            buffer[: len(Z)] = Z
            yield i, "0", buffer[: len(Z)]

    np.testing.assert_array_equal(dict(layers_of_texts(reusing, texts, ["0"]))["0"], plain["0"])


def test_states_that_do_not_fit_the_texts_are_refused_by_name():
    states, texts = every_state(), texts_of()
    with pytest.raises(InfogeoError, match=r"without all of their texts: 7 \(0 of 2\)"):
        list(layers_of_texts(by_layer(states), texts, ["0", "7"]))
    states["1"][4] = states["1"][4][:3]
    with pytest.raises(InfogeoError, match=r"text 't4', layer 1: 3 states, but 4 tokens"):
        list(layers_of_texts(by_layer(states), texts, ["1"]))
    states["0"][4][2, 1] = np.nan
    with pytest.raises(InfogeoError, match=r"text 't4', layer 0: token 2, coordinate 1 is nan"):
        list(layers_of_texts(by_layer(states), texts, ["0"]))
    states["final"][0][4] = np.nan  # beyond the first n tokens
    assert len(list(layers_of_texts(by_layer(states), texts, ["final"]))) == 1


def test_every_distance_of_a_model():
    states, texts = every_state(), texts_of(n=5)
    layers = {"0": "0", "0.5": "0", "final": "final"}  # two depths may have one layer
    found = measure(texts, [by_layer(states)], layers)
    assert set(found.means) == {(0, depth) for depth in layers}
    names = [("in", name) for name in DISTANCES] + [("out", name) for name in CHEAPER]
    expected = {(0, depth, *name) for depth in layers for name in names}
    assert set(found.distances) == expected | {(0, "", "", name) for name in BASELINES}
    for depth, layer in layers.items():
        Z = np.stack([states[layer][i][:5] for i in (0, 2, 3)])
        means = Z.astype(float).mean(axis=1)
        np.testing.assert_allclose(found.means[0, depth], means, rtol=1e-6)
        assert found.means[0, depth].dtype == np.float32
        for convention in CONVENTIONS:
            np.testing.assert_allclose(
                found.distances[0, depth, "in", f"bures_{convention}"], bures(Z, convention),
                atol=1e-7,
            )  # fmt: skip
        # Without the first tokens it is what a text that begins with the second one has.
        for first, rows in (("in", Z), ("out", Z[:, 1:])):
            for convention in CONVENTIONS:
                js = found.distances[0, depth, first, f"js_{convention}"]
                np.testing.assert_allclose(js**2, jensen_shannon(rows, convention), atol=1e-14)
            for name, distance in mean_distances(rows.astype(float).mean(axis=1)).items():
                np.testing.assert_array_equal(found.distances[0, depth, first, name], distance)
    np.testing.assert_array_equal(
        found.distances[0, "", "", "bag_of_words"], bag_of_words([TOKENS[i][:5] for i in (0, 2, 3)])
    )
    np.testing.assert_array_equal(found.distances[0, "", "", "length"], np.zeros((3, 3)))
    assert (found.doc_ids, found.n) == (["t0", "t2", "t3"], 5)
    assert found.left_out == texts.left_out


def test_means_are_taken_at_every_layer_that_passes_by():
    states, texts = every_state(), texts_of(n=5)
    found = measure(texts, [by_layer(states)], {"0.5": "1"}).layer_means
    assert set(found) == {(0, layer, first) for layer in states for first in ("in", "out")}
    Z = np.stack([states["final"][i][:5] for i in (0, 2, 3)]).astype(float)
    np.testing.assert_allclose(found[0, "final", "in"], Z.mean(axis=1), rtol=1e-6)
    np.testing.assert_allclose(found[0, "final", "out"], Z[:, 1:].mean(axis=1), rtol=1e-6)
    states["0"][2][3, 1] = np.nan
    with pytest.raises(InfogeoError, match=r"text 't2', layer 0: token 3, coordinate 1 is nan"):
        measure(texts, [by_layer(states)], {"0.5": "1"})


def test_twins_have_draws_and_no_bures_nor_baselines():
    texts = texts_of()
    draws = (by_layer(every_state(seed)) for seed in (1, 2))
    found = measure(texts, draws, {"0.5": "1"}, CHEAPER)
    assert set(found.means) == {(0, "0.5"), (1, "0.5")}
    expected = {
        (i, "0.5", first, name) for i in (0, 1) for first in ("in", "out") for name in CHEAPER
    }
    assert set(found.distances) == expected
    alone = measure(texts, [by_layer(every_state(2))], {"0.5": "1"}, ["js_unit"])
    assert set(alone.distances) == {(0, "0.5", "in", "js_unit"), (0, "0.5", "out", "js_unit")}
    np.testing.assert_array_equal(
        found.distances[1, "0.5", "out", "js_unit"],
        alone.distances[0, "0.5", "out", "js_unit"],
    )


def test_a_store_of_hidden_states_will_do(tmp_path):
    states = every_state()
    lengths = [len(text) for text in TOKENS]
    with create_store(
        tmp_path / "s.h5", attrs={"fingerprint": "f"}, doc_ids=[f"t{i}" for i in range(6)],
        sources=["s"] * 6, labels=["l"] * 6, lengths=lengths, widths=WIDTHS, dtype="float32",
    ) as writer:  # fmt: skip
        for layer, Zs in states.items():
            writer.write_hidden(layer, 0, np.concatenate(Zs))
    with open_store(tmp_path / "s.h5") as store:
        found = measure(texts_of(), [lambda: store.states(["1"])], {"0.5": "1"})
    expected = measure(texts_of(), [by_layer(states)], {"0.5": "1"})
    for key, distance in expected.distances.items():
        np.testing.assert_array_equal(found.distances[key], distance)
