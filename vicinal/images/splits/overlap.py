"""Report how classes are distributed over the splits, and duplicates between splits."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from vicinal.core.data.labels import describe_task
from vicinal.core.data.splits import SPLITS, TEST
from vicinal.core.text import pluralize
from vicinal.images.data.audit import (
    Audit,
    duplicate_groups,
    label_names,
    rows_by_group,
)
from vicinal.images.data.dataset import ImageDataset
from vicinal.images.data.image_table import ImageTable
from vicinal.images.splits.near_duplicates import near_duplicate_groups
from vicinal.images.splits.split import can_find_near_duplicates, given_split

MAX_ROWS = 50
"""classes that are listed in text"""

MAX_GROUPS = 10
"""duplicate groups that are listed in text"""

UNSPLIT = "all"
"""name of the only split of data without given splits"""


class DuplicateGroup(NamedTuple):
    """Two or more images that are exact or near duplicates of each other."""

    names: tuple[str, ...]
    splits: tuple[str, ...]
    """the split of each image"""

    @property
    def crosses_splits(self) -> bool:
        """Whether the images are in more than one split, which inflates the score."""
        return len(set(self.splits)) > 1


@dataclass(frozen=True)
class SplitReport:
    """Classes by split, and duplicates, of the usable images."""

    split_counts: dict[str, int]
    """number of images of each split; only `all` if the data give no splits"""

    class_counts: dict[str, dict[str, int]]
    """class -> split -> number of images; empty for numeric labels"""

    exact_duplicates: list[DuplicateGroup]
    """groups of images with identical content"""

    near_duplicates: list[DuplicateGroup] | None
    """groups of similar images (resized, cropped, saved again); None: not searched,
    because the images are too small or too many, or because it was turned off"""

    def across_splits(self) -> list[DuplicateGroup]:
        """Return the groups with images in more than one split.

        A near-duplicate group includes the exact duplicates of its images, so an exact
        group that is part of one is not returned again.
        """
        near = self.near_duplicates or []
        covered = {name for group in near for name in group.names}
        exact = [g for g in self.exact_duplicates if g.names[0] not in covered]
        return [group for group in (*exact, *near) if group.crosses_splits]

    def count_lines(self) -> Iterator[str]:
        """Yield the number of images by class and split as lines of text."""
        splits = list(self.split_counts)
        rows = {**self.class_counts, "total": self.split_counts}
        width = min(40, max(map(len, rows)))
        if splits != [UNSPLIT]:
            yield f"  {'class':<{width}}" + "".join(f"{split:>9}" for split in splits)
        for name, counts in list(rows.items())[:MAX_ROWS]:
            yield f"  {name:<{width}}" + "".join(f"{counts[s]:>9,}" for s in splits)
        if len(rows) > MAX_ROWS:
            yield f"  ... and {len(rows) - MAX_ROWS:,} more classes (--json lists all)"

    def duplicate_lines(self) -> Iterator[str]:
        """Yield how many duplicates there are, and those between splits by name."""
        yield f"exact duplicates: {_describe_groups(self.exact_duplicates)}"
        if self.near_duplicates is not None:
            yield f"near duplicates: {_describe_groups(self.near_duplicates)}"
        across = self.across_splits()
        if not across:
            return
        test = [
            s for g in across for s in g.splits if s == TEST and set(g.splits) - {s}
        ]
        yield (
            f"duplicates across splits: {_describe_groups(across)}, "
            f"{pluralize(len(test), 'image')} in test; they would make the score too "
            "high, so training leaves exact copies out of the test split, and near "
            "duplicates where it has images of 64 pixels or more"
        )
        for group in across[:MAX_GROUPS]:
            pairs = zip(group.names, group.splits, strict=True)
            yield "  " + ", ".join(f"{name} ({split})" for name, split in pairs)
        if len(across) > MAX_GROUPS:
            rest = len(across) - MAX_GROUPS
            yield f"  ... and {rest:,} more groups (--json lists all)"

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON values; each group is a list of path and split."""
        near = self.near_duplicates
        return {
            "splits": self.split_counts,
            "classes": [
                {"class": name, **counts} for name, counts in self.class_counts.items()
            ],
            "exact_duplicates": _to_json(self.exact_duplicates),
            "near_duplicates": None if near is None else _to_json(near),
            "across_splits": _to_json(self.across_splits()),
        }


def report_splits(images: ImageDataset, *, near_duplicates: bool = True) -> SplitReport:
    """Count classes by given split, and find duplicates within and across splits.

    near_duplicates: whether to search for near duplicates; the images must be decoded
    at 64 pixels or more (`ImageReader.size`), and no more than 50,000.
    """
    exact = duplicate_groups(images.digests)
    splits = _split_names(images.table)
    near = None
    if near_duplicates and can_find_near_duplicates(images):
        groups = near_duplicate_groups(images)
        near = [
            _duplicate_group(images.table, splits, rows)
            for rows in _groups(groups)
            if len(set(exact[rows].tolist())) > 1
        ]
    return SplitReport(
        split_counts=_count_splits(splits),
        class_counts=_count_classes(images.table, splits),
        exact_duplicates=[
            _duplicate_group(images.table, splits, rows) for rows in _groups(exact)
        ],
        near_duplicates=near,
    )


def check_lines(found: Audit, report: SplitReport | None) -> Iterator[str]:
    """Yield what `vicinal check` prints; report: None where no image can be used."""
    table = found.table
    total = pluralize(len(table) + len(table.quarantined), "image")
    yield f"task: {describe_task(table.kind, 'image', table.labels)}"
    yield (
        f"{total}: {int(found.usable.sum()):,} usable, {len(found.quarantine):,} "
        "quarantined"
    )
    if report is not None:
        yield from report.count_lines()
    for side, (least, median, most) in found.size_table().items():
        yield f"{side}: {least} to {most} pixels, median {median}"
    if report is not None:
        yield from report.duplicate_lines()
    names = list(table.rows(found.usable).counts())
    if table.kind == "single_label" and len(names) == 1:
        yield f"note: there is one class only ({names[0]!r}); a classifier needs two"


def _split_names(table: ImageTable) -> np.ndarray:
    """Return the split [N] of each image; UNSPLIT if the data give none."""
    if table.split is None:
        return np.full(len(table), UNSPLIT)
    return given_split(table)


def _count_splits(splits: np.ndarray) -> dict[str, int]:
    counts = {name: int((splits == name).sum()) for name in (*SPLITS, UNSPLIT)}
    return {name: count for name, count in counts.items() if count}


def _count_classes(table: ImageTable, splits: np.ndarray) -> dict[str, dict[str, int]]:
    """Return the number of images by class and split; a label `a|b` counts for both."""
    if table.kind not in ("single_label", "multi_label"):
        return {}
    columns = list(_count_splits(splits))
    counts = {name: dict.fromkeys(columns, 0) for name in table.classes}
    for label, split in zip(table.labels, splits.tolist(), strict=True):
        for name in label_names(label, table.kind):
            counts[name][split] += 1
    return counts


def _groups(groups: np.ndarray) -> Iterator[np.ndarray]:
    return rows_by_group(groups, np.ones(len(groups), dtype=bool))


def _duplicate_group(
    table: ImageTable, splits: np.ndarray, rows: np.ndarray
) -> DuplicateGroup:
    names = tuple(table.names[row] for row in rows)
    return DuplicateGroup(names, tuple(splits[rows].tolist()))


def _to_json(groups: list[DuplicateGroup]) -> list[list[dict[str, str]]]:
    return [
        [
            {"path": name, "split": split}
            for name, split in zip(group.names, group.splits, strict=True)
        ]
        for group in groups
    ]


def _describe_groups(groups: list[DuplicateGroup]) -> str:
    if not groups:
        return "none"
    images = sum(len(group.names) for group in groups)
    return f"{pluralize(images, 'image')} in {pluralize(len(groups), 'group')}"
