"""Labels put right by a CSV: all rows or none, and every slip is told by name."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vicinal.errors import DataError
from vicinal.images.data.label_corrections import corrected
from vicinal.images.data.read import ImageTable, read_images

NAMES = ["cat/1.png", "cat/2.png", "dog/1.png", "dog/30.png"]


@pytest.fixture
def table(tmp_path) -> ImageTable:
    for name in NAMES:
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return read_images(tmp_path / "data")


@pytest.fixture
def write(tmp_path):
    def do(text: str) -> Path:
        path = tmp_path / "labels.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return do


def test_labels_change_where_the_table_says_so(table, write, tmp_path):
    whole = tmp_path / "data" / "dog" / "1.png"
    path = write(f"path,label\ncat/2.png,dog\n{whole},cat\ncat/1.png,cat\n")
    found = corrected(table, path)
    assert dict(zip(found.names, found.labels, strict=True)) == {
        "cat/1.png": "cat",
        "cat/2.png": "dog",
        "dog/1.png": "cat",
        "dog/30.png": "dog",
    }
    assert found.notes == [f"2 labels changed by {path}"]
    assert table.labels.tolist() == ["cat", "cat", "dog", "dog"]  # the files too stay
    assert read_images(tmp_path / "data", corrections=path).labels.tolist() == (
        found.labels.tolist()
    )


def test_a_dash_leaves_a_picture_out(table, write):
    path = write("path;label;proposed\ndog/1.png;-;cat\ncat/1.png;dog;dog\n")
    found = corrected(table, path)
    assert found.names == ["cat/1.png", "cat/2.png", "dog/30.png"]
    assert found.labels.tolist() == ["dog", "cat", "dog"]
    assert found.set_aside == [("dog/1.png", "dog", f"left out by {path}")]
    assert found.notes == [f"1 label changed by {path}, 1 picture left out by it"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\ndog/3.png,cat\n", "1 file that .* 'dog/3.png'. Did you mean"),
        ("path,label\nelse/30.png,cat\n", "Did you mean 'dog/30.png'"),
        ("path,label\ncat/1.png,dgo\n", "no picture has: 'dgo'. Did you mean 'dog'"),
        ("path,label\ncat/1.png,\n", "row 2: the label is empty"),
        ("path,label\n,dog\n", "row 2: the path is empty"),
        ("path,label\ncat/1.png,dog\ncat/1.png,cat\n", "row 3: cat/1.png has two"),
        ("path,what\ncat/1.png,dog\n", "no column for the labels"),
    ],
)
def test_a_slip_is_told_and_nothing_changes(table, write, text, message):
    with pytest.raises(DataError, match=message):
        corrected(table, write(text))
    assert table.labels.tolist() == ["cat", "cat", "dog", "dog"]


def test_one_picture_by_two_names(table, write, tmp_path):
    whole = tmp_path / "data" / "cat" / "1.png"
    with pytest.raises(DataError, match=r"names cat/1\.png twice"):
        corrected(table, write(f"path,label\ncat/1.png,dog\n{whole},dog\n"))


def test_several_labels_and_numbers(write):
    several = pd.DataFrame({"path": ["a", "b"], "label": ["x|y", "y"]})
    found = read_images(several, corrections=write("path,label\nb,x\n"))
    assert found.labels.tolist() == ["x|y", "x"]
    found = read_images(several, corrections=write("path,label\na,-\n"))
    assert found.labels.tolist() == ["-", "y"]  # neither of them
    with pytest.raises(DataError, match="no picture has: 'z'"):
        read_images(several, corrections=write("path,label\nb,x|z\n"))
    amounts = pd.DataFrame({"path": ["a", "b"], "label": [1.5, 2.25]})
    found = read_images(amounts, corrections=write("path,label\nb,7.5\n"))
    np.testing.assert_array_equal(found.labels, [1.5, 7.5])
    with pytest.raises(DataError, match="wants numbers"):
        read_images(amounts, corrections=write("path,label\nb,many\n"))


def test_there_is_no_such_file(table, tmp_path):
    with pytest.raises(DataError, match=r"gone.csv cannot be read"):
        read_images(tmp_path / "data", corrections=tmp_path / "gone.csv")
