"""`vicinal train --weights RUN` on images: linear probe, fine-tuning, and overlap."""

import csv
import json
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("without_plots")

QUICK = ("--epochs", "2", "--deterministic", "--no-cache", "--augment", "none")
NO_SCRATCH = "--no-compare-scratch"


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_linear_probe_then_fine_tuning(
    image_run, image_directory, tmp_path, run_command
):
    run = tmp_path / "run"
    quick = [word for word in QUICK if word != "--deterministic"]  # no comparison
    words = ("train", image_directory, "--weights", image_run, "--out", run, *quick)
    output = run_command(*words)
    assert output.code == 0
    probe = r"linear probe after \d+ s: cross-validated accuracy [\d.]+ %"
    assert re.search(probe, output.out)
    assert "4 to test fine-tuning, 4 for testing" in output.out
    assert "fine-tuning on the validation split: Brier score" in output.out
    benefit = "benefit of the pretrained weights, on the validation split"
    assert benefit in output.out
    assert " *\n" not in output.out  # the last epoch is used, whichever is best
    text = (run / "report.txt").read_text()
    assert "linear probe, cross-validated" in text and "delivered model, test" in text
    found = json.loads((run / "metrics.json").read_text())
    assert found["linear_score"]["n"] == found["splits"]["train"]
    keys = "loss ours theirs p wins losses groups better"
    assert set(found["comparison"]) == set(keys.split())
    better = found["comparison"]["better"]
    assert ("not kept: " in output.out) == (not better)
    assert ("this network was not kept" in text) == (not better)


def test_the_best_epoch_is_marked_where_validation_chooses_it(
    image_run, image_directory, tmp_path, run_command
):
    words = ("--weights", image_run, "--patience", "5", NO_SCRATCH)
    run = tmp_path / "run"
    output = run_command("train", image_directory, *words, "--out", run, *QUICK)
    assert " *\n" in output.out and "4 to choose the epoch" in output.out


def test_linear_probe_alone_is_cross_validated_on_all_images(
    image_run, image_directory, tmp_path, run_command
):
    run = tmp_path / "run"
    words = ("--weights", image_run, "--freeze", "all", NO_SCRATCH, "--out", run)
    output = run_command("train", image_directory, *words, *QUICK, "--json")
    found = output.json()
    assert f"pretrained weights {image_run} ({2 * 32 + 2} trained)" in output.err
    assert found["splits"] == {"train": 20, "val": 0, "test": 0}
    assert found["score"]["n"] == 20 and found["score"] == found["linear_score"]
    assert set(found["baselines"]) == {"most frequent class", "linear model on pixels"}
    assert found["epochs"] == 0 and found["comparison"] is None
    rows = read_rows(run / "predictions.csv")
    accuracy = sum(row["label"] == row["predicted"] for row in rows) / 20
    assert accuracy == found["score"]["value"]
    text = (run / "report.txt").read_text()
    assert "Cross-validated accuracy" in text
    image = image_directory / "dark" / "0.png"
    assert run_command("predict", run, image).code == 0

    # most of the images were in the training split of the weights
    splits = read_rows(image_run / "data" / "splits.csv")
    count = len([row for row in splits if row["split"] != "test"])
    note = f"were trained on {count} of these 20 images, so the score is too good"
    assert f"note: the weights in {image_run} {note}" in output.err
    assert note in text and any(note in line for line in found["notes"])
    assert f"{count} of these 20 examples were in the training data" in text
    optimistic = f"trained on {count} of the scored images, so the score is optimistic"
    assert optimistic in text


def test_weights_that_were_trained_on_test_images(
    image_run, image_directory, tmp_path, run_command
):
    run = tmp_path / "run"
    words = ("--weights", image_run, "--seed", "1", NO_SCRATCH, "--out", run)
    output = run_command("train", image_directory, *words, *QUICK)
    assert output.code == 0
    rows = read_rows(image_run / "data" / "splits.csv")
    trained_on = {row["path"] for row in rows if row["split"] != "test"}
    rows = read_rows(run / "data" / "splits.csv")
    test = {row["path"] for row in rows if row["split"] == "test"}
    note = f"were trained on {len(trained_on & test)} of these 4 images"
    assert trained_on & test and note in (run / "report.txt").read_text()


def test_a_time_limit_that_is_too_short_is_reported(
    image_run, image_directory, tmp_path, run_command
):
    words = ("--weights", image_run, "--minutes", "0.0001", "--out", tmp_path / "run")
    words = (*words, "--no-cache")
    output = run_command("train", image_directory, *words)
    assert output.code == 0 and "note: the run took" in output.out
    text = "no fine-tuning: no time was left; the linear probe is the model"
    assert text in output.out
    report = (tmp_path / "run" / "report.txt").read_text()
    assert text[1:] in report


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--backbone resnet20", "Leave --backbone out"),
        ("--freeze 99", "at most 2"),
        ("--backbone auto --max-mb 1e-9", "--max-mb"),
    ],
)
def test_settings_that_do_not_fit_the_weights_leave_no_run(
    words, message, image_run, image_directory, tmp_path, refused
):
    flags = ("--weights", image_run, *words.split(), "--out", tmp_path / "run", *QUICK)
    assert message in refused("train", image_directory, *flags)
    assert list(tmp_path.iterdir()) == []


def test_a_directory_of_images_has_no_weights(image_directory, tmp_path, refused):
    flags = ("--weights", image_directory, "--out", tmp_path / "run", *QUICK)
    message = refused("train", image_directory, *flags)
    assert "it has no model.json" in message and "vicinal info" in message
