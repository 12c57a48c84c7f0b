"""Encodings, compression, comments and separators of tables."""

import gzip
import io

import pytest

from vicinal.errors import DataError
from vicinal.graphs.data.read import read_graph
from vicinal.graphs.data.tables.text_files import TableText, find_separator

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
        (["1::1193::5::978300760", "1::661::3::978302109"], "::"),
        (["std::vector std::map", "std::map std::set"], None),
        (["1 | 2", "2 | 3"], "|"),
        (["1 :: 2", "2 :: 3"], "::"),
    ],
)
def test_the_separator(lines, separator):
    assert find_separator(lines) == separator


def test_row_names_of_r_are_not_a_column_of_the_header(tmp_path, edge_names):
    """As `write.table` writes them: the header is one name short."""
    edges = tmp_path / "edges.csv"
    edges.write_text('"from" "to" "weight"\n"1" "a" "b" 2\n"2" "c" "b" 3\n')
    table = read_graph(edges)
    assert edge_names(table) == {("a", "b"), ("b", "c")}
    assert table.weight is not None and table.weight.tolist() == [2, 3]
    nodes = tmp_path / "nodes.csv"
    rows = ('"1","a",5,"x"', '"2","b",7,"y"', '"3","c",6,"x"')
    nodes.write_text("\n".join(['"id","size","label"', *rows]))
    table = read_graph(nodes, edges=edges)
    assert table.ids.tolist() == ["a", "b", "c"] and list(table.features) == ["size"]
    assert table.labels is not None and table.labels.tolist() == ["x", "y", "x"]


def test_a_missing_name_without_quotes_is_not_that_of_row_names(tmp_path):
    path = tmp_path / "edges.csv"
    path.write_text("source,target\n1,2,5\n2,3,1\n")
    with pytest.raises(DataError, match="more cells than the header"):
        read_graph(path)


def test_two_colons_separate_cells(tmp_path):
    """As in MovieLens' `ratings.dat`, but with every kind of cell."""
    edges = tmp_path / "edges.csv"
    edges.write_text("user_id::item_id::rating\n1::1::5\n1::2::3\n2::1::4\n")
    table = read_graph(edges)
    assert len(table) == 4 and table.num_edges == 3 and table.sides is not None
    edges.write_text('source::target::weight\n"a:b"::c::2\n::c::1\nc::"d"::3\n')
    table = read_graph(edges)
    assert table.ids.tolist() == ["a:b", "c", "d"] and len(table.quarantined) == 1
    nodes = tmp_path / "nodes.dat"
    nodes.write_text("id::title::label\n1::Toy Story, 1::x\n2::Heat::y\n")
    edges.write_text("source::target\n1::2\n")
    table = read_graph(nodes, edges=edges)
    assert table.features["title"].tolist() == ["Toy Story, 1", "Heat"]
    assert table.labels is not None and table.labels.tolist() == ["x", "y"]


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_only_lines_that_begin_with_a_mark_are_comments(size):
    text = "# x\na #b\n%y\n\n#\nc d%\n#end"
    file = TableText(io.StringIO(text))
    read = "".join(iter(lambda: file.read(size), ""))
    assert [line for line in read.split("\n") if line] == ["a #b", "c d%"]
    assert file.num_comments == 4
    assert [file.line_of(row) for row in (0, 1)] == [1, 5]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 10_000])
def test_colons_are_tabs_wherever_a_part_of_the_text_ends(size):
    file = TableText(io.StringIO("a::b:c\n::\n \n1::::2\n"), "::")
    read = "".join(iter(lambda: file.read(size), ""))
    assert read == "a\tb:c\n\t\n \n1\t\t2\n"
    assert [file.line_of(row) for row in (0, 1, 2)] == [0, 1, 3]


@pytest.mark.parametrize("separator", [",", " ", "\t", "::"])
@pytest.mark.parametrize("header", ["", "source,target,weight\n"])
def test_lines_are_counted_behind_empty_lines_and_comments(
    tmp_path, separator, header, quarantine_reasons
):
    path = tmp_path / "edges.txt"
    rows = "a,b,1\n\n \nb,c,x\n" + ("" if header else "# c\n") + "\nc,d,y\nd,a,2\n"
    path.write_text(f"# top\n\n{header}{rows}".replace(",", separator))
    table = read_graph(path)
    first, has_comment = 3 + bool(header), not header
    assert quarantine_reasons(table) == [
        f"line {first + 3}: weight x is not a finite number",
        f"line {first + 5 + has_comment}: weight y is not a finite number",
    ]


def test_a_commented_line_may_name_the_columns(tmp_path, edge_names):
    path = tmp_path / "edges.txt"
    for head in ("# source,target,time", "# SNAP\n# source,target,time"):
        path.write_text(f"{head}\n1,2,5\n2,3,7\n")
        table = read_graph(path)
        assert edge_names(table) == {("1", "2"), ("2", "3")} and table.weight is None
        assert any("'time'" in note for note in table.notes)
    path.write_text("# FromNodeId\tToNodeId\n1\t2\n")
    assert edge_names(read_graph(path)) == {("1", "2")}
    path.write_text("# from,to\nsource,target\na,b\n")  # the second is the header
    assert edge_names(read_graph(path)) == {("a", "b")}
