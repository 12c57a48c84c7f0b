"""Near duplicates: one photograph saved again, shrunk, trimmed or slightly brightened.

On two sides of a split they flatter the score as exact copies do. Candidates are sought
in two ways, and a close look decides, so that pictures that are merely alike (another
bottle on the same table) stay apart:

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

The numbers below were chosen by what they find of 240 changed copies of each kind,
hidden among 2,527 photographs of rubbish on a table (TrashNet, decoded at 256 pixels):

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

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor
from torch.nn.functional import avg_pool2d

from vicinal.core.parallel import ordered_map
from vicinal.core.runtime import Runtime
from vicinal.errors import DataError
from vicinal.images.audit import groups_of
from vicinal.images.file_groups import joined
from vicinal.images.pictures import Pictures

T = TypeVar("T")
R = TypeVar("R")

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

LEVELS = ((16, 6), (32, 4))
"""pixels a side of thumbnails that are laid on each other, and steps that it takes"""

ROUGHLY_ALIKE = 0.92
"""correlation of laid thumbnails below which no closer look is taken: no
changed copy was below. It spares 95 % of the closer looks"""

CLOSE_SIDE = 64
"""pixels a side of the close-ups whose detail is compared; of smaller pictures, their
own, for in one enlarged the finest detail is what saving it as JPEG has left"""

ALIKE = 0.96
"""correlation of the detail of near duplicates: between what is alike (0.94) and all
but 1 % of changed copies"""

FAINT = 0.3
"""grey levels: detail of less spread may be rounding alone (1 / sqrt(12))"""

ZOOM, SHIFT = 1.16, 0.18
"""bounds of the placement. Trimming a side by 10 % zooms by 1 / 0.9 and shifts by 0.1
of half that side, or 0.13 where the square is cut from a picture of 4 by 3"""

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


def near_groups(pictures: Pictures, features: np.ndarray | None = None) -> np.ndarray:
    """Group numbers [N]: exact copies and near duplicates are together, and theirs.

    features: [N, D], frozen features of the pictures, where there are any.
    """
    rows = near_pairs(pictures, features).rows
    return joined(groups_of(pictures.digests), _components(rows, len(pictures)))


def near_pairs(pictures: Pictures, features: np.ndarray | None = None) -> Pairs:
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
    rows = _distinct(candidates)
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


# --- candidates by hash ---------------------------------------------------------------


class Fingerprints(NamedTuple):
    """What is kept of N pictures while candidates are sought."""

    thumbnails: np.ndarray
    """[N, SIDE, SIDE] uint8, grey"""

    hashes: np.ndarray
    """[N, W] uint64, one for each of WINDOWS"""


def fingerprints(pictures: Pictures) -> Fingerprints:
    """Thumbnails and hashes of N pictures, which are read a few at a time."""
    thumbnails = np.empty((len(pictures), SIDE, SIDE), dtype=np.uint8)

    def shrink(rows: np.ndarray) -> None:
        grey = shrunk(pictures.batch(rows), SIDE).mean(dim=1)
        thumbnails[rows] = grey.round().numpy()

    _in_threads(shrink, _batches(len(pictures)))
    return Fingerprints(thumbnails, perceptual_hashes(thumbnails))


def perceptual_hashes(thumbnails: np.ndarray) -> np.ndarray:
    """Hashes [N, W] of 64 bits, one for each of WINDOWS, of thumbnails [N, SIDE, SIDE].

    One product takes the rows of a span to their frequencies, another its columns.
    """
    angles = torch.pi / 2 * (_centres(SIDE) + 1)
    cosines = torch.cos(torch.arange(FREQUENCIES)[:, None] * angles)
    spans = [cosines @ sampling(SIDE, SIDE, span=span) for span in SPANS]
    hashes = np.empty((len(thumbnails), len(WINDOWS)), dtype=np.uint64)
    for rows in _batches(len(thumbnails), 1024):
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
    found = _in_threads(lambda k: _close_to(by_window, k, radius, most), starts)
    return _distinct(found)


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


# --- candidates by features -----------------------------------------------------------


def close_features(features: np.ndarray, most: int = NEIGHBOURS) -> np.ndarray:
    """Pairs [P, 2] of pictures whose features [N, D] are alike.

    Alike: one is among the `most` nearest of the other by the cosine of their features
    less the mean, and that cosine is SPREADS robust standard deviations (1.4826 times
    the median distance from the median) above the median of random pairs of these
    pictures, or COSINE. So it adapts to the network and to how varied the data are.
    """
    if len(features) < 2:
        return _distinct([])
    x = _directions(features)
    least = _unlike_chance(x)

    def nearest(rows: np.ndarray) -> np.ndarray:
        cosine, j = (x[rows] @ x.T).topk(min(most + 1, len(x)), dim=1)
        i = torch.from_numpy(rows)[:, None].expand_as(j)
        return torch.stack([i, j], dim=2)[(cosine >= least) & (i != j)].numpy()

    return _distinct(_in_threads(nearest, _batches(len(x))))


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


# --- the close look -------------------------------------------------------------------


def likenesses(
    pictures: Pictures, thumbnails: np.ndarray, pairs: np.ndarray
) -> np.ndarray:
    """How alike pairs [P, 2] are when one is laid on the other: [P], at most 1.

    Either may be the trimmed one: each is laid on the other, and the better fit counts.
    0 for pairs whose thumbnails [N, SIDE, SIDE] differ too much for a closer look.
    """

    def look(rows: np.ndarray) -> np.ndarray:
        both_ways = np.concatenate([pairs[rows], pairs[rows, ::-1]])
        found = _looked_at(pictures, thumbnails, both_ways)
        return found.reshape(2, -1).max(axis=0)

    found = _in_threads(look, _batches(len(pairs), 128))
    return np.concatenate([np.empty(0, dtype=np.float32), *found])


def _looked_at(
    pictures: Pictures, thumbnails: np.ndarray, pairs: np.ndarray
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
    u = _centres(side)
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
    u = place[..., :1] * _centres(side) + place[..., 1:]  # [P, 2, s]
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
    powers = _centres(planes.shape[-1])[:, None] ** torch.arange(3)
    basis = torch.linalg.qr(powers)[0]
    project = basis @ basis.mT
    return planes - project @ planes @ project


def _standard(grey: Tensor) -> Tensor:
    """Pictures [P, s, s] with mean 0 and spread 1, or less where they are faint."""
    grey = grey - grey.mean(dim=(1, 2), keepdim=True)
    return grey / (grey.square().mean(dim=(1, 2), keepdim=True).sqrt() + FAINT)


# --- shrinking ------------------------------------------------------------------------


def _smaller(thumbnails: np.ndarray, side: int) -> Tensor:
    """Thumbnails [P, SIDE, SIDE] as planes [P, 1, side, side]."""
    return avg_pool2d(torch.from_numpy(thumbnails).float()[:, None], SIDE // side)


def _close_ups(pictures: Pictures, rows: np.ndarray) -> Tensor:
    """Planes [P, C, s, s] of rows [P], which are read a few at a time."""
    side = min(CLOSE_SIDE, max(SIDE, pictures.eye.size))
    parts = (rows[some] for some in _batches(len(rows)))
    return torch.cat([shrunk(pictures.batch(part), side) for part in parts])


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
    weights = torch.exp(-(((places[:, None] - _centres(size)) / sigma) ** 2) / 2)
    weights[weights < 1e-6] = 0  # arithmetic with denormal numbers is slow
    return (weights / weights.sum(dim=1, keepdim=True)).float()


def _centres(size: int) -> Tensor:
    """Centres [size] of the pixels of a side that reaches from -1 to 1."""
    return (2 * torch.arange(size) + 1) / size - 1


# --- pairs and batches ----------------------------------------------------------------


def _distinct(lists: list[np.ndarray]) -> np.ndarray:
    """The pairs [P, 2] of several lists, once each, the smaller number first."""
    pairs = np.concatenate([np.empty((0, 2), dtype=np.int64), *lists])
    return np.unique(np.sort(pairs, axis=1), axis=0)


def _components(pairs: np.ndarray, n: int) -> np.ndarray:
    """Numbers [n] of the connected components of a graph with edges [P, 2]."""
    edges = coo_array((np.ones(len(pairs)), tuple(pairs.T)), (n, n))
    return connected_components(edges, directed=False)[1]


def _batches(n: int, size: int = 32) -> Iterator[np.ndarray]:
    """The numbers below n, a few at a time."""
    return (np.arange(k, min(k + size, n)) for k in range(0, n, size))


def _in_threads(work: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """work(item) of each item in order, computed in as many threads as there are cores.

    torch has no threads of its own meanwhile: in products as small as these they wait
    for each other busily, thirty times slower on a machine that has other work.
    """
    with Runtime(threads=1).threaded():
        return list(ordered_map(work, items))
