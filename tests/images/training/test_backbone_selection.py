"""A backbone is taken for what it does on the train part, within what it may cost."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vicinal import ImageClassifier, ImageRegressor
from vicinal.core.metrics import Score
from vicinal.core.objective import SingleLabel
from vicinal.core.storage.run_folder import Run
from vicinal.errors import SettingError
from vicinal.images import estimator as learners
from vicinal.images.data.read import read_images
from vicinal.images.run import TrainingRun
from vicinal.images.training.backbone_selection import (
    SAMPLE,
    BackboneTrial,
    sample_of,
    take,
)

QUICK: dict[str, Any] = {"epochs": 2, "batch_size": 8, "augment": "none"}
QUICK |= {"exact": True, "cache": False}
Y = np.array([0] * 50 + [1] * 50)
CLASSES = SingleLabel(("a", "b"))


def trial(name: str, right: int, ms: float, mb: float) -> BackboneTrial:
    """One that names the first pictures right and the others wrong."""
    decided = np.where(np.arange(100) < right, Y, 1 - Y)
    score = Score("accuracy", right / 100, 0, 1, 100)
    return BackboneTrial(f"{name}.safetensors", name, score, ms, mb, decided)


GOOD, NEAR, POOR = (
    trial("good", 95, 20, 100),
    trial("near", 93, 10, 40),
    trial("poor", 60, 1, 5),
)


@pytest.mark.parametrize(
    ("limits", "taken", "why"),
    [
        ((None, None), "near", "faster than good and not worse"),
        ((5, None), "poor", "has the best accuracy"),
        ((None, 10), "poor", "has the best accuracy"),
        ((15, 50), "near", "has the best accuracy"),
    ],
)
def test_the_most_accurate_within_limits_or_a_faster_one_as_good(limits, taken, why):
    found, told = take([GOOD, NEAR, POOR], CLASSES, Y, *limits)
    assert found.backbone == taken and why in told


def test_limits_that_none_keeps():
    with pytest.raises(SettingError, match=r"fastest here is poor with 1\.0 ms"):
        take([GOOD, POOR], CLASSES, Y, 0.5)
    with pytest.raises(SettingError, match=r"--max-ms 0\.5 and --max-mb 1\. "):
        take([GOOD, POOR], CLASSES, Y, 0.5, 1)


def test_the_sample_has_each_class_in_its_share():
    labels = np.array(["x"] * 900 + ["y"] * 90 + ["z"] * 10)
    rows = sample_of(labels, "single_label", 3)
    assert len(rows) == len(set(rows.tolist())) == SAMPLE
    names, counts = np.unique(labels[rows], return_counts=True)
    assert names.tolist() == ["x", "y", "z"]
    assert np.abs(counts - [450, 45, 5]).max() <= 1
    assert sample_of(labels, "numeric", 3).shape == (SAMPLE,)
    assert sample_of(labels[:40], "single_label", 3).tolist() == list(range(40))


def squares(n: int, seed: int, side: int = 8) -> tuple[np.ndarray, list[str]]:
    """Pictures that are bright on one side, left or right."""
    rng = np.random.default_rng(seed)
    left = rng.integers(0, 2, n).astype(bool)
    x = rng.integers(0, 100, (n, side, side))
    x[left, :, : side // 2] += 120
    x[~left, :, side // 2 :] += 120
    return x.astype(np.uint8), np.where(left, "left", "right").tolist()


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> str:
    """Two trained networks with other preprocessing each."""
    folder = tmp_path_factory.mktemp("weights")
    x, y = squares(80, 0)
    how: dict[str, Any] = QUICK | {"epochs": 6, "val_fraction": 0}
    ImageClassifier(**how).fit(x, y).save(folder / "small")
    x, y = squares(80, 1, 12)
    ImageClassifier(**how, backbone="dense").fit(x, y).save(folder / "dense")
    return f"{folder / 'small'},{folder / 'dense'}"


def test_the_estimator_takes_one_and_learns_with_it(weights):
    x, y = squares(120, 2)
    model = ImageClassifier(**QUICK, backbone="auto", weights=weights, freeze="all")
    model.fit(x, y)
    assert [t.backbone for t in model.trials_] == ["small", "dense"]
    assert all(t.ms > 0 and t.mb > 0 and t.score.n == 120 for t in model.trials_)
    assert model.backbone_ in ("small", "dense")
    taken = model._chosen
    plain = ImageClassifier(**QUICK, weights=taken, freeze="all").fit(x, y)
    probe = squares(20, 3)[0]
    np.testing.assert_allclose(
        model.predict_proba(probe), plain.predict_proba(probe), atol=1e-6
    )
    assert model.get_params()["backbone"] == "auto"


def test_the_run_says_what_was_tried_and_the_test_has_no_say(
    weights, make_folder, tmp_path, monkeypatch
):
    root = make_folder({"cat": 30, "dog": 30}, height=8, width=8, channels=1)
    shown: list[int] = []
    plain = learners.sample_of

    def watched(labels: np.ndarray, kind: str, seed: int) -> np.ndarray:
        shown.append(len(labels))
        return plain(labels, kind, seed)

    monkeypatch.setattr(learners, "sample_of", watched)
    with Run.create(tmp_path / "run") as run:
        learner = ImageClassifier(**QUICK, backbone="auto", weights=weights)
        work = TrainingRun(learner, read_images(root), run, "some data")
        news = [one for one in work.steps() if isinstance(one, str)]
    counts = work.summary()["pictures"]
    assert shown == [counts["train"]] and counts["test"] > 0
    assert sum(" ms a picture, " in line for line in news) == 2
    assert sum(" is taken: " in line for line in news) == 1
    kept = json.loads((run.folder / "backbones.json").read_text())
    assert kept["taken"] == learner._chosen
    assert [t["backbone"] for t in kept["tried"]] == ["small", "dense"]
    assert "These were tried" in (run.folder / "report.txt").read_text()


def test_mistakes(weights, monkeypatch, tmp_path):
    monkeypatch.setenv("VICINAL_CACHE", str(tmp_path))
    x, y = squares(20, 4)
    with pytest.raises(SettingError, match="none of the table is on disk"):
        ImageClassifier(**QUICK, backbone="auto").fit(x, y)
    with pytest.raises(SettingError, match="max_ms must be left out unless"):
        ImageClassifier(**QUICK, max_ms=3.0).fit(x, y)
    with pytest.raises(SettingError, match=r"within --max-mb 0\.0001"):
        ImageClassifier(**QUICK, backbone="auto", weights=weights, max_mb=1e-4).fit(
            x, y
        )
    gone = str(Path(weights.split(",")[0]) / "gone.safetensors")
    with pytest.raises(Exception, match=r"gone\.safetensors"):
        ImageClassifier(**QUICK, backbone="auto", weights=gone).check_start()


def test_numbers_too(weights):
    x, _ = squares(60, 5)
    weights = weights.split(",")[0]  # a dense network's widths go with its outputs
    model = ImageRegressor(**QUICK, backbone="auto", weights=weights, freeze="all")
    model.fit(x, x.mean(axis=(1, 2)).astype(float))
    assert {t.score.metric for t in model.trials_} == {"mae"}
