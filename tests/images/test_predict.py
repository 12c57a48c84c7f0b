"""Answers for any number of pictures: in order, complete, in bounded memory."""

import csv
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vicinal.errors import NoDataError, RunError
from vicinal.images.classifier import ImageClassifier
from vicinal.images.data.inputs import list_pictures
from vicinal.images.data.read import ImageTable
from vicinal.images.model import PREDICT_BATCH
from vicinal.images.predict import MOST_REASONS, predict_all
from vicinal.images.regressor import ImageRegressor

QUICK: dict[str, Any] = {"epochs": 1, "augment": "none", "exact": True, "cache": False}
GREY: dict[str, int] = {"height": 8, "width": 8, "channels": 1}


class TreeNode:
    """A voice that is only written down."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (12, 8, 8)).astype(np.uint8)


@pytest.fixture(scope="module")
def model(pixels) -> ImageClassifier:
    return ImageClassifier(**QUICK).fit(pixels, ["cat", "dog"] * 6)


def csr_by_target(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_answers_are_in_the_order_asked_for(model, make_folder, tmp_path):
    root = make_folder({"": 2 * PREDICT_BATCH + 3}, **GREY)
    names = [str(path) for path in sorted(root.iterdir(), reverse=True)]
    empty = [names[5], names[PREDICT_BATCH], names[-1]]
    for name in empty:
        Path(name).write_bytes(b"")
    heard = TreeNode()
    out = tmp_path / "out.csv"
    told = predict_all(model, list_pictures(names), out, heard, keep=True)
    assert [row["path"] for row in told["predictions"]] == names
    assert [row["path"] for row in csr_by_target(out)] == names
    assert (told["n"], told["unreadable"]) == (len(names) - 3, 3)
    (line,) = heard.lines
    strange = sum(row["unknown"] == "True" for row in csr_by_target(out))
    more = f", {strange} unlike anything learned from" * bool(strange)
    assert line == f"128 answers, 3 pictures without one{more}: {out}"
    assert told["unknown"] == strange
    good = [name for name in names if name not in empty]
    p = model.predict_proba(good)
    for row, wanted in zip(
        (row for row in told["predictions"] if "reason" not in row), p, strict=True
    ):
        assert [row["p_cat"], row["p_dog"]] == pytest.approx(wanted.tolist(), abs=1e-5)
        assert row["predicted"] == ["cat", "dog"][wanted.argmax()]
        assert row["probability"] == max(row["p_cat"], row["p_dog"])


@pytest.mark.parametrize("bad", range(PREDICT_BATCH - 1, PREDICT_BATCH + 2))
def test_whole_batches_that_cannot_be_read(bad, model, make_folder, capsys):
    root = make_folder({"": 1}, **GREY)
    names = ["gone.png"] * bad + [str(root / "0.png")] + ["gone.png"] * bad
    heard = TreeNode()
    told = predict_all(model, list_pictures(names), None, heard, keep=False)
    assert (told["n"], told["unreadable"], told["predictions"]) == (1, 2 * bad, [])
    assert [line.split("\t")[1] == "-" for line in heard.lines] == [
        name == "gone.png" for name in names
    ]
    assert capsys.readouterr().err.count("cannot be read: ") == MOST_REASONS


def test_numbers_and_several_labels(pixels, make_folder, tmp_path):
    root = make_folder({"": 3}, **GREY)
    table, out = list_pictures([str(root)]), tmp_path / "out.csv"
    amounts = ImageRegressor(**QUICK, false_alarm=0).fit(pixels, np.arange(12.0))
    heard = TreeNode()
    predict_all(amounts, table, None, heard, keep=False)
    predict_all(amounts, table, out, heard, keep=False)
    said = [float(line.split("\t")[1]) for line in heard.lines[:3]]
    assert said == pytest.approx(amounts.predict(root).tolist(), rel=1e-4)
    rows = csr_by_target(out)
    assert list(rows[0]) == ["path", "predicted", "probability", "reason"]
    assert [float(r["predicted"]) for r in rows] == pytest.approx(said, rel=1e-4)

    several = ImageClassifier(**QUICK).fit(pixels, [["x", "y"], ["y"], []] * 4)
    told = predict_all(several, table, None, TreeNode(), keep=True)["predictions"]
    marks = several.predict(root)
    for row, mine in zip(told, marks, strict=True):
        names = [name for name, mark in zip("xy", mine, strict=True) if mark]
        assert row["predicted"] == ("|".join(names) or "-") and "probability" not in row


def test_a_file_is_written_whole_or_not_at_all(model, make_folder, tmp_path):
    root = make_folder({"": 3}, **GREY)
    out = tmp_path / "out.csv"
    out.write_text("of before")

    class Cut:
        objective_, known_ = model.objective_, model.known_

        def answers(self, table: ImageTable) -> Any:
            yield next(iter(model.answers(table)))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cut: Any = Cut()
        predict_all(cut, list_pictures([str(root)]), out, TreeNode(), keep=False)
    with pytest.raises(NoDataError, match="No picture can be read"):
        predict_all(model, list_pictures(["gone.png"]), out, TreeNode(), keep=False)
    assert out.read_text() == "of before"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data", "out.csv"]
    with pytest.raises(RunError, match="cannot be written"):
        predict_all(model, list_pictures([str(root)]), tmp_path, TreeNode(), keep=False)


def test_memory_does_not_grow_with_the_number_of_pictures(model, make_folder, tmp_path):
    root = make_folder({"": 1}, height=64, width=64)
    name = str(root / "0.png")

    def peak(n: int) -> int:
        table = ImageTable.unlabelled([name] * n)
        tracemalloc.start()
        predict_all(model, table, tmp_path / "out.csv", TreeNode(), keep=False)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(PREDICT_BATCH)  # what is loaded once
    few = peak(4 * PREDICT_BATCH)
    many = peak(24 * PREDICT_BATCH)
    assert many < 1.15 * few + 20_000
    assert len(csr_by_target(tmp_path / "out.csv")) == 24 * PREDICT_BATCH
