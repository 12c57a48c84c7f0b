"""The computation tree holds the messages that the network sums."""

import numpy as np
import pytest
import torch

from vicinal.errors import SettingError
from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.inspect.computation_tree import build_tree
from vicinal.graphs.inspect.tree_page import render_tree_page
from vicinal.graphs.inspect.tree_plot import draw_tree
from vicinal.graphs.nodes.labelled_graph import LabelledGraph
from vicinal.graphs.nodes.networks import NetworkConfig, NodeNetwork, build_network

CLASSES = ("k0", "k1", "k2")


@pytest.fixture
def labelled(block_graph: GraphTable) -> LabelledGraph:
    nodes = len(block_graph)
    x = torch.randn(nodes, 5, generator=torch.Generator().manual_seed(0))
    y = np.zeros(nodes, np.int64)
    return LabelledGraph(x, block_graph.adjacency, None, y, y.astype(bool))


@pytest.fixture
def names(block_graph: GraphTable) -> np.ndarray:
    return block_graph.ids


@pytest.fixture
def predicted(labelled: LabelledGraph) -> np.ndarray:
    return np.arange(len(labelled.y)) % 3


def make_network(name: str, layers: int = 2) -> NodeNetwork:
    torch.manual_seed(0)
    return build_network(name, NetworkConfig(5, 16, layers, 3, 0.0, 2)).eval()


@pytest.mark.parametrize("name", ["gcn", "sage", "gin", "gat", "gatv2"])
def test_tree_holds_every_message(name, labelled):
    root = build_tree(make_network(name), labelled, 7, max_children=(1000, 1000))
    assert max(node.max_error for node in root.walk()) < 1e-5
    adds_self_loops = name in ("gcn", "gat", "gatv2")
    graph = (
        labelled.adjacency.with_self_loops if adds_self_loops else labelled.adjacency
    )
    incoming = graph.incoming
    neighbors = incoming.indices[incoming.indptr[7] : incoming.indptr[8]].tolist()
    assert sorted(child.node for child in root.children) == sorted(neighbors)
    assert {child.layer for child in root.children} == {1}
    assert all(leaf.layer == 0 for child in root.children for leaf in child.children)
    lengths = [child.message_length for child in root.children]
    assert lengths == sorted(lengths, reverse=True) and root.num_hidden == 0
    assert root.scores is not None and len(root.scores) == 3
    # elsewhere the node is its own neighbour, and an untrained bias is 0
    assert (root.own_length > 0) == (name in ("sage", "gin"))


def test_hidden_messages_are_counted(labelled):
    network = make_network("gcn")
    full = build_tree(network, labelled, 7, max_children=(1000,))
    pruned = build_tree(network, labelled, 7, max_children=(2, 1))
    assert len(pruned.children) == 2
    assert pruned.num_hidden == len(full.children) - 2
    kept = [child.node for child in pruned.children]
    assert kept == [child.node for child in full.children[:2]]


@pytest.mark.parametrize(("name", "layers"), [("gcnii", 5), ("appnp", 4)])
def test_deep_network_shows_its_last_layers(name, layers, labelled):
    network = make_network(name, layers)
    root = build_tree(network, labelled, 7)
    assert max(node.max_error for node in root.walk()) < 1e-5
    logits = (
        network(labelled.x, labelled.adjacency, labelled.edge_weight)[7]
        .detach()
        .numpy()
    )
    assert root.scores == pytest.approx(logits, abs=1e-5)
    stages = list(dict.fromkeys(node.stage for node in root.walk()))
    if name == "appnp":  # all its steps are one sum
        assert stages == ["after propagation", "after the dense layer"]
        return
    assert stages == [f"after layer {k}" for k in (5, 4, 3, 2)]
    incoming = labelled.adjacency.with_self_loops.incoming
    neighbors = incoming.indices[incoming.indptr[7] : incoming.indptr[8]].tolist()
    assert root.num_hidden + len(root.children) == len(neighbors)
    assert {child.node for child in root.children} <= set(neighbors)


def test_unsupported_network_is_refused(labelled):
    network = NodeNetwork(NetworkConfig(2, 4, 1, 2, 0.0, 1))
    with pytest.raises(SettingError, match="A NodeNetwork cannot be broken down"):
        build_tree(network, labelled, 7)


def test_plot_and_page_show_every_node_and_score(labelled, names, predicted):
    network = make_network("gcn")
    root = build_tree(network, labelled, 7)
    figure = draw_tree(root, names, predicted, CLASSES)
    texts = " ".join(text.get_text() for text in figure.axes[0].texts)
    page = render_tree_page(root, names, predicted, CLASSES, "n7 <here>")
    for node in root.walk():
        assert names[node.node] in texts and f"<b>{names[node.node]}</b>" in page
    assert "n7 &lt;here&gt;" in page and "<here>" not in page
    scores = network(labelled.x, labelled.adjacency, None)[7].tolist()
    for name, score in zip(CLASSES, scores, strict=True):
        assert f"{name}  {score:+.2f}" in texts and f"{name} {score:+.4f}" in page
    heights = [round(text.get_position()[1], 6) for text in figure.axes[0].texts]
    assert len(set(heights)) > 3


def test_page_lists_every_vector_and_the_terms_of_the_score(labelled, names, predicted):
    root = build_tree(make_network("gcn"), labelled, 7)
    page = render_tree_page(root, names, predicted, CLASSES, "n7")
    for node in root.walk():
        if node.message is not None:
            assert " ".join(f"{k:.4g}" for k in node.message.tolist()) in page
        if node.breakdown is not None:
            assert " ".join(f"{k:.4g}" for k in node.breakdown.output.tolist()) in page
    assert root.head is not None and root.scores is not None
    k = int(root.scores.argmax())
    terms = root.head.embedding * root.head.weights[k]
    assert terms.sum() + root.head.bias[k] == pytest.approx(root.scores[k], abs=1e-5)
    assert f"{terms[np.abs(terms).argmax()]:+.4f}" in page and "<svg" in page


def test_page_fits_a_phone_and_its_plot_can_be_enlarged(labelled, names, predicted):
    root = build_tree(make_network("gcn"), labelled, 7)
    page = render_tree_page(root, names, predicted, CLASSES, "n7")
    assert 'name="viewport" content="width=device-width' in page
    assert ".plot svg { display: block; max-width: 100%" in page
    assert 'type="checkbox" id="zoom"' in page
