"""Measuring untrained twins, against a dump of the same weights and what is computed from it."""

import filecmp
import json
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from infogeo.files.artefacts import read_table
from infogeo.files.errors import InfogeoError
from infogeo.geometry import gain_tables, layer_gains, text_rows
from infogeo.geometry.corpus_spectra import Documents, spectra_of_layer
from infogeo.geometry.dimension_rows import tables_by_layer
from infogeo.geometry.spectra_file import SpectraFile, Tokens, write_spectra_file
from infogeo.geometry.token_gains import TokenGains
from infogeo.geometry.twin_relations import crossed_relations
from infogeo.inference import resampling
from infogeo.sources import cards, ladder_model
from infogeo.states import loading, text_plan, two_passes, work
from infogeo.states import twins as untrained
from infogeo.states.dump import dump
from infogeo.states.store import open_store
from infogeo.states.tokens import encode
from infogeo.states.twins import measure_twins

N, LAMBDAS, EPS2, SEED, DRAWS = [16, 24], [0.1], [0.5], 7, 2
NEIGHBOURS, SAMPLED_ROWS = 4, 100
COMMON = {
    "layers": "all",
    "batch_tokens": 100,
    "shard_tokens": 150,
    "trust_remote_code": False,
    "seed": SEED,
    "n": N,
    "dtype": "float32",
}
ROWS = {"depths": ["0", "final"], "depth_tolerance": 0.1, "rows_n": 16, "most_texts": 5}
EXPECTED = ("model-fingerprint", "corpus-fingerprint")


@pytest.fixture(scope="module")
def trained(tiny_model_dir, tiny_corpus, tmp_path_factory):
    """The card of a model and its store."""
    card, folder = tiny_model_dir("gpt_neox") / "model.json", tmp_path_factory.mktemp("trained")
    states, scratch = folder / "states.h5", folder / "scratch"
    given = COMMON | {"attention_texts": 0, "fingerprint": "states", "scratch": scratch}
    dump(card, tiny_corpus, states, **given)
    return card, states


def measured(folder, card, corpus, **changed) -> dict:
    """The files of the twins, measured into folder/out."""
    out = folder / "out"
    outputs = {"spectra": [out / f"{draw}.h5" for draw in range(DRAWS)]}
    for name in ("tokens", "rows"):
        outputs[name] = [out / f"{name}-{draw}.h5" for draw in range(DRAWS)]
    outputs |= {name: out / f"{name}.parquet" for name in untrained.TABLES}
    given = COMMON | {"lambdas": LAMBDAS, "eps2": EPS2, "expected": EXPECTED}
    given |= {"neighbours": NEIGHBOURS, "sampled_rows": SAMPLED_ROWS, **ROWS}
    given |= {"fingerprint": "twins", "scratch": folder / "scratch"} | changed
    measure_twins(card, corpus, outputs, **given)
    return outputs


@pytest.fixture(scope="module")
def undisturbed(trained, tiny_corpus, tmp_path_factory):
    """The files of an undisturbed run; not to be changed."""
    return measured(tmp_path_factory.mktemp("undisturbed"), trained[0], tiny_corpus)


@pytest.fixture
def run(tmp_path, trained, tiny_corpus):
    """A function that measures the twins into tmp_path/out."""
    return partial(measured, tmp_path, trained[0], tiny_corpus)


PLACE = ["layer", "regulariser", "relation"]


def spectra_of(store, folder):
    """The spectra of a store."""
    with open_store(store) as states:
        documents = Documents.of(states.doc_ids, states.sources, states.lengths, N)
        said = states.nll(), states.predictive_entropy()
        tokens = Tokens(states.offsets, *said, states.token_end_byte())
        layers = [
            spectra_of_layer(partial(states.states, [layer]), documents) for layer in states.layers
        ]
        write_spectra_file(folder / "of-store.h5", documents, tokens, layers, "f")
    return SpectraFile(folder / "of-store.h5")


def files(outputs) -> list:
    of_draws = [path for name in untrained.OF_DRAW for path in outputs[name]]
    return [*of_draws, *(outputs[name] for name in untrained.TABLES)]


def contents(outputs) -> dict:
    return {path.name: path.read_bytes() for path in files(outputs)}


def test_a_twin_is_measured_as_a_model_of_its_weights_would_be(
    undisturbed, trained, tiny_corpus, tmp_path
):
    made = undisturbed
    tables = {name: read_table(made[name], "twins") for name in untrained.TABLES}
    card, crossed = cards.read(trained[0]), []
    for draw in range(DRAWS):
        # The twin as a model on disk, with the tokenizer of the trained one.
        folder = tmp_path / f"twin-{draw}"
        options = {"dtype": "float32", "name": "m", "seed": SEED}
        loading.twin(card["directory"], draw, **options).model.save_pretrained(folder)
        for path in trained[0].parent.iterdir():
            if "tokenizer" in path.name or path.name == "special_tokens_map.json":
                (folder / path.name).write_bytes(path.read_bytes())
        own = card | {"directory": str(folder), "files": {}}
        (folder / "model.json").write_text(json.dumps(own))
        given = COMMON | {"attention_texts": 0, "fingerprint": "f", "scratch": tmp_path / "s"}
        dump(folder / "model.json", tiny_corpus, folder / "states.h5", **given)
        with open_store(folder / "states.h5") as states, open_store(trained[1]) as of_model:
            named = states.doc_ids, states.sources
            documents = Documents.of(*named, states.lengths, N)
            said = states.nll(), states.predictive_entropy()
            tokens = Tokens(states.offsets, *said, states.token_end_byte())
            each = [partial(states.states, [layer]) for layer in states.layers]
            layers = [spectra_of_layer(of_layer, documents) for of_layer in each]
            write_spectra_file(folder / "spectra.h5", documents, tokens, layers, "twins")
            texts = layer_gains.FullTexts.of(*named, states.offsets, states.token_ids(), max(N))
            gains = [
                layer_gains.gains_of_layer(of_layer(), texts, LAMBDAS, EPS2) for of_layer in each
            ]
            of_layer = tables_by_layer(
                states, resampling.clusters(*named), N, SAMPLED_ROWS,
                most=NEIGHBOURS, draws=0, seed=SEED,
            )  # fmt: skip
            dimensions = [of_layer(layer) for layer in states.layers]
            of_twin = text_rows.load(made["rows"][draw], "twins")
            assert sorted(of_twin) == ["0", "final"] and len(of_twin["0"].doc_ids) == 5
            sampled = [states.doc_ids.index(name) for name in of_twin["0"].doc_ids]
            of_states = dict(text_rows.rows_of_layers(states.states(), sampled, 16))
            for layer, of_texts in of_twin.items():
                for kind, rows in of_texts.rows.items():
                    np.testing.assert_allclose(rows, of_states[layer][kind], rtol=1e-12)
            scores = texts.scores_of_model(*said, states.offsets)
            of_trained = texts.scores_of_model(
                of_model.nll(), of_model.predictive_entropy(), states.offsets
            )
        assert filecmp.cmp(folder / "spectra.h5", made["spectra"][draw], shallow=False)
        expected = {
            "gain": [gain_tables.text_table(layer, texts) for layer in gains],
            "relations": [gain_tables.relation_table([layer], texts, scores) for layer in gains],
            "dimension": dimensions,
        }
        on_disk = [replace(of, gain=of.gain.astype(np.float32)) for of in gains]
        crossed.append([gain_tables.relation_table([of], texts, of_trained) for of in on_disk])
        for name, parts in expected.items():
            table = tables[name].query("draw == @draw").drop(columns="draw").reset_index(drop=True)
            pd.testing.assert_frame_equal(
                table, pd.concat(parts, ignore_index=True), check_exact=True
            )
    # The relations with the trained model's likelihoods follow from what is on disk.
    twins = [TokenGains(path, "twins") for path in made["tokens"]]
    relations = crossed_relations(spectra_of(trained[1], tmp_path), twins)
    for draw, parts in enumerate(crossed):
        of_draw = relations[relations["draw"] == draw].drop(columns="draw")
        names = list(of_draw.columns)
        expected = pd.concat(parts, ignore_index=True)[names].sort_values(PLACE)
        pd.testing.assert_frame_equal(
            of_draw.sort_values(PLACE).reset_index(drop=True), expected.reset_index(drop=True),
            rtol=1e-12,
        )  # fmt: skip
    # Draws differ, and nothing is left.
    assert not filecmp.cmp(*made["spectra"], shallow=False)
    assert [path.name for path in made["gain"].parents[1].iterdir()] == ["out"]


def test_twins_killed_in_the_second_draw_go_on_from_there(run, undisturbed, monkeypatch):
    genuine, calls = two_passes._write_shard, []

    def counted(task, passed, *rest):
        calls.append((task.model.twin[0], passed.index))
        if len(calls) == stop:
            raise KeyboardInterrupt
        return genuine(task, passed, *rest)

    monkeypatch.setattr(two_passes, "_write_shard", counted)
    stop = 10**6
    again = run()
    assert contents(again) == contents(undisturbed)
    shards = len(calls) // DRAWS
    calls.clear()
    stop = shards + 2  # the second shard of the second draw
    with pytest.raises(KeyboardInterrupt):
        run()
    for path in files(again):
        path.unlink()  # as Snakemake does with what a failed job has left
    calls.clear()
    stop = 10**6
    found = run()
    assert calls == [(1, index) for index in range(1, shards)]
    assert contents(found) == contents(undisturbed)


def test_the_disk_holds_the_shards_of_all_draws_or_no_work_begins(run, monkeypatch):
    needs, genuine = [], two_passes.require_disk
    monkeypatch.setattr(
        two_passes,
        "require_disk",
        lambda wanted, what: needs.append([size for _, size in wanted]) or genuine(wanted, what),
    )
    run()
    first, last = needs  # the shards of the first draw wait for those of the last
    assert len(needs) == DRAWS == 2
    assert first == [2 * size for size in last]
    needs.clear()
    free = work.shutil.disk_usage("/")._replace(free=sum(last) + 1)
    monkeypatch.setattr(work.shutil, "disk_usage", lambda place: free)
    monkeypatch.setattr(loading, "twin", lambda *_, **__: pytest.fail("the work began"))
    with pytest.raises(InfogeoError, match="are free"):
        run()


@pytest.mark.long  # its passes are those of test_measurement, which is killed in every run
def test_twins_killed_at_random_moments_make_the_same_files():
    program = Path(__file__).parents[2] / "bench" / "kill_dump.py"
    command = [sys.executable, program, "2", "1", "debug", "twins"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "2 kills" in ended.stdout


def test_workers_change_no_bit_of_the_twins(run, undisturbed):
    two = run(workers=2)
    assert contents(two) == contents(undisturbed)
    assert np.isfinite(read_table(two["relations"])["partial_spearman"]).any()


def test_a_ladder_starts_where_its_twins_are(tmp_path):
    # So that step 0 of a run and the untrained twins agree in distribution.
    shape = ladder_model.Shape(64, 2, 300, context=32, head_width=32)
    (tmp_path / "config.json").write_text(json.dumps(ladder_model.configuration(shape, 0.1)))
    twin = loading.twin(tmp_path, 0, name="t", seed=SEED, dtype="float32").model
    weights = dict(twin.named_parameters())
    for name, value in ladder_model.initial(shape, 0, 0.1).named.items():
        if value.ndim == 1:
            assert (weights[name] == value).all(), name
        else:
            assert weights[name].std().item() == pytest.approx(value.std().item(), rel=0.05), name
            assert abs(weights[name].mean().item()) < 0.01, name


def test_texts_are_tokenised_once_for_all_draws_and_no_gain_is_checked(run, monkeypatch):
    calls = []
    monkeypatch.setattr(text_plan, "encode", lambda *given: calls.append(1) or encode(*given))
    monkeypatch.setattr(layer_gains.Checks, "check_text", lambda *given: calls.append("checked"))
    run()
    assert calls == [1]
