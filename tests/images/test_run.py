"""Image runs: honest splits, complete run directories, interruption and resumption."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from vicinal.core.storage.run_folder import Run
from vicinal.core.training.trainer import Epoch, TrainingInterrupted
from vicinal.domains import load
from vicinal.errors import DataError, NoDataError
from vicinal.images.classifier import ImageClassifier
from vicinal.images.data.read import read_images
from vicinal.images.estimator import ImageEstimator
from vicinal.images.regressor import ImageRegressor
from vicinal.images.run import ImageRun

pytestmark = pytest.mark.usefixtures("without_plots")

QUICK: dict[str, Any] = {
    "epochs": 2,
    "batch_size": 8,
    "augment": "none",
    "deterministic": True,
    "cache": False,
}
GREY: dict[str, int] = {"height": 8, "width": 8, "channels": 1}
RunTraining = Callable[..., ImageRun]


@pytest.fixture
def run_training(tmp_path) -> RunTraining:
    """Return a function that runs a training: run_training(data, epochs=3)."""

    def run_to_the_end(
        data: Any,
        estimator_type: type[ImageEstimator] = ImageClassifier,
        **settings: Any,
    ) -> ImageRun:
        with Run.create(tmp_path / "run") as run:
            estimator = estimator_type(**QUICK | settings)
            image_run = ImageRun(estimator, read_images(data), run, "some data")
            for _ in image_run.steps():
                pass
        return image_run

    return run_to_the_end


def read_table(image_run: ImageRun, name: str) -> pd.DataFrame:
    """Return a CSV of the run directory."""
    return pd.read_csv(image_run.run.folder / name, keep_default_na=False)


def read_splits(image_run: ImageRun) -> dict[str, str]:
    """Return the split of each image, from data/splits.csv."""
    table = read_table(image_run, "data/splits.csv")
    return dict(zip(table["path"], table["split"], strict=True))


def quarantine_reasons(image_run: ImageRun) -> dict[str, str]:
    """Return the reason for each quarantined image, from data/quarantine.csv."""
    table = read_table(image_run, "data/quarantine.csv")
    return dict(zip(table["name"], table["reason"], strict=True))


# --- run directory ---------------------------------------------------------------


def test_files_of_a_run(make_directory, run_training):
    image_run = run_training(make_directory({"cat": 10, "dog": 10}, **GREY))
    index, splits = read_table(image_run, "data/index.csv"), read_splits(image_run)
    assert list(index) == "path label usable width height content".split()
    assert index["path"].tolist() == list(splits) == image_run.data.names
    assert set(index["width"]) == set(index["height"]) == {8}
    assert index["content"].str.len().eq(32).all() and index["content"].is_unique
    counts = pd.Series(splits).value_counts().to_dict()
    assert counts == {"train": 12, "val": 4, "test": 4}
    assert read_table(image_run, "data/quarantine.csv").empty

    predictions = read_table(image_run, "predictions.csv")
    held_out = [path for path, split in splits.items() if split == "test"]
    assert predictions["path"].tolist() == held_out
    accuracy = (predictions["label"] == predictions["predicted"]).mean()
    metrics = json.loads((image_run.run.folder / "metrics.json").read_text())
    assert metrics["score"]["value"] == accuracy and metrics == image_run.summary()
    assert (metrics["splits"], metrics["epochs"]) == (counts, 2)

    epochs = read_table(image_run, "metrics.csv")
    assert list(epochs) == list(Epoch._fields) and epochs["epoch"].tolist() == [1, 2]
    assert json.loads((image_run.run.folder / "classes.json").read_text()) == [
        "cat",
        "dog",
    ]
    environment = json.loads((image_run.run.folder / "env.json").read_text())
    assert {"vicinal", "python", "packages", "system", "started"} <= set(environment)
    for name in ("report.html", "report.json", "report.txt", "model.json"):
        assert (image_run.run.folder / name).stat().st_size > 100


def test_steps_are_yielded_in_order(make_directory, tmp_path):
    root = make_directory({"cat": 6, "dog": 6}, **GREY)
    progress: list[tuple[int, int]] = []
    with Run.create(tmp_path / "run") as run:
        estimator = ImageClassifier(**QUICK)
        table = read_images(root)
        image_run = ImageRun(
            estimator, table, run, "x", lambda k, n: progress.append((k, n))
        )
        steps = list(image_run.steps())
    assert progress == [(k, 12) for k in range(1, 13)]
    assert [type(step) for step in steps] == [str] * 3 + [Epoch] * 2 + [str] * 2
    assert steps[0] == "12 images, 2 classes, about 8 x 8 pixels"
    assert str(steps[1]).endswith("copies stay in one split")
    assert "small (" in str(steps[2]) and "2 epochs at most, up to " in str(steps[2])
    assert str(steps[-2]).startswith("accuracy")
    assert (
        image_run.evaluation is not None and steps[-1] == image_run.evaluation.verdict
    )


def test_linear_probe_is_saved_before_fine_tuning(make_directory, tmp_path):
    """A run that is killed while fine-tuning leaves a usable model."""
    root = make_directory({"cat": 12, "dog": 12}, **GREY)
    x = np.random.default_rng(0).integers(0, 256, (24, 8, 8)).astype(np.uint8)
    weights = ImageClassifier(**QUICK).fit(x, ["a", "b"] * 12).save(tmp_path / "w")
    with Run.create(tmp_path / "run") as run:
        estimator = ImageClassifier(**QUICK, weights=str(weights))
        for step in ImageRun(estimator, read_images(root), run, "some data").steps():
            if isinstance(step, Epoch):
                break  # as if the run was killed in the first epoch
    assert not run.path("report.txt").exists()
    model = load(run.folder)
    assert sorted(model.classes_) == ["cat", "dog"] and model.history_ == []
    logits = estimator.probe_.fit.head.logits(estimator.probe_.features)
    splits = pd.read_csv(run.folder / "data/splits.csv")
    names = splits["path"][splits["split"] == "train"]
    actual = model.predict_proba([str(root / name) for name in names])
    expected = estimator.objective_.predict(logits / model.temperature_)
    np.testing.assert_allclose(actual, expected, atol=1e-3)


@pytest.mark.parametrize("resize", ["crop", "pad"])
def test_the_intensity_range_and_elongated_images_are_noted(resize, tmp_path):
    for name, low in (("cat", 1000), ("dog", 1050)):
        (tmp_path / name).mkdir()
        for k in range(6):
            pixels = np.random.default_rng(k).integers(low, low + 51, (8, 40))
            pixels[:, 0], pixels[:, 1] = low, low + 50
            image = Image.fromarray(pixels.astype(np.uint16))
            image.save(tmp_path / name / f"{k}.png")
    with Run.create(tmp_path / "run") as run:
        estimator = ImageClassifier(**QUICK, resize=resize)
        training = ImageRun(estimator, read_images(tmp_path), run, "x")
        steps = list(training.prepare())
    assert training.parts.images.reader.intensity_range == (1000, 1100)
    notes = [step for step in steps if step.startswith("note: 12 images")]
    assert "values from 1000 to 1100 are scaled to 0..255" in notes[0]
    assert ("--resize pad" in notes[-1]) == (resize == "crop") == (len(notes) == 2)


def test_the_seed_determines_the_split(make_directory, run_training):
    root = make_directory({"cat": 12, "dog": 12}, **GREY)
    first, again, other = (
        read_splits(run_training(root, random_state=k)) for k in (0, 0, 1)
    )
    assert first == again and first != other


def test_name_that_is_not_utf8_is_escaped(make_directory, tmp_path):
    source = b"caf\xe9".decode(errors="surrogateescape")
    table = read_images(make_directory({"cat": 4, "dog": 4}, **GREY))
    with Run.create(tmp_path / "run") as run:
        list(ImageRun(ImageClassifier(**QUICK), table, run, source).steps())
    for name in ("report.html", "report.txt"):
        assert "caf\\udce9" in (run.folder / name).read_text(encoding="utf-8")


# --- splits ----------------------------------------------------------------------


def quick_first(n: int) -> list[Any]:
    """Return n seeds; those behind the first run with make slow."""
    return [0, *(pytest.param(k, marks=pytest.mark.slow) for k in range(1, n))]


def copy(root: Path, source: str, *targets: str) -> None:
    for target in targets:
        (root / target).parent.mkdir(parents=True, exist_ok=True)
        (root / target).write_bytes((root / source).read_bytes())


@pytest.mark.parametrize("seed", quick_first(5))
def test_copies_stay_in_one_split(seed, make_directory, run_training):
    root = make_directory({"cat": 8, "dog": 8}, **GREY)
    for name in ("cat", "dog"):
        for k in range(8):
            copy(root, f"{name}/{k}.png", f"{name}/{k}-again.png", f"{name}/{k} c.png")
    image_run = run_training(root, random_state=seed, epochs=1)
    splits = read_splits(image_run)
    assert len(splits) == 48 and set(splits.values()) == {"train", "val", "test"}
    for name in ("cat", "dog"):
        for k in range(8):
            copies = [f"{name}/{k}{end}.png" for end in ("", "-again", " c")]
            assert len({splits[path] for path in copies}) == 1
    report = (image_run.run.folder / "report.txt").read_text()
    assert "48 exact duplicates in 16 groups" in report


def test_copies_under_two_labels_are_quarantined(make_directory, run_training):
    root = make_directory({"cat": 6, "dog": 6}, **GREY)
    copy(root, "cat/0.png", "dog/copy.png")
    image_run = run_training(root)
    reasons = quarantine_reasons(image_run)
    assert reasons.keys() == {"cat/0.png", "dog/copy.png"}
    for reason in reasons.values():
        assert "exact duplicates with different labels" in reason
    assert len(read_splits(image_run)) == 11


def test_copies_of_training_images_in_the_given_test_split_are_quarantined(
    make_directory, run_training
):
    shape = {"train/cat": 6, "train/dog": 6, "val/cat": 2, "val/dog": 2}
    root = make_directory(shape | {"test/cat": 3, "test/dog": 3}, **GREY)
    copy(root, "train/cat/0.png", "test/cat/leak.png", "val/cat/leak.png")
    copy(root, "val/dog/0.png", "test/dog/leak.png")
    copy(root, "test/dog/1.png", "test/dog/twin.png")  # both in test: no leak
    image_run = run_training(root)
    assert quarantine_reasons(image_run) == {
        "test/cat/leak.png": "a copy of train/cat/0.png, which is in train",
        "val/cat/leak.png": "a copy of train/cat/0.png, which is in train",
        "test/dog/leak.png": "a copy of val/dog/0.png, which is in val",
    }
    splits = read_splits(image_run)
    assert all(path.startswith(split) for path, split in splits.items())
    assert image_run.evaluation is not None and image_run.evaluation.score.n == 7
    index = read_table(image_run, "data/index.csv")
    pairs = zip(index["path"], index["usable"], strict=True)
    usable = {path for path, is_usable in pairs if is_usable}
    assert usable == set(splits) and len(index) == 26
    text = (image_run.run.folder / "report.txt").read_text()
    assert "23 images, 2 classes, about 8 x 8 pixels; 3 quarantined" in text
    assert "3 of 26 images quarantined" in text
    assert image_run.summary()["quarantined"] == 3


def test_near_duplicates_of_training_images_are_left_out_of_the_score(
    make_directory, run_training
):
    shape = {"train/cat": 9, "train/dog": 9, "test/cat": 4, "test/dog": 4}
    root = make_directory(shape, **GREY)
    for name in ("train/cat/1", "test/dog/0", "test/dog/1"):
        (root / f"{name}.png").rename(root / f"{name}-film7.png")
    image_run = run_training(root, group_pattern=r"film(\d)")
    leaks = ["test/dog/0-film7.png", "test/dog/1-film7.png"]
    where = "train/cat/1-film7.png, which is in train, or in its group"
    expected = dict.fromkeys(leaks, f"a near duplicate of {where}")
    assert quarantine_reasons(image_run) == expected
    found, test = image_run.evaluation, image_run.estimator.evaluate(root / "test")
    assert found is not None and found.score.n == 6 and test.score.n == 8
    assert image_run.leaks is not None and image_run.leaks.names == leaks
    assert image_run.leaks.score.value == test.score.value
    assert image_run.summary()["leaky_score"]["n"] == 8
    assert any("2 test images with near duplicates" in note for note in image_run.notes)
    text = (image_run.run.folder / "report.txt").read_text()
    assert "without them" in text and all(text.count(leak) > 1 for leak in leaks)


def test_near_duplicates_that_are_the_whole_test_split_stay_with_a_note(
    make_directory, run_training
):
    shape = {"train/a": 9, "train/b": 9, "test/a": 2, "test/b": 2}
    root = make_directory(shape, **GREY)
    image_run = run_training(root, group_pattern="(0|1)")
    assert image_run.evaluation is not None and image_run.evaluation.score.n == 4
    assert any("4 test images, all of them" in note for note in image_run.notes)
    assert not quarantine_reasons(image_run) and image_run.leaks is None


def test_given_val_split_without_test_split_is_the_test_split(
    make_directory, run_training
):
    counts = {"train/cat": 10, "train/dog": 10, "valid/cat": 3, "valid/dog": 3}
    image_run = run_training(make_directory(counts, **GREY))
    splits = read_splits(image_run)
    test = {path for path, split in splits.items() if split == "test"}
    assert test == {path for path in splits if path.startswith("valid")}
    assert sorted(splits.values()).count("val") == 4  # taken from train
    assert image_run.evaluation is not None and image_run.evaluation.score.n == 6


def test_val_split_is_taken_from_train_if_missing(make_directory, run_training):
    counts = {"train/cat": 10, "train/dog": 10, "test/cat": 3, "test/dog": 3}
    splits = read_splits(run_training(make_directory(counts, **GREY)))
    val = {path for path, split in splits.items() if split == "val"}
    assert len(val) == 4 and all(path.startswith("train") for path in val)


def test_a_given_train_split_alone_is_split_further(make_directory, run_training):
    image_run = run_training(make_directory({"train/cat": 10, "train/dog": 10}, **GREY))
    assert set(read_splits(image_run).values()) == {"train", "val", "test"}
    assert image_run.evaluation is not None and image_run.evaluation.score.n == 4


def test_rows_without_a_split_are_training_images(
    make_directory, tmp_path, run_training
):
    root = make_directory({"cat": 8, "dog": 8}, **GREY)
    table = read_images(root)
    split = ["test", "", "val", "", "", "", "", ""] * 2
    frame = pd.DataFrame({"path": table.names, "label": table.labels, "split": split})
    frame["path"] = [str(root / name) for name in frame["path"]]
    splits = list(read_splits(run_training(frame)).values())
    assert splits == ["test", "train", "val", *["train"] * 5] * 2


def test_labels_without_a_training_image_are_quarantined(make_directory, run_training):
    root = make_directory({"": 12}, **GREY)
    rows = [("a", "train"), ("a|b", "train")] * 4
    rows += [("a", "val"), ("b", "val"), ("a|c", "test"), ("b", "test")]
    frame = pd.DataFrame(rows, columns=["label", "split"])
    frame["path"] = [str(root / f"{k}.png") for k in range(12)]
    image_run = run_training(frame)
    assert quarantine_reasons(image_run) == {
        str(root / "10.png"): "its class 'c' has no training image"
    }
    assert image_run.estimator.objective_.classes == ("a", "b")


@pytest.mark.parametrize("seed", quick_first(4))
def test_rare_labels_stay_in_the_train_split(seed, make_directory, run_training):
    root = make_directory({"": 12}, **GREY)
    labels = ["a", "a|b"] * 5 + ["a|rare", "b|rarer"]
    frame = pd.DataFrame({"path": [str(root / f"{k}.png") for k in range(12)]})
    frame["label"] = labels
    image_run = run_training(frame, random_state=seed, epochs=1, test_fraction=0.4)
    splits = list(read_splits(image_run).values())
    assert splits[10:] == ["train", "train"] and "test" in splits
    assert image_run.estimator.objective_.classes == ("a", "b", "rare", "rarer")


# --- invalid data and interruptions ----------------------------------------------


def test_without_held_out_images_there_is_no_score(make_directory, run_training):
    image_run = run_training(make_directory({"cat": 1, "dog": 1}, **GREY))
    summary = image_run.summary()
    assert summary["score"] is None and summary["baselines"] == {}
    assert summary["splits"] == {"train": 2, "val": 0, "test": 0}
    assert not (image_run.run.folder / "predictions.csv").exists()
    text = (image_run.run.folder / "report.txt").read_text()
    assert "No score: there are too few images to hold any out" in text


def test_one_training_image_raises(make_directory, run_training):
    root = make_directory({"": 2}, **GREY)
    frame = pd.DataFrame({"path": [str(root / f"{k}.png") for k in range(2)]})
    frame["label"] = [1.5, 2.5]
    with pytest.raises(NoDataError, match="1 image in the train split; at least 2"):
        run_training(frame, ImageRegressor)


def test_quarantine_is_written_even_if_nothing_is_left(
    make_directory, run_training, tmp_path
):
    root = make_directory({"test/cat": 2, "test/dog": 2}, **GREY)
    with pytest.raises(NoDataError, match=r"run/data/quarantine\.csv"):
        run_training(root)
    quarantine = pd.read_csv(tmp_path / "run" / "data" / "quarantine.csv")
    assert set(quarantine["reason"]) == {
        "its class 'cat' has no training image",
        "its class 'dog' has no training image",
    }


def test_stop_request_interrupts_the_audit(make_directory, tmp_path):
    root = make_directory({"cat": 6, "dog": 6}, **GREY)
    progress: list[int] = []
    with Run.create(tmp_path / "run") as run:
        image_run = ImageRun(
            ImageClassifier(**QUICK),
            read_images(root),
            run,
            "x",
            lambda k, n: progress.append(k),
            lambda: len(progress) >= 3,
        )
        with pytest.raises(TrainingInterrupted):
            list(image_run.steps())
    assert progress == [1, 2, 3]


def test_image_that_changes_during_training_raises(
    make_directory, tmp_path, monkeypatch
):
    root = make_directory({"cat": 8, "dog": 8}, **GREY)
    monkeypatch.setattr("vicinal.images.data.dataset.free_memory", lambda: 0.0)
    with Run.create(tmp_path / "run") as run:
        steps = ImageRun(ImageClassifier(**QUICK), read_images(root), run, "x").steps()
        next(steps)
        for path in root.rglob("*.png"):
            path.write_bytes(b"")
        with pytest.raises(DataError, match="changed since the audit: the file is emp"):
            list(steps)


def test_images_that_do_not_fit_into_memory_give_the_same_model(
    make_directory, run_training, monkeypatch
):
    root = make_directory({"cat": 8, "dog": 8}, **GREY)
    in_memory = run_training(root)
    monkeypatch.setattr("vicinal.images.data.dataset.free_memory", lambda: 0.0)
    from_files = run_training(root)
    for name in ("model.safetensors", "predictions.csv"):
        expected = (in_memory.run.folder / name).read_bytes()
        assert (from_files.run.folder / name).read_bytes() == expected
    assert np.isfinite(from_files.estimator.history_[-1].val_loss)
