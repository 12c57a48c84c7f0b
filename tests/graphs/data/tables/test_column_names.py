"""Which columns hold the ends of edges, and whether the first line is a header."""

import pytest

from vicinal.graphs.data.tables.column_names import (
    are_unclear_ends,
    header_names,
    id_spaces,
    may_be_weight,
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
        ("person_a,person_b,start_date,end_date", ("person_a", "person_b")),
        ("person1,person2,start,end", ("person1", "person2")),
        ("start,end,person1,person2", ("person1", "person2")),
        ("employee_id,manager_id,from_date,to_date", ("employee_id", "manager_id")),
        ("p1,p2,start_time,end_time,start_year,end_year", ("p1", "p2")),
        ("start_lat,end_lat,start_stop,end_stop", ("start_stop", "end_stop")),
        ("from_port,to_port,from_date,to_date", ("from_port", "to_port")),
        ("edge_id,user_id,item_id", ("user_id", "item_id")),
        ("rating_id,user_id,movie_id", ("user_id", "movie_id")),
        ("transaction_id,sender_id,receiver_id", ("sender_id", "receiver_id")),
        ("edge_id,user_a,user_b", ("user_a", "user_b")),
        ("timestamp,user_id,item_id", ("user_id", "item_id")),
        ("user_id,item_id,session_id", ("user_id", "item_id")),
        ("transaction_id,product_id,amount", ("transaction_id", "product_id")),
        ("student_id,course_id,teacher_id", None),
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


@pytest.mark.parametrize(
    ("names", "ends"),
    [
        ("row,col,value", ("row", "col")),
        ("value,Column,Row", ("Row", "Column")),
        ("id,row,col", None),  # nodes in a grid
        ("from,to,from_name,to_name", ("from", "to")),
        ("from,to,city_from,city_to", ("from", "to")),
        ("start,end,length", ("start", "end")),
    ],
)
def test_columns_with_usual_names_are_the_ends(names, ends):
    assert named_ends(names.split(",")) == ends


@pytest.mark.parametrize(
    ("names", "unclear"),
    [
        ("student_id,course_id,teacher_id", True),
        ("trip_id,bike_id,start,end", True),
        ("trip_id,bike_id,from,to", False),
        ("id,user_id,shop_id,city_id", False),  # a table of nodes
        ("edge_id,user_id,item_id", False),
        ("user_id,item_id", False),
        ("source,target,user_id,item_id,group_id", False),
    ],
)
def test_ids_are_unclear_ends_if_there_are_several(names, unclear):
    assert are_unclear_ends(names.split(",")) is unclear


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *(("weight", True), ("amount", True), ("score", True), ("value", True)),
        *(("start_date", False), ("time", False), ("edge_id", False), ("index", False)),
    ],
)
def test_times_and_ids_are_no_weights(name, expected):
    assert may_be_weight(name) is expected


def test_id_spaces_of_neo4j():
    assert id_spaces([":START_ID(User)", "n", ":END_ID(Movie)"]) == ("User", "Movie")
    assert id_spaces(["a:START_ID(User)", ":END_ID(User)"]) is None
    assert id_spaces([":START_ID", ":END_ID"]) is None
