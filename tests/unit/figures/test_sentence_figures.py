import functools
import itertools
import types
import zlib

import matplotlib
import numpy as np
import pandas as pd
import pytest

from infogeo.figures.sentence_distances import AGAINST_N, HEAT_MAPS, order, sentence_distances
from infogeo.figures.sentence_maps import sentence_maps
from infogeo.figures.sentence_models import DISTANCES, label_looks, shown_models
from infogeo.figures.style import save, settle
from infogeo.figures.tables import select
from infogeo.files.errors import InfogeoError
from infogeo.sentences.distances import BASELINES, CHEAPER

LABELS = [
    "asyncio", "concurrent", "distutils", "email", "encodings", "lib2to3", "multiprocessing",
    "unittest",
]  # fmt: skip
SHAPES = [(width, layers, 0) for width in (64, 128, 256) for layers in (1, 2, 4)]
LADDER = SHAPES + [(width, 2, seed) for width in (64, 128) for seed in (1, 2)]
FEW = [(64, 1, 0), (128, 2, 0)]
SMALLEST, LARGEST = "ladder/w64-d1-s0", "ladder/w256-d4-s0"
DEPTHS = ["0.5", "final"]
MODEL_DISTANCES = [name for name in DISTANCES if name not in BASELINES]
FIGURES = ["maps", "distances"]
AUCS = dict(zip(DISTANCES, np.linspace(0.75, 0.55, 9), strict=True))


def ladder(family, shapes):
    """Family, name, width and N of every model."""
    return [
        (family, f"{family}/w{width}-d{layers}-s{seed}", width, 12 * width**2 * layers)
        for width, layers, seed in shapes
    ]


def scores_of(models):
    """A table of scores with plausible numbers; other scores and another corpus among them."""
    rows = []
    for family, model, width, N in models:
        rng = np.random.default_rng(zlib.crc32(model.encode()))
        places = itertools.product(DEPTHS, MODEL_DISTANCES)
        places = [(depth, "in", name) for depth, name in places]
        places += [(depth, "out", name) for depth in DEPTHS for name in CHEAPER]
        for depth, first, name in [*places, *(("", "", name) for name in BASELINES)]:
            alone = name in BASELINES
            value = AUCS[name] + (not alone) * (0.01 * np.log(N / 5e4) + 0.01 * rng.normal())
            twin = np.nan if alone or name.startswith("bures") else 0.55 + 0.01 * rng.normal()
            row = {
                "family": family, "model": model, "N": N, "width": width, "depth": depth,
                "first": first,
                "replicate": f"{family}/{model[-1]}", "run": "", "step": None,
                "distance": name, "low": value - 0.03, "high": value + 0.02,
                "untrained": twin, "untrained_low": twin - 0.01, "untrained_high": twin + 0.015,
            }  # fmt: skip
            rows.append(row | {"corpus": "docs", "score": "auc", "value": value})
            rows.append(row | {"corpus": "docs", "score": "precision_1", "value": 0.123})
            rows.append(row | {"corpus": "other", "score": "auc", "value": 0.987})
    return pd.DataFrame(rows)


def texts_of(labels, per_label):
    """Labels and sources of texts."""
    many = np.repeat(labels, per_label)
    return list(many), [f"{label}.{i % 7}" for i, label in enumerate(many)]


def maps_of(models, labels=LABELS, per_label=25):
    """A table of maps: labels shifted apart, the more so the wider the model."""
    frames = []
    many, sources = texts_of(labels, per_label)
    codes = np.unique(many, return_inverse=True)[1]
    for _, model, width, _ in models:
        for depth in DEPTHS:
            rng = np.random.default_rng(zlib.crc32(f"{model} {depth}".encode()))
            centres = rng.normal(size=(len(labels), 4)) * [1.5, 1, 4, 4] * (width / 128) ** 0.5
            places = centres[codes] + rng.normal(size=(len(many), 4)) * [1, 0.7, 0.8, 0.8]
            frame = pd.DataFrame(places, columns=["pca_1", "pca_2", "umap_1", "umap_2"])
            frames.append(
                frame.assign(
                    model=model, depth=depth, doc_id=[f"doc {i}" for i in range(len(many))],
                    label=many, source=sources, explained_1=0.413, explained_2=0.127,
                )
            )  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def sentences_of(labels=LABELS, per_label=25, seed=0):
    """Distances of the largest model at every depth, as `distances.load` gives them."""
    many, sources = texts_of(labels, per_label)
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(len(many))
    many, sources = [many[i] for i in shuffled], [sources[i] for i in shuffled]
    codes = np.unique(many, return_inverse=True)[1]
    distances = {}
    for depth, name in itertools.product(DEPTHS, HEAT_MAPS):
        points = rng.normal(size=(len(labels), 12))[codes] + rng.normal(size=(len(many), 12))
        apart = np.linalg.norm(points[:, None] - points, axis=-1)
        distances[0, depth, "in", name] = 0.6 * np.tanh(apart / 6)
    return types.SimpleNamespace(labels=many, sources=sources, distances=distances)


def tables(families, per_label=5):
    """Everything that the figures take, for {family: shapes}."""
    models = [model for family, shapes in families.items() for model in ladder(family, shapes)]
    return {
        "maps": maps_of(models, per_label=per_label),
        "scores": scores_of(models),
        "sentences": sentences_of(per_label=per_label),
    }


def draw(name, made, depth="final"):
    """One of the two figures."""
    other = made["maps"] if name == "maps" else made["sentences"]
    if name == "maps":
        return sentence_maps(other, made["scores"], corpus="docs", depth=depth)
    return sentence_distances(made["scores"], other, corpus="docs", depth=depth)


@functools.cache
def usual():
    """The tables of the ladder and, by name, the figures of them; not to be changed."""
    made = tables({"ladder": LADDER}, per_label=25)
    figures = {name: draw(name, made) for name in FIGURES}
    settle(figures["distances"])
    return made, figures


def artists(figure, gid):
    """All artists with this mark."""
    return figure.findobj(lambda artist: artist.get_gid() == gid)


def marks(figure, prefix):
    return {
        artist.get_gid()
        for artist in figure.findobj(matplotlib.lines.Line2D)
        if (artist.get_gid() or "").startswith(prefix)
    }


def texts(figure):
    return "\n".join(text.get_text() for text in figure.findobj(matplotlib.text.Text))


def auc_of(made, **keys):
    return select(made["scores"], corpus="docs", score="auc", **keys)


# ---------------------------------------------------------------- maps


@pytest.mark.parametrize("model", [SMALLEST, LARGEST])
@pytest.mark.parametrize("kind", ["pca", "umap"])
def test_every_text_stands_at_its_place_with_the_mark_of_its_label(kind, model):
    made, figures = usual()
    rows = select(made["maps"], model=model, depth="final")
    looks = label_looks(LABELS)
    for label in LABELS:
        (line,) = artists(figures["maps"], f"{kind}/{model}/{label}")
        some = rows[rows["label"] == label]
        np.testing.assert_array_equal(line.get_xydata(), some[[f"{kind}_1", f"{kind}_2"]])
        colour, shape, filled = looks[label]
        assert (line.get_color(), line.get_marker()) == (colour, shape)
        assert (line.get_markerfacecolor() == colour) == filled


def test_only_the_smallest_and_the_largest_model_are_shown_smallest_above():
    _, figures = usual()
    drawn = {mark.rsplit("/", 1)[0] for mark in marks(figures["maps"], "pca/")}
    assert drawn == {f"pca/{SMALLEST}", f"pca/{LARGEST}"}
    titles = [ax.get_title(loc="left") for ax in figures["maps"].axes]
    assert [SMALLEST in title for title in titles] == [True, True, False, False]
    assert [LARGEST in title for title in titles] == [False, False, True, True]


def test_headings_have_the_auc_of_the_cosine_with_its_interval_and_axes_their_variance():
    made, figures = usual()
    for model in (SMALLEST, LARGEST):
        (row,) = auc_of(made, model=model, depth="final", distance="cosine", first="in").to_dict(
            "records"
        )
        wanted = f"AUC of the cosine {row['value']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"
        titles = [ax.get_title(loc="left") for ax in figures["maps"].axes]
        assert sum(model in title and wanted in title for title in titles) == 2
    assert texts(figures["maps"]).count("PC 1 (41.3 % of the variance)") == 2
    assert texts(figures["maps"]).count("PC 2 (12.7 % of the variance)") == 2


def test_the_scale_of_both_axes_of_a_map_is_the_same():
    _, figures = usual()
    assert {ax.get_aspect() for ax in figures["maps"].axes} == {1.0}


def test_the_legend_names_every_label():
    _, figures = usual()
    (legend,) = figures["maps"].legends
    assert [text.get_text() for text in legend.get_texts()] == sorted(LABELS)


def test_twelve_labels_differ_without_colour_and_seventy_two_with_it():
    looks = label_looks([f"{i:03}" for i in range(72)])
    assert len({look[1:] for look in list(looks.values())[:12]}) == 12
    assert len(set(looks.values())) == 72
    # shapes that are both there, filled and open, do not share the colour as well
    assert len({look[:2] for look in list(looks.values())[:12]}) == 12


# ---------------------------------------------------------------- heat maps


@pytest.mark.parametrize("name", HEAT_MAPS)
def test_a_heat_map_is_the_distance_in_an_order_of_leaves_with_the_labels_beside(name):
    made, figures = usual()
    distance = made["sentences"].distances[0, "final", "in", name]
    leaves = order(distance)
    (image,) = artists(figures["distances"], f"heat/{name}")
    np.testing.assert_array_equal(image.get_array(), distance[np.ix_(leaves, leaves)])
    (strip,) = artists(figures["distances"], f"strip/{name}")
    coloured = (strip.get_array() < 1).any(axis=-1)  # (texts, labels)
    labels = np.array(made["sentences"].labels)[leaves]
    np.testing.assert_array_equal(coloured, labels[:, None] == sorted(LABELS))
    for label, cells in zip(sorted(LABELS), strip.get_array().transpose(1, 0, 2), strict=True):
        colour = label_looks(LABELS)[label][0]
        assert np.all(cells[labels == label] == matplotlib.colors.to_rgb(colour))
    boxes = [part.axes.get_window_extent() for part in (image, strip)]
    assert boxes[0].intervaly == pytest.approx(boxes[1].intervaly)
    assert boxes[0].x1 < boxes[1].x0
    assert image.axes.get_ylim() == strip.axes.get_ylim() == (199.5, -0.5)
    names = [tick.get_text() for tick in strip.axes.get_xticklabels()]
    assert names == sorted(LABELS)


def test_the_order_brings_together_what_is_near():
    rng = np.random.default_rng(0)
    places = rng.permutation(60)
    distance = np.abs(places[:, None] - places).astype(float)
    ordered = places[order(distance)]
    assert ordered.tolist() in (list(range(60)), list(range(59, -1, -1)))


def test_shades_leave_the_diagonal_and_odd_texts_out():
    made, figures = usual()
    distance = made["sentences"].distances[0, "final", "in", "cosine"]
    (image,) = artists(figures["distances"], "heat/cosine")
    apart = distance[~np.eye(200, dtype=bool)]
    assert image.get_clim() == tuple(np.percentile(apart, [1, 99]))


# ---------------------------------------------------------------- scores


@pytest.mark.parametrize("model", [SMALLEST, LARGEST])
@pytest.mark.parametrize("name", DISTANCES)
def test_every_distance_stands_at_its_auc_beside_its_twins(name, model):
    made, figures = usual()
    depth = "" if name in BASELINES else "final"
    first = "" if name in BASELINES else "in"
    (row,) = auc_of(made, model=model, depth=depth, distance=name, first=first).to_dict("records")
    figure = figures["distances"]
    ((point,), (ends,)) = (
        artists(figure, f"{kind}/{model}/{name}") for kind in ("auc", "auc interval")
    )
    assert point.get_xdata().tolist() == [row["value"]]
    assert ends.get_segments()[0][:, 0].tolist() == [row["low"], row["high"]]
    outs = artists(figure, f"out/{model}/{name}")
    assert len(outs) == (name in CHEAPER)
    if outs:
        out = auc_of(made, model=model, depth=depth, distance=name, first="out").iloc[0]
        assert outs[0].get_xdata().tolist() == [out["value"]]
        (ends,) = artists(figure, f"out interval/{model}/{name}")
        assert ends.get_segments()[0][:, 0].tolist() == [out["low"], out["high"]]
    twins = artists(figure, f"untrained/{model}/{name}")
    if np.isnan(row["untrained"]):
        assert not twins
        return
    assert twins[0].get_xdata().tolist() == [row["untrained"]]
    (ends,) = artists(figure, f"untrained interval/{model}/{name}")
    assert ends.get_segments()[0][:, 0].tolist() == [row["untrained_low"], row["untrained_high"]]


def test_names_of_distances_stand_beside_their_rows():
    _, figures = usual()
    (point,) = artists(figures["distances"], f"auc/{SMALLEST}/euclidean")
    names = dict(
        zip(
            point.axes.get_yticks(),
            [label.get_text() for label in point.axes.get_yticklabels()],
            strict=True,
        )
    )
    assert names[round(point.get_ydata()[0])] == "Euclidean of means"
    assert len(names) == 9


@pytest.mark.parametrize("name", AGAINST_N)
def test_auc_against_size_shows_every_model_its_twins_and_the_bag_of_words(name):
    made, figures = usual()
    rows = auc_of(made, depth="final", distance=name, first="in").sort_values(["N", "model"])
    figure = figures["distances"]
    for gid, columns in (
        (name, ["value", "low", "high"]),
        (f"{name} untrained", ["untrained", "untrained_low", "untrained_high"]),
    ):
        (line,) = artists(figure, f"{gid}/ladder")
        np.testing.assert_array_equal(line.get_xydata(), rows[["N", columns[0]]])
        (ends,) = artists(figure, f"{gid} interval/ladder")
        drawn = np.array(ends.get_segments())[:, :, 1]
        np.testing.assert_array_equal(np.sort(drawn, axis=0), np.sort(rows[columns[1:]], axis=0))
    (words,) = artists(figure, f"{name} bag_of_words")
    assert words.get_ydata()[0] == pytest.approx(AUCS["bag_of_words"], abs=1e-6)


def test_other_depths_scores_and_corpora_are_not_drawn():
    made, figures = usual()
    drawn = [
        value
        for line in figures["distances"].findobj(matplotlib.lines.Line2D)
        if (line.get_gid() or "").startswith("auc/")
        for value in line.get_xdata()
    ]
    assert not {0.123, 0.987} & set(drawn)
    half = draw("distances", made, depth="0.5")
    (point,) = artists(half, f"auc/{LARGEST}/cosine")
    (row,) = auc_of(made, model=LARGEST, depth="0.5", distance="cosine", first="in").to_dict(
        "records"
    )
    assert point.get_xdata().tolist() == [row["value"]]
    (line,) = artists(draw("maps", made, depth="0.5"), f"pca/{LARGEST}/email")
    rows = select(made["maps"], model=LARGEST, depth="0.5", label="email")
    np.testing.assert_array_equal(line.get_xdata(), rows["pca_1"])


# ---------------------------------------------------------------- which models


def test_the_family_with_most_models_is_shown_the_first_by_name_of_equal_ones():
    made = tables({"small": FEW, "a": FEW, "ladder": SHAPES[:3]})
    wanted = {"smallest": "ladder/w64-d1-s0", "largest": "ladder/w64-d4-s0"}
    assert shown_models(made["scores"], "docs") == wanted
    made = tables({"small": FEW, "a": FEW})
    assert shown_models(made["scores"], "docs") == {
        "smallest": "a/w64-d1-s0", "largest": "a/w128-d2-s0",
    }  # fmt: skip
    assert shown_models(made["scores"], "none") == {}


@pytest.mark.parametrize("name", FIGURES)
def test_of_several_families_the_figure_says_whose_models_it_shows(name):
    figure = draw(name, tables({"small": FEW, "ladder": SHAPES[:3], "other": FEW}))
    assert "Single models are of ladder, the family with most models of 3" in texts(figure)
    figure.draw_without_rendering()
    note = figure._suptitle.get_window_extent()
    others = [
        text.get_window_extent()
        for text in figure.findobj(matplotlib.text.Text)
        if text is not figure._suptitle and text.get_text().strip()
    ]
    assert not any(note.overlaps(box) for box in others)
    assert note.x0 >= 0 and note.x1 <= figure.bbox.x1
    assert "family with most models" not in texts(usual()[1][name])


def test_families_differ_by_colour_and_marker_against_size():
    figure = draw("distances", tables({"ladder": FEW, "other": FEW}))
    (one,), (two,) = (artists(figure, f"cosine/{family}") for family in ("ladder", "other"))
    assert one.get_color() != two.get_color()
    assert one.get_marker() != two.get_marker()
    assert "other" in texts(figure)


@pytest.mark.parametrize("name", FIGURES)
def test_one_model_alone_is_drawn(name):
    figure = draw(name, tables({"alone": FEW[:1]}))
    figure.draw_without_rendering()
    assert "alone/w64-d1-s0 (largest" in texts(figure)
    assert "smallest" not in texts(figure)


# ---------------------------------------------------------------- what is not there


@pytest.mark.parametrize(
    ("name", "table", "column"),
    [("maps", "maps", "umap_2"), ("maps", "scores", "low"), ("distances", "scores", "untrained")],
)
def test_a_table_without_a_needed_column_is_refused_by_name(name, table, column):
    made = tables({"few": FEW})
    made[table] = made[table].drop(columns=column)
    path = {"maps": "docs/maps", "scores": "scores"}[table]
    wanted = rf"results/sentences/{path}\.parquet: .*{column}.* snakemake -R"
    with pytest.raises(InfogeoError, match=wanted):
        draw(name, made)


@pytest.mark.parametrize("name", FIGURES)
def test_empty_tables_give_a_figure_that_says_so(name):
    made = tables({"few": FEW})
    made = {"maps": made["maps"][:0], "scores": made["scores"][:0], "sentences": None}
    figure = draw(name, made)
    figure.draw_without_rendering()
    assert "no scores of models on docs" in texts(figure)


def test_a_depth_that_is_not_there_is_said_in_every_panel():
    made = tables({"few": FEW})
    said = texts(draw("maps", made, depth="0.25")).replace("\n", " ")
    assert said.count("no map of few/w") == 4
    assert said.count("no AUC of the cosine at depth 0.25") == 4
    said = texts(draw("distances", made, depth="0.25")).replace("\n", " ")
    for name in HEAT_MAPS:
        assert f"no distances {name} at depth 0.25" in said
    for name in AGAINST_N:
        assert f"no AUC of {name} at depth 0.25" in said
    assert said.count("n/a") == 2 * len(MODEL_DISTANCES)


def test_numbers_that_are_all_nan_give_panels_that_say_so():
    made = tables({"few": FEW})
    for table, numbers in (
        ("maps", ["pca_1", "pca_2", "umap_1", "umap_2", "explained_1", "explained_2"]),
        ("scores", ["value", "low", "high", "untrained", "untrained_low", "untrained_high"]),
    ):
        made[table][numbers] = np.nan
    made["sentences"].distances[0, "final", "in", "cosine"][3, 5] = np.nan
    for name in FIGURES:
        figure = draw(name, made)
        figure.draw_without_rendering()
        said = texts(figure).replace("\n", " ")
        for reason in {
            "maps": ["none of 40 texts has a place", "AUC of the cosine n/a"],
            "distances": ["40 texts, 1 distances not finite", "no AUC of cosine at depth final"],
        }[name]:
            assert reason in said


def test_texts_without_a_place_are_counted_in_the_panel():
    made = tables({"few": FEW[:1]})
    gone = (made["maps"]["depth"] == "final") & made["maps"]["doc_id"].isin(["doc 1", "doc 7"])
    made["maps"].loc[gone, "umap_2"] = np.nan
    figure = draw("maps", made)
    assert texts(figure).count("2 of 40 texts have no place") == 1


def test_a_missing_interval_and_equal_distances_can_be_drawn():
    made = tables({"few": FEW})
    made["scores"][["low", "high"]] = np.nan
    made["sentences"].distances[0, "final", "in", "cosine"] = 1 - np.eye(40)
    draw("distances", made).draw_without_rendering()
    assert "(no interval)" in texts(draw("maps", made))


# ---------------------------------------------------------------- style and files


@pytest.mark.parametrize("name", FIGURES)
def test_files_repeat_byte_for_byte(name, tmp_path):
    made = tables({"few": FEW})
    paths = [tmp_path / "first.pdf", tmp_path / "again.pdf"]
    for path in paths:
        save(draw(name, made), [path])
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize("count", [2, 20, 30])
def test_names_of_labels_never_leave_the_figure_nor_touch(count):
    labels = [f"talk.politics.of the world, part {i:02}" for i in range(count)]
    made = tables({"few": FEW})
    made["maps"] = maps_of(ladder("few", FEW), labels, 3)
    made["sentences"] = sentences_of(labels, 5)
    for name in FIGURES:
        figure = draw(name, made)
        settle(figure)
        page = figure.bbox.padded(1)
        for text in figure.findobj(matplotlib.text.Text):
            if text.get_text() and text.get_visible() and "…" in text.get_text():
                box = text.get_window_extent()
                assert page.containsx(box.x0) and page.containsx(box.x1)
                assert page.containsy(box.y0) and page.containsy(box.y1)
        if name == "distances":
            for heat in HEAT_MAPS:
                ax = artists(figure, f"strip/{heat}")[0].axes
                boxes = [label.get_window_extent() for label in ax.get_xticklabels()]
                assert len(boxes) == (count if count <= 20 else 0)
                gaps = [b.x0 - a.x1 for a, b in itertools.pairwise(boxes)]
                assert min(gaps, default=0) > -0.5
