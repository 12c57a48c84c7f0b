"""Activations of frozen blocks, computed once for several augmented views of an image.

::

    view v of an image --frozen blocks--> a_v [D, h, w]        once, kept in memory
    a_v --trained blocks, head--> logits                       in epochs v, v + V, ...

Frozen blocks map the same input to the same activation, so an epoch that shows a view
again needs the blocks above them only, in both directions. With V views an image is
still seen in V variations. On a CPU without bfloat16 an epoch of MobileNetV2's upper
twelve of 19 blocks takes a third of the time of all.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vicinal.core.compute import openvino
from vicinal.core.compute.batchnorm_folding import fold_batchnorm
from vicinal.core.compute.memory import free_memory
from vicinal.core.compute.runtime import Runtime
from vicinal.core.compute.signals import allow_signals
from vicinal.images.data.dataset import MEMORY_FRACTION, ImageDataset
from vicinal.images.data.decoding.preprocess import to_input
from vicinal.images.networks.base import Network
from vicinal.images.training.loader import ImageLoader

MAX_VIEWS = 8
"""augmented views of each image"""

MIN_VIEWS = 2
"""views below which nothing is gained"""

TIMED_IMAGES = 16
"""images that the frozen blocks are timed on"""

VALIDATION_BATCH = 64

Blocks = Callable[[Tensor], Tensor]
"""maps images [B, C, H, W] to activations [B, D, h, w]"""


class LowerBlocks(nn.Module):
    """The first `count` modules of a network's chain: [N, C, H, W] to [N, D, h, w]."""

    def __init__(self, network: Network, count: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*network.chain()[:count])

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(x)


class UpperBlocks(nn.Module):
    """The rest of the chain and the head: [N, D, h, w] to logits [N, num_classes]."""

    def __init__(self, network: Network, count: int) -> None:
        super().__init__()
        self.network, self.count = network, count

    def forward(self, activations: Tensor) -> Tensor:
        x = activations
        for module in self.network.chain()[self.count :]:
            x = module(x)
        return self.network.classify(self.network.pool(x))


def count_frozen_modules(network: Network) -> int:
    """Return how many modules at the beginning of the chain have nothing to train."""
    for k, module in enumerate(network.chain()):
        if any(p.requires_grad for p in module.parameters()):
            return k
    return len(network.chain())


def compile_blocks(blocks: nn.Module, x: Tensor, runtime: Runtime) -> Blocks:
    """Return the frozen blocks as the faster of torch and OpenVINO, measured on x.

    Batch norms are folded into the convolutions. x: [B, C, H, W].
    """
    folded = fold_batchnorm(blocks, x[:2])

    @torch.inference_mode()
    def run(x: Tensor) -> Tensor:
        with runtime.threaded(), runtime.active():
            return prepared(runtime.move(x)).float()

    prepared = runtime.prepare(folded)
    candidates: list[Blocks] = [run]
    if openvino.is_installed():
        function = openvino.compile_with_openvino(folded, x[:2], runtime.precision)
        candidates.append(lambda x: torch.from_numpy(function(x.numpy())).float())
    return min(candidates, key=lambda candidate: seconds_of(candidate, x))


def seconds_of(function: Callable[[Any], Any], x: Any) -> float:
    """Return the seconds of one call, after a warm-up."""
    function(x)
    started_at = time.perf_counter()
    function(x)
    return time.perf_counter() - started_at


def cache_activations(
    loader: ImageLoader, network: Network, num_views: int, runtime: Runtime
) -> "ActivationLoader":
    """Return a loader of the activations of a network's frozen blocks."""
    count = count_frozen_modules(network)
    x, _ = next(iter(loader.batches(0)))
    blocks = compile_blocks(LowerBlocks(network, count), x[:TIMED_IMAGES], runtime)
    return ActivationLoader(loader, blocks, count, num_views)


def affordable_views(num_images: int, activation: Tensor) -> int:
    """Return for how many views the activations of all images fit in memory.

    activation: [B, D, h, w]; two bytes are kept of each number.
    """
    size = 2 * num_images * activation[0].numel()
    return min(MAX_VIEWS, int(MEMORY_FRACTION * free_memory() / size))


@dataclass
class ActivationLoader:
    """Batches of activations [B, D, h, w]; a function of (seed, epoch, step) alone.

    The view of an epoch has the augmentation of the first epoch that shows it.
    """

    images: ImageLoader
    blocks: Blocks
    count: int
    """number of frozen modules of the chain"""

    num_views: int
    store: dict[int, Tensor] = field(default_factory=dict)
    """by view: [N, D, h, w] float16"""

    complete: set[int] = field(default_factory=set)
    """views of which every image is in the store"""

    @property
    def steps(self) -> int:
        """Batches per epoch."""
        return self.images.steps

    def upper_blocks(self, network: Any) -> nn.Module:
        """Return the blocks of a network that these batches are the input of."""
        return UpperBlocks(network, self.count)

    def shard(self, rank: int, world_size: int) -> "ActivationLoader":
        """Return this loader: it is for a single process."""
        assert world_size == 1
        return self

    def batches(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield batches (activations, y) of an epoch, from step `start` on."""
        view = epoch % self.num_views
        if view == epoch:
            yield from self._compute(view, start)
            return
        if view not in self.complete:  # resumed, or the epoch was cut off
            with allow_signals():  # it may take minutes, and changes no weight
                for _ in self._compute(view, 0):
                    pass
        for rows in self.images.rows(epoch)[start:]:
            y = torch.from_numpy(self.images.targets[rows])
            yield self.store[view][torch.from_numpy(rows)].float(), y

    def _compute(self, view: int, start: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of the epoch `view`, and keep them."""
        rows = self.images.rows(view)[start:]
        for own, (x, y) in zip(rows, self.images.batches(view, start), strict=True):
            a = self.blocks(x).half()
            if view not in self.store:
                shape = len(self.images.images), *a.shape[1:]
                self.store[view] = torch.empty(shape, dtype=torch.float16)
            self.store[view][torch.from_numpy(own)] = a
            yield a.float(), y
        if start == 0:
            self.complete.add(view)


@dataclass
class CachedValidation:
    """Logits of the validation images while the upper blocks are trained."""

    network: Network
    loader: ActivationLoader
    images: ImageDataset
    runtime: Runtime

    @cached_property
    def activations(self) -> list[Tensor]:
        """Activations of the images in batches, computed when first needed."""
        rows = np.array_split(
            np.arange(len(self.images)), -(-len(self.images) // VALIDATION_BATCH)
        )
        preprocessing, blocks = self.loader.images.preprocessing, self.loader.blocks
        batches = (to_input(self.images.batch(part), preprocessing) for part in rows)
        return [blocks(x).half() for x in batches]

    @torch.no_grad()
    def logits(self) -> Tensor:
        """Return logits [N, K] of the network as it is."""
        upper = self.loader.upper_blocks(self.network).eval()
        with self.runtime.threaded(), self.runtime.active():
            parts = [upper(self.runtime.move(a.float())) for a in self.activations]
        return torch.cat(parts).float()
