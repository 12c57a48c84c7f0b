"""The linear baseline of link prediction: logistic regression on pair features.

The features of a training edge are those of the graph without it: edges are divided
into folds, and each fold's pairs see the edges of the others.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vicinal.core.evaluation.calibration import fit_temperature
from vicinal.core.objective import SingleLabel
from vicinal.core.training.linear_head import Head
from vicinal.core.training.regularization_path import PENALTIES, regularization_path
from vicinal.graphs.links.split import sample_negative_edges

FOLDS = 5

MAX_CROSS_VALIDATED = 4000
"""training pairs above which one fold, instead of all, chooses the penalty"""

PAIRS_PER_BLOCK = 1 << 16
"""pairs that are scored at a time: their products take much memory"""

MAX_STANDARDIZED = 6.0
"""standard deviations from the mean at which features are clipped"""


@dataclass(frozen=True)
class PairLinearModel:
    """Logistic regression on standardised features, and perhaps on their products."""

    mean: np.ndarray
    std: np.ndarray
    """[D] of the training pairs"""

    products: bool
    """whether products of two features are features as well"""

    head: Head

    def standardize(self, features: np.ndarray) -> np.ndarray:
        """Return the inputs [P, D] or [P, D + D (D + 1) / 2] of the regression."""
        return standardize(features, self.mean, self.std, self.products)

    def logits(self, features: np.ndarray) -> Tensor:
        """Return logits [P, 2] of pairs with features [P, D]."""
        starts = range(0, max(len(features), 1), PAIRS_PER_BLOCK)
        blocks = (features[start : start + PAIRS_PER_BLOCK] for start in starts)
        return torch.cat([self.head.logits(self.standardize(x)) for x in blocks])

    def contributions(self, features: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the base, and what each input adds [P, inputs], to the log-odds."""
        weights = (self.head.weights[:, 1] - self.head.weights[:, 0]).astype(float)
        base = float(self.head.bias[1] - self.head.bias[0])
        return base, self.standardize(features) * weights

    def __str__(self) -> str:
        products = " and their products" if self.products else ""
        return (
            f"logistic regression on pair features{products} (penalty "
            f"{self.head.penalty:g})"
        )


def standardize(
    features: np.ndarray, mean: np.ndarray, std: np.ndarray, products: bool
) -> np.ndarray:
    """Return clipped standardised features, with products of any two if asked for."""
    z = np.clip((features - mean) / std, -MAX_STANDARDIZED, MAX_STANDARDIZED)
    if products:
        i, j = np.triu_indices(z.shape[1])
        z = np.concatenate([z, z[:, i] * z[:, j]], axis=1)
    return z.astype(np.float32)


def training_pairs(
    edges: np.ndarray,
    num_nodes: int,
    features_of: Callable[[np.ndarray, np.ndarray], np.ndarray],
    seed: int,
    sides: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return features [P, D], targets [P] and folds [P] of the training pairs.

    edges: of the train split. features_of(edges, pairs): the features of pairs in the
    graph of the edges. Negative pairs are drawn without knowledge of held-out edges;
    sides: [N], of a bipartite graph.
    """
    rng = np.random.default_rng(seed + 1)
    negatives = sample_negative_edges(num_nodes, edges, len(edges), False, rng, sides)
    fold = rng.integers(0, FOLDS, len(edges))
    features, targets, folds = [], [], []
    for k in range(FOLDS):
        inside = fold == k
        if not inside.any() or inside.all():
            continue
        pairs = np.concatenate([edges[inside], negatives[inside]])
        features.append(features_of(edges[~inside], pairs))
        targets.append(np.repeat([1, 0], inside.sum()))
        folds.append(np.full(2 * int(inside.sum()), k))
    return np.concatenate(features), np.concatenate(targets), np.concatenate(folds)


def fit_pair_linear_model(
    features: np.ndarray, y: np.ndarray, fold: np.ndarray, objective: SingleLabel
) -> tuple[PairLinearModel, float]:
    """Return the model of lowest cross-validated loss, and its temperature."""
    mean, std = features.mean(axis=0), features.std(axis=0)
    std[std < 1e-9] = 1.0
    validation_folds = list(range(FOLDS if len(y) <= MAX_CROSS_VALIDATED else 1))
    held_out = np.isin(fold, validation_folds)
    tried: list[tuple[float, bool, float, float]] = []
    for products in (False, True):
        z = standardize(features, mean, std, products)
        paths = [
            regularization_path(z[fold != k], y[fold != k], objective)
            for k in validation_folds
            if 0 < (fold == k).sum() < len(y)
        ]
        for number, penalty in enumerate(PENALTIES):
            logits = torch.zeros(int(held_out.sum()), 2)
            for k, heads in zip(validation_folds, paths, strict=False):
                rows = torch.from_numpy((fold == k)[held_out])
                logits[rows] = heads[number].logits(z[fold == k])
            temperature = fit_temperature(logits, y[held_out], objective)
            target = torch.from_numpy(y[held_out])
            loss = float(objective.loss(logits / temperature, target))
            tried.append((loss, products, penalty, temperature))
    _, products, penalty, temperature = min(tried)
    z = standardize(features, mean, std, products)
    head = regularization_path(z, y, objective)[PENALTIES.index(penalty)]
    return PairLinearModel(mean, std, products, head), temperature
