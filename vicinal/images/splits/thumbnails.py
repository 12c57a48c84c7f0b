"""Pictures shrunk to a few pixels a side, many at once and a few at a time."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from vicinal.core.compute.runtime import Runtime
from vicinal.core.compute.threads import ordered_map

T = TypeVar("T")
R = TypeVar("R")


def shrunk(pixels: np.ndarray, side: int) -> Tensor:
    """Pixels [B, S, S, C] of uint8 as planes [B, C, side, side], 0 to 255."""
    count, size, _, channels = pixels.shape
    w = sampling(size, side)
    rows = torch.from_numpy(pixels).reshape(count, size, size * channels).float()
    rows = (w @ rows).reshape(count, side, size, channels)
    return rows.permute(0, 3, 1, 2) @ w.mT


def sampling(
    size: int,
    points: int,
    *,
    span: tuple[float, float] = (-1.0, 1.0),
    blur: float = 0.5,
) -> Tensor:
    """Weights [points, size] that sample a side of `size` pixels at `points` places.

    The places are spread evenly over a span of the side, which reaches from -1 to 1.
    The weights are Gaussian, with a sigma of `blur` of the way from place to place, and
    of half a pixel at least.
    """
    low, high = span
    step = (high - low) / points
    places = low + step * (torch.arange(points, dtype=torch.float64) + 0.5)
    sigma = max(blur * step, 1 / size)
    weights = torch.exp(-(((places[:, None] - centres(size)) / sigma) ** 2) / 2)
    weights[weights < 1e-6] = 0  # arithmetic with denormal numbers is slow
    return (weights / weights.sum(dim=1, keepdim=True)).float()


def centres(size: int) -> Tensor:
    """Centres [size] of the pixels of a side that reaches from -1 to 1."""
    return (2 * torch.arange(size) + 1) / size - 1


def batches(n: int, size: int = 32) -> Iterator[np.ndarray]:
    """The numbers below n, a few at a time."""
    return (np.arange(k, min(k + size, n)) for k in range(0, n, size))


def in_threads(work: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """work(item) of each item in order, computed in as many threads as there are cores.

    torch has no threads of its own meanwhile: in products as small as these they wait
    for each other busily, thirty times slower on a machine that has other work.
    """
    with Runtime(threads=1).threaded():
        return list(ordered_map(work, items))
