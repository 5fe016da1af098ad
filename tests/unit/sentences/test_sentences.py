"""Distances between texts against their d × d definitions and closed forms; samples; the file."""

import time

import h5py
import numpy as np
import pandas as pd
import pytest
from scipy.linalg import sqrtm
from scipy.spatial.distance import cdist, jensenshannon
from sklearn.decomposition import PCA
from sklearn.metrics.pairwise import cosine_distances

from infogeo.files.errors import InfogeoError
from infogeo.geometry.metrics import CONVENTIONS
from infogeo.sentences import distances as module
from infogeo.sentences.distances import (
    BASELINES,
    DISTANCES,
    TWIN_DISTANCES,
    Sentences,
    Texts,
    bag_of_words,
    bures,
    jensen_shannon,
    labelled,
    length,
    load,
    mean_distances,
    measure,
    of_states,
    pca,
    save,
)
from infogeo.states.store import create_store, open_store

SHAPES = [(8, 40), (12, 24), (20, 30), (30, 30), (40, 10)]  # 2n < d, = d, n < d < 2n, n = d, d < n


def hidden(m, n, d, seed=0):
    """States with a common mean, a steep spectrum and one token of huge norm, as models have."""
    rng = np.random.default_rng(seed)
    Z = rng.standard_normal((m, n, d)) * np.arange(1, d + 1) ** -0.7
    Z = Z @ np.linalg.qr(rng.standard_normal((d, d)))[0] + rng.standard_normal(d)
    Z[:, 0] *= 100
    return Z.astype(np.float32)


def covariance(Z, convention):
    """ρ (d, d) of one text, as the definition says."""
    Z = Z.astype(np.float64)
    if convention == "centred":
        Z = Z - Z.mean(axis=0)
    norms = np.linalg.norm(Z, axis=1)
    Z = Z[norms > 0] / norms[norms > 0, None]
    return Z.T @ Z / len(Z)


def entropy(rho):
    eigenvalues = np.linalg.eigvalsh(rho)
    eigenvalues = eigenvalues[eigenvalues > 0]
    return -(eigenvalues * np.log(eigenvalues)).sum()


def every_pair(Z, convention, distance):
    rhos = [covariance(text, convention) for text in Z]
    return np.array([[distance(one, other) for other in rhos] for one in rhos])


def js_by_definition(one, other):
    return entropy((one + other) / 2) - (entropy(one) + entropy(other)) / 2


def bures_by_definition(one, other):
    root = sqrtm(one)
    fidelity = np.trace(sqrtm(root @ other @ root)).real
    return np.sqrt(max(2 - 2 * fidelity, 0))


# ---------------------------------------------------------------- covariances


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize(("n", "d"), SHAPES)
def test_js_equals_the_d_by_d_definition(n, d, convention):
    Z = hidden(5, n, d)
    found = jensen_shannon(Z, convention)
    np.testing.assert_allclose(found, every_pair(Z, convention, js_by_definition), atol=1e-12)
    assert (found[~np.eye(5, dtype=bool)] > 1e-3).all()


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize(("n", "d"), [(6, 12), (8, 12), (12, 12), (20, 12)])
def test_bures_equals_the_definition_by_matrix_roots(n, d, convention):
    Z = hidden(4, n, d)
    expected = every_pair(Z, convention, bures_by_definition)
    off = ~np.eye(4, dtype=bool)
    # Square roots of singular matrices are good to half of the digits.
    np.testing.assert_allclose(bures(Z, convention)[off], expected[off], atol=1e-6)


@pytest.mark.parametrize("n", [6, 12])
def test_bures_keeps_the_digits_that_roots_of_eigenvalues_lose(n):
    # Two pure states at an angle: F = cos, also where cos is far below the root of rounding.
    one = np.zeros((n, 8))
    one[:, 0] = 1
    for cosine in (1e-9, 1e-5, 0.3):
        other = np.zeros((n, 8))
        other[:, :2] = cosine, np.sqrt(1 - cosine**2)
        squares = bures(np.stack([one, other]), "unit")[0, 1] ** 2
        assert 1 - squares / 2 == pytest.approx(cosine, abs=1e-15)


@pytest.mark.parametrize("d", [40, 20, 12])
def test_orthogonal_texts_are_as_far_as_can_be_and_equal_ones_at_zero(d):
    n = 7
    Z = np.zeros((3, n, d))
    basis = np.linalg.qr(np.random.default_rng(1).standard_normal((d, d)))[0]
    Z[0] = np.random.default_rng(2).standard_normal((n, 5)) @ basis[:5]
    Z[1] = np.random.default_rng(3).standard_normal((n, 5)) @ basis[5:10]
    Z[2] = 3 * Z[0][::-1]  # order and scale of the rows say nothing
    for convention in CONVENTIONS:
        js, distance = jensen_shannon(Z, convention), bures(Z, convention)
        assert js[0, 1] == pytest.approx(np.log(2), abs=1e-13)
        assert distance[0, 1] == pytest.approx(np.sqrt(2), abs=1e-7)
        assert js[0, 2] == pytest.approx(0, abs=1e-14)
        assert distance[0, 2] == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("d", [60, 12])
def test_commuting_covariances_have_the_classical_js(d):
    # Copies of orthonormal rows are a distribution over them.
    counts = np.array([[10, 5, 1, 0], [4, 4, 4, 4], [0, 0, 3, 13]])
    Z = np.stack([np.repeat(np.eye(d)[:4], row, axis=0) for row in counts])
    expected = [[jensenshannon(p, q) ** 2 for q in counts] for p in counts]
    np.testing.assert_allclose(jensen_shannon(Z, "unit"), expected, atol=1e-14)
    # The fidelity is the Bhattacharyya coefficient Σ √(pq).
    roots = np.sqrt(counts / 16)
    expected = np.sqrt(np.maximum(2 - 2 * roots @ roots.T, 0))
    np.testing.assert_allclose(bures(Z, "unit"), expected, atol=3e-8)


@pytest.mark.parametrize(("n", "d"), [(8, 40), (20, 30), (40, 10)])
def test_rounding_makes_no_divergence_negative(n, d):
    rng = np.random.default_rng(0)
    Z = np.stack([rng.permutation(hidden(1, n, d)[0]) for _ in range(12)])  # the same ρ
    js = jensen_shannon(Z, "unit")
    assert ((js >= 0) & (js < 1e-14)).all()
    assert np.count_nonzero(js == 0) > 12  # some were below 0


@pytest.mark.parametrize(("n", "d"), SHAPES)
def test_matrices_are_no_larger_than_they_need_be(n, d, monkeypatch):
    sizes = {"eigvalsh": set(), "svd": set()}

    def watched(name, function):
        def call(matrices, **options):
            sizes[name].add(matrices.shape[-2:])
            return function(matrices, **options)

        return call

    for name in sizes:
        monkeypatch.setattr(np.linalg, name, watched(name, getattr(np.linalg, name)))
    Z = hidden(3, n, d)
    jensen_shannon(Z, "unit")
    bures(Z, "unit")
    pair, r = min(2 * n, d), min(n, d)
    assert sizes["eigvalsh"] == ({(pair, pair), (n, n)} if 2 * n <= d else {(d, d)})
    assert sizes["svd"] == {(r, r)}


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize(("n", "d"), [(8, 40), (20, 30), (40, 10)])
def test_both_are_metrics_on_a_sample(n, d, convention):
    Z = hidden(12, n, d, seed=3)
    Z[5:8] = Z[4] + 1e-2 * hidden(3, n, d, seed=4)  # near ones too
    root = np.sqrt(jensen_shannon(Z, convention))
    for distance, bound in ((root, np.sqrt(np.log(2))), (bures(Z, convention), np.sqrt(2))):
        np.testing.assert_array_equal(distance, distance.T)
        assert not np.diagonal(distance).any()
        assert (distance <= bound + 1e-12).all()
        detour = (distance[:, :, None] + distance[None]).min(axis=1)
        assert (distance <= detour + 1e-12).all()


@pytest.mark.parametrize(("n", "d"), SHAPES)
def test_blocks_change_rounding_alone(n, d, monkeypatch):
    Z = hidden(9, n, d)
    whole = [jensen_shannon(Z, "centred"), bures(Z, "centred")]
    for texts in (1, 4):
        monkeypatch.setattr(module, "_texts_per_block", lambda n, d, texts=texts: texts)
        for one, distance in zip(whole, (jensen_shannon, bures), strict=True):
            np.testing.assert_allclose(one, distance(Z, "centred"), rtol=0, atol=1e-13)


@pytest.mark.parametrize(("n", "d"), [(32, 768), (64, 4096), (128, 64), (4, 100_000)])
def test_a_block_stays_within_its_bytes(n, d):
    texts, r = module._texts_per_block(n, d), min(n, d)
    numbers = 2 * texts * n * d + (texts * r) ** 2  # rows of two blocks, and their products
    assert 8 * numbers <= module.BLOCK_BYTES
    assert 8 * 4 * numbers >= module.BLOCK_BYTES / 2 or texts == 1  # and it is made use of


@pytest.mark.parametrize(("n", "d"), SHAPES)
def test_texts_without_a_direction_are_at_the_distance_of_the_zero_matrix(n, d):
    Z = hidden(5, n, d) * np.float64(np.pi)
    Z[1] = Z[1, 3]  # constant: nothing but rounding is left when centred, one direction before
    Z[3] = 0  # nothing at all
    unit, centred = jensen_shannon(Z, "unit"), jensen_shannon(Z, "centred")
    np.testing.assert_allclose(unit[3, [0, 1, 2, 4]], np.log(2) / 2, rtol=1e-12)
    assert unit[0, 1] == pytest.approx(every_pair(Z[:2], "unit", js_by_definition)[0, 1], abs=1e-12)
    np.testing.assert_allclose(centred[np.ix_([1, 3], [0, 2, 4])], np.log(2) / 2, rtol=1e-12)
    assert centred[1, 3] == 0
    distance = bures(Z, "centred")
    np.testing.assert_allclose(distance[np.ix_([1, 3], [0, 2, 4])], 1, rtol=1e-12)
    assert distance[1, 3] == 0


@pytest.mark.parametrize(("n", "d"), [(8, 40), (20, 30), (40, 10)])
def test_zero_rows_are_left_out(n, d):
    Z = hidden(3, n, d)
    Z[1, 4:6] = 0
    np.testing.assert_allclose(
        jensen_shannon(Z, "unit"), every_pair(Z, "unit", js_by_definition), atol=1e-12
    )


def test_texts_of_one_token():
    Z = hidden(3, 1, 20).astype(float)
    rows = Z[:, 0] / np.linalg.norm(Z[:, 0], axis=1, keepdims=True)
    angle = np.abs(rows @ rows.T)
    np.testing.assert_allclose(bures(Z, "unit"), np.sqrt(np.maximum(2 - 2 * angle, 0)), atol=1e-7)
    assert not jensen_shannon(Z, "centred").any()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_states_that_are_not_finite_are_refused(bad):
    Z = hidden(3, 8, 40)
    Z[1, 2, 3] = bad
    for distance in (jensen_shannon, bures):
        with pytest.raises(InfogeoError, match=r"token 2, coordinate 3 is"):
            distance(Z, "unit")


# ---------------------------------------------------------------- means, and no model


def test_distances_of_means():
    means = hidden(1, 9, 30)[0]
    found = mean_distances(means)
    exact = means.astype(float)
    np.testing.assert_allclose(found["cosine"], cdist(exact, exact, "cosine"), atol=1e-14)
    centred = exact - exact.mean(axis=0)
    np.testing.assert_allclose(
        found["cosine_centred"], cdist(centred, centred, "cosine"), atol=1e-14
    )
    np.testing.assert_allclose(found["euclidean"], cdist(exact, exact), rtol=1e-13)
    for distance in found.values():
        np.testing.assert_array_equal(distance, distance.T)
        assert not np.diagonal(distance).any()


def test_near_means_keep_the_digits_of_their_distance():
    means = np.full((3, 50), 1e3)
    means[1, 0] += 1e-6
    assert mean_distances(means)["euclidean"][0, 1] == pytest.approx(1e-6, rel=1e-4)


def test_parallel_means_are_at_zero_and_never_below():
    means = np.sqrt(np.arange(1, 99))[:, None] * hidden(1, 1, 30)[0]
    cosine = mean_distances(means)["cosine"]
    assert ((cosine >= 0) & (cosine < 1e-15)).all()


def test_means_without_a_direction_are_at_right_angles():
    found = mean_distances([[0.0, 0.0], [1.0, 2.0], [0.0, 0.0]])
    np.testing.assert_array_equal(found["cosine"], 1 - np.eye(3))
    found = mean_distances(np.tile(np.pi * hidden(1, 1, 30)[0].astype(float), (13, 1)))
    np.testing.assert_array_equal(found["cosine_centred"], 1 - np.eye(13))
    assert not found["euclidean"].any()


def test_bag_of_words():
    token_ids = np.array([[7, 7, 50_000, 1], [1, 50_000, 7, 7], [7, 1, 2, 3], [9, 9, 9, 8]])
    counts = np.stack([np.bincount(row, minlength=50_001) for row in token_ids])
    found = bag_of_words(token_ids)
    np.testing.assert_allclose(found, cosine_distances(counts), atol=1e-15)
    assert found[0, 1] == 0  # order does not matter
    assert found[0, 3] == 1
    assert not np.diagonal(bag_of_words(np.random.default_rng(0).integers(0, 9, (40, 13)))).any()


def test_length():
    np.testing.assert_allclose(
        length([100, 200, 50]), np.log(2) * np.array([[0, 1, 1], [1, 0, 2], [1, 2, 0]]), rtol=1e-14
    )
    with pytest.raises(InfogeoError, match="1 texts cover no byte"):
        length([3, 0])


@pytest.mark.parametrize(("m", "d"), [(20, 50), (50, 6)])
def test_pca_equals_that_of_scikit_learn(m, d):
    means = hidden(1, m, d)[0].astype(float)
    coordinates, explained = pca(means, 3)
    theirs = PCA(3, svd_solver="full").fit(means)
    np.testing.assert_allclose(coordinates, theirs.transform(means), atol=1e-10)
    np.testing.assert_allclose(explained, theirs.explained_variance_ratio_, rtol=1e-10)


def test_pca_of_equal_means_and_of_too_few():
    coordinates, explained = pca(np.ones((5, 4)))
    assert not coordinates.any()
    assert not explained.any()
    with pytest.raises(InfogeoError, match="2 components are wanted of 1 texts in 8 dimensions"):
        pca(np.ones((1, 8)))


# ---------------------------------------------------------------- which texts


def corpus(sizes, empty=0):
    """A corpus whose labels, by turns, have these numbers of texts."""
    labels = [label for label, size in sizes.items() for _ in range(size)] + [""] * empty
    order = np.random.default_rng(0).permutation(len(labels))
    rows = [(f"d{i}", f"text number {i}", labels[i], f"s{i // 2}") for i in order]
    return pd.DataFrame(rows, columns=["doc_id", "text", "label", "source"])


def taken(sample):
    return set(sample["doc_id"][sample["left_out"] == ""])


def test_the_sample_is_balanced_and_accounts_for_every_text():
    frame = corpus({"a": 30, "b": 12, "c": 7, "d": 3}, empty=5)
    sample = labelled(frame, 7, seed=1)
    assert list(sample["doc_id"]) == list(frame["doc_id"])
    assert sample[["label", "source"]].equals(frame[["label", "source"]])
    chosen = sample[sample["left_out"] == ""]
    assert chosen["label"].value_counts().to_dict() == {"a": 7, "b": 7, "c": 7}
    assert sample["left_out"].value_counts().to_dict() == {
        "": 21, "beyond texts_per_label": 28, "label too small": 3, "no label": 5,
    }  # fmt: skip
    assert set(sample["label"][sample["left_out"] == "label too small"]) == {"d"}


def test_the_sample_depends_on_seed_and_texts_but_not_on_order_or_other_labels():
    frame = corpus({"a": 40, "b": 40})
    first = taken(labelled(frame, 10, seed=1))
    assert first != taken(labelled(frame, 10, seed=2))
    assert first == taken(labelled(frame.iloc[::-1], 10, seed=1))
    assert first == taken(labelled(frame.sample(frac=1, random_state=3), 10, seed=1))
    more = pd.DataFrame(
        {"doc_id": ["x1", "x2"], "text": ["one more", "and two"], "label": "a", "source": "s"}
    )
    changed = taken(labelled(pd.concat([more, frame], ignore_index=True), 10, seed=1))
    assert len(first - changed) <= 2
    other = corpus({"c": 20}).assign(doc_id=[f"y{i}" for i in range(20)])
    third = taken(labelled(pd.concat([frame, other], ignore_index=True), 10, seed=1))
    assert first == {doc_id for doc_id in third if not doc_id.startswith("y")}


def test_bad_labels_are_refused_with_a_remedy():
    with pytest.raises(InfogeoError, match=r"none of the 4 texts .* label_column"):
        labelled(corpus({}, empty=4), 2, seed=1)
    with pytest.raises(
        InfogeoError, match=r"'a': 9.*Lower sentences.texts_per_label.*label_column"
    ):
        labelled(corpus({"a": 9}, empty=4), 2, seed=1)
    with pytest.raises(InfogeoError, match=r"two labels with 5 texts .* 'a': 9, 'b': 1"):
        labelled(corpus({"b": 1, "a": 9}), 5, seed=1)
    assert len(taken(labelled(corpus({"b": 1, "a": 9}), 1, seed=1))) == 2


# Tokens of the texts t0, t1 …; n = 4
TOKENS = [
    [1, 2, 3, 4, 5], [1, 2, 3], [1, 2, 3, 4, 9, 9], [6, 6, 6, 6, 7], [4, 3, 2, 1], [8, 8, 8, 1],
]  # fmt: skip


def texts_of(tokens=TOKENS, n=4, sampled=(0, 1, 2, 3, 4, 7), doc_ids=None):
    """Texts t0, t1 …, labels by turns; t7 was sampled and is not among them, t5 was not."""
    doc_ids = doc_ids or [f"t{i}" for i in range(len(tokens))]
    names = [f"t{i}" for i in range(8)]
    left_out = ["" if i in sampled else "label too small" for i in range(8)]
    return Texts.of(
        doc_ids,
        [f"label {i % 2}" for i in range(len(tokens))],
        [f"source {i}" for i in range(len(tokens))],
        np.cumsum([0, *map(len, tokens)]),
        np.concatenate(tokens),
        np.concatenate([3 * np.arange(1, len(text) + 1) for text in tokens]),
        sample=pd.DataFrame({"doc_id": names, "left_out": left_out}),
        n=n,
    )


def test_texts_that_cannot_be_compared_are_left_out_and_counted():
    texts = texts_of()
    assert texts.doc_ids == ["t0", "t4"]
    assert texts.labels == ["label 0", "label 0"]
    assert texts.sources == ["source 0", "source 4"]
    assert texts.index.tolist() == [0, 4]
    assert texts.token_ids.tolist() == [[1, 2, 3, 4], [4, 3, 2, 1]]
    assert texts.byte_counts.tolist() == [12, 12]
    assert texts.left_out == {"label too small": 2, "too short": 2, "one token": 1, "duplicate": 1}
    # With one more token t2 is no duplicate and t3 not of one token; t4 is too short.
    longer = texts_of(n=5)
    assert longer.doc_ids == ["t0", "t2", "t3"]
    assert longer.left_out == {"label too small": 2, "too short": 3, "one token": 0, "duplicate": 0}


@pytest.mark.parametrize("n", [1, 6, 7])
def test_fewer_than_two_texts_are_refused_with_the_reasons(n):
    with pytest.raises(InfogeoError, match=r"sentences\.n: [01] of 6 texts .*too short: \d"):
        texts_of(n=n)


# ---------------------------------------------------------------- of a model

WIDTHS = {"0": 20, "1": 20, "final": 6}


def every_state(seed=0, tokens=TOKENS):
    """layer → states of every text."""
    rng = np.random.default_rng(seed)
    return {
        layer: [rng.standard_normal((len(text), d)).astype(np.float32) for text in tokens]
        for layer, d in WIDTHS.items()
    }


def by_layer(states):
    return lambda: ((i, layer, Z) for layer, Zs in states.items() for i, Z in enumerate(Zs))


def by_text(states):
    return lambda: ((i, layer, Zs[i]) for i in range(len(TOKENS)) for layer, Zs in states.items())


@pytest.mark.parametrize("order", [by_layer, by_text])
def test_states_are_gathered_by_text_whatever_their_order(order):
    states, texts = every_state(), texts_of(n=5)
    found = dict(of_states(order(states), texts, ["final", "0"]))
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

    for layer, _ in of_states(watched, texts_of(), ["0", "1", "final"]):
        assert read_so_far[-1] == layer


def test_states_may_come_in_a_buffer_that_is_used_again():
    states, texts = every_state(), texts_of()
    plain = dict(of_states(by_layer(states), texts, ["0"]))

    def reusing():
        buffer = np.empty((6, 20), np.float32)
        for i, Z in enumerate(states["0"]):
            buffer[: len(Z)] = Z
            yield i, "0", buffer[: len(Z)]

    np.testing.assert_array_equal(dict(of_states(reusing, texts, ["0"]))["0"], plain["0"])


def test_states_that_do_not_fit_the_texts_are_refused_by_name():
    states, texts = every_state(), texts_of()
    with pytest.raises(InfogeoError, match=r"without all of their texts: 7 \(0 of 2\)"):
        list(of_states(by_layer(states), texts, ["0", "7"]))
    states["1"][4] = states["1"][4][:3]
    with pytest.raises(InfogeoError, match=r"text 't4', layer 1: 3 states, but 4 tokens"):
        list(of_states(by_layer(states), texts, ["1"]))
    states["0"][4][2, 1] = np.nan
    with pytest.raises(InfogeoError, match=r"text 't4', layer 0: token 2, coordinate 1 is nan"):
        list(of_states(by_layer(states), texts, ["0"]))
    states["final"][0][4] = np.nan  # beyond the first n tokens
    assert len(list(of_states(by_layer(states), texts, ["final"]))) == 1


def test_every_distance_of_a_model():
    states, texts = every_state(), texts_of(n=5)
    layers = {"0": "0", "0.5": "0", "final": "final"}  # two depths may have one layer
    found = measure(texts, [by_layer(states)], layers)
    assert set(found.means) == {(0, depth) for depth in layers}
    expected = {(0, depth, name) for depth in layers for name in DISTANCES}
    assert set(found.distances) == expected | {(0, "", name) for name in BASELINES}
    for depth, layer in layers.items():
        Z = np.stack([states[layer][i][:5] for i in (0, 2, 3)])
        means = Z.astype(float).mean(axis=1)
        np.testing.assert_allclose(found.means[0, depth], means, rtol=1e-6)
        assert found.means[0, depth].dtype == np.float32
        for convention in CONVENTIONS:
            js, distance = found.distances[0, depth, f"js_{convention}"], bures(Z, convention)
            np.testing.assert_allclose(js**2, jensen_shannon(Z, convention), atol=1e-15)
            np.testing.assert_array_equal(
                found.distances[0, depth, f"bures_{convention}"], distance
            )
        for name, distance in mean_distances(means).items():
            np.testing.assert_array_equal(found.distances[0, depth, name], distance)
    np.testing.assert_array_equal(
        found.distances[0, "", "bag_of_words"], bag_of_words([TOKENS[i][:5] for i in (0, 2, 3)])
    )
    np.testing.assert_array_equal(found.distances[0, "", "length"], np.zeros((3, 3)))
    assert (found.doc_ids, found.n) == (["t0", "t2", "t3"], 5)
    assert found.left_out == texts.left_out


def test_twins_have_draws_and_no_bures_nor_baselines():
    texts = texts_of()
    draws = (by_layer(every_state(seed)) for seed in (1, 2))
    found = measure(texts, draws, {"0.5": "1"}, TWIN_DISTANCES)
    assert set(found.means) == {(0, "0.5"), (1, "0.5")}
    assert set(found.distances) == {(i, "0.5", name) for i in (0, 1) for name in TWIN_DISTANCES}
    alone = measure(texts, [by_layer(every_state(2))], {"0.5": "1"}, ["js_unit"])
    assert set(alone.distances) == {(0, "0.5", "js_unit")}
    np.testing.assert_array_equal(
        found.distances[1, "0.5", "js_unit"], alone.distances[0, "0.5", "js_unit"]
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


# ---------------------------------------------------------------- on disk


@pytest.fixture
def measured():
    texts = texts_of(n=5)
    return measure(texts, [by_layer(every_state())], {"0.5": "1", "final": "final"})


def assert_same(one: Sentences, other: Sentences):
    for name in ("doc_ids", "labels", "sources", "left_out", "n"):
        assert getattr(one, name) == getattr(other, name)
    for name in ("means", "distances"):
        left, right = getattr(one, name), getattr(other, name)
        assert set(left) == set(right)
        for key in left:
            np.testing.assert_array_equal(left[key], right[key])
            assert left[key].dtype == right[key].dtype


def test_what_is_saved_comes_back_and_repeats_byte_for_byte(measured, tmp_path):
    save(tmp_path / "a.h5", measured, "fingerprint")
    time.sleep(1.1)  # times in a file would be whole seconds
    save(tmp_path / "b.h5", measured, "fingerprint")
    assert_same(load(tmp_path / "a.h5", "fingerprint"), measured)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


def test_draws_of_twins_come_back_in_order(tmp_path):
    draws = [by_layer(every_state(seed)) for seed in range(11)]
    twins = measure(texts_of(), draws, {"1": "1"}, ["cosine"])
    save(tmp_path / "a.h5", twins, "fingerprint")
    found = load(tmp_path / "a.h5")
    assert_same(found, twins)
    assert list(found.means) == [(draw, "1") for draw in range(11)]


def test_labels_of_any_script_come_back(measured, tmp_path):
    names = ["a/b", "", "日本 <b>"]
    odd = Sentences(names, names, names, {}, 5, measured.means, measured.distances)
    save(tmp_path / "a.h5", odd, "fingerprint")
    assert_same(load(tmp_path / "a.h5"), odd)


def test_files_that_are_not_what_is_expected_are_refused(measured, tmp_path):
    path = tmp_path / "a.h5"
    with pytest.raises(InfogeoError, match=r"a\.h5: no such file"):
        load(path)
    save(path, measured, "one fingerprint")
    with pytest.raises(InfogeoError, match=r"one fingerpr.*snakemake -R"):
        load(path, "another")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InfogeoError, match=r"not a whole file of sentences .* snakemake -R"):
        load(path)
    damaged = bytearray(whole)
    place = whole.find(measured.distances[0, "final", "js_unit"].tobytes())
    damaged[place + 10] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(InfogeoError, match=r"its content is damaged .* snakemake -R"):
        load(path)
    with h5py.File(path, "w") as file:
        file.attrs["format"] = "infogeo spectra"
    with pytest.raises(InfogeoError, match="but not a file of sentences"):
        load(path)


def test_nothing_is_left_of_a_file_that_could_not_be_written(measured, tmp_path):
    measured.means[0, "bad"] = object()
    with pytest.raises(TypeError):
        save(tmp_path / "a.h5", measured, "fingerprint")
    assert not list(tmp_path.iterdir())
