"""Which texts are sampled, which are left out, and why."""

import numpy as np
import pandas as pd
import pytest
from token_texts import texts_of

from infogeo.sentences.sample import balanced_sample, summary


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
    sample = balanced_sample(frame, 7, seed=1)
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
    first = taken(balanced_sample(frame, 10, seed=1))
    assert first != taken(balanced_sample(frame, 10, seed=2))
    assert first == taken(balanced_sample(frame.iloc[::-1], 10, seed=1))
    assert first == taken(balanced_sample(frame.sample(frac=1, random_state=3), 10, seed=1))
    more = pd.DataFrame(
        {"doc_id": ["x1", "x2"], "text": ["one more", "and two"], "label": "a", "source": "s"}
    )
    changed = taken(balanced_sample(pd.concat([more, frame], ignore_index=True), 10, seed=1))
    assert len(first - changed) <= 2
    other = corpus({"c": 20}).assign(doc_id=[f"y{i}" for i in range(20)])
    third = taken(balanced_sample(pd.concat([frame, other], ignore_index=True), 10, seed=1))
    assert first == {doc_id for doc_id in third if not doc_id.startswith("y")}


@pytest.mark.parametrize(
    ("sizes", "empty", "reasons", "said"),
    [
        ({}, 4, {"no label": 4}, "texts of each label: none has one."),
        ({"a": 9}, 1, {"no label": 1, "no second label": 9}, "'a': 9. Lower"),
        ({"a": 9, "b": 1}, 0, {"no second label": 9, "label too small": 1}, "'a': 9, 'b': 1."),
        (dict.fromkeys("abcdefg", 1), 0, {"label too small": 7}, "and 2 labels with fewer."),
    ],
)
def test_without_two_labels_of_enough_texts_none_is_taken_and_the_log_says_why(
    sizes, empty, reasons, said
):
    sample = balanced_sample(corpus(sizes, empty), 5, seed=1)
    assert sample["left_out"].value_counts().to_dict() == reasons
    line = summary(sample, 5)
    assert line.startswith(f"0 of {len(sample)} texts") and said in line
    assert "sentences.texts_per_label = 5" in line and "sentences.corpora" in line


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


@pytest.mark.parametrize(("n", "alone"), [(1, 0), (6, 1), (7, 0)])
def test_fewer_than_two_texts_are_none_and_the_reasons_are_counted(n, alone):
    texts = texts_of(n=n)
    assert len(texts) == 0
    assert texts.token_ids.shape == (0, n)
    assert texts.left_out.get("only text", 0) == alone
    assert sum(texts.left_out.values()) == 8
