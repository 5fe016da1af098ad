"""Products by oneDNN: those of PyTorch, in every layout."""

import pytest
import torch

from infogeo.files import fingerprint
from infogeo.sources import products

SHAPES = [(1, 1, 1), (3, 5, 7), (96, 32, 128), (40, 300, 64), (64, 2, 33)]


def matrices(m, k, n, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    return (torch.randn(shape, generator=generator, dtype=dtype) for shape in ((m, k), (k, n)))


def views(x):
    """The same matrix by rows, by columns, and inside a larger one."""
    wide = torch.zeros(x.shape[0] + 2, 2 * x.shape[1] + 3)
    inside = wide[1:-1, 2 : 2 + x.shape[1]]
    inside.copy_(x)
    return [x, x.T.contiguous().T, inside]


@pytest.fixture
def asked(monkeypatch):
    """Products of any size go to oneDNN; how many did."""
    monkeypatch.setattr(products, "LEAST", 0)
    real, count = torch.ops.mkldnn._linear_pointwise, []
    monkeypatch.setattr(
        torch.ops.mkldnn, "_linear_pointwise", lambda *given: count.append(1) or real(*given)
    )
    return count


@pytest.mark.parametrize("shape", SHAPES)
def test_a_product_is_that_of_float64_in_every_layout(shape, asked):
    a, b = matrices(*shape)
    exact = a.double() @ b.double()
    bound = 2e-7 * (a.double().abs() @ b.double().abs()) * shape[1] ** 0.5
    for left in views(a):
        for right in views(b):
            found = products.product(left, right)
            assert found.dtype == torch.float32 and found.is_contiguous()
            assert ((found.double() - exact).abs() <= bound).all()
    assert len(asked) == 9


def test_results_carry_how_their_products_are_made():
    assert fingerprint._is_logic(products.__name__.removeprefix("infogeo."))


def test_small_products_are_left_to_pytorch(monkeypatch):
    monkeypatch.setattr(products, "LEAST", 6 * 5 * 4)
    called = []
    monkeypatch.setattr(torch.ops.mkldnn, "_linear_pointwise", lambda *_: called.append(1))
    a, b = matrices(6, 5, 4)
    assert torch.equal(products.product(a[:5], b), a[:5] @ b) and not called
    products.product(a, b)
    assert called


def test_this_pytorch_has_the_operation():
    assert torch.backends.mkldnn.is_available() == products._ONEDNN


def test_without_it_products_are_those_of_pytorch(monkeypatch):
    a, b = matrices(6, 5, 4)
    monkeypatch.setattr(products, "_ONEDNN", False)
    assert torch.equal(products.product(a, b), a @ b)
    model = torch.nn.Sequential(torch.nn.Linear(5, 4))
    products.quicken(model)
    assert type(model[0]) is torch.nn.Linear


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_dtypes_are_left_to_pytorch(dtype, asked):
    a, b = matrices(6, 5, 4, dtype)
    assert torch.equal(products.product(a, b), a @ b) and not asked


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(5,), (3, 5), (2, 3, 5), (0, 5)])
def test_a_layer_gives_what_it_gave_in_inputs_of_any_shape(shape, bias, asked):
    layer = torch.nn.Linear(5, 4, bias=bias)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected = layer(x)
        products.quicken(layer)
        assert type(layer) is products.Linear
        torch.testing.assert_close(layer(x), expected, rtol=1e-5, atol=1e-6)
    assert len(asked) == 1


def test_gradients_are_recorded_as_before(asked):
    layer = torch.nn.Linear(5, 4)
    products.quicken(layer)
    layer(torch.ones(3, 5)).sum().backward()
    torch.testing.assert_close(layer.weight.grad, torch.full((4, 5), 3.0))
    assert not asked


def test_layers_that_are_more_than_a_product_stay():
    class Scaled(torch.nn.Linear):
        def forward(self, x):
            return 2 * super().forward(x)

    model = torch.nn.Sequential(Scaled(5, 4), torch.nn.Linear(4, 3))
    products.quicken(model)
    assert [type(layer) for layer in model] == [Scaled, products.Linear]
