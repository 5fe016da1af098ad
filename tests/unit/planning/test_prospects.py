"""What a run will not be able to judge is known from its tables."""

import pytest

from infogeo.context import distribution
from infogeo.files.errors import InfogeoError
from infogeo.inference import regression
from infogeo.planning import configuration, input_tables, prospects
from infogeo.planning.prospects import LEAST_SIZES

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


# ---------------------------------------------------------------- notes

HUB = {"source": "hub", "family": "f", "dtype": "float32", "kind": "causal", "params": None,
       "replicate": None}  # fmt: skip


def family(*changes):
    """Rows of models m0, m1 … of one family, each with its changes."""
    return [
        HUB | {"slug": f"m{i}", "where": f"a/m{i}"} | own for i, own in enumerate(changes)
    ]  # fmt: skip


def notes(models, results="nowhere", corpora=(DOCSTRINGS,), **config):
    return prospects.notes(models, list(corpora), configuration.merged(config), results)


def ladder(*members):
    return [{"source": "ladder", "where": f"small/{name}"} for name in members]


def test_where_all_can_be_judged_nothing_is_said():
    assert notes(family({}, {}, {})) == []
    unlabelled = DOCSTRINGS | {"source": "local", "where": "a.jsonl"}
    assert notes(family({}, {}, {}), corpora=[unlabelled]) == []
    assert notes(family({}, {}, {}), sentences={"corpora": []}) == []


def test_what_a_family_lacks_of_which_only_states_are_there_is_in_its_line():
    (line,) = notes(family({}, {}, {"source": "states", "where": "given"}))
    assert line.startswith("family f: no twins, token selection, ablation")
    assert line.endswith("states of another engine, whose model is not here")


def test_without_stored_states_there_are_no_similarities_and_a_line_says_so():
    (line,) = notes(family({}, {}, {}), keep_hidden_states=False)
    assert line.startswith("all models: no similarities") and "keep_hidden_states: true" in line


def test_what_a_family_of_encoders_lacks_is_in_its_line():
    (line,) = notes(family(*[{"kind": "encoder"}] * 3))
    assert line.startswith("family f: no likelihoods, gains, token selection, ablation: an encoder")


def test_a_family_of_two_dtypes_is_one_line():
    (line,) = notes(family({}, {"dtype": "bfloat16"}))
    assert line.startswith("family f: no scaling law: its models have the dtypes bfloat16, float32")


@pytest.mark.parametrize(
    ("rows", "sizes"),
    [
        ([{"pair_with": "b"}], None),
        ([{}], "1 size,"),
        ([{}, {}], "2 sizes,"),
        (ladder("w32-d1-s0", "w32-d1-s1", "w64-d1-s0"), "2 sizes,"),
        ([{"params": 5}, {"params": 5}, {"params": 6}], "2 sizes,"),
        ([{"replicate": 1}, {"replicate": 2}, {"replicate": 3}], "1 size,"),
        ([{"replicate": i % 2} for i in range(6)], None),
    ],
)
def test_fewer_than_three_sizes_are_counted_without_replicates(rows, sizes):
    lines = notes(family(*rows))
    assert lines == ([] if sizes is None else [f"family f: no scaling law: {sizes} 3 are needed"])


def test_tokenizers_are_compared_where_they_are_known(tmp_path):
    three = family({}, {}, {})
    for slug, tokenizer in (("m0", "a"), ("m1", "b")):
        card = tmp_path / "models" / slug / "model.json"
        card.parent.mkdir(parents=True)
        card.write_text(f'{{"tokenizer_sha256": "{tokenizer}"}}')
    (line,) = notes(three, tmp_path)
    assert line.startswith(
        "family f: laws of prefix_bits_per_byte alone: its models have 2 tokenizers"
    )
    assert notes(three) == []
    for name, content in (("x", '{"a": 1}'), ("y", '{"padding": 1, "a": 1}'), ("z", "{")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tokenizer.json").write_text(content)
    local = [{"source": "local", "where": str(tmp_path / name)} for name in "xyz"]
    assert notes(family(*local)) == []
    (tmp_path / "z/tokenizer.json").write_text('{"a": 2}')
    assert "2 tokenizers" in notes(family(*local))[0]


def test_a_corpus_with_too_little_is_one_line():
    few = DOCSTRINGS | {"slug": "few", "texts": 5, "where": "pandas"}
    (line,) = notes(family({}, {}, {}), corpora=[DOCSTRINGS, few])
    assert line.startswith(
        "corpus few: no verdict on token ablation and on Lasso: of 5 texts, 8 are needed"
    )
    assert "; no study of sentences; to add: another package" in line
    (line,) = notes(family({}, {}, {}), states={"attention_texts": 4})
    assert "of 4 texts" in line


def test_what_is_too_little_is_what_the_studies_say():
    assert prospects.LEAST_ABLATED == distribution.MIN_TEXTS
    few, enough = ([1.0] * count for count in (LEAST_SIZES - 1, LEAST_SIZES))
    assert f"at least {LEAST_SIZES}" in regression.reason_no_fit(few, few)
    assert "at least" not in regression.reason_no_fit(enough, enough)


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


@pytest.mark.parametrize(
    ("pairs", "left_out"),
    [(["a"], True), (["a", ""], False), (["a", "b"], True), (["a", "b", "c"], False)],
)
def test_families_of_too_few_sizes_that_are_set_beside_others_have_no_law(pairs, left_out):
    models = family({}, {}, {}) + [
        HUB | {"slug": f"b{i}", "where": f"b/{i}", "family": "g", "pair_with": other}
        for i, other in enumerate(pairs)
    ]
    assert prospects.families_beside(models) == ["g"] * left_out
