"""Linear heads along a path of penalties, and their cross-validation.

Penalties are tried from strong to weak, each started from the solution before it
(Friedman et al. 2010, "Regularization Paths for Generalized Linear Models via
Coordinate Descent", section 2.5), until the held-out loss of no fold improves.
"""

import math
import time
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vicinal.core.objective import Objective
from vicinal.core.training.linear_head import Head, solve_head
from vicinal.core.training.linear_solver import RegularizedProblem

PENALTIES = (10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
"""tried in this order, for features of mean 0 and variance 1"""


def regularization_path(
    features: np.ndarray, y: np.ndarray, objective: Objective, *, scaled: bool = False
) -> list[Head]:
    """Fit features [N, D] once per penalty of PENALTIES, from strong to weak.

    scaled: the features are comparable as they are; else each is standardised, in
    float32. Standardise columns with a large offset before: beside a mean of 1e9 no
    difference below 60 is left.
    """
    problem = RegularizedProblem.from_features(features, y, objective, scaled=scaled)
    all_rows = np.ones((len(features), 1), bool)
    heads, solution = [], None
    for penalty in PENALTIES:
        solution = problem.solve(all_rows, penalty, solution)
        heads.append(Head(*problem.coefficients(solution), penalty))
    return heads


@dataclass(frozen=True)
class CrossValidatedHead:
    """A head for all rows, and the out-of-fold logits of each row."""

    head: Head
    logits: Tensor
    """[N, K]: of each row, by a head that was trained without its fold"""

    penalties: tuple[float, ...]
    """of each fold's head, chosen without that fold"""

    losses: dict[float, float]
    """mean held-out loss of each penalty that was tried"""

    is_complete: bool = True
    """False if there was no time for all penalties or steps"""


def cross_validate_head(
    features: np.ndarray,
    y: np.ndarray,
    objective: Objective,
    folds: np.ndarray,
    seconds: float = math.inf,
) -> CrossValidatedHead:
    """Fit heads to features [N, D] and targets y, with folds [N] numbered from 0.

    Features are standardised as in `regularization_path`.

    Nested: the penalty of fold f's head is chosen by heads that leave out f and one
    more fold g, evaluated on g, so no row has a say in its own evaluation. With two
    folds there is no third to choose by, and both take the penalty that is best for
    both.

    seconds: time that it may take; then weaker penalties are left out, and the head of
    all rows is the best that was found. At least one penalty is tried.
    """
    deadline = time.monotonic() + seconds
    count = int(folds.max()) + 1
    pairs = list(combinations(range(count), 2)) if count > 2 else []
    left_out = [{f} for f in range(count)] + [set(pair) for pair in pairs]
    train = np.stack([~np.isin(folds, list(out)) for out in left_out], axis=1)
    problem = RegularizedProblem.from_features(features, y, objective)
    trials: list[_Trial] = []
    start = None
    for penalty in PENALTIES:
        start = problem.solve(train, penalty, start, deadline=deadline)
        logits = problem.logits(start)  # [N, P, K]
        losses = problem.mean_losses(logits, folds)  # [F, P]
        trials.append(
            _Trial(
                penalty, _own_fold(logits, folds), *_held_out_losses(losses, left_out)
            )
        )
        if _past_the_optimum(trials) or time.monotonic() > deadline:
            break
    final = min(trials, key=lambda t: t.mean_loss)
    logits, penalties = torch.empty_like(final.logits), []
    for f in range(count):
        best = min(trials, key=lambda t: t.inner_losses[f]) if pairs else final
        rows = torch.from_numpy(folds == f)
        logits[rows] = best.logits[rows]
        penalties.append(best.penalty)
    return CrossValidatedHead(
        head=solve_head(problem, final.penalty, seconds / 2),
        logits=logits,
        penalties=tuple(penalties),
        losses={t.penalty: t.mean_loss for t in trials},
        is_complete=time.monotonic() <= deadline,
    )


def out_of_fold_logits(
    features: np.ndarray,
    y: np.ndarray,
    objective: Objective,
    folds: np.ndarray,
    penalty: float,
) -> Tensor:
    """Return logits [N, K] of each row by the head of the other folds."""
    train = np.stack([folds != f for f in range(int(folds.max()) + 1)], axis=1)
    problem = RegularizedProblem.from_features(features, y, objective)
    return _own_fold(problem.logits(problem.solve(train, penalty)), folds)


def _own_fold(logits: Tensor, folds: np.ndarray) -> Tensor:
    """Select from logits [N, P, K] those [N, K] of the head without the row's fold."""
    return torch.stack([logits[i, f] for i, f in enumerate(folds.tolist())])


class _Trial(NamedTuple):
    """The results of one penalty."""

    penalty: float
    logits: Tensor
    """[N, K] out of fold"""

    mean_loss: float
    """over the folds, each by the head trained without it"""

    inner_losses: np.ndarray
    """[F]: on the other folds, by heads without f and without the evaluated fold"""


def _held_out_losses(
    losses: np.ndarray, left_out: list[set[int]]
) -> tuple[float, np.ndarray]:
    """Return the mean loss over the folds, and the inner one of each; losses [F, P]."""
    count = len(losses)
    mean = float(np.mean([losses[f, f] for f in range(count)]))
    pairs = [(p, out) for p, out in enumerate(left_out) if len(out) == 2]
    inner = [
        np.mean([losses[g, p] for p, out in pairs if f in out for g in out - {f}])
        for f in range(count)
        if pairs
    ]
    return mean, np.array(inner)


def _past_the_optimum(trials: list[_Trial]) -> bool:
    """Return True if the last penalty is worse than an earlier one, for every fold."""
    *before, last = trials
    if not before:
        return False
    worse = last.mean_loss > min(t.mean_loss for t in before)
    best_inner = np.min([t.inner_losses for t in before], axis=0)
    return worse and bool((last.inner_losses > best_inner).all())
