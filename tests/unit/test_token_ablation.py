import filecmp

import numpy as np
import pytest
import torch

from infogeo import forward, token_ablation
from infogeo.artefacts import read_table
from infogeo.dump import dump
from infogeo.store import open_store

N = 16
COMMON = {
    "batch_tokens": 200, "dtype": "float32", "trust_remote_code": False, "seed": 7,
}  # fmt: skip


@pytest.fixture
def run(tmp_path, tiny_model_dir, tiny_corpus):
    """A function that ablates tokens of the tiny corpus; the paths of both tables and the store."""

    def call(name="a", architecture="gpt_neox", attention_texts=6, **changed):
        card, states = tiny_model_dir(architecture) / "model.json", tmp_path / f"{architecture}.h5"
        if not states.exists():
            dump(
                card, tiny_corpus, states, n=[N], layers=["final"], fingerprint="s",
                attention_texts=attention_texts, shard_tokens=10**5, scratch=tmp_path / "s",
                **COMMON,
            )  # fmt: skip
        paths = tmp_path / f"{name}.parquet", tmp_path / f"{name}.status.parquet"
        settings = {"n": N, "k": [1, 2], "shares": [0.2, 0.5], "draws": 2, "centred": False}
        settings |= {"fingerprint": "f", "scratch": tmp_path / "scratch", **COMMON}
        token_ablation.ablate(card, tiny_corpus, states, *paths, **settings | changed)
        return *paths, states

    return call


def test_measures_equal_one_forward_pass_at_a_time(run, tiny_model_dir):
    table, status, states = run()
    rows, status = read_table(table, "f"), read_table(status, "f").iloc[0]
    assert status["problem"] == "" and status["texts"] == 6 and status["gap_residual"] <= 1e-5
    model = forward.load_model(tiny_model_dir("gpt_neox"), dtype="float32", name="m")
    recency = rows[(rows.selector == "recency") & (rows["mode"] == "keep") & (rows.sink == "free")]
    with open_store(states) as store, torch.inference_mode():
        for row in recency.itertuples():
            text = store.doc_ids.index(row.doc_id)
            ids = store.token_ids()[store.offsets[text] : store.offsets[text + 1]].astype(np.int64)
            ids, at = torch.from_numpy(ids)[None], torch.arange(N)[None]
            p, q = (
                model.model(ids[:, -k:], position_ids=at[:, -k:]).logits[0, -1].double()
                for k in (N, row.k + 1)
            )
            p, q = p.log_softmax(-1), q.log_softmax(-1)
            assert row.kl == pytest.approx(float((p.exp() * (p - q)).sum()), rel=1e-4, abs=1e-7)
    assert (rows.kl >= 0).all() and (
        rows[(rows.share == 1) & (rows["mode"] == "keep")].kl < 1e-9
    ).all()


def test_a_resumed_ablation_equals_an_undisturbed_one(run, monkeypatch):
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
    table, status, _ = run(architecture="mistral")
    assert len(read_table(table)) == 0 and list(read_table(table)) == list(token_ablation.COLUMNS)
    assert "window of 8" in read_table(status).iloc[0]["problem"]


def test_no_attention_rows_is_a_problem_that_names_the_setting(run):
    table, status, _ = run(attention_texts=0)
    assert len(read_table(table)) == 0
    assert "states.attention_texts" in read_table(status).iloc[0]["problem"]
