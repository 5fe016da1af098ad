import json
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from infogeo.figures import text_view
from infogeo.files.errors import InfogeoError

TEXT = "The naïve café\n</script><b>cost</b> & more\u2028text"
KS = [1, 2, 4]


def tokens_of(doc_id, text, cuts, ks=KS, seed=0):
    """A table of selection_tokens: a special token, then the bytes cut at `cuts`."""
    edges = [0, *cuts, len(text.encode())]
    starts, ends = [0, *edges[:-1]], [0, *edges[1:]]
    rng, n = np.random.default_rng(seed), len(starts)

    def weights():
        return [*rng.normal(size=n - 1), np.nan]

    return pd.DataFrame(
        {
            "doc_id": doc_id, "position": range(n),
            "token_start_byte": starts, "token_end_byte": ends,
            "attention_mean": np.abs(weights()), "attention_rollout": np.abs(weights()),
            "ridge": weights(), **{f"lasso_{k}": weights() for k in ks},
        }
    )  # fmt: skip


def page(models, texts, **other):
    return text_view.page(models, texts, **{"corpus": "docs", "k": KS, "most": 3} | other)


class Page(HTMLParser):
    """Elements of a page with their attributes and text."""

    def __init__(self, source):
        super().__init__()
        self.elements = []
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        self.elements.append([tag, dict(attrs), ""])

    def handle_data(self, data):
        if self.elements:
            self.elements[-1][2] += data

    def all(self, tag):
        return [(attrs, text) for name, attrs, text in self.elements if name == tag]

    def data(self):
        ((_, text),) = [found for found in self.all("script") if found[0].get("id") == "data"]
        return json.loads(text)


CUTS = [3, 7, 8, 10, 14, 16, 17, 26, 30]  # 7 falls into the two bytes of ï


@pytest.fixture(scope="module")
def one():
    frame = tokens_of("a", TEXT, CUTS)
    return frame, Page(page([("big", frame)], {"a": TEXT}))


def test_every_token_carries_its_values_to_four_digits(one):
    frame, found = one
    (text,) = found.data()["models"][0]["texts"]
    columns = {"attention": "attention_mean", "rollout": "attention_rollout", "ridge": "ridge"}
    drawn = {column: text[name] for name, column in columns.items()}
    drawn |= {f"lasso_{k}": text["lasso"][str(k)] for k in KS}
    for column, values in drawn.items():
        np.testing.assert_allclose(np.array(values, dtype=float), frame[column], rtol=1e-3)
    assert text["positions"] == list(range(len(frame)))
    assert text["ridge"][-1] is None  # the target itself


def test_tokens_are_the_texts_bytes_with_white_space_to_see(one):
    tokens = one[1].data()["models"][0]["texts"][0]["tokens"]
    assert tokens[:5] == ["⟨no text⟩", "The", "␣na�", "�", "ve"]
    assert "".join(tokens[5:]) == "␣café↵</script><b>cost</b>␣&␣more\u2028text"


def test_nothing_in_a_text_ends_the_script_or_becomes_an_element(one):
    _, found = one
    assert len(found.all("script")) == 2
    assert not found.all("b")
    source = page([("big", tokens_of("a", TEXT, CUTS))], {"a": TEXT})
    assert "\u2028" not in source
    assert source.count("</script>") == 2


def test_names_cannot_become_elements_either():
    frame = tokens_of("<u>doc", TEXT, CUTS)
    found = Page(page([("<u>model", frame)], {"<u>doc": TEXT}, corpus="<u>corpus & co"))
    assert not found.all("u")
    assert "corpus <u>corpus & co" in found.all("title")[0][1]
    assert found.data()["models"][0]["name"] == "<u>model"


def test_the_page_needs_no_network_and_has_labelled_controls(one):
    _, found = one
    for _, attrs, _ in found.elements:
        assert not {"src", "srcset", "action"} & set(attrs)
        assert attrs.get("href", "data:,") == "data:,"
    assert found.all("html")[0][0]["lang"] == "en"
    assert found.all("meta")[0][0]["charset"] == "utf-8"
    assert [attrs["id"] for attrs, _ in found.all("select")] == ["model", "text", "k"]
    assert len(found.all("label")) == 3
    assert "http" not in page([], {})


def test_every_element_that_the_code_asks_for_is_there(one):
    ids = {attrs["id"] for _, attrs, _ in one[1].elements if "id" in attrs}
    assert {"model", "text", "k", "summary", "lasso", "attention", "ridge", "rows"} <= ids


def test_the_k_to_choose_from_are_those_given_and_a_lasso_without_values_is_left_out():
    frame = tokens_of("a", TEXT, CUTS, ks=[1, 2]).assign(lasso_4=np.nan)
    data = Page(page([("small", frame)], {"a": TEXT}, k=[8, 4, 2, 1])).data()
    assert data["k"] == [1, 2, 4, 8]
    assert list(data["models"][0]["texts"][0]["lasso"]) == ["2", "1"]


def test_texts_that_all_models_have_come_first_and_no_more_than_wanted_are_shown():
    texts = dict.fromkeys("abc", TEXT)
    one = pd.concat([tokens_of(name, TEXT, CUTS) for name in "abc"])
    other = tokens_of("c", TEXT, CUTS)
    data = Page(page([("big", one), ("small", other)], texts, most=2)).data()
    shown = [[text["name"] for text in model["texts"]] for model in data["models"]]
    assert shown == [["c", "a"], ["c"]]


def test_rows_in_any_order_give_the_same_page():
    frame = tokens_of("a", TEXT, CUTS)
    shuffled = frame.sample(frac=1, random_state=0)
    assert page([("m", frame)], {"a": TEXT}) == page([("m", shuffled)], {"a": TEXT})


def test_a_model_without_texts_is_listed():
    data = Page(page([("none", tokens_of("a", TEXT, CUTS)[:0])], {"a": TEXT})).data()
    assert data["models"] == [{"name": "none", "texts": []}]


def test_the_file_is_the_page_in_utf8(tmp_path):
    models = [("m", tokens_of("a", TEXT, CUTS))]
    path = tmp_path / "view.html"
    text_view.write(path, models, {"a": TEXT}, corpus="docs", k=KS, most=1)
    assert path.read_bytes().decode() == page(models, {"a": TEXT}, most=1)


@pytest.mark.parametrize("column", ["ridge", "token_end_byte", "attention_mean"])
def test_a_table_without_a_needed_column_is_refused_by_name(column):
    frame = tokens_of("a", TEXT, CUTS).drop(columns=column)
    with pytest.raises(InfogeoError, match=f"model m: .*{column}.* snakemake -R"):
        page([("m", frame)], {"a": TEXT})


def test_a_text_that_the_corpus_does_not_have_is_refused_by_name():
    with pytest.raises(InfogeoError, match=r"model m: .* doc_id 'a' .* snakemake -R"):
        page([("m", tokens_of("a", TEXT, CUTS))], {"b": TEXT})


def test_tokens_beyond_the_end_of_the_text_are_refused():
    with pytest.raises(InfogeoError, match=r"doc_id 'a': a token ends at byte \d+, the text at 3"):
        page([("m", tokens_of("a", TEXT, CUTS))], {"a": "The"})


@pytest.mark.parametrize(
    ("data", "written"),
    [
        (b"", "⟨no text⟩"), (b" a", "␣a"), (b"\n\n", "↵↵"), (b"\ta", "⇥a"), (b"\r", "␍"),
        (b"\x1b", "␛"), ("é".encode()[:1], "�"), ("漢".encode(), "漢"), ("\u00a0".encode(), "⍽"),
    ],
)  # fmt: skip
def test_every_token_can_be_seen(data, written):
    assert text_view.visible(data) == written
