import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import PCA

from infogeo.files.errors import InfogeoError
from infogeo.sentences import maps as sentence_maps
from infogeo.sentences.file import Sentences
from infogeo.sentences.maps import pca

LABELS = np.repeat(["email", "json", "unittest"], 20)
LIBRARY = Path(sentence_maps.__file__).parents[2]
AGAIN = """
import sys
import numpy as np
from infogeo.sentences.maps import umap
means = np.frombuffer(sys.stdin.buffer.read(), np.float32).reshape(60, 24)
sys.stdout.buffer.write(umap(means, neighbours=10, seed=5).tobytes())
"""


def means_of(seed=0, width=24):
    """Mean embeddings (60, width) of three labels, far from 0 as those of real models."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(3, width))[np.repeat(range(3), 20)]
    return (centres + 0.3 * rng.normal(size=(60, width)) + 2).astype(np.float32)


def sentences_of(means):
    m = len(LABELS)
    return Sentences(
        doc_ids=[f"doc {i}" for i in range(m)], labels=LABELS.tolist(),
        sources=[f"source {i % 7}" for i in range(m)], left_out={}, n=32, means=means, distances={},
    )  # fmt: skip


@pytest.fixture(scope="module")
def placed():
    """UMAP of some means: (means, places)."""
    means = means_of()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        return means, sentence_maps.umap(means, neighbours=10, seed=5)


@pytest.mark.long
def test_umap_repeats_bit_for_bit_here_and_in_another_process(placed):
    means, ours = placed
    theirs = subprocess.run(
        [sys.executable, "-c", AGAIN], input=means.tobytes(), stdout=subprocess.PIPE, check=True,
        env=os.environ | {"PYTHONPATH": str(LIBRARY), "PYTHONHASHSEED": "7"},
    ).stdout  # fmt: skip
    assert (ours.shape, ours.dtype) == ((60, 2), np.float32)
    assert ours.tobytes() == theirs
    assert sentence_maps.umap(means, neighbours=10, seed=5).tobytes() == theirs


def test_umap_changes_with_the_seed_and_the_neighbours(placed):
    means, ours = placed
    for neighbours, seed in ((10, 6), (20, 5)):
        other = sentence_maps.umap(means, neighbours=neighbours, seed=seed)
        assert not np.allclose(other, ours)


def test_texts_of_one_label_lie_together(placed):
    _, ours = placed
    apart = np.linalg.norm(ours[:, None] - ours, axis=-1)
    np.fill_diagonal(apart, np.inf)
    assert (LABELS[apart.argmin(axis=1)] == LABELS).all()


def test_near_is_the_cosine_the_length_of_a_mean_does_not_count(placed):
    means, ours = placed
    lengths = 2.0 ** np.random.default_rng(1).integers(-3, 4, size=(60, 1))
    scaled = sentence_maps.umap(means * lengths, neighbours=10, seed=5)
    np.testing.assert_array_equal(scaled, ours)


@pytest.mark.parametrize("texts", [4, 5, 11])
def test_few_texts_have_a_map_of_as_many_neighbours_as_there_are(texts, placed):
    few = placed[0][:texts]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = sentence_maps.umap(few, neighbours=15, seed=0)
    assert found.shape == (texts, 2)
    assert np.isfinite(found).all()


def test_equal_and_vanishing_means_have_a_place(placed):
    means = placed[0].copy()
    means[:12] = means[0]
    means[12:14] = 0
    assert np.isfinite(sentence_maps.umap(means, neighbours=10, seed=0)).all()


@pytest.mark.parametrize("texts", [0, 1, 3])
def test_too_few_texts_are_refused_with_what_to_do(texts):
    with pytest.raises(InfogeoError, match=rf"UMAP: {texts} text.* 4 are needed.*texts_per_label"):
        sentence_maps.umap(means_of()[:texts], neighbours=10, seed=0)


def test_maps_have_a_row_for_every_depth_and_text_with_both_maps(placed):
    means, ours = placed
    by_depth = {(0, "0.5"): means_of(1, width=8), (0, "final"): means}
    sentences = sentences_of(by_depth)
    frame = sentence_maps.maps("ladder/w8", sentences, neighbours=10, seed=5)
    assert frame.columns.tolist() == [
        "model", "depth", "doc_id", "label", "source",
        "pca_1", "umap_1", "explained_1", "pca_2", "umap_2", "explained_2",
    ]  # fmt: skip
    assert set(frame["model"]) == {"ladder/w8"}
    for depth in ("0.5", "final"):
        rows = frame[frame["depth"] == depth]
        for column, values in (
            ("doc_id", sentences.doc_ids), ("label", sentences.labels),
            ("source", sentences.sources),
        ):  # fmt: skip
            assert rows[column].tolist() == values
        places, explained = pca(by_depth[0, depth], 2)
        np.testing.assert_array_equal(rows[["pca_1", "pca_2"]], places)
        assert (rows[["explained_1", "explained_2"]] == explained).all(axis=None)
    np.testing.assert_array_equal(frame[["umap_1", "umap_2"]][60:], ours)


@pytest.mark.parametrize(("m", "d"), [(20, 50), (50, 6)])
def test_pca_equals_that_of_scikit_learn(m, d):
    means = np.random.default_rng(0).standard_normal((m, d)) * np.arange(1, d + 1) ** -0.7 + 1
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
