"""Attribution by region over many images: border, corners, background, middle.

The Grad-CAM map of each predicted class is normalised to sum 1; the attribution of a
region is the mean of its sum. It is compared with the area of the region, and with the
accuracy when the region comes from another image: attribution to a region that can be
exchanged without loss is misleading. The regions:

===================  ===============================================================
the border           the outer twelfth on each side
the corners          the four corner cells of a 6 x 6 grid
the background       pixels connected to the border that have its colours: within the
                     95 % ellipsoid of the border colours (Mahalanobis distance); the
                     background of another image is pasted without its objects
constant pixels      pixels that hardly differ between images of a class: a stamp, a
                     watermark, black borders
the middle           the inner half of width and height
===================  ===============================================================
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from vicinal.core.metrics import Score, accuracy
from vicinal.images.explain.shortcuts import (
    Classifier,
    border_mask,
    corner_mask,
    predict_with_swapped_region,
)

CHI2_95 = {1: 3.84, 3: 7.81}
"""95 % quantile of the chi-squared distribution, by dimensions"""

HALF_CORRECTION = {1: 7.0, 3: 2.7}
"""variance of a normal distribution over that of its central half, by dimensions"""

MIN_STD = 8.0
"""of 255: standard deviation below which colour differences are noise"""

COARSE_SIDE = 56
"""pixels per side of the image on which backgrounds are segmented"""

CONSTANT_RATIO = 0.1
"""a pixel is constant below this fraction of the mean standard deviation"""

MIN_IMAGES = 8
"""images of a class from which constant pixels are determined"""

BACKGROUND, MIDDLE = "the background", "the middle"

MIN_AREA = 0.005
"""fraction of the image below which a region is left out"""


class RegionSummary(NamedTuple):
    """The importance of a region, over many images."""

    name: str
    area: float
    """mean fraction of the image"""

    attribution: float
    """mean fraction of the attribution"""

    swapped_accuracy: Score
    """accuracy when the region comes from another image"""


def summarize_regions(
    classify: Classifier, x: np.ndarray, y: np.ndarray, maps: np.ndarray, seed: int = 0
) -> list[RegionSummary]:
    """Return the regions of images x [N, H, W, C] of classes y [N].

    maps: [N, H, W] attributions, at least 0, each with sum 1, or 0 for an empty map.
    """
    rng = np.random.default_rng(seed)
    nonempty = maps.sum(axis=(1, 2)) > 0
    summaries = []
    for name, mask in region_masks(x, y).items():
        masks = np.broadcast_to(mask, maps.shape)
        area = float(masks.mean())
        if area < MIN_AREA:
            continue
        inside = (maps * masks).sum(axis=(1, 2))[nonempty]
        attribution = float(inside.mean()) if len(inside) else 0.0
        donor_pixels = remove_objects(x, mask) if name == BACKGROUND else None
        predicted = predict_with_swapped_region(classify, x, mask, rng, donor_pixels)
        summaries.append(RegionSummary(name, area, attribution, accuracy(y, predicted)))
    return summaries


def region_masks(x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    """Return the mask of each region: [H, W], or [N, H, W] where images differ."""
    size = x.shape[1:3]
    middle = np.zeros(size, dtype=bool)
    height, width = size
    middle[height // 4 : height - height // 4, width // 4 : width - width // 4] = True
    return {
        "the border": border_mask(size),
        "the corners": corner_mask(size),
        BACKGROUND: np.stack([background_mask(image) for image in x]),
        "constant pixels": constant_pixels(x, y)[y],
        MIDDLE: middle,
    }


def background_mask(image: np.ndarray) -> np.ndarray:
    """Return a mask [H, W] of the pixels connected to the border with its colours.

    Computed on every few pixels, because backgrounds are large.
    """
    step = max(1, min(image.shape[:2]) // COARSE_SIDE)
    coarse = image[::step, ::step].astype(np.float64)
    mean, covariance = robust_mean_and_covariance(coarse[border_mask(coarse.shape[:2])])
    offset = coarse - mean
    distance = np.einsum("hwi,ij,hwj->hw", offset, np.linalg.inv(covariance), offset)
    similar = distance <= CHI2_95[len(covariance)]
    components = np.asarray(ndimage.label(similar)[0])  # type: ignore[index]
    outer = np.unique(components[border_mask(components.shape, 0)])
    mask = np.isin(components, outer[outer > 0])
    enlarged = mask.repeat(step, axis=0).repeat(step, axis=1)
    return enlarged[: image.shape[0], : image.shape[1]]


def robust_mean_and_covariance(colors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the median [C] and a robust covariance [C, C] of colours [M, C].

    The covariance is that of the half nearest to the median, rescaled to a normal
    distribution: one step of the minimum covariance determinant (P. Rousseeuw 1985).
    """
    median = np.median(colors, axis=0)
    distance = np.abs(colors - median).max(axis=1)
    half = colors[distance <= np.median(distance)]
    channels = half.shape[1]
    covariance = np.cov(half.T).reshape(channels, channels) * HALF_CORRECTION[channels]
    return median, covariance + MIN_STD**2 * np.eye(channels)


def remove_objects(x: np.ndarray, backgrounds: np.ndarray) -> np.ndarray:
    """Return images [N, H, W, C] whose objects are filled with the border's colour."""
    border = border_mask(x.shape[1:3])
    filled = x.copy()
    for image, background in zip(filled, backgrounds, strict=True):
        image[~background] = np.median(image[border], axis=0)
    return filled


def constant_pixels(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return masks [K, H, W] of the pixels that hardly differ within each class."""
    masks = np.zeros((int(y.max()) + 1, *x.shape[1:3]), dtype=bool)
    mean_std = float(x.std(axis=0).mean())
    for k in range(len(masks)):
        images = x[y == k]
        if len(images) >= MIN_IMAGES:
            masks[k] = images.std(axis=0).max(axis=-1) <= CONSTANT_RATIO * mean_std
    return masks


def normalized_maps(
    attribute: Callable[[np.ndarray], Tensor], x: np.ndarray, batch: int = 16
) -> np.ndarray:
    """Return the maps [N, H, W] of images x, each with sum 1, or 0 if it is empty.

    attribute: returns the maps of a batch of images.
    """

    def batches() -> Iterator[Tensor]:
        for k in range(0, len(x), batch):
            maps = torch.nan_to_num(attribute(x[k : k + batch])).clamp(min=0)
            total = maps.sum(dim=(1, 2), keepdim=True)
            yield (maps / total.clamp(min=1e-12)).cpu()

    return torch.cat(list(batches())).numpy()
