"""Helpers for tests of reading graphs."""

from collections.abc import Callable
from pathlib import Path

import pytest

from vicinal.graphs.data.graph_collection import GraphCollection
from vicinal.graphs.data.graph_table import GraphTable

NODES = "id,label,age,town\na,x,1,here\nb,y,2,there\nc,,3,here\nd,y,,there\n"
EDGES = "source,target\na,b\nb,c\nc,d\n"


@pytest.fixture
def write_tables() -> Callable[..., Path]:
    def write(directory: Path, nodes: str = NODES, edges: str = EDGES) -> Path:
        (directory / "nodes.csv").write_text(nodes, encoding="utf-8")
        (directory / "edges.csv").write_text(edges, encoding="utf-8")
        return directory

    return write


@pytest.fixture
def edge_names() -> Callable[[GraphTable], set[tuple[str, str]]]:
    """Edges as pairs of names; those of an undirected edge are sorted."""

    def names(table: GraphTable) -> set[tuple[str, str]]:
        ends = zip(table.ids[table.source], table.ids[table.target], strict=True)
        return {(u, v) if table.directed else tuple(sorted((u, v))) for u, v in ends}

    return names


@pytest.fixture
def quarantine_reasons() -> Callable[[GraphTable], list[str]]:
    return lambda table: [row.reason for row in table.quarantined]


# Graph collections: a triangle with tags 0, 1, 1 (class 7) and a path with tags 2, 0
# (class 9).


@pytest.fixture
def gin_file(tmp_path) -> Path:
    path = tmp_path / "toy.txt"
    path.write_text("2\n3 7\n0 2 1 2\n1 2 0 2\n1 2 0 1\n2 9\n2 1 1\n0 1 0\n")
    return path


@pytest.fixture
def tu_directory(tmp_path) -> Path:
    directory = tmp_path / "TOY"
    directory.mkdir()
    edges = [(1, 2), (2, 1), (2, 3), (3, 2), (1, 3), (3, 1), (4, 5), (5, 4)]
    files = {
        "A": "\n".join(f"{a}, {b}" for a, b in edges),
        "graph_indicator": "1\n1\n1\n2\n2\n",
        "graph_labels": "7\n9\n",
        "node_labels": "0\n1\n1\n2\n0\n",
    }
    for name, text in files.items():
        (directory / f"TOY_{name}.txt").write_text(text)
    return directory


@pytest.fixture
def collection_tables(tmp_path) -> Path:
    directory = tmp_path / "tables"
    directory.mkdir()
    tables = {
        "edges.csv": "graph_id,source,target\ng,a,b\ng,b,c\ng,a,c\nh,a,b\n",
        "nodes.csv": "graph_id,id,tag\ng,a,t0\ng,b,t1\nh,a,t2\ng,c,t1\nh,b,t0\n",
        "graphs.csv": "graph_id,label\nh,9\ng,7\n",
    }
    for name, text in tables.items():
        (directory / name).write_text(text)
    return directory


@pytest.fixture
def summarize() -> Callable[[GraphCollection], list[tuple[str, int, list[str], int]]]:
    """The label, number of edges, sorted tags and number of nodes of each graph."""

    def summary(graphs: GraphCollection) -> list[tuple[str, int, list[str], int]]:
        tags = graphs.nodes.features["tag"].to_numpy()
        assert graphs.labels is not None
        return [
            (
                graphs.labels[g],
                int(graphs.edge_counts[g]),
                sorted(tags[graphs.batch == g]),
                int(graphs.sizes[g]),
            )
            for g in range(len(graphs))
        ]

    return summary
