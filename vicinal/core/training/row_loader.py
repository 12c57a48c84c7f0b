"""Mini-batches of rows, shuffled anew in each epoch."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from vicinal.core.compute.runtime import seeded_generator


class Loader(Protocol):
    """Batches of the training split."""

    @property
    def steps(self) -> int:
        """Batches per epoch."""
        ...

    def batches(self, epoch: int, start: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield batches (x, y) of an epoch from step `start`, in a fixed order."""
        ...

    def shard(self, rank: int, world_size: int) -> "Loader":
        """Return the loader of one process: its share of each batch."""
        ...


@dataclass
class RowLoader:
    """Mini-batches of about the same total size: a `Loader` for the `Trainer`.

    A batch is (row indices [B], targets [B] or [B, K]); the network looks up the rows.
    """

    rows: np.ndarray
    """[R] row indices of the train split"""

    y: Tensor
    """[R] or [R, K] targets"""

    sizes: np.ndarray
    """[R] above 0: what a row adds to a batch, such as the edges of a graph; else 1"""

    steps: int
    """batches per epoch"""

    seed: int
    share: tuple[int, int] = (0, 1)
    """(rank, number of processes), of which each takes its part of every batch"""

    def batches(self, epoch: int, start: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of an epoch from step `start` on."""
        generator = seeded_generator(self.seed, epoch)
        order = torch.randperm(len(self.rows), generator=generator)
        done = np.cumsum(self.sizes[order.numpy()])
        step = np.minimum(done * self.steps // (done[-1] + 1), self.steps - 1)
        k, of = self.share
        for number in range(start, self.steps):
            own = order[torch.from_numpy(step == number)][k::of]
            yield torch.from_numpy(self.rows[own.numpy()]), self.y[own]

    def shard(self, rank: int, world_size: int) -> "RowLoader":
        """Return the loader of one of several processes."""
        return replace(self, share=(rank, world_size))
