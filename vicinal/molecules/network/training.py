"""Training of the networks of all folds, in common mini-batches."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from vicinal.core.compute.runtime import seed_for
from vicinal.core.objective import Objective
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
    """The mean loss of all networks, each without the molecules of its fold."""

    objective: Objective
    metric: ClassVar[str] = "loss"

    def loss(self, logits: Tensor, y: Tensor) -> Tensor:
        """logits: [B, folds, K]. y: [B, T + 1] targets, and the fold of each."""
        folds, targets = y[:, -1].long(), as_targets(self.objective, y[:, :-1])
        losses = [
            self.objective.loss(logits[folds != k, k], targets[folds != k])
            for k in range(logits.shape[1])
            if bool((folds != k).any())
        ]
        return torch.stack(losses).sum() / logits.shape[1]

    def batch_weight(self, y: Tensor) -> float:
        """Return the weight of a batch's mean loss in a mean over batches."""
        return float(len(y))


def as_targets(objective: Objective, y: Tensor) -> Tensor:
    """Return targets [B, T] as the objective has them: [B] where there is one."""
    if objective.kind in ("multi_label", "multi_numeric"):
        return y.float() if objective.kind == "multi_label" else y
    if objective.kind == "single_label":
        return y[:, 0].long()
    return y[:, 0]


def fold_loader(
    molecules: MoleculeTensors,
    targets: np.ndarray,
    folds: np.ndarray,
    per_batch: int,
    seed: int,
) -> RowLoader:
    """Return mini-batches of about `per_batch` molecules with targets and folds.

    targets: [G, T]. folds: [G].
    """
    rows = np.arange(len(molecules))
    y = torch.from_numpy(np.column_stack([targets, folds]))
    steps = max(1, round(len(rows) / per_batch))
    return RowLoader(rows, y, molecules.sizes(), steps, seed)


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
