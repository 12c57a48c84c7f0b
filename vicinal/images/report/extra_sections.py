"""Sections of a report that are made on request, when the run is finished."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vicinal.core.data.splits import TEST, TRAIN
from vicinal.core.report.report import Section
from vicinal.core.text import counted, duration
from vicinal.errors import SettingError
from vicinal.images.data.dataset import ImageDataset
from vicinal.images.explain import evidence
from vicinal.images.report import dense_comparison as beside_dense
from vicinal.images.report.dense_comparison import Labelled
from vicinal.images.report.run_images import judged_pictures, pictures_of_run

if TYPE_CHECKING:
    from vicinal.images.model import ImageModel

SAY_EVERY = 15.0
"""seconds"""

Say = Callable[[str], None]
More = tuple[Section, dict[str, Any]]
"""a section, and the same for JSON"""


def shortcuts_of(run: Path, model: "ImageModel", say: Say) -> More:
    """What the answers rest on; SettingError for a model without classes."""
    pictures, held_out = judged_pictures(run, model)
    say(f"looking for shortcuts in {counted(len(pictures), 'picture')}")
    found = evidence.evidence(
        model,
        pictures,
        held_out=held_out,
        seed=model.random_state,
        check_interrupt=_now_and_then(say),
    )
    say(f"looked for {duration(found.seconds)}")
    return evidence.section(found), found.to_dict()


def dense_beside_cnn(run: Path, model: "ImageModel", say: Say) -> More:
    """A CNN beside a dense network on the run's pictures.

    SettingError for labels that are not one class each, or where nothing is held out.
    """
    if model.objective_.kind != "single_label":
        raise SettingError(
            "A CNN is set beside a dense network where each picture is of one class; "
            "this model learned several labels, or numbers."
        )
    train, test = (pictures_of_run(run, model, part) for part in (TRAIN, TEST))
    if train is not None and test is None:  # judged out of fold: hold out a fifth
        order = np.random.default_rng(model.random_state).permutation(len(train))
        few = len(train) // 5
        train, test = train.rows(order[few:]), train.rows(order[:few])
    if train is None or test is None or not len(train) or not len(test):
        raise SettingError(
            f"{run} has too few pictures left to learn from and to test on. Bring them "
            "back to where they were."
        )
    size = min(model.preprocessing_.image_size, beside_dense.SIZE)
    found = beside_dense.beside_dense(
        _labelled(train, beside_dense.MOST, size),
        _labelled(test, beside_dense.MOST_TEST, size),
        seed=model.random_state,
        say=say,
    )
    say(f"it took {duration(found.seconds)}")
    return beside_dense.section(found), found.to_dict()


def _now_and_then(say: Say) -> Callable[[], None]:
    """Says that the work goes on, at most every so many seconds."""
    started_at = said = time.monotonic()

    def check_interrupt() -> None:
        nonlocal said
        now = time.monotonic()
        if now - said >= SAY_EVERY:
            said = now
            say(f"still looking, {duration(now - started_at)} so far")

    return check_interrupt


def _labelled(pictures: ImageDataset, most: int, size: int) -> Labelled:
    rows = np.linspace(0, len(pictures) - 1, min(most, len(pictures))).astype(int)
    labels = pictures.table.labels[rows].astype(str)
    return Labelled(beside_dense.small(pictures.batch(rows), size), labels)
