"""Integrated gradients: the contribution of each pixel to the output.

::

    IG_i = (x_i - x'_i) integral from 0 to 1 of dF / dx_i (x' + t (x - x')) dt      (1)

x' is a baseline image; here the mean colour, which preprocessing maps to 0. All IG_i
sum to F(x) - F(x') (completeness, section 3), on every segment of the path too. So the
error of the quadrature is known for each segment: a ReLU network is piecewise linear,
and some of its pieces are short. Segments with the largest errors are halved until the
sum is within 1 % of F(x) - F(x').

M. Sundararajan, A. Taly, Q. Yan: Axiomatic Attribution for Deep Networks, ICML 2017,
https://arxiv.org/abs/1703.01365.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from vicinal.images.tracing.gradients import (
    BATCH,
    ValueAndGradient,
    as_value_and_gradient,
)
from vicinal.images.tracing.target import Target

TOLERANCE = 0.01
"""allowed error of the sum, relative to F(x) - F(x')"""

SEGMENTS = 16
"""initial segments of the path, and segments halved at a time"""

MAX_GRADIENTS = 512
"""gradients computed in all"""


def integrated_gradients(
    network: nn.Module | ValueAndGradient,
    x: Tensor,
    target: Target,
    baseline: Tensor | None = None,
    steps: int | None = None,
) -> Tensor:
    """Return the contributions [C, H, W] of the inputs x [C, H, W] to the target.

    baseline: [C, H, W]; None: zeros. steps: number of Gauss-Legendre points; None:
    adaptive.
    """
    start = torch.zeros_like(x) if baseline is None else baseline
    with as_value_and_gradient(network) as function:
        path = _Path(function, x, start, target)
        mean = path.adaptive() if steps is None else path.gauss_legendre(steps)
    return path.difference * mean


class _Segment(NamedTuple):
    """A segment of the path from t = start to start + length."""

    start: float
    length: float
    start_value: float
    """F where it starts"""

    end_value: float
    """F where it ends"""

    middle_value: float
    """F in its middle"""

    gradient: Tensor
    """dF / dx in its middle"""

    error: float
    """difference of F over the segment minus its integral by the midpoint rule"""


class _Path:
    """The straight path from a baseline to an image."""

    def __init__(
        self, function: ValueAndGradient, x: Tensor, start: Tensor, target: Target
    ):
        self.function, self.target = function, target
        self.start, self.difference = start, x - start

    def points(self, t: list[float]) -> Tensor:
        """Return the images [T, C, H, W] at t on the path."""
        steps = torch.tensor(t, dtype=self.difference.dtype)[:, None, None, None]
        return self.start + steps * self.difference

    def values(self, t: list[float]) -> list[float]:
        """Return F at t on the path."""
        return self.function.values(self.points(t), self.target).double().tolist()

    def values_and_gradients(self, t: list[float]) -> tuple[list[float], list[Tensor]]:
        """Return F and its gradients [C, H, W] at t on the path."""
        points = self.points(t)
        values, gradients = self.function.values_and_gradients(points, self.target)
        return values.double().tolist(), list(gradients)

    def gauss_legendre(self, steps: int) -> Tensor:
        """Return the mean gradient by Gauss-Legendre quadrature."""
        points, weights = np.polynomial.legendre.leggauss(steps)
        total = torch.zeros_like(self.difference)
        for k in range(0, steps, BATCH):
            batch = ((points[k : k + BATCH] + 1) / 2).tolist()
            _, gradients = self.values_and_gradients(batch)
            for gradient, weight in zip(gradients, weights[k:], strict=False):
                total += float(weight / 2) * gradient
        return total

    def adaptive(self) -> Tensor:
        """Return the mean gradient, halving the segments with the largest errors."""
        edges = np.linspace(0, 1, SEGMENTS + 1).tolist()
        values = self.values(edges)
        allowed = TOLERANCE * abs(values[-1] - values[0])
        segments = self.segments(
            edges[:-1], [1 / SEGMENTS] * SEGMENTS, values[:-1], values[1:]
        )
        count = len(segments)
        while count < MAX_GRADIENTS and abs(sum(s.error for s in segments)) > allowed:
            segments.sort(key=lambda segment: abs(segment.error))
            halved, segments = segments[-SEGMENTS:], segments[:-SEGMENTS]
            segments += self.segments(
                [t for s in halved for t in (s.start, s.start + s.length / 2)],
                [s.length / 2 for s in halved for _ in range(2)],
                [f for s in halved for f in (s.start_value, s.middle_value)],
                [f for s in halved for f in (s.middle_value, s.end_value)],
            )
            count += 2 * len(halved)
        zero = torch.zeros_like(self.difference)
        return sum((s.length * s.gradient for s in segments), zero)

    def segments(
        self,
        starts: list[float],
        lengths: list[float],
        start_values: list[float],
        end_values: list[float],
    ) -> list[_Segment]:
        """Evaluate the gradient in the middle of each segment."""
        middles = [s + n / 2 for s, n in zip(starts, lengths, strict=True)]
        values, gradients = self.values_and_gradients(middles)
        columns = zip(
            starts, lengths, start_values, end_values, values, gradients, strict=True
        )
        segments = []
        for start, length, first, last, middle, gradient in columns:
            integral = length * float((gradient * self.difference).double().sum())
            error = last - first - integral
            segments.append(
                _Segment(start, length, first, last, middle, gradient, error)
            )
        return segments
