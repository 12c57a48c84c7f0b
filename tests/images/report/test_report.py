"""The report of a run: six answers in their order, with the figures of the run."""

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

from vicinal.core.report.report import Gallery, Matrix, Report, Table, Text
from vicinal.core.storage.run_folder import Run
from vicinal.images.classifier import ImageClassifier
from vicinal.images.data.read import read_images
from vicinal.images.regressor import ImageRegressor
from vicinal.images.report.report import MOST_ROWS, WORST
from vicinal.images.run import TrainingRun

QUICK: dict[str, Any] = {
    "epochs": 3,
    "batch_size": 8,
    "augment": "none",
    "exact": True,
    "cache": False,
}
SIX = [
    "What was understood",
    "What was set aside",
    "How good it is",
    "InspectRequest it errs",
    "How training went",
    "What was run",
]
EVIL = "<script>alert(1)</script>"
Page = tuple[Path, Report, dict[str, Any]]


def train(folder: Path, labels: list[Any], kind: type[Any], **settings: Any) -> Page:
    """A run on random pictures with these labels; its report and its metrics."""
    rng = np.random.default_rng(0)
    (folder / "pictures").mkdir(parents=True)
    frame = pd.DataFrame({"label": labels})
    frame["path"] = [str(folder / "pictures" / f"{k:02}.png") for k in frame.index]
    for path in frame["path"]:
        pixels = rng.integers(0, 256, (8, 8)).astype(np.uint8)
        Image.fromarray(pixels).save(path)
    bad = {"label": labels[:2], "path": ["gone.png", str(folder / "empty.png")]}
    (folder / "empty.png").write_bytes(b"")
    frame = pd.concat([frame, pd.DataFrame(bad)], ignore_index=True)
    with Run.create(folder / "run") as run:
        learner = kind(**QUICK | settings)
        for _ in TrainingRun(learner, read_images(frame), run, EVIL).steps():
            pass
    report = Report.from_dict(json.loads((run.folder / "report.json").read_text()))
    return run.folder, report, json.loads((run.folder / "metrics.json").read_text())


@pytest.fixture(scope="module")
def classes(tmp_path_factory) -> Iterator[Page]:
    """Noise under three names cannot be learned: there are errors to show."""
    labels = [EVIL, "b & c", "é 猫"] * 12
    yield train(
        tmp_path_factory.mktemp("classes"), labels, ImageClassifier, test_fraction=0.4
    )


@pytest.fixture(scope="module")
def amounts(tmp_path_factory) -> Iterator[Page]:
    labels = np.random.default_rng(1).normal(5, 2, 30).tolist()
    yield train(tmp_path_factory.mktemp("amounts"), labels, ImageRegressor)


@pytest.fixture(scope="module")
def several(tmp_path_factory) -> Iterator[Page]:
    labels = ["a", "a|b", "b|c", "-"] * 8
    yield train(tmp_path_factory.mktemp("several"), labels, ImageClassifier)


@pytest.fixture(params=["classes", "amounts", "several"])
def page(request) -> Page:
    return request.getfixturevalue(request.param)


def blocks(report: Report, title: str, kind: type[Any]) -> list[Any]:
    section = next(s for s in report.sections if s.title == title)
    return [block for block in section.blocks if isinstance(block, kind)]


def table_with(report: Report, title: str, column: str) -> Table:
    return next(t for t in blocks(report, title, Table) if column in t.columns)


def test_six_answers_in_their_order(page):
    _, report, _ = page
    assert [section.title for section in report.sections] == SIX
    assert all(section.blocks for section in report.sections)


def test_the_three_forms_say_the_same(page):
    folder, report, _ = page
    assert (folder / "report.html").read_text(encoding="utf-8") == report.html()
    assert (folder / "report.txt").read_text(encoding="utf-8") == report.text()


def shown(score: dict[str, Any]) -> list[Any]:
    """A score's cells: shares in percent, amounts as they are."""
    metric, *values, n = score.values()
    if metric in ("mae", "rmse", "r2"):
        return [metric, *values, n]
    return [metric, *(f"{100 * v:.1f} %" for v in values), n]


def test_the_scores_are_those_of_metrics_json(page):
    _, report, metrics = page
    rows = table_with(report, "How good it is", "metric").rows
    told = {"this model": metrics["score"]} | metrics["baselines"]
    assert rows[: len(told)] == [[name, *shown(s)] for name, s in told.items()]
    assert [row[1:] for row in rows[len(told) :]] == [*map(shown, metrics["scores"])]
    assert len(metrics["baselines"]) == 2
    lead = blocks(report, "How good it is", Text)[0]
    assert lead.tone == "lead" and f"{metrics['score']['n']} pictures" in lead.text


def test_the_counts_are_those_of_the_run(page):
    folder, report, metrics = page
    splits = pd.read_csv(folder / "data" / "splits.csv")["split"].value_counts()
    tables = blocks(report, SIX[0], Table)
    parts = tables[0]
    if "class" in parts.columns:
        sums = np.array([row[1:] for row in parts.rows]).sum(axis=0).tolist()
        assert parts.columns[1:] == ["train", "val", "test"]
    else:
        sums = [row[1] for row in parts.rows]
    assert sums == [splits[part] for part in ("train", "val", "test")]
    assert sums == list(metrics["pictures"].values())


def test_what_was_set_aside_is_named_with_its_reason(page):
    folder, report, metrics = page
    aside = pd.read_csv(folder / "data" / "quarantine.csv")
    assert len(aside) == metrics["quarantined"] == 2
    (table,) = blocks(report, SIX[1], Table)
    assert [row[0] for row in table.rows] == aside["path"].tolist()
    assert [row[2] for row in table.rows] == [
        "there is no such file",
        "the file is empty (0 bytes)",
    ]
    total = sum(metrics["pictures"].values()) + 2
    assert f"2 of {total} pictures are not used" in blocks(report, SIX[1], Text)[0].text


def test_a_class_may_be_called_anything(classes):
    folder, report, metrics = classes
    html = (folder / "report.html").read_text(encoding="utf-8")
    assert "<script" not in html and "&lt;script&gt;alert(1)" in html
    assert "b &amp; c" in html and "é 猫" in html
    assert EVIL in report.text() and EVIL in report.title
    assert [c["class"] for c in metrics["classes"]] == [EVIL, "b & c", "é 猫"]


def test_where_it_errs(classes):
    folder, report, metrics = classes
    (matrix,) = blocks(report, SIX[3], Matrix)
    assert matrix.counts == metrics["confusion"]
    said = pd.read_csv(folder / "predictions.csv")
    wrong = said[said["label"] != said["predicted"]]
    assert len(wrong) == sum(map(sum, matrix.counts)) - np.trace(matrix.counts) > 0
    pairs = table_with(report, SIX[3], "taken for").rows
    counts = wrong.groupby(["label", "predicted"]).size()
    assert {(a, b): n for a, b, n in pairs} == counts.to_dict()
    assert [n for *_, n in pairs] == sorted((n for *_, n in pairs), reverse=True)


def test_the_worst_mistakes_are_shown_with_their_pictures(classes):
    folder, report, _ = classes
    (gallery,) = blocks(report, SIX[3], Gallery)
    said = pd.read_csv(folder / "predictions.csv")
    wrong = said[said["label"] != said["predicted"]]
    surest = np.argsort(-np.array(wrong["probability"]), kind="stable")[:WORST]
    rows = [wrong.iloc[k].to_dict() for k in surest]
    for picture, row in zip(gallery.pictures, rows, strict=True):
        sure = f"said {row['predicted']} ({100 * row['probability']:.0f} %)"
        assert picture.lines == [f"is {row['label']}", sure, row["path"]]
        shown = Image.open(io.BytesIO(base64.b64decode(picture.jpeg))).convert("L")
        wanted = Image.open(row["path"]).resize((160, 160), Image.Resampling.NEAREST)
        difference = np.asarray(shown, float) - np.asarray(wanted, float)
        assert np.abs(difference).mean() < 12


def test_the_numbers_furthest_off_are_shown(amounts):
    folder, report, metrics = amounts
    assert blocks(report, SIX[3], Matrix) == [] and metrics["confusion"] is None
    (gallery,) = blocks(report, SIX[3], Gallery)
    said = pd.read_csv(folder / "predictions.csv")
    off = (said["label"] - said["predicted"]).abs().to_numpy()
    shown = [picture.lines[2] for picture in gallery.pictures]
    assert shown == said["path"].to_numpy()[np.argsort(-off, kind="stable")].tolist()


def test_several_labels_have_the_most_wrong_first(several):
    folder, report, metrics = several
    said = pd.read_csv(folder / "predictions.csv", keep_default_na=False)
    assert metrics["score"]["metric"] == "f1_micro"
    wrong = said[said["label"] != said["predicted"]]
    shown = [p.lines[2] for g in blocks(report, SIX[3], Gallery) for p in g.pictures]
    assert sorted(shown) == sorted(wrong["path"])


def test_how_training_went(page):
    folder, report, metrics = page
    epochs = pd.read_csv(folder / "metrics.csv")
    text = blocks(report, SIX[4], Text)[0].text
    assert text.startswith(f"{len(epochs)} epochs in") and len(epochs) == 3
    best = epochs[epochs["best"]].iloc[-1]
    assert f"The best epoch, {best['epoch']}, had" in text and "was kept" in text
    assert f"{metrics['score']['metric']} {best['val_score']:.4g}" in text


def test_what_was_run(page):
    folder, report, metrics = page
    rows = dict(blocks(report, SIX[5], Table)[0].rows)
    assert rows["data"] == EVIL and rows["seed"] == "0"
    assert rows["ran on"] == "cpu, float32"
    assert rows["network"] == "small, input 8 x 8"
    changed = json.loads(rows["settings changed"])
    assert QUICK.items() <= changed.items()
    env = json.loads((folder / "env.json").read_text())
    assert env["vicinal"] in rows["vicinal"] and env["python"] in rows["vicinal"]
    assert f"torch {env['packages']['torch']}" in rows["libraries"]
    assert rows["seconds"] == f"{metrics['seconds']:.0f}"


def test_the_verdict_is_what_the_interval_says(classes):
    _, report, metrics = classes
    beaten = all(
        metrics["score"]["low"] > b["value"] for b in metrics["baselines"].values()
    )
    verdict = blocks(report, "How good it is", Text)[1]
    assert not beaten and verdict.tone == "warning"  # noise cannot be learned
    assert "do not rely on it" in verdict.text


def test_what_can_be_learned_beats_the_baselines(tmp_path):
    rng = np.random.default_rng(0)
    waves = np.cos(np.pi / 2 * np.arange(8))[:, None] * np.ones(8)
    y = np.arange(200) % 2
    # flat or upright stripes, in either phase: their means are one, no line parts them
    signs = rng.choice([-60, 60], 200)[:, None, None]
    stripes = np.where(y[:, None, None] == 1, waves, waves.T)
    x = (128 + signs * stripes + rng.normal(0, 10, (200, 8, 8))).astype(np.uint8)
    with Run.create(tmp_path / "run") as run:
        learner = ImageClassifier(**QUICK | {"epochs": 25, "test_fraction": 0.3})
        done = TrainingRun(learner, read_images(x, y), run, "stripes")
        for _ in done.steps():
            pass
    report = Report.from_dict(json.loads((run.folder / "report.json").read_text()))
    verdict = blocks(report, "How good it is", Text)[1]
    assert done.evaluation is not None and done.evaluation.beats_baselines
    assert verdict.tone == "good" and "beats every baseline" in verdict.text


def test_long_tables_are_cut_and_say_so(tmp_path, make_folder):
    root = make_folder({"cat": 6, "dog": 6}, height=8, width=8, channels=1)
    for k in range(MOST_ROWS + 5):
        (root / "cat" / f"empty{k}.png").write_bytes(b"")
    with Run.create(tmp_path / "run") as run:
        for _ in TrainingRun(
            ImageClassifier(**QUICK), read_images(root), run, "x"
        ).steps():
            pass
    report = Report.from_dict(json.loads((run.folder / "report.json").read_text()))
    (table,) = blocks(report, SIX[1], Table)
    assert len(table.rows) == MOST_ROWS
    assert table.caption == "The first 40 of 45; the run folder has them all."
    assert len(pd.read_csv(run.folder / "data" / "quarantine.csv")) == 45


def test_a_score_without_a_value(tmp_path):
    # R^2 of one picture has none: NaN in Python, null in JSON, a dash on the page
    folder, report, metrics = train(tmp_path, [1.5, 2.5, 3.5, 4.5], ImageRegressor)
    r2 = next(s for s in metrics["scores"] if s["metric"] == "r2")
    assert r2["value"] is None and metrics["score"]["n"] == 1
    row = next(r for r in table_with(report, SIX[2], "metric").rows if r[1] == "r2")
    assert row == ["this model", "r2", None, None, None, 1]
    assert (folder / "report.html").read_text(encoding="utf-8") == report.html()
    assert "nan" not in report.text()
