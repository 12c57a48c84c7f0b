"""Graphs are recognised by file names and first lines."""

import gzip
from pathlib import Path

from vicinal.graphs.data.detect import is_graph


def test_graphs_are_recognised_by_their_first_line(tmp_path):
    def write(name: str, text: str) -> Path:
        (tmp_path / name).write_text(text)
        return tmp_path / name

    assert is_graph(write("a.csv", "Source,Target\n1,2\n"))
    assert is_graph(write("b.txt", "# SNAP\n1 2\n"))
    assert is_graph(write("c.tsv", "1\t2\n"))
    assert not is_graph(write("d.csv", "path,label\na.jpg,x\n"))
    assert not is_graph(write("e.txt", "path,label\na.jpg,x\n"))
    assert is_graph(write("f.dat", "userID\titemID\tweight\n1\t2\t3\n"))
    assert is_graph(write("g.csv", "user_a,user_b\n1,2\n"))
    assert is_graph(write("j.csv", "a_id,b_id,c_id\n1,2,3\n"))  # unclear, but a graph
    assert not is_graph(write("h.csv", "age,height\n1,2\n"))
    assert not is_graph(write("i.csv", "id,x1,x2\n1,2,3\n"))
    assert not is_graph(tmp_path)
    assert is_graph("x.graphml") and not is_graph("photos")


def test_a_damaged_compressed_file_is_no_edge_list(tmp_path):
    data = bytearray(gzip.compress(b"1 2\n" * 99))
    data[12:] = b"\xff" * len(data[12:])  # no deflate stream
    (tmp_path / "a.txt.gz").write_bytes(bytes(data))
    assert not is_graph(tmp_path / "a.txt.gz")
