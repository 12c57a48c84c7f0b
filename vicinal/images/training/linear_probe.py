"""Linear probe: a dense layer fitted on the features of a frozen network.

It takes seconds, it is cross-validated, and fine-tuning starts from it: a fitted head
does not distort the features as a random one does (Kumar et al. 2022, "Fine-Tuning can
Distort Pretrained Features and Underperform Out-of-Distribution", section 3.4).
"""

import math
from dataclasses import dataclass

import numpy as np
import torch

from vicinal.core.compute.runtime import seed_for
from vicinal.core.data.splits import assign_folds
from vicinal.core.metrics import Score
from vicinal.core.objective import Objective
from vicinal.core.training.linear_head import Head, fit_head
from vicinal.core.training.regularization_path import (
    CrossValidatedHead,
    cross_validate_head,
    out_of_fold_logits,
)
from vicinal.errors import NoDataError
from vicinal.images.data.dataset import ImageDataset
from vicinal.images.networks.base import Network

FOLDS = 5

MIN_HEAD_SCALE = 0.02
"""smallest factor of `calibrated_head_scale`"""


@dataclass(frozen=True)
class LinearProbe:
    """A cross-validated linear head and its data."""

    features: np.ndarray
    """[N, D] of the images it was fitted on"""

    y: np.ndarray
    """[N] or [N, K] their targets"""

    fit: CrossValidatedHead

    folds: np.ndarray
    """[N] fold of each image"""

    predicted: np.ndarray
    """[N, K] or [N] out-of-fold prediction of each image"""

    score: Score
    """of `predicted`"""


def fit_linear_probe(
    features: np.ndarray,
    images: ImageDataset,
    y: np.ndarray,
    objective: Objective,
    seed: int,
    seconds: float = math.inf,
) -> LinearProbe:
    """Cross-validate linear heads on features [N, D] of images with targets y.

    Groups (`ImageDataset.groups`) stay in one fold. seconds: time that it may take.
    Raises NoDataError for fewer than two different images.
    """
    groups = images.groups
    count = min(FOLDS, len(np.unique(groups)))
    if count < 2:
        raise NoDataError(
            "A linear probe needs at least two different images. Add images."
        )
    labels = images.table.labels
    single_label = objective.kind == "single_label"
    strata = np.asarray(labels if single_label else np.zeros(len(labels))).astype(str)
    folds = assign_folds(strata, groups, folds=count, seed=seed_for(seed, 4) % 2**32)
    folds = np.unique(folds, return_inverse=True)[1]  # large groups may leave one empty
    fit = cross_validate_head(features, y, objective, folds, seconds)
    predicted = objective.predict(fit.logits)
    score = objective.score(y, objective.decide(predicted), groups)
    return LinearProbe(features, y, fit, folds, predicted, score)


def compute_leaky_score(
    probe: LinearProbe, groups: np.ndarray, objective: Objective, seed: int
) -> Score | None:
    """Return the score with near duplicates spread over folds like other images.

    groups: [N] near duplicates among the probe's images. The folds are those of
    `LinearProbe.score`, but all except one member of each group are assigned anew, so
    that the scores differ by the leak alone. None where no group has two members.
    """
    n = len(groups)
    first = np.unique(groups, return_index=True)[1]
    if len(first) == n:
        return None
    rng = np.random.default_rng(seed_for(seed, 5) % 2**32)
    others = np.setdiff1d(np.arange(n), first)
    folds, count = probe.folds.copy(), int(probe.folds.max()) + 1
    folds[others] = rng.permutation(np.arange(len(others)) % count)
    penalty = probe.fit.head.penalty
    logits = out_of_fold_logits(probe.features, probe.y, objective, folds, penalty)
    decisions = objective.decide(objective.predict(logits))
    return objective.score(probe.y, decisions, groups)


def refit_head(
    probe: LinearProbe, features: np.ndarray, y: np.ndarray, objective: Objective
) -> Head:
    """Fit a head on more images, with the penalty that the probe chose."""
    return fit_head(features, y, objective, probe.fit.head.penalty)


def set_head(network: Network, head: Head, scale: float = 1.0) -> None:
    """Copy a fitted head, times `scale`, into the network's last layer."""
    with torch.no_grad():
        network.head.weight.copy_(torch.from_numpy(head.weights.T * scale))
        network.head.bias.copy_(torch.from_numpy(head.bias * scale))


def calibrated_head_scale(probe: LinearProbe, objective: Objective) -> float:
    """Return the factor b <= 1 of the head's logits that cures its overconfidence.

    A head is overconfident on the images it was fitted on; with few images its loss has
    no gradient left to train the layers below. b solves

        loss(b z) = loss of the out-of-fold logits

    for its logits z. Predicted classes stay the same.
    """
    y = torch.from_numpy(probe.y)
    if objective.kind == "numeric":
        return 1.0
    logits = probe.fit.head.logits(probe.features)
    target_loss = objective.loss(probe.fit.logits, y)
    low, high = MIN_HEAD_SCALE, 1.0
    if objective.loss(logits, y) >= target_loss:
        return high
    for _ in range(20):
        middle = (low + high) / 2
        overconfident = objective.loss(middle * logits, y) < target_loss
        low, high = (low, middle) if overconfident else (middle, high)
    return high
