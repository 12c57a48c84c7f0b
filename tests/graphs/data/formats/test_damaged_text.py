"""Text files whose bytes are damaged: one message, and no crash of a parser."""

import pytest

from vicinal.errors import DataError
from vicinal.graphs.data.read import read_graph
from vicinal.graphs.data.read_collection import read_graphs


@pytest.mark.parametrize("text", ["1 2 1\x004", "1 2 \xff\xfe", "1 2 1; 3"])
def test_what_is_no_number_in_a_matrix_market_file_is_refused(tmp_path, text):
    # the parser of scipy crashes on some of these
    path = tmp_path / "a.mtx"
    head = "%%MatrixMarket matrix coordinate real symmetric\n% a comment; here\n"
    path.write_bytes(f"{head}3 3 2\n2 1 1\n{text}\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"a\.mtx cannot be read: no numbers"):
        read_graph(path)
    path.write_text(f"{head}3 3 2\n2 1 1.5e0\n3 2 1\n")
    assert read_graph(path).num_edges == 2


def test_text_that_is_not_utf_8_is_one_message(tmp_path):
    (tmp_path / "gin.txt").write_bytes(b"1\n1 0\n0 0 \xb1\n")
    with pytest.raises(DataError, match=r"gin\.txt cannot be read: 'utf-8' codec"):
        read_graphs(tmp_path / "gin.txt")
    for part in ("A", "graph_indicator", "graph_labels"):
        (tmp_path / f"T_{part}.txt").write_bytes(b"1, 1\n\xb1\n")
    with pytest.raises(DataError, match="cannot be read: 'utf-8' codec"):
        read_graphs(tmp_path)
