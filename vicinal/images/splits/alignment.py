"""How alike two pictures are when one is laid on the other.

By least squares over shift and zoom (Lucas and Kanade 1981, "An iterative image
registration technique"); then the fine detail of what both show is correlated.
`near_duplicates` says what it finds.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from vicinal.images.data.dataset import ImageDataset
from vicinal.images.splits.candidates import SIDE
from vicinal.images.splits.thumbnails import (
    batches,
    centres,
    in_threads,
    sampling,
    shrunk,
)

LEVELS = ((16, 6), (32, 4))
"""pixels a side of thumbnails that are laid on each other, and steps that it takes"""

ROUGHLY_ALIKE = 0.92
"""correlation of laid thumbnails below which no closer look is taken: no
changed copy was below. It spares 95 % of the closer looks"""

CLOSE_SIDE = 64
"""pixels a side of the close-ups whose detail is compared; of smaller pictures, their
own, for in one enlarged the finest detail is what saving it as JPEG has left"""

FAINT = 0.3
"""grey levels: detail of less spread may be rounding alone (1 / sqrt(12))"""

ZOOM, SHIFT = 1.16, 0.18
"""bounds of the placement. Trimming a side by 10 % zooms by 1 / 0.9 and shifts by 0.1
of half that side, or 0.13 where the square is cut from a picture of 4 by 3"""


def likenesses(
    pictures: ImageDataset, thumbnails: np.ndarray, pairs: np.ndarray
) -> np.ndarray:
    """How alike pairs [P, 2] are when one is laid on the other: [P], at most 1.

    Either may be the trimmed one: each is laid on the other, and the better fit counts.
    0 for pairs whose thumbnails [N, SIDE, SIDE] differ too much for a closer look.
    """

    def look(rows: np.ndarray) -> np.ndarray:
        both_ways = np.concatenate([pairs[rows], pairs[rows, ::-1]])
        found = _looked_at(pictures, thumbnails, both_ways)
        return found.reshape(2, -1).max(axis=0)

    found = in_threads(look, batches(len(pairs), 128))
    return np.concatenate([np.empty(0, dtype=np.float32), *found])


def _looked_at(
    pictures: ImageDataset, thumbnails: np.ndarray, pairs: np.ndarray
) -> np.ndarray:
    """Likeness [P] of ordered pairs [P, 2], the first laid on the second."""
    found = np.zeros(len(pairs), dtype=np.float32)
    left, place = _laid(thumbnails, pairs)
    if len(left):
        a, b = (_close_ups(pictures, rows) for rows in pairs[left].T)
        place = fitted(a.mean(dim=1), b.mean(dim=1), place, steps=2)
        found[left] = agreement(_evenly_lit(a), _evenly_lit(b), place).numpy()
    return found


def _laid(thumbnails: np.ndarray, pairs: np.ndarray) -> tuple[np.ndarray, Tensor]:
    """Which [Q] of the pairs [P, 2] are roughly alike, and their places [Q, 2, 2]."""
    left = np.arange(len(pairs))
    place = torch.tensor([1.0, 0.0]).expand(len(pairs), 2, 2)
    for side, steps in LEVELS:
        a, b = (_smaller(thumbnails[rows], side) for rows in pairs[left].T)
        place = fitted(a[:, 0], b[:, 0], place, steps)
        good = agreement(a, b, place) >= ROUGHLY_ALIKE
        left, place = left[good.numpy()], place[good]
    return left, place


def fitted(a: Tensor, b: Tensor, place: Tensor, steps: int) -> Tensor:
    """The place at which a [P, s, s] is most like b [P, s, s], from a place near it.

    A place [P, 2, 2] holds, down and across, a zoom z and a shift t: what b shows at u,
    a shows at z u + t, where a side reaches from -1 to 1.
    """
    a, b = _standard(a), _standard(b)
    for _ in range(steps):
        place = _nearer(a, b, place)
    return place


def _nearer(a: Tensor, b: Tensor, place: Tensor) -> Tensor:
    """One step of Gauss and Newton, by least squares over the pixels that both show.

    With a seen at its place, the sum of the squares of::

        a + da/dy (p u + q) + da/dx (r v + s) - gain b - level

    is least for a further zoom by 1 + p and 1 + r and a further shift by q and s. The
    gain and the level make it blind to brightness.
    """
    side = a.shape[-1]
    u = centres(side)
    planes, inside = _seen(a[:, None], place)
    seen, inside = planes[:, 0], inside[:, 0]
    down, across = torch.gradient(seen, spacing=2 / side, dim=(1, 2))
    terms = [down * u[:, None], down, across * u, across, -b, -torch.ones_like(b)]
    columns = (torch.stack(terms, dim=1) * inside[:, None]).flatten(2)  # [P, 6, s * s]
    target = -(seen * inside).flatten(1)[..., None]
    ridge = 1e-4 * side**2 * torch.eye(6)  # a flat picture has no best place
    moves = torch.linalg.solve(columns @ columns.mT + ridge, columns @ target)
    p, q = moves[:, :4, 0].clamp(-0.1, 0.1).reshape(-1, 2, 2).unbind(dim=2)
    zoom, shift = place.unbind(dim=2)
    shift = (shift + zoom * q).clamp(-SHIFT, SHIFT)
    zoom = (zoom * (1 + p)).clamp(1 / ZOOM, ZOOM)
    return torch.stack([zoom, shift], dim=2)


def agreement(a: Tensor, b: Tensor, place: Tensor) -> Tensor:
    """Correlation [P] of the detail of b and of a at its place, both [P, C, s, s].

    Only pixels that both show count. Detail has no mean, so a tint says nothing; but
    one scale serves all channels: red on black is not like blue on black. A picture
    without detail is like none: 0.
    """
    seen, inside = _seen(a, place)
    x, y = (_detail(planes) * inside for planes in (seen, b))
    xx, yy, xy = ((p * q).sum(dim=(1, 2, 3)) for p, q in ((x, x), (y, y), (x, y)))
    faint = torch.minimum(xx, yy) < FAINT**2 * a.shape[1] * inside.sum(dim=(1, 2, 3))
    return torch.where(faint, 0.0, xy / (xx * yy).sqrt()).clamp(max=1)


def _seen(planes: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
    """Planes [P, C, s, s] at their places, and [P, 1, s, s]: 1 where there are any.

    Linear between pixels. As zoom and shift are per side, a product with one matrix
    moves all rows and with another all columns.
    """
    side = planes.shape[-1]
    u = place[..., :1] * centres(side) + place[..., 1:]  # [P, 2, s]
    there = (u.abs() <= 1).float()
    pixel = (((u + 1) * side - 1) / 2).clamp(0, side - 1)
    weights = (1 - (pixel[..., None] - torch.arange(side)).abs()).clamp(min=0)
    down, across = weights[:, :1], weights[:, 1:]  # [P, 1, s, s]
    inside = there[:, 0, :, None] * there[:, 1, None, :]
    return down @ planes @ across.mT, inside[:, None]


def _detail(planes: Tensor) -> Tensor:
    """What lies between Gaussian blurs of 1 and 2 pixels, of planes [P, C, s, s].

    Coarser than that is lighting, which all pictures of a series share; finer is what
    saving as JPEG, shrinking and moving by parts of a pixel change.
    """
    side = planes.shape[-1]
    fine, coarse = (sampling(side, side, blur=sigma) for sigma in (1, 2))
    return fine @ planes @ fine.mT - coarse @ planes @ coarse.mT


def _evenly_lit(planes: Tensor) -> Tensor:
    """Planes [P, C, s, s] less the parabola, down times across, that fits them best.

    Without it, two blank walls under one lamp would be alike: by the lamp.
    """
    powers = centres(planes.shape[-1])[:, None] ** torch.arange(3)
    basis = torch.linalg.qr(powers)[0]
    project = basis @ basis.mT
    return planes - project @ planes @ project


def _standard(grey: Tensor) -> Tensor:
    """Pictures [P, s, s] with mean 0 and spread 1, or less where they are faint."""
    grey = grey - grey.mean(dim=(1, 2), keepdim=True)
    return grey / (grey.square().mean(dim=(1, 2), keepdim=True).sqrt() + FAINT)


def _smaller(thumbnails: np.ndarray, side: int) -> Tensor:
    """Thumbnails [P, SIDE, SIDE] as planes [P, 1, side, side]."""
    return avg_pool2d(torch.from_numpy(thumbnails).float()[:, None], SIDE // side)


def _close_ups(pictures: ImageDataset, rows: np.ndarray) -> Tensor:
    """Planes [P, C, s, s] of rows [P], which are read a few at a time."""
    side = min(CLOSE_SIDE, max(SIDE, pictures.eye.size))
    parts = (rows[some] for some in batches(len(rows)))
    return torch.cat([shrunk(pictures.batch(part), side) for part in parts])
