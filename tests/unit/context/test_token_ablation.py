import filecmp
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from infogeo.context import kept_runs, token_ablation
from infogeo.files.artefacts import read_table, write_table
from infogeo.files.errors import InfogeoError
from infogeo.jobs.job_array import Claim, TakenOver
from infogeo.states import beginnings, loading, work
from infogeo.states.dump import dump
from infogeo.states.tokens import load_tokenizer

N = 16
COMMON = {
    "batch_tokens": 200, "dtype": "float32", "trust_remote_code": False, "seed": 7,
}  # fmt: skip


@pytest.fixture
def run(tmp_path, tiny_model_dir, tiny_corpus):
    """A function that ablates tokens of the tiny corpus; the paths of both tables and the store."""

    def call(name="a", architecture="gpt_neox", attention_texts=6, corpus=tiny_corpus, **changed):
        card, states = tiny_model_dir(architecture) / "model.json", tmp_path / f"{architecture}.h5"
        if not states.exists():
            dump(
                card, tiny_corpus, states, n=[N], layers=["final"], fingerprint="s",
                attention_texts=attention_texts, shard_tokens=10**5, scratch=tmp_path / "s",
                **COMMON,
            )  # fmt: skip
        paths = [tmp_path / f"{name}{part}.parquet" for part in ("", ".status", ".prediction")]
        settings = {"n": N, "k": [1, 2], "shares": [0.2, 0.5], "draws": 2, "centred": False}
        settings |= {"fingerprint": "f", "scratch": tmp_path / "scratch", **COMMON}
        token_ablation.ablate(card, corpus, states, *paths, **settings | changed)
        return *paths[:2], states

    return call


def latest(k, sink, mode):
    """The tokens that remain under recency."""
    chosen = set(range(N - 1 - k, N - 1))
    if mode == "drop":
        return sorted(set(range(N)) - chosen)
    return sorted(chosen | {N - 1} | ({0} if sink == "forced" else set()))


@pytest.fixture
def sharing(monkeypatch):
    """Sets of so short texts share first tokens too."""
    monkeypatch.setattr(kept_runs, "LEAST_SHARED", 4)
    monkeypatch.setattr(kept_runs, "STEP", 2)


def test_measures_equal_one_forward_pass_at_a_time(run, tiny_model_dir, tiny_corpus, sharing):
    table, status, _ = run()
    rows, status = read_table(table, "f"), read_table(status, "f").iloc[0]
    assert status["method"] == token_ablation.METHOD + token_ablation.SHARED
    assert status["problem"] == "" and status["texts"] == 6 and status["gap_residual"] <= 1e-5
    model = loading.load_model(tiny_model_dir("gpt_neox"), dtype="float32", name="m")
    corpus = read_table(tiny_corpus).set_index("doc_id")["text"]
    tokenizer = load_tokenizer(tiny_model_dir("gpt_neox"))
    doc_ids = sorted(set(rows.doc_id))
    tokens = {doc_id: tokenizer(corpus[doc_id])["input_ids"] for doc_id in doc_ids}

    def alone(doc_id, kept):
        ids, at = torch.tensor([tokens[doc_id]])[:, kept], torch.tensor([kept])
        out = model.model(
            ids, attention_mask=torch.ones_like(ids), position_ids=at, output_hidden_states=True
        )
        logits = out.logits[0, -1].double().log_softmax(-1)
        return logits, out.hidden_states[-1][0].double()

    def shift(a, b):
        return 1 - float(torch.cosine_similarity(a, b, dim=0))

    predicted = read_table(table.with_name("a.prediction.parquet"), "f")
    assert set(predicted["layer"]) == {*map(str, range(model.depth + 1)), "final"}
    assert set(predicted["doc_id"]) == set(doc_ids) and not predicted["problem"].any()
    last = predicted[predicted["layer"].isin([str(model.depth), "final"])]
    assert last.groupby("doc_id")["nll"].agg(np.ptp).max() < 1e-6
    checked = set()
    with torch.inference_mode():
        full = {doc_id: alone(doc_id, list(range(N))) for doc_id in doc_ids}
        for row in rows[rows.selector == "recency"].itertuples():
            (p, whole), (q, part) = (
                full[row.doc_id],
                alone(row.doc_id, latest(row.k, row.sink, row.mode)),
            )
            assert row.kl == pytest.approx(float((p.exp() * (p - q)).sum()), rel=1e-4, abs=1e-7)
            assert row.cosine_mean == pytest.approx(shift(whole.mean(0), part.mean(0)), abs=1e-6)
            assert row.cosine_last == pytest.approx(shift(whole[-1], part[-1]), abs=1e-6)
            if len(tokens[row.doc_id]) > N:
                following = tokens[row.doc_id][N]
                assert row.delta_nll == pytest.approx(float(p[following] - q[following]), abs=1e-5)
            else:
                assert np.isnan(row.delta_nll)
            checked.add((row.sink, row.mode, row.share))
    assert len(checked) == 2 * 2 * 4
    assert rows.delta_nll.notna().any() and rows.kl.max() > 1e-3 and rows.cosine_mean.max() > 1e-3
    assert (rows.kl >= 0).all()


def test_a_model_without_a_cache_runs_every_set_whole_and_the_status_says_so(
    run, sharing, monkeypatch
):
    shared, _, _ = run("a")
    monkeypatch.setattr(beginnings, "problem", lambda *given: "it has none")
    monkeypatch.setattr(kept_runs, "Beginnings", None)
    alone, status, _ = run("b")
    assert read_table(status).iloc[0]["method"] == token_ablation.METHOD
    assert read_table(status).iloc[0]["problem"] == ""
    one, other = read_table(shared), read_table(alone)
    keys = [name for name in token_ablation.COLUMNS if name not in token_ablation.MEASURES]
    assert one[keys].equals(other[keys]) and not one.equals(other)  # else nothing was shared
    measures = list(token_ablation.MEASURES)
    np.testing.assert_allclose(one[measures], other[measures], rtol=1e-4, atol=1e-6)


def test_a_resumed_ablation_equals_an_undisturbed_one(run, monkeypatch, sharing):
    undisturbed, genuine = run("a"), token_ablation._make_shard
    made = []

    def limited(task, shard, *rest):
        if made:
            raise KeyboardInterrupt
        genuine(task, shard, *rest)
        made.append(shard)

    with monkeypatch.context() as patched:
        patched.setattr(token_ablation, "_make_shard", limited)
        with pytest.raises(KeyboardInterrupt):
            run("b")

    def counted(task, shard, *rest):
        made.append(shard)
        genuine(task, shard, *rest)

    monkeypatch.setattr(token_ablation, "_make_shard", counted)
    resumed = run("b")
    assert made == [0, 1]
    assert all(filecmp.cmp(*pair, shallow=False) for pair in zip(undisturbed, resumed, strict=True))


def test_an_architecture_that_cannot_has_no_rows_and_says_why(run):
    table, status, _ = run(architecture="falcon")
    assert len(read_table(table)) == 0 and list(read_table(table)) == list(token_ablation.COLUMNS)
    assert "takes no position ids" in read_table(status).iloc[0]["problem"]


def test_no_attention_rows_is_a_problem_that_names_the_setting(run):
    table, status, _ = run(attention_texts=0)
    assert len(read_table(table)) == 0
    assert "states.attention_texts" in read_table(status).iloc[0]["problem"]


def test_texts_that_are_not_those_of_the_store_are_refused(run, tiny_corpus, tmp_path):
    other = read_table(tiny_corpus)
    other["text"] = "the " + other["text"]
    write_table(other, tmp_path / "other.parquet", "c")
    with pytest.raises(InfogeoError, match=r"gpt_neox\.h5.*text-\d+.*snakemake -R"):
        run(corpus=tmp_path / "other.parquet")


def test_a_file_of_the_model_that_is_gone_is_named_before_anything_runs(run, monkeypatch):
    run()
    read = token_ablation.cards.read
    gone = {"files": {"more.safetensors": {"bytes": 1, "sha256": ""}}}
    monkeypatch.setattr(token_ablation.cards, "read", lambda *given: read(*given) | gone)
    with pytest.raises(InfogeoError, match="gone or changed since model gpt_neox was fetched"):
        run("b")


def test_shards_that_show_late_are_waited_for(run, monkeypatch, tmp_path):
    """As on a network disk, where files of other nodes show after a while."""
    spread = work.launch.spread

    def late(function, *arguments, **options):
        results = spread(function, *arguments, **options)
        if function is not token_ablation.make_shards:
            return results
        path = next((tmp_path / "scratch").rglob("shard-000001.parquet"))
        hidden = path.rename(tmp_path / "hidden")
        threading.Timer(0.7, lambda: hidden.rename(path)).start()
        return results

    monkeypatch.setattr(work.launch, "spread", late)
    table, *_ = run()
    assert read_table(table)["doc_id"].nunique() == 6


def test_an_ablation_killed_at_random_moments_makes_the_same_tables():
    program = Path(__file__).parents[2] / "bench" / "kill_dump.py"
    command = [sys.executable, program, "1", "1", "debug", "ablate"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "1 kills" in ended.stdout


def test_work_that_another_process_has_claimed_is_left_to_it(run, monkeypatch, tmp_path):
    write = token_ablation._write

    def written(*arguments):
        write(*arguments)
        (folder,) = (tmp_path / "scratch" / "token_ablation").iterdir()
        Claim(folder)  # as the run after one that was killed

    monkeypatch.setattr(token_ablation, "_write", written)
    with pytest.raises(TakenOver):
        run()
    shards = {path.name for path in (tmp_path / "scratch").rglob("shard-*.parquet")}
    assert shards >= {"shard-000000.parquet", "shard-000001.parquet"}  # it needs them
