"""Batches for training: shuffled, augmented, the same whenever they are asked for."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from vicinal.core.compute.memory import free_on
from vicinal.core.compute.runtime import generator, indexed
from vicinal.core.compute.threads import prefetch
from vicinal.images.data.audit import ProgressCallback
from vicinal.images.data.dataset import SHARE_OF_MEMORY, ImageDataset
from vicinal.images.data.decode import Preprocessing
from vicinal.images.training.augment import Augmentation, augmented

PIECE = 1024
"""pictures that are brought to a device at a time"""


@dataclass(frozen=True)
class ImageLoader:
    """Batches of augmented pictures; a function of (seed, epoch, step) alone."""

    pictures: ImageDataset
    targets: np.ndarray
    preprocessing: Preprocessing
    augmentation: Augmentation
    batch_size: int
    seed: int
    share: tuple[int, int] = (0, 1)
    """(k, K): every batch's rows k, k + K, k + 2 K ... where K processes share it"""

    device: str = "cpu"
    """where views are made; pixels go there as bytes, a quarter of what floats take"""

    resident: Tensor | None = None
    """[N, S, S, C] uint8: all pixels, on the device, where they fit"""

    def on(
        self,
        device: str,
        memory: float | None = None,
        report_progress: ProgressCallback | None = None,
    ) -> "ImageLoader":
        """The loader that makes views on a device, with all pixels there if they fit.

        memory: bytes that they may take; None: a share of what is free there. tick is
        called as tick(done, total); it may raise to stop.
        """
        memory = SHARE_OF_MEMORY * free_on(device) if memory is None else memory
        n, side = len(self.pictures), self.pictures.eye.size
        shape = n, side, side, self.pictures.channels
        if np.prod(shape) > memory:
            return replace(self, device=device)
        pixels = torch.empty(shape, dtype=torch.uint8, device=device)
        for start in range(0, n, PIECE):
            rows = np.arange(start, min(start + PIECE, n))
            pixels[start : start + PIECE] = torch.from_numpy(self.pictures.batch(rows))
            if report_progress is not None:
                report_progress(int(rows[-1]) + 1, n)
        return replace(self, device=device, resident=pixels)

    def part(self, k: int, of: int) -> "ImageLoader":
        """The loader of process k: its share, from the disk where it is not the first.

        Every batch is the one that a single process would see.
        """
        if k == 0:
            return replace(self, share=(k, of))
        pictures = self.pictures.on_disk()
        return replace(self, pictures=pictures, share=(k, of), resident=None)

    @property
    def steps(self) -> int:
        """Batches in an epoch, none of one picture: rather three than two and one."""
        n = len(self.pictures)
        return min(-(-n // self.batch_size), max(1, n // 2))

    def batches(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches (x [B, C, H, W], y [B]) of an epoch, from step `start` on."""
        order = torch.randperm(
            len(self.pictures), generator=generator(self.seed, epoch)
        ).numpy()
        # equal shares: no lonely last picture, which has no batch statistics
        parts = np.array_split(order, self.steps)
        own = replace(self, device=indexed(self.device))  # whatever the thread
        made = (own._batch(epoch, k, parts[k]) for k in range(start, self.steps))
        stored = self.pictures.store is not None or self.resident is not None
        return made if stored else prefetch(made)

    def _batch(self, epoch: int, step: int, rows: np.ndarray) -> tuple[Tensor, Tensor]:
        g = generator(self.seed, epoch, step, 1)
        n, mine = len(rows), slice(self.share[0], None, self.share[1])
        rows = rows[mine]
        pixels = self._pixels(rows)
        x = augmented(pixels, self.augmentation, self.preprocessing, g, n, mine)
        return x, torch.from_numpy(self.targets[rows])

    def _pixels(self, rows: np.ndarray) -> Tensor:
        """Pixels [B, S, S, C] of uint8, on the device."""
        if self.resident is not None:
            return self.resident[torch.from_numpy(rows).to(self.device)]
        return torch.from_numpy(self.pictures.batch(rows)).to(self.device)
