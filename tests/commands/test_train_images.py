"""`vicinal train` on images: data, settings and names, and the run that it writes."""

import csv
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

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


# --- output ----------------------------------------------------------------------


def test_output_of_a_run(image_directory, tmp_path, run_command):
    run = tmp_path / "a" / "run"
    output = run_command("train", image_directory, "--out", run, *QUICK)
    assert output.code == 0 and output.err == ""
    for text in (
        f"run: {run}\n",
        "classification (ImageClassifier)",
        "20 images, 2 classes, about 8 x 8 pixels",
        "split: 12 for training, 4 to choose the epoch, 4 for testing",
        "small (",
        "2 epochs at most",
        "epoch    2   loss",
        "baseline: most frequent class",
        "baseline: linear model on pixels",
        f"predict:  vicinal predict {run} IMAGE...",
    ):
        assert text in output.out


def test_a_run_is_named_after_the_target_of_a_link(
    image_directory, tmp_path, run_command, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    Path("birds.2024").symlink_to(image_directory, target_is_directory=True)
    found = run_command("train", "birds.2024", *QUICK, "--json").json()
    assert found["run"] == "runs/images"
    assert found["splits"] == {"train": 12, "val": 4, "test": 4}


def test_runs_inside_the_data_are_skipped(make_directory, monkeypatch, run_command):
    root = make_directory(
        {"train/a": 5, "train/b": 5, "test/a": 2, "test/b": 2}, **GREY
    )
    monkeypatch.chdir(root)
    for name in (root.name, f"{root.name}-2"):  # again, with a run beside the data
        output = run_command("train", ".", *QUICK)
        assert output.code == 0 and (root / "runs" / name / "model.json").exists()
    assert "note: directories of earlier runs skipped: 'runs'" in output.out


@pytest.mark.slow
def test_shortcuts_are_searched_on_request(image_directory, tmp_path, run_command):
    words = ("train", image_directory, "--epochs", "2", "--precision", "float32")
    output = run_command(*words, "--shortcuts", "on", "--out", tmp_path / "on")
    assert output.code == 0
    assert ("Shortcut: " in output.out) != ("No shortcut found" in output.out)
    text = (tmp_path / "on" / "report.txt").read_text()
    assert text.index("\nShortcuts\n") < text.index("\nTraining\n")
    found = json.loads((tmp_path / "on" / "metrics.json").read_text())["shortcuts"]
    assert found["held_out"] and {"shortcuts", "regions"} <= set(found)


def test_shortcuts_are_not_searched_on_few_images(image_run):
    assert "Shortcuts" not in (image_run / "report.txt").read_text()


# --- settings --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--batch-size 1", "batch_size must be a whole number, 2 or more. Got 1"),
        ("--lr nan", "lr must be above 0 and below 100. Got nan instead"),
        ("--minutes 0", "minutes must be above 0"),
        ("--image-size 3", "image_size must be from 8 to 2048 pixels"),
        ("--val-fraction 1", "val_fraction must be from 0 to below 1"),
        ("--test-fraction .9", "test_fraction must be below 0.95 with val_fraction"),
        ("--freeze all", "freeze must be auto or none unless --weights is given"),
        ("--device gpu9", "device 'gpu9' cannot be used.* Omit --device"),
        ("--backbone smal", "Did you mean 'small'.* Known: .*resnet18"),
        ("--weights gone", "no weights named 'gone'.* Known: .*resnet18"),
        ("--weights=", "weights must be a name, a file or a directory"),
        ("--group-pattern (", "group_pattern must be a regular expression"),
        (r"--group-pattern zzz(\d+)", r"pattern zzz\(\\d\+\) matches none of the 20"),
        ("--backbone vgg11 --image-size 16", "image_size must be 32 .* for vgg11"),
        ("--target x", "--target names a CSV column; DATA is a directory"),
        ("--task regression", "give a CSV with the columns path and label"),
    ],
)
def test_impossible_settings_leave_no_run(
    words, message, image_directory, tmp_path, refused
):
    run = tmp_path / "run"
    error = refused("train", image_directory, *words.split(), "--out", run)
    assert re.search(message, " ".join(error.split()))
    assert list(tmp_path.iterdir()) == []


def test_a_loss_that_is_not_a_number(image_directory, tmp_path, refused, monkeypatch):
    def loss(self, logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return logits.sum() * float("nan")

    monkeypatch.setattr("vicinal.core.objective.SingleLabel.loss", loss)
    message = refused("train", image_directory, "--out", tmp_path / "run", *QUICK)
    advice = "The loss became nan in epoch 1, step 1. Train with a smaller --lr"
    assert advice in message


# --- tables ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty. Expected the columns path"),
        ("a,b\n1,2\n", "no column for the image paths.*got a, b"),
        ("path,b\nx.png,2\n", "no column for the labels.*one of label.*got path"),
        ("path,label\n", r"No row of the table has both.*\(0 rows\)\.$"),
        ("path,label\nx.png,\ny.png,NaN\n", "No row .* row 2 has an empty label"),
        ("path,label\nx.png,a\ny.png,b\n", "None of the 2 .* no such file"),
        ("path,label\nx.png,a,7\n", "cannot be read as a table.*double quotes"),
    ],
)
def test_unusable_tables_are_refused(text, message, tmp_path, refused):
    path = write_table(tmp_path, text)
    words = ("train", path, "--domain", "images", "--out", tmp_path / "run", *QUICK)
    assert re.search(message, refused(*words))
    assert list(tmp_path.iterdir()) == [path]


def test_the_target_must_be_a_column(tmp_path, refused):
    path = write_table(tmp_path, "path,size\nx.png,3\n")
    message = refused("train", path, "--target", "wieght")
    assert "There is no column 'wieght' in the table. Known: path, size." in message


def test_unusable_rows_of_a_table_are_quarantined(
    image_directory, tmp_path, run_command
):
    good = "".join(
        f"{image_directory}/{name}/{k}.png,{name}\n"
        for name in ("dark", "light")
        for k in range(8)
    )
    dark = f"{image_directory}/dark"
    bad = f"gone.png,dark\n{dark}/8.png,\n{dark}/9.png,NaN\n,light\n"
    path, run = write_table(tmp_path, f"Path,LABEL\n{good}{bad}"), tmp_path / "run"
    found = run_command("train", path, "--out", run, *QUICK, "--json").json()
    assert sum(found["splits"].values()) == 16 and found["quarantined"] == 4
    reasons = [row["reason"] for row in read_rows(run / "data" / "quarantine.csv")]
    expected = [
        "row 19 has an empty",
        "row 20 has an empty",
        "row 21 has no path",
        "no such file",
    ]
    assert all(text in r for text, r in zip(expected, reasons, strict=True))
    found = run_command("evaluate", run, path, "--json").json()
    assert "quarantined, for example" in found["notes"][0]


def test_numbers_with_a_decimal_comma_are_read(image_directory, tmp_path, run_command):
    rows = [f"{image_directory}/dark/{k}.png;{k},{k}" for k in range(10)]
    path, run = write_table(tmp_path, "path;weight\n" + "\n".join(rows)), tmp_path / "r"
    words = ("train", path, "--target", "weight", "--out", run, *QUICK)
    assert run_command(*words).code == 0
    labels = [float(row["label"]) for row in read_rows(run / "data" / "index.csv")]
    assert labels == [k + k / 10 for k in range(10)]


def test_a_table_of_test_images_alone_is_refused(image_directory, tmp_path, refused):
    rows = "".join(f"{image_directory}/{c}/1.png,{c},test\n" for c in ("dark", "light"))
    path, run = write_table(tmp_path, f"path,label,split\n{rows}"), tmp_path / "run"
    message = refused("train", path, "--out", run, *QUICK)
    quarantine = run / "data" / "quarantine.csv"
    assert "0 images in the train split" in message and str(quarantine) in message
    assert len(read_rows(quarantine)) == 2


# --- directories -----------------------------------------------------------------


def test_one_class_is_refused(make_directory, tmp_path, refused):
    root = make_directory({"cat": 4}, **GREY)
    message = refused("train", root, "--out", tmp_path / "run", *QUICK)
    assert "All images are of one class (cat). A classifier needs two" in message


@pytest.mark.parametrize("counts", [(1, 1), (2, 1), (2, 2), (3, 1, 2), (3, 3)])
def test_one_to_three_images_per_class(counts, make_directory, tmp_path, run_command):
    root = make_directory(dict(zip("abc", counts, strict=False)), **GREY)
    run = tmp_path / "run"
    found = run_command("train", root, "--out", run, *QUICK, "--json").json()
    assert sum(found["splits"].values()) == sum(counts)
    assert found["splits"]["train"] >= len(counts)  # every class can be learned
    held_out = found["splits"]["test"]
    assert (found["score"]["n"] if held_out else found["score"]) == (held_out or None)
    if not held_out:
        text = (run / "report.txt").read_text()
        assert "No score: there are too few images to hold any out" in text
    assert run_command("predict", run, root, "--json").json()["n"] == sum(counts)


def test_classes_that_are_missing_in_a_split(make_directory, tmp_path, run_command):
    counts = {"train/a": 6, "train/b": 6, "train/c": 2, "val/a": 2, "val/b": 2}
    root, run = make_directory(counts | {"val/d": 3}, **GREY), tmp_path / "run"
    found = run_command("train", root, "--out", run, *QUICK, "--json").json()
    assert [row["class"] for row in found["classes"]] == ["a", "b", "c"]
    assert found["score"]["n"] == 4 and found["quarantined"] == 3
    assert "classes without an image here: c" in found["notes"]
    reasons = [row["reason"] for row in read_rows(run / "data" / "quarantine.csv")]
    assert reasons == ["its class 'd' has no training image"] * 3
    text = (run / "report.txt").read_text()
    assert "! Classes in val that are missing in train: 'd'." in text
    assert "! Classes in train that are missing in val: 'c'." in text


def test_skipped_directories_are_noted_in_the_report(
    make_directory, tmp_path, run_command
):
    root = make_directory({"cat": 3, "dog": 3, ".ipynb_checkpoints": 2}, **GREY)
    (root / "cat" / "again").symlink_to("..", target_is_directory=True)
    run = tmp_path / "run"
    assert run_command("train", root, "--out", run, *QUICK).code == 0
    text = (run / "report.txt").read_text()
    assert "! Hidden directories skipped: '.ipynb_checkpoints'." in text


NAMES = ["猫 と 犬", 'it\'s "a" <b>&c', "🦆", "two\nlines", "-x", "$(touch x)", "é"]


def test_names_in_any_script(make_directory, tmp_path, run_command):
    root = make_directory(dict.fromkeys(NAMES, 4), name="my 猫 data", **GREY)
    for name in NAMES:
        (root / name / "0.png").rename(root / name / f"{name} 😀'\".png")
    run = tmp_path / "out 猫"
    found = run_command("train", root, "--out", run, *QUICK, "--json").json()
    assert [row["class"] for row in found["classes"]] == sorted(NAMES)
    assert json.loads((run / "classes.json").read_text()) == sorted(NAMES)
    assert len(read_rows(run / "data" / "index.csv")) == 4 * len(NAMES)

    path = tmp_path / "predictions.csv"
    words = ("predict", run, root, "--output", path, "--json")
    found = run_command(*words).json()
    assert found["n"] == 4 * len(NAMES)
    paths = [row["path"] for row in read_rows(path)]
    assert all(Path(name).is_file() for name in paths)
    assert sorted(paths) == sorted(row["path"] for row in found["predictions"])
    assert run_command("evaluate", run, root).code == 0
    assert "🦆" in run_command("report", run).out


def test_a_directory_whose_name_is_not_utf8(
    image_directory, image_run, tmp_path, run_command, refused
):
    data = tmp_path / os.fsdecode(b"caf\xe9")
    data.symlink_to(image_directory, target_is_directory=True)
    output = run_command("train", data, "--out", tmp_path / "run", *QUICK)
    assert output.code == 0 and "caf\\udce9: classification" in output.out
    assert "not valid UTF-8" in refused("predict", image_run, data)


# --- damaged files ---------------------------------------------------------------


def add_damaged_files(folder: Path) -> dict[str, str]:
    """Write files that cannot be used; return the expected reason of each."""
    content = (folder / "0.png").read_bytes()
    (folder / "cut.png").write_bytes(content[: len(content) // 2])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "noise.jpg").write_bytes(bytes(range(256)) * 8)
    frames = [Image.new("L", (8, 8), shade) for shade in (0, 99, 200)]
    frames[0].save(folder / "moving.gif", save_all=True, append_images=frames[1:])
    Image.new("1", (9500, 9500)).save(folder / "bomb.png")
    (folder / "folder.png").symlink_to("folder.png")
    return {
        "cut.png": "damaged",
        "empty.jpg": "the file is empty",
        "noise.jpg": "not an image in a supported format",
        "moving.gif": "animated or multi-page (3 frames)",
        "bomb.png": "pixels",
        "folder.png": "symbolic links",
    }


def test_damaged_files_are_quarantined_by_every_command(
    make_directory, tmp_path, image_run, run_command
):
    root, run = make_directory({"dark": 8, "light": 8}, **GREY), tmp_path / "run"
    reasons = add_damaged_files(root / "dark")
    found = run_command("train", root, "--out", run, *QUICK, "--json").json()
    assert found["quarantined"] == len(reasons)
    assert sum(found["splits"].values()) == 16
    rows = read_rows(run / "data" / "quarantine.csv")
    reported = {Path(row["name"]).name: row["reason"] for row in rows}
    assert {row["label"] for row in rows} == {"dark"}
    assert reported.keys() == reasons.keys()
    assert {n: reported[n] for n, r in reasons.items() if r not in reported[n]} == {}
    assert "6 of 22 images quarantined" in (run / "report.txt").read_text()

    path = tmp_path / "quarantine.csv"
    checked = run_command("check", root, "--quarantine", path, "--json").json()
    assert (checked["usable"], checked["quarantined"]) == (16, 6)
    assert read_rows(path) == rows == checked["quarantine"]

    scored = run_command("evaluate", image_run, root, "--json").json()
    assert scored["score"]["n"] == 16
    assert "quarantined, for example dark/bomb.png" in scored["notes"][0]

    path = tmp_path / "predictions.csv"
    output = run_command("predict", image_run, root, "--output", path, "--json")
    assert output.json()["n"] == 16 and output.json()["unreadable"] == 6
    for row in read_rows(path):
        reason = reasons.get(Path(row["path"]).name, "")
        assert reason in row["reason"] and bool(reason) == (row["predicted"] == "")
    assert "cut.png: damaged" in output.err
