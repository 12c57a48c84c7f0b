"""Batches for training: shuffled, augmented, and reproducible."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from vicinal.core.compute.memory import free_device_memory
from vicinal.core.compute.runtime import device_with_index, seeded_generator
from vicinal.core.compute.threads import prefetch
from vicinal.core.text import pluralize
from vicinal.errors import NoDataError
from vicinal.images.data.audit import ProgressCallback
from vicinal.images.data.dataset import MEMORY_FRACTION, ImageDataset
from vicinal.images.data.decoding.decode import Preprocessing
from vicinal.images.training.augment import Augmentation, augment_batch

CHUNK_SIZE = 1024
"""images that are copied to a device at a time"""


def check_training_images(train: ImageDataset) -> None:
    """Raise NoDataError where there are fewer than two training images."""
    if len(train) < 2:
        raise NoDataError(
            f"{pluralize(len(train), 'image')} in the train split; at least 2 are "
            "needed. Others are quarantined or in other splits."
        )


@dataclass(frozen=True)
class ImageLoader:
    """Batches of augmented images; a function of (seed, epoch, step) alone."""

    images: ImageDataset
    targets: np.ndarray
    preprocessing: Preprocessing
    augmentation: Augmentation
    batch_size: int
    seed: int
    rank: int = 0
    world_size: int = 1
    """this loader has the rows rank, rank + world_size, ... of every batch"""

    device: str = "cpu"
    """where images are augmented; pixels are copied there as bytes"""

    device_pixels: Tensor | None = None
    """[N, S, S, C] uint8: all pixels, on the device, where they fit"""

    def to(
        self,
        device: str,
        max_bytes: float | None = None,
        report_progress: ProgressCallback | None = None,
    ) -> "ImageLoader":
        """Return a loader that augments on a device, with all pixels there if they fit.

        max_bytes: memory they may take; None: a fraction of what is free on the device.
        report_progress(done, total) may raise to stop.
        """
        if max_bytes is None:
            max_bytes = MEMORY_FRACTION * free_device_memory(device)
        n, side = len(self.images), self.images.reader.size
        shape = n, side, side, self.images.channels
        if np.prod(shape) > max_bytes:
            return replace(self, device=device)
        pixels = torch.empty(shape, dtype=torch.uint8, device=device)
        for start in range(0, n, CHUNK_SIZE):
            rows = np.arange(start, min(start + CHUNK_SIZE, n))
            pixels[start : start + CHUNK_SIZE] = torch.from_numpy(
                self.images.batch(rows)
            )
            if report_progress is not None:
                report_progress(int(rows[-1]) + 1, n)
        return replace(self, device=device, device_pixels=pixels)

    def shard(self, rank: int, world_size: int) -> "ImageLoader":
        """Return the loader of one process; all but the first read from disk.

        Together the processes have every batch of a single process.
        """
        if rank == 0:
            return replace(self, rank=rank, world_size=world_size)
        images = self.images.on_disk()
        return replace(
            self, images=images, rank=rank, world_size=world_size, device_pixels=None
        )

    @property
    def steps(self) -> int:
        """Batches per epoch; none of one image, so three images make one batch."""
        n = len(self.images)
        return min(-(-n // self.batch_size), max(1, n // 2))

    def rows(self, epoch: int) -> list[np.ndarray]:
        """Return the rows of the images in each batch of an epoch."""
        generator = seeded_generator(self.seed, epoch)
        order = torch.randperm(len(self.images), generator=generator).numpy()
        # equal sizes: a single last image would have no batch statistics
        return np.array_split(order, self.steps)

    def batches(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield batches (x [B, C, H, W], y [B]) of an epoch, from step `start` on."""
        rows = self.rows(epoch)
        # the current device may differ in the thread that prefetches
        loader = replace(self, device=device_with_index(self.device))
        batches = (loader._batch(epoch, k, rows[k]) for k in range(start, self.steps))
        in_memory = self.images.store is not None or self.device_pixels is not None
        return batches if in_memory else prefetch(batches)

    def _batch(self, epoch: int, step: int, rows: np.ndarray) -> tuple[Tensor, Tensor]:
        own = slice(self.rank, None, self.world_size)
        x = augment_batch(
            self._pixels(rows[own]),
            self.augmentation,
            self.preprocessing,
            seeded_generator(self.seed, epoch, step, 1),
            batch_size=len(rows),
            rows=own,
        )
        return x, torch.from_numpy(self.targets[rows[own]])

    def _pixels(self, rows: np.ndarray) -> Tensor:
        """Return pixels [B, S, S, C] uint8, on the device."""
        if self.device_pixels is not None:
            return self.device_pixels[torch.from_numpy(rows).to(self.device)]
        return torch.from_numpy(self.images.batch(rows)).to(self.device)
