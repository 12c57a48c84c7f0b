"""Find near duplicates: one photograph saved again, resized, cropped or brightened.

In two splits they inflate the score like exact duplicates do. Candidates are searched
in two ways (`candidates`), and an alignment (`alignment`) decides, so that images that
are merely similar (another bottle on the same table) are not joined:

1. **A perceptual hash**: the signs of the lowest frequencies of an image's cosine
   transform (Zauner 2010, "Implementation and benchmarking of perceptual image hash
   functions", section 3.2.1). Cropping changes them, so an image has nine hashes: of
   the whole and of its corners. A pair is a candidate if the whole of one is within
   `MAX_HASH_DISTANCE` bits of any of the other's nine.
2. **Frozen features**, if there are any: each image's nearest neighbours, if they are
   more similar than random pairs of images (see `feature_candidates`).
3. **Alignment**: one image is aligned with the other by least squares over shift and
   zoom (Lucas and Kanade 1981, "An iterative image registration technique"), and the
   fine detail of the overlap is correlated: near duplicates from `MIN_SIMILARITY` on.

The constants of these modules were chosen by the recall on 240 modified copies of each
kind, hidden among 2,527 photographs of rubbish on a table (TrashNet, decoded at 256
pixels):

===================================================  ==========
saved as JPEG of quality 60                          99.2 %
saved as JPEG of quality 60 to 95                    100 %
half as wide and high; at 0.5 to 1 of it, JPEG       100 %
up to 5 %, up to 10 % of each side cropped           100 %
10 % of each side cropped at one corner              100 %
brightness times 0.8 to 1.25, with clipping          99.2 %
cropped, resized, brightened and saved               99.2 %
===================================================  ==========

and no pair of different objects. The photographs hold 31 such pairs of their own; by
eye each is one object photographed twice from one spot, if not twice the same file. The
most similar pair of different objects has a similarity of 0.94. On 1,000 photographs
that were not used for this choice, one of each class of ImageNet, with 100 copies of
each kind: 97 to 100 % found, no pair of different objects.

Images of 32 pixels hold less to compare: of those saved as JPEG of quality 95, 100 %
are found, of quality 60 75 %, cropped by up to 10 % 97 %, at half the size 20 %. With
features, all that were cropped by 13 % at a corner are found; without, 44 %. Mirrored
or rotated images are not searched. Black bars (`resize="pad"`) stay in place when the
content between them is cropped, so such copies are missed.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple, TypeVar

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from vicinal.errors import DataError
from vicinal.images.data.audit import duplicate_groups
from vicinal.images.data.dataset import ImageDataset
from vicinal.images.data.sources.groups import merge_groups
from vicinal.images.splits.alignment import align_and_compare
from vicinal.images.splits.candidates import (
    MAX_HASH_NEIGHBORS,
    feature_candidates,
    fingerprints,
    hash_candidates,
    unique_pairs,
)

MIN_SIMILARITY = 0.96
"""correlation of the detail of near duplicates: above all that is merely similar (0.94)
and below all but 1 % of modified copies"""

MIN_COUNT = 10
"""pairs or images that are too few to characterise a data set"""

NUM_TIMED_HASHES = 2048
"""hashes that are compared to measure the speed"""

T = TypeVar("T")

MAX_GROUP_FRACTION = 0.1
"""fraction of all images in one group above which a note is written"""


class NearDuplicates(NamedTuple):
    """P pairs of near duplicates."""

    rows: np.ndarray
    """[P, 2] row numbers, the smaller first, sorted"""

    similarity: np.ndarray
    """[P] correlation of their detail, at most 1"""


def near_duplicate_groups(
    images: ImageDataset, features: np.ndarray | None = None
) -> np.ndarray:
    """Return group numbers [N] that join exact and near duplicates.

    features: [N, D], frozen features of the images, if there are any.
    """
    rows = find_near_duplicates(images, features).rows
    components = _connected_components(rows, len(images))
    return merge_groups(duplicate_groups(images.digests), components)


def find_near_duplicates(
    images: ImageDataset, features: np.ndarray | None = None
) -> NearDuplicates:
    """Return pairs of near duplicates; the first of exact duplicates stands for all.

    features: [N, D], frozen features of the images, if there are any. Raises DataError
    if their number is not that of the images.
    """
    if features is not None and len(features) != len(images):
        raise DataError(
            "features must have one row per image. Got "
            f"{len(features)} rows for {len(images)} images."
        )
    groups = duplicate_groups(images.digests)
    first = np.sort(np.unique(groups, return_index=True)[1])
    distinct = images.rows(first)
    thumbnails, hashes = fingerprints(distinct)
    candidates = [hash_candidates(hashes)]
    if features is not None:
        candidates.append(feature_candidates(features[first]))
    rows = unique_pairs(candidates)
    similarity = align_and_compare(distinct, thumbnails, rows)
    near = similarity >= similarity_threshold(similarity)
    return NearDuplicates(first[rows[near]], similarity[near])


def search_seconds(images: ImageDataset, n: int) -> float:
    """Return the expected seconds per image of a search among n images.

    images: some of them, which are timed. The number of candidates grows with n, up to
    MAX_HASH_NEIGHBORS per image.
    """
    m, seconds = len(images), {}
    everyone = np.arange(m)
    neighbors = np.stack([everyone, (everyone + 1) % m], axis=1)
    random = np.random.default_rng(0).integers(2**63, size=(NUM_TIMED_HASHES, 9))

    def timed(name: str, work: Callable[[], T], count: int) -> T:
        work()  # the first time is slower
        started_at = time.perf_counter()
        result = work()
        seconds[name] = (time.perf_counter() - started_at) / count
        return result

    prints = timed("image", lambda: fingerprints(images), m)
    timed("pair", lambda: hash_candidates(random.astype(np.uint64)), len(random) ** 2)
    found = hash_candidates(prints.hashes)
    pairs = found if len(found) else neighbors
    work = partial(align_and_compare, images, prints.thumbnails, pairs)
    timed("candidate", work, len(pairs))
    fraction = len(found) / max(m * (m - 1) / 2, 1)
    candidates = min(fraction * (n - 1) / 2, MAX_HASH_NEIGHBORS)
    return seconds["image"] + n * seconds["pair"] + candidates * seconds["candidate"]


def similarity_threshold(similarity: np.ndarray) -> float:
    """Return the least similarity of near duplicates, given that [P] of all candidates.

    MIN_SIMILARITY, if copies stand out there: at least twice as many pairs reach it as
    miss it by no more than its distance from 1, or only MIN_COUNT miss it. Simple
    images, such as handwritten digits, do not stand out: their number decreases
    steadily towards 1. Then the distance from 1 is halved until they do.
    """
    distances = 1 - similarity
    distance = 1 - MIN_SIMILARITY
    while True:
        reach, nearly = (int((distances <= k * distance).sum()) for k in (1, 2))
        if nearly - reach <= max(reach / 2, MIN_COUNT):
            return 1 - distance
        distance /= 2


def note_large_groups(groups: np.ndarray) -> list[str]:
    """Return a note if a group [N] exceeds MAX_GROUP_FRACTION of the images."""
    largest = int(np.bincount(groups).max(initial=0))
    if largest <= max(MAX_GROUP_FRACTION * len(groups), MIN_COUNT):
        return []
    return [
        f"{largest} of {len(groups)} images form one group of exact or near duplicates "
        "and stay in one split. If they show different objects, they have too little "
        "detail to be distinguished (--no-near-duplicates turns the search off)"
    ]


def _connected_components(pairs: np.ndarray, n: int) -> np.ndarray:
    """Return the component numbers [n] of the graph with edges [P, 2]."""
    edges = coo_array((np.ones(len(pairs)), tuple(pairs.T)), (n, n))
    return connected_components(edges, directed=False)[1]
