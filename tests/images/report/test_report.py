"""The report of a run has the sections and the figures of the run."""

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from vicinal.core.report.report import Figure, Gallery, Matrix, Report, Table, Text
from vicinal.core.report.sections import (
    CONFIGURATION,
    DATA,
    ERRORS,
    MAX_ROWS,
    QUARANTINE,
    RESULTS,
    TRAINING,
)
from vicinal.core.storage.run_folder import Run
from vicinal.images.classifier import ImageClassifier
from vicinal.images.data.read import read_images
from vicinal.images.regressor import ImageRegressor
from vicinal.images.report.galleries import MAX_THUMBNAILS
from vicinal.images.run import ImageRun

SETTINGS: dict[str, Any] = {
    "epochs": 3,
    "batch_size": 8,
    "augment": "none",
    "deterministic": True,
    "cache": False,
}
SECTIONS = [DATA, QUARANTINE, RESULTS, ERRORS, TRAINING, CONFIGURATION]
HTML_CLASS = "<script>alert(1)</script>"
RunFiles = tuple[Path, Report, dict[str, Any]]
"""the run directory, its report and its metrics"""


def read_run(directory: Path) -> RunFiles:
    report = Report.from_dict(json.loads((directory / "report.json").read_text()))
    return directory, report, json.loads((directory / "metrics.json").read_text())


def train(
    directory: Path, labels: list[Any], estimator: type[Any], **settings: Any
) -> RunFiles:
    """Train on random images with these labels, and two images that are unusable."""
    rng = np.random.default_rng(0)
    (directory / "images").mkdir(parents=True)
    frame = pd.DataFrame({"label": labels})
    frame["path"] = [str(directory / "images" / f"{k:02}.png") for k in frame.index]
    for path in frame["path"]:
        pixels = rng.integers(0, 256, (8, 8)).astype(np.uint8)
        Image.fromarray(pixels).save(path)
    bad = {"label": labels[:2], "path": ["gone.png", str(directory / "empty.png")]}
    (directory / "empty.png").write_bytes(b"")
    frame = pd.concat([frame, pd.DataFrame(bad)], ignore_index=True)
    with Run.create(directory / "run") as run:
        model = estimator(**SETTINGS | settings)
        for _ in ImageRun(model, read_images(frame), run, HTML_CLASS).steps():
            pass
    return read_run(run.folder)


@pytest.fixture(scope="module")
def classes(tmp_path_factory) -> Iterator[RunFiles]:
    """Noise in three classes cannot be learned, so there are errors."""
    labels = [HTML_CLASS, "b & c", "é 猫"] * 12
    directory = tmp_path_factory.mktemp("classes")
    settings = {"test_fraction": 0.4, "augment": "light"}
    yield train(directory, labels, ImageClassifier, **settings)


@pytest.fixture(scope="module")
def numbers(tmp_path_factory) -> Iterator[RunFiles]:
    labels = np.random.default_rng(1).normal(5, 2, 30).tolist()
    yield train(tmp_path_factory.mktemp("numbers"), labels, ImageRegressor)


@pytest.fixture(scope="module")
def several(tmp_path_factory) -> Iterator[RunFiles]:
    labels = ["a", "a|b", "b|c", "-"] * 8
    yield train(tmp_path_factory.mktemp("several"), labels, ImageClassifier)


@pytest.fixture(params=["classes", "numbers", "several"])
def finished(request) -> RunFiles:
    return request.getfixturevalue(request.param)


def blocks(report: Report, title: str, kind: type[Any]) -> list[Any]:
    section = next(s for s in report.sections if s.title == title)
    return [block for block in section.blocks if isinstance(block, kind)]


def table_with(report: Report, title: str, column: str) -> Table:
    return next(t for t in blocks(report, title, Table) if column in t.columns)


# --- all sections --------------------------------------------------------------------


def test_sections_are_in_order(finished):
    _, report, _ = finished
    assert [section.title for section in report.sections] == SECTIONS
    assert all(section.blocks for section in report.sections)


def test_html_and_text_files_are_those_of_the_report(finished):
    directory, report, _ = finished
    assert (directory / "report.html").read_text(encoding="utf-8") == report.html()
    assert (directory / "report.txt").read_text(encoding="utf-8") == report.text()


def test_class_names_are_escaped(classes):
    directory, report, metrics = classes
    html = (directory / "report.html").read_text(encoding="utf-8")
    assert "<script" not in html and "&lt;script&gt;alert(1)" in html
    assert "b &amp; c" in html and "é 猫" in html
    assert HTML_CLASS in report.text() and HTML_CLASS in report.title
    assert [c["class"] for c in metrics["classes"]] == [HTML_CLASS, "b & c", "é 猫"]


# --- Data and Quarantine -------------------------------------------------------------


def test_counts_are_those_of_the_splits(finished):
    directory, report, metrics = finished
    splits = pd.read_csv(directory / "data" / "splits.csv")["split"].value_counts()
    table = blocks(report, DATA, Table)[0]
    if "class" in table.columns:
        assert table.columns[1:] == ["train", "val", "test", "total"]
        sums = np.array([row[1:] for row in table.rows]).sum(axis=0).tolist()
        assert table.totals == [["total", *sums]]
        counts = sums[:3]
    else:
        counts = [row[1] for row in table.rows]
        assert table.totals == [["total", sum(counts)]]
    assert counts == [splits[split] for split in ("train", "val", "test")]
    assert counts == list(metrics["splits"].values())


def test_quarantined_images_are_listed_with_their_reason(finished):
    directory, report, metrics = finished
    quarantine = pd.read_csv(directory / "data" / "quarantine.csv")
    assert len(quarantine) == metrics["quarantined"] == 2
    (table,) = blocks(report, QUARANTINE, Table)
    assert [row[0] for row in table.rows] == quarantine["name"].tolist()
    assert [row[2] for row in table.rows] == quarantine["reason"].tolist()
    assert table.rows[0][2] == "no such file" and "0 bytes" in table.rows[1][2]
    total = sum(metrics["splits"].values()) + 2
    text = blocks(report, QUARANTINE, Text)[0].text
    assert text.startswith(f"2 of {total} images quarantined")


def test_long_tables_are_truncated_and_say_so(tmp_path, make_directory):
    root = make_directory({"cat": 6, "dog": 6}, height=8, width=8, channels=1)
    for k in range(MAX_ROWS + 5):
        (root / "cat" / f"empty{k}.png").write_bytes(b"")
    with Run.create(tmp_path / "run") as run:
        model = ImageClassifier(**SETTINGS)
        for _ in ImageRun(model, read_images(root), run, "x").steps():
            pass
    _, report, _ = read_run(run.folder)
    (table,) = blocks(report, QUARANTINE, Table)
    assert len(table.rows) == MAX_ROWS
    assert table.caption == "First 40 of 45 rows; the run directory has all."
    assert len(pd.read_csv(run.folder / "data" / "quarantine.csv")) == 45


# --- Results -------------------------------------------------------------------------


def score_row(score: dict[str, Any]) -> list[Any]:
    """Return the cells of a score: proportions in percent, numbers unchanged."""
    metric, *values, n = score.values()
    if metric in ("mae", "rmse", "r2"):
        return [metric, *values, n]
    return [metric, *(f"{100 * v:.1f} %" for v in values), n]


def test_scores_are_those_of_metrics_json(finished):
    _, report, metrics = finished
    rows = table_with(report, RESULTS, "metric").rows
    scores = {"this model": metrics["score"]} | metrics["baselines"]
    expected = [[name, *score_row(score)] for name, score in scores.items()]
    assert rows[: len(scores)] == expected
    assert [row[1:] for row in rows[len(scores) :]] == [
        *map(score_row, metrics["scores"])
    ]
    assert len(metrics["baselines"]) == 2
    lead = blocks(report, RESULTS, Text)[0]
    assert lead.tone == "lead" and f"n = {metrics['score']['n']})" in lead.text


def test_noise_does_not_beat_the_baselines(classes):
    _, report, metrics = classes
    beaten = all(
        metrics["score"]["low"] > b["value"] for b in metrics["baselines"].values()
    )
    verdict = blocks(report, RESULTS, Text)[1]
    assert not beaten and verdict.tone == "warning"


@pytest.mark.slow
def test_stripes_beat_the_baselines(tmp_path):
    rng = np.random.default_rng(0)
    waves = np.cos(np.pi / 2 * np.arange(8))[:, None] * np.ones(8)
    y = np.arange(200) % 2
    # stripes in either phase: the class means are equal, so no linear model helps
    signs = rng.choice([-60, 60], 200)[:, None, None]
    stripes = np.where(y[:, None, None] == 1, waves, waves.T)
    x = (128 + signs * stripes + rng.normal(0, 10, (200, 8, 8))).astype(np.uint8)
    with Run.create(tmp_path / "run") as run:
        model = ImageClassifier(**SETTINGS | {"epochs": 25, "test_fraction": 0.3})
        training = ImageRun(model, read_images(x, y), run, "stripes")
        for _ in training.steps():
            pass
    _, report, _ = read_run(run.folder)
    verdict = blocks(report, RESULTS, Text)[1]
    assert training.evaluation is not None and training.evaluation.beats_baselines
    assert verdict.tone == "good" and "beats every baseline" in verdict.text
    ranking = table_with(report, RESULTS, "AUROC")  # there are two classes
    assert [row[0] for row in ranking.rows] in (["0", "1"], ["1", "0"])


def test_an_undefined_score_is_a_dash(tmp_path):
    # R^2 of one image is NaN in Python, null in JSON and a dash in the report
    labels = [1.5, 2.5, 3.5, 4.5]
    directory, report, metrics = train(tmp_path, labels, ImageRegressor)
    r2 = next(s for s in metrics["scores"] if s["metric"] == "r2")
    assert r2["value"] is None and metrics["score"]["n"] == 1
    row = next(r for r in table_with(report, RESULTS, "metric").rows if r[1] == "r2")
    assert row == ["this model", "r2", None, None, None, 1]
    assert (directory / "report.html").read_text(encoding="utf-8") == report.html()
    assert "nan" not in report.text()


# --- Errors --------------------------------------------------------------------------


def test_class_scores_and_confusion_matrix(classes):
    directory, report, metrics = classes
    table = table_with(report, ERRORS, "support")
    assert table.columns == ["class", "precision", "recall", "F1", "support"]
    (matrix,) = blocks(report, ERRORS, Matrix)
    assert matrix.counts == metrics["confusion"]
    predictions = pd.read_csv(directory / "predictions.csv")
    wrong = predictions[predictions["label"] != predictions["predicted"]]
    assert len(wrong) == sum(map(sum, matrix.counts)) - np.trace(matrix.counts) > 0
    pairs = table_with(report, ERRORS, "predicted class").rows
    counts = wrong.groupby(["label", "predicted"]).size()
    assert {(a, b): n for a, b, n in pairs} == counts.to_dict()
    assert [n for *_, n in pairs] == sorted((n for *_, n in pairs), reverse=True)


def test_the_most_confident_errors_are_shown(classes):
    directory, report, _ = classes
    (gallery,) = blocks(report, ERRORS, Gallery)
    predictions = pd.read_csv(directory / "predictions.csv")
    wrong = predictions[predictions["label"] != predictions["predicted"]]
    order = np.argsort(-np.array(wrong["probability"]), kind="stable")
    rows = [wrong.iloc[k].to_dict() for k in order[:MAX_THUMBNAILS]]
    for thumbnail, row in zip(gallery.thumbnails, rows, strict=True):
        assert thumbnail.lines == [
            f"true: {row['label']}",
            f"predicted: {row['predicted']} ({row['probability']:.2f})",
            row["path"],
        ]
        jpeg = io.BytesIO(base64.b64decode(thumbnail.jpeg))
        shown = np.asarray(Image.open(jpeg).convert("L"), float)
        size = (160, 160)
        image = Image.open(row["path"]).resize(size, Image.Resampling.NEAREST)
        assert np.abs(shown - np.asarray(image, float)).mean() < 12


def test_the_largest_errors_of_a_regression_are_shown(numbers):
    directory, report, metrics = numbers
    assert blocks(report, ERRORS, Matrix) == [] and metrics["confusion"] is None
    (gallery,) = blocks(report, ERRORS, Gallery)
    predictions = pd.read_csv(directory / "predictions.csv")
    error = (predictions["label"] - predictions["predicted"]).abs().to_numpy()
    paths = [thumbnail.lines[2] for thumbnail in gallery.thumbnails]
    order = np.argsort(-error, kind="stable")
    assert paths == predictions["path"].to_numpy()[order].tolist()


def test_errors_of_several_labels_are_shown(several):
    directory, report, metrics = several
    predictions = pd.read_csv(directory / "predictions.csv", keep_default_na=False)
    assert metrics["score"]["metric"] == "f1_micro"
    wrong = predictions[predictions["label"] != predictions["predicted"]]
    galleries = blocks(report, ERRORS, Gallery)
    paths = [t.lines[2] for gallery in galleries for t in gallery.thumbnails]
    assert sorted(paths) == sorted(wrong["path"])


# --- Training and Configuration ------------------------------------------------------


def test_training_is_summarised_with_both_curves(finished):
    directory, report, metrics = finished
    epochs = pd.read_csv(directory / "metrics.csv")
    text = blocks(report, TRAINING, Text)[0].text
    assert text.startswith(f"{len(epochs)} epochs in") and len(epochs) == 3
    best = epochs[epochs["best"]].iloc[-1]
    metric = metrics["score"]["metric"]
    expected = f"Best epoch {best['epoch']}: validation {metric}"
    assert f"{expected} {best['val_score']:.4g}" in text
    assert len(blocks(report, TRAINING, Figure)) == 2  # loss and score


def test_augmented_images_are_shown(classes, numbers):
    (gallery,) = blocks(classes[1], TRAINING, Gallery)
    assert len(gallery.thumbnails) == MAX_THUMBNAILS
    names = {thumbnail.lines[0] for thumbnail in gallery.thumbnails}
    assert names == {HTML_CLASS, "b & c", "é 猫"}
    assert blocks(numbers[1], TRAINING, Gallery) == []  # augment="none"


def test_the_configuration_is_listed(finished):
    directory, report, metrics = finished
    rows = dict(blocks(report, CONFIGURATION, Table)[0].rows)
    assert rows["data"] == HTML_CLASS and rows["random seed"] == "0"
    assert rows["device"] == "cpu, float32"
    assert rows["network"] == "small, input 8 x 8"
    changed = json.loads(rows["changed settings"])
    assert changed.keys() >= SETTINGS.keys() - {"augment"}
    assert changed["epochs"] == 3 and changed["batch_size"] == 8
    env = json.loads((directory / "env.json").read_text())
    assert env["vicinal"] in rows["vicinal"] and env["python"] in rows["vicinal"]
    assert f"torch {env['packages']['torch']}" in rows["packages"]
    seconds = int(rows["time"].removesuffix(" s"))
    assert 0 <= seconds <= metrics["seconds"] + 1  # those of the report are not in it
