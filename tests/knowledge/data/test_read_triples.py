"""Triples in all their forms, and what is reported of them."""

import gzip
import random

import numpy as np
import pandas as pd
import pytest

from vicinal.errors import DataError, NoDataError
from vicinal.knowledge.data import files, lines, sources
from vicinal.knowledge.data.read import read_triples
from vicinal.knowledge.settings import TripleColumns

ROWS = [
    ("Ana", "knows", "Bo"),
    ("Bo", "knows", "Ana"),
    ("Bo", "lives in", "New York"),
    ("Ana", "born in", "Paris"),
]
FACTS = {*ROWS}
LIVES, KNOWS = "lives in", "knows"


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a file and returns its path."""

    def write(text: str, name: str = "triples.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text.encode())
        return path

    return write


def as_text(separator: str, rows=ROWS, header: str = "") -> str:
    head = [header] if header else []
    return "\n".join([*head, *(separator.join(row) for row in rows)]) + "\n"


def facts(table, split: str = "triples") -> set[tuple[str, str, str]]:
    """Return the triples of a split by their names."""
    return {
        (table.entities[h], table.relations[r], table.entities[t])
        for h, r, t in getattr(table, split)
    }


def reasons(table) -> dict[str, str]:
    return {row.name: row.reason for row in table.quarantined}


def has_note(table, *words: str) -> bool:
    return any(all(word in note for word in words) for note in table.notes)


# --- forms ---------------------------------------------------------------------------


@pytest.mark.parametrize("separator", ["\t", ",", ";", "|", "::", " , ", "\t "])
def test_separators(write, separator):
    table = read_triples(write(as_text(separator)))
    assert facts(table) == FACTS
    assert table.entities.tolist() == ["Ana", "Bo", "New York", "Paris"]
    assert table.relations.tolist() == ["born in", "knows", "lives in"]
    assert table.triples.tolist() == [[0, 1, 1], [1, 1, 0], [1, 2, 2], [0, 0, 3]]
    assert table.triples.dtype == np.int32
    assert (table.num_rows, table.quarantined, table.notes) == (4, [], [])
    assert (table.num_entities, table.num_relations) == (4, 3)
    assert table.validation is None and table.test is None


def test_spaces(write):
    rows = [("a,1", "r", "b"), ("b", "r", "c,2"), ("c,2", "s", "a,1")]
    text = "".join(f"{h}   {r} \t {t}\n" for h, r, t in rows)
    assert facts(read_triples(write(text))) == {*rows}


def test_line_ends_marks_blank_lines_and_gzip(write, tmp_path):
    text = "\ufeff" + as_text("\t").replace("\n", "\r\n\r\n   \r\n")
    assert facts(read_triples(write(text))) == FACTS
    path = tmp_path / "triples.tsv.gz"
    path.write_bytes(gzip.compress(as_text("\t").rstrip("\n").encode("utf-16")))
    assert facts(read_triples(path)) == FACTS


def test_quotes(write):
    text = 'a,"is, of",b\n"c ""d""",r,a\nb,r,say "x" now\n'
    table = read_triples(write(text))
    expected = {("a", "is, of", "b"), ('c "d"', "r", "a"), ("b", "r", 'say "x" now')}
    assert facts(table) == expected
    text = '"a b"\t"r"\t"Weird" Al\n"Weird" Al\tr\t"x ""y"""\n'
    expected = {("a b", "r", '"Weird" Al'), ('"Weird" Al', "r", 'x "y"')}
    assert facts(read_triples(write(text))) == expected


def test_names_are_texts(write):
    text = "12\tr\t12.0\n 12 \tr\t012\nCafe\u0301\tr\tCaf\u00e9\nNA\tr\t1e5\n"
    table = read_triples(write(text))
    assert {*table.entities} == {"12", "12.0", "012", "Caf\u00e9", "NA", "1e5"}
    assert has_note(table, "1 triple", "head and tail equal is kept")


def test_dataframes_and_arrays(write):
    frame = pd.DataFrame(ROWS, columns=["Subject", "Predicate", "Object"])
    assert facts(read_triples(frame)) == FACTS
    assert read_triples(frame).notes == []
    assert facts(read_triples(frame.set_axis([0, 1, 2], axis=1))) == FACTS
    assert facts(read_triples(frame.astype("category"))) == FACTS
    assert facts(read_triples(ROWS)) == FACTS
    assert facts(read_triples(np.array(ROWS))) == FACTS
    table = read_triples(frame.set_axis(["a", "b", "c"], axis=1))
    assert has_note(table, "a, b, c", "read as head, relation, tail", "header=None")
    numbers = np.array([[10, 0, 9], [9, 0, 2]])
    assert facts(read_triples(numbers)) == {("10", "0", "9"), ("9", "0", "2")}
    assert read_triples(numbers).entities.tolist() == ["10", "2", "9"]


def test_missing_cells_of_dataframes():
    frame = pd.DataFrame(
        {"head": [1, 2.0, np.nan], "tail": ["a", None, "b"], "relation": ["r"] * 3}
    )
    table = read_triples(frame)
    assert facts(table) == {("1", "r", "a")}
    assert reasons(table) == {
        "row 1": "the tail is empty",
        "row 2": "the head is empty",
    }
    frame = pd.DataFrame({"s": [1.5, 2.0], "p": ["r", "r"], "o": ["x", "y"]})
    assert facts(read_triples(frame)) == {("1.5", "r", "x"), ("2.0", "r", "y")}


def test_lists_with_rows_of_wrong_length():
    table = read_triples([("a", "r", "b"), ("a", "b"), ("b", "r", None), "abc"])
    assert facts(table) == {("a", "r", "b")}
    assert {*reasons(table)} == {"row 1", "row 2", "row 3"}
    assert "2 cells instead of 3" in reasons(table)["row 1"]
    assert table.num_rows == 4


def test_parquet(monkeypatch, write):
    frame = pd.DataFrame(ROWS, columns=["head", "relation", "tail"])
    monkeypatch.setattr(files, "read_parquet", lambda path: frame)
    assert facts(read_triples(write("", "triples.parquet"))) == FACTS


def test_blocks_are_put_together(write, monkeypatch):
    monkeypatch.setattr(lines, "CHARACTERS_PER_BLOCK", 20)
    monkeypatch.setattr(sources, "ROWS_PER_BLOCK", 2)
    text = as_text("\t", header="head\trelation\ttail") + "x\n"
    table = read_triples(write("# a comment\n" + text))
    assert facts(table) == FACTS
    assert {*reasons(table)} == {"line 7"}
    frame = pd.DataFrame(ROWS, columns=["head", "relation", "tail"])
    assert facts(read_triples(frame)) == FACTS


def test_first_lines_are_complete(write, monkeypatch):
    monkeypatch.setattr(lines, "SAMPLED_BYTES", 10)
    assert lines.first_lines(write("a\tr\tb\nc\tr\td\n")) == ["a\tr\tb"]


def test_triples_agree_with_pandas(write):
    rng = random.Random(0)
    rows = [
        (rng.choice("abcdef "), rng.choice("rst"), rng.choice("abcdef"))
        for _ in range(400)
    ]
    frame = pd.DataFrame(rows)
    expected = frame[frame[0] != " "].drop_duplicates()
    table = read_triples(write(as_text("\t", rows)))
    names = [
        (table.entities[h], table.relations[r], table.entities[t])
        for h, r, t in table.triples
    ]
    assert names == [*expected.itertuples(index=False, name=None)]
    blank = (frame[0] == " ").sum()
    assert len(table.quarantined) == blank
    repeated = 400 - blank - len(expected)
    assert has_note(table, f"{repeated} repeated triples of triples.txt; each is used")


# --- columns -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        *("head,relation,tail", "Subject,Predicate,Object", "source,type,target"),
        *(
            "from,label,to",
            "s,p,o",
            "h,r,t",
            "#head_id,rel,tail_id",
            ":START_ID,:TYPE,:END_ID",
        ),
        *("entity 1,property,entity 2", "x_index,relation,y_index", "src,edge,dst"),
    ],
)
def test_usual_names_of_columns(write, header):
    table = read_triples(write(f"{header}\na,r,b\n"))
    assert facts(table) == {("a", "r", "b")}
    assert (
        len(table.notes) == 1 and "line 1 of triples.txt is a header" in table.notes[0]
    )


def test_columns_in_another_order_and_further_ones(write):
    path = write("object,source,subject,score,predicate\nb,web,a,0.5,r\n", "t.csv")
    table = read_triples(path)
    assert facts(table) == {("a", "r", "b")}
    assert has_note(table, "columns of t.csv that are not used: 'source', 'score'")
    table = read_triples(write("# tail\thead\trelation\nb\ta\tr\n"))
    assert facts(table) == {("a", "r", "b")}


def test_named_columns(write):
    path = write("p,q,r,score\na,b,x,1\n")
    columns = TripleColumns(head_column="p", relation_column="R", tail_column="q")
    assert facts(read_triples(path, columns=columns)) == {("a", "x", "b")}
    with pytest.raises(DataError, match="no column 'z' in the table of triples"):
        read_triples(path, columns=TripleColumns(head_column="z"))
    with pytest.raises(DataError, match=r"no column of heads or tails.*--head-column"):
        read_triples(path)
    same = TripleColumns(head_column="p", relation_column="p", tail_column="q")
    with pytest.raises(DataError, match="must differ"):
        read_triples(path, columns=same)
    with pytest.raises(DataError, match="no names of columns"):
        read_triples(ROWS, columns=columns)


def test_two_columns(write):
    for text in ("source,target\na,b c\nd,e f\n", "a\tb\nc\td\n", "a b\nc d\n"):
        with pytest.raises(
            DataError, match=r"2 columns. Expected three.*--domain links"
        ):
            read_triples(write(text))
    with pytest.raises(DataError, match=r"1 column\. Expected three"):
        read_triples(write("abc\ndef\n"))
    frame = pd.DataFrame({"source": ["a"], "target": ["b"], "weight": [1], "n": [2]})
    with pytest.raises(DataError, match="no column of relations"):
        read_triples(frame)


def test_a_first_line_that_may_be_a_header(write):
    rows = [
        ("drug", "action", "protein"),
        *(("d", "binds", f"p{k}") for k in range(12)),
    ]
    table = read_triples(write(as_text("\t", rows)))
    assert ("drug", "action", "protein") in facts(table)
    assert has_note(
        table, "first line", "is read as a triple", "--relation-column action"
    )
    columns = TripleColumns(
        head_column="drug", relation_column="action", tail_column="protein"
    )
    assert len(read_triples(write(as_text("\t", rows)), columns=columns).triples) == 12


# --- lines that differ ---------------------------------------------------------------


def test_mixed_separators(write):
    text = as_text("\t") + "Bo,knows,Ida\nIda knows Bo\nIda knows Bo and Ana\nx\ty\n"
    table = read_triples(write(text))
    assert facts(table) == FACTS | {("Bo", "knows", "Ida"), ("Ida", "knows", "Bo")}
    assert has_note(
        table, "2 lines of triples.txt", "not separated by tabs: 1 by commas"
    )
    assert {*reasons(table)} == {"line 7", "line 8"}
    assert "2 cells instead of 3: 'x\\ty'" in reasons(table)["line 8"]
    header = "head,relation,tail\n"
    table = read_triples(write(header + as_text("\t")))
    assert facts(table) == FACTS


def test_three_separators_in_thirds(write):
    rows = [(f"a{k}", "r", f"b{k}") for k in range(30)]
    text = "".join("\t, "[k % 3].join(row) + "\n" for k, row in enumerate(rows))
    table = read_triples(write(text))
    assert facts(table) == {*rows}
    assert has_note(table, "10 lines", "not separated by spaces: 10 by commas")


def test_comments(write):
    text = f"# made by hand, 2024, x\n{as_text(',')}% end\n#tag,r,#other\n#no triple\n"
    table = read_triples(write(text))
    assert facts(table) == FACTS | {("#tag", "r", "#other")}
    assert has_note(table, "3 lines of triples.txt read as comments (# or %)")


def test_empty_and_invalid_names(write):
    text = "a\tr\tb\n\tr\tb\na\tnan\tb\na\tr\t \na\tr\tb\x01\nx\n"
    table = read_triples(write(text))
    assert facts(table) == {("a", "r", "b")}
    assert reasons(table) == {
        "line 2": "the head is empty",
        "line 3": "the relation is empty: 'nan'",
        "line 4": "the tail is empty",
        "line 5": "the tail: the name contains the character U+0001",
        "line 6": "1 cell instead of 3: 'x'",
    }
    assert [row.name[-1] for row in table.quarantined] == [*"23456"]
    assert table.quarantined[0].label == "r"


def test_many_quarantined_rows_are_counted(write, monkeypatch):
    monkeypatch.setattr("vicinal.knowledge.data.coding.MAX_QUARANTINED", 2)
    table = read_triples(write("a\tr\tb\n" + "a\tr\t\n" * 5))
    assert len(table.quarantined) == 2 and table.num_rows == 6
    assert has_note(table, "3 more lines of triples.txt quarantined, not listed")


def test_nothing_to_read(write, tmp_path):
    with pytest.raises(
        NoDataError, match=r"empty. Expected columns head,relation,tail"
    ):
        read_triples(write("\n \n"))
    with pytest.raises(NoDataError, match="only comments"):
        read_triples(write("# a\n"))
    with pytest.raises(NoDataError, match="no rows below its header"):
        read_triples(write("head\trelation\ttail\n"))
    with pytest.raises(NoDataError, match=r"None of 1 row.*line 1: the tail is empty"):
        read_triples(write("a\tr\t\n"))
    with pytest.raises(NoDataError, match="nothing at"):
        read_triples(tmp_path / "missing.tsv")
    with pytest.raises(NoDataError, match="no rows"):
        read_triples(pd.DataFrame(columns=["head", "relation", "tail"]))
    with pytest.raises(NoDataError, match="list of triples is empty"):
        read_triples([])


def test_data_of_other_kinds(write):
    with pytest.raises(DataError, match=r"Convert it to N-Triples"):
        read_triples(write("<a> <b> <c> .", "x.ttl"))
    with pytest.raises(DataError, match="spreadsheet"):
        read_triples(write("x", "x.xlsx"))
    with pytest.raises(DataError, match="must be a file of triples"):
        read_triples(write("x", "x.abc"))
    with pytest.raises(DataError, match="Decompress"):
        read_triples(write("x", "x.parquet.gz"))
    with pytest.raises(DataError, match=r"shape \[N, 3\].*\[2, 2\]"):
        read_triples(np.zeros((2, 2)))
    with pytest.raises(DataError, match="Got int"):
        read_triples(3)
    with pytest.raises(DataError, match="must hold"):
        read_triples(["abc"])
    path = write("", "latin.txt")
    path.write_bytes("caf\u00e9\tr\tb\n".encode("latin-1"))
    with pytest.raises(DataError, match="not encoded in UTF-8"):
        read_triples(path)


# --- splits --------------------------------------------------------------------------


def test_directory(write, tmp_path):
    write("a\tr\tb\nb\tr\tc\na\tr\tb\n", "d/train.txt")
    write("a\tr\tc\nb\tr\tc\n", "d/dev.tsv")
    write("a\ts\td\ne\tr\tf\na\tr\tc\nx\n", "d/test.txt")
    write("a\tAnna\n", "d/entities.txt")
    table = read_triples(tmp_path / "d")
    assert facts(table) == {("a", "r", "b"), ("b", "r", "c")}
    assert facts(table, "validation") == {("a", "r", "c"), ("b", "r", "c")}
    assert facts(table, "test") == {("a", "s", "d"), ("e", "r", "f"), ("a", "r", "c")}
    assert table.entities[table.unseen].tolist() == ["d", "e", "f"]
    assert table.relations[table.unseen_relations].tolist() == ["s"]
    assert {*reasons(table)} == {"test.txt line 4"}
    assert table.num_rows == 9
    assert has_note(
        table,
        "test.txt: 2 triples with 3 entities that train.txt lacks ('d', 'e', 'f')",
    )
    assert has_note(table, "test.txt: 1 triple with 1 relation that train.txt lacks")
    assert has_note(table, "leak: 1 triple of dev.tsv also in train.txt")
    assert has_note(table, "leak: 1 triple of test.txt also in dev.tsv")
    assert has_note(table, "not read: 'entities.txt'")
    assert has_note(table, "1 repeated triple of train.txt")


def test_names_of_splits(write, tmp_path):
    write("a\tr\tb\n", "d/fb-train.csv")
    write("a\tr\tc\n", "d/fb-valid.csv")
    table = read_triples(tmp_path / "d")
    assert table.validation is not None and table.test is None
    write("a\tr\tb\n", "w/wn18.train.txt")
    assert len(read_triples(tmp_path / "w").triples) == 1
    write("a\tr\tb\n", "d/train.txt")
    assert len(read_triples(tmp_path / "d").triples) == 1
    write("a\tr\tb\n", "d/train.nt")
    with pytest.raises(DataError, match="one file of train triples"):
        read_triples(tmp_path / "d")
    write("a\tr\tb\n", "e/triples.txt")
    with pytest.raises(NoDataError, match=r"Expected train.txt.*'triples.txt'"):
        read_triples(tmp_path / "e")


# --- N-Triples -----------------------------------------------------------------------

NT = r"""# people
<http://x/a> <http://x/knows> <http://x/caf\u00e9> .
_:b1 <http://x/knows> <http://x/a>. # a blank node
<http://x/a><http://x/knows>_:b1.
<http://x/a> <http://x/name> "Ana \"A\" \U0001F600"@en .
<http://x/c> <http://x/age> "7"^^<http://www.w3.org/2001/XMLSchema#integer> .
<http://x/a> <http://x/knows> .
<http://x/a> <http://x/knows> <http://x/\q> .

"""


@pytest.mark.parametrize("name", ["x.nt", "x.txt", "x.nt.gz"])
def test_ntriples(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(gzip.compress(NT.encode()) if "gz" in name else NT.encode())
    table = read_triples(path)
    x = "http://x/"
    assert facts(table) == {
        (f"{x}a", f"{x}knows", f"{x}caf\u00e9"),
        ("_:b1", f"{x}knows", f"{x}a"),
        (f"{x}a", f"{x}knows", "_:b1"),
    }
    assert [(table.entities[k], r, text) for k, r, text in table.literals] == [
        (f"{x}a", f"{x}name", 'Ana "A" \U0001f600'),
        (f"{x}c", f"{x}age", "7"),
    ]
    assert table.relations.tolist() == [f"{x}knows"]
    assert {*reasons(table)} == {"line 7", "line 8"}
    assert "no triple of N-Triples" in reasons(table)["line 7"]
    assert r"escape \q" in reasons(table)["line 8"]
    assert table.num_rows == 7
    assert has_note(table, "1 blank node")
    assert has_note(table, "2 literals", "2 with a type or language")
    assert has_note(table, "1 line", "comments (#)")
    assert has_note(table, "1 entity with literals and without triples")


def test_ntriples_have_no_columns(write):
    with pytest.raises(DataError, match="it is N-Triples"):
        read_triples(write(NT), columns=TripleColumns(head_column="a"))


def test_ntriples_of_literals_alone(write):
    with pytest.raises(NoDataError, match=r"None of 1 row.* 1 have literals"):
        read_triples(write('<a> <b> "c" .\n', "x.nt"))


# --- literals of tables --------------------------------------------------------------


def aged(names: str = "p") -> list[tuple[str, str, str]]:
    rows = [(f"{names}{k}", "age", f"{k}.5") for k in range(25)]
    return rows + [(f"{names}{k}", "knows", f"{names}{k + 1}") for k in range(24)]


def test_relations_of_numbers_are_literals(write):
    table = read_triples(write(as_text("\t", aged())))
    assert table.relations.tolist() == ["knows"]
    assert len(table.literals) == 25 and table.num_entities == 25
    entity, relation, text = table.literals[3]
    assert (table.entities[entity], relation, text) == ("p3", "age", "3.5")
    assert has_note(table, "25 rows with the relation 'age' read as literals")


def test_numbers_that_are_entities_stay(write):
    heads = [(f"{k}.5", "of", "p") for k in range(2)]  # too many tails are heads
    table = read_triples(write(as_text("\t", [*aged(), *heads])))
    assert "age" in table.relations and not table.literals
    few = [row for row in aged() if row[1] == "knows" or len(row[0]) < 3]
    assert not read_triples(write(as_text("\t", few))).literals
    users = [(str(k), "buys", str(1000 + k)) for k in range(30)]
    assert not read_triples(write(as_text("\t", users))).literals
