"""Products on a device beside a model; torch's CPU stands in for a GPU."""

import numpy as np
import pytest
import torch

from infogeo.files.errors import InfogeoError
from infogeo.geometry import device

ROWS = np.random.default_rng(0).standard_normal((7, 5))


class Crowded(device.Device):
    """Has no room for so many attempts."""

    def __init__(self, attempts: int):
        super().__init__("cpu")
        self.attempts = attempts

    def place(self, array):
        self.attempts -= 1
        if self.attempts >= 0:
            raise torch.OutOfMemoryError
        return super().place(array)


@pytest.fixture(autouse=True)
def slept(monkeypatch):
    seconds = []
    monkeypatch.setattr(device.time, "sleep", seconds.append)
    return seconds


def test_a_product_waits_until_a_batch_of_the_model_leaves_room(slept):
    found = Crowded(2).product(ROWS)
    np.testing.assert_allclose(found.numpy(), ROWS.T @ ROWS, atol=1e-13)
    assert slept == list(device.WAITS[:2])


@pytest.mark.parametrize("what", ["product", "eigenvalues"])
def test_a_device_that_never_has_room_is_named_with_the_remedy(what):
    with pytest.raises(InfogeoError, match=r"width 5 .* of cpu .*states\.batch_tokens"):
        getattr(Crowded(99), what)(ROWS.T @ ROWS)


def test_arrays_lie_on_the_host_where_they_would_leave_too_little_room(monkeypatch):
    here = device.Device("cpu")
    assert isinstance(here.zeros(2, 3), torch.Tensor)
    monkeypatch.setattr(here, "_left", lambda shape: device.KEPT_FREE - 0.01)
    assert isinstance(here.zeros(2, 3), np.ndarray)


def test_eigenvalues_are_those_of_the_host():
    K = ROWS.T @ ROWS
    expected = np.linalg.eigvalsh(K)[::-1]
    np.testing.assert_allclose(device.Device("cpu").eigenvalues(K), expected, atol=1e-12)
