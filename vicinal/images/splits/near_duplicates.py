"""Near duplicates: one photograph saved again, shrunk, trimmed or slightly brightened.

On two sides of a split they flatter the score as exact copies do. Candidates are sought
in two ways (`look_alikes`), and a close look (`close_look`) decides, so that pictures
that are merely alike (another bottle on the same table) stay apart:

1. **A perceptual hash**: the signs of the lowest frequencies of a picture's cosine
   transform (Zauner 2010, "Implementation and benchmarking of perceptual image hash
   functions", section 3.2.1). Trimming changes them, so a picture has nine hashes: of
   the whole and of its corners. A pair is a candidate when the whole of one is within
   `RADIUS` bits of any of the other's nine.
2. **Frozen features**, where there are any: each picture's nearest neighbours, if they
   are more alike than pictures drawn at random (see `close_features`).
3. **The close look**: one picture is laid on the other by least squares over shift and
   zoom (Lucas and Kanade 1981, "An iterative image registration technique"), and the
   fine detail of what both show is correlated: from `ALIKE` on, near duplicates.

The numbers of all three rooms were chosen by what they find of 240 changed copies of
each kind, hidden among 2,527 photographs of rubbish on a table (TrashNet, decoded at
256 pixels):

===================================================  ==========
saved as JPEG of quality 60                          99.2 %
saved as JPEG of quality 60 to 95                    100 %
half as wide and high; at 0.5 to 1 of it, JPEG       100 %
up to 5 %, up to 10 % of each side trimmed           100 %
10 % of each side trimmed at one corner              100 %
brightness times 0.8 to 1.25, which clips            99.2 %
trimmed, shrunk, brightened and saved                99.2 %
===================================================  ==========

and no pair of different things. The photographs hold 31 such pairs of their own; by eye
each is one thing photographed twice from one spot, if not twice the same file. The
most alike of different things have a likeness of 0.94. On 1,000 photographs that had no
part in the choice, one of each class of ImageNet, 100 copies of each kind: 97 to 100 %
found, no pair of different things.

Pictures of 32 pixels hold less to compare: of those saved as JPEG of quality 95 100 %
are found, of quality 60 75 %, trimmed by up to 10 % 97 %, at half the size 20 %. With
features, all that were trimmed by 13 % at a corner are found; without, 44 %. Mirrored
or turned pictures are not sought. Bars of black (`resize="pad"`) stay where they are
when what lies between them is trimmed, so such copies are missed.
"""

from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from vicinal.errors import DataError
from vicinal.images.data.audit import groups_of
from vicinal.images.data.dataset import ImageDataset
from vicinal.images.data.groups import joined
from vicinal.images.splits.alignment import likenesses
from vicinal.images.splits.candidates import (
    close_features,
    close_hashes,
    distinct,
    fingerprints,
)

ALIKE = 0.96
"""correlation of the detail of near duplicates: between what is alike (0.94) and all
but 1 % of changed copies"""

FEW = 10
"""pairs or pictures that say nothing of a whole data set"""

CHAIN = 0.1
"""share of all pictures in one group that is told"""


class Pairs(NamedTuple):
    """P pairs of near duplicates."""

    rows: np.ndarray
    """[P, 2] row numbers, the smaller first, in order"""

    likeness: np.ndarray
    """[P] correlation of their detail, at most 1"""


def near_groups(
    pictures: ImageDataset, features: np.ndarray | None = None
) -> np.ndarray:
    """Group numbers [N]: exact copies and near duplicates are together, and theirs.

    features: [N, D], frozen features of the pictures, where there are any.
    """
    rows = near_pairs(pictures, features).rows
    return joined(groups_of(pictures.digests), _components(rows, len(pictures)))


def near_pairs(pictures: ImageDataset, features: np.ndarray | None = None) -> Pairs:
    """Pairs of near duplicates among N pictures; exact copies are one, the first.

    features: [N, D], frozen features of the pictures, where there are any. DataError
    when they are not as many as the pictures.
    """
    if features is not None and len(features) != len(pictures):
        raise DataError(
            "near_pairs wants one row of features for each picture. Got "
            f"{len(features)} rows for {len(pictures)} pictures."
        )
    first = np.sort(np.unique(groups_of(pictures.digests), return_index=True)[1])
    others = pictures.rows(first)
    thumbnails, hashes = fingerprints(others)
    candidates = [close_hashes(hashes)]
    if features is not None:
        candidates.append(close_features(features[first]))
    rows = distinct(candidates)
    found = likenesses(others, thumbnails, rows)
    near = found >= least_likeness(found)
    return Pairs(first[rows[near]], found[near])


def least_likeness(likeness: np.ndarray) -> float:
    """Where near duplicates begin, given the likeness [P] of all candidates.

    At ALIKE, if copies stand out there: at least twice as many pairs reach it as just
    miss it, by no more than it is from 1, or only FEW miss it. Plain pictures, such as
    written digits, do not stand out: towards 1 they become fewer, but steadily. The
    distance to 1 is halved until they do.
    """
    apart = 1 - likeness
    distance = 1 - ALIKE
    while True:
        reach, nearly = (int((apart <= k * distance).sum()) for k in (1, 2))
        if nearly - reach <= max(reach / 2, FEW):
            return 1 - distance
        distance /= 2


def chain_notes(groups: np.ndarray) -> list[str]:
    """A note where one group of groups [N] holds more than CHAIN of all pictures."""
    largest = int(np.bincount(groups).max(initial=0))
    if largest <= max(CHAIN * len(groups), FEW):
        return []
    return [
        f"{largest} of {len(groups)} pictures are one group: each is a copy or a near "
        "duplicate of another. They stay on one side of the split; if they are not one "
        "picture, they are too plain to tell apart"
    ]


def _components(pairs: np.ndarray, n: int) -> np.ndarray:
    """Numbers [n] of the connected components of a graph with edges [P, 2]."""
    edges = coo_array((np.ones(len(pairs)), tuple(pairs.T)), (n, n))
    return connected_components(edges, directed=False)[1]
