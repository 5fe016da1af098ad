"""Pairs of models that are set side by side."""

from infogeo.planning.pairings import compared_pairs


def row(slug, family="f", params=None, pair_with="", replicate=None):
    return {
        "slug": slug, "family": family, "source": "hub", "params": params, "pair_with": pair_with,
        "replicate": replicate,
    }  # fmt: skip


def test_a_model_is_paired_with_the_one_that_it_names_and_comes_first():
    rows = [row("base", "a", 1), row("b", "a", 2), row("c", "a", 3), row("tuned", "t", 1, "base")]
    assert compared_pairs(rows) == [("tuned", "base")]


def test_a_family_of_fewer_than_three_sizes_is_paired_throughout():
    rows = [row("a", params=1), row("b", params=1), row("c", params=2), row("d", "other", 1)]
    assert compared_pairs(rows) == [("a", "b"), ("a", "c"), ("b", "c")]


def test_a_pair_that_is_named_twice_is_compared_once_as_it_is_named():
    rows = [row("a", params=1), row("b", params=2, pair_with="a")]
    assert compared_pairs(rows) == [("b", "a")]
    rows[0]["pair_with"] = "b"
    assert compared_pairs(rows) == [("a", "b")]


def test_a_family_with_a_law_has_no_pairs_of_its_own():
    assert compared_pairs([row(str(size), params=size) for size in (1, 2, 3)]) == []
