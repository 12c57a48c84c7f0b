"""Pairs of pictures that may be near duplicates: by a perceptual hash, by features.

`near_duplicates` says how they are used, and what they find.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vicinal.images.data.dataset import ImageDataset
from vicinal.images.splits.thumbnails import (
    batches,
    centres,
    in_threads,
    sampling,
    shrunk,
)

SIDE = 32
"""pixels a side of the grey thumbnails: a kilobyte a picture is kept, not more"""

FREQUENCIES = 8
"""lowest frequencies down and across: 64 signs; that of the mean is left out"""

SPANS = ((-1.0, 1.0), (-1.0, 0.9), (-0.9, 1.0), (-1.0, 0.8), (-0.8, 1.0))
"""parts of a side from -1 to 1: the whole, then 95 % and 90 % of it at either end"""

WINDOWS = ((0, 0), *((y, x) for ends in ((1, 2), (3, 4)) for y in ends for x in ends))
"""spans down and across that are hashed: the whole and four corners of both sizes"""

RADIUS = 11
"""bits of 63: the least that reaches every trimmed copy. It makes 0.5 candidates a
picture of TrashNet's, and 0.003 of the sample of ImageNet's"""

NEAREST = 16
"""candidates that one picture brings in by its hash, at most"""

NEIGHBOURS = 3
"""candidates that one picture brings in by its features, at most; at 5, 98 % of all
changed copies were among them"""

SPREADS = 3.0
"""robust standard deviations of random pairs that a cosine lies above their median"""

COSINE = 0.9
"""that is enough in any case: where features have few directions, chance reaches far"""

DIMENSIONS = 128
"""principal components of the features that are compared"""


# --- by hash


class Fingerprints(NamedTuple):
    """What is kept of N pictures while candidates are sought."""

    thumbnails: np.ndarray
    """[N, SIDE, SIDE] uint8, grey"""

    hashes: np.ndarray
    """[N, W] uint64, one for each of WINDOWS"""


def fingerprints(pictures: ImageDataset) -> Fingerprints:
    """Thumbnails and hashes of N pictures, which are read a few at a time."""
    thumbnails = np.empty((len(pictures), SIDE, SIDE), dtype=np.uint8)

    def shrink(rows: np.ndarray) -> None:
        grey = shrunk(pictures.batch(rows), SIDE).mean(dim=1)
        thumbnails[rows] = grey.round().numpy()

    in_threads(shrink, batches(len(pictures)))
    return Fingerprints(thumbnails, perceptual_hashes(thumbnails))


def perceptual_hashes(thumbnails: np.ndarray) -> np.ndarray:
    """Hashes [N, W] of 64 bits, one for each of WINDOWS, of thumbnails [N, SIDE, SIDE].

    One product takes the rows of a span to their frequencies, another its columns.
    """
    angles = torch.pi / 2 * (centres(SIDE) + 1)
    cosines = torch.cos(torch.arange(FREQUENCIES)[:, None] * angles)
    spans = [cosines @ sampling(SIDE, SIDE, span=span) for span in SPANS]
    hashes = np.empty((len(thumbnails), len(WINDOWS)), dtype=np.uint64)
    for rows in batches(len(thumbnails), 1024):
        grey = torch.from_numpy(thumbnails[rows]).float()
        for window, (y, x) in enumerate(WINDOWS):
            signs = (spans[y] @ grey @ spans[x].mT).flatten(1).numpy() > 0
            signs[:, 0] = False
            hashes[rows, window] = np.packbits(signs, axis=1).view(np.uint64)[:, 0]
    return hashes


def close_hashes(
    hashes: np.ndarray, radius: int = RADIUS, most: int = NEAREST
) -> np.ndarray:
    """Pairs [P, 2] of pictures that are within `radius` bits, by hashes [N, W].

    From i to j it is as far as from the first hash of i to the nearest of j. Each
    picture brings in the `most` that are nearest to it. All N * N distances are
    computed, 64 rows by 4096 columns at a time, so that no more than those are held.
    """
    by_window = np.ascontiguousarray(hashes.T)
    starts = range(0, len(hashes), 64)
    found = in_threads(lambda k: _close_to(by_window, k, radius, most), starts)
    return distinct(found)


def _close_to(by_window: np.ndarray, start: int, radius: int, most: int) -> np.ndarray:
    """Ordered pairs (i, j) of the 64 rows i from `start` on, by hashes [W, N]."""
    mine = by_window[0, start : start + 64, None]
    found = []
    for column in range(0, by_window.shape[1], 4096):
        theirs = by_window[:, column : column + 4096]
        apart = np.bitwise_count(mine ^ theirs[0])
        for window in theirs[1:]:
            np.minimum(apart, np.bitwise_count(mine ^ window), out=apart)
        hits = np.flatnonzero(apart <= radius)
        i, j = np.divmod(hits, theirs.shape[1])
        found.append(np.stack([i + start, j + column, apart.ravel()[hits]]))
    i, j, apart = np.concatenate(found, axis=1)
    order = np.lexsort((j, apart, i))
    order = order[i[order] != j[order]]
    i, j = i[order], j[order]
    rank = np.arange(len(i)) - np.searchsorted(i, i)
    return np.stack([i, j], axis=1)[rank < most]


# --- by features


def close_features(features: np.ndarray, most: int = NEIGHBOURS) -> np.ndarray:
    """Pairs [P, 2] of pictures whose features [N, D] are alike.

    Alike: one is among the `most` nearest of the other by the cosine of their features
    less the mean, and that cosine is SPREADS robust standard deviations (1.4826 times
    the median distance from the median) above the median of random pairs of these
    pictures, or COSINE. So it adapts to the network and to how varied the data are.
    """
    if len(features) < 2:
        return distinct([])
    x = _directions(features)
    least = _unlike_chance(x)

    def nearest(rows: np.ndarray) -> np.ndarray:
        cosine, j = (x[rows] @ x.T).topk(min(most + 1, len(x)), dim=1)
        i = torch.from_numpy(rows)[:, None].expand_as(j)
        return torch.stack([i, j], dim=2)[(cosine >= least) & (i != j)].numpy()

    return distinct(in_threads(nearest, batches(len(x))))


def _directions(features: np.ndarray) -> Tensor:
    """Features [N, D] less their mean, by principal component, each row of length 1."""
    x = features.astype(np.float32) - features.mean(axis=0, dtype=np.float32)
    if x.shape[1] > DIMENSIONS:
        x = x @ np.linalg.eigh(x.T @ x)[1][:, -DIMENSIONS:]
    return torch.from_numpy(x / np.linalg.norm(x, axis=1, keepdims=True).clip(1e-12))


def _unlike_chance(x: Tensor) -> float:
    """Cosine that stands out from those of 100,000 random pairs of rows of x [N, D]."""
    rng = np.random.default_rng(0)
    i = rng.integers(0, len(x), 100_000)
    j = (i + rng.integers(1, len(x), len(i))) % len(x)  # never i itself
    cosine = (x[i] * x[j]).sum(dim=1)
    median = cosine.median()
    spread = 1.4826 * (cosine - median).abs().median()
    return min(float(median + SPREADS * spread), COSINE)


def distinct(lists: list[np.ndarray]) -> np.ndarray:
    """The pairs [P, 2] of several lists, once each, the smaller number first."""
    pairs = np.concatenate([np.empty((0, 2), dtype=np.int64), *lists])
    return np.unique(np.sort(pairs, axis=1), axis=0)
