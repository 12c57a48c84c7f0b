"""New nodes and their edges in the graph of a fitted model."""

import numpy as np
import pandas as pd
import pytest

from vicinal.graphs.data.node_features import FeatureEncoder, degree_features
from vicinal.graphs.data.read import read_graph
from vicinal.graphs.nodes.labelled_graph import LabelledGraph
from vicinal.graphs.nodes.new_nodes import extend_graph

EDGES = pd.DataFrame({"source": ["a", "b"], "target": ["b", "c"]})
NEW_EDGES = pd.DataFrame({"source": ["x"], "target": ["a"]})


@pytest.mark.parametrize(
    ("edges", "new_edges", "weight"),
    [
        (EDGES.assign(weight=[2.0, 5.0]), NEW_EDGES, [2, 5, 1]),
        (EDGES, NEW_EDGES.assign(weight=[3.0]), [1, 1, 3]),
    ],
)
def test_edges_without_a_weight_weigh_1_beside_others(edges, new_edges, weight):
    table = read_graph(edges)
    y, train_mask = np.zeros(3, np.int64), np.ones(3, bool)
    labelled = LabelledGraph(
        degree_features(table.adjacency),
        table.adjacency,
        table.edge_weight,
        y,
        train_mask,
    )
    nodes, encoder = pd.DataFrame({"id": ["x"]}), FeatureEncoder("none")
    extended = extend_graph(table, labelled, encoder, nodes, new_edges)
    assert extended.table.weight is not None
    assert extended.table.weight.tolist() == weight
    assert extended.labelled_graph.edge_weight is not None
    assert extended.labelled_graph.edge_weight.tolist() == 2 * weight
