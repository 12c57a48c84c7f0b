"""Integrated gradients: what each pixel adds on the way from nothing to the picture.

::

    IG_i = (x_i - x'_i) integral from 0 to 1 of dF / dx_i (x' + t (x - x')) dt      (1)

x' is a picture without anything in it: here, the mean colour, which preprocessing makes
zero. All IG_i together are F(x) - F(x') (completeness, section 3), and so they are on
every part of the way. That tells where the sum which stands for the integral is bad: a
network of ReLUs is a chain of flat pieces, some of them short. There the way is halved,
and halved again, until all together are within 1 % of what they have to be.

M. Sundararajan, A. Taly, Q. Yan: Axiomatic Attribution for Deep Networks, ICML 2017,
https://arxiv.org/abs/1703.01365.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from vicinal.images.tracing.gradients import BATCH, ValueAndGradient, asked_of
from vicinal.images.tracing.target import Target

TOLERANCE = 0.01
"""of F(x) - F(x'), that the sum may be off"""

PARTS = 16
"""parts of the way at first, and those that are halved at a time"""

MOST = 512
"""slopes that are asked for in all"""


def integrated_gradients(
    network: nn.Module | ValueAndGradient,
    x: Tensor,
    target: Target,
    baseline: Tensor | None = None,
    steps: int | None = None,
) -> Tensor:
    """What each number of a picture x [C, H, W] adds to the target: [C, H, W].

    baseline: the picture [C, H, W] to start from; None: zeros. steps: so many points of
    Gauss and Legendre, as others do; None: as many as it takes.
    """
    start = torch.zeros_like(x) if baseline is None else baseline
    with asked_of(network) as asked:
        way = _Way(asked, x, start, target)
        mean = way.adaptive() if steps is None else way.by_legendre(steps)
    return way.apart * mean


class _Part(NamedTuple):
    """A part of the way from t = start to start + length, seen at its middle."""

    start: float
    length: float
    before: float
    """F where it starts"""
    after: float
    """F where it ends"""
    middle: float
    """F in the middle"""
    slope: Tensor
    """dF / dx in the middle"""
    error: float
    """F where it ends less F where it starts, less what the slope makes of it"""


class _Way:
    """The straight way from one picture to another, and the target on it."""

    def __init__(
        self, asked: ValueAndGradient, x: Tensor, start: Tensor, target: Target
    ):
        self.asked, self.target = asked, target
        self.start, self.apart = start, x - start

    def at(self, t: list[float]) -> Tensor:
        """The pictures at places of the way."""
        places = torch.tensor(t, dtype=self.apart.dtype)[:, None, None, None]
        return self.start + places * self.apart

    def values(self, t: list[float]) -> list[float]:
        """F at places of the way."""
        return self.asked.values(self.at(t), self.target).double().tolist()

    def slopes(self, t: list[float]) -> tuple[list[float], list[Tensor]]:
        """F, and its slope [C, H, W], at places of the way."""
        values, found = self.asked.slopes(self.at(t), self.target)
        return values.double().tolist(), list(found)

    def by_legendre(self, steps: int) -> Tensor:
        """The mean slope, by Gauss and Legendre's points."""
        points, weights = np.polynomial.legendre.leggauss(steps)
        total = torch.zeros_like(self.apart)
        for k in range(0, steps, BATCH):
            some = ((points[k : k + BATCH] + 1) / 2).tolist()
            for slope, w in zip(self.slopes(some)[1], weights[k:], strict=False):
                total += float(w / 2) * slope
        return total

    def adaptive(self) -> Tensor:
        """The mean slope, by parts that are halved where they are off."""
        edges = np.linspace(0, 1, PARTS + 1).tolist()
        values = self.values(edges)
        whole = values[-1] - values[0]
        parts = self.parts(edges[:-1], [1 / PARTS] * PARTS, values[:-1], values[1:])
        asked = len(parts)
        while asked < MOST and abs(sum(p.error for p in parts)) > TOLERANCE * abs(
            whole
        ):
            parts.sort(key=lambda part: abs(part.error))
            halved, parts = parts[-PARTS:], parts[:-PARTS]
            parts += self.parts(
                [s for p in halved for s in (p.start, p.start + p.length / 2)],
                [p.length / 2 for p in halved for _ in "ab"],
                [f for p in halved for f in (p.before, p.middle)],
                [f for p in halved for f in (p.middle, p.after)],
            )
            asked += 2 * len(halved)
        return sum((p.length * p.slope for p in parts), torch.zeros_like(self.apart))

    def parts(
        self,
        starts: list[float],
        lengths: list[float],
        before: list[float],
        after: list[float],
    ) -> list[_Part]:
        middles = [s + n / 2 for s, n in zip(starts, lengths, strict=True)]
        values, slopes = self.slopes(middles)
        told = zip(starts, lengths, before, after, values, slopes, strict=True)
        found = []
        for start, length, f, g, middle, slope in told:
            made = length * float((slope * self.apart).double().sum())
            found.append(_Part(start, length, f, g, middle, slope, g - f - made))
        return found
