"""A table's pixels, batch by batch: from memory, else from the cache, else the file."""

from dataclasses import dataclass, replace

import numpy as np

from vicinal.core.compute.memory import free_memory
from vicinal.core.compute.threads import ordered_map
from vicinal.errors import DataError
from vicinal.images.data.audit import (
    Audit,
    DecodedImage,
    ImageReader,
    ProgressCallback,
    audit,
    groups_of,
)
from vicinal.images.data.decode import to_channels
from vicinal.images.data.read import ImageTable

SHARE_OF_MEMORY = 0.4


@dataclass(frozen=True)
class ImageDataset:
    """N decoded pictures of one size."""

    table: ImageTable
    eye: ImageReader
    channels: int
    digests: np.ndarray
    """[N] what each picture's content was when it was audited"""

    store: np.ndarray | None = None
    """[M, S, S, C] uint8: pixels in memory, where they fit"""

    index: np.ndarray | None = None
    """[N] row of each picture in the store"""

    groups: np.ndarray | None = None
    """[N] group numbers, where more than exact copies belong together"""

    def __len__(self) -> int:
        return len(self.table)

    def rows(self, rows: np.ndarray) -> "ImageDataset":
        """The pictures of some rows (numbers or a mask); the store is shared."""
        return replace(
            self,
            table=self.table.rows(rows),
            digests=self.digests[rows],
            index=None if self.index is None else self.index[rows],
            groups=None if self.groups is None else self.groups[rows],
        )

    @property
    def together(self) -> np.ndarray:
        """[N] group numbers: pictures of one group stay on one side of every split."""
        return groups_of(self.digests) if self.groups is None else self.groups

    def on_disk(self) -> "ImageDataset":
        """The same pictures for another process, which has not this one's memory."""
        return replace(self, store=None, index=None)

    def batch(self, rows: np.ndarray) -> np.ndarray:
        """Pixels [B, S, S, C] of uint8 of the rows asked for."""
        if self.store is not None and self.index is not None:
            return self.store[self.index[rows]]
        side = self.eye.size
        batch = np.empty((len(rows), side, side, self.channels), dtype=np.uint8)
        for place, pixels in zip(batch, ordered_map(self._pixels, rows), strict=True):
            place[:] = to_channels(pixels, self.channels)
        return batch

    def sample(self, most: int) -> np.ndarray:
        """Pixels of at most that many pictures, spread evenly over the table."""
        rows = np.linspace(0, len(self) - 1, min(most, len(self))).astype(int)
        return self.batch(rows)

    def _pixels(self, row: int) -> np.ndarray:
        digest = self.digests[row].tobytes()
        kept = self.eye.cache.get(digest, self.eye.key) if self.eye.cache else None
        if kept is not None:
            return kept
        look = self.eye.look(self.table, row)
        if look.pixels is None or look.digest != digest:
            why = look.reason or "its content is not what it was"
            raise DataError(
                f"{self.table.names[row]} changed since the audit: {why}. "
                "Leave the pictures alone while training runs, and start again."
            )
        return look.pixels


def load_dataset(
    table: ImageTable,
    eye: ImageReader,
    *,
    channels: int | None = None,
    report_progress: ProgressCallback | None = None,
    memory: float | None = None,
) -> tuple[Audit, ImageDataset]:
    """Audit a table and keep the pixels of what can be used: each file is read once.

    channels: what the network wants; None: 1 if every picture is grey, else 3.
    memory: bytes that the pixels may take; None: a share of what is free now.
    """
    memory = SHARE_OF_MEMORY * free_memory() if memory is None else memory
    fits = len(table) * eye.size * eye.size * 3 <= memory
    kept: list[np.ndarray | None] = []

    def keep(_: int, look: DecodedImage) -> None:
        kept.append(look.pixels)

    found = audit(
        table, eye, report_progress=report_progress, keep=keep if fits else None
    )
    channels = channels or found.channels
    store = _stacked(kept, eye.size, channels) if fits else None
    place = np.cumsum(found.sizes[:, 0] > 0) - 1  # every opened picture was kept
    pictures = ImageDataset(
        table=found.kept(),
        eye=eye,
        channels=channels,
        digests=found.digests[found.usable],
        store=store,
        index=place[found.usable] if fits else None,
    )
    return found, pictures


def _stacked(kept: list[np.ndarray | None], size: int, channels: int) -> np.ndarray:
    """One array [M, S, S, C]; each picture is let go as soon as it is copied."""
    store = np.empty((len(kept), size, size, channels), dtype=np.uint8)
    for row, pixels in enumerate(kept):
        if pixels is not None:
            store[row] = to_channels(pixels, channels)
        kept[row] = None
    return store
