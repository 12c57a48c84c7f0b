"""N pictures and what is known of each: the one form that every source is read into."""

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from vicinal.core.data.labels import Kind
from vicinal.core.data.quarantine import Quarantined


@dataclass(frozen=True)
class ImageTable:
    """N pictures and what is known of them, a row each."""

    names: list[str]
    """path relative to root, or a name made for a row of an array"""

    labels: np.ndarray
    """[N] class names, texts `a|b` of several, or numbers; None where not given"""

    kind: Kind = "single_label"
    """what the labels are"""

    split: np.ndarray | None = None
    """[N] train, val or test, where the user said so"""

    root: Path | None = None
    """folder of the files"""

    groups: np.ndarray | None = None
    """[N] numbers of groups that the user gave: those of one stay on one side"""

    pixels: np.ndarray | None = None
    """[N, H, W] or [N, H, W, C], when the pictures are arrays"""

    whole_numbers: bool = False
    """whether class names are whole numbers that the user gave as numbers"""

    named_classes: frozenset[str] = frozenset()
    """classes that exist whether or not a picture has them: the columns of marks"""

    set_aside: list[Quarantined] = field(default_factory=list)
    """rows that could not even be listed"""

    notes: list[str] = field(default_factory=list)
    """what the user should know: hidden, empty or look-alike classes, ignored files"""

    @classmethod
    def unlabelled(
        cls,
        names: list[str],
        root: Path | None = None,
        pixels: np.ndarray | None = None,
    ) -> "ImageTable":
        """Pictures of which nothing is known but their names."""
        nothing = np.full(len(names), None, dtype=object)
        return cls(names, nothing, "none", root=root, pixels=pixels)

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Names of all classes, in the order of their names."""
        names = self.named_classes | set(self.counts())
        return tuple(sorted(names, key=int if self.whole_numbers else str))

    @property
    def place(self) -> Path:
        """What the names are relative to."""
        return self.root or Path()

    def path(self, row: int) -> Path:
        """The file of a row."""
        return self.place / self.names[row]

    def rows(self, rows: np.ndarray) -> "ImageTable":
        """The table of some rows: their numbers, or a mask [N]."""
        index = np.arange(len(self))[rows]
        return replace(
            self,
            names=[self.names[i] for i in index],
            labels=self.labels[index],
            split=None if self.split is None else self.split[index],
            groups=None if self.groups is None else self.groups[index],
            pixels=None if self.pixels is None else self.pixels[index],
        )

    def counts(self) -> dict[str, int]:
        """Pictures of each class that a picture has."""
        if self.kind == "multi_label":
            from vicinal.core.objective import split_labels

            names = (set(split_labels(label)) for label in self.labels)
            return dict(Counter(k for some in names for k in some))
        return dict(Counter(self.labels)) if self.kind == "single_label" else {}
