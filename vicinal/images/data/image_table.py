"""`ImageTable`: the names, labels and splits of N images, from whatever source."""

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from vicinal.core.data.labels import TASK_OF_KIND, Kind
from vicinal.core.data.quarantine import Quarantined


@dataclass(frozen=True)
class ImageTable:
    """N images and what is known about them; the pixels of files are not read yet."""

    names: list[str]
    """path relative to `root`, or a generated name for a row of an array"""

    labels: np.ndarray
    """[N] class names, `a|b` for several labels, numbers, or None if unlabelled"""

    kind: Kind = "single_label"
    """what the labels are"""

    split: np.ndarray | None = None
    """[N] train, val or test as given by the user; an empty text where not given"""

    root: Path | None = None
    """directory of the files"""

    groups: np.ndarray | None = None
    """[N] group numbers given by the user: a group stays in one split"""

    pixels: np.ndarray | None = None
    """[N, H, W] or [N, H, W, C], when the images are arrays"""

    images: list[Any] | None = None
    """[N] paths, encoded bytes, PIL images or arrays, when they were given in a list"""

    whole_numbers: bool = False
    """whether the class names are integers that the user gave as numbers"""

    declared_classes: frozenset[str] = frozenset()
    """classes that exist even if no image has them: the columns of a label matrix"""

    quarantined: list[Quarantined] = field(default_factory=list)
    """rows that cannot be used, found before any image was opened"""

    notes: list[str] = field(default_factory=list)
    """remarks for the user: skipped directories, empty or similar classes, ..."""

    @classmethod
    def unlabelled(
        cls,
        names: list[str],
        root: Path | None = None,
        pixels: np.ndarray | None = None,
        images: list[Any] | None = None,
    ) -> "ImageTable":
        """Create a table of images without labels."""
        labels = np.full(len(names), None, dtype=object)
        return cls(names, labels, "none", root=root, pixels=pixels, images=images)

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Sorted names of all classes."""
        names = self.declared_classes | set(self.counts())
        return tuple(sorted(names, key=int if self.whole_numbers else str))

    @property
    def task(self) -> str:
        """Task that the labels are for, as named by --task; none if unlabelled."""
        return TASK_OF_KIND[self.kind]

    @property
    def base_directory(self) -> Path:
        """Directory that the names are relative to."""
        return self.root or Path()

    def path(self, row: int) -> Path:
        """Return the file of a row."""
        return self.base_directory / self.names[row]

    def source(self, row: int) -> Any:
        """Return what a row is decoded from: a file, or an image in memory."""
        return self.path(row) if self.images is None else self.images[row]

    def rows(self, rows: np.ndarray) -> "ImageTable":
        """Return the table of the given rows (indices, or a mask [N])."""
        index = np.arange(len(self))[rows]
        return replace(
            self,
            names=[self.names[i] for i in index],
            labels=self.labels[index],
            split=None if self.split is None else self.split[index],
            groups=None if self.groups is None else self.groups[index],
            pixels=None if self.pixels is None else self.pixels[index],
            images=None if self.images is None else [self.images[i] for i in index],
        )

    def counts(self) -> dict[str, int]:
        """Return the number of images of each class that occurs; empty for numbers."""
        if self.kind == "multi_label":
            from vicinal.core.objective import split_labels

            label_sets = (set(split_labels(label)) for label in self.labels)
            return dict(Counter(name for names in label_sets for name in names))
        return dict(Counter(self.labels)) if self.kind == "single_label" else {}
