"""Labels corrected by a CSV: all rows or none, and every mistake is named."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vicinal.errors import DataError
from vicinal.images.data.read import ImageTable, read_images
from vicinal.images.data.sources.label_corrections import correct_labels

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
    def write_csv(text: str) -> Path:
        path = tmp_path / "labels.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return write_csv


def test_labels_of_the_listed_paths_change(table, write, tmp_path):
    whole = tmp_path / "data" / "dog" / "1.png"
    path = write(f"path,label\ncat/2.png,dog\n{whole},cat\ncat/1.png,cat\n")
    found = correct_labels(table, path)
    assert dict(zip(found.names, found.labels, strict=True)) == {
        "cat/1.png": "cat",
        "cat/2.png": "dog",
        "dog/1.png": "cat",
        "dog/30.png": "dog",
    }
    assert found.notes == [f"2 labels corrected by {path}"]
    assert table.labels.tolist() == [
        "cat",
        "cat",
        "dog",
        "dog",
    ]  # the table is not modified
    assert read_images(tmp_path / "data", label_corrections=path).labels.tolist() == (
        found.labels.tolist()
    )


def test_a_dash_leaves_an_image_out(table, write):
    path = write("path;label;proposed\ndog/1.png;-;cat\ncat/1.png;dog;dog\n")
    found = correct_labels(table, path)
    assert found.names == ["cat/1.png", "cat/2.png", "dog/30.png"]
    assert found.labels.tolist() == ["dog", "cat", "dog"]
    assert found.quarantined == [("dog/1.png", "dog", f"left out by {path}")]
    assert found.notes == [f"1 label corrected by {path}, 1 image left out"]


def test_an_escaped_path_and_class_are_found(write):
    data = pd.DataFrame({"path": ["=1.png", "b.png"], "label": ["-x y", "@z"]})
    found = read_images(data, label_corrections=write("path,label\n'=1.png,'@z\n"))
    assert found.labels.tolist() == ["@z", "@z"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "path,label\ndog/3.png,cat\n",
            "1 file that is not .* 'dog/3.png'. Did you mean",
        ),
        ("path,label\nelse/30.png,cat\n", "Did you mean 'dog/30.png'"),
        ("path,label\ncat/1.png,dgo\n", "no image has: 'dgo'. Did you mean 'dog'"),
        ("path,label\ncat/1.png,\n", "row 2: the label is empty"),
        ("path,label\n,dog\n", "row 2: the path is empty"),
        ("path,label\ncat/1.png,dog\ncat/1.png,cat\n", "row 3: cat/1.png has two"),
        ("path,what\ncat/1.png,dog\n", "no column for the labels"),
    ],
)
def test_a_mistake_raises_and_nothing_changes(table, write, text, message):
    with pytest.raises(DataError, match=message):
        correct_labels(table, write(text))
    assert table.labels.tolist() == ["cat", "cat", "dog", "dog"]


def test_one_image_by_two_paths_raises(table, write, tmp_path):
    whole = tmp_path / "data" / "cat" / "1.png"
    with pytest.raises(DataError, match=r"names cat/1\.png twice"):
        correct_labels(table, write(f"path,label\ncat/1.png,dog\n{whole},dog\n"))


def test_corrections_of_several_labels_and_numbers(write):
    several = pd.DataFrame({"path": ["a", "b"], "label": ["x|y", "y"]})
    found = read_images(several, label_corrections=write("path,label\nb,x\n"))
    assert found.labels.tolist() == ["x|y", "x"]
    found = read_images(several, label_corrections=write("path,label\na,-\n"))
    assert found.labels.tolist() == ["-", "y"]  # none of the classes
    with pytest.raises(DataError, match="no image has: 'z'"):
        read_images(several, label_corrections=write("path,label\nb,x|z\n"))
    amounts = pd.DataFrame({"path": ["a", "b"], "label": [1.5, 2.25]})
    found = read_images(amounts, label_corrections=write("path,label\nb,7.5\n"))
    np.testing.assert_array_equal(found.labels, [1.5, 7.5])
    with pytest.raises(DataError, match="needs numbers as labels"):
        read_images(amounts, label_corrections=write("path,label\nb,many\n"))


def test_missing_csv_raises(table, tmp_path):
    with pytest.raises(DataError, match=r"gone.csv cannot be read"):
        read_images(tmp_path / "data", label_corrections=tmp_path / "gone.csv")
