"""Tables of similarities, pair by pair."""

import numpy as np
import pytest

from infogeo.geometry.similarity import compare
from infogeo.geometry.similarity_rows import layers_of_twins
from infogeo.geometry.similarity_tables import (
    ANOTHER_TOKENIZER,
    LAYER_COLUMNS,
    MODEL_COLUMNS,
    layer_table,
    model_table,
    pair_table,
)
from infogeo.geometry.text_rows import KINDS, Rows, TextRows
from infogeo.inference import multiple_tests

SETTINGS = {"neighbours": 3, "permutations": 19, "seed": 0}
N = 20
DOC_IDS, SOURCES = [f"t{i}" for i in range(N)], [f"s{i // 2}" for i in range(N)]


def rows(seed: int, width: int = 5) -> dict:
    rng = np.random.default_rng(seed)
    return {kind: rng.standard_normal((N, width)) for kind in KINDS}


def layers() -> dict:
    equal = dict.fromkeys(KINDS, np.ones((N, 5)))
    return {"0": equal | {KINDS[0]: rows(0)[KINDS[0]]}, "1": rows(1), "final": rows(2)}


def table(sources=SOURCES):
    return pair_table(
        lambda kind: {name: of[kind] for name, of in layers().items()}, DOC_IDS, sources, **SETTINGS
    )


def test_every_pair_of_layers_has_a_row_for_each_kind_and_measure():
    pairs = table()
    assert len(pairs) == 3 * 3 * 2
    row = pairs.query("scope == 'last' and measure == 'cka' and one == '1'").iloc[0]
    value = compare([layers()[name][Rows("last", "")] for name in ("1", "final")]).values[0, 1]
    assert (row["other"], row["texts"], row["sources"]) == ("final", N, N // 2)
    assert row["value"] == pytest.approx(value)
    assert row["low"] < value < row["high"]
    assert row["null"] < row["null_high"] < 1
    assert 1 / 20 <= row["p"] <= 1


def test_what_is_not_available_has_a_reason_and_no_number():
    pairs = table()
    lacking = pairs[pairs["problems"] != ""]
    # With k-nearest neighbours equal rows are ties, which share the places.
    assert set(lacking["problems"]) == {"0: all rows are equal"}
    assert (lacking["measure"] == "cka").all() and len(lacking) == 2 * 2
    numbers = ["value", "low", "high", "null", "null_high", "p"]
    assert lacking[numbers].isna().all(axis=None)
    assert pairs.drop(lacking.index)[numbers].notna().all(axis=None)


def test_two_sources_give_a_value_without_an_interval_and_say_so():
    pairs = table([str(i % 2) for i in range(N)])
    whole = pairs.query("one == '1' and measure == 'cka'")
    assert whole["value"].notna().all() and whole["low"].isna().all()
    assert set(whole["problems"]) == {"no interval: 2 sources, 3 are needed"}


def test_the_table_of_layers_names_model_and_depths_and_has_q_values_over_all():
    model = {"slug": "m", "family": "f", "commit": "", "params_non_embedding": 7, "layers": 1}
    made = layer_table([("c", model, table(), None), ("d", model, table(), None)], 8)
    assert list(made) == LAYER_COLUMNS
    assert set(made["corpus"]) == {"c", "d"}
    assert set(made["relative_depth"]) == {0.0, 1.0}
    np.testing.assert_allclose(made["q"], multiple_tests.benjamini_hochberg(made["p"]))


def models() -> list[dict]:
    described = [("a", "x", 10), ("b", "x", 20), ("c", "y", 30)]
    return [
        {"slug": slug, "family": "f", "commit": slug * 3, "params_non_embedding": size,
         "tokenizer_sha256": tokenizer}
        for slug, tokenizer, size in described
    ]  # fmt: skip


def of_model(slug: str) -> TextRows:
    """Rows of a model, which lacks a text and has the others in its own order."""
    order = np.random.default_rng(ord(slug)).permutation(N)
    order = np.sort(order[order != ord(slug) - ord("a")])
    of_all = rows(ord(slug), 4)
    return TextRows(
        [DOC_IDS[i] for i in order], [SOURCES[i] for i in order], "final", 8,
        {kind: values[order] for kind, values in of_all.items()},
    )  # fmt: skip


def no_twins(slug, layer):
    return None


def test_twins_of_models_are_compared_draw_by_other_draw_on_the_same_texts():
    def of_twins(slug, layer):
        name = {"a": "x", "b": "x", "c": "y"}[slug]  # a and b are of one architecture
        draws = [rows(100 * ord(name) + draw, 4) for draw in range(3)]
        return name, [TextRows(DOC_IDS, SOURCES, layer, 8, of) for of in draws]

    alike = [model | {"tokenizer_sha256": "x"} for model in models()]
    made = model_table([("c", alike, of_model, of_twins)], **SETTINGS)
    kind, shared = Rows("means", "in"), np.arange(3, N)
    for one, other in (("a", "b"), ("a", "c")):
        names = ["xy"["c" in slug] for slug in (one, other)]
        both = [[rows(100 * ord(name) + draw, 4)[kind][shared] for draw in range(3)]
                for name in names]  # fmt: skip
        z = [np.arctanh(compare([both[0][d], both[1][e]]).values[0, 1])
             for d in range(3) for e in range(3) if d != e]  # fmt: skip
        row = made[(made["model"] == one) & (made["other_model"] == other)]
        row = row.query("scope == 'means' and first == 'in' and measure == 'cka'").iloc[0]
        assert row["untrained"] == pytest.approx(np.tanh(np.mean(z)))
    without = model_table([("c", alike, of_model, no_twins)], **SETTINGS)
    assert without["untrained"].isna().all() and made["untrained"].notna().all()
    np.testing.assert_array_equal(without["value"], made["value"])


def test_layers_of_twins_are_compared_within_a_draw():
    draws = [{layer: TextRows(DOC_IDS, SOURCES, layer, 8, rows(10 * draw + at))
              for at, layer in enumerate(("0", "final"))} for draw in range(2)]  # fmt: skip
    model = {"slug": "m", "family": "f", "commit": "", "params_non_embedding": 7, "layers": 1}
    twins = layers_of_twins(draws, 3)
    made = layer_table([("c", model, table(), twins)], 8)
    row = made.query("scope == 'last' and measure == 'cka' and layer == '0'")
    row = row[row["other_layer"] == "final"].iloc[0]
    pairs = [[rows(10 * draw + at)[Rows("last", "")] for at in range(2)] for draw in range(2)]
    z = np.mean([np.arctanh(compare(pair).values[0, 1]) for pair in pairs])
    assert row["untrained"] == pytest.approx(np.tanh(z))
    assert made[made["other_layer"] == "1"]["untrained"].isna().all()  # they keep no rows there


def test_models_are_compared_on_the_texts_that_those_of_one_tokenizer_have():
    made = model_table([("c", models(), of_model, no_twins)], **SETTINGS)
    assert list(made) == MODEL_COLUMNS
    shared = np.arange(2, N)
    expected = compare([rows(ord(slug), 4)[Rows("means", "out")][shared] for slug in "ab"])
    row = made.query("first == 'out' and measure == 'cka' and other_model == 'b'").iloc[0]
    assert row["value"] == pytest.approx(expected.values[0, 1])
    assert (row["texts"], row["N"], row["other_N"], row["other_commit"]) == (N - 2, 10, 20, "bbb")
    assert (row["layer"], row["n"]) == ("final", 8)


def test_pairs_of_different_tokenizers_have_a_row_that_says_why_it_is_empty():
    made = model_table([("c", models(), of_model, no_twins)], **SETTINGS)
    apart = made[made["other_model"] == "c"]
    assert len(apart) == 2 * 3 * 2
    assert set(apart["problems"]) == {ANOTHER_TOKENIZER}
    assert apart[["value", "p", "q"]].isna().all(axis=None)
    assert (apart["texts"] == 0).all()


def test_a_single_model_has_a_table_without_rows():
    made = model_table([("c", models()[:1], of_model, no_twins)], **SETTINGS)
    assert list(made) == MODEL_COLUMNS and made.empty
