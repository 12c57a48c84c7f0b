"""Tables of entities: labels, types, further columns."""

import numpy as np
import pandas as pd
import pytest

from vicinal.errors import DataError, NoDataError
from vicinal.knowledge.data import node_table
from vicinal.knowledge.data.read import read_triples

TRIPLES = [("a", "r", "b"), ("b", "r", "c")]
NODES = """ID,Name,Type,age,city
c,Cleo,person,7,Rome
a,Ana,,,
b,Bo,robot,2.5,
z,Zoe,person,1,Oslo
"""


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a table of nodes and returns its path."""

    def write(text: str, name: str = "nodes.csv"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def has_note(table, *words: str) -> bool:
    return any(all(word in note for word in words) for note in table.notes)


def check(table) -> None:
    """Expect the columns of NODES."""
    assert table.labels.tolist() == ["Ana", "Bo", "Cleo"]
    assert table.types.tolist() == ["", "robot", "person"]
    assert [*table.columns] == ["age", "city"]
    np.testing.assert_array_equal(table.columns["age"], [np.nan, 2.5, 7])
    assert table.columns["age"].dtype == np.float64
    assert table.columns["city"].tolist() == [None, None, "Rome"]
    assert has_note(table, "1 row of the table of nodes not used", "'z'")
    assert has_note(table, "labels of entities are read from 'Name'")


def test_columns_are_aligned_to_entities(write):
    path = write(NODES)
    check(read_triples(TRIPLES, nodes=path))
    check(read_triples(TRIPLES, nodes=pd.read_csv(path)))
    check(read_triples(TRIPLES, nodes=write(NODES.replace(",", "\t"), "nodes.tsv")))


def test_parquet(write, monkeypatch):
    frame = pd.read_csv(write(NODES))
    monkeypatch.setattr(node_table, "read_parquet", lambda path: frame)
    check(read_triples(TRIPLES, nodes=write("", "nodes.parquet")))


def test_rows_that_repeat_or_contradict(write):
    text = "id,label\na,Ana\na,Ana\na,Anna\n,Nobody\n,\nb,\n"
    table = read_triples(TRIPLES, nodes=write(text))
    assert table.labels is not None and table.labels.tolist() == ["Ana", "", ""]
    assert [row.name for row in table.quarantined] == ["nodes line 4", "nodes line 5"]
    assert "'a' has other cells in line 2" in table.quarantined[0].reason
    assert table.quarantined[1].reason == "the id is empty"
    assert has_note(table, "1 repeated row of the table of nodes")
    assert has_note(table, "1 entity not in the table of nodes")


def test_column_of_ids(write):
    table = read_triples(TRIPLES, nodes=write("key,label\na,Ana\n"))
    assert has_note(table, "nodes are named by the column 'key'")
    assert table.labels is not None and table.labels[0] == "Ana"
    table = read_triples(TRIPLES, nodes=write("id,name,kind\n1,a,x\n2,b,y\n"))
    assert has_note(table, "nodes are named by the column 'name'")
    assert table.types is not None and table.types.tolist() == ["x", "y", ""]
    assert table.columns["id"].tolist()[:2] == [1, 2]


def test_without_a_header(write):
    table = read_triples(TRIPLES, nodes=write("a\tAna\nb\tBo\n", "nodes.txt"))
    assert table.labels is not None and table.labels.tolist() == ["Ana", "Bo", ""]
    assert has_note(table, "first line of nodes.txt is no header")


def test_ids_that_are_numbers(write):
    triples = [("1", "r", "2"), ("2", "r", "10")]
    frame = pd.DataFrame({"id": [10, 1], "pageviews": [5, 6]})
    table = read_triples(triples, nodes=frame)
    assert table.entities.tolist() == ["1", "10", "2"]
    np.testing.assert_array_equal(table.columns["pageviews"], [6, 5, np.nan])
    assert table.labels is None and table.types is None


def test_tables_that_cannot_be_used(write):
    with pytest.raises(DataError, match=r"No entity of the triples \('a', 'b', 'c'\)"):
        read_triples(TRIPLES, nodes=write("id,label\nx,X\n"))
    with pytest.raises(NoDataError, match="table of nodes is empty"):
        read_triples(TRIPLES, nodes=pd.DataFrame({"id": []}))
    with pytest.raises(DataError, match=r"must be a path or a DataFrame\. Got int"):
        read_triples(TRIPLES, nodes=3)
    with pytest.raises(DataError, match="must be a table of nodes"):
        read_triples(TRIPLES, nodes=write("{}", "nodes.json"))
