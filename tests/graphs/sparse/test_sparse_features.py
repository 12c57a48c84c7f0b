"""Features as lists say what features as numbers say."""

import torch
from torch import nn

from vicinal.graphs.layers.dropout import Dropout
from vicinal.graphs.sparse.sparse_features import SparseFeatures, dense, listed


def sparse(seed: int = 0) -> torch.Tensor:
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(30, 50, generator=g, dtype=torch.float64)
    x = x * (torch.rand(30, 50, generator=g) < 0.05)
    x[3] = 0
    return x


def test_a_dense_layer_forward_and_back():
    x, layer = sparse(), nn.Linear(50, 4).double()
    words, out = listed(x), torch.randn(30, 4, dtype=torch.float64)
    assert isinstance(words, SparseFeatures)
    slopes = []
    for form in (x, words):
        layer.zero_grad()
        found = dense(layer, form, nn.Identity())
        torch.testing.assert_close(found, layer(x))
        found.backward(out)
        assert layer.weight.grad is not None and layer.bias.grad is not None
        slopes.append((layer.weight.grad.clone(), layer.bias.grad.clone()))
    torch.testing.assert_close(*slopes)


def test_dropout_leaves_words_out():
    torch.manual_seed(0)
    x, layer = sparse(), nn.Linear(50, 50, bias=False).double()
    nn.init.eye_(layer.weight)
    said = dense(layer, listed(x), Dropout(0.5))
    left = said[x != 0] / x[x != 0]
    assert (
        set(left.tolist()) <= {0.0, 2.0}
        and 0.2 < float((left == 0).double().mean()) < 0.8
    )


def test_full_features_stay_numbers():
    x = torch.randn(5, 3)
    assert listed(x) is x
