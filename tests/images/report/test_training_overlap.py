"""A score on pictures that were learned from says so."""

import json

import numpy as np
import pytest

from vicinal.cli.app import main
from vicinal.images.data.audit import ImageReader
from vicinal.images.data.dataset import load_dataset
from vicinal.images.data.read import read_images
from vicinal.images.report.training_overlap import seen_before

QUICK = ["--epochs", "1", "--image-size", "8", "--precision", "float32"]


@pytest.fixture
def run(make_folder, tmp_path):
    root = make_folder({"a": 8, "b": 8}, height=8, width=8, channels=1)
    out = tmp_path / "run"
    assert main(["train", str(root), "--out", str(out), *QUICK]) == 0
    return root, out


def test_pictures_for_training_and_choosing_are_found_by_content(run):
    root, out = run
    table = read_images(root)
    for k, name in enumerate(table.names):  # other names, same content
        path = table.path(k)
        path.rename(path.with_name(f"renamed-{name.replace('/', '-')}"))
    table = read_images(root)
    counts = json.loads((out / "metrics.json").read_text())["pictures"]
    learned = counts["train"] + counts["val"]
    assert 0 < learned < len(table)
    pictures = load_dataset(table, ImageReader(8))[1]
    assert seen_before(out, pictures) == learned
    assert seen_before(out, pictures.rows(np.arange(0))) == 0


def test_other_pictures_are_not_seen_and_a_bare_model_cannot_tell(run, make_folder):
    _, out = run
    other = read_images(make_folder({"a": 3}, "other", height=9, width=9, channels=1))
    pictures = load_dataset(other, ImageReader(8))[1]
    assert seen_before(out, pictures) == 0
    assert seen_before(out.parent, pictures) == 0


def test_evaluate_says_how_many_it_learned_from(run, capsys):
    root, out = run
    capsys.readouterr()
    assert main(["evaluate", str(out), str(root), "--json"]) == 0
    notes = json.loads(capsys.readouterr().out)["notes"]
    assert any("flatters" in note for note in notes)
