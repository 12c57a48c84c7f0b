"""Pictures to be named: the same rules as for training, without labels."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from vicinal.core.objective import SingleLabel
from vicinal.errors import DataError, NoDataError
from vicinal.images.data.folders import NOT_UTF8
from vicinal.images.data.inputs import list_pictures
from vicinal.images.model import Prediction
from vicinal.images.predict import predict_all


def listed(*inputs: Path) -> list[str]:
    return list_pictures([str(path) for path in inputs]).names


def test_files_folders_and_tables_in_the_order_given(make_folder, csv, tmp_path):
    root = make_folder({"": 2, "b": 1, "a/deep": 1})
    table = csv("path\ndata/0.png\n")
    (root / "note.txt.bak").write_text("no picture")
    below = [str(root / name) for name in ("0.png", "1.png", "a/deep/0.png", "b/0.png")]
    got = list_pictures([str(root / "1.png"), str(root), str(table)])
    assert got.names == [below[1], *below, below[0]]
    assert (got.kind, got.set_aside) == ("none", [])
    assert all(got.path(row).is_file() for row in range(len(got)))


def test_a_file_is_taken_whatever_its_ending_or_absence(tmp_path):
    (tmp_path / "a.pdf").write_text("")
    assert listed(tmp_path / "a.pdf", tmp_path / "gone.jpg") == [
        str(tmp_path / "a.pdf"),
        str(tmp_path / "gone.jpg"),
    ]


def test_hidden_files_and_folders_are_passed_over(make_folder):
    root = make_folder({"": 1, "__MACOSX/cat": 1, ".thumbs": 1, "a": 1})
    (root / "._0.png").write_bytes(b"a finder's fork")
    assert listed(root) == [str(root / "0.png"), str(root / "a" / "0.png")]
    assert listed(root / ".thumbs") == [str(root / ".thumbs" / "0.png")]  # named


def test_links_are_followed_unless_they_lead_back(make_folder):
    root, other = make_folder({"": 1}), make_folder({"": 1}, name="other")
    (root / "more").symlink_to(other, target_is_directory=True)
    (root / "up").symlink_to(root.parent, target_is_directory=True)
    (root / "same").symlink_to(".", target_is_directory=True)
    got = list_pictures([str(root)])
    assert got.names == [str(root / "0.png"), str(root / "more" / "0.png")]
    assert "links that lead back" in got.notes[0]


def test_names_that_are_not_text_are_set_aside(make_folder):
    root = make_folder({"": 1})
    strange = os.fsdecode(os.fsencode(root) + b"/caf\xe9.png")
    Path(strange).write_bytes((root / "0.png").read_bytes())
    for inputs in ([str(root)], [str(root / "0.png"), strange]):
        got = list_pictures(inputs)
        assert got.names == [str(root / "0.png")]
        [aside] = got.set_aside
        assert (aside.name, aside.reason) == (f"{root}/caf\\udce9.png", NOT_UTF8)
    with pytest.raises(NoDataError, match=r"caf.udce9.*UTF-8"):
        list_pictures([strange])


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("path,label\na.png,cat\nNA.png,\n", "utf-8-sig"),
        ("Label;FILENAME\ncat;a.png\n;NA.png\n", "utf-8"),
        ("image\na.png\nNA.png\n", "utf-8"),
    ],
)
def test_a_table_as_spreadsheets_write_it(csv, tmp_path, text, encoding):
    path = csv(text, encoding=encoding)
    assert listed(path) == [str(tmp_path / "a.png"), str(tmp_path / "NA.png")]


def test_rows_without_a_path_are_set_aside(csv, tmp_path):
    got = list_pictures([str(csv("path,label\na.png,x\n,y\n/b.png,x\n"))])
    assert got.names == [str(tmp_path / "a.png"), "/b.png"]
    [aside] = got.set_aside
    assert aside == (str(tmp_path / "table.csv"), "", "row 3 has no path")


def test_what_holds_no_picture(csv, make_folder, tmp_path):
    (tmp_path / "empty").mkdir()
    hidden = make_folder({".cat": 1}, name="hidden")
    cases = [
        (tmp_path / "empty", NoDataError, r"no picture in .*empty\. Name pictures"),
        (hidden, NoDataError, r"\(hidden folders left out: '.cat'\)"),
        (csv("", "empty.csv"), NoDataError, "is empty"),
        (csv("path\n", "head.csv"), NoDataError, "no picture in .*head.csv"),
        (csv("path,label\n,x\n", "blank.csv"), NoDataError, "row 2 has no path"),
        (csv("where\na.png\n", "where.csv"), DataError, "paths .*got where"),
        (csv("path\nü\n", "latin.csv", "latin-1"), DataError, "not .* UTF-8"),
        (csv('path,l\n"a,x\n', "open.csv"), DataError, "as a table"),
        (tmp_path / "gone.csv", DataError, "gone.csv cannot be read: No such file"),
        (tmp_path / ("long" * 100), DataError, "name too long"),
    ]
    for path, error, message in cases:
        with pytest.raises(error, match=message):
            list_pictures([str(path)])


def test_what_was_set_aside_is_told_among_the_answers(csv, capsys):
    table = list_pictures([str(csv("path,label\na.png,\n,x\n"))])
    sure = np.array([0.25, 0.75])
    model: Any = SimpleNamespace(
        objective_=SingleLabel(("x", "y")),
        answers=lambda table: (Prediction(name, sure, None) for name in table.names),
        known_=None,
    )
    voice: Any = SimpleNamespace(say=print)
    told = predict_all(model, table, None, voice, keep=True)
    assert (told["n"], told["unreadable"]) == (1, 1)
    assert [row.get("predicted") for row in told["predictions"]] == ["y", None]
    assert told["predictions"][1]["reason"] == "row 3 has no path"
    assert "row 3 has no path" in capsys.readouterr().err
