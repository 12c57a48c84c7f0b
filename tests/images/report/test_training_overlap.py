"""Images that a model was trained on are found by content, and reported."""

import json

import numpy as np
import pytest

from vicinal.cli.app import main
from vicinal.images.data.audit import ImageReader
from vicinal.images.data.dataset import load_dataset
from vicinal.images.data.read import read_images
from vicinal.images.report.training_overlap import count_training_overlap

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


def test_evaluate_reports_the_overlap(run, capsys):
    root, out = run
    capsys.readouterr()
    assert main(["evaluate", str(out), str(root), "--json"]) == 0
    verdict = json.loads(capsys.readouterr().out)["verdict"]
    assert "examples were in the training data" in verdict
