"""Measure the similarity of two images after aligning one with the other.

The alignment is least squares over shift and zoom (Lucas and Kanade 1981, "An iterative
image registration technique"); then the fine detail of the overlap is correlated.
`near_duplicates` reports what it finds.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from vicinal.images.data.dataset import ImageDataset
from vicinal.images.splits.candidates import THUMBNAIL_SIZE
from vicinal.images.splits.thumbnails import (
    downscale,
    index_batches,
    map_in_threads,
    pixel_centers,
    resampling_weights,
)

LEVELS = ((16, 6), (32, 4))
"""side of the thumbnails that are aligned, in pixels, and the number of steps"""

MIN_THUMBNAIL_CORRELATION = 0.92
"""correlation of aligned thumbnails below which pairs are rejected: no modified copy
was below. It spares 95 % of the close-ups"""

CLOSE_UP_SIZE = 64
"""side of the close-ups whose detail is compared, in pixels; of smaller images their
own size, because after enlarging the finest detail is JPEG artefacts"""

MIN_CONTRAST = 0.3
"""grey levels: a smaller standard deviation may be rounding (1 / sqrt(12))"""

MAX_ZOOM, MAX_SHIFT = 1.16, 0.18
"""bounds of the placement. Cropping a side by 10 % zooms by 1 / 0.9 and shifts by 0.1
of half that side, or by 0.13 if the square is cropped from an image of 4:3"""


def align_and_compare(
    images: ImageDataset, thumbnails: np.ndarray, pairs: np.ndarray
) -> np.ndarray:
    """Return the similarity [P] of pairs [P, 2] after alignment, at most 1.

    Either image may be the cropped one: each is aligned with the other, and the better
    fit counts. 0 for pairs whose thumbnails [N, s, s] differ too much.
    """

    def compare(rows: np.ndarray) -> np.ndarray:
        both_orders = np.concatenate([pairs[rows], pairs[rows, ::-1]])
        similarity = _compare_ordered(images, thumbnails, both_orders)
        return similarity.reshape(2, -1).max(axis=0)

    results = map_in_threads(compare, index_batches(len(pairs), 128))
    return np.concatenate([np.empty(0, dtype=np.float32), *results])


def _compare_ordered(
    images: ImageDataset, thumbnails: np.ndarray, pairs: np.ndarray
) -> np.ndarray:
    """Return the similarity [P] of pairs [P, 2], the first aligned with the second."""
    similarity = np.zeros(len(pairs), dtype=np.float32)
    kept, placement = _align_thumbnails(thumbnails, pairs)
    if len(kept):
        a, b = (_close_ups(images, rows) for rows in pairs[kept].T)
        placement = align(a.mean(dim=1), b.mean(dim=1), placement, steps=2)
        a, b = _remove_illumination(a), _remove_illumination(b)
        similarity[kept] = detail_correlation(a, b, placement).numpy()
    return similarity


def _align_thumbnails(
    thumbnails: np.ndarray, pairs: np.ndarray
) -> tuple[np.ndarray, Tensor]:
    """Return which [Q] of the pairs [P, 2] are similar, and placements [Q, 2, 2]."""
    kept = np.arange(len(pairs))
    placement = torch.tensor([1.0, 0.0]).expand(len(pairs), 2, 2)
    for side, steps in LEVELS:
        a, b = (_pool_thumbnails(thumbnails[rows], side) for rows in pairs[kept].T)
        placement = align(a[:, 0], b[:, 0], placement, steps)
        similar = detail_correlation(a, b, placement) >= MIN_THUMBNAIL_CORRELATION
        kept, placement = kept[similar.numpy()], placement[similar]
    return kept, placement


def align(a: Tensor, b: Tensor, placement: Tensor, steps: int) -> Tensor:
    """Refine the placement at which images a [P, s, s] are most similar to b [P, s, s].

    A placement [P, 2, 2] holds, vertically and horizontally, a zoom z and a shift t:
    what b shows at u, a shows at z u + t, where a side reaches from -1 to 1.
    """
    a, b = _standardize(a), _standardize(b)
    for _ in range(steps):
        placement = _gauss_newton_step(a, b, placement)
    return placement


def _gauss_newton_step(a: Tensor, b: Tensor, placement: Tensor) -> Tensor:
    """Take one Gauss-Newton step, by least squares over the pixels of the overlap.

    With a resampled at its placement, the sum of the squares of::

        a + da/dy (p u + q) + da/dx (r v + s) - gain b - level

    is minimal for a further zoom by 1 + p and 1 + r and a further shift by q and s. The
    gain and the level make it invariant to brightness.
    """
    side = a.shape[-1]
    u = pixel_centers(side)
    planes, inside = _resample(a[:, None], placement)
    image, inside = planes[:, 0], inside[:, 0]
    dy, dx = torch.gradient(image, spacing=2 / side, dim=(1, 2))
    terms = [dy * u[:, None], dy, dx * u, dx, -b, -torch.ones_like(b)]
    columns = (torch.stack(terms, dim=1) * inside[:, None]).flatten(2)  # [P, 6, s * s]
    target = -(image * inside).flatten(1)[..., None]
    ridge = 1e-4 * side**2 * torch.eye(6)  # a flat image has no best placement
    update = torch.linalg.solve(columns @ columns.mT + ridge, columns @ target)
    p, q = update[:, :4, 0].clamp(-0.1, 0.1).reshape(-1, 2, 2).unbind(dim=2)
    zoom, shift = placement.unbind(dim=2)
    shift = (shift + zoom * q).clamp(-MAX_SHIFT, MAX_SHIFT)
    zoom = (zoom * (1 + p)).clamp(1 / MAX_ZOOM, MAX_ZOOM)
    return torch.stack([zoom, shift], dim=2)


def detail_correlation(a: Tensor, b: Tensor, placement: Tensor) -> Tensor:
    """Return the correlation [P] of the detail of b and of a at its placement.

    a and b are [P, C, s, s]; only the overlap counts. Detail has zero mean, so a tint
    has no effect; but one scale serves all channels: red on black is not like blue on
    black. An image without detail has correlation 0 with every image.
    """
    resampled, inside = _resample(a, placement)
    x, y = (_detail(planes) * inside for planes in (resampled, b))
    xx, yy, xy = ((p * q).sum(dim=(1, 2, 3)) for p, q in ((x, x), (y, y), (x, y)))
    num_values = a.shape[1] * inside.sum(dim=(1, 2, 3))
    is_flat = torch.minimum(xx, yy) < MIN_CONTRAST**2 * num_values
    return torch.where(is_flat, 0.0, xy / (xx * yy).sqrt()).clamp(max=1)


def _resample(planes: Tensor, placement: Tensor) -> tuple[Tensor, Tensor]:
    """Resample planes [P, C, s, s] at their placements, linearly.

    Also returns a mask [P, 1, s, s] that is 1 inside the image. As zoom and shift are
    per side, a product with one matrix moves all rows and with another all columns.
    """
    side = planes.shape[-1]
    u = placement[..., :1] * pixel_centers(side) + placement[..., 1:]  # [P, 2, s]
    in_range = (u.abs() <= 1).float()
    pixel = (((u + 1) * side - 1) / 2).clamp(0, side - 1)
    weights = (1 - (pixel[..., None] - torch.arange(side)).abs()).clamp(min=0)
    vertical, horizontal = weights[:, :1], weights[:, 1:]  # [P, 1, s, s]
    inside = in_range[:, 0, :, None] * in_range[:, 1, None, :]
    return vertical @ planes @ horizontal.mT, inside[:, None]


def _detail(planes: Tensor) -> Tensor:
    """Return planes [P, C, s, s] blurred by 1 pixel minus blurred by 2 (Gaussian).

    Coarser structure is illumination, which all images of a series share; finer
    structure changes with JPEG compression, resizing and shifts by parts of a pixel.
    """
    side = planes.shape[-1]
    fine, coarse = (resampling_weights(side, side, blur=sigma) for sigma in (1, 2))
    return fine @ planes @ fine.mT - coarse @ planes @ coarse.mT


def _remove_illumination(planes: Tensor) -> Tensor:
    """Subtract from planes [P, C, s, s] the best-fitting product of two parabolas.

    Without it, two blank walls under one lamp would be similar: by the lamp.
    """
    powers = pixel_centers(planes.shape[-1])[:, None] ** torch.arange(3)
    basis = torch.linalg.qr(powers)[0]
    project = basis @ basis.mT
    return planes - project @ planes @ project


def _standardize(gray: Tensor) -> Tensor:
    """Scale images [P, s, s] to mean 0 and standard deviation 1, less if flat."""
    gray = gray - gray.mean(dim=(1, 2), keepdim=True)
    std = gray.square().mean(dim=(1, 2), keepdim=True).sqrt()
    return gray / (std + MIN_CONTRAST)


def _pool_thumbnails(thumbnails: np.ndarray, side: int) -> Tensor:
    """Average thumbnails [P, s, s] to planes [P, 1, side, side]."""
    planes = torch.from_numpy(thumbnails).float()[:, None]
    return avg_pool2d(planes, THUMBNAIL_SIZE // side)


def _close_ups(images: ImageDataset, rows: np.ndarray) -> Tensor:
    """Return planes [P, C, s, s] of rows [P], read in small batches."""
    side = min(CLOSE_UP_SIZE, max(THUMBNAIL_SIZE, images.reader.size))
    batches = (rows[batch] for batch in index_batches(len(rows)))
    return torch.cat([downscale(images.batch(batch), side) for batch in batches])
