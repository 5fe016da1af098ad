"""model.json: read, checked, and laid beside tables."""

import json

import pandas as pd
import pytest

from infogeo.files.errors import InfogeoError
from infogeo.sources import cards


@pytest.fixture
def card(tmp_path):
    """The card of a model of one small file."""
    (tmp_path / "config.json").write_text("{}")
    files = {"config.json": {"bytes": 2, "sha256": ""}}
    return {"slug": "m", "directory": str(tmp_path), "files": files, "fingerprint": "f"}


def test_a_card_of_other_settings_is_refused(card, tmp_path):
    path = tmp_path / "model.json"
    path.write_text(json.dumps(card))
    assert cards.read(path, "f") == card
    with pytest.raises(InfogeoError, match=r"model\.json: has the fingerprint f"):
        cards.read(path, "g")


@pytest.mark.parametrize("content", [None, "{ }"], ids=["gone", "changed"])
def test_files_that_are_gone_or_changed_are_named_before_a_model_runs(card, tmp_path, content):
    cards.require_files(card)
    (tmp_path / "config.json").unlink()
    if content:
        (tmp_path / "config.json").write_text(content)
    message = r"config\.json: gone or changed .* snakemake -R results/models/m/model\.json"
    with pytest.raises(InfogeoError, match=message):
        cards.require_files(card)


def test_rows_of_a_model_name_its_commit():
    frame = pd.DataFrame({"corpus": "c", "model": ["a", "b", "a"], "y": [1, 2, 3]})
    models = [{"slug": "a", "commit": "abc"}, {"slug": "b", "commit": ""}]
    found = cards.with_commits(frame, models)
    assert list(found.columns) == ["corpus", "model", "commit", "y"]
    assert found["commit"].tolist() == ["abc", "", "abc"]


def test_what_a_row_says_of_a_model_is_taken_before_its_card(card, tmp_path):
    path = tmp_path / "model.json"
    path.write_text(json.dumps(card | {"train_tokens": 5, "width": 8}))
    of_row, of_card = cards.described([path] * 2, ["width", "train_tokens"],
                                      slug=["a", "b"], train_tokens=[3, None])  # fmt: skip
    assert of_row == {"slug": "a", "train_tokens": 3, "width": 8}
    assert of_card == {"slug": "b", "train_tokens": 5, "width": 8}
