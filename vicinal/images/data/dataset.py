"""Serve decoded images in batches: from memory, else from the cache, else the file."""

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
    duplicate_groups,
)
from vicinal.images.data.decoding.decode import to_channels
from vicinal.images.data.read import ImageTable

MEMORY_FRACTION = 0.4
"""fraction of the free memory that pixels may take"""


@dataclass(frozen=True)
class ImageDataset:
    """N decoded images of one size S x S."""

    table: ImageTable
    reader: ImageReader
    channels: int
    digests: np.ndarray
    """[N] content hash of each image at the audit"""

    store: np.ndarray | None = None
    """[M, S, S, C] uint8: pixels in memory, if they fit"""

    index: np.ndarray | None = None
    """[N] row of each image in the store"""

    assigned_groups: np.ndarray | None = None
    """[N] group numbers that join more than exact duplicates; None: those alone"""

    def __len__(self) -> int:
        return len(self.table)

    def rows(self, rows: np.ndarray) -> "ImageDataset":
        """Return the images of some rows (indices or a mask); the store is shared."""
        groups = self.assigned_groups
        return replace(
            self,
            table=self.table.rows(rows),
            digests=self.digests[rows],
            index=None if self.index is None else self.index[rows],
            assigned_groups=None if groups is None else groups[rows],
        )

    @property
    def groups(self) -> np.ndarray:
        """Group numbers [N]: a group stays in one split or fold."""
        if self.assigned_groups is not None:
            return self.assigned_groups
        return duplicate_groups(self.digests)

    def on_disk(self) -> "ImageDataset":
        """Return the dataset without pixels in memory, for another process."""
        return replace(self, store=None, index=None)

    def batch(self, rows: np.ndarray) -> np.ndarray:
        """Return the pixels [B, S, S, C] of uint8 of the given rows."""
        if self.store is not None and self.index is not None:
            return self.store[self.index[rows]]
        size = self.reader.size
        batch = np.empty((len(rows), size, size, self.channels), dtype=np.uint8)
        images = ordered_map(self._pixels, rows)
        for target, pixels in zip(batch, images, strict=True):
            target[:] = to_channels(pixels, self.channels)
        return batch

    def sample(self, most: int) -> np.ndarray:
        """Return the pixels of at most `most` images, spread evenly over the rows."""
        rows = np.linspace(0, len(self) - 1, min(most, len(self))).astype(int)
        return self.batch(rows)

    def _pixels(self, row: int) -> np.ndarray:
        digest, reader = self.digests[row].tobytes(), self.reader
        cached = reader.cache.get(digest, reader.key) if reader.cache else None
        if cached is not None:
            return cached
        image = reader.read(self.table, row)
        if image.pixels is None or image.digest != digest:
            reason = image.reason or "its content differs"
            raise DataError(
                f"{self.table.names[row]} changed since the audit: {reason}. "
                "Do not modify the images during training, and start again."
            )
        return image.pixels


def load_dataset(
    table: ImageTable,
    reader: ImageReader,
    *,
    channels: int | None = None,
    report_progress: ProgressCallback | None = None,
    memory: float | None = None,
) -> tuple[Audit, ImageDataset]:
    """Audit a table and load the usable images: each file is read once.

    channels: channels of the network's input; None: 1 if every image is greyscale, else
    3. memory: bytes that the pixels may take; None: a fraction of the free memory.
    """
    memory = MEMORY_FRACTION * free_memory() if memory is None else memory
    fits = len(table) * reader.size * reader.size * 3 <= memory
    decoded: list[np.ndarray | None] = []

    def keep(_: int, image: DecodedImage) -> None:
        decoded.append(image.pixels)

    audited = audit(
        table, reader, report_progress=report_progress, keep=keep if fits else None
    )
    channels = channels or audited.channels
    store = _stack(decoded, reader.size, channels) if fits else None
    position = np.cumsum(audited.sizes[:, 0] > 0) - 1  # every decoded image was kept
    dataset = ImageDataset(
        table=audited.usable_table(),
        reader=reader,
        channels=channels,
        digests=audited.digests[audited.usable],
        store=store,
        index=position[audited.usable] if fits else None,
    )
    return audited, dataset


def _stack(images: list[np.ndarray | None], size: int, channels: int) -> np.ndarray:
    """Copy images to one array [M, S, S, C]; each is released once it is copied."""
    store = np.empty((len(images), size, size, channels), dtype=np.uint8)
    for row, pixels in enumerate(images):
        if pixels is not None:
            store[row] = to_channels(pixels, channels)
        images[row] = None
    return store
