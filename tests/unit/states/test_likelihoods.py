"""Likelihoods and predictive entropies, against the model's own and float64."""

import math

import numpy as np
import pytest
import torch
from passes import FAMILIES, run_alone
from tiny import VOCABULARY

from infogeo.states import gaps, likelihoods


@pytest.mark.parametrize("architecture", [*FAMILIES, "gemma2"])
def test_nll_is_the_models_own_loss_and_entropy_that_of_its_softmax(loaded, architecture):
    model, encoded = loaded(architecture)
    for text in range(4):
        ids = torch.from_numpy(encoded.text(text)[None]).long()
        with torch.inference_mode():
            own = model.model(ids, labels=ids)
        rows = run_alone(model, encoded.text(text), ["final"])
        assert math.isnan(rows.nll[0])
        assert math.isnan(rows.predictive_entropy[0])
        assert rows.nll[1:].mean() == pytest.approx(own.loss.item(), rel=1e-5)
        log_p = torch.log_softmax(own.logits[0, :-1].double(), dim=-1)
        entropy = -(log_p.exp() * log_p).sum(dim=-1)
        np.testing.assert_allclose(rows.predictive_entropy[1:], entropy, rtol=1e-5)


def test_scores_of_extreme_logits_equal_float64():
    logits = torch.randn(50, 1000, generator=torch.Generator().manual_seed(0)) * 30 + 500
    targets = torch.arange(50) * 7
    log_p = torch.log_softmax(logits.double(), dim=-1)
    out = torch.empty(2, 50)
    likelihoods.score_logits(logits.clone(), targets, out)
    torch.testing.assert_close(
        out[0].double(), -log_p[torch.arange(50), targets], rtol=1e-5, atol=1e-4
    )
    torch.testing.assert_close(
        out[1].double(), -(log_p.exp() * log_p).sum(-1), rtol=1e-4, atol=1e-5
    )


def test_scores_do_not_depend_on_how_the_logits_are_cut(loaded, monkeypatch):
    model, encoded = loaded("gpt_neox")
    whole = run_alone(model, encoded.text(0), ["final"])
    monkeypatch.setattr(likelihoods, "HEAD_NUMBERS", 7 * VOCABULARY)
    monkeypatch.setattr(likelihoods, "SCORE_NUMBERS", 3 * VOCABULARY)
    cut = run_alone(model, encoded.text(0), ["final"])
    np.testing.assert_allclose(cut.nll, whole.nll, rtol=1e-5)
    np.testing.assert_allclose(cut.predictive_entropy, whole.predictive_entropy, rtol=1e-5)


class RowsOfLogits(torch.utils._python_dispatch.TorchDispatchMode):
    """Notes how many rows of logits any tensor holds that comes to be."""

    def __init__(self):
        super().__init__()
        self.most = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **kwargs or {})
        if isinstance(made, torch.Tensor) and made.shape[-1:] == (VOCABULARY,):
            self.most = max(self.most, made.numel() // VOCABULARY)
        return made


@pytest.mark.parametrize("architecture", ["gpt_neox", "gemma2"])
def test_logits_of_a_whole_batch_never_are_there_at_once(loaded, monkeypatch, architecture):
    model, encoded = loaded(architecture)
    monkeypatch.setattr(likelihoods, "HEAD_NUMBERS", 7 * VOCABULARY)
    with RowsOfLogits() as seen:
        model.run([encoded.text(text) for text in range(6)], lambda layer, hidden: None)
    assert seen.most == 7
    with RowsOfLogits() as seen:
        gaps.run_kept(model, encoded.text(0)[None, :5], np.arange(5)[None])
    assert seen.most == 1
