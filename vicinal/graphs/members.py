"""Graph networks of one kind that learn beside each other, each from its own start.

What one network says depends on the random weights that it began with; the mean of
several says less of that and more of the data (Lakshminarayanan et al. 2017). How many
there are is for the clock to say, where the user does not.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from vicinal.core.checkpoint import load_tensors, save_tensors
from vicinal.core.objective import Objective
from vicinal.core.runtime import Runtime, seed_for
from vicinal.core.training import Epoch, Loader, Trainer
from vicinal.graphs.first_answer import Known
from vicinal.graphs.networks import NETWORKS, NodeNetwork, OnGraph, Shape, build
from vicinal.graphs.settings import NodeSettings

MOST = 5
"""networks, where the user says nothing"""

EPOCHS, LR = 500, 1e-2

SMALL = 1 << 18
"""numbers of a layer, N x hidden, up to which one thread is quicker than several that
wait for each other"""


@dataclass
class Rows:
    """All nodes that are learned from, as the one batch of an epoch."""

    rows: Tensor
    y: Tensor
    steps: int = 1

    def batches(self, epoch: int, start: int) -> Iterator[tuple[Tensor, Tensor]]:
        if start == 0:
            yield self.rows, self.y

    def part(self, k: int, of: int) -> Loader:
        return Rows(self.rows[k::of], self.y[k::of])


@dataclass
class Members:
    """Networks for the nodes of a graph."""

    settings: NodeSettings
    known: Known
    val: np.ndarray
    """[N] bool: nodes that the epoch is chosen by"""

    objective: Objective
    seed: int
    begun: float
    """what `time.monotonic` said when the minutes began"""

    checkpoint: Path | None
    stop_requested: Callable[[], bool]
    networks: list[NodeNetwork] = field(default_factory=list)
    history: list[Epoch] = field(default_factory=list)

    @property
    def name(self) -> str:
        return "gcnii" if self.settings.network == "auto" else self.settings.network

    def epochs(self) -> Iterator[Epoch]:
        """Train one after the other, as long as there is time for one more."""
        longest = 0.0
        for number in range(self.settings.members or MOST):
            started = time.monotonic()
            if number and self._left() < longest:
                return
            kept = self._kept(number)
            network = self._new(number)
            if kept is not None and kept.exists():
                tensors, told = load_tensors(kept)
                network.load_state_dict(tensors)
                self.history += [Epoch.of(epoch) for epoch in told["history"]]
            else:
                before = len(self.history)
                yield from self._train(network, number)
                if kept is not None:
                    own = [epoch._asdict() for epoch in self.history[before:]]
                    save_tensors(kept, dict(network.state_dict()), {"history": own})
                    if self.checkpoint is not None:
                        self.checkpoint.unlink(missing_ok=True)
            self.networks.append(network.eval())
            longest = max(longest, time.monotonic() - started)

    def _left(self) -> float:
        """Seconds of the minutes."""
        if self.settings.minutes is None:
            return math.inf
        return 60 * self.settings.minutes - (time.monotonic() - self.begun)

    def _kept(self, number: int) -> Path | None:
        if self.checkpoint is None:
            return None
        return self.checkpoint.with_name(f"member-{number}.safetensors")

    def _new(self, number: int) -> NodeNetwork:
        torch.manual_seed(seed_for(self.seed, number))
        return build(self.name, self.shape)

    @property
    def shape(self) -> Shape:
        settings = self.settings
        return Shape(
            features=self.known.x.shape[1],
            hidden=settings.hidden,
            layers=settings.layers or NETWORKS[self.name].layers,
            outputs=self.objective.outputs,
            dropout=settings.dropout,
            heads=settings.heads,
        )

    def _train(self, network: NodeNetwork, number: int) -> Iterator[Epoch]:
        settings, known = self.settings, self.known
        on_graph = OnGraph(network, known.x, known.graph, known.weight)
        rows = np.flatnonzero(known.marked)
        loader = Rows(torch.from_numpy(rows), torch.from_numpy(known.y[rows]))
        trainer = Trainer(
            model=on_graph,
            loader=loader,
            objective=self.objective,
            settings=replace(
                settings,
                epochs=settings.epochs or EPOCHS,
                lr=settings.lr or LR,
                weight_decay=0.0,
            ),
            by_clock=settings.minutes is not None,
            penalties=on_graph.penalties(settings.weight_decay),
            runtime=Runtime(exact=settings.exact, threads=self._threads),
            validate=self._validate,
            judged=bool(self.val.any()),
            by_loss=True,
            begun=self.begun,
            seed=seed_for(self.seed, 100 + number),
            checkpoint_file=self.checkpoint,
            fingerprint=f"member {number}",
            stop_requested=self.stop_requested,
        )
        for epoch in trainer.epochs():
            self.history.append(epoch)
            yield epoch
        trainer.load_best()

    @property
    def _threads(self) -> int:
        small = len(self.known.x) * self.settings.hidden <= SMALL
        return 1 if small else 0

    def _validate(self, model: nn.Module) -> tuple[float, float]:
        if not self.val.any():
            return math.nan, math.nan
        assert isinstance(model, OnGraph)
        with Runtime(threads=self._threads).threaded():
            said, y = model.logits()[self.val], self.known.y[self.val]
        loss = self.objective.loss(said, torch.from_numpy(y))
        return float(loss), self.objective.measure(y, self.objective.predict(said))

    def logits(self) -> Tensor:
        """[N, K] of all nodes, by all networks."""
        return together(self.networks, self.known, self.objective)


def averaged(parts: list[Tensor], objective: Objective) -> Tensor:
    """Logits [N, K] of the mean of what is said: of probabilities, or of numbers."""
    if objective.kind == "single_label":
        return torch.stack([z.softmax(dim=1) for z in parts]).mean(dim=0).log()
    if objective.kind == "multi_label":
        p = torch.stack([z.sigmoid() for z in parts]).mean(dim=0)
        return torch.logit(p.clamp(1e-9, 1 - 1e-6))
    return torch.stack(parts).mean(dim=0)


@torch.no_grad()
def together(networks: list[NodeNetwork], known: Known, objective: Objective) -> Tensor:
    """Logits [N, K] of the mean of what networks say."""
    said = [network(known.x, known.graph, known.weight) for network in networks]
    return averaged(said, objective)
