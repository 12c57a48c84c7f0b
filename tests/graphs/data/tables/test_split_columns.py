"""The split of nodes, from a column of words or from masks."""

import json
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from vicinal.errors import DataError
from vicinal.graphs.data.read import read_graph
from vicinal.graphs.data.tables.split_columns import read_split

MASKS = {
    "train_mask": [1, 0, 0, 0],
    "val_mask": [0, 1, 0, 0],
    "test_mask": [0, 0, 1, 0],
}
SPLIT = ["train", "val", "test", ""]
NOTE = "the split is that of the columns train_mask, val_mask, test_mask"


@pytest.mark.parametrize("write", [int, bool, str, lambda k: "true" if k else ""])
def test_masks_are_the_split(tmp_path, write_tables, write):
    masks = {name: [*map(write, cells)] for name, cells in MASKS.items()}
    frame = pd.DataFrame({"id": [*"abcd"], "label": [*"xyxy"], "age": 1, **masks})
    edges = pd.DataFrame({"source": [*"abc"], "target": [*"bcd"]})
    folder = write_tables(
        tmp_path, frame.to_csv(index=False), edges.to_csv(index=False)
    )
    for table in (read_graph(frame, edges=edges), read_graph(folder)):
        assert table.split is not None and table.split.tolist() == SPLIT
        assert list(table.features) == ["age"] and NOTE in table.notes


@pytest.mark.parametrize("form", ["networkx", "graphml", "json"])
def test_masks_of_attributes_are_the_split(tmp_path, form):
    graph: Any = nx.path_graph(4)
    for name, cells in MASKS.items():
        nx.set_node_attributes(graph, dict(enumerate(map(bool, cells))), name)
    source: Any = graph
    if form == "graphml":
        source = tmp_path / "g.graphml"
        nx.write_graphml(graph, source)
    elif form == "json":
        source = tmp_path / "g.json"
        source.write_text(json.dumps(nx.node_link_data(graph, edges="links")))
    table = read_graph(source)
    assert table.split is not None and table.split.tolist() == SPLIT
    assert table.features is None and NOTE in table.notes


def test_a_column_of_words_comes_before_masks():
    frame = pd.DataFrame(
        {"Split": ["test", "train"], "train_mask": [1, 0], "a": [1, 2]}
    )
    rest, split, notes = read_split(frame)
    assert split is not None and split.tolist() == ["test", "train"]
    assert list(rest) == ["a"]
    assert notes == ["the split is that of the column 'Split', not of train_mask"]


def test_other_columns_are_no_masks():
    frame = pd.DataFrame({"train_mask": [0.5, 1], "mask": [1, 0]})
    rest, split, notes = read_split(frame)
    assert rest is frame and split is None and notes == []
    with pytest.raises(DataError, match="Expected train_mask beside test_mask"):
        read_split(pd.DataFrame({"test_mask": [1, 0], "y": np.arange(2)}))
