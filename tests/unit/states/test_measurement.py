"""Measuring without stored hidden states, against a dump and what is computed from its store."""

import filecmp
import gc
import shutil
import subprocess
import sys
import weakref
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from infogeo.files.artefacts import read_table, write_table
from infogeo.files.errors import InfogeoError
from infogeo.geometry import (
    corpus_spectra,
    covariance,
    device,
    gain_tables,
    layer_gains,
    stacks,
)
from infogeo.geometry.corpus_spectra import Documents, spectra_of_layer
from infogeo.geometry.dimension_rows import tables_by_layer
from infogeo.geometry.repetition import TypeGains
from infogeo.geometry.spectra_file import SpectraFile, Tokens, write_spectra_file
from infogeo.inference import resampling
from infogeo.states import likelihoods, loading, measurement, shards, two_passes, work
from infogeo.states.dump import dump
from infogeo.states.measurement import TABLES, measure
from infogeo.states.reduction import LayerCorpus
from infogeo.states.store import open_store
from infogeo.states.store_writer import StoreWriter

N, LAMBDAS, EPS2, DRAWS, SEED = [16, 24], [0.1], [0.5], 49, 7
NEIGHBOURS, SAMPLED_ROWS = 4, 100
COMMON = {
    "layers": "all",
    "attention_texts": 5,
    "batch_tokens": 100,
    "shard_tokens": 150,
    "trust_remote_code": False,
    "seed": SEED,
    "n": N,
}
EXPECTED = ["model-fingerprint", "corpus-fingerprint", "sample-fingerprint"]


@pytest.fixture(scope="module", autouse=True)
def small_portions():
    """Stacks of 5 texts and blocks of 50 rows, which end within shards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stacks, "BATCH_BYTES", 5 * 24 * 32 * 8)
        patch.setattr(covariance, "BLOCK_ROWS", 50)
        yield


@pytest.fixture(scope="module")
def sample(tiny_corpus, tmp_path_factory):
    """Every fourth text is a sampled sentence."""
    corpus = read_table(tiny_corpus)
    left_out = ["" if row % 4 == 0 else "beyond texts_per_label" for row in range(len(corpus))]
    path = tmp_path_factory.mktemp("sample") / "texts.parquet"
    write_table(corpus[["doc_id", "label"]].assign(left_out=left_out), path, EXPECTED[2])
    return path


def stored(folder, card, corpus, dtype) -> Path:
    """What a dump makes, and the jobs that read it."""
    states = folder / "states.h5"
    dump(card, corpus, states, dtype=dtype, fingerprint="f", scratch=folder / "scratch", **COMMON)
    with open_store(states) as store:
        named = store.doc_ids, store.sources
        documents = Documents.of(*named, store.lengths, N)
        said = store.nll(), store.predictive_entropy()
        tokens = Tokens(store.offsets, *said, store.token_end_byte())
        layers = [
            spectra_of_layer(partial(store.states, [layer]), documents) for layer in store.layers
        ]
        write_spectra_file(folder / "spectra.h5", documents, tokens, layers, "spectra")
        texts = layer_gains.FullTexts.of(*named, store.offsets, store.token_ids(), max(N))
        scores = texts.scores_of_model(*said, store.offsets)
        checks = layer_gains.Checks(texts.doc_ids, texts.n, SEED)
        copies = resampling.text_copies(texts.clusters, draws=DRAWS, seed=SEED)
        types = TypeGains(texts.tokens, SEED)
        dimensions = tables_by_layer(
            store, resampling.clusters(*named), N, SAMPLED_ROWS,
            most=NEIGHBOURS, draws=DRAWS, seed=SEED,
        )  # fmt: skip
        parts = []
        for layer in store.layers:
            states = store.states([layer])
            found = layer_gains.gains_of_layer(states, texts, LAMBDAS, EPS2, checks.check_text)
            rows, checks.rows = checks.rows, []
            tables = gain_tables.tables_together([(found, rows)], texts, scores, copies, types)
            parts.append(tables | {"dimension": dimensions(layer)})
    for name in TABLES:
        made = pd.concat([part[name] for part in parts], ignore_index=True)
        write_table(made, folder / f"{name}.parquet", "gain")
    return folder


@pytest.fixture(scope="module")
def whole(tiny_model_dir, tiny_corpus, tmp_path_factory):
    """The results of the stored mode in float32."""
    card = tiny_model_dir("gpt_neox") / "model.json"
    return stored(tmp_path_factory.mktemp("whole"), card, tiny_corpus, "float32")


def measured(folder, card, corpus, sample, scratch, **changed) -> Path:
    """What `measure` makes."""
    outputs = {"states": folder / "states.h5", "spectra": folder / "spectra.h5"}
    outputs |= {table: folder / f"{table}.parquet" for table in TABLES}
    options = COMMON | {
        "dtype": "float32",
        "lambdas": LAMBDAS,
        "eps2": EPS2,
        "neighbours": NEIGHBOURS,
        "sampled_rows": SAMPLED_ROWS,
        "draws": DRAWS,
        "depths": ["0.5", "final"],
        "depth_tolerance": 0.2,
        "sentence_n": 10,
        "fingerprints": {"states": "reduced", "spectra": "spectra", "gain": "gain"},
        "expected": EXPECTED[:2],
        "expected_sample": EXPECTED[2],
    }
    measure(card, corpus, sample, outputs, scratch=scratch, **options | changed)
    return folder


@pytest.fixture(scope="module")
def reduced(tiny_model_dir, tiny_corpus, sample, tmp_path_factory):
    """The results of an undisturbed run."""
    card = tiny_model_dir("gpt_neox") / "model.json"
    folder = tmp_path_factory.mktemp("reduced")
    return measured(folder / "out", card, tiny_corpus, sample, folder / "scratch")


@pytest.fixture
def run(tmp_path, tiny_model_dir, tiny_corpus, sample):
    """A function that measures the tiny corpus into a folder of tmp_path."""

    def call(architecture="gpt_neox", **changed):
        card = tiny_model_dir(architecture) / "model.json"
        given = changed.pop("sample", sample)
        scratch = tmp_path / "scratch"
        return measured(tmp_path / "out", card, tiny_corpus, given, scratch, **changed)

    return call


@pytest.fixture
def twice(monkeypatch):
    """Shards keep no states, so that the model runs a second time."""
    monkeypatch.setattr(two_passes, "KEPT_BYTES", 0)


MEASURED = ["spectra.h5", *(f"{name}.parquet" for name in TABLES)]


def differing(one: Path, other: Path, names=MEASURED) -> list[str]:
    return [n for n in names if not filecmp.cmp(one / n, other / n, shallow=False)]


def interrupt(monkeypatch, name: str, after: int) -> list:
    """Let the work stop, as if killed, once a function of the module has been called so often."""
    genuine, calls = getattr(two_passes, name), []

    def limited(*arguments):
        if len(calls) == after:
            raise KeyboardInterrupt
        calls.append(arguments)
        return genuine(*arguments)

    monkeypatch.setattr(two_passes, name, limited)
    return calls


def test_everything_that_is_measured_is_that_of_the_stored_states_bit_for_bit(reduced, whole):
    assert differing(whole, reduced) == []


def test_a_second_pass_makes_the_same_files_as_states_that_shards_keep(run, reduced, twice):
    assert differing(reduced, run(), [*MEASURED, "states.h5"]) == []


def test_the_model_runs_once_where_shards_keep_its_states(run, monkeypatch):
    passes, genuine = [], shards.passes
    monkeypatch.setattr(shards, "passes", lambda *given: passes.append(1) or genuine(*given))
    monkeypatch.setattr(two_passes, "accumulate", lambda task: pytest.fail("a second pass"))
    run()
    assert passes == [1]


def test_half_precision_is_measured_as_it_would_be_stored(
    run, tiny_model_dir, tiny_corpus, tmp_path
):
    card = tiny_model_dir("llama") / "model.json"
    (tmp_path / "whole").mkdir()
    expected = stored(tmp_path / "whole", card, tiny_corpus, "bfloat16")
    found = run("llama", dtype="bfloat16")
    assert differing(expected, found) == []
    with open_store(expected / "states.h5") as a, open_store(found / "states.h5") as b:
        text = b.attention_texts[2]
        np.testing.assert_array_equal(a.read(text, "final"), b.read(text, "final"))


def test_the_store_holds_what_later_jobs_read_and_no_more(reduced, whole, sample):
    sampled = read_table(sample).query("left_out == ''")["doc_id"]
    with open_store(whole / "states.h5") as a, open_store(reduced / "states.h5", "reduced") as b:
        assert b.reduced and not a.reduced
        assert b.layers == ["1", "final"]  # the depths of the sentences
        for name in ("token_ids", "special_mask", "token_end_byte", "nll", "predictive_entropy"):
            np.testing.assert_array_equal(getattr(a, name)(), getattr(b, name)())
        assert (a.doc_ids, a.sources, a.labels) == (b.doc_ids, b.sources, b.labels)
        assert a.attention_texts == b.attention_texts
        for text in b.attention_texts:
            np.testing.assert_array_equal(a.attention_last_row(text), b.attention_last_row(text))
            np.testing.assert_array_equal(a.rollout_row(text), b.rollout_row(text))
        kept = {text for text, doc_id in enumerate(b.doc_ids) if doc_id in set(sampled)}
        assert set(b.state_texts.tolist()) == kept | set(b.attention_texts)
        assert len(b.state_texts) < len(b.doc_ids)
        for text, layer, Z in b.states():
            assert len(Z) == (b.lengths[text] if text in b.attention_texts else 10)
            np.testing.assert_array_equal(a.read(text, layer)[: len(Z)], Z)
        left = min(set(range(len(b.doc_ids))) - set(b.state_texts.tolist()))
        with pytest.raises(InfogeoError, match=r"no hidden states of text.*keep_hidden_states"):
            b.read(left, "final")
        same = {
            name: value for name, value in a.attrs.items() if name not in ("fingerprint", "layers")
        }
        assert same == {name: b.attrs[name] for name in same}


def test_without_labels_only_the_last_layer_of_the_attention_texts_is_kept(run):
    with open_store(run(sample=None) / "states.h5") as store:
        assert store.layers == ["final"]
        assert store.state_texts.tolist() == store.attention_texts


def test_no_state_need_be_kept_at_all(run, whole):
    found = run(sample=None, attention_texts=0)
    assert differing(whole, found) == []
    with open_store(found / "states.h5") as store:
        store.verify()
        assert list(store.states()) == []


def test_nothing_is_left_beside_the_results(run, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".states.h5.1.partial").touch()  # of an assembly that was killed
    found = run()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert {path.name for path in found.iterdir()} == {*MEASURED, "states.h5"}


def test_shards_of_other_fingerprints_are_not_used(run, monkeypatch):
    with monkeypatch.context() as patched:
        interrupt(patched, "_write_shard", 3)
        with pytest.raises(KeyboardInterrupt):
            run()
    calls = interrupt(monkeypatch, "_write_shard", 10**6)
    other = {"states": "reduced", "spectra": "spectra", "gain": "of other lambdas"}
    run(fingerprints=other, lambdas=[0.2])
    assert {passed.index for _, passed, *_ in calls} == set(range(len(calls)))


def test_likelihoods_are_taken_in_the_first_pass_alone(run, twice, monkeypatch):
    scored, begun = [], []
    score, accumulate = likelihoods.score, two_passes.accumulate
    monkeypatch.setattr(likelihoods, "score", lambda *given: scored.append(1) or score(*given))
    monkeypatch.setattr(
        two_passes, "accumulate", lambda task: begun.append(len(scored)) or accumulate(task)
    )
    run()
    assert begun == [len(scored)] and scored


def test_a_store_without_its_states_never_takes_its_name(run, tmp_path, monkeypatch):
    monkeypatch.setattr(two_passes, "_write_states", lambda *_: None)
    monkeypatch.setattr(StoreWriter, "write_hidden", lambda *_: None)
    with pytest.raises(InfogeoError, match="chunks exist"):
        run()
    assert not (tmp_path / "out" / "states.h5").exists()


def test_shards_that_keep_states_are_not_made_again(run, reduced, monkeypatch):
    with monkeypatch.context() as patched:
        interrupt(patched, "_write_shard", 3)
        with pytest.raises(KeyboardInterrupt):
            run()
    calls = interrupt(monkeypatch, "_write_shard", 10**6)
    assert differing(reduced, run(), [*MEASURED, "states.h5"]) == []
    assert [passed.index for _, passed, *_ in calls] == list(range(3, 3 + len(calls)))


@pytest.mark.parametrize(("interrupted", "after"), [("_write_shard", 3), ("_note", 2)])
def test_resumed_work_equals_undisturbed_work_and_redoes_no_shard(
    run, reduced, twice, monkeypatch, interrupted, after
):
    monkeypatch.setattr(two_passes, "CHECKPOINT_SECONDS", 0)
    with monkeypatch.context() as patched:
        interrupt(patched, interrupted, after)
        with pytest.raises(KeyboardInterrupt):
            run()
    again = {name: interrupt(monkeypatch, name, 10**6) for name in ("_write_shard", "_note")}
    assert differing(reduced, run(), [*MEASURED, "states.h5"]) == []
    made, noted = (len(again[name]) for name in ("_write_shard", "_note"))
    total = noted if interrupted == "_write_shard" else noted + after
    assert total > 4
    assert made == (total - after if interrupted == "_write_shard" else 0)


def damage(path, name: str) -> None:
    """Flip a bit of a dataset."""
    with h5py.File(path) as file:
        chunk = file[name].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset + 9] ^= 1
    path.write_bytes(content)


def test_a_shard_whose_kept_states_are_damaged_is_made_again(run, reduced, monkeypatch, tmp_path):
    with monkeypatch.context() as patched:
        interrupt(patched, "_write_shard", 3)
        with pytest.raises(KeyboardInterrupt):
            run()
    damage(sorted((tmp_path / "scratch").rglob("shard-*.h5"))[1], "reductions/1/states")
    calls = interrupt(monkeypatch, "_write_shard", 10**6)
    assert differing(reduced, run(), [*MEASURED, "states.h5"]) == []
    assert [passed.index for _, passed, *_ in calls][:2] == [1, 3]


def test_damaged_shards_and_notes_are_made_again(run, reduced, twice, monkeypatch, tmp_path):
    monkeypatch.setattr(two_passes, "CHECKPOINT_SECONDS", 0)
    with monkeypatch.context() as patched:
        interrupt(patched, "_note", 2)
        with pytest.raises(KeyboardInterrupt):
            run()
    (note,) = (tmp_path / "scratch").rglob("corpus-*.h5")
    shard = sorted((tmp_path / "scratch").rglob("shard-*.h5"))[1]
    for path, name in ((shard, "reductions/1/gains"), (note, "2/unit/tokens-unit-1-16-24/total")):
        damage(path, name)
    calls = interrupt(monkeypatch, "_write_shard", 10**6)
    assert differing(reduced, run(), [*MEASURED, "states.h5"]) == []
    assert len(calls) == 1


def test_two_workers_make_the_same_files_where_shards_keep_states(run, reduced):
    assert differing(reduced, run(workers=2), [*MEASURED, "states.h5"]) == []


def test_a_second_pass_of_two_workers_changes_last_bits_of_the_spectra_of_the_corpus_alone(
    run, whole, twice
):
    assert_last_bits_of_the_corpus_alone_differ(whole, run(workers=2))


def assert_last_bits_of_the_corpus_alone_differ(expected: Path, found: Path) -> None:
    assert differing(expected, found) in ([], ["spectra.h5"])
    one, two = (SpectraFile(folder / "spectra.h5") for folder in (expected, found))
    for a, b in zip(one, two, strict=True):
        assert a.spectra.keys() == b.spectra.keys()
        for key, spectrum in a.spectra.items():
            other = b.spectra[key]
            np.testing.assert_array_equal(spectrum.zero_rows, other.zero_rows)
            tolerance = 0 if key[0] == "text" else 1e-12
            np.testing.assert_allclose(
                spectrum.eigenvalues, other.eigenvalues, rtol=0, atol=tolerance
            )


@pytest.fixture
def on_device(monkeypatch):
    """Workers that think they have a GPU; torch's CPU stands in for it. What lay there."""
    placed = []

    class Stand(device.Device):
        def __init__(self, name):
            assert name == "cuda"
            super().__init__("cpu")

        def zeros(self, *shape):
            placed.append(super().zeros(*shape))
            return placed[-1]

    monkeypatch.setattr(work.launch, "device", lambda *given: "cuda")
    monkeypatch.setattr(device, "seen", Stand)
    return placed


@pytest.mark.parametrize("kept_bytes", [0, 1 << 32])
@pytest.mark.parametrize("kept_free", [device.KEPT_FREE, 2])
def test_products_on_a_device_change_last_bits_of_the_spectra_of_the_corpus_alone(
    run, whole, on_device, monkeypatch, kept_bytes, kept_free
):
    monkeypatch.setattr(two_passes, "KEPT_BYTES", kept_bytes)
    monkeypatch.setattr(device, "KEPT_FREE", kept_free)
    assert_last_bits_of_the_corpus_alone_differ(whole, run())
    assert {isinstance(held, np.ndarray) for held in on_device} == {kept_free > 1}


@pytest.mark.parametrize("kept_free", [device.KEPT_FREE, 2])
def test_work_on_a_device_goes_on_from_its_note(
    run, whole, twice, on_device, monkeypatch, tmp_path, kept_free
):
    monkeypatch.setattr(device, "KEPT_FREE", kept_free)
    monkeypatch.setattr(two_passes, "CHECKPOINT_SECONDS", 0)
    whole_run = shutil.copytree(run(), tmp_path / "undisturbed")
    with monkeypatch.context() as patched:
        interrupt(patched, "_note", 2)
        with pytest.raises(KeyboardInterrupt):
            run()
    assert differing(whole_run, run(), [*MEASURED, "states.h5"]) == []
    assert_last_bits_of_the_corpus_alone_differ(whole, run(workers=2))


@pytest.mark.parametrize("kept_bytes", [0, 1 << 32])
def test_a_worker_that_was_promised_a_gpu_and_sees_none_measures_on_its_host(
    run, reduced, monkeypatch, kept_bytes
):
    monkeypatch.setattr(work.launch, "device", lambda *given: "cuda")
    monkeypatch.setattr(work.torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(two_passes, "KEPT_BYTES", kept_bytes)
    assert differing(reduced, run(), [*MEASURED, "states.h5"]) == []


def test_the_model_takes_its_room_on_a_device_before_the_spectra_of_the_corpus(
    run, twice, on_device, monkeypatch
):
    held, genuine = [], work.ModelRun.load

    def load(model):
        held.append(len(on_device))
        return genuine(model)

    monkeypatch.setattr(work.ModelRun, "load", load)
    run()
    assert held == [0, 0] and on_device  # both passes


def test_what_the_passes_held_is_free_before_the_results_are_put_together(run, twice, monkeypatch):
    of_passes, genuine = [], (work.ModelRun.load, two_passes.LayerCorpus, measurement.assemble)

    def load(model):
        of_passes.append(weakref.ref(loaded := genuine[0](model)))
        return loaded

    class Corpus(genuine[1]):
        def __init__(self, *given):
            super().__init__(*given)
            of_passes.append(weakref.ref(self))

    def assemble(task):
        assert len(of_passes) > 2 and not [held for held in of_passes if held()]
        genuine[2](task)

    monkeypatch.setattr(work.ModelRun, "load", load)
    monkeypatch.setattr(two_passes, "LayerCorpus", Corpus)
    monkeypatch.setattr(measurement, "assemble", assemble)
    gc.disable()
    try:
        run()
    finally:
        gc.enable()


def test_the_spectra_of_a_corpus_are_forgotten_with_their_last_reference():
    gc.disable()  # which counts objects, and knows nothing of what they hold on a device
    try:
        corpus = LayerCorpus({16: 40}, 32, {}, True)
        held = weakref.ref(corpus)
        del corpus
        assert held() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("kept_bytes", [0, 1 << 32])
def test_layers_treated_at_once_give_the_same_numbers(run, whole, monkeypatch, kept_bytes):
    monkeypatch.setattr(two_passes, "KEPT_BYTES", kept_bytes)
    # The threads of a worker are those of its forward passes too, which are held at one here.
    monkeypatch.setattr(work.torch, "set_num_threads", lambda threads: None)
    assert differing(whole, run(threads=3)) == []


def test_accumulators_beyond_the_memory_are_refused_before_the_work(run, twice, monkeypatch):
    monkeypatch.setattr(two_passes.memory, "limit_bytes", lambda: 10**6)
    monkeypatch.setattr(loading, "load_model", lambda *_, **__: pytest.fail("the work began"))
    with pytest.raises(InfogeoError, match=r"5 layers of width 32.*states\.layers"):
        run()


@pytest.mark.parametrize("threads", [1, 3])
def test_layers_of_kept_states_beyond_the_memory_are_refused_before_the_work(
    run, monkeypatch, threads
):
    counted = []
    each = corpus_spectra.corpus_bytes
    monkeypatch.setattr(
        two_passes, "corpus_bytes", lambda *given: counted.append(each(*given)) or counted[-1]
    )
    monkeypatch.setattr(loading, "load_model", lambda *_, **__: pytest.fail("the work began"))
    monkeypatch.setattr(two_passes.memory, "limit_bytes", lambda: threads * counted[-1] - 1)
    with pytest.raises(InfogeoError, match=rf"{threads} layers of width 32.*spectra\.n"):
        run(threads=threads)


def test_a_disk_too_small_is_noticed_before_the_work(run, monkeypatch):
    free = shutil.disk_usage("/")._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: free)
    with pytest.raises(InfogeoError, match=r"only 1e-06 GB are free"):
        run()


def test_a_sample_of_other_settings_is_refused(run):
    with pytest.raises(InfogeoError, match=r"texts\.parquet.*snakemake -R"):
        run(expected_sample="other")


@pytest.mark.parametrize("what", ["measure", "twice"])
def test_work_killed_at_random_moments_makes_the_same_files(what):
    # A few kills; the program does as many as one likes.
    program = Path(__file__).parents[2] / "bench" / "kill_dump.py"
    command = [sys.executable, program, "2", "1", "debug", what]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "2 kills" in ended.stdout


def test_the_memory_that_is_asked_for_is_that_of_what_is_held():
    counts, width = {8: 73, 32: 70}, 64
    centres = corpus_spectra.Sums(counts, width).centres(counts)
    held = [
        dataset
        for of_convention in (None, centres)
        for dataset in corpus_spectra.CorpusSpectra(counts, width, of_convention).datasets.values()
    ]
    numbers = sum(d.block.size + (0 if d.total is None else d.total.size) for d in held)
    waiting = 2 * stacks.BATCH_BYTES
    assert corpus_spectra.corpus_bytes(counts, width) == 8 * numbers + waiting


def test_the_order_of_texts_changes_no_bit_of_their_mean():
    rng = np.random.default_rng(0)
    states = rng.standard_normal((60, 8, 5)) * 10.0 ** rng.integers(-9, 9, (60, 1, 5))
    means = []
    for order in (np.arange(60), rng.permutation(60)):
        sums = corpus_spectra.Sums([8], 5)
        for part in np.array_split(states[order], 7):
            sums.add(part)
        means.append(sums.centres({8: 60})["in", 8])
    np.testing.assert_array_equal(*means)
    exact = [float(sum(map(int, np.ldexp(column, 90)))) for column in states.reshape(-1, 5).T]
    np.testing.assert_allclose(means[0], np.ldexp(exact, -90) / 480, rtol=1e-15)
