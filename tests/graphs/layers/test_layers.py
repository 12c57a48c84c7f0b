"""Each layer is PyG's with the same weights, however the nodes are numbered."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from vicinal.graphs.layers.appnp import APPNP
from vicinal.graphs.layers.gat import GAT
from vicinal.graphs.layers.gatv2 import GATv2
from vicinal.graphs.layers.gcn import GCN
from vicinal.graphs.layers.gcnii import GCNII
from vicinal.graphs.layers.gin import GIN
from vicinal.graphs.layers.gine import GINE
from vicinal.graphs.layers.readout import AttentionReadout, Readout
from vicinal.graphs.layers.relational import RelationalGCN
from vicinal.graphs.layers.sage import GraphSAGE
from vicinal.graphs.sparse.adjacency import Adjacency

N, IN, OUT, EDGE, KINDS = 12, 6, 4, 3, 3


class Sample(NamedTuple):
    """A graph: loops and a node without edges; no edge twice (PyG's GAT has rules of
    its own for a loop that is there twice)."""

    x: Tensor
    edge_index: Tensor
    edge_attr: Tensor
    weight: Tensor
    kind: Tensor

    @classmethod
    def of(cls, seed: int) -> "Sample":
        g = torch.Generator().manual_seed(seed)
        there = torch.rand(N, N, generator=g) < 0.25
        there[3], there[:, 3], there[5, 5] = False, False, True
        edge_index = there.nonzero().T
        edge_index = edge_index[:, torch.randperm(edge_index.shape[1], generator=g)]
        count = edge_index.shape[1]
        return cls(
            torch.randn(N, IN, generator=g),
            edge_index,
            torch.randn(count, EDGE, generator=g),
            torch.rand(count, generator=g) + 0.1,
            torch.randint(0, KINDS, (count,), generator=g),
        )

    @property
    def graph(self) -> Adjacency:
        return Adjacency.of(self.edge_index, N)

    @property
    def by_kind(self) -> list[Adjacency]:
        parts = (self.edge_index[:, self.kind == k] for k in range(KINDS))
        return [Adjacency.of(part, N) for part in parts]

    def renumbered(self, order: Tensor) -> "Sample":
        """The same graph, whose node k is what was node order[k]."""
        place = torch.argsort(order)
        return self._replace(x=self.x[order], edge_index=place[self.edge_index])


def mlp(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(IN, 8), nn.ReLU(), nn.Linear(8, OUT))


Run = Callable[[Any, Sample, Tensor], Tensor]


class Pair(NamedTuple):
    """A layer of ours and PyG's, the names of whose weights are not the same."""

    ours: Callable[[], nn.Module]
    theirs: Callable[[Any], nn.Module]
    """made from PyG's package"""

    names: dict[str, str]
    """theirs by ours"""

    run: Run = lambda layer, s, x: layer(x, s.graph)
    run_theirs: Run = lambda layer, s, x: layer(x, s.edge_index)


def weighted(layer: Any, s: Sample, x: Tensor) -> Tensor:
    return layer(x, s.graph, s.weight)


def weighted_theirs(layer: Any, s: Sample, x: Tensor) -> Tensor:
    return layer(x, s.edge_index, s.weight)


GCN_NAMES = {"linear.weight": "lin.weight", "bias": "bias"}
SAGE_NAMES = {
    "neighbours.weight": "lin_l.weight",
    "neighbours.bias": "lin_l.bias",
    "itself.weight": "lin_r.weight",
}
GAT_NAMES = {
    "linear.weight": "lin.weight",
    "sender": "att_src",
    "receiver": "att_dst",
    "bias": "bias",
}
GATV2_NAMES = {
    "sender.weight": "lin_l.weight",
    "sender.bias": "lin_l.bias",
    "receiver.weight": "lin_r.weight",
    "receiver.bias": "lin_r.bias",
    "attention": "att",
    "bias": "bias",
}
MLP_NAMES = {f"mlp.{k}.{p}": f"nn.{k}.{p}" for k in "02" for p in ("weight", "bias")}
RELATIONAL_NAMES = {
    "weight": "weight",
    "share": "comp",
    "root.weight": "root",
    "root.bias": "bias",
}

REDUCES: tuple[Any, ...] = ("mean", "sum", "max")

PAIRS: dict[str, Pair] = {
    "gcn": Pair(lambda: GCN(IN, OUT), lambda p: p.GCNConv(IN, OUT), GCN_NAMES),
    "gcn, wider": Pair(lambda: GCN(IN, 9), lambda p: p.GCNConv(IN, 9), GCN_NAMES),
    "gcn, weighted": Pair(
        lambda: GCN(IN, OUT),
        lambda p: p.GCNConv(IN, OUT),
        GCN_NAMES,
        weighted,
        weighted_theirs,
    ),
    **{
        f"sage, {reduce}, {wide}": Pair(
            lambda reduce=reduce, wide=wide: GraphSAGE(IN, wide, reduce),
            lambda p, reduce=reduce, wide=wide: p.SAGEConv(IN, wide, aggr=reduce),
            SAGE_NAMES,
        )
        for reduce in REDUCES
        for wide in (OUT, 9)
    },
    "gat": Pair(
        lambda: GAT(IN, OUT, heads=3),
        lambda p: p.GATConv(IN, OUT, heads=3),
        GAT_NAMES,
    ),
    "gat, averaged": Pair(
        lambda: GAT(IN, OUT, heads=3, average=True),
        lambda p: p.GATConv(IN, OUT, heads=3, concat=False),
        GAT_NAMES,
    ),
    "gatv2": Pair(
        lambda: GATv2(IN, OUT, heads=3),
        lambda p: p.GATv2Conv(IN, OUT, heads=3),
        GATV2_NAMES,
    ),
    "gatv2, averaged": Pair(
        lambda: GATv2(IN, OUT, heads=3, average=True),
        lambda p: p.GATv2Conv(IN, OUT, heads=3, concat=False),
        GATV2_NAMES,
    ),
    "gin": Pair(
        lambda: GIN(mlp(), learn_eps=True),
        lambda p: p.GINConv(mlp(1), train_eps=True),
        MLP_NAMES | {"eps": "eps"},
    ),
    "gine": Pair(
        lambda: GINE(mlp(), IN, EDGE, learn_eps=True),
        lambda p: p.GINEConv(mlp(1), train_eps=True, edge_dim=EDGE),
        MLP_NAMES
        | {"eps": "eps", "edge.weight": "lin.weight", "edge.bias": "lin.bias"},
        lambda layer, s, x: layer(x, s.graph, s.edge_attr),
        lambda layer, s, x: layer(x, s.edge_index, s.edge_attr),
    ),
    "appnp": Pair(lambda: APPNP(5, 0.2), lambda p: p.APPNP(5, 0.2), {}),
    "appnp, weighted": Pair(
        lambda: APPNP(5, 0.2), lambda p: p.APPNP(5, 0.2), {}, weighted, weighted_theirs
    ),
    "gcnii": Pair(
        lambda: GCNII(IN, layer=2, alpha=0.2, theta=0.7),
        lambda p: p.GCN2Conv(IN, 0.2, 0.7, layer=2),
        {"weight": "weight1"},
        lambda layer, s, x: layer(x, x.flip(1), s.graph),
        lambda layer, s, x: layer(x, x.flip(1), s.edge_index),
    ),
    **{
        f"relational, {bases} bases, to {wide}": Pair(
            lambda bases=bases, wide=wide: RelationalGCN(IN, wide, KINDS, bases),
            lambda p, bases=bases, wide=wide: p.RGCNConv(
                IN, wide, KINDS, num_bases=bases
            ),
            RELATIONAL_NAMES,
            lambda layer, s, x: layer(x, s.by_kind),
            lambda layer, s, x: layer(x, s.edge_index, s.kind),
        )
        for bases in (2, None)
        for wide in (OUT, 9)
    },
}


def like(layer: nn.Module, theirs: nn.Module, names: dict[str, str]) -> None:
    """Give PyG's layer the weights of ours: all that either has."""
    ours, others = dict(layer.named_parameters()), dict(theirs.named_parameters())
    assert {names[name] for name in ours} == set(others)
    with torch.no_grad():
        for name, parameter in ours.items():
            parameter.normal_()
            other = others[names[name]]
            turned = parameter.T if name == "root.weight" else parameter
            other.copy_(turned.reshape(other.shape))


@pytest.mark.parametrize("name", PAIRS)
def test_it_is_pygs_layer_forward_and_back(name):
    pyg: Any = pytest.importorskip("torch_geometric.nn")
    torch.manual_seed(0)
    pair, sample = PAIRS[name], Sample.of(0)
    ours, theirs = pair.ours(), pair.theirs(pyg)
    like(ours, theirs, pair.names)
    x, other = (sample.x.clone().requires_grad_() for _ in "ab")
    found = pair.run(ours, sample, x)
    wanted = pair.run_theirs(theirs, sample, other)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
    out = torch.randn(found.shape)
    found.backward(out)
    wanted.backward(out)
    torch.testing.assert_close(x.grad, other.grad, rtol=1e-5, atol=1e-5)
    others = dict(theirs.named_parameters())
    for own, parameter in ours.named_parameters():
        grad, slope = others[pair.names[own]].grad, parameter.grad
        assert grad is not None and slope is not None
        slope = slope.T if own == "root.weight" else slope
        slope = slope.reshape(grad.shape)
        torch.testing.assert_close(slope, grad, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("name", PAIRS)
@given(st.integers(0, 2**31), st.permutations(range(N)))
@settings(max_examples=15, deadline=None)
def test_nodes_may_be_numbered_in_any_way(name, seed, order):
    torch.manual_seed(0)
    pair, sample, places = PAIRS[name], Sample.of(seed), torch.tensor(order)
    layer = pair.ours().double()
    as_double = [t.double() if t.is_floating_point() else t for t in sample]
    sample = Sample(*as_double)
    found = pair.run(layer, sample, sample.x)
    again = sample.renumbered(places)
    torch.testing.assert_close(pair.run(layer, again, again.x), found[places])


READOUTS: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "sum": (lambda: Readout("sum"), lambda p: p.global_add_pool),
    "mean": (lambda: Readout("mean"), lambda p: p.global_mean_pool),
    "max": (lambda: Readout("max"), lambda p: p.global_max_pool),
    "attention": (
        lambda: AttentionReadout(gate(), mlp()),
        lambda p: p.aggr.AttentionalAggregation(gate(), mlp()),
    ),
}


def gate() -> nn.Linear:
    torch.manual_seed(5)
    return nn.Linear(IN, 1)


@pytest.mark.parametrize("name", READOUTS)
def test_readouts_are_pygs_and_do_not_care_for_order(name):
    pyg: Any = pytest.importorskip("torch_geometric.nn")
    ours, theirs = READOUTS[name]
    batch = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2, 2, 3, 3, 3])
    sample, layer = Sample.of(0), ours()
    x, other = (sample.x.clone().requires_grad_() for _ in "ab")
    found, wanted = layer(x, batch, 4), theirs(pyg)(other, batch)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
    out = torch.randn(found.shape)
    found.backward(out)
    wanted.backward(out)
    torch.testing.assert_close(x.grad, other.grad, rtol=1e-5, atol=1e-5)
    order = torch.randperm(N)
    torch.testing.assert_close(layer(x[order], batch[order], 4), found)


def test_a_graph_without_nodes_says_nothing():
    batch = torch.tensor([0] * N)
    for layer in (Readout("max"), AttentionReadout(gate())):
        assert not layer(Sample.of(0).x, batch, 2)[1].any()


def test_unknown_readout():
    with pytest.raises(ValueError, match="'median'"):
        Readout("median")
