"""Sparse features give the same results as dense ones."""

import torch
from torch import nn

from vicinal.graphs.layers.dropout import Dropout
from vicinal.graphs.sparse.sparse_features import (
    SparseFeatures,
    apply_linear,
    to_sparse_if_faster,
)


def mostly_zero(seed: int = 0) -> torch.Tensor:
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(30, 50, generator=g, dtype=torch.float64)
    x = x * (torch.rand(30, 50, generator=g) < 0.05)
    x[3] = 0
    return x


def test_a_linear_layer_has_the_same_values_and_gradients():
    x, layer = mostly_zero(), nn.Linear(50, 4).double()
    sparse, grad = to_sparse_if_faster(x), torch.randn(30, 4, dtype=torch.float64)
    assert isinstance(sparse, SparseFeatures)
    gradients = []
    for features in (x, sparse):
        layer.zero_grad()
        y = apply_linear(layer, features, nn.Identity())
        torch.testing.assert_close(y, layer(x))
        y.backward(grad)
        assert layer.weight.grad is not None and layer.bias.grad is not None
        gradients.append((layer.weight.grad.clone(), layer.bias.grad.clone()))
    torch.testing.assert_close(*gradients)


def test_dropout_drops_nonzero_values():
    torch.manual_seed(0)
    x, layer = mostly_zero(), nn.Linear(50, 50, bias=False).double()
    nn.init.eye_(layer.weight)
    y = apply_linear(layer, to_sparse_if_faster(x), Dropout(0.5))
    factors = y[x != 0] / x[x != 0]
    assert set(factors.tolist()) <= {0.0, 2.0}
    assert 0.2 < float((factors == 0).double().mean()) < 0.8


def test_dense_features_stay_dense():
    x = torch.randn(5, 3)
    assert to_sparse_if_faster(x) is x
