"""L2-regularised linear models, solved for many training subsets at once.

For standardised features z [D] and P problems that differ in their training rows m:

    J(W, b) = sum_i m_i l(y_i, W' z_i + b) / sum_i m_i + penalty / 2 |W|^2

l is cross-entropy for one label, binary cross-entropy for several, half the squared
error for regression. The second derivative of l in the logits is at most c (1/2, 1/4,
1: Boehning 1992, "Multinomial logistic regression algorithm", eq. 2.4). So in the axes
of Z'Z / n = V diag(s) V' the Hessian of every problem is at most c s / mean(m) +
penalty; gradients are divided by that, and no step length is searched. Momentum is
Nesterov's (1983), with the gradient restart of O'Donoghue and Candes (2015, section
3.2).
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vicinal.core.objective import MultiLabel, Numeric, Objective, SingleLabel

MAX_STEPS = 400
"""steps for one penalty, at most"""

TOLERANCE = 2e-3
"""relative change of the logits below which a problem is solved"""


class _Loss(NamedTuple):
    """A loss of logits for fixed targets, with class weights."""

    gradient: Callable[[Tensor], Tensor]
    """logits [N, P, K] to dl/dlogits"""

    losses: Callable[[Tensor], Tensor]
    """logits [N, K] to losses [N]"""

    curvature_bound: float
    """c, times the largest weight of an example"""


@dataclass(frozen=True)
class RegularizedProblem:
    """Features in their principal axes, and a loss of their logits."""

    z: Tensor
    """[N, R] standardised features along the axes, R <= min(N, D)"""

    curvature: Tensor
    """s [R], the mean square of z along each axis"""

    axes: Tensor
    """[D, R]; standardised features are z axes'"""

    mean: Tensor
    scale: Tensor
    """[D] of the features"""

    loss: _Loss
    outputs: int

    @classmethod
    def from_features(
        cls,
        features: np.ndarray,
        y: np.ndarray,
        objective: Objective,
        *,
        scaled: bool = False,
    ) -> "RegularizedProblem":
        """Standardise features [N, D] and rotate them to their principal axes.

        scaled: only centre them; their scales are comparable already. All is computed
        in float32: standardise columns with a large offset (1e9) before.
        """
        f = torch.from_numpy(np.ascontiguousarray(features, dtype=np.float32))
        mean = f.mean(dim=0)
        scale = f.std(dim=0, correction=0)
        scale = torch.where(scale > 1e-6 * scale.max().clamp(min=1e-12), scale, 1.0)
        scale = torch.ones_like(scale) if scaled else scale
        z = (f - mean) / scale
        axes, curvature = _principal_axes(z)
        loss = _make_loss(y, objective)
        return cls(z @ axes, curvature, axes, mean, scale, loss, objective.outputs)

    def solve(
        self,
        train: np.ndarray,
        penalty: float,
        start: Tensor | None = None,
        *,
        deadline: float = math.inf,
    ) -> Tensor:
        """Return the solutions [R + 1, P, K] for training rows [N, P]; bias last.

        start: solutions to start from, such as those of a larger penalty. deadline:
        `time.monotonic()` after which no further step is taken.
        """
        n, problems = train.shape
        mask = torch.from_numpy(train).float()
        fraction = mask.mean(dim=0)  # [P]
        weight = (mask / (n * fraction))[..., None]  # m / sum m
        size = len(self.curvature) + 1
        bounds = torch.cat([self.curvature, torch.ones(1)])
        bounds = self.loss.curvature_bound * bounds
        decay = torch.full((size, 1, 1), penalty)
        decay[-1] = 0  # the bias is not penalised
        hessian = (bounds[:, None] / fraction)[..., None] + decay  # [R + 1, P, 1]
        w = torch.zeros(size, problems, self.outputs) if start is None else start
        ahead, momentum = w, torch.ones(problems)
        for _ in range(MAX_STEPS):
            pull = self.loss.gradient(self.logits(ahead)) * weight
            gradient = self._backward(pull) + decay * ahead
            new = ahead - gradient / hessian
            step = new - w
            uphill = (gradient * step).sum(dim=(0, 2)) > 0
            momentum = torch.where(uphill, 1.0, momentum)
            next_momentum = (1 + (1 + 4 * momentum**2).sqrt()) / 2
            ahead = new + ((momentum - 1) / next_momentum)[:, None] * step
            moved, length = (((v**2) * hessian).sum(dim=(0, 2)) for v in (step, new))
            w, momentum = new, next_momentum
            if bool((moved <= TOLERANCE**2 * length).all()):
                break
            if time.monotonic() > deadline:
                break
        return w

    def logits(self, w: Tensor) -> Tensor:
        """Return the logits [N, P, K] of solutions [R + 1, P, K]."""
        flat = torch.addmm(w[-1].reshape(1, -1), self.z, w[:-1].flatten(1))
        return flat.view(len(self.z), *w.shape[1:])

    def _backward(self, pull: Tensor) -> Tensor:
        """Return the gradient [R + 1, P, K] from that of the logits [N, P, K]."""
        along = (self.z.T @ pull.flatten(1)).view(-1, *pull.shape[1:])
        return torch.cat([along, pull.sum(dim=0)[None]])

    def mean_losses(self, logits: Tensor, folds: np.ndarray) -> np.ndarray:
        """Return mean losses [F, P] on each fold, for logits [N, P, K]."""
        losses = torch.stack([self.loss.losses(z) for z in logits.unbind(1)], dim=1)
        numbers = range(int(folds.max()) + 1)
        masks = (torch.from_numpy(folds == f) for f in numbers)
        return torch.stack([losses[mask].mean(dim=0) for mask in masks]).numpy()

    def coefficients(self, w: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Return weights [D, K] and bias [K] for raw features; w [R + 1, 1, K]."""
        solution = w[:, 0]
        weights = (self.axes @ solution[:-1]) / self.scale[:, None]
        bias = solution[-1] - self.mean @ weights
        return weights.numpy(), bias.numpy()


def _principal_axes(z: Tensor) -> tuple[Tensor, Tensor]:
    """Return axes V [D, R] and mean squares s [R], by the smaller Gram matrix."""
    n, d = z.shape
    z = z.double()
    if n < d:
        s, u = torch.linalg.eigh(z @ z.T)
    else:
        s, u = torch.linalg.eigh(z.T @ z)
    keep = s > 1e-7 * s[-1].clamp(min=1e-12)
    s, u = s[keep], u[:, keep]
    axes = z.T @ u / s.sqrt() if n < d else u
    return axes.float(), (s / n).float()


# --- losses ---------------------------------------------------------------------------


def _make_loss(y: np.ndarray, objective: Objective) -> _Loss:
    weights = torch.tensor(getattr(objective, "weights", ()))
    if isinstance(objective, SingleLabel):
        return _cross_entropy(torch.from_numpy(y), objective.outputs, weights)
    if isinstance(objective, MultiLabel):
        return _binary_cross_entropy(torch.from_numpy(y).float(), weights)
    if isinstance(objective, Numeric):
        return _squared_error(torch.from_numpy(y), objective)
    raise TypeError("there is no linear model of several numbers")


def _cross_entropy(y: Tensor, num_classes: int, weights: Tensor) -> _Loss:
    targets = torch.nn.functional.one_hot(y, num_classes).float()
    weight = weights[y] if len(weights) else torch.ones(len(y))

    def gradient(logits: Tensor) -> Tensor:
        return (logits.softmax(dim=-1) - targets[:, None]) * weight[:, None, None]

    def losses(logits: Tensor) -> Tensor:
        return -(logits.log_softmax(dim=-1) * targets).sum(dim=-1) * weight

    return _Loss(gradient, losses, float(weight.max()) / 2)


def _binary_cross_entropy(y: Tensor, weights: Tensor) -> _Loss:
    weight = 1 + (weights - 1) * y if len(weights) else torch.ones_like(y)

    def gradient(logits: Tensor) -> Tensor:
        return (logits.sigmoid() - y[:, None]) * weight[:, None]

    def losses(logits: Tensor) -> Tensor:
        loss = torch.nn.functional.binary_cross_entropy_with_logits
        return (loss(logits, y, reduction="none") * weight).mean(dim=-1)

    return _Loss(gradient, losses, float(weight.max()) / 4)


def _squared_error(y: Tensor, objective: Numeric) -> _Loss:
    z = ((y - objective.mean) / objective.std).float()[:, None]

    def gradient(logits: Tensor) -> Tensor:
        return logits - z[:, None]

    def losses(logits: Tensor) -> Tensor:
        return ((logits - z) ** 2).mean(dim=-1) / 2

    return _Loss(gradient, losses, 1.0)
