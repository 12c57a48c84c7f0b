"""A small network that combines the scores of simple models into a logit.

It is fitted to validation cells, on which none of the models was fitted. Where these
are of several folds, such as different drugs, its logits are divided by a temperature
that fits the cells of each fold by a combination of the others: C. Guo et al.: On
Calibration of Modern Neural Networks, ICML 2017, 4.2.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, silu

HIDDEN, MIN_PAIRS = 64, 2000
"""hidden features, and the different pairs that a hidden layer needs: with fewer,
scores are combined linearly (logistic regression)"""

BATCH, EPOCHS, MIN_STEPS, LR, DECAY = 512, 5, 2000, 5e-3, 1e-2
RIDGE = 1e-4
CONFIDENCES = 0.1, 3.0
"""lowest and highest factor of logits, one over the temperature"""

CELLS_AT_ONCE = 1 << 13
"""cells of which logits are computed at a time: their hidden features fit in a cache"""


class CombinationConfig(NamedTuple):
    """Sizes of a combination."""

    scores: int
    hidden: int
    """0: a linear combination"""


class Combination(nn.Module):
    """Scores [N, K] to logits [N]: two hidden layers, or none."""

    mean: Tensor
    scale: Tensor

    def __init__(self, config: CombinationConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.zeros(config.scores))
        self.register_buffer("scale", torch.ones(config.scores))
        sizes = [config.scores, *[config.hidden] * (2 if config.hidden else 0), 1]
        self.layers = nn.ModuleList([nn.Linear(a, b) for a, b in pairwise(sizes)])

    def forward(self, scores: Tensor) -> Tensor:
        """Return the logits [...] of scores [..., K]."""
        x = (scores - self.mean) / self.scale
        for layer in self.layers[:-1]:
            x = silu(layer(x))
        return self.layers[-1](x).squeeze(-1)

    @property
    def first_weights(self) -> np.ndarray:
        """Return the weights [H, K] of the first layer; H = 1 if it is linear."""
        layer = self.layers[0]
        assert isinstance(layer, nn.Linear)
        return layer.weight.detach().numpy()

    @torch.no_grad()
    def multiply_logits(self, factor: float) -> None:
        """Multiply all logits by a factor from now on."""
        for values in self.layers[-1].parameters():
            values.mul_(factor)

    @torch.inference_mode()
    def logits(self, scores: np.ndarray) -> np.ndarray:
        """Return the logits [...] float32 of scores [..., K].

        Blocks of cells are computed one after the other, in less memory.
        """
        cells = torch.from_numpy(scores).reshape(-1, scores.shape[-1])
        found = torch.cat([self(block) for block in cells.split(CELLS_AT_ONCE)])
        return found.reshape(scores.shape[:-1]).numpy()


def fit_combination(
    scores: np.ndarray,
    truth: np.ndarray,
    num_pairs: int,
    seed: int,
    increasing: Sequence[int] = (),
    folds: np.ndarray | None = None,
) -> Combination:
    """Return the combination of scores [N, K] float32 for truth [N] bool.

    The loss is the binary cross-entropy. num_pairs: different pairs that the cells are
    of. increasing: scores that never lower the logit of a linear combination. folds:
    [N] of each cell, of which the temperature is found; None, or all the same: 1.
    """
    network = _fit(scores, truth, num_pairs, seed, increasing)
    if folds is None or len(np.unique(folds)) < 2:
        return network
    logits = np.empty(len(truth))
    for fold in np.unique(folds):
        own, others = folds == fold, folds != fold
        fitted = _fit(scores[others], truth[others], num_pairs, seed, increasing)
        logits[own] = fitted.logits(scores[own])
    network.multiply_logits(find_confidence(logits, truth))
    return network


def find_confidence(logits: np.ndarray, truth: np.ndarray) -> float:
    """Return the factor of logits [N] that fits truth [N] best, in CONFIDENCES."""
    signed = np.where(truth, logits, -logits)
    found = minimize_scalar(
        lambda factor: np.logaddexp(0, -factor * signed).mean(), bounds=CONFIDENCES
    )
    return float(found.x)


def _fit(
    scores: np.ndarray,
    truth: np.ndarray,
    num_pairs: int,
    seed: int,
    increasing: Sequence[int],
) -> Combination:
    """Return the combination of some cells, without a temperature."""
    hidden = HIDDEN if num_pairs >= MIN_PAIRS else 0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Combination(CombinationConfig(scores.shape[1], hidden))
    x, y = torch.from_numpy(scores), torch.from_numpy(truth.astype(np.float32))
    if len(x) < 2:
        return network.eval()
    spread = x.std(dim=0)
    network.mean.copy_(x.mean(dim=0))
    network.scale.copy_(torch.where(spread > 1e-6, spread, 1.0))
    if hidden:
        _train(network, x, y, torch.Generator().manual_seed(seed))
    else:
        _solve(network, scores, truth, increasing)
    return network.eval()


def _solve(
    network: Combination,
    scores: np.ndarray,
    truth: np.ndarray,
    increasing: Sequence[int],
) -> None:
    """Fit a linear combination: logistic regression with a small ridge penalty."""
    x = (scores - network.mean.numpy()) / network.scale.numpy()
    x = np.c_[x, np.ones(len(x))].astype(np.float64)
    signs = np.where(truth, 1.0, -1.0)
    ridge = np.full(x.shape[1], RIDGE)
    ridge[-1] = 0.0  # of the bias

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        margins = signs * (x @ weights)
        value = np.logaddexp(0, -margins).mean() + (ridge * weights**2).sum()
        errors = -signs * expit(-margins) / len(x)
        return float(value), errors @ x + 2 * ridge * weights

    bounds = [(0.0 if k in increasing else None, None) for k in range(x.shape[1])]
    start = np.zeros(x.shape[1])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    weights = torch.from_numpy(found.x.astype(np.float32))
    with torch.no_grad():
        layer = network.layers[0]
        assert isinstance(layer, nn.Linear)
        layer.weight.copy_(weights[None, :-1])
        layer.bias.copy_(weights[-1:])


def _train(
    network: Combination, x: Tensor, y: Tensor, generator: torch.Generator
) -> None:
    """Fit a network by AdamW with a one-cycle schedule."""
    batch = min(BATCH, len(x))
    epochs = max(EPOCHS, -(-MIN_STEPS // (len(x) // batch)))
    optimizer = torch.optim.AdamW(network.parameters(), lr=LR, weight_decay=DECAY)
    steps = epochs * (len(x) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LR, total_steps=steps)
    for _ in range(epochs):
        order = torch.randperm(len(x), generator=generator)
        for rows in order.split(batch)[: len(x) // batch]:
            optimizer.zero_grad()
            loss = binary_cross_entropy_with_logits(network(x[rows]), y[rows])
            loss.backward()
            optimizer.step()
            schedule.step()
