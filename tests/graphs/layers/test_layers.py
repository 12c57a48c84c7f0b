"""Each layer equals PyG's with the same weights, in any numbering of the nodes."""

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

NODES, IN, OUT, EDGE_FEATURES, RELATIONS = 12, 6, 4, 3, 3


class Sample(NamedTuple):
    """A graph with self-loops and an isolated node, without duplicate edges.

    (PyG's GAT treats duplicate self-loops differently.)
    """

    x: Tensor
    edge_index: Tensor
    edge_attr: Tensor
    edge_weight: Tensor
    relation: Tensor

    @classmethod
    def random(cls, seed: int) -> "Sample":
        g = torch.Generator().manual_seed(seed)
        adjacent = torch.rand(NODES, NODES, generator=g) < 0.25
        adjacent[3], adjacent[:, 3], adjacent[5, 5] = False, False, True
        edge_index = adjacent.nonzero().T
        edge_index = edge_index[:, torch.randperm(edge_index.shape[1], generator=g)]
        count = edge_index.shape[1]
        return cls(
            torch.randn(NODES, IN, generator=g),
            edge_index,
            torch.randn(count, EDGE_FEATURES, generator=g),
            torch.rand(count, generator=g) + 0.1,
            torch.randint(0, RELATIONS, (count,), generator=g),
        )

    @property
    def graph(self) -> Adjacency:
        return Adjacency.from_edge_index(self.edge_index, NODES)

    @property
    def by_relation(self) -> list[Adjacency]:
        parts = (self.edge_index[:, self.relation == k] for k in range(RELATIONS))
        return [Adjacency.from_edge_index(part, NODES) for part in parts]

    def renumbered(self, order: Tensor) -> "Sample":
        """Return the same graph; its node k was node order[k] before."""
        new_row = torch.argsort(order)
        return self._replace(x=self.x[order], edge_index=new_row[self.edge_index])


def mlp(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(IN, 8), nn.ReLU(), nn.Linear(8, OUT))


Run = Callable[[Any, Sample, Tensor], Tensor]


class Pair(NamedTuple):
    """A layer of ours and the same layer of PyG."""

    ours: Callable[[], nn.Module]
    theirs: Callable[[Any], nn.Module]
    """takes torch_geometric.nn"""

    names: dict[str, str]
    """names of PyG's parameters by ours"""

    run: Run = lambda layer, s, x: layer(x, s.graph)
    run_theirs: Run = lambda layer, s, x: layer(x, s.edge_index)


def weighted(layer: Any, s: Sample, x: Tensor) -> Tensor:
    return layer(x, s.graph, s.edge_weight)


def weighted_theirs(layer: Any, s: Sample, x: Tensor) -> Tensor:
    return layer(x, s.edge_index, s.edge_weight)


GCN_NAMES = {"linear.weight": "lin.weight", "bias": "bias"}
SAGE_NAMES = {
    "neighbor_linear.weight": "lin_l.weight",
    "neighbor_linear.bias": "lin_l.bias",
    "self_linear.weight": "lin_r.weight",
}
GAT_NAMES = {
    "linear.weight": "lin.weight",
    "source_attention": "att_src",
    "target_attention": "att_dst",
    "bias": "bias",
}
GATV2_NAMES = {
    "source_linear.weight": "lin_l.weight",
    "source_linear.bias": "lin_l.bias",
    "target_linear.weight": "lin_r.weight",
    "target_linear.bias": "lin_r.bias",
    "attention": "att",
    "bias": "bias",
}
MLP_NAMES = {f"mlp.{k}.{p}": f"nn.{k}.{p}" for k in "02" for p in ("weight", "bias")}
GINE_NAMES = MLP_NAMES | {
    "eps": "eps",
    "edge_linear.weight": "lin.weight",
    "edge_linear.bias": "lin.bias",
}
RELATIONAL_NAMES = {
    "weight": "weight",
    "coefficients": "comp",
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
        lambda: GINE(mlp(), IN, EDGE_FEATURES, learn_eps=True),
        lambda p: p.GINEConv(mlp(1), train_eps=True, edge_dim=EDGE_FEATURES),
        MLP_NAMES
        | {
            "eps": "eps",
            "edge_linear.weight": "lin.weight",
            "edge_linear.bias": "lin.bias",
        },
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
            lambda bases=bases, wide=wide: RelationalGCN(IN, wide, RELATIONS, bases),
            lambda p, bases=bases, wide=wide: p.RGCNConv(
                IN, wide, RELATIONS, num_bases=bases
            ),
            RELATIONAL_NAMES,
            lambda layer, s, x: layer(x, s.by_relation),
            lambda layer, s, x: layer(x, s.edge_index, s.relation),
        )
        for bases in (2, None)
        for wide in (OUT, 9)
    },
}


def copy_weights(layer: nn.Module, theirs: nn.Module, names: dict[str, str]) -> None:
    """Set random weights in our layer and copy them to PyG's; none is left out."""
    ours, others = dict(layer.named_parameters()), dict(theirs.named_parameters())
    assert {names[name] for name in ours} == set(others)
    with torch.no_grad():
        for name, parameter in ours.items():
            parameter.normal_()
            other = others[names[name]]
            turned = parameter.T if name == "root.weight" else parameter
            other.copy_(turned.reshape(other.shape))


@pytest.mark.parametrize("name", PAIRS)
def test_values_and_gradients_equal_pyg(name):
    pyg: Any = pytest.importorskip("torch_geometric.nn")
    torch.manual_seed(0)
    pair, sample = PAIRS[name], Sample.random(0)
    ours, theirs = pair.ours(), pair.theirs(pyg)
    copy_weights(ours, theirs, pair.names)
    x, other = (sample.x.clone().requires_grad_() for _ in "ab")
    actual = pair.run(ours, sample, x)
    expected = pair.run_theirs(theirs, sample, other)
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)
    out = torch.randn(actual.shape)
    actual.backward(out)
    expected.backward(out)
    torch.testing.assert_close(x.grad, other.grad, rtol=1e-5, atol=1e-5)
    others = dict(theirs.named_parameters())
    for name_of_ours, parameter in ours.named_parameters():
        expected_grad, grad = others[pair.names[name_of_ours]].grad, parameter.grad
        assert expected_grad is not None and grad is not None
        grad = grad.T if name_of_ours == "root.weight" else grad
        grad = grad.reshape(expected_grad.shape)
        torch.testing.assert_close(grad, expected_grad, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("name", PAIRS)
@given(st.integers(0, 2**31), st.permutations(range(NODES)))
@settings(max_examples=15, deadline=None)
def test_layers_are_equivariant_to_node_permutations(name, seed, order):
    torch.manual_seed(0)
    pair, sample, permutation = PAIRS[name], Sample.random(seed), torch.tensor(order)
    layer = pair.ours().double()
    as_double = [t.double() if t.is_floating_point() else t for t in sample]
    sample = Sample(*as_double)
    actual = pair.run(layer, sample, sample.x)
    renumbered = sample.renumbered(permutation)
    torch.testing.assert_close(
        pair.run(layer, renumbered, renumbered.x), actual[permutation]
    )


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
def test_readouts_equal_pyg_and_are_permutation_invariant(name):
    pyg: Any = pytest.importorskip("torch_geometric.nn")
    ours, theirs = READOUTS[name]
    batch = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2, 2, 3, 3, 3])
    sample, layer = Sample.random(0), ours()
    x, other = (sample.x.clone().requires_grad_() for _ in "ab")
    actual, expected = layer(x, batch, 4), theirs(pyg)(other, batch)
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)
    out = torch.randn(actual.shape)
    actual.backward(out)
    expected.backward(out)
    torch.testing.assert_close(x.grad, other.grad, rtol=1e-5, atol=1e-5)
    order = torch.randperm(NODES)
    torch.testing.assert_close(layer(x[order], batch[order], 4), actual)


def test_a_graph_without_nodes_has_a_zero_readout():
    batch = torch.tensor([0] * NODES)
    for layer in (Readout("max"), AttentionReadout(gate())):
        assert not layer(Sample.random(0).x, batch, 2)[1].any()


def test_an_unknown_readout_is_rejected():
    with pytest.raises(ValueError, match="'median'"):
        Readout("median")
