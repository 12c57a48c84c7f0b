"""Downscale images to small thumbnails, in threads and with bounded memory."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from vicinal.core.compute.runtime import Runtime
from vicinal.core.compute.threads import ordered_map

T = TypeVar("T")
R = TypeVar("R")


def downscale(pixels: np.ndarray, side: int) -> Tensor:
    """Downscale images [B, S, S, C] of uint8 to planes [B, C, side, side] in 0..255."""
    count, size, _, channels = pixels.shape
    w = resampling_weights(size, side)
    rows = torch.from_numpy(pixels).reshape(count, size, size * channels).float()
    rows = (w @ rows).reshape(count, side, size, channels)
    return rows.permute(0, 3, 1, 2) @ w.mT


def resampling_weights(
    size: int,
    points: int,
    *,
    span: tuple[float, float] = (-1.0, 1.0),
    blur: float = 0.5,
) -> Tensor:
    """Return weights [points, size] that resample a side of `size` pixels.

    The points are spread evenly over a span of the side, which reaches from -1 to 1.
    The weights are Gaussian, with a standard deviation of `blur` times the distance
    between points, and of half a pixel at least.
    """
    low, high = span
    step = (high - low) / points
    positions = low + step * (torch.arange(points, dtype=torch.float64) + 0.5)
    sigma = max(blur * step, 1 / size)
    distances = (positions[:, None] - pixel_centers(size)) / sigma
    weights = torch.exp(-(distances**2) / 2)
    weights[weights < 1e-6] = 0  # arithmetic with denormal numbers is slow
    return (weights / weights.sum(dim=1, keepdim=True)).float()


def pixel_centers(size: int) -> Tensor:
    """Return the centres [size] of the pixels of a side that reaches from -1 to 1."""
    return (2 * torch.arange(size) + 1) / size - 1


def index_batches(n: int, size: int = 32) -> Iterator[np.ndarray]:
    """Yield the indices 0 to n - 1 in batches."""
    return (np.arange(k, min(k + size, n)) for k in range(0, n, size))


def map_in_threads(work: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Return work(item) of each item in order, computed in one thread per core.

    torch itself gets one thread: in matrix products this small its threads busy-wait
    for each other, thirty times slower on a machine with other load.
    """
    with Runtime(threads=1).threaded():
        return list(ordered_map(work, items))
