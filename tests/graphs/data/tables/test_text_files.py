"""Encodings, compression, comments and separators of tables."""

import gzip
import io

import pytest

from vicinal.errors import DataError
from vicinal.graphs.data.read import read_graph
from vicinal.graphs.data.tables.text_files import CommentFilter, find_separator

NODES = "id,label\nä,x\nb,y\nc,x\n"
EDGES = "source,target\nä,b\nb,c\n"


@pytest.mark.parametrize(
    ("suffix", "encode"),
    [
        (".csv.gz", lambda text: gzip.compress(text.encode())),
        (".csv", lambda text: text.encode("utf-16")),
        (".csv", lambda text: text.encode("utf-8-sig")),
        (".csv", lambda text: f"sep=;\n{text.replace(',', ';')}".encode()),
        (".csv", lambda text: f"# exported\n{text}".replace("\n", "\r\n").encode()),
        (".csv", lambda text: f"#{text}".encode()),
        (".tsv", lambda text: text.replace(",", "\t").encode()),
        (".csv", lambda text: text.replace(",", "|").encode()),
        (".csv", lambda text: text.replace(",", " , ").encode()),
        (".csv", lambda text: text.replace(",", '", "').encode()),
        (".txt.gz", lambda text: gzip.compress(text.replace(",", "  ").encode())),
    ],
)
def test_tables_of_any_writing_give_the_same_graph(
    tmp_path, suffix, encode, edge_names
):
    for stem, text in (("nodes", NODES), ("edges", EDGES)):
        data = encode(text)
        if b'", "' in data:  # quote every cell
            data = b'"' + data.strip().replace(b"\n", b'"\n"') + b'"\n'
        (tmp_path / f"{stem}{suffix}").write_bytes(data)
    table = read_graph(tmp_path)
    assert edge_names(table) == {("b", "ä"), ("b", "c")}
    assert table.labels is not None and table.labels.tolist() == ["x", "y", "x"]
    assert table.notes == [] and table.quarantined == []


def test_other_encodings_and_damaged_files_are_named(tmp_path):
    path = tmp_path / "edges.csv"
    path.write_bytes(EDGES.encode("latin-1"))
    with pytest.raises(DataError, match=r"not encoded in UTF-8.*Save it as UTF-8"):
        read_graph(path)
    path.write_bytes(gzip.compress(EDGES.encode() * 99)[:-20])
    with pytest.raises(DataError, match="damaged gzip"):
        read_graph(path)


@pytest.mark.parametrize(
    ("lines", "separator"),
    [
        (["a b", "c d"], None),
        (["New York, NY\tRome, IT", "Bonn, DE\tParis, FR"], "\t"),
        (["source;target;weight", "a;b;0,5"], ";"),
        (["sp|P1|A sp|P2|B", "sp|P3|C sp|P1|A"], None),
        (["source|target", "New York|Rome"], "|"),
        (["id,tags", "1,a|b", "2,c"], ","),
    ],
)
def test_the_separator(lines, separator):
    assert find_separator(lines) == separator


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_only_lines_that_begin_with_a_mark_are_comments(size):
    text = "# x\na #b\n%y\n\n#\nc d%\n#end"
    file = CommentFilter(io.StringIO(text))
    read = "".join(iter(lambda: file.read(size), ""))
    assert [line for line in read.split("\n") if line] == ["a #b", "c d%"]
    assert file.num_comments == 4
