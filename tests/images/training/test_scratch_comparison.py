"""What transfer bought: judged on pictures that none had learned from."""

from typing import Any

import numpy as np
import pytest

from vicinal import ImageClassifier
from vicinal.core.metrics import wilson
from vicinal.core.storage.run_folder import Run
from vicinal.core.training.trainer import Epoch
from vicinal.images.data.read import read_images
from vicinal.images.run import TrainingRun
from vicinal.images.training.scratch_comparison import (
    fine_tuned_after,
    seconds_from_nothing,
)

QUICK: dict[str, Any] = {"epochs": 2, "batch_size": 8, "augment": "none"}
QUICK |= {"exact": True, "cache": False}


@pytest.mark.parametrize(
    ("first", "minutes", "seconds"),
    [(25, None, 25), (25, 10, 25), (25, 1, 3), (200, None, 60), (0.1, None, 2)],
)
def test_as_long_as_the_first_answer_within_bounds(first, minutes, seconds):
    assert seconds_from_nothing(first, minutes) == pytest.approx(seconds)


def test_what_had_been_reached_by_then():
    history = [
        Epoch(1, 0, 0.9, 0.5, 0, 10.0, 0, True),
        Epoch(2, 0, 0.8, 0.6, 0, 10.0, 0, True),
        Epoch(3, 0, 0.9, 0.9, 0, 10.0, 0, False),
    ]
    assert fine_tuned_after(history, 9, "accuracy", 40) is None
    found = [fine_tuned_after(history, s, "accuracy", 40) for s in (10, 25, 99)]
    assert [one.score.value for one in found if one] == [0.5, 0.6, 0.6]
    assert found[0] and (found[0].score.low, found[0].score.high) == wilson(20, 40)


def halves(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures that are bright on the left or on the right."""
    rng = np.random.default_rng(seed)
    left = rng.integers(0, 2, n).astype(bool)
    x = rng.integers(0, 100, (n, 8, 8))
    x[left, :, :4] += 100
    x[~left, :, 4:] += 100
    return x.astype(np.uint8), np.where(left, "left", "right")


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> str:
    x, y = halves(200, 0)
    how: dict[str, Any] = QUICK | {"epochs": 8, "val_fraction": 0}
    model = ImageClassifier(**how).fit(x, y)
    return str(model.save(tmp_path_factory.mktemp("weights")))


@pytest.mark.parametrize("freeze", ["none", "all"])
def test_a_transfer_run_tells_what_the_weights_brought(weights, freeze, tmp_path):
    table = read_images(*halves(120, 1))
    with Run.create(tmp_path / "run") as run:
        learner = ImageClassifier(**QUICK, weights=weights, freeze=freeze)
        work = TrainingRun(learner, table, run, "halves")
        news = [one for one in work.steps() if isinstance(one, str)]
    nothing, frozen, *tuned = work.bought
    assert (nothing.how, frozen.how) == ("from nothing", "frozen, the first answer")
    val = (work.parts == "val").sum()
    held_out = val if freeze == "none" else (learner.probe_.folds == 0).sum()
    assert {b.score.n for b in work.bought} == {held_out}
    assert frozen.score.value > 0.9  # the weights know this already
    assert bool(tuned) == (freeze == "none")
    on = "validation part" if freeze == "none" else "first fold"
    told = [line for line in news if line.startswith("what the weights brought")]
    assert len(told) == 1 and f"on the {on}: accuracy" in told[0]
    assert "after 2 s from nothing" in told[0]
    told = work.summary()["bought"]
    assert [row["how"] for row in told] == [b.how for b in work.bought]
    page = (run.folder / "report.txt").read_text()
    assert "What transfer bought" in page and "from nothing" in page


def test_who_does_not_ask_is_not_told(weights, tmp_path):
    table = read_images(*halves(60, 2))
    with Run.create(tmp_path / "run") as run:
        learner = ImageClassifier(**QUICK, weights=weights, scratch=False)
        work = TrainingRun(learner, table, run, "halves")
        list(work.steps())
    assert work.bought == []
    assert "What transfer bought" not in (run.folder / "report.txt").read_text()
