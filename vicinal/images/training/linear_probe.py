"""The first answer: a dense layer fitted on what a frozen network says (linear probe).

It takes seconds, it is cross-validated, and it is where fine-tuning begins: a network
whose head is already fitted does not distort its features to make up for a random one
(Kumar et al. 2022, "Fine-Tuning can Distort Pretrained Features and Underperform
Out-of-Distribution", section 3.4).
"""

from dataclasses import dataclass

import numpy as np
import torch

from vicinal.core.compute.runtime import seed_for
from vicinal.core.data.splits import deal
from vicinal.core.metrics import Score
from vicinal.core.objective import Objective
from vicinal.core.training.linear_head import (
    CrossValidatedHead,
    Head,
    cross_fit,
    fit_head,
    out_of_fold,
)
from vicinal.errors import NoDataError
from vicinal.images.data.dataset import ImageDataset
from vicinal.images.networks.base import Network

FOLDS = 5


@dataclass(frozen=True)
class Probe:
    """A cross-validated head, and what it rests on."""

    features: np.ndarray
    """[N, D] of the pictures it was fitted on"""

    y: np.ndarray
    """their targets"""

    fit: CrossValidatedHead
    folds: np.ndarray
    """[N]"""

    predicted: np.ndarray
    """[N, K] or [N]: of each picture, by a head that never saw it"""

    score: Score
    """of `predicted`"""


def fit_probe(
    features: np.ndarray,
    pictures: ImageDataset,
    y: np.ndarray,
    objective: Objective,
    seed: int,
) -> Probe:
    """Cross-validate heads on features [N, D] of pictures with targets y.

    Groups (`ImageDataset.together`) are in one fold. Raises NoDataError for fewer than
    two pictures that differ.
    """
    groups = pictures.together
    count = min(FOLDS, len(np.unique(groups)))
    if count < 2:
        raise NoDataError(
            "A first answer needs two different pictures or more. Add pictures."
        )
    labels = pictures.table.labels
    single = objective.kind == "single_label"
    strata = np.asarray(labels if single else np.zeros(len(labels))).astype(str)
    folds = deal(strata, groups, folds=count, seed=seed_for(seed, 4) % 2**32)
    folds = np.unique(folds, return_inverse=True)[1]  # large groups may leave one empty
    fit = cross_fit(features, y, objective, folds)
    predicted = objective.predict(fit.logits)
    score = objective.score(y, objective.decide(predicted), groups)
    return Probe(features, y, fit, folds, predicted, score)


def naive_score(
    probe: Probe, together: np.ndarray, objective: Objective, seed: int
) -> Score | None:
    """The score as it looks when copies are dealt to folds like other pictures.

    together: [N] groups of the pictures that the probe was fitted on. The folds are
    those of `Probe.score`, but of each group all but one are dealt anew, one by one: so
    the two differ by what copies on both sides flatter, and not by other folds. None
    where there is no group of more than one.
    """
    n = len(together)
    first = np.unique(together, return_index=True)[1]
    if len(first) == n:
        return None
    rng = np.random.default_rng(seed_for(seed, 5) % 2**32)
    others = np.setdiff1d(np.arange(n), first)
    folds, count = probe.folds.copy(), int(probe.folds.max()) + 1
    folds[others] = rng.permutation(np.arange(len(others)) % count)
    penalty = probe.fit.head.penalty
    logits = out_of_fold(probe.features, probe.y, objective, folds, penalty)
    decided = objective.decide(objective.predict(logits))
    return objective.score(probe.y, decided, together)


def refit(
    probe: Probe, features: np.ndarray, y: np.ndarray, objective: Objective
) -> Head:
    """The head of more pictures, with the penalty that the probe chose."""
    return fit_head(features, y, objective, probe.fit.head.penalty)


def set_head(network: Network, head: Head, share: float = 1.0) -> None:
    """Let a network end in a fitted head, or in a share of it."""
    with torch.no_grad():
        network.head.weight.copy_(torch.from_numpy(head.weights.T * share))
        network.head.bias.copy_(torch.from_numpy(head.bias * share))


LEAST_SHARE = 0.02


def calibrated_head_scale(probe: Probe, objective: Objective) -> float:
    """The share b of its logits with which a head is no surer of its own examples.

    A head is surer of the examples z it was fitted on than of others, and of few
    examples so sure that their loss has no slope left to teach the layers below. With

        loss(b z) = loss of the logits that were told out of fold,   b <= 1

    what it decides stays, and the network begins with as much to learn as there is.
    """
    y = torch.from_numpy(probe.y)
    if objective.kind == "numeric":
        return 1.0
    own, others = probe.fit.head.logits(probe.features), probe.fit.logits
    wanted = objective.loss(others, y)
    low, high = LEAST_SHARE, 1.0
    if objective.loss(own, y) >= wanted:
        return high
    for _ in range(20):
        middle = (low + high) / 2
        surer = objective.loss(middle * own, y) < wanted
        low, high = (low, middle) if surer else (middle, high)
    return high
