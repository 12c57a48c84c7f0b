"""Find candidate pairs of near duplicates: by a perceptual hash and by features.

`near_duplicates` explains how they are used, and what they find.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vicinal.images.data.dataset import ImageDataset
from vicinal.images.splits.thumbnails import (
    downscale,
    index_batches,
    map_in_threads,
    pixel_centers,
    resampling_weights,
)

THUMBNAIL_SIZE = 32
"""side of the greyscale thumbnails in pixels: a kilobyte per image is kept"""

FREQUENCIES = 8
"""lowest vertical and horizontal frequencies: 64 signs; that of the mean is unused"""

SPANS = ((-1.0, 1.0), (-1.0, 0.9), (-0.9, 1.0), (-1.0, 0.8), (-0.8, 1.0))
"""spans of a side from -1 to 1: all of it, then 95 % and 90 % of it at either end"""

WINDOWS = ((0, 0), *((y, x) for ends in ((1, 2), (3, 4)) for y in ends for x in ends))
"""vertical and horizontal spans that are hashed: the whole and four corners twice"""

MAX_HASH_DISTANCE = 11
"""bits of 63: the smallest that reaches every cropped copy. It gives 0.5 candidates
per image of TrashNet, and 0.003 per image of the ImageNet sample"""

MAX_HASH_NEIGHBORS = 16
"""candidates per image by hash, at most"""

MAX_FEATURE_NEIGHBORS = 3
"""candidates per image by features, at most; with 5, 98 % of all modified copies were
among them"""

MIN_DEVIATIONS = 3.0
"""robust standard deviations by which a candidate's cosine exceeds the median of random
pairs"""

SUFFICIENT_COSINE = 0.9
"""cosine that makes a candidate in any case: with features of few effective dimensions
random pairs reach high cosines"""

MAX_DIMENSIONS = 128
"""principal components of the features that are compared"""

ROW_BLOCK, COLUMN_BLOCK = 64, 4096
"""size of the blocks of hash distances that are held in memory"""

NUM_RANDOM_PAIRS = 100_000


# --- by hash


class Fingerprints(NamedTuple):
    """What is kept of N images while candidates are searched."""

    thumbnails: np.ndarray
    """[N, THUMBNAIL_SIZE, THUMBNAIL_SIZE] uint8, greyscale"""

    hashes: np.ndarray
    """[N, W] uint64, one for each of WINDOWS"""


def fingerprints(images: ImageDataset) -> Fingerprints:
    """Return thumbnails and hashes of N images, read in small batches."""
    shape = (len(images), THUMBNAIL_SIZE, THUMBNAIL_SIZE)
    thumbnails = np.empty(shape, dtype=np.uint8)

    def shrink(rows: np.ndarray) -> None:
        gray = downscale(images.batch(rows), THUMBNAIL_SIZE).mean(dim=1)
        thumbnails[rows] = gray.round().numpy()

    map_in_threads(shrink, index_batches(len(images)))
    return Fingerprints(thumbnails, perceptual_hashes(thumbnails))


def perceptual_hashes(thumbnails: np.ndarray) -> np.ndarray:
    """Return 64-bit hashes [N, W] of thumbnails, one for each of WINDOWS.

    One matrix product transforms the rows of a span, another its columns.
    """
    angles = torch.pi / 2 * (pixel_centers(THUMBNAIL_SIZE) + 1)
    cosines = torch.cos(torch.arange(FREQUENCIES)[:, None] * angles)
    spans = [
        cosines @ resampling_weights(THUMBNAIL_SIZE, THUMBNAIL_SIZE, span=span)
        for span in SPANS
    ]
    hashes = np.empty((len(thumbnails), len(WINDOWS)), dtype=np.uint64)
    for rows in index_batches(len(thumbnails), 1024):
        gray = torch.from_numpy(thumbnails[rows]).float()
        for window, (y, x) in enumerate(WINDOWS):
            signs = (spans[y] @ gray @ spans[x].mT).flatten(1).numpy() > 0
            signs[:, 0] = False
            hashes[rows, window] = np.packbits(signs, axis=1).view(np.uint64)[:, 0]
    return hashes


def hash_candidates(
    hashes: np.ndarray,
    radius: int = MAX_HASH_DISTANCE,
    most: int = MAX_HASH_NEIGHBORS,
) -> np.ndarray:
    """Return pairs [P, 2] of images within `radius` bits, from hashes [N, W].

    The distance from i to j is that from the first hash of i to the nearest hash of j.
    Each image contributes the `most` nearest. All N * N distances are computed, block
    by block.
    """
    by_window = np.ascontiguousarray(hashes.T)
    starts = range(0, len(hashes), ROW_BLOCK)
    pairs = map_in_threads(
        lambda start: _neighbors_by_hash(by_window, start, radius, most), starts
    )
    return unique_pairs(pairs)


def _neighbors_by_hash(
    by_window: np.ndarray, start: int, radius: int, most: int
) -> np.ndarray:
    """Return ordered pairs (i, j) of ROW_BLOCK rows i from `start`; hashes [W, N]."""
    first = by_window[0, start : start + ROW_BLOCK, None]
    blocks = []
    for column in range(0, by_window.shape[1], COLUMN_BLOCK):
        others = by_window[:, column : column + COLUMN_BLOCK]
        distance = np.bitwise_count(first ^ others[0])
        for window in others[1:]:
            np.minimum(distance, np.bitwise_count(first ^ window), out=distance)
        hits = np.flatnonzero(distance <= radius)
        i, j = np.divmod(hits, others.shape[1])
        blocks.append(np.stack([i + start, j + column, distance.ravel()[hits]]))
    i, j, distance = np.concatenate(blocks, axis=1)
    order = np.lexsort((j, distance, i))
    order = order[i[order] != j[order]]
    i, j = i[order], j[order]
    rank = np.arange(len(i)) - np.searchsorted(i, i)
    return np.stack([i, j], axis=1)[rank < most]


# --- by features


def feature_candidates(
    features: np.ndarray, most: int = MAX_FEATURE_NEIGHBORS
) -> np.ndarray:
    """Return pairs [P, 2] of images with similar features [N, D].

    A pair is a candidate if one is among the `most` nearest of the other by the cosine
    of their centred features, and that cosine is SUFFICIENT_COSINE or MIN_DEVIATIONS
    robust standard deviations (1.4826 times the median absolute deviation) above the
    median of random pairs. So the threshold adapts to the network and to the data.
    """
    if len(features) < 2:
        return unique_pairs([])
    x = _unit_vectors(features)
    threshold = _cosine_threshold(x)

    def nearest(rows: np.ndarray) -> np.ndarray:
        cosine, j = (x[rows] @ x.T).topk(min(most + 1, len(x)), dim=1)
        i = torch.from_numpy(rows)[:, None].expand_as(j)
        return torch.stack([i, j], dim=2)[(cosine >= threshold) & (i != j)].numpy()

    return unique_pairs(map_in_threads(nearest, index_batches(len(x))))


def _unit_vectors(features: np.ndarray) -> Tensor:
    """Return centred features [N, D], as principal components, each row of length 1."""
    x = features.astype(np.float32) - features.mean(axis=0, dtype=np.float32)
    if x.shape[1] > MAX_DIMENSIONS:
        x = x @ np.linalg.eigh(x.T @ x)[1][:, -MAX_DIMENSIONS:]
    return torch.from_numpy(x / np.linalg.norm(x, axis=1, keepdims=True).clip(1e-12))


def _cosine_threshold(x: Tensor) -> float:
    """Return the cosine that exceeds those of random pairs of rows of x [N, D]."""
    rng = np.random.default_rng(0)
    i = rng.integers(0, len(x), NUM_RANDOM_PAIRS)
    j = (i + rng.integers(1, len(x), len(i))) % len(x)  # never i itself
    cosine = (x[i] * x[j]).sum(dim=1)
    median = cosine.median()
    deviation = 1.4826 * (cosine - median).abs().median()
    return min(float(median + MIN_DEVIATIONS * deviation), SUFFICIENT_COSINE)


def unique_pairs(lists: list[np.ndarray]) -> np.ndarray:
    """Return the distinct pairs [P, 2] of several lists, the smaller number first."""
    pairs = np.concatenate([np.empty((0, 2), dtype=np.int64), *lists])
    return np.unique(np.sort(pairs, axis=1), axis=0)
