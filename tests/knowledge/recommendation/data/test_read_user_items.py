"""Reading of users, items and facts: forms, duplicates, quarantine and errors."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vicinal.errors import DataError, NoDataError, SettingError
from vicinal.knowledge.recommendation.data.asked_users import read_asked
from vicinal.knowledge.recommendation.data.read import read_user_items
from vicinal.knowledge.recommendation.data.user_items import UserItems
from vicinal.knowledge.recommendation.domain import detect_recommendation
from vicinal.knowledge.recommendation.settings import UserItemColumns


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def choices(table: UserItems) -> dict[tuple[str, str], float]:
    entries = table.weights.tocoo()
    names = zip(table.users[entries.row], table.items[entries.col], strict=True)
    return dict(zip(names, entries.data.tolist(), strict=True))


def test_ids_of_users_and_items_are_separate(tmp_path):
    data = write(tmp_path / "a.dat", "userID\tartistID\tweight\n3\t3\t10\n3\t7\t2\n")
    table = read_user_items(data)
    assert table.users.tolist() == ["3"] and table.items.tolist() == ["3", "7"]
    assert choices(table) == {("3", "3"): 10, ("3", "7"): 2}
    assert table.has_weights and table.times is None


def test_repeated_rows_are_merged(tmp_path):
    text = "user,item,plays,timestamp\na,x,1,5\na,x,2,9\na,x,4,7\nb,x,1,1\n"
    table = read_user_items(write(tmp_path / "a.csv", text))
    assert choices(table) == {("a", "x"): 7, ("b", "x"): 1}
    assert table.times is not None and table.times.tolist() == [9, 1]
    assert table.notes == [
        "2 rows repeat a user and an item; each pair is used once: weights summed, the "
        "last time kept"
    ]


def test_bad_rows_are_quarantined_with_their_lines(tmp_path):
    text = (
        "user,movie,rating,date\na,x,5,2020-01-02\n,x,5,2020-01-02\nb,,5,2020-01-02\n"
        "b,x,high,2020-01-02\nb,x,5,then\nb\x07,x,5,2020-01-02\n"
    )
    table = read_user_items(write(tmp_path / "a.csv", text))
    assert [(row.name, row.reason) for row in table.quarantined] == [
        ("line 3", "the user is empty"),
        ("line 4", "the item is empty"),
        ("line 5", "the rating is no number"),
        ("line 6", "the time is neither a number nor a date"),
        ("line 7", "the name of the user contains a control character"),
    ]
    assert choices(table) == {("a", "x"): 1}


def test_ratings_below_the_lowest_are_not_choices():
    frame = pd.DataFrame({"user": list("aab"), "item": list("xyx"), "stars": [5, 2, 4]})
    every = read_user_items(frame)
    assert len(choices(every)) == 3 and "every rating counts" in every.notes[0]
    liked = read_user_items(frame, columns=UserItemColumns(min_rating=4))
    assert sorted(choices(liked)) == [("a", "x"), ("b", "x")]
    assert liked.notes == [
        "2 rows with a rating of 4 or more used, 1 with a lower one not"
    ]
    with pytest.raises(DataError, match="Lower --min-rating"):
        read_user_items(frame, columns=UserItemColumns(min_rating=9))
    with pytest.raises(DataError, match="no column of ratings"):
        read_user_items(frame[["user", "item"]], columns=UserItemColumns(min_rating=3))


def test_weights_must_be_above_0():
    frame = pd.DataFrame(
        {"user": list("aab"), "item": list("xyx"), "count": [1, 0, -2]}
    )
    table = read_user_items(frame)
    assert [row.name for row in table.quarantined] == ["row 1", "row 2"]


def test_columns_can_be_named(tmp_path):
    data = write(tmp_path / "a.csv", "who;what;n\na;x;3\n")
    with pytest.raises(DataError, match=r"no column of users.*--user-column"):
        read_user_items(data)
    columns = UserItemColumns(user_column="who", item_column="what", weight_column="n")
    assert choices(read_user_items(data, columns=columns)) == {("a", "x"): 3}
    with pytest.raises(DataError, match="There is no column 'which'"):
        read_user_items(data, columns=UserItemColumns(user_column="which"))


def test_movielens_without_header(tmp_path):
    table = read_user_items(write(tmp_path / "u.data", "1\t5\t4\t88\n2\t5\t3\t90\n"))
    assert "user, item, rating, time" in table.notes[0]
    assert table.times is not None and table.times.tolist() == [88, 90]
    ratings = write(tmp_path / "ratings.dat", "1::5::4::88\n2::5::3::90\n")
    assert choices(read_user_items(ratings)) == {("1", "5"): 1, ("2", "5"): 1}


def test_other_files_are_refused(tmp_path):
    with pytest.raises(NoDataError, match="nothing at"):
        read_user_items(tmp_path / "none.csv")
    with pytest.raises(NoDataError, match="is empty"):
        read_user_items(write(tmp_path / "a.csv", ""))
    with pytest.raises(NoDataError, match="has no rows"):
        read_user_items(write(tmp_path / "b.csv", "user,item\n"))
    with pytest.raises(DataError, match="must be a table"):
        read_user_items(write(tmp_path / "a.doc", "user,item\n"))
    with pytest.raises(DataError, match="path or a DataFrame"):
        read_user_items([1, 2])
    with pytest.raises(DataError, match="None of 1 row"):
        read_user_items(write(tmp_path / "c.csv", "user,item\n,x\n"))
    with pytest.raises(SettingError, match="Give the facts as well"):
        read_user_items(write(tmp_path / "d.csv", "user,item\na,x\n"), links="l.txt")


# --- facts ---------------------------------------------------------------------------

TABLE = pd.DataFrame({"user": ["u1", "u1", "u2"], "artist": ["51", "52", "53"]})


def facts(table: UserItems) -> dict[str, list[str]]:
    rows = table.facts.table.toarray() > 0
    named = zip(table.facts.names, rows, strict=True)
    return {name: table.items[row].tolist() for name, row in named}


def test_triples_are_linked_to_items(tmp_path):
    triples = write(
        tmp_path / "kg.txt", "0\tgenre\t9\n1\tgenre\t9\n0\tcity\t8\n7\tg\t9\n"
    )
    links = write(tmp_path / "links.txt", "51\t0\n52\t1\n54\t3\n")
    table = read_user_items(TABLE, triples, links)
    assert facts(table) == {"genre = 9": ["51", "52"]}
    assert table.notes == [
        "2 items linked to entities",
        "1 item without a link",
        "1 triple about entities that are no items",
        "1 fact shared by items, about 2 items; 1 about a single item not used",
    ]


def test_links_the_wrong_way_round_are_refused(tmp_path):
    triples = write(tmp_path / "kg.txt", "0\tgenre\t9\n1\tgenre\t9\n")
    links = write(tmp_path / "links.txt", "0\t51\n1\t52\n")
    with pytest.raises(DataError, match=r"first column .* must hold items"):
        read_user_items(TABLE, triples, links)
    with pytest.raises(DataError, match="pass the links"):
        read_user_items(TABLE, triples)


def test_a_table_of_items_has_facts_about_new_items_too(tmp_path):
    text = "artistID,genre,year\n51,rock|pop,1970\n53,pop,1980\n99,rock,1980\n,pop,1\n"
    table = read_user_items(TABLE, write(tmp_path / "items.csv", text))
    assert facts(table) == {
        "genre = pop": ["51", "53"],
        "genre = rock": ["51", "99"],
        "year = 1980": ["53", "99"],
    }
    assert table.weights.getnnz(0)[table.items.tolist().index("99")] == 0
    assert table.quarantined[0] == ("line 5 of the items", "", "the item is empty")
    assert table.notes[0] == "1 item that no user has chosen yet"


# --- detection and users -------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("userID\tartistID\tweight", True),
        ("customer_id,product_id,quantity", True),
        ("user_id:token\titem_id:token\trating:float", True),
        ("drug_1,drug_2,effect", False),
        ("source,target", False),
        ("user,age", False),
    ],
)
def test_tables_of_users_and_items_are_recognised(tmp_path, header, expected):
    path = Path(write(tmp_path / "a.tsv", header + "\n1\t2\t3\n"))
    assert (detect_recommendation(path, frozenset()) is not None) == expected
    assert detect_recommendation(path, frozenset({"item_column"})) is not None
    assert detect_recommendation(tmp_path, frozenset({"item_column"})) is None


def test_users_of_a_file(tmp_path):
    users, items = {"2": 0, "ann": 1}, {"x": 0, "y": 1}
    for text in ("2\nann\n9\n", "user\n2\nann\n9\n"):
        found = read_asked(write(tmp_path / "u.txt", text), users, items)
        assert found.names == ["2", "ann"] and not found.new
        assert [row.reason for row in found.quarantined] == ["there is no such user"]
    found = read_asked(write(tmp_path / "v.txt", "ann\n2\n"), users, items)
    assert found.names == ["ann", "2"]
    text = "user,item\nbob,x\nbob,y\nann,x\nbob,z\n"
    found = read_asked(write(tmp_path / "n.csv", text), users, items)
    assert found.new == {"bob": {"x": 1, "y": 1}, "ann": {"x": 1}}
    assert found.quarantined == [("line 5", "bob", "there is no item 'z'")]
    assert np.char.startswith(found.notes, "1 user of the training data").all()
