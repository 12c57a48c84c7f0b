"""Predictions for any number of images: in order, complete, in bounded memory."""

import csv
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vicinal.errors import NoDataError, RunError
from vicinal.images.classifier import ImageClassifier
from vicinal.images.data.inputs import list_images
from vicinal.images.data.read import ImageTable
from vicinal.images.inference.extractor import BATCH as PREDICT_BATCH
from vicinal.images.predict import MAX_REASONS, predict_all
from vicinal.images.regressor import ImageRegressor

QUICK: dict[str, Any] = {
    "epochs": 1,
    "augment": "none",
    "deterministic": True,
    "cache": False,
}
GREY: dict[str, int] = {"height": 8, "width": 8, "channels": 1}


class Recorder:
    """A console that keeps what is printed."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def print(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (12, 8, 8)).astype(np.uint8)


@pytest.fixture(scope="module")
def model(pixels) -> ImageClassifier:
    return ImageClassifier(**QUICK).fit(pixels, ["cat", "dog"] * 6)


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_names_that_are_formulas_are_escaped(pixels, tmp_path):
    model = ImageClassifier(**QUICK).fit(pixels, ["=cat", "dog"] * 6)
    console, out = Recorder(), tmp_path / "out.csv"
    table = ImageTable.unlabelled(["=1.png", "-a.png", "b.png"], pixels=pixels[:3])
    kept = predict_all(model, table, out, console, keep=True)["predictions"]
    rows = read_rows(out)
    assert [row["path"] for row in rows] == ["'=1.png", "'-a.png", "b.png"]
    assert {row["predicted"] for row in rows} <= {"'=cat", "dog"}
    assert [row["path"] for row in kept] == ["=1.png", "-a.png", "b.png"]


def test_names_of_any_bytes_are_written_and_print_one_line(model, pixels, tmp_path):
    names = ["a\udcff.png", "b\nc\tdog.png"]
    table = ImageTable.unlabelled(names, pixels=pixels[:2])
    console, out = Recorder(), tmp_path / "out.csv"
    predict_all(model, table, out, console, keep=False)
    assert [row["path"] for row in read_rows(out)] == [r"a\udcff.png", names[1]]
    predict_all(model, table, None, console, keep=False)
    assert console.lines[-1].startswith("b\\nc\\tdog.png\t")
    assert console.lines[-1].count("\n") == 0


def test_predictions_keep_the_order(model, make_directory, tmp_path):
    root = make_directory({"": 2 * PREDICT_BATCH + 3}, **GREY)
    names = [str(path) for path in sorted(root.iterdir(), reverse=True)]
    empty = [names[5], names[PREDICT_BATCH], names[-1]]
    for name in empty:
        Path(name).write_bytes(b"")
    console, out = Recorder(), tmp_path / "out.csv"
    found = predict_all(model, list_images(names), out, console, keep=True)
    assert [row["path"] for row in found["predictions"]] == names
    assert [row["path"] for row in read_rows(out)] == names
    assert (found["n"], found["unreadable"]) == (len(names) - 3, 3)
    (line,) = console.lines
    unknown = sum(row["unknown"] == "True" for row in read_rows(out))
    suffix = f", {unknown} unlike the training images" * bool(unknown)
    assert line == f"128 predictions, 3 unreadable images{suffix}: {out}"
    assert found["unknown"] == unknown
    readable = [name for name in names if name not in empty]
    rows = [row for row in found["predictions"] if "reason" not in row]
    for row, p in zip(rows, model.predict_proba(readable), strict=True):
        assert [row["p_cat"], row["p_dog"]] == pytest.approx(p.tolist(), abs=1e-5)
        assert row["predicted"] == ["cat", "dog"][p.argmax()]
        assert row["probability"] == max(row["p_cat"], row["p_dog"])


@pytest.mark.parametrize("num_bad", range(PREDICT_BATCH - 1, PREDICT_BATCH + 2))
def test_batches_of_unreadable_images(num_bad, model, make_directory, capsys):
    root = make_directory({"": 1}, **GREY)
    gone = ["gone.png"] * num_bad
    names = [*gone, str(root / "0.png"), *gone]
    console = Recorder()
    found = predict_all(model, list_images(names), None, console, keep=False)
    assert (found["n"], found["unreadable"]) == (1, 2 * num_bad)
    assert found["predictions"] == []
    assert [line.split("\t")[1] == "-" for line in console.lines] == [
        name == "gone.png" for name in names
    ]
    assert capsys.readouterr().err.count("cannot be read: ") == MAX_REASONS


def test_regression_and_several_labels(pixels, make_directory, tmp_path):
    root = make_directory({"": 3}, **GREY)
    table, out = list_images([str(root)]), tmp_path / "out.csv"
    regressor = ImageRegressor(**QUICK, false_alarm_rate=0)
    regressor.fit(pixels, np.arange(12.0))
    console = Recorder()
    predict_all(regressor, table, None, console, keep=False)
    predict_all(regressor, table, out, console, keep=False)
    printed = [float(line.split("\t")[1]) for line in console.lines[:3]]
    assert printed == pytest.approx(regressor.predict(root).tolist(), rel=1e-4)
    rows = read_rows(out)
    assert list(rows[0]) == ["path", "predicted", "probability", "reason"]
    assert [float(r["predicted"]) for r in rows] == pytest.approx(printed, rel=1e-4)

    tagger = ImageClassifier(**QUICK).fit(pixels, [["x", "y"], ["y"], []] * 4)
    rows = predict_all(tagger, table, None, Recorder(), keep=True)["predictions"]
    for row, labels in zip(rows, tagger.predict(root), strict=True):
        names = [name for name, label in zip("xy", labels, strict=True) if label]
        assert row["predicted"] == ("|".join(names) or "-") and "probability" not in row


def test_output_is_complete_or_not_written(model, make_directory, tmp_path):
    root = make_directory({"": 3}, **GREY)
    out = tmp_path / "out.csv"
    out.write_text("old")

    class Interrupted:
        objective_, outlier_detector_ = model.objective_, model.outlier_detector_

        def iter_predictions(self, table: ImageTable) -> Any:
            yield next(iter(model.iter_predictions(table)))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted: Any = Interrupted()
        predict_all(interrupted, list_images([str(root)]), out, Recorder(), keep=False)
    with pytest.raises(NoDataError, match="No image can be read"):
        predict_all(model, list_images(["gone.png"]), out, Recorder(), keep=False)
    assert out.read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data", "out.csv"]
    with pytest.raises(RunError, match="cannot be written"):
        predict_all(model, list_images([str(root)]), tmp_path, Recorder(), keep=False)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_images(
    model, make_directory, tmp_path
):
    root = make_directory({"": 1}, height=64, width=64)
    name = str(root / "0.png")

    def peak(n: int) -> int:
        table = ImageTable.unlabelled([name] * n)
        tracemalloc.start()
        predict_all(model, table, tmp_path / "out.csv", Recorder(), keep=False)
        num_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return num_bytes

    peak(PREDICT_BATCH)  # warm up
    few = peak(4 * PREDICT_BATCH)
    many = peak(24 * PREDICT_BATCH)
    assert many < 1.15 * few + 20_000
    assert len(read_rows(tmp_path / "out.csv")) == 24 * PREDICT_BATCH
