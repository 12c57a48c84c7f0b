"""`vicinal evaluate`, `predict` and `report` for images."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from vicinal.images.report import dense_comparison

pytestmark = pytest.mark.usefixtures("without_plots")

QUICK = ("--epochs", "2", "--deterministic", "--no-cache", "--augment", "none")
GREY: dict[str, Any] = {"height": 8, "width": 8, "channels": 1}


def write_table(folder: Path, text: str) -> Path:
    path = folder / "table.csv"
    path.write_bytes(text.encode("utf-8-sig"))  # with the byte order mark of Excel
    return path


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# --- evaluate --------------------------------------------------------------------


def test_evaluate_notes_images_of_the_training_split(
    image_run, image_directory, run_command
):
    output = run_command("evaluate", image_run, image_directory)
    assert output.code == 0 and output.err == ""
    assert "accuracy" in output.out and "baseline: most frequent class" in output.out
    assert output.out.count("16 of these 20 examples were in the training data") == 1
    assert "so the score says little about new examples" in output.out
    found = run_command("evaluate", image_run, image_directory, "--json").json()
    assert found["verdict"].startswith("16 of these 20 examples were in the training")


def test_evaluate_uses_the_column_of_training(image_directory, tmp_path, run_command):
    rows = (f"{image_directory}/dark/{k}.png,{k},{10 * k}.5\n" for k in range(10))
    path = write_table(tmp_path, "path,label,weight\n" + "".join(rows))
    run = tmp_path / "run"
    words = ("train", path, "--target", "weight", "--out", run, *QUICK)
    assert run_command(*words).code == 0
    default = run_command("evaluate", run, path, "--json").json()
    named = run_command("evaluate", run, path, "--target", "weight", "--json").json()
    assert default["score"] == named["score"]
    assert default["baselines"]["median"]["value"] > 10


def test_predictions_of_evaluate_can_be_checked(
    image_run, image_directory, tmp_path, run_command
):
    path = tmp_path / "predictions.csv"
    output = run_command("evaluate", image_run, image_directory, "--output", path)
    assert f"predictions: {path}" in output.out
    assert run_command("check", path, "--json").json()["usable"] == 20


def test_evaluate_on_the_test_split_gives_the_score_of_the_run(
    image_run, image_directory, tmp_path, run_command
):
    trained = run_command("report", image_run, "--json").json()["score"]
    rows = read_rows(image_run / "predictions.csv")
    assert {row["split"] for row in rows} == {"test"}
    lines = (f"{image_directory / row['path']},{row['label']}\n" for row in rows)
    path = write_table(tmp_path, "path,label\n" + "".join(lines))
    found = run_command("evaluate", image_run, path, "--json").json()
    assert found["score"] == trained and found["notes"] == []
    metrics = (image_run / "metrics.json").read_text()
    assert found["baselines"] == json.loads(metrics)["baselines"]


def test_unknown_classes_are_left_out(image_run, make_directory, run_command, refused):
    data = make_directory({"owl": 2, "dark": 1}, **GREY)
    found = run_command("evaluate", image_run, data, "--json").json()
    assert found["score"]["n"] == 1 and found["notes"] == [
        "unknown classes: owl (2 images left out)",
        "classes without an image here: light",
    ]
    message = refused("evaluate", image_run, make_directory({"owl": 1}, "owls", **GREY))
    assert "Known: dark, light. Got: owl." in message


def test_images_left_out_are_not_counted_as_training_images(
    image_run, image_directory, tmp_path, run_command
):
    for name in ("owl", "dark"):
        (tmp_path / "data" / name).mkdir(parents=True)
    rows = read_rows(image_run / "data" / "splits.csv")
    dark, light = (
        next(r["path"] for r in rows if r["split"] == "train" and name in r["path"])
        for name in ("dark", "light")
    )
    shutil.copy(image_directory / dark, tmp_path / "data" / "dark")
    shutil.copy(image_directory / light, tmp_path / "data" / "owl")
    found = run_command("evaluate", image_run, tmp_path / "data", "--json").json()
    assert found["verdict"].startswith("1 of these 1 examples were in the training")
    assert not any("training" in note for note in found["notes"])


# --- predict ---------------------------------------------------------------------


def test_predict_prints_a_line_per_image(image_run, image_directory, run_command):
    images = (image_directory / "dark" / "0.png", image_directory / "light")
    output = run_command("predict", image_run, *images)
    lines = [line.split("\t") for line in output.out.splitlines()]
    assert output.code == 0 and len(lines) == 11 and output.err == ""
    assert {len(line) for line in lines} == {3}
    assert {predicted for _, predicted, _ in lines} <= {"dark", "light"}
    assert all(0.5 <= float(probability) <= 1 for _, _, probability in lines)


def test_predict_counts_images_and_its_probabilities_sum_to_one(
    image_run, image_directory, tmp_path, run_command
):
    path = tmp_path / "predictions.csv"
    words = ("predict", image_run, image_directory, "--output", path, "--json")
    found = run_command(*words).json()
    assert (found["n"], found["unreadable"]) == (20, 0)
    assert found["output"] == str(path)
    for row in read_rows(path):
        assert row["reason"] == ""
        total = float(row["p_dark"]) + float(row["p_light"])
        assert total == pytest.approx(1, abs=2e-5)


def test_predict_without_a_readable_image_is_refused(
    image_run, tmp_path, run_command, refused
):
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "out.csv").write_text("kept")
    words = ("predict", image_run, tmp_path / "a.png", "gone.png")
    message = refused(*words, "--output", tmp_path / "out.csv")
    assert message.startswith("No image can be read. Check the paths and the reasons")
    assert (tmp_path / "out.csv").read_text() == "kept"
    assert "gone.png: no such file" in run_command("predict", image_run, "gone.png").err
    (tmp_path / "empty").mkdir()
    message = refused("predict", image_run, tmp_path / "empty")
    assert "No image found in" in message


def test_predict_needs_images_behind_the_run(image_run, refused):
    message = refused("predict", image_run)
    assert message.startswith("Name at least one image")


def test_output_that_cannot_be_written_is_refused(
    image_run, image_directory, tmp_path, refused
):
    for command in ("predict", "evaluate"):
        for path in (tmp_path / "gone" / "x.csv", tmp_path):
            message = refused(command, image_run, image_directory, "--output", path)
            assert f"{path} cannot be written" in message
    assert list(tmp_path.iterdir()) == []


# --- regression and several labels -----------------------------------------------


def test_report_adds_sections_once_each(image_run, tmp_path, run_command, monkeypatch):
    monkeypatch.setattr(dense_comparison, "EPOCHS", 1)
    run = shutil.copytree(image_run, tmp_path / "run")
    output = run_command("report", run, "--shortcuts", "--compare-dense")
    assert output.code == 0 and "Shortcuts" in output.out
    page = (run / "report.html").read_text()
    assert page.count("<h2>CNN and dense network</h2>") == 1
    found = run_command("report", run, "--shortcuts", "--json").json()
    assert found["shortcuts"]["score"]["metric"] == "accuracy"
    page = (run / "report.html").read_text()
    assert page.count("<h2>Shortcuts</h2>") == 1  # replaced, not repeated
    assert page.index("<h2>CNN and dense") < page.index("<h2>Shortcuts")
    assert page.index("<h2>Shortcuts") < page.index("<h2>Configuration")


def test_report_analyses_training_images_without_a_test_split(
    image_directory, tmp_path, run_command, monkeypatch
):
    monkeypatch.setattr(dense_comparison, "EPOCHS", 1)
    run = tmp_path / "run"
    words = ("train", image_directory, *QUICK, "--test-fraction", "0", "--out", run)
    assert run_command(*words).code == 0
    splits = [row["split"] for row in read_rows(run / "data" / "splits.csv")]
    assert "test" not in splits
    words = ("report", run, "--shortcuts", "--compare-dense", "--json")
    found = run_command(*words).json()
    assert found["shortcuts"]["held_out"] is False
    assert found["shortcuts"]["score"]["n"] == splits.count("train")
