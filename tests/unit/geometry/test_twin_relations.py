"""The relations of twins' gains with a model's likelihoods, from what is on disk."""

from types import SimpleNamespace

import numpy as np
import pytest

from infogeo.files.errors import InfogeoError
from infogeo.geometry import gain_tables, token_gains
from infogeo.geometry.layer_gains import FullTexts, LayerGains
from infogeo.geometry.twin_relations import COLUMNS, crossed_relations

TEXTS, N = 6, 9
KINDS = [("lambda=0.1", 0.1), ("eps2=0.5", 0.25)]


@pytest.fixture
def model():
    """What the spectra of a model say of its texts, one of which is short."""
    rng = np.random.default_rng(0)
    offsets = np.append(np.arange(0, TEXTS * N + 1, N), TEXTS * N + 4)
    tokens = SimpleNamespace(
        offsets=offsets, nll=rng.uniform(size=offsets[-1]),
        predictive_entropy=rng.uniform(size=offsets[-1]), token_end_byte=np.arange(offsets[-1]),
    )  # fmt: skip
    doc_ids = [f"t{text}" for text in range(TEXTS + 1)]
    return SimpleNamespace(path="m.h5", tokens=tokens, documents=SimpleNamespace(doc_ids=doc_ids))


@pytest.fixture
def twins(model, tmp_path):
    """Two draws on disk, their texts, and the gains that were written."""
    rng = np.random.default_rng(1)
    token_ids = rng.integers(0, 5, model.tokens.offsets[-1])
    doc_ids = model.documents.doc_ids
    texts = FullTexts.of(doc_ids, doc_ids, model.tokens.offsets, token_ids, N)
    ends = model.tokens.token_end_byte[: TEXTS * N].reshape(TEXTS, N)
    written, files = [], []
    for draw in range(2):
        of_layers = [
            LayerGains(layer, 8, KINDS, rng.uniform(size=(2, TEXTS, N)), None, None)
            for layer in ("0", "final")
        ]
        path = tmp_path / f"{draw}.h5"
        with token_gains.writing(path, texts, ends, "f") as add:
            for gains in of_layers:
                add(gains)
        written.append(of_layers)
        files.append(token_gains.TokenGains(path, "f"))
    return SimpleNamespace(texts=texts, written=written, files=files)


def test_relations_are_those_of_gains_in_memory(model, twins):
    table = crossed_relations(model, twins.files)
    assert list(table.columns) == COLUMNS and len(table) == 2 * 2 * 2 * 2
    tokens = model.tokens
    scores = twins.texts.scores_of_model(tokens.nll, tokens.predictive_entropy, tokens.offsets)
    for draw, of_layers in enumerate(twins.written):
        for gains in of_layers:
            expected = gain_tables.relation_table([gains], twins.texts, scores)
            of_layer = table[(table["draw"] == draw) & (table["layer"] == gains.layer)]
            by = ["regulariser", "relation"]
            one, other = (
                frame.sort_values(by)["partial_spearman"].to_numpy()
                for frame in (of_layer, expected)
            )
            np.testing.assert_allclose(one, other, rtol=1e-9)


def test_a_model_that_sees_other_tokens_than_its_twins_is_refused(model, twins):
    model.tokens.token_end_byte[N + 3] += 1
    with pytest.raises(InfogeoError, match=r"m\.h5: its 6 texts.*snakemake -R m\.h5.*0\.h5"):
        crossed_relations(model, twins.files)


def test_a_model_of_other_texts_than_its_twins_is_refused(model, twins):
    model.documents.doc_ids[2] = "another"
    with pytest.raises(InfogeoError, match="not those of its untrained twins"):
        crossed_relations(model, twins.files)


def test_where_twins_have_no_gains_there_are_no_rows(model, tmp_path):
    token_gains.write_none(tmp_path / "none.h5", "f")
    of_encoder = [token_gains.TokenGains(tmp_path / "none.h5", "f")]
    for twins in (of_encoder, []):
        table = crossed_relations(model, twins)
        assert list(table.columns) == COLUMNS and table.empty
