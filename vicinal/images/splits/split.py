"""Assign images to train, validation and test: as given, or stratified and grouped."""

from dataclasses import replace

import numpy as np

from vicinal.core.compute.runtime import seed_for
from vicinal.core.data.splits import TRAIN, Fractions, complete_split, split
from vicinal.errors import NoDataError
from vicinal.images.data.audit import ImageReader, duplicate_groups, label_names
from vicinal.images.data.dataset import ImageDataset, load_dataset
from vicinal.images.data.image_table import ImageTable
from vicinal.images.data.sources.groups import groups_from_pattern, merge_groups
from vicinal.images.splits.near_duplicates import (
    near_duplicate_groups,
    search_seconds,
)

MIN_PIXELS = 64
"""side in pixels below which images are too small to search for near duplicates"""

MAX_IMAGES = 50_000
"""number of images above which near duplicates are not searched: it takes minutes"""


def can_find_near_duplicates(images: ImageDataset) -> bool:
    """Return whether images are large enough, and few enough, to search."""
    return images.reader.size >= MIN_PIXELS and len(images) <= MAX_IMAGES


def near_duplicate_timer(table: ImageTable, reader: ImageReader, n: int) -> float:
    """Return the expected seconds per image of a search among n images.

    table: some of them, which are timed. 0 where there is no search.
    """
    if n > MAX_IMAGES:
        return 0.0
    try:
        _, images = load_dataset(table, reader)
    except NoDataError:  # none of them can be used
        return 0.0
    if not can_find_near_duplicates(images) or len(images) < 2:
        return 0.0
    return search_seconds(images, n)


def with_groups(images: ImageDataset, near: bool, pattern: str | None) -> ImageDataset:
    """Return the images with groups of duplicates, of the table and of a pattern.

    near: whether to search for near duplicates (if `can_find_near_duplicates`).
    pattern: a regular expression; names with the same first group form a group.
    """
    groups = [duplicate_groups(images.digests)]
    if near and can_find_near_duplicates(images):
        groups.append(near_duplicate_groups(images))
    if images.table.groups is not None:
        groups.append(images.table.groups)
    if pattern is not None:
        groups.append(groups_from_pattern(images.table.names, pattern))
    return replace(images, assigned_groups=merge_groups(*groups))


def given_split(table: ImageTable) -> np.ndarray:
    """Return the splits [N] given by the user; train where none is given."""
    given = np.full(len(table), TRAIN) if table.split is None else table.split
    return np.where(given == "", TRAIN, given).astype("U5")


def add_validation_split(
    splits: np.ndarray, images: ImageDataset, fraction: float, seed: int
) -> np.ndarray:
    """Return splits [N] with a fraction of train as val; unchanged if val exists."""

    def draw(rows: np.ndarray, fractions: Fractions) -> np.ndarray:
        return split_dataset(images.rows(rows), fractions, seed)

    return complete_split(splits, draw, val=fraction, test=0.0)


def split_dataset(images: ImageDataset, fractions: Fractions, seed: int) -> np.ndarray:
    """Return splits [N], stratified by class; a group stays in one split.

    With several labels per image, a class that only held-out images have could not be
    learned, so such images go to train.
    """
    table = images.table
    strata = table.labels if table.kind == "single_label" else np.zeros(len(table))
    splits = split(
        np.asarray(strata).astype(str),
        images.groups,
        fractions=fractions,
        seed=seed_for(seed, 3) % 2**32,
    )
    if table.kind == "multi_label":
        names = [label_names(label, table.kind) for label in table.labels]
        in_train = set().union(*(names[k] for k in np.flatnonzero(splits == TRAIN)))
        splits[[not labels <= in_train for labels in names]] = TRAIN
    return splits
