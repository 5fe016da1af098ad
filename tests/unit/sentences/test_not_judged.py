"""A corpus whose texts cannot be judged by label: the study is not available, and says why."""

import numpy as np
import pandas as pd
from token_texts import by_layer, every_state, texts_of

from infogeo.sentences import corpus_tables, report
from infogeo.sentences.file import load, save
from infogeo.sentences.maps import COLUMNS, maps
from infogeo.sentences.model_distances import measure
from infogeo.sentences.summary import SCORE_COLUMNS
from infogeo.sentences.trends import TREND_COLUMNS

SETTINGS = {
    "neighbours": 5, "permutations": 19, "headline_depth": "final", "draws": 19, "seed": 0,
}  # fmt: skip
MODEL = {
    "slug": "m", "family": "f", "params_total": 20, "params_non_embedding": 10, "width": 4,
    "layers": 2, "replicate": None, "commit": "",
}  # fmt: skip
LAYERS = {"0.5": "1", "final": "final"}


def tables(folder, texts, twins=True):
    """Scores and trends of one model of which these texts were sampled."""
    states = [by_layer(every_state())]
    path = folder / f"{len(texts)}.h5"
    save(path, measure(texts, states, LAYERS), "print")
    files, model = [(path, "print")], MODEL if twins else MODEL | {"source": "states"}
    untrained = files if twins else []
    return corpus_tables.tables_of_corpus("c", [model], files, untrained, **SETTINGS)


def test_without_a_sampled_text_there_is_a_file_without_distances_and_maps(tmp_path):
    save(tmp_path / "m.h5", measure(texts_of(sampled=()), iter(()), LAYERS), "print")
    nothing = load(tmp_path / "m.h5", "print")
    assert (nothing.doc_ids, nothing.means, nothing.distances) == ([], {}, {})
    assert nothing.left_out["label too small"] == 8
    drawn = maps("m", nothing, neighbours=5, seed=0)
    assert len(drawn) == 0 and drawn.columns.tolist() == COLUMNS


def test_no_sampled_text_is_not_available_with_the_reason(tmp_path):
    made = corpus_tables.joined([tables(tmp_path, texts_of(sampled=()))])
    scores, trends = made["scores"], made["trends"]
    assert len(scores) == 0 and set(SCORE_COLUMNS) < set(scores)
    assert trends.columns.tolist() == TREND_COLUMNS
    assert trends["distance"].tolist() == ["js_centred", "cosine"]
    assert (trends["trend_verdict"] == "not available").all()
    assert trends["problems"].str.contains(r"label too small: 8\).*texts_per_label").all()
    for write in (report.terminal_text, report.markdown_text):
        text = " ".join(write(scores, trends).split())
        assert "f on c" in text and "Not available: no two texts can be compared" in text
        assert "nan" not in text


def test_labels_that_cannot_be_judged_do_not_stop_the_other_corpora(tmp_path):
    unjudged = tables(tmp_path, texts_of())  # two texts
    assert "two labels with texts of two sources" in unjudged["trends"]["problems"][0]
    scores = pd.DataFrame(
        {"corpus": ["d"], "p": [0.5], "headline": [False], "value": np.float64([0.6])}
    )
    others = {"scores": scores, "trends": unjudged["trends"].assign(corpus="d")}
    both = corpus_tables.joined([unjudged, others])
    assert both["scores"]["value"].dtype == np.float64
    assert both["trends"]["corpus"].tolist() == ["c", "c", "d", "d"]


def test_a_corpus_of_models_of_which_only_states_are_there_has_no_files_of_twins(tmp_path):
    with_twins, without = (tables(tmp_path, texts_of(), twins) for twins in (True, False))
    assert without["trends"].equals(with_twins["trends"])
