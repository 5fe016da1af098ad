import functools
import zlib

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from infogeo.figures import families, size
from infogeo.figures.families import extremes, family_handles, shortened
from infogeo.figures.information_gain import information_gain
from infogeo.figures.selectors import SELECTORS, SINKS, selector_look
from infogeo.figures.style import save
from infogeo.figures.tables import MODEL, NEEDED, select, select_parts
from infogeo.figures.token_ablation import token_ablation
from infogeo.figures.token_selection import ATTENTION, token_selection
from infogeo.files.errors import InfogeoError

N_TOKENS = 128
SHAPES = [(width, layers, 0) for width in (32, 64, 128) for layers in (1, 2, 4)]
LADDER = [(32, 1, 0), (64, 2, 0), (64, 2, 1), (128, 2, 0), (128, 4, 0)]
TWO = {"ladder": LADDER, "other": [(48, 2, 0), (256, 8, 0)]}
KS = [1, 2, 4, 8, 16, 32]
SHARES = [0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
SELECTORS = list(SELECTORS)
FIGURES = ["gain", "selection", "ablation"]


def frames(families=None):
    """The tables of results/context with plausible numbers, for {family: [shape]}."""
    tables = {name: [] for name in NEEDED["context"]}
    for family, shapes in (families or {"ladder": LADDER}).items():
        for width, layers, seed in shapes:
            name = f"{family}-w{width}-d{layers}" + (f"-s{seed}" if seed else "")
            rng = np.random.default_rng(zlib.crc32(name.encode()))
            model = {
                "corpus": "docs", "family": family, "model": name, "width": width,
                "N": 12 * width**2 * layers + 13 * width * layers,
                "replicate": f"{family}/{seed}", "run": "", "step": pd.NA,
            }  # fmt: skip
            parts = gain_rows(width, rng), selection_rows(width, rng), ablation_rows(layers, rng)
            for part in parts:
                for table, rows in part.items():
                    tables[table] += [model | row for row in rows]
    return {name: pd.DataFrame(rows) for name, rows in tables.items()}


def pixels(figure):
    """What a figure shows, its panels where they stand before the layout."""
    figure.set_layout_engine("none")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


def interval(value, half, ends=("low", "high")):
    return dict(zip(ends, (value - half, value + half), strict=True))


def gain_rows(width, rng):
    """Rows of the four tables of information gain; another layer and regulariser among them."""
    found = {"gain": [], "gain_positions": [], "gain_checks": [], "gain_surprisal": []}
    for layer, regulariser in (("final", "eps2=0.5"), ("0", "eps2=0.5"), ("final", "lambda=0.1")):
        lam = N_TOKENS * 0.5 / width
        key = {"layer": layer, "regulariser": regulariser, "lam": lam}
        level = 0.5 * (width / 64) ** 0.2 + 0.02 * rng.standard_normal()
        for metric, y in (
            ("gain_mean", level), ("rho_mean", 0.4),
            ("partial_surprisal", 0.3 + 0.05 * rng.standard_normal()),
            ("partial_predictive_entropy", 0.2 + 0.05 * rng.standard_normal()),
        ):  # fmt: skip
            partial = metric.startswith("partial")
            twin = 0.05 if partial else 1.3 * level
            row = key | {"metric": metric, "y": y, "untrained": twin} | interval(y, 0.03)
            row |= interval(twin, 0.02, ("untrained_low", "untrained_high"))
            row["untrained_on_trained"] = 0.1 if partial else np.nan
            row["types_partial"] = 0.05 if partial else np.nan
            null = np.nan if partial else 2 * level
            row |= {"random": null} | interval(null, 0.01, ("random_low", "random_high"))
            row |= {
                "largest_residual_ridge": 3.2e-13, "largest_residual_slogdet": 8.5e-12,
                "checked_tokens": 64,
            }  # fmt: skip
            found["gain"].append(row)
        position = np.arange(1, N_TOKENS + 1)
        gain = level * (0.7 + 2 / position**0.7)
        lines = {"gain": gain, "rho": np.expm1(gain) * lam, "logdet": np.cumsum(gain)}
        for quantity, values in lines.items():
            for i, mean in zip(position, values, strict=True):
                row = key | {"position": i, "quantity": quantity, "mean": mean}
                found["gain_positions"].append(row | interval(mean, 0.08 * mean))
        for value in np.sort(rng.choice(gain, 40)):
            row = {"gain": value, "gain_ridge": value * (1.01)}
            found["gain_checks"].append(key | row)
        for step in range(20):
            y = level * (0.6 + 0.03 * step)
            row = key | {"surprisal": 0.1 + 0.6 * step, "gain": y}
            found["gain_surprisal"].append(row | interval(y, 0.05))
    return found


def selection_rows(width, rng):
    rows = []
    for sink in SINKS:
        for k in (k for k in KS if k <= width / 4):
            for i, selector in enumerate(SELECTORS):
                held_out = 0.8 * k / (k + 3) - 0.05 * i + 0.01 * rng.standard_normal()
                wins = np.nan if selector == "lasso" else 0.5 + 0.06 * i * rng.random()
                row = {
                    "selector": selector, "sink": sink, "k": k, "held_out": held_out,
                    "in_sample": held_out + 0.1, "lasso_wins": wins,
                    "wilcoxon_p_holm": np.nan if selector == "lasso" else 0.2 * rng.random(),
                }  # fmt: skip
                row |= interval(held_out, 0.03, ("held_out_low", "held_out_high"))
                row |= interval(held_out + 0.1, 0.02, ("in_sample_low", "in_sample_high"))
                rows.append(row | interval(wins, 0.06, ("lasso_wins_low", "lasso_wins_high")))
    return {"selection": rows}


def ablation_rows(layers, rng):
    rows = []
    for sink in ("free", "forced"):
        for mode in ("keep", "drop"):
            for i, selector in enumerate(SELECTORS):
                for share in SHARES:
                    kept = share if mode == "keep" else 1 - share
                    y = kept ** (0.4 + 0.12 * i) + 0.01 * rng.standard_normal()
                    row = {"selector": selector, "sink": sink, "mode": mode, "share": share}
                    row |= interval(y, 0.04, ("recovery_low", "recovery_high"))
                    rows.append(row | {"recovery": y})
    best = 0.4 + 0.05 * layers + 0.02 * rng.standard_normal()
    censored = layers == 4
    one = {"share90": best, "censored": censored, "share90_random": 0.8, "gap": 0.8 - best}
    one |= interval(best, 0.05, ("share90_low", "share90_high"))
    one |= interval(0.8, 0.03, ("share90_random_low", "share90_random_high"))
    one |= interval(0.8 - best, 0.06, ("gap_low", "gap_high"))
    one |= {"participation_share": 0.2} | interval(
        0.2, 0.02, ("participation_low", "participation_high")
    )
    return {"ablation": rows, "distribution": [one | {"problem": ""}]}


def draw(name, tables):
    """One of the three figures from the tables, for the usual choice."""
    if name == "gain":
        four = [tables[t] for t in ("gain", "gain_positions", "gain_checks", "gain_surprisal")]
        return information_gain(*four, corpus="docs", eps2=0.5)
    if name == "selection":
        return token_selection(tables["selection"], corpus="docs")
    return token_ablation(tables["ablation"], tables["distribution"], corpus="docs")


@functools.cache
def usual(*families):
    """The tables of these families and, by name, the figures of them; not to be changed."""
    tables = frames({family: TWO[family] for family in families})
    return tables, {name: draw(name, tables) for name in FIGURES}


def artists(figure, gid):
    """All artists with this mark."""
    return figure.findobj(lambda artist: artist.get_gid() == gid)


def texts(figure):
    return "\n".join(text.get_text() for text in figure.findobj(matplotlib.text.Text))


def intervals(collection):
    """(lines, 2) lower and upper ends of vertical lines, from left to right."""
    ends = np.array(collection.get_segments())  # (lines, 2 ends, 2 coordinates)
    return ends[np.argsort(ends[:, 0, 0], kind="stable")][:, :, 1]


def assert_band(band, rows, x, low, high):
    corners = {tuple(corner) for corner in band.get_paths()[0].vertices}
    for end in (low, high):
        assert {tuple(corner) for corner in rows[[x, end]].to_numpy()} <= corners


def headline(table, **keys):
    return select(table, layer="final", regulariser="eps2=0.5", **keys)


# ---------------------------------------------------------------- agreement with the tables


@pytest.mark.parametrize("quantity", ["gain", "rho", "logdet"])
@pytest.mark.parametrize("family", TWO)
def test_positions_show_the_largest_and_smallest_model_with_their_bands(family, quantity):
    tables, figures = usual(*TWO)
    ends = {"ladder": ("ladder-w128-d4", "ladder-w32-d1"), "other": ("other-w256-d8",
            "other-w48-d2")}[family]  # fmt: skip
    drawn = [
        artist.get_gid()
        for artist in figures["gain"].findobj(matplotlib.lines.Line2D)
        if (artist.get_gid() or "").startswith(f"{quantity}/{family}")
    ]
    assert sorted(drawn) == sorted(f"{quantity}/{model}" for model in ends)
    for model in ends:
        rows = headline(tables["gain_positions"], model=model, quantity=quantity)
        (line,) = artists(figures["gain"], f"{quantity}/{model}")
        np.testing.assert_array_equal(line.get_xydata(), rows[["position", "mean"]])
        (band,) = artists(figures["gain"], f"{quantity} band/{model}")
        assert_band(band, rows, "position", "low", "high")


def test_gain_by_surprisal_is_that_of_the_table():
    tables, figures = usual("ladder")
    rows = headline(tables["gain_surprisal"], model="ladder-w128-d4")
    (line,) = artists(figures["gain"], "surprisal/ladder-w128-d4")
    np.testing.assert_array_equal(line.get_xydata(), rows[["surprisal", "gain"]])


def test_every_checked_token_stands_at_both_gains_and_the_largest_residual_is_printed():
    tables, figures = usual("ladder")
    rows = headline(tables["gain_checks"])
    (line,) = artists(figures["gain"], "identity/ladder")
    expected = np.column_stack([rows["gain_ridge"], rows["gain"]])
    np.testing.assert_allclose(line.get_xydata(), expected)
    assert "ridge 3.2e−13" in texts(figures["gain"])
    assert "slogdet 8.5e−12" in texts(figures["gain"])


def test_the_largest_residual_is_over_all_layers_and_regularisers():
    tables = frames()
    tables["gain"].loc[tables["gain"]["layer"] == "0", "largest_residual_ridge"] = 7e-11
    assert "ridge 7.0e−11" in texts(draw("gain", tables))


@pytest.mark.parametrize(
    ("metric", "gid", "column"),
    [
        ("gain_mean", "gain_mean", "y"),
        ("gain_mean", "random unit vectors", "random"),
        ("gain_mean", "untrained twins", "untrained"),
        ("partial_surprisal", "surprisal", "y"),
        ("partial_surprisal", "surprisal untrained", "untrained"),
        ("partial_surprisal", "surprisal untrained_on_trained", "untrained_on_trained"),
        ("partial_surprisal", "surprisal types_partial", "types_partial"),
        ("partial_predictive_entropy", "predictive_entropy", "y"),
        ("partial_predictive_entropy", "predictive_entropy untrained", "untrained"),
    ],
)
def test_every_model_and_its_controls_stand_at_their_value_and_interval(metric, gid, column):
    tables, figures = usual("ladder")
    rows = headline(tables["gain"], metric=metric).sort_values(["N", "model"])
    (line,) = artists(figures["gain"], f"{gid}/ladder")
    np.testing.assert_array_equal(line.get_xydata(), rows[["N", column]])
    if column not in ("untrained_on_trained", "types_partial"):
        ends = ["low", "high"] if column == "y" else [f"{column}_low", f"{column}_high"]
        (lines,) = artists(figures["gain"], f"{gid} interval/ladder")
        np.testing.assert_array_equal(intervals(lines), rows[ends])


@pytest.mark.parametrize("score", ["held_out", "in_sample"])
@pytest.mark.parametrize(
    ("model", "sink"),
    [("ladder-w128-d4", sink) for sink in SINKS] + [("ladder-w32-d1", "free")],
)
def test_explained_shares_of_every_selector_are_those_of_the_table(model, sink, score):
    tables, figures = usual("ladder")
    for selector in SELECTORS:
        rows = select(tables["selection"], model=model, sink=sink, selector=selector)
        (line,) = artists(figures["selection"], f"{score}/{model}/{sink}/{selector}")
        np.testing.assert_array_equal(line.get_xydata(), rows[["k", score]])
        (band,) = artists(figures["selection"], f"{score}/{model}/{sink} band/{selector}")
        assert_band(band, rows, "k", f"{score}_low", f"{score}_high")


@pytest.mark.parametrize("selector", ATTENTION)
def test_wins_of_lasso_are_filled_exactly_where_the_test_is_significant(selector):
    tables, figures = usual("ladder")
    for k in KS:
        rows = select(tables["selection"], selector=selector, sink="free", k=k)
        below = rows["wilcoxon_p_holm"] < 0.05
        for kind, some in (("significant", rows[below]), ("open", rows[~below])):
            (line,) = artists(figures["selection"], f"wins/{selector}/{k} {kind}/ladder")
            np.testing.assert_array_equal(line.get_xydata(), some[["N", "lasso_wins"]])
            assert (line.get_markerfacecolor() == "white") == (kind == "open")
        (lines,) = artists(figures["selection"], f"wins/{selector}/{k} interval/ladder")
        ends = rows.sort_values("N", kind="stable")[["lasso_wins_low", "lasso_wins_high"]]
        np.testing.assert_array_equal(intervals(lines), ends)


@pytest.mark.parametrize("sink", ["free", "forced"])
@pytest.mark.parametrize("mode", ["keep", "drop"])
def test_recovery_of_every_selector_is_that_of_the_largest_model(mode, sink):
    tables, figures = usual(*TWO)
    for model in ("ladder-w128-d4", "other-w256-d8"):
        for selector in SELECTORS:
            rows = select(tables["ablation"], model=model, mode=mode, sink=sink, selector=selector)
            (line,) = artists(figures["ablation"], f"{mode}/{sink}/{model}/{selector}")
            np.testing.assert_array_equal(line.get_xydata(), rows[["share", "recovery"]])
            (band,) = artists(figures["ablation"], f"{mode}/{sink}/{model} band/{selector}")
            assert_band(band, rows, "share", "recovery_low", "recovery_high")


def test_shares_needed_are_those_of_the_table_and_arrows_where_they_are_not_reached():
    tables, figures = usual("ladder")
    rows = tables["distribution"].sort_values(["N", "model"])
    reached = rows[~rows["censored"]]
    (line,) = artists(figures["ablation"], "share90/ladder")
    np.testing.assert_array_equal(line.get_xydata(), reached[["N", "share90"]])
    (arrows,) = artists(figures["ablation"], "share90 censored/ladder")
    assert sorted(arrows.get_xdata()) == sorted(rows.loc[rows["censored"], "N"])
    assert set(arrows.get_ydata()) == {1}
    for column in ("share90_random", "gap", "participation_share"):
        (line,) = artists(figures["ablation"], f"{column}/ladder")
        np.testing.assert_array_equal(line.get_xydata(), rows[["N", column]])


def test_a_random_share_that_is_not_reached_is_an_arrow_as_well():
    tables = frames()
    tables["distribution"]["share90_random"] = np.nan
    (arrows,) = artists(draw("ablation", tables), "share90_random censored/ladder")
    assert len(arrows.get_xdata()) == len(LADDER)


# ---------------------------------------------------------------- what is not there


@pytest.mark.parametrize(
    ("name", "table", "column"),
    [
        ("gain", "gain", "random_low"), ("gain", "gain_positions", "quantity"),
        ("gain", "gain_checks", "gain_ridge"), ("gain", "gain_surprisal", "surprisal"),
        ("selection", "selection", "wilcoxon_p_holm"), ("ablation", "ablation", "recovery"),
        ("ablation", "distribution", "censored"),
    ],
)  # fmt: skip
def test_a_table_without_a_needed_column_is_refused_by_name(name, table, column):
    tables = frames({"few": SHAPES[:2]})
    tables[table] = tables[table].drop(columns=column)
    wanted = rf"results/context/{table}\.parquet: .*{column}.* snakemake -R"
    with pytest.raises(InfogeoError, match=wanted):
        draw(name, tables)


@pytest.mark.parametrize("name", FIGURES)
def test_empty_tables_give_a_figure_that_says_so(name):
    tables = {table: frame[:0] for table, frame in frames({"few": SHAPES[:1]}).items()}
    said = texts(draw(name, tables)).replace("\n", " ")
    assert {"gain": "no mean gain", "selection": "no token selection on docs",
            "ablation": "no token ablation on docs"}[name] in said  # fmt: skip


@pytest.mark.parametrize("name", FIGURES)
def test_one_model_alone_is_drawn(name):
    figure = draw(name, frames({"alone": SHAPES[4:5]}))
    figure.draw_without_rendering()
    if name == "selection":
        assert "no smaller model of alone" in texts(figure)


@pytest.mark.parametrize("name", FIGURES)
def test_numbers_that_are_all_nan_give_panels_that_say_so(name):
    tables = frames({"few": SHAPES[:2]})
    for frame in tables.values():
        numbers = frame.columns.difference(
            [*MODEL, "width", "k", "position", "share", "lam", "censored"]
        )
        frame[numbers] = frame[numbers].mask(frame[numbers].map(lambda v: isinstance(v, float)))
    figure = draw(name, tables)
    figure.draw_without_rendering()
    said = texts(figure).replace("\n", " ")
    assert {"gain": "rows has mean gain", "selection": "no rows of few-w32-d2",
            "ablation": "no ablation of few-w32-d2"}[name] in said  # fmt: skip


def test_a_model_that_cannot_be_ablated_is_named_with_its_reason():
    tables = frames()
    gone = tables["distribution"]["model"] == "ladder-w128-d4"
    tables["ablation"] = tables["ablation"][tables["ablation"]["model"] != "ladder-w128-d4"]
    tables["distribution"].loc[gone, ["problem", "share90"]] = ["a window counts tokens", np.nan]
    figure = draw("ablation", tables)
    assert "Not ablated: a window counts tokens (ladder-w128-d4)" in texts(figure)
    assert artists(figure, "keep/free/ladder-w128-d2/lasso")  # the largest that could be


def test_a_model_with_curves_of_ablation_is_not_called_not_ablated():
    tables = frames()
    few = tables["distribution"]["model"] == "ladder-w128-d4"
    tables["distribution"].loc[few, ["problem", "share90"]] = ["3 texts of 3 sources", np.nan]
    note = texts(draw("ablation", tables))
    assert "Ablated, without a share: 3 texts of 3 sources (ladder-w128-d4)" in note
    assert "Not ablated" not in note


# ---------------------------------------------------------------- style and files


@pytest.mark.long
@pytest.mark.parametrize("name", FIGURES)
def test_files_repeat_byte_for_byte(name, tmp_path):
    tables = frames({"few": SHAPES[:2]})
    paths = [tmp_path / "first.pdf", tmp_path / "again.pdf"]
    for path in paths:
        save(draw(name, tables), [path])
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_selectors_differ_in_grey_and_three_stand_out():
    looks = [selector_look(selector) for selector in SELECTORS]
    assert len({look["marker"] for look in looks}) == len(SELECTORS) == 8
    bold = [s for s, look in zip(SELECTORS, looks, strict=True) if look["linewidth"] > 1.5]
    assert sorted(bold) == ["attention_mean", "lasso", "random"]


@pytest.mark.parametrize("name", FIGURES)
def test_of_a_run_the_last_step_alone_is_drawn(name):
    tables = frames()
    with_steps = {
        key: pd.concat([
            table.assign(run=table["model"], step=8),
            table.assign(run=table["model"], step=0, model=table["model"] + "@0"),
        ])
        for key, table in tables.items() if len(table)
    }  # fmt: skip
    one, other = (pixels(draw(name, made)) for made in (tables, with_steps))
    np.testing.assert_array_equal(one, other)


def test_of_models_of_one_size_the_first_by_name_is_taken():
    frame = pd.DataFrame({"family": "f", "model": ["b", "a", "d", "c"], "N": [9, 9, 1, 1]})
    assert extremes(frame) == [("f", "largest", "a"), ("f", "smallest", "c")]


@pytest.mark.parametrize("name", FIGURES)
def test_of_many_families_those_with_most_models_have_panels_and_it_says_so(name, monkeypatch):
    monkeypatch.setattr(families, "MOST", 1)
    figure = draw(name, frames(TWO))
    assert "the 1 of 2 families with most models" in texts(figure).replace("\n", " ")
    # Panels and curves of single models name them; marks of all models stand on.
    gids = {str(artist.get_gid()) for artist in figure.findobj()}
    assert any("/ladder-w" in gid for gid in gids) and not any("/other-w" in gid for gid in gids)
    assert any(gid.endswith("/other") for gid in gids)


def test_a_legend_of_many_families_names_the_first_and_counts_the_rest(monkeypatch):
    monkeypatch.setattr(families, "LISTED", 2)
    styles = dict.fromkeys("abcde", ("red", "o"))
    labels = [handle.get_label() for handle in family_handles(styles)]
    assert labels == ["a", "b", "and 3 more"]


def test_marks_and_intervals_of_many_models_shrink(monkeypatch):
    tables = frames()
    before = artists(draw("gain", tables), "gain_mean/ladder")[0]
    monkeypatch.setattr(size, "CROWD", len(LADDER) / 4)
    figure = draw("gain", tables)
    after = artists(figure, "gain_mean/ladder")[0]
    assert after.get_markersize() == pytest.approx(before.get_markersize() / 2)
    assert artists(figure, "gain_mean interval/ladder")[0].get_alpha() == pytest.approx(0.5)


def test_of_many_models_that_were_not_ablated_some_are_named_and_the_rest_counted():
    assert shortened("abc", most=3) == "a, b, c"
    assert shortened("abcde", most=3) == "a, b, c, and 2 more"


def test_a_figure_reads_the_rows_of_its_corpus_alone_and_refuses_a_table_that_lacks_a_column():
    table = frames()["gain_surprisal"]
    parts = [table.iloc[:100], table.iloc[100:].assign(corpus="another")]
    found = select_parts(parts, "context", "gain_surprisal", corpus="docs")
    pd.testing.assert_frame_equal(found, table.iloc[:100])
    with pytest.raises(InfogeoError, match=r"gain_surprisal.*corpus"):
        select_parts([table.drop(columns="corpus")], "context", "gain_surprisal", corpus="docs")


def test_names_of_selectors_beside_the_panels_of_wins_break_between_words():
    figure = draw("selection", frames())
    labels = {ax.get_ylabel() for ax in figure.axes}
    assert {"attention,\nmean of heads", "attention,\nbest head", "attention\nrollout"} <= labels
