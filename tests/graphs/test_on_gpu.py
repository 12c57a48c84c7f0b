"""Aggregation and networks on a GPU equal those on the CPU, up to rounding."""

import pytest
import torch

from vicinal.graphs.nodes.networks import NETWORKS, NetworkConfig, build_network
from vicinal.graphs.sparse.adjacency import Adjacency
from vicinal.graphs.sparse.aggregation import aggregate
from vicinal.graphs.sparse.edge_functions import edge_softmax

pytestmark = pytest.mark.gpu


def random_graph() -> Adjacency:
    g = torch.Generator().manual_seed(0)
    return Adjacency.from_edge_index(torch.randint(0, 97, (2, 600), generator=g), 100)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reduce", ["sum", "mean", "max"])
def test_aggregation_and_its_gradients(reduce, weighted):
    if reduce == "max" and weighted:
        pytest.skip("max takes no weights")
    results = []
    for device in ("cpu", "cuda"):
        torch.manual_seed(1)
        x = torch.randn(100, 16).to(device).requires_grad_()
        w = torch.rand(600).to(device).requires_grad_() if weighted else None
        y = aggregate(x, random_graph().to(device), reduce, w)
        y.backward(torch.linspace(-1, 1, 1600).view(100, 16).to(device))
        parts = [y, x.grad] + ([w.grad] if w is not None else [])
        results.append([part.detach().cpu() for part in parts if part is not None])
    for actual, expected in zip(*results, strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4)


def test_edge_softmax():
    score = torch.randn(600, 3)
    expected = edge_softmax(score, random_graph())
    actual = edge_softmax(score.cuda(), random_graph().to("cuda")).cpu()
    torch.testing.assert_close(actual, expected)


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_and_their_gradients(name):
    results = []
    for device in ("cpu", "cuda"):
        torch.manual_seed(2)
        network = build_network(name, NetworkConfig(8, 16, 2, 3, 0.0, 2)).eval()
        x = torch.randn(100, 8)
        network = network.to(device)
        network(x.to(device), random_graph().to(device)).square().sum().backward()
        gradients = [p.grad for p in network.parameters() if p.grad is not None]
        assert gradients
        results.append([gradient.cpu() for gradient in gradients])
    for actual, expected in zip(*results, strict=True):
        scale = float(expected.abs().max()) + 1e-6
        torch.testing.assert_close(
            actual / scale, expected / scale, rtol=1e-3, atol=1e-3
        )
