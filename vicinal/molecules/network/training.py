"""Training of the networks of all folds, in common mini-batches."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vicinal.core.compute.runtime import seed_for
from vicinal.core.objective import MultiNumeric, Numeric, Objective
from vicinal.core.training.row_loader import RowLoader
from vicinal.molecules.network.batches import MoleculeBatch, MoleculeTensors
from vicinal.molecules.network.model import FoldNetworks, MoleculeNetwork

EPOCHS, LR = 30, 2e-3

ROWS_PER_BLOCK = 512
"""molecules that are predicted together"""


class BoundNetworks(nn.Module):
    """Networks bound to their molecules: rows [B] to logits [B, folds, K]."""

    def __init__(self, networks: FoldNetworks, molecules: MoleculeTensors) -> None:
        super().__init__()
        self.networks = networks
        self.molecules = molecules

    def forward(self, rows: Tensor) -> Tensor:
        return self.networks(self.molecules.batch(rows.numpy()))


@dataclass(frozen=True)
class FoldLoss:
    """The weighted loss of all networks, each without the molecules of its fold."""

    objective: Objective
    metric: ClassVar[str] = "loss"

    def loss(self, logits: Tensor, y: Tensor) -> Tensor:
        """logits: [B, folds, K]. y: [B, T + 2] targets, fold and weight of each."""
        folds, weights = y[:, -2].long(), y[:, -1]
        losses = [
            weighted_loss(self.objective, logits[own, k], y[own, :-2], weights[own])
            for k in range(logits.shape[1])
            for own in [folds != k]
            if bool(own.any())
        ]
        return torch.stack(losses).sum() / logits.shape[1]

    def batch_weight(self, y: Tensor) -> float:
        """Return the weight of a batch's mean loss in a mean over batches."""
        return float(len(y))


def weighted_loss(
    objective: Objective, logits: Tensor, y: Tensor, weights: Tensor
) -> Tensor:
    """Return the weighted mean of the losses of known targets, 0 without any.

    logits: [B, K]. y: [B, T] targets, NaN where unknown. weights: [B]. Of equal weights
    it is `objective.loss`.
    """
    known = ~y.isnan()
    if objective.kind == "single_label":
        losses = F.cross_entropy(logits, y[:, 0].long(), reduction="none")[:, None]
    elif objective.kind == "multi_label":
        targets = y.nan_to_num().to(logits.dtype)
        losses = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    else:
        losses = (logits - standardize(objective, y).nan_to_num().to(logits.dtype)) ** 2
    shares = known * weights[:, None].to(losses.dtype)
    return (losses * shares).sum() / shares.sum().clamp(min=1e-12)


def standardize(objective: Objective, y: Tensor) -> Tensor:
    """Return targets [B, T] with the mean 0 and the deviation 1 in training."""
    if isinstance(objective, MultiNumeric):
        return (y - y.new_tensor(objective.means)) / y.new_tensor(objective.stds)
    assert isinstance(objective, Numeric)  # classes have no mean
    return (y - objective.mean) / objective.std


def fold_loader(
    molecules: MoleculeTensors,
    rows: np.ndarray,
    targets: np.ndarray,
    folds: np.ndarray,
    weights: np.ndarray,
    per_batch: int,
    seed: int,
) -> RowLoader:
    """Return mini-batches of about `per_batch` molecules, as `FoldLoss` takes them.

    rows: those that are trained on. targets: [G, T]. folds, weights: [G].
    """
    y = torch.from_numpy(np.column_stack([targets, folds, weights])[rows])
    steps = max(1, round(len(rows) / per_batch))
    return RowLoader(rows, y, molecules.sizes()[rows], steps, seed)


def initialise(config: Any, num_folds: int, seed: int) -> FoldNetworks:
    """Return untrained networks with the random weights of a seed."""
    torch.manual_seed(seed_for(seed, num_folds))
    return FoldNetworks(config, num_folds)


@torch.no_grad()
def predict_logits(networks: FoldNetworks, molecules: MoleculeTensors) -> Tensor:
    """Return the logits [G, folds, K] of all networks for all molecules."""
    networks.eval()
    empty = torch.empty(0, len(networks.networks), networks.config.outputs)
    return torch.cat([empty, *map(networks, _blocks(molecules))])


@torch.no_grad()
def embed(networks: FoldNetworks, molecules: MoleculeTensors) -> np.ndarray:
    """Return the inputs [G, folds x hidden] of the last layers of all networks."""
    networks.eval()
    each = [n for n in networks.networks if isinstance(n, MoleculeNetwork)]
    parts = [
        torch.cat([network.embed(block) for network in each], dim=1)
        for block in _blocks(molecules)
    ]
    empty = torch.empty(0, len(each) * networks.config.hidden)
    return torch.cat([empty, *parts]).numpy()


def _blocks(molecules: MoleculeTensors) -> Iterator[MoleculeBatch]:
    """Yield all molecules in blocks."""
    for start in range(0, len(molecules), ROWS_PER_BLOCK):
        end = min(start + ROWS_PER_BLOCK, len(molecules))
        yield molecules.batch(np.arange(start, end))
