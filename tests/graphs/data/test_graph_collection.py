"""A graph collection: selecting graphs by name, index or mask."""

import networkx as nx
import numpy as np
import pytest

from vicinal.errors import NoDataError
from vicinal.graphs.data.graph_collection import GraphCollection
from vicinal.graphs.data.read_collection import read_graphs


@pytest.fixture
def graphs(collection_tables) -> GraphCollection:
    return read_graphs(collection_tables)


def test_select_reorders_graphs(graphs, summarize):
    selected = graphs.select(np.array([1, 0]))
    assert summarize(selected) == summarize(graphs)[::-1]
    assert selected.batch.tolist() == [0, 0, 1, 1, 1]


def test_select_by_mask(graphs, summarize):
    selected = graphs.select(np.array([False, True]))
    assert summarize(selected) == summarize(graphs)[1:]
    assert selected.names.tolist() == ["h"]


def test_select_by_name(graphs, summarize):
    assert summarize(graphs.by_name("h")) == summarize(graphs)[1:]
    with pytest.raises(NoDataError, match="no graph 'x'"):
        graphs.by_name("x")


def test_labels_parsed_for_another_task_equal_those_read_for_it():
    labels = [k + 0.5 for k in range(40)]
    graphs = read_graphs([nx.path_graph(2)] * 40, labels)
    assert graphs.kind == "numeric"
    actual = graphs.with_task("classification")
    expected = read_graphs([nx.path_graph(2)] * 40, labels, task="classification")
    assert actual.kind == expected.kind and actual.classes == expected.classes
    assert actual.notes == expected.notes
