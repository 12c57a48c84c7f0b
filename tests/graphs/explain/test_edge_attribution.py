"""What edges and features add: all together the answer, and nothing far away."""

from typing import Any

import numpy as np
import pytest
import torch

from vicinal.errors import SettingError
from vicinal.graphs.explain.edge_attribution import (
    Masked,
    added,
    along,
    masked,
    normalised,
)
from vicinal.graphs.explain.edge_deletion import edges_that_count
from vicinal.graphs.inspect.computation_tree import unrolled
from vicinal.graphs.inspect.tree_plot import draw_tree, page_of_tree
from vicinal.graphs.node_estimators import NodeClassifier
from vicinal.graphs.nodes.networks import NETWORKS, NetworkConfig, NodeNetwork, build


@pytest.fixture
def model(block_graph) -> NodeClassifier:
    return NodeClassifier(network="none").fit(block_graph)


def having(model: NodeClassifier, name: str, layers: int = 2) -> Any:
    torch.manual_seed(0)
    width = model.known_.x.shape[1]
    network = build(name, NetworkConfig(width, 16, layers, 3, 0.0, 2)).eval()
    model.networks_ = [network]
    return network


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_mask_of_ones_changes_nothing(name, weighted, model):
    network, known = having(model, name), model.known_
    weight = torch.rand(known.graph.num_edges) + 0.1 if weighted else None
    wanted = network(known.x, known.graph, weight)
    ones = torch.ones(known.graph.num_edges)
    given = masked(known.graph, ones, weight)
    torch.testing.assert_close(network(known.x, given, weight), wanted)
    without = network(known.x, masked(known.graph, 0 * ones, weight), weight)
    assert (without - wanted).abs().max() > 1e-3


def test_a_weight_of_gcn_is_that_of_its_layer(model):
    known = model.known_
    weight = torch.rand(known.graph.num_edges) + 0.1
    found = normalised(known.graph, weight).sum(known.x)
    from vicinal.graphs.layers.gcn import smoothed

    torch.testing.assert_close(found, smoothed(known.x, known.graph, weight))


@pytest.mark.parametrize("name", NETWORKS)
def test_what_edges_add_makes_the_difference(name, model):
    network = having(model, name)
    found = added(model, 7, 1, steps=64)
    known = model.known_
    said = network(known.x, known.graph, known.weight)[7].detach()
    others = torch.stack([said[0], said[2]]).logsumexp(0)
    assert found.all_messages == pytest.approx(float(said[1] - others), abs=1e-4)
    difference = found.all_messages - found.no_message
    assert found.edges.sum() == pytest.approx(difference, rel=0.02, abs=0.01)
    total = found.features.sum()
    assert total == pytest.approx(
        found.all_messages - found.no_feature, rel=0.02, abs=0.01
    )
    assert found.off_edges < 0.01
    assert (np.diff(found.edges) <= 0).all()


def test_what_far_edges_add_is_told_beside_those_that_are_listed(model):
    having(model, "gcn", layers=6)
    model._said = None
    found, whole = edges_that_count(model, 7, 1, method="masks"), added(model, 7, 1)
    assert found.whole == pytest.approx(whole.all_messages - whole.no_message)
    listed = sum(edge.cost for edge in found.edges)
    assert found.whole is not None and abs(found.whole - listed) > 1e-6
    assert f"All edges add {found.whole:+.4f}, those that are not listed" in found.way


def test_edges_too_far_away_add_nothing(model):
    having(model, "sage")
    found, graph = added(model, 7, 1), model.graph_
    near = {7}
    own = zip(graph.source.tolist(), graph.target.tolist(), strict=True)
    pairs = [tuple(sorted(pair)) for pair in own]
    near |= {v for pair in pairs if 7 in pair for v in pair}
    told = set(zip(found.source.tolist(), found.target.tolist(), strict=True))
    assert told == {pair for pair in pairs if near & set(pair)}


def test_the_path_adds_up_on_a_polynomial():
    x = torch.tensor([2.0, -1.0, 3.0])
    slopes, first, last = along(lambda z: z[0] * z[1] + z[2] ** 2, x, 50)
    assert (first, last) == (0.0, 7.0)
    torch.testing.assert_close(
        slopes, torch.tensor([-1.0, -1.0, 9.0]), rtol=1e-3, atol=1e-3
    )


def test_nothing_is_drawn_at_random(model):
    having(model, "gin")
    first, again = (added(model, 3, 0) for _ in "ab")
    assert np.array_equal(first.edges, again.edges)
    assert np.array_equal(first.source, again.source)


def test_the_first_answer_has_no_messages(model):
    with pytest.raises(SettingError, match="The first answer has no messages"):
        added(model, 0, 0)


def test_a_mask_goes_along_with_loops(model):
    graph = model.known_.graph
    mask = torch.rand(graph.num_edges)
    found = masked(graph, mask).add_self_loops
    assert isinstance(found, Masked)
    loops = found.incoming.sources == found.incoming.targets
    assert torch.equal(found.mask[loops], torch.ones(150))
    assert torch.equal(found.mask[~loops], mask)  # a loop comes last of a node's edges


# --- the tree ---------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gcn", "sage", "gin", "gat", "gatv2"])
def test_the_tree_is_what_the_network_heard(name, model):
    network, known = having(model, name), model.known_
    root = unrolled(network, known, 7, most=(1000, 1000))
    assert max(one.off for one in root.walk()) < 1e-5
    sources = (
        known.graph.add_self_loops if name in ("gcn", "gat", "gatv2") else known.graph
    )
    rows = sources.incoming
    heard = rows.sources[rows.offsets[7] : rows.offsets[8]].tolist()
    assert sorted(one.node for one in root.children) == sorted(heard)
    assert {one.layer for one in root.children} == {1}
    assert all(one.layer == 0 for child in root.children for one in child.children)
    lengths = [one.length for one in root.children]
    assert lengths == sorted(lengths, reverse=True) and root.left_out == 0
    assert root.scores is not None and len(root.scores) == 3
    assert (root.own > 0) == (name in ("sage", "gin"))  # others hear themselves


def test_what_is_not_drawn_is_counted(model):
    network = having(model, "gcn")
    whole = unrolled(network, model.known_, 7, most=(1000,))
    some = unrolled(network, model.known_, 7, most=(2, 1))
    assert len(some.children) == 2
    assert some.left_out == len(whole.children) - 2
    assert [one.node for one in some.children] == [
        one.node for one in whole.children[:2]
    ]


def test_a_tree_is_drawn_with_every_name(model):
    network = having(model, "gcn")
    root = unrolled(network, model.known_, 7)
    ids, classes = model.graph_.ids, model.objective_.classes
    said = model.predicted().argmax(axis=1)
    sheet = draw_tree(root, ids, said, classes)
    texts = " ".join(text.get_text() for text in sheet.axes[0].texts)
    page = page_of_tree(root, ids, said, classes, "n7 <here>")
    for one in root.walk():
        assert ids[one.node] in texts and f"<b>{ids[one.node]}</b>" in page
    assert "n7 &lt;here&gt;" in page and "<here>" not in page
    scores = network(model.known_.x, model.known_.graph)[7].tolist()
    for name, score in zip(classes, scores, strict=True):
        assert f"{name}  {score:+.2f}" in texts and f"{name} {score:+.4f}" in page
    heights = [round(text.get_position()[1], 6) for text in sheet.axes[0].texts]
    assert len(set(heights)) > 3


@pytest.mark.parametrize(("name", "layers"), [("gcnii", 5), ("appnp", 4)])
def test_the_last_layers_of_a_deep_network_are_drawn(name, layers, model):
    network, known = having(model, name, layers), model.known_
    root = unrolled(network, known, 7)
    assert max(one.off for one in root.walk()) < 1e-5
    wanted = network(known.x, known.graph, known.weight)[7].detach().numpy()
    assert root.scores == pytest.approx(wanted, abs=1e-5)
    stages = list(dict.fromkeys(one.stage for one in root.walk()))
    if name == "appnp":  # all its steps are one sum
        assert stages == ["once it is spread", "after the dense layer"]
        return
    assert stages == [f"after layer {k}" for k in (5, 4, 3, 2)]
    incoming = known.graph.add_self_loops.incoming
    heard = incoming.sources[incoming.offsets[7] : incoming.offsets[8]].tolist()
    assert root.left_out + len(root.children) == len(heard)
    assert {one.node for one in root.children} <= set(heard)


def test_a_network_of_a_kind_that_is_unknown_is_not_opened(model):
    with pytest.raises(SettingError, match="A NodeNetwork cannot be opened"):
        unrolled(NodeNetwork(NetworkConfig(2, 4, 1, 2, 0.0, 1)), model.known_, 7)


def test_a_page_has_every_vector_and_the_terms_of_the_score(model):
    network, known = having(model, "gcn"), model.known_
    root = unrolled(network, known, 7)
    said, classes = model.predicted().argmax(axis=1), model.objective_.classes
    page = page_of_tree(root, model.graph_.ids, said, classes, "n7")
    for one in root.walk():
        if one.message is not None:
            assert " ".join(f"{k:.4g}" for k in one.message.tolist()) in page
        if one.opened is not None:
            assert " ".join(f"{k:.4g}" for k in one.opened.given.tolist()) in page
    assert root.head is not None and root.scores is not None
    k = int(root.scores.argmax())
    terms = root.head.value * root.head.weights[k]
    assert terms.sum() + root.head.bias[k] == pytest.approx(root.scores[k], abs=1e-5)
    assert f"{terms[np.abs(terms).argmax()]:+.4f}" in page and "<svg" in page
