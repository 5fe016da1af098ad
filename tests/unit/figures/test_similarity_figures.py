"""Heat maps of similarities: every value in its place, what lacks one, what chance gives."""

from itertools import combinations
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from jinja2 import Template

from infogeo.figures.similarity import KINDS, layer_similarity, model_similarity
from infogeo.figures.style import save
from infogeo.files.errors import InfogeoError

ROOT = Path(__file__).parents[3]


def pairs(names, ends, **columns) -> pd.DataFrame:
    """CKA 0.9, 0.8, … and mutual neighbours half of that, in the order of pairs."""
    rows = []
    for place, pair in enumerate(combinations(names, 2)):
        for scope, first in KINDS:
            for measure, factor in (("cka", 1), ("mutual_knn", 0.5)):
                value = factor * (0.9 - place / 10)
                rows.append(
                    {"corpus": "c", "scope": scope, "first": first, "measure": measure,
                     "value": value, "p": 0.005, **dict(zip(ends, pair, strict=True)), **columns}
                )  # fmt: skip
    return pd.DataFrame(rows)


def layers(model="m", N=5, family="f") -> pd.DataFrame:
    ends = ("layer", "other_layer")
    return pairs(["0", "2", "10", "final"], ends, model=model, N=N, family=family, untrained=np.nan)


def maps(figure, kind="means-in", column="value") -> list:
    return [
        np.ma.filled(image.get_array(), np.nan)
        for ax in figure.axes for image in ax.images
        if image.get_gid() == f"similarity/{kind}/{column}"
    ]  # fmt: skip


def test_cka_is_above_the_diagonal_and_neighbours_below_in_the_order_of_layers():
    (values,) = maps(layer_similarity(layers(), corpus="c"))
    assert values[0, 1:].tolist() == pytest.approx([0.9, 0.8, 0.7])
    assert values[1:, 0].tolist() == pytest.approx([0.45, 0.4, 0.35])
    assert values[2, 3] == pytest.approx(0.4)
    assert np.isnan(np.diag(values)).all()


def test_a_value_that_is_not_available_is_hatched_and_one_of_chance_crossed(tmp_path):
    table = layers()
    plain = layer_similarity(table, corpus="c")
    assert not any(ax.patches for ax in plain.axes) and not plain.legends
    table.loc[(table["layer"] == "0") & (table["scope"] == "last"), ["value", "p"]] = np.nan
    table.loc[(table["other_layer"] == "final") & (table["scope"] == "means"), "p"] = 0.3
    figure = layer_similarity(table, corpus="c")
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["white × in a cell: not beyond permuted texts, p ≥ 0.05", "not available"]
    hatched = [ax for ax in figure.axes if ax.patches]
    assert [ax.get_title(loc="left") for ax in hatched] == ["state of the last token"]
    (crosses,) = figure.axes[0].lines
    at = set(zip(crosses.get_xdata(), crosses.get_ydata(), strict=True))
    assert at == {(3, 0), (3, 1), (3, 2), (0, 3), (1, 3), (2, 3)}
    save(figure, [tmp_path / "figure.png"])


def test_the_largest_and_the_smallest_model_of_each_family_are_drawn():
    table = pd.concat([layers(f"m{N}", N) for N in (1, 2, 3)] + [layers("other", 9, "g")])
    figure = layer_similarity(table, corpus="c")
    names = [ax.get_ylabel().split("\n")[0] for ax in figure.axes if "layer" in ax.get_ylabel()]
    assert names == ["m3", "other", "m1"]
    assert "3 of 4 models" in figure.get_suptitle()


def models() -> pd.DataFrame:
    table = pairs("abc", ("model", "other_model"), untrained=np.nan)
    for side in ("", "other_"):
        table[f"{side}N"] = table[f"{side}model"].map({"a": 3, "b": 2, "c": 1})
        table[f"{side}family"] = table[f"{side}model"].map({"a": "f", "b": "g", "c": "f"})
    return table


def test_models_are_in_the_order_of_families_and_sizes():
    figure = model_similarity(models(), corpus="c")
    (values,) = maps(figure)
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == ["c", "a", "b"]
    assert values[0].tolist()[1:] == pytest.approx([0.8, 0.7])  # c with a, c with b
    assert values[2, 1] == pytest.approx(0.45)  # neighbours of b with a


def test_untrained_twins_are_below_their_models_and_bear_no_mark_of_chance():
    table = models().assign(p=0.5)
    assert len(model_similarity(table, corpus="c").axes) == 3 + 1
    table["untrained"] = table["value"] / 2
    figure = model_similarity(table, corpus="c")
    ((values,), (twins,)) = (maps(figure, column=name) for name in ("value", "untrained"))
    upper = np.triu_indices(3, 1)
    np.testing.assert_allclose(twins[upper], values[upper] / 2)
    titles = [ax.get_title(loc="left").replace("\n", " ") for ax in figure.axes[:6]]
    assert titles[3] == f"untrained twins: {titles[0]}"
    assert [len(ax.lines) for ax in figure.axes[:6]] == [1, 1, 1, 0, 0, 0]
    named = [ax.xaxis.get_tick_params()["labelbottom"] for ax in figure.axes[:6]]
    assert named == [False] * 3 + [True] * 3


def test_a_corpus_without_pairs_says_so():
    figure = layer_similarity(layers(), corpus="other")
    assert "no two layers on other" in figure.axes[0].texts[0].get_text()
    figure = model_similarity(models(), corpus="other")
    assert "no two models on other" in figure.axes[0].texts[0].get_text()


def test_a_table_of_another_version_is_refused():
    with pytest.raises(InfogeoError, match=r"results/similarity/layers\.parquet: lacks"):
        layer_similarity(layers().drop(columns="p"), corpus="c")


def test_the_twins_of_a_model_are_beside_it_at_the_layers_that_they_have():
    table = layers()
    assert not maps(layer_similarity(table, corpus="c"), column="untrained")
    kept = ~(table[["layer", "other_layer"]] == "2").any(axis=1)
    table.loc[kept, "untrained"] = table["value"] / 2
    figure = layer_similarity(table, corpus="c")
    (twins,) = maps(figure, column="untrained")  # of mean states alone
    (values,) = maps(figure)
    places = [0, 2, 3]
    np.testing.assert_allclose(twins, values[np.ix_(places, places)] / 2)
    (panel,) = [ax for ax in figure.axes if "twins" in ax.get_title(loc="left")]
    assert [label.get_text() for label in panel.get_yticklabels()] == ["0", "10", "final"]
    figure = layer_similarity(pd.concat([table, layers("other", 9)]), corpus="c")
    said = [text.get_text().replace("\n", " ") for ax in figure.axes for text in ax.texts]
    assert "no twins at two layers" in said


@pytest.mark.parametrize(("draws", "twins"), [(1, False), (2, True)])
def test_the_caption_promises_the_twins_of_models_that_are_drawn(draws, twins):
    caption = (ROOT / "rules/captions/model_similarity.rst").read_text()
    params = SimpleNamespace(depth="final", untrained_draws=draws)
    snakemake = SimpleNamespace(params=params, wildcards=SimpleNamespace(corpus="c"))
    text = Template(caption).render(snakemake=snakemake)
    assert ("Below: the same of the untrained twins" in text) == twins
    assert ("No untrained twins below" in text) == (not twins)
