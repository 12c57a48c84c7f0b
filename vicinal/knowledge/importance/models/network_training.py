"""Training of a network of scores, all entities at once, within a time budget."""

import copy
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from vicinal.core.training.history import Epoch
from vicinal.core.training.trainer import TrainingInterrupted
from vicinal.knowledge.importance.metrics import spearman
from vicinal.knowledge.importance.models.score_network import (
    NetworkConfig,
    PredicateEdges,
    ScoreNetwork,
)
from vicinal.knowledge.importance.models.stacked import Examples, make_folds

LR, WEIGHT_DECAY = 0.01, 1e-4
MAX_EPOCHS, PATIENCE = 300, 30
VALIDATION_FOLDS = 10


class NetworkTraining:
    """Train one network on labelled entities; a tenth of them stops the training."""

    def __init__(
        self, x: np.ndarray, edges: PredicateEdges, train: Examples, seed: int
    ) -> None:
        """x: [E, D] features of all entities, not standardised."""
        self.x, self.edges = torch.from_numpy(np.ascontiguousarray(x)), edges
        held_out = make_folds(len(train.labels), VALIDATION_FOLDS, seed)[0]
        fitted = np.setdiff1d(np.arange(len(train.labels)), held_out)
        self.train, self.validation = train.take(fitted), train.take(held_out)
        self.mean = float(train.labels.mean())
        self.std = float(train.labels.std()) or 1.0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            predicates = int(edges.predicates.max()) + 1
            self.network = ScoreNetwork(NetworkConfig(x.shape[1], predicates))
            self.state = torch.get_rng_state()
        spread = self.x.std(dim=0)
        self.network.mean.copy_(self.x.mean(dim=0))
        self.network.scale.copy_(torch.where(spread > 1e-6, spread, 1.0))

    def epochs(
        self, seconds: float, stop_requested: Callable[[], bool]
    ) -> Iterator[Epoch]:
        """Yield the record of each epoch, then restore the best one."""
        network, deadline = self.network, time.monotonic() + seconds
        optimizer = torch.optim.AdamW(
            network.parameters(), LR, weight_decay=WEIGHT_DECAY
        )
        rows = torch.from_numpy(self.train.entities)
        y = self._standardise(self.train.labels)
        best, best_state, best_epoch = np.inf, copy.deepcopy(network.state_dict()), 0
        for number in range(1, MAX_EPOCHS + 1):
            started = time.monotonic()
            network.train()
            with torch.random.fork_rng(devices=[]):
                torch.set_rng_state(self.state)
                predicted = network(self.x, self.edges)
                self.state = torch.get_rng_state()
            loss = ((predicted[rows] - y) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            network.eval()
            found = self.predict()[self.validation.entities]
            val_loss = float(
                (((found - self.validation.labels) / self.std) ** 2).mean()
            )
            is_best = val_loss < best
            if is_best:
                best, best_epoch = val_loss, number
                best_state = copy.deepcopy(network.state_dict())
            took = time.monotonic() - started
            yield Epoch(
                number,
                float(loss.detach()),
                val_loss,
                spearman(self.validation.labels, found),
                LR,
                took,
                len(rows) / max(took, 1e-9),
                is_best,
            )
            if stop_requested():
                raise TrainingInterrupted
            if number - best_epoch >= PATIENCE or time.monotonic() + took > deadline:
                break
        network.load_state_dict(best_state)

    @torch.inference_mode()
    def predict(self) -> np.ndarray:
        """Return the predictions [E] for all entities, on the scale of the labels."""
        self.network.eval()
        return self.network(self.x, self.edges).numpy() * self.std + self.mean

    def attention(self) -> np.ndarray:
        """Return [L, 2R + 1]: `ScoreNetwork.predicate_attention`."""
        return self.network.eval().predicate_attention(self.x, self.edges)

    def _standardise(self, labels: np.ndarray) -> Tensor:
        return torch.from_numpy(((labels - self.mean) / self.std).astype(np.float32))
