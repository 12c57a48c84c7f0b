"""Samples of a graph, and networks that learn from them: right on average, and exact
where no neighbour is left out."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import vicinal
from vicinal.errors import DataError, SettingError
from vicinal.graphs.data.read import read_graph
from vicinal.graphs.layers.gcn import smoothed
from vicinal.graphs.node_estimators import NodeClassifier
from vicinal.graphs.nodes.ensemble import FullBatch
from vicinal.graphs.nodes.minibatches import (
    Batches,
    OnSamples,
    bytes_of_a_step,
    layer_by_layer,
    through,
)
from vicinal.graphs.nodes.networks import NETWORKS, LayeredNetwork, NetworkConfig, build
from vicinal.graphs.sparse.adjacency import Adjacency, aggregate
from vicinal.graphs.sparse.neighbor_sampler import Sampler, draw

STACKS = [name for name, network in NETWORKS.items() if network.stacked]


def graph(seed: int = 0, nodes: int = 60, edges: int = 400) -> tuple[Adjacency, Tensor]:
    """With loops, repeats, nodes without edges, and a weight for each edge."""
    g = torch.Generator().manual_seed(seed)
    ends = torch.randint(0, nodes - 3, (2, edges), generator=g)
    return Adjacency.of(ends, nodes), torch.rand(edges, generator=g) + 0.1


def network(name: str, width: int = 6) -> LayeredNetwork:
    torch.manual_seed(1)
    found = build(name, NetworkConfig(width, 8, 2, 3, 0.0, 2)).eval()
    assert isinstance(found, LayeredNetwork)
    return found


@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=30),
    st.integers(1, 12),
    st.integers(0, 2**31),
)
@settings(max_examples=60, deadline=None)
def test_what_is_drawn_is_different_and_there(degrees, count, seed):
    torch.manual_seed(seed)
    drawn = draw(torch.tensor(degrees), count)
    assert drawn.shape == (len(degrees), count)
    for degree, row in zip(degrees, drawn.tolist(), strict=True):
        if degree <= count:
            assert row == list(range(count))
        else:
            assert len(set(row)) == count and 0 <= min(row) and max(row) < degree


def test_every_set_of_neighbours_is_as_likely():
    torch.manual_seed(0)
    draws = 60_000
    drawn = draw(torch.full((draws,), 6), 3).sort(dim=1).values
    sets, counts = np.unique(drawn.numpy(), axis=0, return_counts=True)
    assert len(sets) == 20  # 6 over 3
    wanted = draws / 20
    chi_square = ((counts - wanted) ** 2 / wanted).sum()
    assert chi_square < 43.8  # 0.1 % of the distribution with 19 degrees of freedom


def test_a_block_holds_edges_of_the_graph_and_no_others():
    adjacency, weight = graph()
    sampler, rows = Sampler(adjacency, weight), torch.tensor([7, 3, 58, 40])
    torch.manual_seed(0)
    block = sampler.block(rows, 4)
    assert block.nodes[:4].tolist() == rows.tolist()
    assert len(block.nodes.unique()) == len(block.nodes) == block.num_sources
    assert block.incoming.degrees.max() == 4 and block.incoming.degrees[2] == 0
    assert len(block.places.unique()) == len(block.places)
    whole = adjacency.incoming
    own = block.incoming
    assert torch.equal(
        block.nodes[own.sources.long()], whole.sources[block.places].long()
    )
    assert torch.equal(
        block.nodes[own.targets.long()], whole.targets[block.places].long()
    )
    listed = whole.edges[block.places].long()
    assert block.weight is not None and torch.equal(block.weight, weight[listed])


def test_a_seed_repeats_a_sample_and_another_does_not():
    sampler, rows = Sampler(graph()[0]), torch.arange(20)

    def drawn(seed: int) -> list[list[int]]:
        torch.manual_seed(seed)
        return [block.places.tolist() for block in sampler.blocks(rows, (3, 2))]

    assert drawn(1) == drawn(1) != drawn(2)


def test_blocks_reach_from_the_outermost_nodes_to_those_asked_for():
    sampler, rows = Sampler(graph()[0]), torch.tensor([5, 9])
    first, second = sampler.blocks(rows, (3, 2))
    assert second.nodes[:2].tolist() == rows.tolist()
    assert torch.equal(first.nodes[: len(second.nodes)], second.nodes)
    assert first.num_nodes == second.num_sources


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", STACKS)
def test_without_leaving_any_out_it_is_the_whole_graph(name, weighted):
    adjacency, weight = graph()
    own, x = weight if weighted else None, torch.randn(60, 6)
    model = network(name)
    wanted = model(x, adjacency, own)
    rows = torch.tensor([11, 2, 59, 30])
    blocks = Sampler(adjacency, own).blocks(rows, (1000, 1000))
    torch.testing.assert_close(through(model, x, blocks), wanted[rows])
    embedded = layer_by_layer(model, x, adjacency, own, edges=50)
    torch.testing.assert_close(model.head(embedded), wanted)


@pytest.mark.parametrize("weighted", [False, True])
def test_sums_and_means_of_samples_are_right_on_average(weighted):
    adjacency, weight = graph(nodes=20, edges=200)
    own, x = weight if weighted else None, torch.randn(20, 2)
    sampler, rows, draws = Sampler(adjacency, own), torch.arange(20), 3000
    rules = {
        "sum": lambda x, g, w: aggregate(x, g, "sum", w),
        "mean": lambda x, g, w: aggregate(x, g, "mean", w),
        "gcn": smoothed,
    }
    torch.manual_seed(0)
    found: dict[str, list[Tensor]] = {name: [] for name in rules}
    for _ in range(draws):
        block = sampler.block(rows, 3)
        for name, rule in rules.items():
            found[name].append(rule(x[block.nodes], block, block.weight))
    for name, rule in rules.items():
        each = torch.stack(found[name])
        error = (each.mean(dim=0) - rule(x, adjacency, own)).abs()
        sure = each.std(dim=0) / draws**0.5
        assert (error <= 5 * sure + 1e-5).all(), name
        assert sure.max() > 0.001, name  # there was something to be averaged


def test_slopes_of_a_sample_are_those_of_its_own_sums():
    adjacency, weight = graph()
    block = Sampler(adjacency, weight).block(torch.arange(10), 3)
    x = torch.randn(block.num_sources, 4, dtype=torch.float64, requires_grad=True)
    w = torch.rand(block.num_edges, dtype=torch.float64, requires_grad=True)

    def total(x: Tensor, w: Tensor) -> Tensor:
        return aggregate(x, block, "sum", w)

    assert torch.autograd.gradcheck(total, (x, w))


def test_processes_share_each_batch():
    rows = torch.arange(23)
    whole = Batches(rows, rows * 2, 5, seed=3)
    parts = [whole.part(k, 2) for k in range(2)]
    assert whole.steps == 5
    for epoch in (0, 1):
        every = list(whole.batches(epoch, 0))
        assert sorted(torch.cat([x for x, _ in every]).tolist()) == rows.tolist()
        shared = zip(*(part.batches(epoch, 0) for part in parts), strict=True)
        for (x, y), own in zip(every, shared, strict=True):
            assert sorted(torch.cat([x for x, _ in own]).tolist()) == sorted(x.tolist())
            assert torch.equal(y, 2 * x)
        later = list(whole.batches(epoch, 2))
        assert torch.equal(later[0][0], every[2][0])
    first, other = (next(whole.batches(epoch, 0))[0] for epoch in (0, 1))
    assert not torch.equal(first, other)
    for loader in (whole, FullBatch(rows, rows)):  # a share of a share is that share
        again = loader.part(1, 2).part(1, 2)
        ours, theirs = (
            next(one.batches(0, 0))[0] for one in (again, loader.part(1, 2))
        )
        assert torch.equal(ours, theirs)


# --- the estimator ------------------------------------------------------------------

OF_SAMPLES: dict[str, Any] = {
    "network": "sage",
    "neighbours": (6, 4),
    "nodes_per_batch": 40,
    "members": 1,
    "hidden": 16,
    "dropout": 0.1,
    "minutes": None,
    "deliver": "networks",
    "lr": 0.03,
    "epochs": 15,
}


def test_it_learns_from_samples_and_answers_from_the_whole(block_graph):
    model = NodeClassifier(**OF_SAMPLES).fit(block_graph)
    assert model.history_[-1].train_loss < 0.6 * model.history_[0].train_loss
    assert model.score() > 0.7
    known, (net,) = model.known_, model.networks_ or []
    wanted = net(known.x, known.graph, known.weight).softmax(dim=1)
    found = model.logits().softmax(dim=1)
    torch.testing.assert_close(found, wanted)


def test_a_seed_repeats_what_is_learned_from_samples(block_graph):
    first, again = (NodeClassifier(**OF_SAMPLES).fit(block_graph) for _ in "ab")
    assert np.array_equal(first.predict_proba(), again.predict_proba())


@pytest.fixture
def on_disk(monkeypatch) -> list[tuple[int, ...]]:
    """Shapes of the arrays that are put on disk, as they are."""
    made: list[tuple[int, ...]] = []
    plain = np.memmap

    def memmap(*given: Any, shape: tuple[int, ...]) -> np.memmap:
        made.append(tuple(shape))
        return plain(*given, shape=shape)

    monkeypatch.setattr("vicinal.graphs.sparse.memmap.np.memmap", memmap)
    return made


def test_little_memory_changes_how_and_not_what(block_graph, monkeypatch, on_disk):
    model = NodeClassifier(**OF_SAMPLES).fit(block_graph)
    wanted = model.predict_proba()
    assert not on_disk
    monkeypatch.setattr("vicinal.graphs.nodes.minibatches.EDGES", 64)
    little: dict[str, Any] = OF_SAMPLES | {"memory": 1e-6}
    small = NodeClassifier(**little).fit(block_graph)
    assert small.linear_.view == "labels"  # no other view had room
    np.testing.assert_allclose(small.predict_proba(), wanted, atol=1e-5)
    edges = small.known_.graph.num_edges
    assert set(on_disk) == {(150, 16), (edges,), (edges + 150,)}
    # what a layer gave, and edges, also with a loop at each node


@pytest.mark.parametrize("name", ["gat", "gatv2"])
def test_what_attention_keeps_of_each_edge_is_counted(name):
    shape = NetworkConfig(5, 16, 2, 3, 0.0, 8)
    network = build(name, shape).train()
    x, g = torch.randn(200, 5), torch.Generator().manual_seed(0)

    def kept(edges: int) -> int:
        graph = Adjacency.of(torch.randint(0, 200, (2, edges), generator=g), 200)
        sizes: dict[int, int] = {}

        def pack(t: Tensor) -> Tensor:
            sizes[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes()
            return t

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
            said = network(x, graph, None)
        assert said.requires_grad  # what it keeps is there while it is counted
        return sum(sizes.values())

    more = kept(8000) - kept(4000)
    few, many = (bytes_of_a_step(name, shape, 200, edges) for edges in (4000, 8000))
    assert more < many - few < 3 * more  # slopes come on top


def test_features_for_which_there_is_no_room_lie_on_disk(block_graph, on_disk):
    x = np.random.default_rng(0).normal(size=(150, 5))
    table = block_graph.having(features=x)
    roomy = NodeClassifier(network="none").fit(table)
    assert not on_disk
    small = NodeClassifier(network="none", memory=1e-6).fit(table)
    assert on_disk.count((150, 5)) == 1
    assert torch.equal(small.known_.x, roomy.known_.x)


def test_edges_lie_on_disk_above_a_quarter_of_the_memory(block_graph, on_disk):
    edges = block_graph.adjacency.num_edges
    of_rows = 4 * edges  # bytes
    for max_bytes, wanted in ((of_rows, 0), (of_rows - 1, 1)):
        memory = 4 * max_bytes / 1e9
        model = NodeClassifier(network="none", memory=memory).fit(block_graph)
        assert model._room == pytest.approx(max_bytes)
        assert ((edges,) in on_disk) == bool(wanted)


def test_newcomers_others_and_a_run_have_no_more_room(block_tables, on_disk, tmp_path):
    nodes, edges = block_tables()
    graph = read_graph(nodes, edges=edges)
    came = nodes.drop(columns="label").iloc[[0, 1]].assign(id=["x", "y"])
    theirs = pd.DataFrame({"source": ["x", "y"], "target": ["n3", "x"]})
    new: dict[str, Any] = {"new_nodes": came, "new_edges": theirs}
    roomy = NodeClassifier(network="none").fit(graph)
    assert not on_disk
    small = NodeClassifier(network="none", memory=1e-6).fit(graph)
    small.linear_, small.fitted_ = roomy.linear_, roomy.fitted_  # of the same words
    small.temperature_ = roomy.temperature_
    small.save(tmp_path / "run")
    count = graph.adjacency.num_edges
    for model in (small, vicinal.load(tmp_path / "run")):
        on_disk.clear()
        said = model.predict_proba(**new)
        assert (count + 4,) in on_disk  # x - n3 and y - x, both ways
        np.testing.assert_allclose(said, roomy.predict_proba(**new), atol=1e-6)
        on_disk.clear()
        said = model.predict_proba(graph)  # another, as far as it knows
        assert (count,) in on_disk
        np.testing.assert_allclose(said, roomy.predict_proba(graph), atol=1e-6)


def test_a_graph_with_no_room_for_whole_steps_is_sampled(block_graph):
    settings: dict[str, Any] = {"memory": 1e-5, "minutes": None, "epochs": 2}
    model = NodeClassifier(**settings, members=1).fit(block_graph)
    assert model.network_name == "sage"
    roomy = NodeClassifier(minutes=None, epochs=2, members=1).fit(block_graph)
    assert roomy.network_name == "gcnii"


def test_saved_and_read_again_it_says_the_same(block_graph, tmp_path):
    model = NodeClassifier(**OF_SAMPLES).fit(block_graph)
    model.save(tmp_path)
    again = vicinal.load(tmp_path)
    assert again.settings.neighbours == (6, 4)
    np.testing.assert_allclose(again.predict_proba(), model.predict_proba(), atol=1e-6)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"neighbours": (5,)}, "a number for each of 2 layers. Got 1: 5"),
        ({"neighbours": (5, 0)}, "neighbours must be whole numbers, 1 or more"),
        ({"neighbours": ()}, "neighbours must be whole numbers, 1 or more"),
        ({"network": "gcnii"}, "gcnii is not learned from samples"),
        ({"nodes_per_batch": 0}, "nodes_per_batch must be a whole number"),
        ({"memory": 0}, "memory must be gigabytes, more than 0"),
    ],
)
def test_what_cannot_be_is_said(changed, said, block_graph):
    with pytest.raises(SettingError, match=said):
        NodeClassifier(**OF_SAMPLES | changed).fit(block_graph)


def test_a_folder_of_arrays_is_read_as_its_npz(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {
        "x": rng.normal(size=(40, 3)).astype(np.float16),
        "edge_index": rng.integers(0, 40, (2, 200)),
        "y": rng.integers(0, 3, 40),
        "train_idx": np.arange(20),
        "test_idx": np.arange(20, 40),
    }
    (tmp_path / "arrays").mkdir()
    for name, array in arrays.items():
        np.save(tmp_path / "arrays" / f"{name}.npy", array)
    np.savez(tmp_path / "g.npz", **arrays)
    found, wanted = (read_graph(tmp_path / name) for name in ("arrays", "g.npz"))
    assert isinstance(found.features, np.memmap)
    assert np.array_equal(found.features, wanted.features)
    for name in ("source", "target", "labels", "split"):
        assert np.array_equal(getattr(found, name), getattr(wanted, name))
    (tmp_path / "arrays" / "x.npy").write_bytes(b"no numbers")
    with pytest.raises(DataError, match=r"x\.npy cannot be read as numbers"):
        read_graph(tmp_path / "arrays")


def test_on_samples_it_is_told_what_each_weight_costs():
    adjacency, _ = graph()
    model = OnSamples(network("sage"), torch.randn(60, 6), Sampler(adjacency), (3, 3))
    costs = model.penalties(0.5)
    assert set(costs.values()) == {0.5}
    assert all("weight" in name for name in costs)
