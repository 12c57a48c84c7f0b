"""Divide the images of a run: the user's split, or a stratified one, without leaks."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vicinal.core.data.quarantine import Quarantined
from vicinal.core.data.splits import TEST, TRAIN, VAL, Fractions
from vicinal.core.storage.run_folder import read_table
from vicinal.core.text import pluralize
from vicinal.errors import ResumeError, RunError
from vicinal.images.data.audit import duplicate_groups, label_names, rows_by_group
from vicinal.images.data.dataset import ImageDataset
from vicinal.images.data.sources.folders import escape_non_utf8
from vicinal.images.splits.split import (
    add_validation_split,
    given_split,
    split_dataset,
)

NEAR_DUPLICATE = "a near duplicate of "
"""beginning of the reason against test images that are left out as such"""

SPLIT_RANK = {TRAIN: 0, VAL: 1, TEST: 2}
"""of copies in several splits, the one of lowest rank stays"""


@dataclass
class Partition:
    """Images and their splits; images that cannot be used are left out on the way."""

    images: ImageDataset
    split: np.ndarray
    """[N] train, val or test"""

    kept: np.ndarray
    """bool mask of the images that were given"""

    quarantined: list[Quarantined] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    leaks: ImageDataset | None = None
    """test images that were left out as near duplicates of training images"""

    @property
    def train(self) -> ImageDataset:
        return self.images.rows(self.split == TRAIN)

    @property
    def val(self) -> ImageDataset:
        return self.images.rows(self.split == VAL)

    @property
    def test(self) -> ImageDataset:
        return self.images.rows(self.split == TEST)

    @property
    def counts(self) -> dict[str, int]:
        """Return the number of images of each split."""
        return {name: int((self.split == name).sum()) for name in (TRAIN, VAL, TEST)}

    @property
    def has_test(self) -> bool:
        return bool((self.split == TEST).any())

    @property
    def scored(self) -> ImageDataset:
        """Return the test images; without a test split the training images."""
        return self.test if self.has_test else self.train

    def reload(self, load: Callable[[ImageDataset], ImageDataset]) -> None:
        """Replace all images by what `load` returns for them, in another size."""
        self.images = load(self.images)
        if self.leaks is not None:
            self.leaks = load(self.leaks)

    def quarantine(self, reasons: dict[int, str]) -> None:
        """Leave out images by row, each with a reason."""
        table, mask = self.images.table, np.ones(len(self.images), dtype=bool)
        for row, reason in reasons.items():
            mask[row] = False
            label = str(table.labels[row])
            self.quarantined.append(Quarantined(table.names[row], label, reason))
        self.kept[np.flatnonzero(self.kept)[~mask]] = False
        self.images, self.split = self.images.rows(mask), self.split[mask]


def partition_images(
    images: ImageDataset,
    val_fraction: Callable[[int], float],
    test_fraction: float,
    seed: int,
) -> Partition:
    """Return the images with their splits: the user's own, or a stratified one.

    val_fraction: the fraction of so many images. In the user's own split, copies and
    near duplicates of training images and classes without a training image are
    quarantined.
    """
    kept = np.ones(len(images), dtype=bool)
    if (given_split(images.table) == TRAIN).all():  # no split, or training images only
        val = val_fraction(len(images))
        fractions = Fractions(1 - val - test_fraction, val, test_fraction)
        found = Partition(images, split_dataset(images, fractions, seed), kept)
    else:
        found = Partition(images, _complete_split(images, val_fraction, seed), kept)
        found.quarantine(_leaked_copies(found))
    found.quarantine(_unknown_classes(found))
    _leave_out_leaks(found)
    return found


def count_near_duplicates(images: ImageDataset) -> int:
    """Return the images in groups that are more than exact copies."""
    copies = duplicate_groups(images.digests)
    sizes = np.bincount(images.groups)[images.groups]
    return int((sizes > np.bincount(copies)[copies]).sum())


def _complete_split(
    images: ImageDataset, val_fraction: Callable[[int], float], seed: int
) -> np.ndarray:
    """Return the user's split, with a validation split taken from train if missing.

    A validation split without a test split becomes the test split: images that choose
    the epoch cannot also test the model.
    """
    split = given_split(images.table)
    if not (split == TEST).any():
        split[split == VAL] = TEST
    fraction = val_fraction(int((split == TRAIN).sum()))
    return add_validation_split(split, images, fraction, seed)


def _leaked_copies(found: Partition) -> dict[int, str]:
    """Return copies in val or test of images that are in train (or val)."""
    images, split = found.images, found.split
    reasons = {}
    groups = duplicate_groups(images.digests)
    for rows in rows_by_group(groups, np.ones(len(images), dtype=bool)):
        first = min(rows, key=lambda row: SPLIT_RANK[str(split[row])])
        for row in rows[split[rows] != split[first]]:
            other = images.table.names[first]
            reasons[int(row)] = f"a copy of {other}, which is in {split[first]}"
    return reasons


def _leave_out_leaks(found: Partition) -> None:
    """Quarantine test images that are near duplicates of training images.

    Or of validation images, or in one group with either. Where all test images are,
    they stay, with a note that the score is too good.
    """
    images, split = found.images, found.split
    reasons = {}
    for rows in rows_by_group(images.groups, np.ones(len(images), dtype=bool)):
        first = min(rows, key=lambda row: SPLIT_RANK[str(split[row])])
        if split[first] == TEST:
            continue
        where = f"{images.table.names[first]}, which is in {split[first]}"
        for row in rows[split[rows] == TEST]:
            reasons[int(row)] = f"{NEAR_DUPLICATE}{where}, or in its group"
    if not reasons:
        return
    count = pluralize(len(reasons), "test image")
    if len(reasons) == (split == TEST).sum():
        found.notes.append(
            f"{count}, all of them, with near duplicates in train, so the score is too "
            f"good; the first: {images.table.names[min(reasons)]}"
        )
        return
    found.leaks = images.rows(np.array(sorted(reasons)))
    found.notes.append(
        f"{count} with near duplicates in train or val: they are quarantined, and the "
        "score is without them"
    )
    found.quarantine(reasons)


def _unknown_classes(found: Partition) -> dict[int, str]:
    """Return images of classes that no training image has."""
    table = found.images.table
    if table.kind == "numeric":
        return {}
    names = [label_names(label, table.kind) for label in table.labels]
    known = set().union(*(names[k] for k in np.flatnonzero(found.split == TRAIN)))
    return {
        row: f"its class {min(labels - known)!r} has no training image"
        for row, labels in enumerate(names)
        if not labels <= known
    }


def check_same_split(path: Path, found: Partition, run: Path) -> None:
    """Raise ResumeError unless images and splits are those of a run's splits.csv."""
    if not path.exists():
        return
    try:
        rows = read_table(path.parent, path.name, ["path", "split"])
    except RunError as error:  # resuming again would not help
        raise ResumeError(str(error)) from error
    before = set(zip(rows["path"], rows["split"], strict=True))
    names = [escape_non_utf8(name) for name in found.images.table.names]
    changed = before ^ set(zip(names, found.split.tolist(), strict=True))
    if changed:
        count = pluralize(len({name for name, _ in changed}), "image")
        raise ResumeError(
            f"The run in {run} began with other images or another split: {count} "
            f"differ, among them {min(changed)[0]}. Restore the images of "
            "data/index.csv, or start a new run."
        )
