"""Batches for training: shuffled, augmented, the same whenever they are asked for."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from vicinal.core.parallel import prefetch
from vicinal.core.runtime import generator
from vicinal.images.augment import Augmentation, augmented
from vicinal.images.decode import Preprocessing
from vicinal.images.pictures import Pictures


@dataclass(frozen=True)
class PictureLoader:
    """Batches of augmented pictures; a function of (seed, epoch, step) alone."""

    pictures: Pictures
    targets: np.ndarray
    preprocessing: Preprocessing
    augmentation: Augmentation
    batch_size: int
    seed: int
    share: tuple[int, int] = (0, 1)
    """(k, K): every batch's rows k, k + K, k + 2 K ... where K processes share it"""

    def part(self, k: int, of: int) -> "PictureLoader":
        """The loader of process k: its share, from the disk where it is not the first.

        Every batch is the one that a single process would see.
        """
        pictures = self.pictures if k == 0 else self.pictures.on_disk()
        return replace(self, pictures=pictures, share=(k, of))

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
        made = (self._batch(epoch, k, parts[k]) for k in range(start, self.steps))
        return made if self.pictures.store is not None else prefetch(made)

    def _batch(self, epoch: int, step: int, rows: np.ndarray) -> tuple[Tensor, Tensor]:
        g = generator(self.seed, epoch, step, 1)
        n, mine = len(rows), slice(self.share[0], None, self.share[1])
        rows = rows[mine]
        pixels = self.pictures.batch(rows)
        x = augmented(pixels, self.augmentation, self.preprocessing, g, n, mine)
        return x, torch.from_numpy(self.targets[rows])
