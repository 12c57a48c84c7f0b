"""Mini-batch training on sampled neighbours, and graphs larger than the memory."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

import vicinal
from vicinal.errors import SettingError
from vicinal.graphs.data.read import read_graph
from vicinal.graphs.node_estimators import NodeClassifier
from vicinal.graphs.nodes.ensemble import FullBatch
from vicinal.graphs.nodes.fitted_model import memory_limit
from vicinal.graphs.nodes.minibatches import (
    NodeLoader,
    SampledNetwork,
    estimate_step_bytes,
    forward_blocks,
    layerwise_embeddings,
)
from vicinal.graphs.nodes.networks import (
    NETWORKS,
    LayeredNetwork,
    NetworkConfig,
    build_network,
    l2_penalties,
)
from vicinal.graphs.sparse.adjacency import Adjacency
from vicinal.graphs.sparse.neighbor_sampler import NeighborSampler

LAYERED_NETWORKS = [name for name, network in NETWORKS.items() if network.is_layered]


def random_graph(
    seed: int = 0, nodes: int = 60, edges: int = 400
) -> tuple[Adjacency, Tensor]:
    """Return a graph with self-loops, duplicates, isolated nodes; and edge weights."""
    g = torch.Generator().manual_seed(seed)
    ends = torch.randint(0, nodes - 3, (2, edges), generator=g)
    return Adjacency.from_edge_index(ends, nodes), torch.rand(edges, generator=g) + 0.1


def network(name: str, width: int = 6) -> LayeredNetwork:
    torch.manual_seed(1)
    model = build_network(name, NetworkConfig(width, 8, 2, 3, 0.0, 2)).eval()
    assert isinstance(model, LayeredNetwork)
    return model


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", LAYERED_NETWORKS)
def test_sampling_all_neighbours_equals_the_full_batch(name, weighted):
    adjacency, weight = random_graph()
    edge_weight, x = weight if weighted else None, torch.randn(60, 6)
    model = network(name)
    expected = model(x, adjacency, edge_weight)
    rows = torch.tensor([11, 2, 59, 30])
    blocks = NeighborSampler(adjacency, edge_weight).sample_blocks(rows, (1000, 1000))
    torch.testing.assert_close(forward_blocks(model, x, blocks), expected[rows])
    embedded = layerwise_embeddings(
        model, x, adjacency, edge_weight, edges_per_block=50
    )
    torch.testing.assert_close(model.head(embedded), expected)


def test_shards_split_each_batch_among_processes():
    rows = torch.arange(23)
    whole = NodeLoader(rows, rows * 2, 5, seed=3)
    shards = [whole.shard(k, 2) for k in range(2)]
    assert whole.steps == 5
    for epoch in (0, 1):
        batches = list(whole.batches(epoch, 0))
        assert sorted(torch.cat([x for x, _ in batches]).tolist()) == rows.tolist()
        sharded = zip(*(shard.batches(epoch, 0) for shard in shards), strict=True)
        for (x, y), pair in zip(batches, sharded, strict=True):
            rows_of_pair = torch.cat([x for x, _ in pair])
            assert sorted(rows_of_pair.tolist()) == sorted(x.tolist())
            assert torch.equal(y, 2 * x)
        later = list(whole.batches(epoch, 2))
        assert torch.equal(later[0][0], batches[2][0])
    first, other = (next(whole.batches(epoch, 0))[0] for epoch in (0, 1))
    assert not torch.equal(first, other)
    for loader in (whole, FullBatch(rows, rows)):  # sharding twice changes nothing
        once = loader.shard(1, 2)
        twice = once.shard(1, 2)
        expected, actual = (next(k.batches(0, 0))[0] for k in (once, twice))
        assert torch.equal(actual, expected)


SAMPLED: dict[str, Any] = {
    "network": "sage",
    "num_neighbors": (6, 4),
    "batch_size": 40,
    "ensemble_size": 1,
    "hidden": 16,
    "dropout": 0.1,
    "minutes": None,
    "keep": "network",
    "lr": 0.03,
    "epochs": 15,
}


def test_training_on_samples_predicts_from_the_whole_graph(block_graph):
    model = NodeClassifier(**SAMPLED).fit(block_graph)
    assert model.history_[-1].train_loss < 0.6 * model.history_[0].train_loss
    assert model.score() > 0.7
    graph, (net,) = model.labelled_graph_, model.networks_ or []
    expected = net(graph.x, graph.adjacency, graph.edge_weight).softmax(dim=1)
    actual = model.logits().softmax(dim=1)
    torch.testing.assert_close(actual, expected)


def test_a_seed_repeats_the_training_on_samples(block_graph):
    first, again = (NodeClassifier(**SAMPLED).fit(block_graph) for _ in "ab")
    assert np.array_equal(first.predict_proba(), again.predict_proba())


@pytest.fixture
def on_disk(monkeypatch) -> list[tuple[int, ...]]:
    """The shapes of the arrays written to disk."""
    shapes: list[tuple[int, ...]] = []
    original = np.memmap

    def memmap(*args: Any, shape: tuple[int, ...]) -> np.memmap:
        shapes.append(tuple(shape))
        return original(*args, shape=shape)

    monkeypatch.setattr("vicinal.graphs.sparse.memmap.np.memmap", memmap)
    return shapes


def test_little_memory_does_not_change_predictions(block_graph, monkeypatch, on_disk):
    model = NodeClassifier(**SAMPLED).fit(block_graph)
    expected = model.predict_proba()
    assert not on_disk
    monkeypatch.setattr("vicinal.graphs.nodes.minibatches.EDGES_PER_BLOCK", 64)
    little: dict[str, Any] = SAMPLED | {"memory": 1e-6}
    small = NodeClassifier(**little).fit(block_graph)
    assert small.linear_.feature_set == "label_propagation"  # others exceed the memory
    np.testing.assert_allclose(small.predict_proba(), expected, atol=1e-5)
    edges = small.labelled_graph_.adjacency.num_edges
    assert set(on_disk) == {(150, 16), (edges,), (edges + 150,)}
    # layer outputs, edges, and edges with self-loops


@pytest.mark.parametrize("name", ["gat", "gatv2"])
def test_the_memory_estimate_counts_attention_of_each_edge(name):
    shape = NetworkConfig(5, 16, 2, 3, 0.0, 8)
    network = build_network(name, shape).train()
    x, g = torch.randn(200, 5), torch.Generator().manual_seed(0)

    def saved_bytes(edges: int) -> int:
        graph = Adjacency.from_edge_index(
            torch.randint(0, 200, (2, edges), generator=g), 200
        )
        sizes: dict[int, int] = {}

        def pack(t: Tensor) -> Tensor:
            sizes[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes()
            return t

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
            output = network(x, graph, None)
        assert output.requires_grad  # saved tensors are alive while counted
        return sum(sizes.values())

    more = saved_bytes(8000) - saved_bytes(4000)
    few, many = (estimate_step_bytes(name, shape, 200, edges) for edges in (4000, 8000))
    assert more < many - few < 3 * more  # gradients come on top


def test_features_larger_than_the_memory_limit_lie_on_disk(block_graph, on_disk):
    x = np.random.default_rng(0).normal(size=(150, 5))
    table = block_graph.replace(features=x)
    roomy = NodeClassifier(network="none").fit(table)
    assert not on_disk
    small = NodeClassifier(network="none", memory=1e-6).fit(table)
    assert on_disk.count((150, 5)) == 1
    assert torch.equal(small.labelled_graph_.x, roomy.labelled_graph_.x)


def test_edges_lie_on_disk_above_a_quarter_of_the_memory(block_graph, on_disk):
    edges = block_graph.adjacency.num_edges
    num_bytes = 4 * edges  # of the indices
    for max_bytes, expected in ((num_bytes, 0), (num_bytes - 1, 1)):
        memory = 4 * max_bytes / 1e9
        model = NodeClassifier(network="none", memory=memory).fit(block_graph)
        assert memory_limit(model.settings_) == pytest.approx(max_bytes)
        assert ((edges,) in on_disk) == bool(expected)


def test_new_nodes_other_graphs_and_loaded_models_keep_the_limit(
    block_tables, on_disk, tmp_path
):
    nodes, edges = block_tables()
    graph = read_graph(nodes, edges=edges)
    new_nodes = nodes.drop(columns="label").iloc[[0, 1]].assign(id=["x", "y"])
    new_edges = pd.DataFrame({"source": ["x", "y"], "target": ["n3", "x"]})
    new: dict[str, Any] = {"new_nodes": new_nodes, "new_edges": new_edges}
    roomy = NodeClassifier(network="none").fit(graph)
    assert not on_disk
    small = NodeClassifier(network="none", memory=1e-6).fit(graph)
    small.update(  # with the same weights
        linear=roomy.linear_, linear_with_features=roomy.linear_with_features_
    )
    small.update(temperature=roomy.temperature_)
    small.save(tmp_path / "run", overwrite=True)
    count = graph.adjacency.num_edges
    for model in (small, vicinal.load(tmp_path / "run")):
        on_disk.clear()
        output = model.predict_proba(**new)
        assert (count + 4,) in on_disk  # x - n3 and y - x, both ways
        np.testing.assert_allclose(output, roomy.predict_proba(**new), atol=1e-6)
        on_disk.clear()
        output = model.predict_proba(graph)  # treated as another graph
        assert (count,) in on_disk
        np.testing.assert_allclose(output, roomy.predict_proba(graph), atol=1e-6)


def test_a_graph_too_large_for_full_batch_steps_is_sampled(block_graph):
    settings: dict[str, Any] = {"memory": 1e-5, "minutes": None, "epochs": 2}
    model = NodeClassifier(**settings, ensemble_size=1).fit(block_graph)
    assert model.network_name_ == "sage"
    roomy = NodeClassifier(minutes=None, epochs=2, ensemble_size=1).fit(block_graph)
    assert roomy.network_name_ == "gcnii"


def test_a_saved_model_predicts_the_same(block_graph, tmp_path):
    model = NodeClassifier(**SAMPLED).fit(block_graph)
    model.save(tmp_path, overwrite=True)
    again = vicinal.load(tmp_path)
    assert again.settings_.num_neighbors == (6, 4)
    np.testing.assert_allclose(again.predict_proba(), model.predict_proba(), atol=1e-6)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"num_neighbors": (5,)}, "a number for each of 2 layers. Got 1: 5"),
        ({"num_neighbors": (5, 0)}, "num_neighbors must be whole numbers, 1 or more"),
        ({"num_neighbors": ()}, "num_neighbors must be whole numbers, 1 or more"),
        ({"network": "gcnii"}, "gcnii cannot be trained on mini-batches"),
        ({"batch_size": 0}, "batch_size must be a whole number"),
        ({"memory": 0}, "memory must be gigabytes, more than 0"),
    ],
)
def test_invalid_settings_are_rejected(changed, message, block_graph):
    with pytest.raises(SettingError, match=message):
        NodeClassifier(**SAMPLED | changed).fit(block_graph)


def test_l2_penalties_of_a_sampled_network():
    adjacency, _ = random_graph()
    model = SampledNetwork(
        network("sage"), torch.randn(60, 6), NeighborSampler(adjacency), (3, 3)
    )
    costs = l2_penalties(model, 0.5)
    assert set(costs.values()) == {0.5}
    assert all("weight" in name for name in costs)
