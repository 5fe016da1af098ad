"""Products of float32 matrices on a CPU, by oneDNN instead of MKL.

PyTorch has both, but asks oneDNN for products in half precision alone. On a processor of AMD with
AVX-512 MKL takes twice as long: tests/bench/products.py. Intel's were not measured.
"""

import torch

LEAST = 2**20  # multiplications of a product; below, MKL is done before oneDNN has begun


def product(a, b):
    """a (m, k) @ b (k, n), in any layout.

    Parameters
    ----------
    a, b : torch.Tensor
        Of one dtype, on one device. No gradients are recorded.

    Notes
    -----
    Verified against float64, and against PyTorch's own product in other dtypes.
    """
    if _ONEDNN and a.numel() * b.shape[1] >= LEAST and _are_meant(a, b):
        return torch.ops.mkldnn._linear_pointwise(a, b.T, None, "none", [], "")
    return a @ b


class Linear(torch.nn.Linear):
    """The same layer, which takes such a product where no gradients are recorded."""

    def forward(self, x):
        if (
            x.numel() * self.out_features < LEAST
            or torch.is_grad_enabled()
            or x.dtype != torch.float32
        ):
            return super().forward(x)
        return torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, "none", [], "")


def quicken(model) -> None:
    """Make each layer of a model that is a product on the CPU, and no more than that, a `Linear`.

    Parameters
    ----------
    model : torch.nn.Module
        In its place and its dtype. Nothing of it is copied.

    Notes
    -----
    Verified against the model as it was.
    """
    for module in model.modules() if _ONEDNN else ():
        if type(module) is torch.nn.Linear and _are_meant(module.weight, module.weight):
            module.__class__ = Linear


def _are_meant(a, b) -> bool:
    return a.dtype == b.dtype == torch.float32 and a.device.type == b.device.type == "cpu"


def _is_there() -> bool:
    """Whether this PyTorch has the operation, which is not part of its public interface."""
    one = torch.ones(1, 1)
    try:
        return torch.ops.mkldnn._linear_pointwise(one, one, None, "none", [], "").item() == 1.0
    except (AttributeError, RuntimeError, TypeError):
        return False


_ONEDNN = _is_there()
