"""CSV files and DataFrames: what is read, and what is quarantined."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vicinal.errors import DataError, NoDataError
from vicinal.images.data.read import ImageTable, read_images

ANY_SCRIPT = [
    "猫",
    "قطة",
    "🐈 cat",
    "кошка",
    'O\'Brien "the" cat',
]


def has_note(table: ImageTable, *words: str) -> bool:
    """Return whether one note of the table contains all the words."""
    return any(all(word in note for word in words) for note in table.notes)


def reasons(table: ImageTable) -> dict[str, str]:
    return {q.name: q.reason for q in table.quarantined}


def test_path_label_and_split_columns(csv, tmp_path):
    table = read_images(csv("path,label,split\na.png,cat,train\nb.png,dog,valid\n"))
    assert table.names == ["a.png", "b.png"]
    assert table.labels.tolist() == ["cat", "dog"]
    assert table.split is not None and table.split.tolist() == ["train", "val"]
    assert (table.root, table.path(0)) == (tmp_path, tmp_path / "a.png")


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("path,label\na.png,cat\n", "utf-8-sig"),
        ("path;label\na.png;cat\n", "utf-8"),
        ("path\tlabel\na.png\tcat\n", "utf-8"),
        ("FileName , CLASS\r\na.png , cat\r\n", "utf-8"),
        ("class,extra,image\ncat,1,a.png\n\n", "utf-8"),
    ],
)
def test_csv_dialects_of_spreadsheet_programs(csv, text, encoding):
    table = read_images(csv(text, encoding=encoding))
    assert (table.names, table.labels.tolist()) == (["a.png"], ["cat"])


def test_cells_in_any_script(csv):
    lines = [f'"{k}.png","{k.replace(chr(34), chr(34) * 2)}"' for k in ANY_SCRIPT]
    lines += ['"a, b.png","a, b"', '"two\nlines.png","two\nlines"', "q.png,O'Brien"]
    table = read_images(csv("path,label\n" + "\n".join(lines)))
    expected = {*ANY_SCRIPT, "a, b", "two\nlines", "O'Brien"}
    assert set(table.classes) == expected
    assert "two\nlines.png" in table.names


def test_labels_are_normalized_to_nfc(csv):
    table = read_images(csv("path,label\na,cafe\u0301\nb,caf\u00e9\n"))
    assert table.classes == ("caf\u00e9",)


def test_csv_that_cannot_be_read_raises(csv):
    cases = [
        (csv("", "empty.csv"), NoDataError, "is empty"),
        (csv("path,label\n", "header.csv"), NoDataError, "0 rows"),
        (csv("path,label\nü,x\n", "latin.csv", "latin-1"), DataError, "not .* UTF-8"),
        (csv("path,label\na,x\n", "wide.csv", "utf-16"), DataError, "not .* UTF-8"),
        (csv("path,kind\na,x\n", "kind.csv"), DataError, "labels: .*got path, kind"),
        (
            csv("where,label\na,x\n", "where.csv"),
            DataError,
            "image paths: .*got where, label",
        ),
        (csv("path\na.png\n", "one.csv"), DataError, "no column for the labels"),
        (csv("path,label\na,b.png,x\n", "long.csv"), DataError, "double quotes"),
        (csv("path,label\na,x\nb,y,z\n", "late.csv"), DataError, "double quotes"),
        (csv('path,label\n"a,x\nb,y\n', "open.csv"), DataError, "as a table"),
    ]
    for path, error, message in cases:
        with pytest.raises(error, match=message):
            read_images(path)


def test_target_selects_the_label_column(csv):
    path = csv("path,label,Age,age\na,x,1.5,7\nb,y,2.5,8\n")
    assert read_images(path, target="label").labels.tolist() == ["x", "y"]
    assert read_images(path, target="Age").labels.tolist() == [1.5, 2.5]
    assert read_images(path, target="age").labels.tolist() == ["7", "8"]
    assert read_images(path, target="LABEL").labels.tolist() == ["x", "y"]
    with pytest.raises(
        DataError, match=r"no column 'weight' in the table\. Known: Age"
    ):
        read_images(path, target="weight")


def test_labels_of_a_csv_are_texts(csv):
    table = read_images(csv("path,label\na,01\nb,1\nc,10\nd,2\n"))
    assert table.classes == ("01", "1", "10", "2")
    assert not table.whole_numbers


def test_empty_labels_are_quarantined_with_the_reason(csv):
    rows = ["a,cat", "b,", "c,NA", "d,None", "e,NaN", "f,  ", "g,dog", ",cat", "h"]
    table = read_images(csv("path,label\n" + "\n".join(rows)))
    assert table.names == ["a", "g"]
    assert table.classes == ("cat", "dog")
    why = reasons(table)
    assert set(why) == {"b", "c", "d", "e", "f", "", "h"}
    assert why["b"] == "row 3 has an empty label"
    assert "row 4" in why["c"] and "'NA' counts as empty" in why["c"]
    assert "'None' counts as empty" in why["d"] and "directory" in why["d"]
    assert why[""] == "row 9 has no path"


def test_repeated_paths(csv):
    rows = ["a,cat", "a,cat", "b,cat", "b,dog", "c,dog", "d,", "d,dog"]
    table = read_images(csv("path,label\n" + "\n".join(rows)))
    # an empty cell contradicts nothing: d is a dog
    assert (table.names, table.labels.tolist()) == (
        ["a", "c", "d"],
        ["cat", "dog", "dog"],
    )
    rows = [(q.name, q.label, q.reason) for q in table.quarantined]
    assert rows[0] == ("a", "cat", "row 3: this path was listed before")
    conflict = "this path is listed with different labels: 'cat', 'dog'"
    assert rows[1] == ("b", "cat", f"row 4: {conflict}")
    assert rows[2] == ("b", "dog", f"row 5: {conflict}")
    assert rows[3] == ("d", "", "row 7 has an empty label")


def test_unknown_splits_are_quarantined_and_blank_ones_are_not(csv):
    rows = ["a,cat,train", "b,cat,later", "c,dog,", "d,dog,TEST", "e,emu,test"]
    table = read_images(csv("path,label,split\n" + "\n".join(rows)))
    assert table.names == ["a", "c", "d", "e"]
    assert table.split is not None and table.split.tolist() == [
        "train",
        "",
        "test",
        "test",
    ]
    assert reasons(table) == {"b": "row 3: split 'later' must be train, val or test"}
    assert has_note(table, "test that are missing in train", "'dog', 'emu'")
    assert has_note(table, "1 row quarantined: the split 'later' must be")
    assert read_images(csv("path,label,split\na,x,\nb,y,\n")).split is None


def test_several_labels(csv):
    table = read_images(csv("path,label\na,cat|dog\nb,dog\nc,-\nd,\n"))
    assert table.kind == "multi_label"
    assert table.classes == ("cat", "dog")
    assert table.counts() == {"cat": 1, "dog": 2}
    assert [q.name for q in table.quarantined] == ["d"]
    one = read_images(csv("path,label\na,cat|dog\nb,dog\n"), task="classification")
    assert (one.kind, one.classes) == ("single_label", ("cat|dog", "dog"))
    many = read_images(csv("path,label\na,cat\nb,dog\n"), task="multilabel")
    assert (many.kind, many.classes) == ("multi_label", ("cat", "dog"))


@pytest.mark.parametrize("word", ["unknown", "?", "-", "unlabeled", "Undefined"])
def test_labels_that_mean_unlabelled_are_quarantined(csv, word):
    """The same rule as for nodes."""
    table = read_images(csv(f"path,label\na,cat\nb,dog\nc,{word}\n"))
    assert table.classes == ("cat", "dog")
    assert f"{word!r} counts as empty" in reasons(table)["c"]
    assert has_note(table, "1 of 3 are unlabelled", word, "rename it if it is a class")


def test_minus_one_among_classes_means_unlabelled(csv):
    table = read_images(csv("path,label\na,0\nb,1\nc,-1\nd,2\n"))
    assert table.classes == ("0", "1", "2") and "'-1'" in reasons(table)["c"]
    assert read_images(csv("path,label\na,1\nb,-1\n")).classes == ("-1", "1")
    numbers = read_images(csv("path,label\na,0.5\nb,1\nc,-1\n"))
    assert numbers.labels.tolist() == [0.5, 1, -1]


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        (["0.5", "2", "-1e3"], "numeric"),
        ([str(k) for k in range(30)], "single_label"),
        ([str(k) for k in range(31)], "numeric"),
        (["1", "2", "x"], "single_label"),
        ([f"2019_{k}" for k in range(40)], "single_label"),
        (["inf", "1"], "single_label"),
    ],
)
def test_label_kind_is_detected(csv, labels, kind):
    rows = "".join(f"{k}.png,{label}\n" for k, label in enumerate(labels))
    assert read_images(csv("path,label\n" + rows)).kind == kind


def test_many_integer_labels_are_numeric_with_a_note(csv):
    whole = csv("path,label\n" + "".join(f"{k}.png,{k}\n" for k in range(31)))
    table = read_images(whole)
    assert table.kind == "numeric" and len(table.notes) == 1
    assert has_note(table, "31 distinct integers", "--task classification")
    assert read_images(whole, task="regression").notes == []
    assert read_images(whole, task="classification").kind == "single_label"
    assert read_images(csv("path,label\na,1.5\nb,2\n")).notes == []


def test_numeric_labels(csv):
    path = csv("path,target\na,1\nb,2.5\nc,unknown\nd,\n")
    table = read_images(path, task="regression")
    assert (table.kind, table.classes, table.counts()) == ("numeric", (), {})
    assert table.labels.dtype == np.float64
    assert table.labels.tolist() == [1, 2.5]
    assert "'unknown' counts as empty" in reasons(table)["c"]
    table = read_images(csv("path,target\na,1\nb,2.5\nc,many\n"), task="regression")
    assert "'many' is not a number" in reasons(table)["c"]
    with pytest.raises(DataError, match=r"needs numbers as labels.*'cat'.*--target"):
        read_images(csv("path,label\na,cat\nb,dog\n"), task="regression")


def test_data_frame():
    frame = pd.DataFrame({"path": [Path("a.png"), "b.png"], "label": ["x", "y"]})
    table = read_images(frame)
    assert (table.names, table.path(0)) == (["a.png", "b.png"], Path("a.png"))
    # the first row of a DataFrame is 0, of a CSV 2
    frame = pd.DataFrame({"path": ["a", "b", None], "label": [None, "x", "y"]})
    assert list(reasons(read_images(frame)).values()) == [
        "row 0 has an empty label",
        "row 2 has no path",
    ]


@pytest.mark.parametrize(
    "missing", [None, float("nan"), pd.NA, pd.NaT, np.float32("nan")]
)
def test_data_frame_with_missing_cells(missing):
    frame = pd.DataFrame(
        {
            "path": ["a", "b", "c", missing],
            "label": ["x", missing, "y", "y"],
            "split": [missing, "train", "test", "test"],
        },
        dtype=object,
    )
    table = read_images(frame)
    assert (table.names, table.classes) == (["a", "c"], ("x", "y"))
    assert table.split is not None and table.split.tolist() == ["", "test"]


def test_integer_labels_of_a_data_frame_are_sorted_as_numbers():
    frame = pd.DataFrame({"path": list("abc"), "label": [10, 9, 1]})
    table = read_images(frame)
    assert (table.classes, table.whole_numbers) == (("1", "9", "10"), True)
    table = read_images(frame.astype({"label": str}))
    assert (table.classes, table.whole_numbers) == (("1", "10", "9"), False)
