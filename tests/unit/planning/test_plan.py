import csv
import json
import os
import re
import tracemalloc
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tiny import save_tokenizer
from tiny_types import save_type
from transformers import AutoConfig, AutoModelForCausalLM

from infogeo.context.selectors import SELECTORS
from infogeo.files.artefacts import write_table
from infogeo.files.errors import InfogeoError
from infogeo.geometry import gain_tables
from infogeo.geometry.corpus_spectra import corpus_bytes
from infogeo.inference import resampling
from infogeo.laws import difference_rates
from infogeo.planning import (
    configuration,
    costliest,
    costs,
    demand,
    job_costs,
    known,
    plan,
    schemas,
)
from infogeo.planning.training_rows import STUDIES
from infogeo.sources import ladder_model

MODEL = {"params_total": 1300, "params_non_embedding": 1000, "width": 10, "layers": 2,
         "vocabulary": 30}  # fmt: skip
MEMBERS = [(16, 1, 300), (32, 3, 512)]  # width, depth, vocabulary


def neox(width, depth, vocabulary):
    shape = ladder_model.Shape(width, depth, vocabulary, 64, head_width=8)
    config = AutoConfig.for_model(**ladder_model.configuration(shape, init_std=0.1))
    return AutoModelForCausalLM.from_config(config).eval()


@pytest.fixture
def config():
    return configuration.merged(
        {
            "ladders": {"tiny": {"widths": [16, 32], "depths": [1, 3], "head_width": 8}},
            "spectra": {"n": [8, 24]},
            "sentences": {"n": 8},
            "headline": {"n": 24},
            "plan": {"flops_per_second": 1e6},
        }
    )


def ladder_row(slug="small", where="tiny/w16-d1-s0", **other):
    return {"slug": slug, "family": "tiny", "source": "ladder", "where": where,
            "dtype": "float32", "architecture": slug, "studies": list(STUDIES), "checkpoint_of": "",
            "variant_of": "", "keep_weights": True, **other}  # fmt: skip


def corpus_row(slug="stories", texts=100, label_column=""):
    return {"slug": slug, "texts": texts, "source": "hub", "where": "a/b",
            "label_column": label_column}  # fmt: skip


def planned(config, folder, models=None, corpora=None, expected_models=None, expected_corpora=None):
    models = models or [ladder_row()]
    corpora = corpora or [corpus_row("stories", 100)]
    return plan.rows(
        models,
        corpora,
        config,
        folder,
        expected_models or ["fm"] * len(models),
        expected_corpora or ["fc"] * len(corpora),
    )


# ---------------------------------------------------------------- arithmetic
def test_forward_flops_by_hand():
    # per token: 2·1000 weights, 4·5·10·2 attention, 2·10·30 logits
    assert costs.forward_flops(MODEL, tokens=7, n=5) == 7 * (2000 + 400 + 600)


@pytest.mark.parametrize(("width", "depth", "vocabulary"), MEMBERS)
def test_forward_flops_are_those_that_pytorch_counts(width, depth, vocabulary):
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    texts, n = 3, 20
    model = neox(width, depth, vocabulary)
    model.set_attn_implementation("eager")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros((texts, n), dtype=torch.long))
    matrices = sum(w.numel() for name, w in model.named_parameters() if w.ndim == 2)
    shape = {"params_non_embedding": matrices - vocabulary * width, "width": width,
             "layers": depth, "vocabulary": vocabulary}  # fmt: skip
    # PyTorch counts the rotary frequencies too, one small product per pass.
    assert counter.get_total_flops() == pytest.approx(
        costs.forward_flops(shape, texts * n, n), rel=1e-3
    )


@pytest.mark.parametrize(("width", "depth", "vocabulary"), MEMBERS)
def test_parameters_of_a_ladder_model_are_those_of_the_real_one(
    width, depth, vocabulary, config, tmp_path
):
    config["ladders"]["tiny"]["vocabulary"] = vocabulary
    row = ladder_row(where=f"tiny/w{width}-d{depth}-s0")
    found = known.describe_model(row, config, tmp_path, None)
    model = neox(width, depth, vocabulary)
    total = sum(w.numel() for w in model.parameters())
    assert found["params_total"] == total
    assert found["params_non_embedding"] == total - model.get_input_embeddings().weight.numel()
    assert (found["width"], found["layers"], found["vocabulary"]) == (width, depth, vocabulary)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_bytes_of_hidden_states_are_those_of_a_real_store(dtype, tmp_path):
    import h5py
    from tiny import save_store

    from infogeo.states.layout import TOKEN_ARRAYS

    lengths, layers = [5, 8, 8], ["0", "1", "final"]
    hidden = {layer: np.ones((21, MODEL["width"]), dtype=np.float32) for layer in layers}
    save_store(
        tmp_path / "s.h5",
        hidden=hidden,
        tokens={name: np.zeros(21, dtype) for name, dtype in TOKEN_ARRAYS.items()},
        attrs={},
        doc_ids=["a", "b", "c"],
        sources=["s"] * 3,
        labels=[""] * 3,
        lengths=lengths,
        dtype=dtype,
    )
    with h5py.File(tmp_path / "s.h5") as file:
        stored = sum(file["hidden"][layer].id.get_storage_size() for layer in layers)
    planned = costs.hidden_states_bytes(MODEL, 21, len(layers), dtype)
    assert stored == planned + 4 * len(layers)  # a checksum of four bytes per chunk


def test_memory_is_that_of_weights_batch_and_two_shards():
    states = {"batch_tokens": 100, "shard_tokens": 1000, "dtype": "computed"}

    def grows(tokens=5000, layers=3, **changed):
        base = costs.memory_bytes(MODEL, states, 5000, 3, "float32")
        return costs.memory_bytes(MODEL | changed, states, tokens, layers, "float32") - base

    assert grows(params_total=1400) == 4 * 100
    assert grows(layers=4) == 4 * 2 * 1000 * 10
    assert grows(tokens=None) == grows(tokens=1000) == 0  # a shard is full
    assert grows(tokens=900) == -4 * 2 * 100 * 10 * 3
    halves = [
        costs.memory_bytes(MODEL, states, 5000, 3, dtype) for dtype in ("float16", "bfloat16")
    ]
    assert halves[0] == halves[1] < costs.memory_bytes(MODEL, states, 5000, 3, "float32")


def test_shards_are_bounded_in_bytes_too():
    from infogeo.states import shards, two_passes

    states = {"batch_tokens": 1, "shard_tokens": 10**9, "dtype": "computed"}
    wide = MODEL | {"width": 1000}
    few, many = (costs.memory_bytes(wide, states, 10**9, k, "float32") for k in (2, 4))
    assert few == many
    assert costs.SHARD_BYTES == shards.SHARD_BYTES
    assert costs.KEPT_BYTES == two_passes.KEPT_BYTES
    assert costs.TOGETHER_BYTES == gain_tables.TOGETHER_BYTES


@pytest.mark.parametrize(("stream", "asked"), [(True, "computed"), (False, "float32")])
def test_states_of_half_precision_models_may_take_the_room_of_float32(stream, asked):
    states = {"batch_tokens": 100, "shard_tokens": 1000, "dtype": "computed"}
    half = costs.memory_bytes(MODEL, states, 5000, 3, "bfloat16")
    model = MODEL | {"float32_stream": stream}
    more = costs.memory_bytes(model, states | {"dtype": asked}, 5000, 3, "bfloat16") - half
    assert more == 2 * 2 * 1000 * 10 * 3  # two bytes more of each number of two shards


@pytest.mark.parametrize("asked", ["computed", "float32"])
def test_bytes_of_states_are_those_of_the_dtype_in_which_they_are_stored(config, tmp_path, asked):
    config["states"]["dtype"] = asked
    (row,) = planned(config, tmp_path, models=[ladder_row(dtype="bfloat16")])
    each = {"computed": 2, "float32": 4}[asked]
    assert row["hidden_states_bytes"] == row["tokens"] * 3 * 16 * each


def test_an_encoder_has_a_pass_for_each_length_and_neither_gains_nor_ablation(config, tmp_path):
    (row,) = planned(config, tmp_path, models=[ladder_row(kind="encoder")])
    (causal,) = planned(config, tmp_path)
    assert (row["tokens"], causal["tokens"]) == (100 * (8 + 24), 100 * 24)
    for work in ("gains", "ablation"):
        assert row[f"{work}_hours"] == 0 < causal[f"{work}_hours"]
        assert row[f"asked_{work}_minutes"] is None
    assert "–" in plan.rendered_demand([row], config)
    assert plan.count_tokens(["a b"] * 3, None, [8, 24], own_passes=True) == (3, 96, "at most")


def test_bytes_of_a_reduced_store_are_those_of_a_real_one_at_most(config, tmp_path):
    import h5py
    from tiny import save_store

    from infogeo.states.layout import TOKEN_ARRAYS

    lengths, width = [24] * 100, 16
    (row,) = planned(config, tmp_path)
    kept = config["states"]["attention_texts"]
    save_store(
        tmp_path / "s.h5",
        hidden={"final": np.ones((24 * kept, width), dtype=np.float32)},
        tokens={name: np.zeros(2400, dtype) for name, dtype in TOKEN_ARRAYS.items()},
        attrs={},
        doc_ids=map(str, range(100)),
        sources=["s"] * 100,
        labels=[""] * 100,
        lengths=lengths,
        dtype="float32",
        state_lengths=dict.fromkeys(range(kept), 24),
    )
    with h5py.File(tmp_path / "s.h5") as file:
        names = ["hidden/final", *TOKEN_ARRAYS]
        stored = sum(file[name].id.get_storage_size() for name in names)
    chunks = 1 + len(TOKEN_ARRAYS)  # a checksum of four bytes for each
    # Of the arrays of tokens whole chunks lie on the disk.
    assert row["reduced_states_bytes"] == stored - 4 * chunks
    (labelled,) = planned(config, tmp_path, corpora=[corpus_row(label_column="kind")])
    depths = {"final", *config["sentences"]["depths"]}
    tokens = kept * 24 + (100 - kept) * config["sentences"]["n"]
    expected = 2400 * costs.TOKEN_BYTES + tokens * len(depths) * width * 4
    assert labelled["reduced_states_bytes"] == expected


def job_of(config, folder, row=None, texts=100):
    """The costs of the jobs of a model on so many texts of 24 tokens."""
    row = row or ladder_row()
    model = known.describe_model(row, config, folder, None)
    return job_costs.Job(model, row["dtype"], config, texts, 24 * texts)


def test_memory_is_that_of_the_costliest_job(config, tmp_path):
    config["states"] = {**config["states"], "batch_tokens": 1 << 21, "shard_tokens": 1 << 21}
    half = ladder_row(dtype="bfloat16")
    (row,) = planned(config, tmp_path, [half])
    job = job_of(config, tmp_path, half)
    (dumped, _), (twins, _) = job.dump_hidden_states(), job.untrained_twins()
    assert row["memory_bytes"] == twins > dumped
    said = plan.rendered([row], config)
    assert f"Most: untrained_twins of small, {plan.human(twins, 'B')};" in said
    assert "less with states.batch_tokens, states.layers, spectra.n." in said


def test_the_costliest_rule_is_named_with_the_keys_that_bring_it_down(config, tmp_path):
    rows = planned(config, tmp_path, corpora=[corpus_row("x", 5), corpus_row("y", 15)])
    whole = sum(row[f"{work}_hours"] for row in rows for work in plan.WORKS if work != "training")
    whole += rows[0]["training_hours"]  # a model is trained once
    hours = rows[0]["training_hours"]
    said = plan.rendered(rows, config)
    assert f"Most time: train_ladder, {plan._time(hours)} of {plan._time(whole)};" in said
    config["ladders"]["tiny"]["tokens"] = 1000
    said = plan.rendered(planned(config, tmp_path), config)
    assert "Most time: token_ablation" in said and "less with context.shares" in said


def test_the_keys_that_bring_costs_down_are_there_for_every_rule():
    keys = set(schemas.paths(schemas.read("config")))
    rules = {*plan.WORKS.values(), "measure_states", "sentence_geometry", "untrained_sentences"}
    rules |= {"layer_similarity", "untrained_entropy"}
    assert set(costliest.LESS_MEMORY) == rules - {"train_ladder"}
    assert set(costliest.LESS_TIME) == set(plan.WORKS)
    for text in (*costliest.LESS_MEMORY.values(), *costliest.LESS_TIME.values()):
        assert set(re.findall(r"\w+\.\w+", text)) <= keys


def test_states_that_shards_keep_save_a_pass_and_the_spectra_of_all_layers_at_once(
    config, tmp_path, monkeypatch
):
    job = job_of(config, tmp_path, ladder_row(where="tiny/w16-d300-s0"))
    assert job_costs.keeps_states(job) and not job_costs.keeps_states(replace(job, tokens=0))
    once, (held, seconds) = job.accumulators(), job.untrained_twins()
    monkeypatch.setattr(costs, "KEPT_BYTES", 0)
    more, (all_held, longer) = job.accumulators(), job.untrained_twins()
    assert more > once and all_held - held == more - once
    assert longer - seconds == pytest.approx(3 * job.passes(job.forward(likelihoods=False)))


def test_without_stored_states_one_job_takes_two_passes_and_the_spectra_of_the_corpus(
    config, tmp_path, monkeypatch
):
    monkeypatch.setattr(costs, "KEPT_BYTES", 0)
    (stored,) = planned(config, tmp_path)
    config["keep_hidden_states"] = False
    (row,) = planned(config, tmp_path)
    # Embeddings, a block, the final norm; as many texts that are long enough for 8 alone.
    accumulators = 3 * corpus_bytes({8: 200, 24: 100}, 16)
    # Later, gains of a layer, those of all three together with their ranks, and the table that is
    # written take more here: a layer is small.
    of_layer = costs.gain_bytes(config, 100)
    gains = job_costs.TABLE_BYTES + (job_costs.GAIN_COPIES + 2 * 3) * of_layer
    assert row["memory_rule"] == "measure_states"
    dumped, _ = job_of(config, tmp_path).dump_hidden_states()
    assert row["memory_bytes"] == dumped + max(accumulators, gains)
    row_of_many = planned(config, tmp_path, [ladder_row(where="tiny/w16-d300-s0")])[0]
    held = row_of_many["memory_bytes"] - dumped
    assert held > 302 * accumulators / 3 > gains
    # One twin takes as long, but for the intervals of the relations.
    job = job_of(config, tmp_path)
    with_draws, without = (job.gain_tables(draws) + job.dimensions(draws) for draws in (999, 0))
    expected = stored["twins_hours"] / 3 + (with_draws - without) / 3600
    assert row["dump_hours"] == pytest.approx(expected)
    assert row["spectra_hours"] is row["asked_gains_minutes"] is None
    assert row["hidden_states_bytes"] == stored["hidden_states_bytes"]
    said = plan.rendered([row], config)
    assert "These are not stored in this run." in said
    assert "spectra" not in said.splitlines()[0] and "twins" in said.splitlines()[0]
    minutes = demand.START_MINUTES + int(np.ceil(120 * row["dump_hours"]))
    assert asked("measure_states", config, tmp_path)["minutes"] == minutes > demand.START_MINUTES


# ---------------------------------------------------------------- what is known, and how surely
def test_before_anything_is_fetched_tokens_are_an_upper_bound(config, tmp_path):
    (row,) = planned(config, tmp_path)
    assert (row["texts"], row["tokens"], row["tokens_are"]) == (100, 2400, "at most")


def test_where_the_number_of_texts_is_open_tokens_are_not_known(config, tmp_path):
    (row,) = planned(config, tmp_path, corpora=[corpus_row("stories", 0)])
    assert (row["texts"], row["tokens"], row["tokens_are"]) == (None, None, "unknown")
    assert row["forward_flops"] is row["hidden_states_bytes"] is row["dump_hours"] is None
    assert row["training_flops"] > 0
    assert row["memory_bytes"] > 0


@pytest.fixture
def fetched(tmp_path, tiny_model_dir):
    """results/ with a corpus of the fingerprint fc and a model of the fingerprint fm."""
    import pandas as pd

    texts = ["the of", "matrix array " * 40, "sum mean axis shape given"]
    path = tmp_path / "corpora" / "stories.parquet"
    write_table(pd.DataFrame({"text": texts}), path, "fc")
    marker = tmp_path / "models" / "small" / "model.json"
    marker.parent.mkdir(parents=True)
    model = json.loads((tiny_model_dir() / "model.json").read_text())
    marker.write_text(json.dumps(model | {"fingerprint": "fm"}))
    return tmp_path, texts, tiny_model_dir()


def test_once_corpus_and_tokenizer_are_there_tokens_are_exact(config, fetched):
    from infogeo.states.tokens import encode, load_tokenizer

    folder, texts, directory = fetched
    encoded = encode(load_tokenizer(directory), texts, 24, 8, "spectra.n")
    (row,) = planned(config, folder)
    assert row["tokens_are"] == "exact"
    assert row["tokens"] == len(encoded.token_ids)
    assert row["texts"] == len(encoded) < len(texts)


def test_parameters_are_those_counted_once_the_model_is_there(config, fetched):
    (row,) = planned(config, fetched[0])
    assert row["width"] == 32  # of the model that is there; the row of the table says 16
    (row,) = planned(config, fetched[0], expected_models=["another"])
    assert row["width"] == 16


def test_a_corpus_of_other_settings_is_not_believed(config, fetched):
    (row,) = planned(config, fetched[0], expected_corpora=["another"])
    assert (row["texts"], row["tokens_are"]) == (100, "at most")


def test_a_local_model_is_counted_from_its_files(config, tmp_path, tiny_model_dir):
    directory = tiny_model_dir()
    real = json.loads((directory / "model.json").read_text())
    row = ladder_row(source="local", where=str(directory), trust_remote_code=False)
    found = known.describe_model(row, config, tmp_path, None)
    for key in ("params_total", "params_non_embedding", "width", "layers", "vocabulary"):
        assert found[key] == real[key], key
    (line,) = planned(config, tmp_path, models=[row])
    assert line["training_flops"] is None


def test_a_local_model_with_names_of_its_own_is_planned(config, tmp_path):
    save_type("rwkv", tmp_path / "rwkv")
    save_tokenizer(tmp_path / "rwkv")
    row = ladder_row(source="local", where=str(tmp_path / "rwkv"), trust_remote_code=False)
    (line,) = planned(config, tmp_path, models=[row])
    assert 0 < line["params_non_embedding"] < line["params_total"]


def test_hours_follow_from_flops_and_throughput(config, tmp_path, monkeypatch):
    (row,) = planned(config, tmp_path)
    shape = {key: row[key] for key in ("params_non_embedding", "width", "layers", "vocabulary")}
    assert row["forward_flops"] == costs.forward_flops(shape, 2400, 24)
    assert row["dump_hours"] == pytest.approx(row["forward_flops"] / 1e6 / 3600)
    job = job_costs.Job(shape, "float32", config, 100, 2400)
    spectra, gains = (
        seconds(shape, config, 100, 3) / 3600
        for seconds in (costs.spectra_seconds, costs.gain_seconds)
    )
    with_draws, tables = (
        costs.gain_table_seconds(config, 100, 3, draws) / 3600 for draws in (999, 0)
    )
    assert row["spectra_hours"] == pytest.approx(spectra)
    assert row["gains_hours"] == pytest.approx(gains + with_draws)
    # Three draws, each in one pass; or in two, of which the second has no logits.
    again = costs.forward_flops(shape | {"vocabulary": 0}, 2400, 24) / 1e6 / 3600
    dimensions = job.dimensions() / 3600
    once = row["dump_hours"] + spectra + gains + tables + dimensions
    assert row["twins_hours"] == pytest.approx(3 * once)
    monkeypatch.setattr(costs, "KEPT_BYTES", 0)
    (twice,) = planned(config, tmp_path)
    assert twice["twins_hours"] == pytest.approx(3 * (once + again))
    of_both = job.compute_entropy()[1] + job.untrained_entropy()[1]
    assert row["entropy_hours"] * 3600 == pytest.approx(of_both)
    assert row["training_flops"] == 3 * costs.forward_flops(shape, 1_000_000, 128)
    assert row["training_hours"] == pytest.approx(row["training_flops"] / 1e6 / 3600)


def test_a_device_makes_the_products_of_the_corpus_where_it_is_faster(config):
    model = {"width": 2048, "layers": 2}
    corpus = costs.corpus_flops(model, config, 100, 4) / costs.CORPUS_FLOPS

    def seconds(times: float, threads: int) -> float:
        config["plan"]["flops_per_second"] = times * costs.CORPUS_FLOPS / costs.FLOAT64_SHARE
        job = job_costs.Job(model, "float32", config, 100, 2400, threads=threads)
        return job_costs.beside_model(job)

    alone = costs.spectra_seconds(model, config, 100, 4)
    assert [seconds(0.1, 1), seconds(1, 1)] == pytest.approx([alone, alone])
    assert seconds(4, 1) == pytest.approx(alone - 0.75 * corpus)
    assert seconds(4, 3) == pytest.approx(alone / 3 - (1 / 3 - 1 / 4) * corpus)


def test_the_ablation_is_counted_as_it_runs(config, tmp_path):
    config["context"] |= {"shares": [0.25, 0.5], "ablation_draws": 3}
    config["states"]["attention_texts"] = 5
    (row,) = planned(config, tmp_path)
    shape = {"params_non_embedding": row["params_non_embedding"], "width": row["width"]}
    shape |= {"layers": row["layers"], "vocabulary": 0}
    chosen = (len(SELECTORS) - 1) * 2 * 24  # of each share, what is kept and what is left
    random = 3 * (6 + 12 + 18)  # a quarter, half, and all but a quarter
    tokens = 5 * 2 * (chosen + random)  # texts, first token forced or not
    expected = costs.forward_flops(shape, tokens, 24) / 1e6 / 3600
    assert row["ablation_hours"] == pytest.approx(expected)


# ---------------------------------------------------------------- the table
def test_the_csv_holds_a_row_per_model_and_corpus(config, tmp_path):
    models = [ladder_row("a"), ladder_row("b", "tiny/w32-d3-s0")]
    corpora = [corpus_row("x", 5), corpus_row("y", 0)]
    plan.write(planned(config, tmp_path, models, corpora), tmp_path / "plan.csv")
    with (tmp_path / "plan.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert tuple(lines[0]) == plan.COLUMNS
    pairs = [(line["corpus"], line["model"]) for line in lines]
    assert pairs == [("x", "a"), ("x", "b"), ("y", "a"), ("y", "b")]
    assert lines[0]["tokens"] == "120"
    assert lines[2]["tokens"] == ""


def test_the_printed_table_sums_up_and_counts_training_once(config, tmp_path):
    corpora = [corpus_row("x", 5), corpus_row("y", 15)]
    rows = planned(config, tmp_path, corpora=corpora)
    total = plan.rendered(rows, config).split("\n\n")[0].split("\n")[-1]
    assert total.startswith("all")
    assert " 480 " in total  # (5 + 15) texts × 24 tokens
    assert total.endswith(plan._time(rows[0]["training_hours"]))


def test_the_plan_says_what_is_downloaded_and_what_lies_on_the_disk_at_once(config, tmp_path):
    assert "Downloads" not in plan.rendered(planned(config, tmp_path), config)
    sizes = {"stays": 1000, "a": 100, "b": 300, "c": 200}
    models = [
        ladder_row(slug, "org/model", source="hub", params=size, params_non_embedding=size,
                   keep_weights=slug == "stays")
        for slug, size in sizes.items()
    ]  # fmt: skip
    card = {"slug": "c", "fingerprint": "fm", "params_total": 200, "params_non_embedding": 150,
            "width": 16, "layers": 2, "vocabulary": 30, "directory": str(tmp_path),
            "files": {"model.safetensors": {"bytes": 444}, "a": {"bytes": 7}}}  # fmt: skip
    (tmp_path / "models/c").mkdir(parents=True)
    (tmp_path / "models/c/model.json").write_text(json.dumps(card))
    rows = planned(config, tmp_path, models, [corpus_row("x", 5), corpus_row("y", 5)])
    assert [row["weights_bytes"] for row in rows[:4]] == [4000, 400, 1200, 444]
    text = plan.rendered(rows, config)
    assert "Downloads: 6.04 kB of weights at most." in text
    assert "Of them 2.04 kB do not stay (keep_weights: false): at most 1.64 kB are on" in text
    for row in rows:
        row["hidden_states_bytes"] = 500
    assert "With states they take at most 9.64 kB of disk" in plan.rendered(rows, config)


def test_the_printed_table_says_what_is_not_exact(config, tmp_path, fetched):
    said = plan.rendered(planned(config, tmp_path / "none"), config)
    assert "≤ 2.40 k" in said
    assert "≤: at most this" in said
    assert "1.00 MFLOP/s (plan.flops_per_second)" in said
    assert "≤" not in plan.rendered(planned(config, fetched[0]), config)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "B", "?"), (0, "", "0"), (7, "B", "7 B"), (999, "", "999"), (1000, "", "1.00 k"),
        (12_800, "", "12.8 k"), (999_499, "", "999 k"), (999_500, "", "1.00 M"),
        (1.5e9, "B", "1.50 GB"), (5e10, "FLOP/s", "50.0 GFLOP/s"), (3.2e23, "FLOP", "320 ZFLOP"),
    ],
)  # fmt: skip
def test_numbers_are_readable(value, unit, text):
    assert plan.human(value, unit) == text


@pytest.mark.parametrize(
    ("hours", "text"), [(None, "?"), (1e-5, "< 1 s"), (0.05, "3:00"), (30.5, "30:30:00")]
)
def test_times_are_readable(hours, text):
    assert plan._time(hours) == text


# ---------------------------------------------------------------- what a scheduler is asked for
def asked(rule, config, folder, row=None, texts=100, corpus=True, threads=1):
    corpus = corpus_row("stories", texts) if corpus else None
    return demand.Demands(config, folder).of(rule, row or ladder_row(), corpus, "fm", threads)


def test_a_job_asks_for_its_planned_time_twice_over(config, tmp_path):
    row = planned(config, tmp_path)[0]  # at most 100 texts of 24 tokens, as here
    for work, rule in plan.WORKS.items():
        found = asked(rule, config, tmp_path)
        expected = demand.START_MINUTES + int(np.ceil(120 * row[f"{work}_hours"]))
        assert found["minutes"] == expected > demand.START_MINUTES
        # And the plan says so before anything is submitted.
        assert row[f"asked_{work}_minutes"] == found["minutes"]
        assert row[f"asked_{work}_megabytes"] == found["megabytes"]
        assert row["asked_gpus"] == found["gpus"]


def test_memory_asked_for_grows_with_the_model(config, tmp_path):
    config["states"] = {**config["states"], "batch_tokens": 1 << 21, "shard_tokens": 1 << 21}
    row = planned(config, tmp_path, corpora=[corpus_row("stories", 10**6)])[0]
    found = asked(row["memory_rule"], config, tmp_path, texts=10**6)["megabytes"]
    assert found == int(np.ceil(row["memory_bytes"] / 1e6)) > demand.LEAST_MEGABYTES


def test_what_is_asked_for_grows_with_texts_and_layers(config, tmp_path):
    deep = ladder_row(where="tiny/w16-d30-s0")
    for rule in ("compute_spectra", "information_gain", "compute_entropy", "untrained_twins"):
        few, many, layers = (
            asked(rule, config, tmp_path, row, texts)
            for row, texts in ((None, 10**7), (None, 10**8), (deep, 10**7))
        )
        assert few["megabytes"] < many["megabytes"] and few["minutes"] < many["minutes"]
        assert few["minutes"] < layers["minutes"]
    # Dimensions are of a sample.
    few, many, wider = (
        asked("intrinsic_dimension", config | {"dimension": {"rows": rows, "neighbours": 64}},
              tmp_path, None, texts)
        for rows, texts in ((10**5, 10**7), (10**5, 10**8), (10**6, 10**7))
    )  # fmt: skip
    assert few == many
    assert few["megabytes"] < wider["megabytes"] and few["minutes"] < wider["minutes"]
    # All but the twins hold one layer at a time.
    few, layers = (
        asked("compute_entropy", config, tmp_path, row, 10**7)["megabytes"] for row in (None, deep)
    )
    assert few == layers


def test_where_the_number_of_texts_is_not_known_there_may_be_any(config, tmp_path):
    wide = ladder_row(where="tiny/w8192-d30-s0")
    for rule in ("untrained_twins", "measure_states", "compute_spectra"):
        unknown, many = (
            asked(rule, config, tmp_path, wide, texts)["megabytes"] for texts in (0, 9000)
        )
        # Accumulators are as large as for many texts; what grows with each text is not known.
        assert unknown > demand.LEAST_MEGABYTES and 0.8 * many < unknown < 1.5 * many


def test_layers_side_by_side_take_less_time_and_more_memory(config, tmp_path):
    deep = ladder_row(where="tiny/w16-d30-s0")
    one, eight, many = (
        asked("compute_spectra", config, tmp_path, deep, 10**6, threads=threads)
        for threads in (1, 8, 32)
    )
    assert one["minutes"] > 7 * (eight["minutes"] - demand.START_MINUTES - 1)
    assert one["megabytes"] < eight["megabytes"]
    more = asked("compute_spectra", config, tmp_path, deep, 10**6, threads=64)
    assert more == many  # there are no more layers


@pytest.mark.parametrize(
    "rule", ["fit_scaling_laws", "write_tables", "summarise_context", "summarise_sentences"]
)
def test_a_job_over_all_models_asks_for_more_where_there_are_more(rule, config, tmp_path):
    def asked(models, corpora=1, texts=400):
        rows = [ladder_row(f"m{i}") | {"family": f"family{i % 20}"} for i in range(models)]
        corpora = [corpus_row(f"c{i}", texts) for i in range(corpora)]
        return demand.summary(rule, rows, corpora, config, tmp_path, ["fm"] * models)

    few, many, corpora = asked(20), asked(1000), asked(1000, 16)
    assert few["megabytes"] <= many["megabytes"] < corpora["megabytes"]
    assert few["minutes"] <= many["minutes"] < corpora["minutes"]
    if rule in ("fit_scaling_laws", "summarise_context"):
        longer = asked(1000, texts=10**5)
        assert many["megabytes"] < longer["megabytes"] and many["minutes"] < longer["minutes"]


def test_laws_over_training_hold_the_texts_of_one_corpus_and_take_longer_for_each(config, tmp_path):
    def asked(models, corpora, texts):
        rows = [ladder_row(f"m{i}") for i in range(models)]
        corpora = [corpus_row(f"c{i}", texts) for i in range(corpora)]
        return demand.summary("training_paths", rows, corpora, config, tmp_path, ["f"] * models)

    few, long = asked(20, 1, 400), asked(20, 1, 10**5)
    more, corpora = asked(500, 1, 10**5), asked(500, 2, 10**5)
    assert few["megabytes"] < long["megabytes"] < more["megabytes"] == corpora["megabytes"]
    assert few["minutes"] < long["minutes"] < more["minutes"] < corpora["minutes"]


def test_steps_of_runs_are_read_by_the_job_of_the_laws_and_are_in_none_of_them(config, tmp_path):
    def asked_with(rows):
        return demand.summary(
            "fit_scaling_laws", rows, [corpus_row(texts=10**6)], config, tmp_path, ["f"] * len(rows)
        )

    steps = [ladder_row(f"m@{step}", run="m", step=step) for step in range(200)]
    (one, many), others = map(asked_with, (steps[:1], steps)), asked_with([ladder_row()] * 200)
    assert one["megabytes"] < many["megabytes"] < others["megabytes"] / 10
    assert one["minutes"] < many["minutes"] <= others["minutes"]


def test_the_memory_for_token_frequencies_follows_the_texts(config, tmp_path):
    def asked(texts):
        corpora = [corpus_row("c", texts)]
        return demand.summary("compare_theory", [ladder_row("m")], corpora, config, tmp_path, ["f"])

    few, many = asked(400), asked(10**6)
    assert few["megabytes"] == demand.LEAST_MEGABYTES
    assert many["megabytes"] > 50 * max(config["spectra"]["n"])  # 50 bytes of each token
    assert many["minutes"] > few["minutes"]


def test_as_many_laws_are_counted_as_are_fitted():
    # 7 metrics in two conventions, 15 of unit alone. Three scopes of all tokens, against two axes;
    # the same without the first tokens, and the last ones, against one; and of mean and last states
    # as they are 12 metrics, 11 of centred ones. Two n, four depths; four likelihoods, two axes.
    spectral = 2 * 7 + 15
    of_a_depth = 3 * spectral * 2 + 3 * spectral + spectral + (2 + 1) * (12 + 11)
    assert costs.laws(configuration.merged({})) == of_a_depth * 2 * 4 + 4 * 2 * 2


def test_twins_are_drawn_in_float32_and_held_in_both_dtypes(config, tmp_path):
    half = ladder_row(dtype="bfloat16")
    row = planned(config, tmp_path, models=[half])[0]
    job = job_costs.Job(
        known.describe_model(half, config, tmp_path, None), "bfloat16", config, 0, 0
    )
    assert job.running_twins() - job.running() == 4 * row["params_total"]
    whole = job_costs.Job(job.model, "float32", config, 0, 0)
    assert whole.running_twins() == whole.running()


@pytest.mark.parametrize(
    ("parameters", "dtype", "gigabytes", "gpus"),
    [
        (410e6, "float32", 24, 1),
        (9.5e9, "bfloat16", 24, 2),  # 19 GB, of which 0.75 (24 - 1.5) GB fit one
        (13e9, "bfloat16", 24, 2),
        (70e9, "bfloat16", 80, 3),
        (70e9, "float32", 80, 5),
        (70e9, "bfloat16", 0, 0),
    ],
)
def test_gpus_follow_from_weights(parameters, dtype, gigabytes, gpus):
    assert costs.gpus_needed(int(parameters), dtype, gigabytes * 1e9) == gpus


@pytest.mark.parametrize("gigabytes", [16, 24, 80])
def test_the_gpus_that_a_job_asks_for_suffice_where_weights_are_loaded(gigabytes):
    from infogeo.states import loading

    for parameters in np.geomspace(1e8, 2e11, 200).astype(int):
        gpus = costs.gpus_needed(parameters, "bfloat16", gigabytes * 1e9)
        free = [int(gigabytes * 1e9 - costs.CUDA_BYTES)] * gpus
        placed = loading.device_map(2 * int(parameters), free, "m")  # else it would raise
        assert ("max_memory" in placed) == (gpus > 1)


def test_what_slurm_is_asked_for_is_printed_per_model_and_corpus(config, tmp_path):
    rows = planned(config, tmp_path)
    lines = plan.rendered_demand(rows, config).splitlines()
    assert lines[0].split() == ["corpus", "model", "GPUs", *plan.WORKS]
    cells = lines[2].split()
    assert cells[1] == rows[0]["model"] and cells[2] == "1"
    assert cells[3:6] == ["1.50", "GB,", f"{rows[0]['asked_dump_minutes']}:00"]


@pytest.mark.parametrize("rule", ["dump_hidden_states", "untrained_twins", "token_ablation"])
def test_workers_on_one_machine_share_the_time(rule, config, tmp_path):
    alone = asked(rule, config, tmp_path)["minutes"]
    config["launch"] = {"placement": "local", "workers": 4}
    shared, start = asked(rule, config, tmp_path)["minutes"], demand.START_MINUTES
    # Tables are made by one of them.
    assert 0.9 * (alone - start) / 4 <= shared - start <= 0.35 * (alone - start) + 1


def test_workers_share_passes_spectra_and_gains_alike(config, tmp_path):
    model = known.describe_model(ladder_row(), config, tmp_path, None)
    for speed in (1e6, 1e15):  # passes, or spectra and gains, take nearly all of the time
        config["plan"] = {**config["plan"], "flops_per_second": speed}
        alone, shared = (
            job_costs.Job(model, "float32", config, 100, 2400, workers=workers)
            for workers in (1, 4)
        )
        assert alone.all_passes() == pytest.approx(4 * shared.all_passes())


def test_texts_are_counted_once_the_corpus_is_there(config, tmp_path):
    rules = ("dump_hidden_states", "untrained_twins", "compute_spectra")
    before = [asked(rule, config, tmp_path, texts=0)["minutes"] for rule in rules]
    assert before == [demand.START_MINUTES] * 3
    frame = pd.DataFrame({"doc_id": ["a"] * 100, "text": ["b"] * 100})
    (tmp_path / "corpora").mkdir()
    write_table(frame, tmp_path / "corpora/stories.parquet", "of whatever settings")
    for rule in rules:
        counted = asked(rule, config, tmp_path, texts=0)
        assert counted == asked(rule, config, tmp_path, texts=100)


@pytest.mark.parametrize("kind", ["folder", "lines", "parquet"])
def test_local_texts_are_counted_before_they_are_fetched(kind, config, tmp_path):
    where = tmp_path / {"folder": "texts", "lines": "a.jsonl", "parquet": "a.parquet"}[kind]
    if kind == "folder":
        where.mkdir()
        for i in range(30):
            (where / f"{i}.txt").write_text("text")
        (where / ".hidden.txt").write_text("text")
    elif kind == "lines":
        where.write_text("\n".join(['{"text": "a"}'] * 30))
    else:
        pd.DataFrame({"text": ["a"] * 30}).to_parquet(where)
    row = corpus_row(texts=0) | {"source": "local", "where": str(where), "train_share": 0.0}
    (line,) = planned(config, tmp_path, corpora=[row])
    assert (line["texts"], line["tokens"], line["tokens_are"]) == (30, 720, "at most")
    assert known.texts_of(tmp_path, row | {"texts": 20}) == 20
    assert known.texts_of(tmp_path, row | {"texts": 400}) == 30
    # Half are trained on, by a hash: 15 and four standard deviations.
    assert known.texts_of(tmp_path, row | {"train_share": 0.5}) == 26
    assert known.texts_of(tmp_path, row | {"where": str(tmp_path / "none"), "texts": 7}) == 7


def test_sentences_ask_for_the_square_of_their_sample_once_it_is_drawn(config, tmp_path):
    path = tmp_path / "sentences/stories/texts.parquet"
    path.parent.mkdir(parents=True)
    rules = ("sentence_geometry", "untrained_sentences")

    def seconds(texts):
        """Of both jobs, and of the summary."""
        left_out = [""] * texts + ["beyond texts_per_label"] * 50
        write_table(pd.DataFrame({"left_out": left_out}), path, "of whatever settings")
        os.utime(path, (texts, texts))
        found = [asked(rule, config, tmp_path, wide) for rule in rules]
        rows = [wide], [corpus_row("stories", 10**4)], config, tmp_path, ["fm"]
        found.append(demand.summary("summarise_sentences", *rows))
        minutes = [row["minutes"] - demand.START_MINUTES for row in found]
        return np.array([[row["megabytes"] for row in found], minutes])

    wide = ladder_row(where="tiny/w4096-d1-s0")
    config["plan"] = {**config["plan"], "flops_per_second": 1e15}  # passes take no time
    before = [asked(rule, config, tmp_path, wide) for rule in rules]
    assert max(row["minutes"] for row in before) <= demand.START_MINUTES + 1
    memory, minutes = zip(seconds(4000), seconds(8000), strict=True)
    np.testing.assert_allclose(minutes[1], 4 * minutes[0], rtol=0.05)
    assert (memory[1] > 2 * memory[0]).all()
    # Of every pair JS four times and Bures twice by one rule; by the other, thrice, JS alone.
    assert minutes[1][1] == pytest.approx(2 * minutes[1][0], rel=0.01)


@pytest.mark.parametrize("name", ["corpora/stories", "sentences/stories/texts"])
def test_a_damaged_table_says_nothing(name, config, tmp_path):
    rules = ("sentence_geometry", "untrained_twins")
    before = [asked(rule, config, tmp_path, texts=0) for rule in rules]
    path = tmp_path / f"{name}.parquet"
    path.parent.mkdir(parents=True)
    path.write_text("not parquet")
    assert [asked(rule, config, tmp_path, texts=0) for rule in rules] == before


def test_a_damaged_marker_says_nothing(config, tmp_path):
    before = asked("dump_hidden_states", config, tmp_path)
    marker = tmp_path / "models/small/model.json"
    marker.parent.mkdir(parents=True)
    for damaged in ("", '{"fingerprint": "of other settings", "width": 4096}'):
        marker.write_text(damaged)
        assert asked("dump_hidden_states", config, tmp_path) == before


def test_what_jobs_ask_for_is_read_again_once_its_files_change(config, tmp_path, monkeypatch):
    read, rule = [], "dump_hidden_states"

    def describe(row, *rest):
        read.append(row["slug"])
        return known.describe_model(row, *rest)

    monkeypatch.setattr(demand, "describe_model", describe)
    config["plan"] = {**config["plan"], "flops_per_second": 1e6}
    demands = demand.Demands(config, tmp_path)
    rows, corpus = [ladder_row("a"), ladder_row("b")], corpus_row("stories", 10**4)
    first = [demands.of(rule, row, corpus, "fm") for row in rows * 2]
    assert read == ["a", "b"] and first == first[:1] * 4
    # What is kept of one job is not taken for another.
    big, few = ladder_row("c", where="tiny/w8192-d4-s0"), corpus_row("few", 10)
    jobs = [
        (name, row | {"dtype": dtype}, texts, "fm", threads)
        for name in ("dump_hidden_states", "compute_spectra")
        for row in (rows[0], big, big | {"slug": "d", "kind": "encoder"})
        for texts in (corpus, few)
        for dtype in ("float32", "bfloat16")
        for threads in (1, 4)
    ]
    fresh = [demand.Demands(config, tmp_path).of(*job) for job in jobs]
    assert [demands.of(*job) for job in jobs * 2] == fresh * 2
    assert len({tuple(asked.values()) for asked in fresh}) > 10
    marker = tmp_path / "models/a/model.json"
    marker.parent.mkdir(parents=True)
    sizes = {"params_total": 10**9, "params_non_embedding": 10**9, "width": 8, "layers": 1}
    marker.write_text(json.dumps(sizes | {"vocabulary": 8, "fingerprint": "fm"}))
    assert demands.of(rule, rows[0], corpus, "fm")["minutes"] > 2 * first[0]["minutes"]
    assert demands.of(rule, rows[1], corpus, "fm") == first[0]
    (tmp_path / "corpora").mkdir()
    table = tmp_path / "corpora/stories.parquet"
    write_table(pd.DataFrame({"text": ["a"]}), table, "of whatever settings")
    assert demands.of(rule, rows[1], corpus, "fm")["minutes"] == demand.START_MINUTES + 1


def test_a_model_that_is_not_there_yet_asks_for_little(config, tmp_path):
    row = ladder_row(source="local", where=str(tmp_path / "none"), trust_remote_code=False)
    little = {"minutes": demand.START_MINUTES, "megabytes": demand.LEAST_MEGABYTES, "gpus": 1}
    assert asked("untrained_twins", config, tmp_path, row) == little
    config["plan"] = {**config["plan"], "gpu_gigabytes": 0}
    assert asked("untrained_twins", config, tmp_path, row)["gpus"] == 0


def test_a_hub_model_that_is_not_there_yet_is_planned_from_its_row(config, tmp_path):
    row = ladder_row(
        source="hub",
        where="org/model",
        trust_remote_code=False,
        params=7_000_000,
        params_non_embedding=5_000_000,
    )
    with pytest.raises(InfogeoError, match="org/model has not been downloaded yet"):
        known.describe_model(row, config, tmp_path, "fm")
    lines = planned(config, tmp_path, models=[row, ladder_row("b")])
    assert (lines[0]["params_total"], lines[0]["tokens"]) == (7_000_000, 2400)
    unknown = ("width", "layers", "forward_flops", "hidden_states_bytes", "memory_bytes")
    unknown += ("dump_hours", "twins_hours", "ablation_hours", "training_hours")
    assert [lines[0][key] for key in unknown] == [None] * len(unknown)
    assert lines[1]["memory_bytes"] > 0
    printed = plan.rendered(lines, config)
    assert "7.00 M" in printed and "?" in printed
    found = asked("dump_hidden_states", config, tmp_path, row)
    assert found["megabytes"] == demand.LEAST_MEGABYTES


def test_states_of_another_engine_are_planned_without_passes_twins_and_gains(config, tmp_path):
    folder = tmp_path / "given/stories"
    folder.mkdir(parents=True)
    (folder / "a.npz").touch()
    sizes = {"params_total": 900, "params_non_embedding": 800, "width": 16, "layers": 2}
    (folder / "states.json").write_text(json.dumps({"model": sizes, "dtype": "float32"}))
    given = ladder_row("given", str(folder.parent), source="states", revision="")
    (row,) = planned(config, tmp_path, models=[given])
    assert (row["params_total"], row["width"], row["asked_gpus"]) == (900, 16, 0)
    assert row["forward_flops"] == row["dump_hours"] == row["twins_hours"] == 0
    assert row["spectra_hours"] > 0
    assert row["asked_twins_minutes"] is None


@pytest.mark.parametrize(
    ("rule", "copies", "beside"),
    # Of each text normal numbers of simulated pairs, and two weights a resample.
    [("fit_scaling_laws", 8, 0), ("paired_differences", 16, 8 * (4 * 2000 + 2 * 999))],
)
def test_values_of_the_corpus_are_not_counted_once_a_text(rule, copies, beside):
    config = configuration.merged({})

    def needed(texts):
        summary = job_costs.Summary([1], [texts], [0], 4, config)  # four layers, four depths
        return getattr(summary, rule)()[0]

    of_text = costs.entropy_rows(config, 1) - costs.entropy_rows(config, 0)
    draws = 1 + config["controls"]["untrained_draws"]
    each = 8 * draws * copies * of_text + beside
    assert needed(2000) - needed(1000) == pytest.approx(each * 1000)


@pytest.mark.parametrize(("texts", "draws"), [(2000, 99), (50, 999)])
def test_the_simulated_pairs_of_differences_are_in_the_memory_of_their_job(
    texts, draws, monkeypatch
):
    assert job_costs.SIMULATED_PAIRS == difference_rates.PAIRS
    sources = np.arange(texts).astype(str)
    weights = resampling.text_weights(sources, draws=draws, seed=0)
    tracemalloc.start()
    try:
        difference_rates.rate_without_difference(weights, sources, seed=0)
        taken = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    config = configuration.merged({"scaling": {"draws": draws}})
    summary = job_costs.Summary([2], [texts], [0], 4, config)
    asked, _ = summary.paired_differences()
    monkeypatch.setattr(job_costs, "SIMULATED_PAIRS", 0)
    assert 0.6 < taken / (asked - summary.paired_differences()[0]) < 1.05


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_keys_that_the_ablation_keeps_are_in_the_memory_of_its_job(dtype, config):
    import torch

    from infogeo.context import token_ablation
    from infogeo.states.beginnings import Beginnings
    from infogeo.states.model import LanguageModel

    assert costs.ABLATED_TEXTS == token_ablation.SHARD_TEXTS
    width, depth, vocabulary = MEMBERS[1]
    model = LanguageModel(neox(width, depth, vocabulary).to(getattr(torch, dtype)), "m")
    texts = np.random.default_rng(0).integers(vocabulary, size=(costs.ABLATED_TEXTS, 24))
    beginnings = Beginnings(model, texts)
    beginnings.run_whole(np.arange(len(texts)))
    kept = [beginnings.sums, *(x for pair in beginnings.keys.stored.values() for x in pair)]
    taken = sum(values.nbytes for values in kept)
    shape = {"params_total": 0, "width": width, "layers": depth}
    asked = costs.key_bytes(shape, config, dtype)
    assert taken <= asked < 1.06 * taken
    job = job_costs.Job(MODEL, dtype, config, 100, 2400)
    assert job.token_ablation()[0] == job.running() + costs.key_bytes(MODEL, config, dtype)
