"""Which picture is for what: the user's own parts, or honest ones of our making."""

from dataclasses import replace

import numpy as np

from vicinal.core.compute.runtime import seed_for
from vicinal.core.data.splits import TRAIN, VAL, Fractions, split
from vicinal.images.data.audit import groups_of, names_in
from vicinal.images.data.dataset import ImageDataset
from vicinal.images.data.groups import groups_from_pattern, joined
from vicinal.images.data.image_table import ImageTable
from vicinal.images.splits.near_duplicates import near_groups

SMALLEST = 64
"""pixels a side below which pictures are too small to tell near copies from others"""

MOST = 50_000
"""pictures above which near copies are not looked for: it would take minutes"""


def grouped(pictures: ImageDataset, near: bool, pattern: str | None) -> ImageDataset:
    """The pictures with their groups: exact copies, near ones, and the user's own.

    near: whether to look for near copies (where the pictures are large enough and not
    too many). pattern: a regular expression; names in which its first group is the same
    belong together.
    """
    groups = [groups_of(pictures.digests)]
    if near and pictures.eye.size >= SMALLEST and len(pictures) <= MOST:
        groups.append(near_groups(pictures))
    if pictures.table.groups is not None:
        groups.append(pictures.table.groups)
    if pattern is not None:
        groups.append(groups_from_pattern(pictures.table.names, pattern))
    return replace(pictures, groups=joined(*groups))


def given_parts(table: ImageTable) -> np.ndarray:
    """Parts [N] as the user gave them; train where the user did not say."""
    given = np.full(len(table), TRAIN) if table.split is None else table.split
    return np.where(given == "", TRAIN, given).astype("U5")


def with_validation(
    parts: np.ndarray, pictures: ImageDataset, fraction: float, seed: int
) -> np.ndarray:
    """Parts [N] with a share of train to choose the epoch by, unless they have one."""
    if (parts == VAL).any():
        return parts
    rows = np.flatnonzero(parts == TRAIN)
    share = Fractions(1.0, fraction, 0.0)
    parts = parts.copy()
    parts[rows] = divide(pictures.rows(rows), share, seed)
    return parts


def divide(pictures: ImageDataset, fractions: Fractions, seed: int) -> np.ndarray:
    """Parts [N] of pictures: stratified by class, groups on one side.

    Of several labels a picture, those that only held-out pictures have could not be
    learned, so such pictures are for training.
    """
    table = pictures.table
    strata = table.labels if table.kind == "single_label" else np.zeros(len(table))
    parts = split(
        np.asarray(strata).astype(str),
        pictures.together,
        fractions=fractions,
        seed=seed_for(seed, 3) % 2**32,
    )
    if table.kind == "multi_label":
        said = [names_in(label, table.kind) for label in table.labels]
        learned = set().union(*(said[k] for k in np.flatnonzero(parts == TRAIN)))
        parts[[not its <= learned for its in said]] = TRAIN
    return parts
