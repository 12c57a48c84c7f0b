"""Whether a map of what counts is true: take away what it marks, and put it back.

::

    deletion  = mean over t of f(x without its first t pixels)         less is better
    insertion = mean over t of f(nothing, with the first t pixels)     more is better

where the map says which pixels come first, and t runs from none to all (V. Petsiuk, A.
Das, K. Saenko: RISE, BMVC 2018, https://arxiv.org/abs/1806.07421, section 4.1). Any
compact patch takes something away, so a map is held against others as smooth as it:
random ones with the same spectrum (J. Theiler et al. 1992, "Testing for nonlinearity in
time series: the method of surrogate data"). Theirs is Fourier's, with random phases;
here it is the cosine transform's, with random signs, for a map has borders and does not
go around.
"""

import functools
import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vicinal.core.report.explanation import Faithfulness

Ask = Callable[[Tensor], Tensor]
"""gives the answer [N] for pictures [N, C, H, W], 0 to 1 or a number"""

STEPS = 5
"""shares of the picture that are taken away"""

RANDOM = 19
"""random maps: one in twenty is p = 0.05"""


def faithfulness(
    ask: Ask,
    x: Tensor,
    found: Tensor,
    *,
    nothing: Tensor | None = None,
    seed: int = 0,
    count: int = RANDOM,
    steps: int = STEPS,
) -> Faithfulness:
    """How well a map [H, W] of a picture x [C, H, W] says what the answer rests on.

    nothing: the picture [C, H, W] without anything in it; None: its blur, which takes
    away what is seen and leaves light and colour.
    """
    nothing = blurred(x.float()).to(x.dtype) if nothing is None else nothing
    rng = np.random.default_rng(seed)
    # as much of a random map is marked, and as much left alone, as of the map itself
    maps, ties = [found, *(surrogate(found, rng) for _ in range(count))], ties_of(found)
    orders = [ranks(m, ties, rng) for m in maps]
    ends = ask(torch.stack([x, nothing]))
    deletion = areas(ask, x, nothing, orders, steps, ends)
    insertion = areas(ask, nothing, x, orders, steps, ends)
    gain = insertion - deletion
    as_good = int((gain[1:] >= gain[0]).sum())
    return Faithfulness(
        float(deletion[0]),
        float(deletion[1:].mean()),
        float(insertion[0]),
        float(insertion[1:].mean()),
        (as_good + 1) / (count + 1),
        count,
    )


def areas(
    ask: Ask,
    before: Tensor,
    after: Tensor,
    orders: list[Tensor],
    steps: int,
    ends: Tensor,
) -> np.ndarray:
    """Mean answer on the way from one picture to another, pixel by pixel, for M orders.

    orders: M of [H, W], from 0 for the first pixel that changes to H W - 1. ends: [2]
    the answers for both pictures, in any order.
    """
    shares = torch.linspace(0, 1, steps + 1)[1:-1]  # both ends are the same for all
    changed = (shares * before.shape[-2] * before.shape[-1]).view(-1, 1, 1, 1)
    further, told = after - before, []  # of bytes modulo 256, and so of their sums
    for order in orders:  # products, for `where` is slow for bytes
        told.append(ask(before + further * (order < changed).to(before.dtype)))
    between = torch.stack(told).double()
    total = between.sum(dim=1) + ends.double().sum() / 2  # the trapezoid rule
    return (total / steps).numpy()


def ranks(found: Tensor, ties: np.ndarray, rng: np.random.Generator) -> Tensor:
    """The place of each pixel of a map [H, W] when the largest come first.

    ties: of `ties_of`; places of one group are dealt at random: equal pixels by rows
    would make a patch of their own.
    """
    order = np.argsort(-found.flatten().double().numpy())
    n = len(order)
    if ties[-1] < n - 1:
        order = order[np.argsort(ties * n + rng.permutation(n)[order])]
    placed = np.empty(n, dtype=np.int64)
    placed[order] = np.arange(n)
    return torch.from_numpy(placed).reshape(found.shape)


def ties_of(found: Tensor) -> np.ndarray:
    """The group [HW] of each place: a map's equal values, largest first, are one."""
    values = np.sort(-found.flatten().double().numpy())
    return np.concatenate([[0], np.cumsum(values[1:] != values[:-1])])


def surrogate(found: Tensor, rng: np.random.Generator) -> Tensor:
    """A random map [H, W] as smooth as another: the same spectrum, other signs."""
    plain = found.double()
    down, across = (cosines(n) for n in plain.shape)
    signs = torch.from_numpy(rng.choice([-1.0, 1.0], plain.shape))
    return down.T @ (down @ plain @ across.T * signs) @ across


@functools.cache
def cosines(n: int) -> Tensor:
    """The orthonormal cosine transform (DCT-II) of n values as a matrix [n, n].

    Its row k is the cosine of k half waves over the n places; its inverse is its
    transpose (N. Ahmed, T. Natarajan, K. R. Rao 1974, "Discrete Cosine Transform").
    """
    waves = torch.arange(n, dtype=torch.float64)[:, None]
    found = math.sqrt(2 / n) * torch.cos(math.pi / n * waves * (waves.T + 0.5))
    found[0] /= math.sqrt(2)
    return found


def blurred(x: Tensor, share: float = 0.06) -> Tensor:
    """A picture x [C, H, W] under a Gaussian blur of so much of its side."""
    sigma = max(1.0, share * min(x.shape[-2:]))
    reach = min(int(2 * sigma), min(x.shape[-2:]) - 1)
    at = torch.arange(-reach, reach + 1, dtype=x.dtype)
    kernel = torch.exp(-((at / sigma) ** 2) / 2)
    kernel = (kernel / kernel.sum()).view(1, 1, -1)
    across, down = kernel[..., None, :], kernel[..., :, None]
    planes = F.pad(x[:, None], (reach, reach, 0, 0), mode="reflect")
    planes = F.pad(F.conv2d(planes, across), (0, 0, reach, reach), mode="reflect")
    return F.conv2d(planes, down)[:, 0]
