"""A backbone is chosen by its score on the train split, within limits."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vicinal import ImageClassifier, ImageRegressor
from vicinal.core.metrics import Score
from vicinal.core.objective import SingleLabel
from vicinal.core.storage.run_folder import Run
from vicinal.errors import SettingError, VicinalError
from vicinal.images import estimator as estimator_module
from vicinal.images.data.read import read_images
from vicinal.images.run import ImageRun
from vicinal.images.training import backbone_trials
from vicinal.images.training.backbone_selection import (
    SAMPLE_SIZE,
    BackboneTrial,
    choose_backbone,
    sample_rows,
)

pytestmark = pytest.mark.usefixtures("without_plots")

QUICK: dict[str, Any] = {"epochs": 2, "batch_size": 8, "augment": "none"}
QUICK |= {"deterministic": True, "cache": False}
TIMED: dict[str, Any] = QUICK | {"minutes": 1, "deterministic": False}
Y = np.array([0] * 50 + [1] * 50)
CLASSES = SingleLabel(("a", "b"))


def trial(name: str, correct: int, ms: float, mb: float) -> BackboneTrial:
    """Return a trial whose first `correct` predictions are correct."""
    decisions = np.where(np.arange(100) < correct, Y, 1 - Y)
    score = Score("accuracy", correct / 100, 0, 1, 100)
    return BackboneTrial(f"{name}.safetensors", name, score, ms, mb, decisions)


GOOD, NEAR, POOR = (
    trial("good", 95, 20, 100),
    trial("near", 93, 10, 40),
    trial("poor", 60, 1, 5),
)


@pytest.mark.parametrize(
    ("limits", "backbone", "reason"),
    [
        ((None, None), "near", "faster than good and not significantly worse"),
        ((5, None), "poor", "has the best accuracy"),
        ((None, 10), "poor", "has the best accuracy"),
        ((15, 50), "near", "has the best accuracy"),
    ],
)
def test_the_most_accurate_within_limits_or_an_equally_good_faster_one_is_chosen(
    limits, backbone, reason
):
    chosen, text = choose_backbone([GOOD, NEAR, POOR], CLASSES, Y, *limits)
    assert chosen.backbone == backbone and reason in text


def test_limits_that_no_candidate_meets_are_an_error():
    with pytest.raises(SettingError, match=r"fastest is poor with 1\.0 ms"):
        choose_backbone([GOOD, POOR], CLASSES, Y, 0.5)
    with pytest.raises(SettingError, match=r"--max-ms 0\.5 and --max-mb 1\. "):
        choose_backbone([GOOD, POOR], CLASSES, Y, 0.5, 1)


def test_the_sample_is_stratified_by_class():
    labels = np.array(["x"] * 900 + ["y"] * 90 + ["z"] * 10)
    rows = sample_rows(labels, "single_label", 3)
    assert len(rows) == len(set(rows.tolist())) == SAMPLE_SIZE
    names, counts = np.unique(labels[rows], return_counts=True)
    assert names.tolist() == ["x", "y", "z"]
    assert np.abs(counts - [450, 45, 5]).max() <= 1
    assert sample_rows(labels, "numeric", 3).shape == (SAMPLE_SIZE,)
    assert sample_rows(labels[:40], "single_label", 3).tolist() == list(range(40))


def make_squares(n: int, seed: int, side: int = 8) -> tuple[np.ndarray, list[str]]:
    """Return images that are bright on one side, and the side."""
    rng = np.random.default_rng(seed)
    left = rng.integers(0, 2, n).astype(bool)
    x = rng.integers(0, 100, (n, side, side))
    x[left, :, : side // 2] += 120
    x[~left, :, side // 2 :] += 120
    return x.astype(np.uint8), np.where(left, "left", "right").tolist()


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> str:
    """Paths of two trained networks with different preprocessing."""
    folder = tmp_path_factory.mktemp("weights")
    x, y = make_squares(80, 0)
    parameters: dict[str, Any] = QUICK | {"epochs": 6, "val_fraction": 0}
    ImageClassifier(**parameters).fit(x, y).save(folder / "small")
    x, y = make_squares(80, 1, 12)
    ImageClassifier(**parameters, backbone="dense").fit(x, y).save(folder / "dense")
    return f"{folder / 'small'},{folder / 'dense'}"


def test_the_estimator_trains_with_the_chosen_backbone(weights):
    x, y = make_squares(120, 2)
    model = ImageClassifier(**QUICK, backbone="auto", weights=weights, freeze="all")
    model.fit(x, y)
    assert [t.backbone for t in model.trials_] == ["small", "dense"]
    assert all(t.ms > 0 and t.mb > 0 and t.score.n == 120 for t in model.trials_)
    assert model.backbone_ in ("small", "dense")
    chosen_weights = model.weights_
    same = ImageClassifier(**QUICK, weights=chosen_weights, freeze="all").fit(x, y)
    x_new = make_squares(20, 3)[0]
    np.testing.assert_allclose(
        model.predict_proba(x_new), same.predict_proba(x_new), atol=1e-6
    )
    assert model.get_params()["backbone"] == "auto"


def test_the_run_reports_all_trials_and_does_not_use_the_test_split(
    weights, make_directory, tmp_path, monkeypatch
):
    root = make_directory({"cat": 30, "dog": 30}, height=8, width=8, channels=1)
    sample_sources: list[int] = []
    original = estimator_module.sample_rows

    def spy(labels: np.ndarray, *options: Any) -> np.ndarray:
        sample_sources.append(len(labels))
        return original(labels, *options)

    monkeypatch.setattr(estimator_module, "sample_rows", spy)
    with Run.create(tmp_path / "run") as run:
        estimator = ImageClassifier(**QUICK, backbone="auto", weights=weights)
        image_run = ImageRun(estimator, read_images(root), run, "some data")
        lines = [step for step in image_run.steps() if isinstance(step, str)]
    counts = image_run.summary()["splits"]
    assert sample_sources == [counts["train"]] and counts["test"] > 0
    assert sum(" ms per image, " in line for line in lines) == 2
    assert sum(line.startswith("Chose ") for line in lines) == 1
    result = json.loads((run.folder / "backbones.json").read_text())
    assert result["chosen"] == estimator.weights_
    assert [t["backbone"] for t in result["tried"]] == ["small", "dense"]
    assert "Candidate backbones" in (run.folder / "report.txt").read_text()


def test_trials_are_given_up_when_their_time_is_over(weights):
    """The smallest weights are taken then, and every other is named."""
    x, y = make_squares(120, 2)
    model = ImageClassifier(**TIMED, backbone="auto", weights=weights)
    model.start_fit()
    table = model.load_images(x, y)
    late = time.monotonic() - 60
    lines = [*model.choose_backbone(table, started_at=late)]
    sizes = {
        name: sum(file.stat().st_size for file in Path(name).glob("*.safetensors"))
        for name in weights.split(",")
    }
    smallest = min(sizes, key=lambda name: sizes[name])
    assert [line.split(" ")[0] for line in lines[:2]] == sorted(
        sizes, key=lambda k: sizes[k]
    )
    assert all("not compared: there was no time" in line for line in lines[:2])
    assert lines[2] == f"Chose {smallest}: no trial was finished in time."
    assert model.weights_ == smallest and model.trials_ == []


@pytest.mark.slow
def test_a_backbone_that_is_too_slow_for_all_images_is_left_out(weights):
    x, y = make_squares(120, 2)
    model = ImageClassifier(**TIMED, backbone="auto", weights=weights)
    model.start_fit()
    table = model.load_images(x, y)
    lines = [*model.choose_backbone(table, num_images=10**9)]
    fastest = min(model.trials_, key=lambda trial: trial.ms)
    assert model.weights_ == fastest.weights  # all are, and one must be taken
    assert "left out: 1,000,000,000 images take" in lines[2]
    slower = max(model.trials_, key=lambda trial: trial.ms)
    assert lines[2].startswith(f"{slower.backbone} is left out")
    assert lines[3] == f"Chose {fastest.backbone}: it has the best accuracy."


def test_limits_are_checked_before_the_time():
    """What is too large is never the only one that there is time for."""
    tried = iter([NEAR, POOR._replace(mb=900, ms=0.1)])
    limits = backbone_trials.TrialLimits(time.monotonic(), 1, None, 100, 10**9)
    steps = backbone_trials.compare_backbones(
        ["near", "poor"],
        lambda *_: backbone_trials.Tried(next(tried), CLASSES, Y),
        limits,
        [],
    )
    assert [*steps][-1] == "Chose near: it has the best accuracy."


def test_the_sample_has_images_of_rare_classes():
    labels = np.array(["common"] * 5000 + ["rare"] * 20 + ["once"], dtype=object)
    rows = sample_rows(labels, "single_label", 0, 100)
    names, counts = np.unique(labels[rows].astype(str), return_counts=True)
    assert dict(zip(names, counts, strict=True)) | {"common": 0} == {
        "common": 0,
        "once": 1,
        "rare": 5,
    }
    assert len(rows) <= 106


def test_candidates_are_sorted_by_the_size_of_their_weights(tmp_path):
    large, small = tmp_path / "large.safetensors", tmp_path / "small"
    large.write_bytes(bytes(10**6))
    small.mkdir()
    (small / "model.safetensors").write_bytes(bytes(10))
    names = ["timm:unknown", "resnet50", "resnet18", str(large), str(small)]
    found = backbone_trials.sort_by_size(names)
    assert found == [*names[:2:-1], "resnet18", "resnet50", "timm:unknown"]


@pytest.mark.parametrize(
    ("seconds", "size"), [(np.inf, SAMPLE_SIZE), (0, 100), (12, 200), (600, 500)]
)
def test_the_sample_of_the_trials_depends_on_the_time(seconds, size):
    assert backbone_trials.sample_size(seconds, 3) == size


def test_invalid_weights_and_limits_are_errors(weights, monkeypatch, tmp_path):
    monkeypatch.setenv("VICINAL_CACHE", str(tmp_path))
    x, y = make_squares(20, 4)
    with pytest.raises(SettingError, match="none of the table is on disk"):
        ImageClassifier(**QUICK, backbone="auto").fit(x, y)
    with pytest.raises(SettingError, match="max_ms must be None unless"):
        ImageClassifier(**QUICK, max_ms=3.0).fit(x, y)
    with pytest.raises(SettingError, match=r"within --max-mb 0\.0001"):
        ImageClassifier(**QUICK, backbone="auto", weights=weights, max_mb=1e-4).fit(
            x, y
        )
    missing = str(Path(weights.split(",")[0]) / "missing.safetensors")
    with pytest.raises(VicinalError, match=r"missing\.safetensors"):
        ImageClassifier(**QUICK, backbone="auto", weights=missing).check_data(
            read_images(x, y)
        )


def test_a_backbone_is_chosen_for_regression(weights):
    x, _ = make_squares(60, 5)
    weights = weights.split(",")[0]  # the dense network does not fit one output
    model = ImageRegressor(**QUICK, backbone="auto", weights=weights, freeze="all")
    model.fit(x, x.mean(axis=(1, 2)).astype(float))
    assert {t.score.metric for t in model.trials_} == {"mae"}
