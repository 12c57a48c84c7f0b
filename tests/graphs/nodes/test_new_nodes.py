"""New nodes and their edges in the graph of a fitted model."""

import numpy as np
import pandas as pd
import pytest
import torch

from vicinal.errors import DataError
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


def test_new_nodes_are_named_by_the_column_of_training():
    """As in training, where the edges refer to user_id and not to name."""
    nodes = pd.DataFrame({"user_id": [*"abc"], "name": ["Ann", "Bob", "Cem"]})
    new = pd.DataFrame({"user_id": ["x", "y"], "name": ["Dan", "Eve"]})
    new_edges = pd.DataFrame({"source": ["x", "y", "b"], "target": ["a", "x", "y"]})
    encoder = FeatureEncoder("none")
    for table in (read_graph(nodes, edges=EDGES), read_graph(EDGES)):
        labelled = unlabelled_graph(table)
        extended = extend_graph(table, labelled, encoder, new, new_edges).table
        assert extended.ids[3:].tolist() == ["x", "y"] and extended.num_edges == 5
        assert not extended.quarantined
    table = read_graph(nodes, edges=EDGES)
    assert table.id_column == "user_id"
    extended = extend_graph(table, unlabelled_graph(table), encoder, new, None).table
    assert extended.ids[3:].tolist() == ["x", "y"]


def test_what_new_nodes_hold_is_noted(tmp_path):
    table = read_graph(EDGES)
    (tmp_path / "nodes.csv").write_text("id;f;g\nx;0,5;much\ny;1,5;\n")
    encoder = FeatureEncoder("numeric", (), (0.0, 0.0), (1.0, 1.0), 2)
    labelled = unlabelled_graph(table)._replace(x=torch.zeros(3, 2))
    extended = extend_graph(table, labelled, encoder, tmp_path / "nodes.csv", NEW_EDGES)
    assert extended.labelled_graph.x[3:].tolist() == [[0.5, 0], [1.5, 0]]
    assert extended.table.notes == [
        "column 'f' has a decimal comma: 0,5 is read as 0.5",
        "1 cell of the new nodes such as 'much' not a number, read as 0",
    ]
    with pytest.raises(DataError, match=r"must be a path or a DataFrame\. Got list"):
        extend_graph(table, labelled, encoder, ["x"], NEW_EDGES)
