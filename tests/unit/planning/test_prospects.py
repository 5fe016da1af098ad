"""What a run will not be able to judge is known from its tables."""

import pytest

from infogeo.files.errors import InfogeoError
from infogeo.planning import configuration, input_tables, prospects

DOCSTRINGS = {"slug": "docs", "source": "docstrings", "where": "", "texts": 400, "label_column": ""}


def lacking(**changes):
    """What the built-in corpus with these changes lacks."""
    config = configuration.merged({"sentences": changes.pop("sentences", {})})
    return prospects.lacking_for_sentences([DOCSTRINGS | changes], config)["docs"]


def test_labelled_corpora_with_enough_texts_lack_nothing():
    assert (
        lacking() == lacking(texts=50) == lacking(texts=0) == lacking(where="numpy, pandas") == ""
    )
    assert lacking(source="local", where="a.jsonl", label_column="kind") == ""
    assert lacking(texts=30, sentences={"texts_per_label": 15}) == ""
    assert lacking(sentences={"corpora": ["docs"]}) == ""


def test_what_lacks_is_said():
    assert lacking(source="local", where="a.jsonl") == prospects.NO_LABELS
    assert lacking(sentences={"corpora": []}) == prospects.NOT_CHOSEN
    assert "another package" in lacking(where=" pandas,", texts=30)
    assert "it takes 30: two labels with 25" in lacking(texts=30)


def test_a_chosen_corpus_must_be_there_and_have_labels(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n')
    (tmp_path / "corpora.tsv").write_text(
        "slug\tsource\twhere\ttexts\ttrain_share\n"
        "docs\tdocstrings\t\t400\t0.9\nplain\tlocal\ta.jsonl\t400\t0\n"
    )
    (tmp_path / "models.tsv").write_text(
        "slug\tfamily\tsource\twhere\tdtype\nm\tf\thub\ta/b\tfloat32\n"
    )
    tables = {"corpora": "corpora.tsv", "models": "models.tsv"}
    config = configuration.merged(tables | {"sentences": {"corpora": ["docs", "doc", "plain"]}})
    with pytest.raises(InfogeoError) as raised:
        input_tables.read(config)
    assert "sentences.corpora: 'doc' is not a slug in corpora.tsv (docs, plain)" in str(
        raised.value
    )
    assert "sentences.corpora: 'plain' has no labels in corpora.tsv" in str(raised.value)
