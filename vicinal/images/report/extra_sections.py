"""Sections that `vicinal report` adds to a finished run on request."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vicinal.core.data.splits import TEST, TRAIN
from vicinal.core.report.report import Section
from vicinal.core.text import format_duration, pluralize
from vicinal.errors import SettingError
from vicinal.images.data.dataset import ImageDataset
from vicinal.images.explain import shortcut_analysis
from vicinal.images.report import dense_comparison
from vicinal.images.report.dense_comparison import LabelledImages
from vicinal.images.report.run_images import evaluated_images, load_run_images

if TYPE_CHECKING:
    from vicinal.images.model import ImageModel

PROGRESS_INTERVAL = 15.0
"""seconds between progress messages"""

PrintLine = Callable[[str], None]
SectionAndValues = tuple[Section, dict[str, Any]]
"""a section, and its content for JSON"""


def shortcut_section(
    run: Path, model: "ImageModel", print_line: PrintLine
) -> SectionAndValues:
    """Analyse shortcuts on a run's images; SettingError unless single-label."""
    images, held_out = evaluated_images(run, model)
    print_line(f"searching for shortcuts on {pluralize(len(images), 'image')}")
    analysis = shortcut_analysis.analyze_shortcuts(
        model,
        images,
        held_out=held_out,
        seed=model.random_state,
        check_interrupt=_progress_printer(print_line),
    )
    print_line(f"shortcut analysis: {format_duration(analysis.seconds)}")
    return shortcut_analysis.section(analysis), analysis.to_dict()


def dense_comparison_section(
    run: Path, model: "ImageModel", print_line: PrintLine
) -> SectionAndValues:
    """Compare a CNN with a dense network on a run's images.

    SettingError unless single-label, or if the images are gone.
    """
    if model.objective_.kind != "single_label":
        raise SettingError(
            "The comparison with a dense network needs a classifier with one class per "
            "image. This model predicts several labels, or numbers."
        )
    train, test = (load_run_images(run, model, split) for split in (TRAIN, TEST))
    if train is not None and test is None:  # cross-validated: hold out a fifth
        order = np.random.default_rng(model.random_state).permutation(len(train))
        held_out = len(train) // 5
        train, test = train.rows(order[held_out:]), train.rows(order[:held_out])
    if train is None or test is None or not len(train) or not len(test):
        raise SettingError(
            f"Too few images of {run} are left to train and test on. Move them back to "
            "where they were."
        )
    size = min(model.preprocessing_.image_size, dense_comparison.MAX_SIDE)
    comparison = dense_comparison.compare_dense(
        _sample(train, dense_comparison.MAX_TRAIN, size),
        _sample(test, dense_comparison.MAX_TEST, size),
        seed=model.random_state,
        print_line=print_line,
    )
    print_line(f"dense comparison: {format_duration(comparison.seconds)}")
    return dense_comparison.section(comparison), comparison.to_dict()


def _progress_printer(print_line: PrintLine) -> Callable[[], None]:
    """Return a function that prints the elapsed time, at most every few seconds."""
    started_at = printed_at = time.monotonic()

    def check_interrupt() -> None:
        nonlocal printed_at
        now = time.monotonic()
        if now - printed_at >= PROGRESS_INTERVAL:
            printed_at = now
            print_line(f"still running, {format_duration(now - started_at)} so far")

    return check_interrupt


def _sample(images: ImageDataset, count: int, size: int) -> LabelledImages:
    rows = np.linspace(0, len(images) - 1, min(count, len(images))).astype(int)
    labels = images.table.labels[rows].astype(str)
    return LabelledImages(dense_comparison.shrink(images.batch(rows), size), labels)
