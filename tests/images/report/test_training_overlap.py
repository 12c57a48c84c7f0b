"""Images that a model was trained on are found by content, and reported."""

import json

import numpy as np
import pandas as pd
import pytest

from vicinal.cli.app import main
from vicinal.core.data.csv_tables import write_csv
from vicinal.core.data.quarantine import Quarantined, write_quarantine
from vicinal.images.data.audit import ImageReader
from vicinal.images.data.dataset import load_dataset
from vicinal.images.data.read import read_images
from vicinal.images.report.training_overlap import (
    count_training_overlap,
    note_near_duplicates,
)

pytestmark = pytest.mark.usefixtures("without_plots")

QUICK = ["--epochs", "1", "--image-size", "8", "--precision", "float32"]


@pytest.fixture
def run(make_directory, tmp_path):
    root = make_directory({"a": 8, "b": 8}, height=8, width=8, channels=1)
    out = tmp_path / "run"
    assert main(["train", str(root), "--out", str(out), *QUICK]) == 0
    return root, out


def test_renamed_training_images_are_found(run):
    root, out = run
    table = read_images(root)
    for k, name in enumerate(table.names):
        path = table.path(k)
        path.rename(path.with_name(f"renamed-{name.replace('/', '-')}"))
    table = read_images(root)
    counts = json.loads((out / "metrics.json").read_text())["splits"]
    trained_on = counts["train"] + counts["val"]
    assert 0 < trained_on < len(table)
    images = load_dataset(table, ImageReader(8))[1]
    assert count_training_overlap(out, images) == trained_on
    assert count_training_overlap(out, images.rows(np.arange(0))) == 0


def test_other_images_are_not_found_and_other_directories_give_zero(
    run, make_directory
):
    _, out = run
    root = make_directory({"a": 3}, "other", height=9, width=9, channels=1)
    images = load_dataset(read_images(root), ImageReader(8))[1]
    assert count_training_overlap(out, images) == 0
    assert count_training_overlap(out.parent, images) == 0


def test_images_that_the_run_left_out_as_near_duplicates_are_noted(tmp_path):
    table = read_images(np.arange(48, dtype=np.uint8).reshape(3, 4, 4), ["a", "b", "a"])
    images = load_dataset(table, ImageReader(4))[1]
    contents = [digest.tobytes().hex() for digest in images.digests]
    (tmp_path / "data").mkdir()
    index = pd.DataFrame({"path": ["=1", "2", "3"], "content": contents})
    rows = [
        Quarantined("=1", "a", "a near duplicate of x, which is in train"),
        Quarantined("2", "b", "a copy of x, which is in train"),
    ]
    write_csv(tmp_path / "data" / "index.csv", index, escape=False)
    write_quarantine(tmp_path / "data" / "quarantine.csv", rows)
    (note,) = note_near_duplicates(tmp_path, images)
    assert "1 image of these 3 are near duplicates" in note
    assert note_near_duplicates(tmp_path, images.rows(np.array([1, 2]))) == []
    assert note_near_duplicates(tmp_path / "data", images) == []


def test_evaluate_reports_the_overlap(run, capsys):
    root, out = run
    capsys.readouterr()
    assert main(["evaluate", str(out), str(root), "--json"]) == 0
    verdict = json.loads(capsys.readouterr().out)["verdict"]
    assert "examples were in the training data" in verdict
