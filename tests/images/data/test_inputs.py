"""Images to predict are listed by the same rules as for training."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from vicinal.core.objective import SingleLabel
from vicinal.errors import DataError, NoDataError
from vicinal.images.data.inputs import list_images
from vicinal.images.data.sources.folders import NOT_UTF8
from vicinal.images.model import Prediction
from vicinal.images.predict import predict_all


def names_of(*inputs: Path) -> list[str]:
    return list_images([str(path) for path in inputs]).names


def test_files_directories_and_csvs_in_the_given_order(make_directory, csv, tmp_path):
    root = make_directory({"": 2, "b": 1, "a/deep": 1})
    table = csv("path\ndata/0.png\n")
    (root / "note.txt.bak").write_text("no image")
    below = [str(root / name) for name in ("0.png", "1.png", "a/deep/0.png", "b/0.png")]
    got = list_images([str(root / "1.png"), str(root), str(table)])
    assert got.names == [below[1], *below, below[0]]
    assert (got.kind, got.quarantined) == ("none", [])
    assert all(got.path(row).is_file() for row in range(len(got)))


def test_a_file_is_listed_whatever_its_suffix_even_if_missing(tmp_path):
    (tmp_path / "a.pdf").write_text("")
    assert names_of(tmp_path / "a.pdf", tmp_path / "gone.jpg") == [
        str(tmp_path / "a.pdf"),
        str(tmp_path / "gone.jpg"),
    ]


def test_hidden_files_and_directories_are_skipped(make_directory):
    root = make_directory({"": 1, "__MACOSX/cat": 1, ".thumbs": 1, "a": 1})
    (root / "._0.png").write_bytes(b"resource fork")
    assert names_of(root) == [str(root / "0.png"), str(root / "a" / "0.png")]
    assert names_of(root / ".thumbs") == [
        str(root / ".thumbs" / "0.png")
    ]  # given explicitly


def test_links_are_followed_unless_they_lead_to_a_parent(make_directory):
    root, other = make_directory({"": 1}), make_directory({"": 1}, name="other")
    (root / "more").symlink_to(other, target_is_directory=True)
    (root / "up").symlink_to(root.parent, target_is_directory=True)
    (root / "same").symlink_to(".", target_is_directory=True)
    got = list_images([str(root)])
    assert got.names == [str(root / "0.png"), str(root / "more" / "0.png")]
    assert "links to a parent directory" in got.notes[0]


def test_file_names_that_are_not_utf8_are_quarantined(make_directory):
    root = make_directory({"": 1})
    strange = os.fsdecode(os.fsencode(root) + b"/caf\xe9.png")
    Path(strange).write_bytes((root / "0.png").read_bytes())
    for inputs in ([str(root)], [str(root / "0.png"), strange]):
        got = list_images(inputs)
        assert got.names == [str(root / "0.png")]
        [row] = got.quarantined
        assert (row.name, row.reason) == (f"{root}/caf\\udce9.png", NOT_UTF8)
    with pytest.raises(NoDataError, match=r"caf.udce9.*UTF-8"):
        list_images([strange])


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("path,label\na.png,cat\nNA.png,\n", "utf-8-sig"),
        ("Label;FILENAME\ncat;a.png\n;NA.png\n", "utf-8"),
        ("image\na.png\nNA.png\n", "utf-8"),
    ],
)
def test_csv_dialects_of_spreadsheet_programs(csv, tmp_path, text, encoding):
    path = csv(text, encoding=encoding)
    assert names_of(path) == [str(tmp_path / "a.png"), str(tmp_path / "NA.png")]


def test_rows_without_a_path_are_quarantined(csv, tmp_path):
    got = list_images([str(csv("path,label\na.png,x\n,y\n/b.png,x\n"))])
    assert got.names == [str(tmp_path / "a.png"), "/b.png"]
    [row] = got.quarantined
    assert row == (str(tmp_path / "table.csv"), "", "row 3 has no path")


def test_no_images_raises_with_the_reason(csv, make_directory, tmp_path):
    (tmp_path / "empty").mkdir()
    hidden = make_directory({".cat": 1}, name="hidden")
    cases = [
        (
            tmp_path / "empty",
            NoDataError,
            r"No image found in .*empty\. Give image files",
        ),
        (hidden, NoDataError, r"\(hidden directories skipped: '.cat'\)"),
        (csv("", "empty.csv"), NoDataError, "is empty"),
        (csv("path\n", "head.csv"), NoDataError, "No image found in .*head.csv"),
        (csv("path,label\n,x\n", "blank.csv"), NoDataError, "row 2 has no path"),
        (csv("where\na.png\n", "where.csv"), DataError, "image paths: .*got where"),
        (csv("path\nü\n", "latin.csv", "latin-1"), DataError, "not .* UTF-8"),
        (csv('path,l\n"a,x\n', "open.csv"), DataError, "as a table"),
        (tmp_path / "gone.csv", DataError, "gone.csv cannot be read: No such file"),
        (tmp_path / ("long" * 100), DataError, "name too long"),
    ]
    for path, error, message in cases:
        with pytest.raises(error, match=message):
            list_images([str(path)])


def test_quarantined_inputs_are_reported_with_the_predictions(csv, capsys):
    table = list_images([str(csv("path,label\na.png,\n,x\n"))])
    probabilities = np.array([0.25, 0.75])
    model: Any = SimpleNamespace(
        objective_=SingleLabel(("x", "y")),
        iter_predictions=lambda table: (
            Prediction(name, probabilities, None) for name in table.names
        ),
        outlier_detector_=None,
    )
    console: Any = SimpleNamespace(print=print)
    result = predict_all(model, table, None, console, keep=True)
    assert (result["n"], result["unreadable"]) == (1, 1)
    assert [row.get("predicted") for row in result["predictions"]] == ["y", None]
    assert result["predictions"][1]["reason"] == "row 3 has no path"
    assert "row 3 has no path" in capsys.readouterr().err
