"""Which columns hold the ends of edges, and whether the first line is a header."""

import pytest

from vicinal.graphs.data.tables.column_names import (
    header_names,
    named_ends,
    only_two_columns,
    paired_ends,
    plain_names,
)


@pytest.mark.parametrize(
    ("header", "rows", "is_header"),
    [
        ("payer,payee", "acct0,acct3 acct1,acct10", True),
        ("user_a,user_b", "0,36 1,4", True),
        ("alpha,beta", "0,36 1,4", True),  # texts above numbers
        ("alpha,beta", "v1,v2 v3,v4", True),  # names of nodes hold digits
        ("alpha,beta,score", "x,y,0.5 y,z,1", True),
        ("payer,payee", "ann,bob cem,dan", True),
        ("source,target", "a,b c,d", True),
        ("ann,bob", "bob,cem cem,dan", False),  # bob is a node below
        ("user1,user2", "user3,user4 user5,user6", False),
        ("ann,bob", "cem,dan eve,fay", None),
        ("1,2", "3,4 5,6", False),
    ],
)
def test_a_header_differs_from_an_edge(header, rows, is_header):
    lines = [line.split(",") for line in [header, *rows.split()]]
    names, is_certain = header_names(lines)
    assert names == (lines[0] if is_header else None)
    assert is_certain is (is_header is not None)


def test_known_nodes_decide_whether_the_first_line_is_a_header():
    rows = [["ann", "bob"], ["cem", "dan"]]
    assert header_names(rows, {"cem", "dan"}) == (["ann", "bob"], True)
    assert header_names(rows, {"ann", "bob", "cem", "dan"}) == (None, True)


@pytest.mark.parametrize(
    ("names", "ends"),
    [
        ("userId,movieId,rating", ("userId", "movieId")),
        ("txId1,txId2", ("txId1", "txId2")),
        ("time,src_ip,dst_ip", ("src_ip", "dst_ip")),
        ("from_user,text,to_user", ("from_user", "to_user")),
        ("Unnamed: 0,Person A,Person B,n", ("Person A", "Person B")),
        ("age,height", None),
        ("id,x1,x2,label", None),
        ("id,user_id,label", None),
    ],
)
def test_columns_with_similar_names_are_the_ends(names, ends):
    assert paired_ends(names.split(",")) == ends
    assert named_ends(names.split(",")) is None


def test_the_only_two_columns_are_the_ends_unless_they_describe_nodes():
    assert only_two_columns(["Unnamed: 0", "one", "two"]) == ("one", "two")
    assert only_two_columns(["id", "two"]) is None
    assert only_two_columns(["one", "two", "three"]) is None


def test_names_of_neo4j():
    header = ["personId:ID(Person)", "name", "age:int", "tags:string[]", ":LABEL"]
    assert plain_names(header) == [":ID", "name", "age", "tags", ":LABEL"]
    assert named_ends(plain_names([":START_ID(A)", ":END_ID(B)", ":TYPE"])) == (
        ":START_ID",
        ":END_ID",
    )
    assert plain_names(["a:b", " c "]) == ["a:b", "c"]  # another program's
