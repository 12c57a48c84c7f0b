"""Analyses of a finished training: the benefit of transfer, and the linear baseline."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.metrics import effective_sample_size
from vicinal.images.data.dataset import ImageDataset
from vicinal.images.estimator import ImageEstimator
from vicinal.images.report.training_overlap import count_training_overlap
from vicinal.images.splits.partition import Partition
from vicinal.images.training.linear_baseline import (
    LinearBaseline,
    fit_linear_baseline,
    make_thumbnails,
)
from vicinal.images.training.scratch_comparison import (
    FROM_SCRATCH,
    FROZEN,
    OTHER_SECONDS,
    TrainingComparison,
    fine_tuned_after,
    scratch_seconds,
)

if TYPE_CHECKING:
    from vicinal.images.explain.shortcut_analysis import ShortcutAnalysis


@dataclass
class TransferBenefit:
    """The same network with and without pretrained weights, on the same images."""

    comparisons: list[TrainingComparison] = field(default_factory=list)
    text: str = ""


def compare_with_scratch(
    estimator: ImageEstimator,
    parts: Partition,
    probe_seconds: float,
    stop_requested: Callable[[], bool],
    seconds_left: float = math.inf,
) -> TransferBenefit:
    """Train the network from scratch, about as long as the linear probe took.

    Scored on the validation split; where there is none, on the first fold, which is
    then left out of training. seconds_left: upper limit.
    """
    seconds = scratch_seconds(probe_seconds, estimator.settings_.minutes)
    seconds = min(seconds, seconds_left - OTHER_SECONDS)
    frozen, probe = estimator.probe_val_score_, estimator.probe_
    train, val, where = parts.train, parts.val, "validation split"
    if frozen is None:
        where, fold, objective = "first fold", probe.folds == 0, estimator.objective_
        train, val = train.rows(~fold), train.rows(fold)
        decisions = objective.decide(probe.predicted[fold])
        frozen = objective.score(probe.y[fold], decisions, val.groups)
    scratch = estimator.fit_from_scratch(train, val, seconds, stop_requested)
    found = [
        TrainingComparison(FROM_SCRATCH, seconds, scratch),
        TrainingComparison(FROZEN, probe_seconds, frozen),
    ]
    history = estimator.history_
    effective_n = effective_sample_size(np.ones(frozen.n), val.groups)
    for after in (seconds, sum(epoch.seconds for epoch in history)):
        tuned = fine_tuned_after(
            history, after, frozen.metric, frozen.n, effective_n=effective_n
        )
        found += [tuned] if tuned else []
    text = (
        f"benefit of the pretrained weights, on the {where}: {frozen.metric} {scratch} "
        f"after {seconds:.0f} s from scratch, {frozen} with them (frozen)"
    )
    return TransferBenefit(found, text)


def evaluate_out_of_fold(
    estimator: ImageEstimator, train: ImageDataset
) -> tuple[Evaluation, LinearBaseline]:
    """Evaluate the linear probe on every image, each by a head trained without it.

    Also returns the linear model on pixels that was fitted to all images.
    """
    probe, seed = estimator.probe_, estimator.random_state
    objective = estimator.objective_
    y = objective.encode(train.table.labels)
    pixels = make_thumbnails(train, np.arange(len(train)))
    linear = np.empty(y.shape)
    for fold in range(int(probe.folds.max()) + 1):
        inside = np.flatnonzero(probe.folds == fold)
        others = probe.folds != fold
        model = fit_linear_baseline(objective, pixels[others], y[others], seed)
        linear[inside] = model.predict(pixels[inside])
    found = estimator.evaluate_predicted(
        train.table, probe.predicted, linear, groups=train.groups
    )
    return found, fit_linear_baseline(objective, pixels, y)


def training_overlap(
    estimator: ImageEstimator, images: ImageDataset
) -> tuple[int, str]:
    """Return how many images the pretrained weights were trained on, and a note."""
    weights = estimator.settings_.weights
    count = 0 if weights is None else count_training_overlap(Path(weights), images)
    note = (
        f"the weights in {weights} were trained on {count} of these {len(images)} "
        "images, so the score is too good"
    )
    return count, note


def find_shortcuts(
    estimator: ImageEstimator,
    images: ImageDataset,
    *,
    held_out: bool,
    check_interrupt: Callable[[], None],
) -> "tuple[ShortcutAnalysis | None, str]":
    """Search for shortcuts as the settings say; return them in a sentence too.

    held_out: whether the model was not trained on the images.
    """
    settings, tuned = estimator.settings_, bool(estimator.history_)
    if not settings.should_find_shortcuts(
        fine_tuned=tuned, num_test_images=len(images)
    ):
        return None, ""
    if estimator.objective_.kind != "single_label":
        text = "note: shortcuts are searched only for one class per image"
        return None, text if settings.shortcuts == "on" else ""
    from vicinal.images.explain.shortcut_analysis import analyze_shortcuts
    from vicinal.images.explain.shortcuts import describe_shortcuts

    found = analyze_shortcuts(
        estimator,
        images,
        held_out=held_out,
        seed=estimator.random_state,
        check_interrupt=check_interrupt,
    )
    return found, describe_shortcuts(found.shortcuts, found.classes)
