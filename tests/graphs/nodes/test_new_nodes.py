"""New nodes and their edges in the graph of a fitted model."""

import numpy as np
import pandas as pd
import pytest

from vicinal.graphs.data.node_features import FeatureEncoder, degree_features
from vicinal.graphs.data.read import read_graph
from vicinal.graphs.nodes.labelled_graph import LabelledGraph
from vicinal.graphs.nodes.new_nodes import extend_graph
from vicinal.graphs.settings import TableColumns

EDGES = pd.DataFrame({"source": ["a", "b"], "target": ["b", "c"]})
NEW_EDGES = pd.DataFrame({"source": ["x"], "target": ["a"]})


def unlabelled_graph(table):
    return LabelledGraph(
        degree_features(table.adjacency),
        table.adjacency,
        table.edge_weight,
        np.zeros(len(table), np.int64),
        np.ones(len(table), bool),
    )


@pytest.mark.parametrize(
    ("edges", "new_edges", "weight"),
    [
        (EDGES.assign(weight=[2.0, 5.0]), NEW_EDGES, [2, 5, 1]),
        (EDGES, NEW_EDGES.assign(weight=[3.0]), [1, 1, 3]),
    ],
)
def test_edges_without_a_weight_weigh_1_beside_others(edges, new_edges, weight):
    table = read_graph(edges)
    labelled = unlabelled_graph(table)
    nodes, encoder = pd.DataFrame({"id": ["x"]}), FeatureEncoder("none")
    extended = extend_graph(table, labelled, encoder, nodes, new_edges)
    assert extended.table.weight is not None
    assert extended.table.weight.tolist() == weight
    assert extended.labelled_graph.edge_weight is not None
    assert extended.labelled_graph.edge_weight.tolist() == 2 * weight


def test_columns_of_new_tables_have_the_names_of_training(tmp_path):
    table = read_graph(EDGES)
    columns = TableColumns(
        id_column="who", source_column="one", destination_column="two"
    )
    (tmp_path / "nodes.csv").write_text("name;who\nA;x\nB;y\n")
    (tmp_path / "edges.csv").write_text("n,two,one\n1,a,x\n2,y,x\n3,z,a\n")
    extended = extend_graph(
        table,
        unlabelled_graph(table),
        FeatureEncoder("none"),
        tmp_path / "nodes.csv",
        tmp_path / "edges.csv",
        columns,
    ).table
    assert extended.ids.tolist() == ["a", "b", "c", "x", "y"]
    assert extended.source.tolist() == [0, 1, 3, 3]
    assert extended.target.tolist() == [1, 2, 0, 4]
    assert [row.name for row in extended.quarantined] == ["a - z"]
