"""A linear head on frozen features."""

import math
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vicinal.core.objective import Objective
from vicinal.core.training.linear_solver import RegularizedProblem


@dataclass(frozen=True)
class Head:
    """Logits f W + b of features f [N, D]."""

    weights: np.ndarray
    """W [D, K] float32"""

    bias: np.ndarray
    """b [K] float32"""

    penalty: float = 0.0

    def __str__(self) -> str:
        return f"linear model, penalty {self.penalty:g}"

    def logits(self, features: np.ndarray) -> Tensor:
        """Return [N, K]; for regression [N, 1] in standard deviations of the target."""
        return torch.from_numpy(features @ self.weights + self.bias)


def fit_head(
    features: np.ndarray, y: np.ndarray, objective: Objective, penalty: float
) -> Head:
    """Fit a head to all rows of features [N, D] with a given penalty."""
    problem = RegularizedProblem.from_features(features, y, objective)
    return solve_head(problem, penalty)


def solve_head(
    problem: RegularizedProblem, penalty: float, seconds: float = math.inf
) -> Head:
    """Return the head of all rows of a problem, as far as solved within `seconds`."""
    rows = np.ones((len(problem.z), 1), dtype=bool)
    deadline = time.monotonic() + seconds
    solution = problem.solve(rows, penalty, deadline=deadline)
    return Head(*problem.coefficients(solution), penalty)
