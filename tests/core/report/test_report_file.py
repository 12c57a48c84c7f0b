"""report.json of a run: read as it was written, or one message."""

import json
from pathlib import Path
from typing import Any

import pytest

from vicinal.core.report.report import (
    Figure,
    Gallery,
    Matrix,
    Report,
    Section,
    Table,
    Text,
    Thumbnail,
)
from vicinal.core.report.report_file import read_report, read_score
from vicinal.errors import RunError

REPORT = Report(
    "run",
    "today",
    [
        Section(
            "all",
            [
                Text("fine", "good"),
                Table(["a", "b"], [["x", 1.5], [None, True]], "c", [["sum", 2]]),
                Figure("<svg/>", "plot"),
                Gallery([Thumbnail("abcd", ["cat"])]),
                Matrix(["x", "y"], [[1, 2], [0, 3]]),
            ],
        )
    ],
)


def write(folder: Path, values: Any, name: str = "report.json") -> None:
    (folder / name).write_text(json.dumps(values))


def test_a_report_is_read_as_it_was_written(tmp_path):
    write(tmp_path, REPORT.to_dict())
    assert read_report(tmp_path) == REPORT


@pytest.mark.parametrize(
    ("block", "change"),
    [
        (0, {"tone": "warning onload=x"}),
        (0, {"kind": "script"}),
        (0, {"text": 3}),
        (1, {"rows": [["x"]]}),
        (1, {"totals": [[1, 2, 3]]}),
        (1, {"columns": "ab"}),
        (1, {"rows": [[["x"], 1]]}),
        (2, {"svg": None}),
        (3, {"thumbnails": [{"jpeg": "a"}]}),
        (4, {"counts": [[1, 2]]}),
        (4, {"counts": [[1, 2], [3]]}),
        (4, {"counts": [[1, "2"], [0, 3]]}),
        (4, {"classes": ["x"]}),
        (4, {"more": 1}),
    ],
)
def test_a_damaged_block_is_one_message(tmp_path, block, change):
    values = REPORT.to_dict()
    values["sections"][0]["blocks"][block].update(change)
    write(tmp_path, values)
    with pytest.raises(RunError, match=r"report\.json is damaged"):
        read_report(tmp_path)


@pytest.mark.parametrize("values", [None, [], {}, {"title": "x"}, {"sections": [1]}])
def test_what_is_no_report_is_one_message(tmp_path, values):
    write(tmp_path, values)
    with pytest.raises(RunError, match=r"report\.json is damaged"):
        read_report(tmp_path)


def test_a_damaged_score_is_one_message(tmp_path):
    score = {"metric": "accuracy", "value": 0.5}
    write(tmp_path, {"score": score, "seconds": 1}, "metrics.json")
    assert read_score(tmp_path) == score
    for values in ({}, {"score": 3}, [], {"score": {"value": [1]}}):
        write(tmp_path, values, "metrics.json")
        with pytest.raises(RunError, match=r"metrics\.json is damaged"):
            read_score(tmp_path)


def test_a_text_report_holds_no_control_characters():
    page = Report("a\x1b[31m", "b\u202e", [Section("\x9b", [Text("c\x07\tz")])])
    assert "\\x1b[31m" in page.text() and "\\u202e" in page.text()
    assert not set("\x1b\u202e\x9b\x07") & set(page.text())
