"""The benefit of transfer, scored on images that no method was trained on."""

from typing import Any

import numpy as np
import pytest

from vicinal import ImageClassifier
from vicinal.core.metrics import wilson
from vicinal.core.storage.run_folder import Run
from vicinal.core.training.trainer import Epoch
from vicinal.images.data.read import read_images
from vicinal.images.report.report import TRANSFER_LEARNING
from vicinal.images.run import ImageRun
from vicinal.images.training.scratch_comparison import (
    FROM_SCRATCH,
    FROZEN,
    fine_tuned_after,
    scratch_seconds,
)

pytestmark = pytest.mark.usefixtures("without_plots")

QUICK: dict[str, Any] = {"epochs": 2, "batch_size": 8, "augment": "none"}
QUICK |= {"deterministic": True, "cache": False}


@pytest.mark.parametrize(
    ("first", "minutes", "seconds"),
    [(25, None, 25), (25, 10, 25), (25, 1, 3), (200, None, 60), (0.1, None, 2)],
)
def test_training_from_scratch_takes_as_long_as_the_probe_within_bounds(
    first, minutes, seconds
):
    assert scratch_seconds(first, minutes) == pytest.approx(seconds)


def test_the_best_epoch_within_a_time_is_returned():
    history = [
        Epoch(1, 0, 0.9, 0.5, 0, 10.0, 0, True),
        Epoch(2, 0, 0.8, 0.6, 0, 10.0, 0, True),
        Epoch(3, 0, 0.9, 0.9, 0, 10.0, 0, False),
    ]
    assert fine_tuned_after(history, 9, "accuracy", 40) is None
    found = [fine_tuned_after(history, s, "accuracy", 40) for s in (10, 25, 99)]
    assert [one.score.value for one in found if one] == [0.5, 0.6, 0.6]
    assert found[0] and (found[0].score.low, found[0].score.high) == wilson(20, 40)


def make_halves(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images that are bright on the left or on the right."""
    rng = np.random.default_rng(seed)
    left = rng.integers(0, 2, n).astype(bool)
    x = rng.integers(0, 100, (n, 8, 8))
    x[left, :, :4] += 100
    x[~left, :, 4:] += 100
    return x.astype(np.uint8), np.where(left, "left", "right")


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> str:
    x, y = make_halves(200, 0)
    how: dict[str, Any] = QUICK | {"epochs": 8, "val_fraction": 0}
    model = ImageClassifier(**how).fit(x, y)
    return str(model.save(tmp_path_factory.mktemp("weights")))


@pytest.mark.slow
@pytest.mark.parametrize("freeze", ["none", "all"])
def test_a_transfer_run_reports_the_comparison_with_training_from_scratch(
    weights, freeze, tmp_path
):
    table = read_images(*make_halves(120, 1))
    with Run.create(tmp_path / "run") as run:
        timed: dict[str, Any] = QUICK | {"deterministic": False}
        learner = ImageClassifier(**timed, weights=weights, freeze=freeze)
        work = ImageRun(learner, table, run, "halves")
        news = [one for one in work.steps() if isinstance(one, str)]
    scratch, frozen, *tuned = work.transfer.comparisons
    assert (scratch.method, frozen.method) == (FROM_SCRATCH, FROZEN)
    fine_tuned = freeze == "none"
    held_out = len(work.parts.val) if fine_tuned else (learner.probe_.folds == 0).sum()
    assert {row.score.n for row in work.transfer.comparisons} == {held_out}
    assert frozen.score.value > 0.9  # the weights were trained on this task
    assert bool(tuned) == fine_tuned
    where = "validation split" if fine_tuned else "first fold"
    (line,) = [line for line in news if line.startswith("benefit of the pretrained")]
    assert f"on the {where}: accuracy" in line and "after 2 s from scratch" in line
    rows = work.summary()["scratch_comparison"]
    assert [row["method"] for row in rows] == [
        row.method for row in work.transfer.comparisons
    ]
    page = (run.folder / "report.txt").read_text()
    assert "from scratch" in page and TRANSFER_LEARNING in page


def test_a_deterministic_run_leaves_out_what_depends_on_the_clock(weights, tmp_path):
    table = read_images(*make_halves(60, 2))
    with Run.create(tmp_path / "run") as run:
        learner = ImageClassifier(**QUICK, weights=weights, freeze="all")
        work = ImageRun(learner, table, run, "halves")
        news = [one for one in work.steps() if isinstance(one, str)]
    assert work.transfer.comparisons == []
    assert any("a deterministic run does not use" in line for line in news)


def test_the_comparison_can_be_switched_off(weights, tmp_path):
    table = read_images(*make_halves(60, 2))
    with Run.create(tmp_path / "run") as run:
        learner = ImageClassifier(**QUICK, weights=weights, compare_scratch=False)
        work = ImageRun(learner, table, run, "halves")
        list(work.steps())
    assert work.transfer.comparisons == []
    assert TRANSFER_LEARNING not in (run.folder / "report.txt").read_text()
