"""Dimension and similarity of matrices in memory, by the functions of the workflow."""

import numpy as np
import pytest

import infogeo
from infogeo.files.errors import InfogeoError
from infogeo.geometry import dimension, similarity, similarity_inference

rng = np.random.default_rng(0)
POINTS = rng.standard_normal((60, 3)) @ rng.standard_normal((3, 12))
SOURCES = np.repeat(np.arange(20), 3)


def test_a_dimension_is_that_of_the_workflow():
    table = infogeo.dimension(POINTS.astype("f4"), sources=SOURCES, most=4, draws=19, seed=3)
    lines = dimension.measure(POINTS.astype("f4").astype(float), SOURCES, most=4, draws=19, seed=3)
    assert table.to_dict("records") == lines
    assert 2 < table.set_index(["estimator", "scale"]).loc[("gride", 4), "value"] < 4


@pytest.mark.parametrize("measure", similarity.MEASURES)
def test_a_similarity_is_that_of_the_workflow_beside_permuted_texts(measure):
    layers = {"a": POINTS, "b": POINTS[:, :5], "c": rng.standard_normal((60, 7))}
    table = infogeo.similarity(layers, measure=measure, sources=SOURCES, permutations=19)
    compared = similarity.compare(list(layers.values()), measure, sources=SOURCES, keep=True)
    null = similarity_inference.permuted(compared, permutations=19, seed=0)
    pairs = table.set_index(["one", "other"])
    assert list(pairs.index) == [("a", "b"), ("a", "c"), ("b", "c")]
    assert pairs.loc[("a", "b"), "value"] == compared.values[0, 1]
    assert pairs.loc[("b", "c"), "null"] == null.mean[1, 2]
    assert (pairs["low"] <= pairs["value"]).all()
    assert (pairs["value"] <= pairs["high"]).all()
    assert pairs.loc[("a", "b"), "p"] == 0.05  # of 19 permutations none is as similar


def test_a_representation_without_a_similarity_has_its_reason():
    table = infogeo.similarity([POINTS, np.ones((60, 4)), POINTS + 1], permutations=5)
    assert table["value"].isna().tolist() == [True, False, True]
    assert table["reason"].map(bool).tolist() == [True, False, True]


@pytest.mark.parametrize("texts", [3, 4, 5])
def test_too_few_texts_have_their_reason(texts):
    pair = [POINTS[:texts], POINTS[10 : 10 + texts]]
    table = infogeo.similarity(pair, sources=[0, 0, 0, 1, 2][:texts], permutations=5)
    assert table["low"].isna().all()
    assert table["value"].isna().all() == (texts == 3)
    if texts < 5:
        assert table["reason"].str.contains("needed|needs").all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: infogeo.dimension(POINTS[None]), r"shape \(1, 60, 12\)"),
        (lambda: infogeo.dimension(POINTS, sources=[1, 2]), "sources: 2 of them for 60 rows"),
        (lambda: infogeo.dimension(POINTS * np.inf), "rows: token 0, coordinate 0 is"),
        (lambda: infogeo.similarity([]), "no representation"),
        (lambda: infogeo.similarity([POINTS], measure="cca"), "measure 'cca'"),
        (lambda: infogeo.similarity([POINTS, POINTS[1:]]), "rows of 59 texts"),
        (lambda: infogeo.similarity([POINTS[:0], POINTS[:0]]), "no text"),
        (lambda: infogeo.similarity([POINTS], permutations=0), "permutations: 0"),
        (lambda: infogeo.similarity([POINTS], neighbours=0), "neighbours: 0"),
    ],
)
def test_what_is_no_matrix_of_rows_is_refused(call, message):
    with pytest.raises(InfogeoError, match=message):
        call()
