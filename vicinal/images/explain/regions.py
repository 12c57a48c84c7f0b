"""Where the evidence lies, over many pictures: at the rim, in the background, inside.

Each picture's Grad-CAM map, for the class that the model names, is divided by its sum;
the share of a region is the mean of what lies in it. A share means something beside the
region's area, and beside what happens when the region is taken from another picture:
evidence that is not missed is no evidence. The regions:

===============  ===================================================================
the border       the outer twelfth on each side
the corners      the four corner cells of six by six
the background   what has the colours of the rim and hangs together with it: within
                 the 95 % ellipsoid of the rim's own colours (Mahalanobis' distance);
                 another one has no things in it
what is always   places where the pictures of one class hardly differ: a stamp, a
there            watermark, black borders
the middle       the inner half of the width and of the height
===============  ===================================================================
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from vicinal.core.metrics import Score, accuracy
from vicinal.images.explain.shortcuts import Answer, corners, rim, strange

FAR = {1: 3.84, 3: 7.81}
"""squared distance that 95 % of a normal law are within, by dimensions"""

HALF = {1: 7.0, 3: 2.7}
"""a normal law's variance over that of its nearer half, by dimensions"""

GRAIN = 8.0
"""of 255: spread of a colour that is noise at any rate"""

COARSE = 56
"""pixels a side, on which backgrounds are looked for"""

SAME = 0.1
"""of the spread of all pixels, below which a place is always the same"""

SOME = 8
"""pictures of a class, from which on it can be said what is always there"""

BACKGROUND, MIDDLE = "the background", "the middle"

LEAST = 0.005
"""of the picture: a region below that is left out"""


class Region(NamedTuple):
    """What a part of the picture means for the answers."""

    name: str
    area: float
    """mean share of the picture"""
    evidence: float
    """mean share of the evidence"""
    covered: Score
    """accuracy when it is taken from another picture"""


def regions(
    answer: Answer, x: np.ndarray, y: np.ndarray, maps: np.ndarray, seed: int = 0
) -> list[Region]:
    """The regions of pictures x [N, H, W, C] of class rows y [N].

    maps: [N, H, W] what counts for the answer, 0 or more, each with sum 1, or 0 where
    nothing does.
    """
    rng = np.random.default_rng(seed)
    there = maps.sum(axis=(1, 2)) > 0
    found = []
    for name, mask in masks(x, y).items():
        own = np.broadcast_to(mask, maps.shape)
        area = float(own.mean())
        if area < LEAST:
            continue
        inside = (maps * own).sum(axis=(1, 2))[there]
        evidence = float(inside.mean()) if len(inside) else 0.0
        given = without_things(x, mask) if name == BACKGROUND else None
        covered = accuracy(y, strange(answer, x, mask, rng, given))
        found.append(Region(name, area, evidence, covered))
    return found


def masks(x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    """Whether each pixel is in a region: [H, W], or [N, H, W] where pictures differ."""
    size = x.shape[1:3]
    middle = np.zeros(size, dtype=bool)
    height, width = size
    middle[height // 4 : height - height // 4, width // 4 : width - width // 4] = True
    return {
        "the border": rim(size),
        "the corners": corners(size),
        BACKGROUND: np.stack([background(picture) for picture in x]),
        "what is always there": always_there(x, y)[y],
        MIDDLE: middle,
    }


def background(picture: np.ndarray) -> np.ndarray:
    """Whether each pixel of a picture [H, W, C] has the rim's colours and touches it.

    It is looked for on every few pixels: backgrounds are large.
    """
    step = max(1, min(picture.shape[:2]) // COARSE)
    coarse = picture[::step, ::step].astype(np.float64)
    edge = coarse[rim(coarse.shape[:2])]
    middle, spread = usual(edge)
    off = coarse - middle
    far = np.einsum("hwi,ij,hwj->hw", off, np.linalg.inv(spread), off)
    pieces = np.asarray(ndimage.label(far <= FAR[len(spread)])[0])  # type: ignore[index]
    outer = np.unique(pieces[rim(pieces.shape, 0)])
    found = np.isin(pieces, outer[outer > 0])
    whole = found.repeat(step, axis=0).repeat(step, axis=1)
    return whole[: picture.shape[0], : picture.shape[1]]


def usual(colours: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The middle [C] and the covariance [C, C] of most of the colours [M, C].

    Of the half that lies nearest to the middle, or what stands at the rim would widen
    it; scaled to what a normal law has (P. Rousseeuw 1985, the minimum covariance
    determinant, one step).
    """
    middle = np.median(colours, axis=0)
    far = np.abs(colours - middle).max(axis=1)
    half = colours[far <= np.median(far)]
    width = half.shape[1]
    spread = np.cov(half.T).reshape(width, width) * HALF[width]
    return middle, spread + GRAIN**2 * np.eye(width)


def without_things(x: np.ndarray, backgrounds: np.ndarray) -> np.ndarray:
    """Pictures [N, H, W, C] of which only the background is left.

    Where something stood there is the middle colour of the rim.
    """
    edge = rim(x.shape[1:3])
    found = x.copy()
    for picture, there in zip(found, backgrounds, strict=True):
        picture[~there] = np.median(picture[edge], axis=0)
    return found


def always_there(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """For each class, whether a pixel is the same in all its pictures: [K, H, W]."""
    found = np.zeros((int(y.max()) + 1, *x.shape[1:3]), dtype=bool)
    usual = float(x.std(axis=0).mean())
    for row in range(len(found)):
        own = x[y == row]
        if len(own) >= SOME:
            found[row] = own.std(axis=0).max(axis=-1) <= SAME * usual
    return found


def evidence_maps(
    drawn: Callable[[np.ndarray], Tensor], x: np.ndarray, batch: int = 16
) -> np.ndarray:
    """Maps [N, H, W] of pictures x, each with sum 1, or 0 where it is empty.

    drawn: gives the maps of a batch of pictures.
    """

    def parts() -> Iterator[Tensor]:
        for k in range(0, len(x), batch):
            found = torch.nan_to_num(drawn(x[k : k + batch])).clamp(min=0)
            total = found.sum(dim=(1, 2), keepdim=True)
            yield (found / total.clamp(min=1e-12)).cpu()

    return torch.cat(list(parts())).numpy()
