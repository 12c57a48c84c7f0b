"""Sums on an accelerator are those of the CPU, but for rounding."""

import pytest
import torch

from vicinal.graphs.nodes.networks import NETWORKS, NetworkConfig, build
from vicinal.graphs.sparse.adjacency import Adjacency, aggregate
from vicinal.graphs.sparse.edge_functions import edge_softmax

pytestmark = pytest.mark.gpu


def graph() -> Adjacency:
    g = torch.Generator().manual_seed(0)
    return Adjacency.of(torch.randint(0, 97, (2, 600), generator=g), 100)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reduce", ["sum", "mean", "max"])
def test_sums_and_their_slopes(reduce, weighted):
    if reduce == "max" and weighted:
        pytest.skip("a maximum has no weights")
    found = []
    for device in ("cpu", "cuda"):
        torch.manual_seed(1)
        x = torch.randn(100, 16).to(device).requires_grad_()
        w = torch.rand(600).to(device).requires_grad_() if weighted else None
        y = aggregate(x, graph().to(device), reduce, w)
        y.backward(torch.linspace(-1, 1, 1600).view(100, 16).to(device))
        parts = [y, x.grad] + ([w.grad] if w is not None else [])
        found.append([part.detach().cpu() for part in parts if part is not None])
    for ours, wanted in zip(*found, strict=True):
        torch.testing.assert_close(ours, wanted, rtol=1e-4, atol=1e-4)


def test_shares_of_a_nodes_edges():
    score = torch.randn(600, 3)
    wanted = edge_softmax(score, graph())
    found = edge_softmax(score.cuda(), graph().to("cuda")).cpu()
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_and_their_slopes(name):
    found = []
    for device in ("cpu", "cuda"):
        torch.manual_seed(2)
        network = build(name, NetworkConfig(8, 16, 2, 3, 0.0, 2)).eval()
        x = torch.randn(100, 8)
        network = network.to(device)
        network(x.to(device), graph().to(device)).square().sum().backward()
        slopes = [p.grad for p in network.parameters() if p.grad is not None]
        assert slopes
        found.append([slope.cpu() for slope in slopes])
    for ours, wanted in zip(*found, strict=True):
        scale = float(wanted.abs().max()) + 1e-6
        torch.testing.assert_close(ours / scale, wanted / scale, rtol=1e-3, atol=1e-3)
