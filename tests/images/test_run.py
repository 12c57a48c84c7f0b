"""From data to run folder: honest parts, whole folders, nothing lost on the way."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from vicinal.core.storage.run_folder import Run
from vicinal.core.training.trainer import Epoch, Interrupted
from vicinal.domains import load
from vicinal.errors import DataError, NoDataError
from vicinal.images.classifier import ImageClassifier
from vicinal.images.data.read import read_images
from vicinal.images.estimator import ImageEstimator
from vicinal.images.regressor import ImageRegressor
from vicinal.images.run import TrainingRun

QUICK: dict[str, Any] = {
    "epochs": 2,
    "batch_size": 8,
    "augment": "none",
    "exact": True,
    "cache": False,
}
GREY: dict[str, int] = {"height": 8, "width": 8, "channels": 1}
Work = Callable[..., TrainingRun]


@pytest.fixture
def work(tmp_path) -> Work:
    """Work a training run through: work(data, kind, epochs=3) gives it back."""

    def do(
        data: Any, kind: type[ImageEstimator] = ImageClassifier, **settings: Any
    ) -> TrainingRun:
        with Run.create(tmp_path / "run") as run:
            learner = kind(**QUICK | settings)
            done = TrainingRun(learner, read_images(data), run, "some data")
            for _ in done.steps():
                pass
        return done

    return do


def read(done: TrainingRun, name: str) -> pd.DataFrame:
    return pd.read_csv(done.run.folder / name, keep_default_na=False)


def parts_of(done: TrainingRun) -> dict[str, str]:
    """Part of each picture, as data/splits.csv has it."""
    table = read(done, "data/splits.csv")
    return dict(zip(table["path"], table["split"], strict=True))


def reasons_of(done: TrainingRun) -> dict[str, str]:
    table = read(done, "data/quarantine.csv")
    return dict(zip(table["path"], table["reason"], strict=True))


# --- the folder ------------------------------------------------------------------


def test_the_run_folder(make_folder, work):
    done = work(make_folder({"cat": 10, "dog": 10}, **GREY))
    index, parts = read(done, "data/index.csv"), parts_of(done)
    assert list(index) == "path label usable width height content".split()
    assert index["path"].tolist() == list(parts) == done.table.names
    assert set(index["width"]) == set(index["height"]) == {8}
    assert index["content"].str.len().eq(32).all() and index["content"].is_unique
    counts = pd.Series(parts).value_counts().to_dict()
    assert counts == {"train": 12, "val": 4, "test": 4}
    assert read(done, "data/quarantine.csv").empty

    predictions = read(done, "predictions.csv")
    held_out = [path for path, part in parts.items() if part == "test"]
    assert predictions["path"].tolist() == held_out
    right = (predictions["label"] == predictions["predicted"]).mean()
    metrics = json.loads((done.run.folder / "metrics.json").read_text())
    assert metrics["score"]["value"] == right and metrics == done.summary()
    assert (metrics["pictures"], metrics["epochs"]) == (counts, 2)

    epochs = read(done, "metrics.csv")
    assert list(epochs) == list(Epoch._fields) and epochs["epoch"].tolist() == [1, 2]
    assert json.loads((done.run.folder / "classes.json").read_text()) == ["cat", "dog"]
    told = json.loads((done.run.folder / "env.json").read_text())
    assert {"vicinal", "python", "packages", "system", "started"} <= set(told)
    for name in ("report.html", "report.json", "report.txt", "model.json"):
        assert (done.run.folder / name).stat().st_size > 100


def test_the_news_come_in_the_order_of_the_work(make_folder, tmp_path):
    root = make_folder({"cat": 6, "dog": 6}, **GREY)
    ticks: list[tuple[int, int]] = []
    with Run.create(tmp_path / "run") as run:
        learner = ImageClassifier(**QUICK)
        table = read_images(root)
        done = TrainingRun(learner, table, run, "x", lambda k, n: ticks.append((k, n)))
        news = list(done.steps())
    assert ticks == [(k, 12) for k in range(1, 13)]
    assert [type(one) for one in news] == [str] * 3 + [Epoch] * 2 + [str] * 2
    assert news[0] == "12 pictures, 2 classes, about 8 x 8 pixels"
    assert str(news[1]).endswith("copies stay on one side")
    assert "small (" in str(news[2]) and "2 epochs at most, about 1 s" in str(news[2])
    assert str(news[-2]).startswith("accuracy")
    assert done.evaluation is not None and news[-1] == done.evaluation.verdict


def test_the_first_answer_is_a_model_on_disk_before_training_goes_on(
    make_folder, tmp_path
):
    """Whatever happens later, there is something to predict with."""
    root = make_folder({"cat": 12, "dog": 12}, **GREY)
    x = np.random.default_rng(0).integers(0, 256, (24, 8, 8)).astype(np.uint8)
    weights = ImageClassifier(**QUICK).fit(x, ["a", "b"] * 12).save(tmp_path / "w")
    with Run.create(tmp_path / "run") as run:
        learner = ImageClassifier(**QUICK, weights=str(weights))
        for one in TrainingRun(learner, read_images(root), run, "some data").steps():
            if isinstance(one, Epoch):
                break  # as if it were killed in the first epoch
    assert not run.path("report.txt").exists()
    model = load(run.folder)
    assert sorted(model.classes_) == ["cat", "dog"] and model.history_ == []
    first = learner.probe_.fit.head.logits(learner.probe_.features)
    splits = pd.read_csv(run.folder / "data/splits.csv")
    names = splits["path"][splits["split"] == "train"]
    found = model.predict_proba([str(root / name) for name in names])
    wanted = learner.objective_.predict(first / model.temperature_)
    np.testing.assert_allclose(found, wanted, atol=1e-3)


def test_the_seed_decides_the_parts(make_folder, work):
    root = make_folder({"cat": 12, "dog": 12}, **GREY)
    first, again, other = (parts_of(work(root, random_state=k)) for k in (0, 0, 1))
    assert first == again and first != other


def test_a_name_that_is_no_utf8_spoils_no_file(make_folder, tmp_path):
    source = b"caf\xe9".decode(errors="surrogateescape")
    table = read_images(make_folder({"cat": 4, "dog": 4}, **GREY))
    with Run.create(tmp_path / "run") as run:
        list(TrainingRun(ImageClassifier(**QUICK), table, run, source).steps())
    for name in ("report.html", "report.txt"):
        assert "caf\\udce9" in (run.folder / name).read_text(encoding="utf-8")


# --- honest parts ----------------------------------------------------------------


def copy(root: Path, source: str, *targets: str) -> None:
    for target in targets:
        (root / target).parent.mkdir(parents=True, exist_ok=True)
        (root / target).write_bytes((root / source).read_bytes())


@pytest.mark.parametrize("seed", range(5))
def test_copies_stay_on_one_side(seed, make_folder, work):
    root = make_folder({"cat": 8, "dog": 8}, **GREY)
    for name in ("cat", "dog"):
        for k in range(8):
            copy(root, f"{name}/{k}.png", f"{name}/{k}-again.png", f"{name}/{k} c.png")
    done = work(root, random_state=seed, epochs=1)
    parts = parts_of(done)
    assert len(parts) == 48 and set(parts.values()) == {"train", "val", "test"}
    for name in ("cat", "dog"):
        for k in range(8):
            ends = ("", "-again", " c")
            assert len({parts[f"{name}/{k}{end}.png"] for end in ends}) == 1
    report = (done.run.folder / "report.txt").read_text()
    assert "48 pictures are exact copies of each other, in 16 groups" in report


def test_copies_under_two_labels_are_set_aside(make_folder, work):
    root = make_folder({"cat": 6, "dog": 6}, **GREY)
    copy(root, "cat/0.png", "dog/copy.png")
    done = work(root)
    reasons = reasons_of(done)
    assert reasons.keys() == {"cat/0.png", "dog/copy.png"}
    assert all("one picture under different labels" in why for why in reasons.values())
    assert len(parts_of(done)) == 11


def test_a_copy_in_the_user_s_test_of_a_train_picture_is_set_aside(make_folder, work):
    shape = {"train/cat": 6, "train/dog": 6, "val/cat": 2, "val/dog": 2}
    root = make_folder(shape | {"test/cat": 3, "test/dog": 3}, **GREY)
    copy(root, "train/cat/0.png", "test/cat/leak.png", "val/cat/leak.png")
    copy(root, "val/dog/0.png", "test/dog/leak.png")
    copy(root, "test/dog/1.png", "test/dog/twin.png")  # both in test: no leak
    done = work(root)
    assert reasons_of(done) == {
        "test/cat/leak.png": "a copy of train/cat/0.png, which is in train",
        "val/cat/leak.png": "a copy of train/cat/0.png, which is in train",
        "test/dog/leak.png": "a copy of val/dog/0.png, which is in val",
    }
    parts = parts_of(done)
    assert all(path.startswith(part) for path, part in parts.items())
    assert done.evaluation is not None and done.evaluation.score.n == 7
    index = read(done, "data/index.csv")
    pairs = zip(index["path"], index["usable"], strict=True)
    usable = {path for path, can_be_used in pairs if can_be_used}
    assert usable == set(parts) and len(index) == 26
    text = (done.run.folder / "report.txt").read_text()
    assert "23 pictures, 2 classes, about 8 x 8 pixels; 3 set aside" in text
    assert "3 of 26 pictures are not used" in text
    assert done.summary()["quarantined"] == 3


def test_a_val_part_alone_is_the_test(make_folder, work):
    counts = {"train/cat": 10, "train/dog": 10, "valid/cat": 3, "valid/dog": 3}
    done = work(make_folder(counts, **GREY))
    parts = parts_of(done)
    tested = {path for path, part in parts.items() if part == "test"}
    assert tested == {path for path in parts if path.startswith("valid")}
    assert sorted(parts.values()).count("val") == 4  # taken from train
    assert done.evaluation is not None and done.evaluation.score.n == 6


def test_train_and_test_without_val(make_folder, work):
    counts = {"train/cat": 10, "train/dog": 10, "test/cat": 3, "test/dog": 3}
    parts = parts_of(work(make_folder(counts, **GREY)))
    made = {path for path, part in parts.items() if part == "val"}
    assert len(made) == 4 and all(path.startswith("train") for path in made)


def test_a_train_part_alone_is_divided(make_folder, work):
    done = work(make_folder({"train/cat": 10, "train/dog": 10}, **GREY))
    assert set(parts_of(done).values()) == {"train", "val", "test"}
    assert done.evaluation is not None and done.evaluation.score.n == 4


def test_rows_without_a_part_are_for_training(make_folder, tmp_path, work):
    root = make_folder({"cat": 8, "dog": 8}, **GREY)
    table = read_images(root)
    split = ["test", "", "val", "", "", "", "", ""] * 2
    frame = pd.DataFrame({"path": table.names, "label": table.labels, "split": split})
    frame["path"] = [str(root / name) for name in frame["path"]]
    parts = list(parts_of(work(frame)).values())
    assert parts == ["test", "train", "val", *["train"] * 5] * 2


def test_labels_that_train_does_not_have(make_folder, work):
    root = make_folder({"": 12}, **GREY)
    rows = [("a", "train"), ("a|b", "train")] * 4
    rows += [("a", "val"), ("b", "val"), ("a|c", "test"), ("b", "test")]
    frame = pd.DataFrame(rows, columns=["label", "split"])
    frame["path"] = [str(root / f"{k}.png") for k in range(12)]
    done = work(frame)
    assert reasons_of(done) == {
        str(root / "10.png"): "its class 'c' has no picture in train"
    }
    assert done.learner.objective_.classes == ("a", "b")


def test_a_rare_label_is_for_training(make_folder, work):
    root = make_folder({"": 12}, **GREY)
    labels = ["a", "a|b"] * 5 + ["a|rare", "b|rarer"]
    frame = pd.DataFrame({"path": [str(root / f"{k}.png") for k in range(12)]})
    frame["label"] = labels
    for seed in range(4):
        done = work(frame, random_state=seed, epochs=1, test_fraction=0.4)
        parts = list(parts_of(done).values())
        assert parts[10:] == ["train", "train"] and "test" in parts
        assert done.learner.objective_.classes == ("a", "b", "rare", "rarer")


# --- what can go wrong -----------------------------------------------------------


def test_nothing_can_be_held_out(make_folder, work):
    done = work(make_folder({"cat": 1, "dog": 1}, **GREY))
    got = done.summary()
    assert got["score"] is None and got["baselines"] == {}
    assert got["pictures"] == {"train": 2, "val": 0, "test": 0}
    assert not (done.run.folder / "predictions.csv").exists()
    text = (done.run.folder / "report.txt").read_text()
    assert "There is no score: no picture could be held out" in text


def test_one_number_to_learn_from(make_folder, work):
    root = make_folder({"": 2}, **GREY)
    frame = pd.DataFrame({"path": [str(root / f"{k}.png") for k in range(2)]})
    frame["label"] = [1.5, 2.5]
    with pytest.raises(NoDataError, match="One picture is left for training"):
        work(frame, ImageRegressor)


def test_what_was_found_is_kept_when_nothing_is_left(make_folder, work, tmp_path):
    root = make_folder({"test/cat": 2, "test/dog": 2}, **GREY)
    with pytest.raises(NoDataError, match=r"run/data/quarantine\.csv"):
        work(root)
    aside = pd.read_csv(tmp_path / "run" / "data" / "quarantine.csv")
    assert set(aside["reason"]) == {
        "its class 'cat' has no picture in train",
        "its class 'dog' has no picture in train",
    }


def test_a_stop_is_heard_while_pictures_are_opened(make_folder, tmp_path):
    root = make_folder({"cat": 6, "dog": 6}, **GREY)
    ticks: list[int] = []
    with Run.create(tmp_path / "run") as run:
        done = TrainingRun(
            ImageClassifier(**QUICK),
            read_images(root),
            run,
            "x",
            lambda k, n: ticks.append(k),
            lambda: len(ticks) >= 3,
        )
        with pytest.raises(Interrupted):
            list(done.steps())
    assert ticks == [1, 2, 3]


def test_a_picture_that_changes_while_training_runs(make_folder, tmp_path, monkeypatch):
    root = make_folder({"cat": 8, "dog": 8}, **GREY)
    monkeypatch.setattr("vicinal.images.data.dataset.free_memory", lambda: 0.0)
    with Run.create(tmp_path / "run") as run:
        steps = TrainingRun(
            ImageClassifier(**QUICK), read_images(root), run, "x"
        ).steps()
        next(steps)
        for path in root.rglob("*.png"):
            path.write_bytes(b"")
        with pytest.raises(DataError, match="changed since the audit: the file is emp"):
            list(steps)


def test_pictures_that_do_not_fit_into_memory(make_folder, work, monkeypatch):
    root = make_folder({"cat": 8, "dog": 8}, **GREY)
    kept = work(root)
    monkeypatch.setattr("vicinal.images.data.dataset.free_memory", lambda: 0.0)
    read_again = work(root)
    for name in ("model.safetensors", "predictions.csv"):
        assert (kept.run.folder / name).read_bytes() == (
            read_again.run.folder / name
        ).read_bytes()
    assert np.isfinite(read_again.learner.history_[-1].val_loss)
