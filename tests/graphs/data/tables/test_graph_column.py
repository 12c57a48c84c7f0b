"""A column of graphs in tables of one graph."""

import pandas as pd
import pytest

from vicinal.errors import DataError
from vicinal.graphs.data.tables.graph_column import GraphColumn


def test_an_empty_cell_is_no_other_graph():
    columns = GraphColumn()
    frame = pd.DataFrame({"graph_id": ["", "g", None], "source": ["a", "a", "a"]})
    columns.add(frame, ["source"], "is ignored")
    other = pd.DataFrame({"graph_id": ["h"], "source": ["a"]})
    with pytest.raises(DataError, match="'a' is a node of 'g' and of 'h'"):
        columns.add(other, ["source"], "is ignored")
