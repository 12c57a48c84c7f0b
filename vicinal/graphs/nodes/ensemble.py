"""Graph networks of one kind that learn beside each other, each from its own start.

What one network says depends on the random weights that it began with; the mean of
several says less of that and more of the data (Lakshminarayanan et al. 2017). How many
there are is for the clock to say, where the user does not.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from vicinal.core.compute.runtime import Runtime, seed_for
from vicinal.core.compute.threads import cores, is_one_of_several
from vicinal.core.objective import Objective
from vicinal.core.storage.checkpoint import load_tensors, save_tensors
from vicinal.core.training.trainer import Epoch, Loader, Trainer
from vicinal.errors import SettingError
from vicinal.graphs.nodes.ensemble_processes import TRIED, WORTH, WorkerPool
from vicinal.graphs.nodes.labelled_graph import LabelledGraph
from vicinal.graphs.nodes.minibatches import (
    COUNTS,
    Batches,
    OnSamples,
    bytes_of_a_step,
    layer_by_layer,
)
from vicinal.graphs.nodes.networks import (
    NETWORKS,
    LayeredNetwork,
    NetworkConfig,
    NodeNetwork,
    OnGraph,
    build,
)
from vicinal.graphs.settings import NodeSettings
from vicinal.graphs.sparse.memmap import in_room
from vicinal.graphs.sparse.neighbor_sampler import Sampler

MOST = 5
"""networks, where the user says nothing"""

EPOCHS, LR = 500, 1e-2
EPOCHS_OF_SAMPLES, LR_OF_SAMPLES = 30, 3e-3

CHECKED = 10_000
"""nodes of the validation part that are asked after an epoch of samples, at most"""

SMALL = 1 << 18
"""numbers of a layer, N x hidden, up to which one thread is quicker than several that
wait for each other"""


@dataclass
class FullBatch:
    """All nodes that are learned from, as the one batch of an epoch."""

    rows: Tensor
    y: Tensor
    steps: int = 1
    share: tuple[int, int] = (0, 1)
    """which of how many processes takes its part of them"""

    def batches(self, epoch: int, start: int) -> Iterator[tuple[Tensor, Tensor]]:
        if start == 0:
            k, of = self.share
            yield self.rows[k::of], self.y[k::of]

    def part(self, k: int, of: int) -> Loader:
        return replace(self, share=(k, of))


@dataclass
class Ensemble:
    """Networks for the nodes of a graph."""

    settings: NodeSettings
    known: LabelledGraph
    val: np.ndarray
    """[N] bool: nodes that the epoch is chosen by"""

    objective: Objective
    seed: int
    started_at: float
    """what `time.monotonic` said when the minutes began"""

    checkpoint: Path | None
    stop_requested: Callable[[], bool]
    networks: list[NodeNetwork] = field(default_factory=list)
    history: list[Epoch] = field(default_factory=list)

    @cached_property
    def counts(self) -> tuple[int, ...] | None:
        """Neighbours that a step sees, outward; None: the whole graph.

        SettingError for a network that cannot learn so, and for other than a number for
        each layer.
        """
        settings, graph = self.settings, self.known.graph
        given, auto = settings.neighbours, settings.network == "auto"
        if given is None:
            name = "gcnii" if auto else settings.network
            size = graph.num_nodes, graph.num_edges
            needed = bytes_of_a_step(name, self._shape(name), *size)
            if needed <= 1e9 * settings.memory:
                return None
        name = "sage" if auto else settings.network
        if not NETWORKS[name].stacked:
            others = ", ".join(k for k, network in NETWORKS.items() if network.stacked)
            raise SettingError(
                f"{name} is not learned from samples, which --neighbours or a graph "
                f"larger than --memory {settings.memory:g} asks for. Take a --network "
                f"that is ({others}), or allow more memory."
            )
        layers = self._shape(name).layers
        counts = given or COUNTS[:layers]
        if len(counts) != layers:
            raise SettingError(
                f"--neighbours names a number for each of {layers} layers. Got "
                f"{len(counts)}: {' '.join(map(str, counts))}."
            )
        return counts

    @property
    def name(self) -> str:
        if self.settings.network != "auto":
            return self.settings.network
        return "gcnii" if self.counts is None else "sage"

    @cached_property
    def sampler(self) -> Sampler:
        """Of the graph; made once."""
        return Sampler(self.known.graph, self.known.weight)

    def epochs(self) -> Iterator[Epoch]:
        """Train one after the other, as long as there is time for one more; and beside
        that others, where there are cores for them (`aside`)."""
        longest = 0.0
        with WorkerPool() as aside:
            for number in range(self._most):
                started = time.monotonic()
                if number and not aside.has(number) and self._left() < longest:
                    return
                network, kept = self.new(number), self._kept(number)
                found = None
                if kept is not None and kept.exists():
                    found = load_tensors(kept)
                elif aside.has(number):
                    found = aside.take(number, self.stop_requested)
                if found is None:
                    before = len(self.history)
                    yield from self._train_beside(network, number, aside)
                    own = [epoch._asdict() for epoch in self.history[before:]]
                    found = dict(network.state_dict()), {"history": own}
                    longest = max(longest, time.monotonic() - started)
                else:
                    network.load_state_dict(found[0])
                    self.history += [Epoch.of(epoch) for epoch in found[1]["history"]]
                if kept is not None and not kept.exists():
                    save_tensors(kept, *found)
                    if self.checkpoint is not None:
                        self.checkpoint.unlink(missing_ok=True)
                self.networks.append(network.eval())

    @property
    def _most(self) -> int:
        return self.settings.members or MOST

    def _train_beside(
        self, network: NodeNetwork, number: int, aside: WorkerPool
    ) -> Iterator[Epoch]:
        """Train a member; once it is told how long that takes, begin others."""
        spare = 0 if is_one_of_several() or self._threads != 1 else cores() - 1
        later = [k for k in range(number + 1, self._most) if not aside.has(k)]
        later = [k for k in later if not self._is_kept(k)][:spare]
        started_at = time.monotonic()
        for epoch in self.train(network, number):
            if epoch.epoch == TRIED and later:
                each = (time.monotonic() - started_at) / TRIED
                whole = each * (self.settings.epochs or EPOCHS)
                if WORTH <= whole <= self._left():
                    aside.begin(self, later)
            yield epoch

    def bare(self) -> "Ensemble":
        """The same for another process: nothing learned yet, nothing kept."""
        return replace(
            self, checkpoint=None, stop_requested=bool, networks=[], history=[]
        )

    def _is_kept(self, number: int) -> bool:
        kept = self._kept(number)
        return kept is not None and kept.exists()

    def _left(self) -> float:
        """Seconds of the minutes."""
        if self.settings.minutes is None:
            return math.inf
        return 60 * self.settings.minutes - (time.monotonic() - self.started_at)

    def _kept(self, number: int) -> Path | None:
        if self.checkpoint is None:
            return None
        return self.checkpoint.with_name(f"member-{number}.safetensors")

    def new(self, number: int) -> NodeNetwork:
        torch.manual_seed(seed_for(self.seed, number))
        return build(self.name, self.shape)

    @property
    def shape(self) -> NetworkConfig:
        return self._shape(self.name)

    def _shape(self, name: str) -> NetworkConfig:
        settings = self.settings
        return NetworkConfig(
            features=self.known.x.shape[1],
            hidden=settings.hidden,
            layers=settings.layers or NETWORKS[name].layers,
            outputs=self.objective.outputs,
            dropout=settings.dropout,
            heads=settings.heads,
        )

    def train(self, network: NodeNetwork, number: int) -> Iterator[Epoch]:
        """Train the member of a number, as `new` made it."""
        settings, seed = self.settings, seed_for(self.seed, 100 + number)
        few = self.counts is not None
        on_graph, loader = self._whole(network), self._rows
        if few:
            on_graph = self._samples(network)
            loader = Batches(loader.rows, loader.y, settings.nodes_per_batch, seed)
        trainer = Trainer(
            model=on_graph,
            loader=loader,
            objective=self.objective,
            settings=replace(
                settings,
                epochs=settings.epochs or (EPOCHS_OF_SAMPLES if few else EPOCHS),
                lr=settings.lr or (LR_OF_SAMPLES if few else LR),
                weight_decay=0.0,
            ),
            time_limited=settings.minutes is not None,
            penalties=on_graph.penalties(settings.weight_decay),
            runtime=Runtime(
                precision="bfloat16" if self._low else "float32",
                exact=settings.exact,
                threads=self._threads,
            ),
            validate=self._validate,
            judged=bool(self.val.any()),
            by_loss=True,
            started_at=self.started_at,
            seed=seed,
            checkpoint_file=self.checkpoint,
            fingerprint=f"member {number}",
            stop_requested=self.stop_requested,
        )
        for epoch in trainer.epochs():
            self.history.append(epoch)
            yield epoch
        trainer.load_best()

    @property
    def _rows(self) -> FullBatch:
        rows = np.flatnonzero(self.known.train_mask)
        return FullBatch(torch.from_numpy(rows), torch.from_numpy(self.known.y[rows]))

    @property
    def _low(self) -> bool:
        """Whether products and messages have eight bits of precision."""
        return self.settings.precision == "bfloat16" and not self.settings.exact

    @cached_property
    def _x(self) -> Tensor:
        return self.known.x.bfloat16() if self._low else self.known.x

    def _whole(self, network: NodeNetwork) -> OnGraph:
        return OnGraph(network, self._x, self.known.graph, self.known.weight)

    def _samples(self, network: NodeNetwork) -> OnSamples:
        assert isinstance(network, LayeredNetwork) and self.counts is not None
        return OnSamples(network, self._x, self.sampler, self.counts)

    @property
    def _threads(self) -> int:
        small = len(self.known.x) * self.settings.hidden <= SMALL
        return 1 if small else 0

    def _validate(self, model: nn.Module) -> tuple[float, float]:
        if not self.val.any():
            return math.nan, math.nan
        with Runtime(threads=self._threads).threaded():
            said, y = self._said(model)
        loss = self.objective.loss(said, torch.from_numpy(y))
        return float(loss), self.objective.measure(y, self.objective.predict(said))

    def _said(self, model: nn.Module) -> tuple[Tensor, np.ndarray]:
        """Logits and targets of the validation part, or of the most that are asked."""
        if isinstance(model, OnGraph):
            return model.logits()[self.val], self.known.y[self.val]
        assert isinstance(model, OnSamples)
        rows = np.flatnonzero(self.val)
        if len(rows) > CHECKED:
            rows = np.random.default_rng(0).choice(rows, CHECKED, replace=False)
        said = model.answer(torch.from_numpy(rows), self.settings.nodes_per_batch)
        return said, self.known.y[rows]

    def logits(self) -> Tensor:
        """[N, K] of all nodes, by all networks."""
        return together(self.networks, self.known, self.objective, self.settings)


def averaged(parts: list[Tensor], objective: Objective) -> Tensor:
    """Logits [N, K] of the mean of what is said: of probabilities, or of numbers."""
    if objective.kind == "single_label":
        each = torch.stack([z.log_softmax(dim=1) for z in parts])
        return each.logsumexp(dim=0) - math.log(len(parts))
    if objective.kind == "multi_label":
        p = torch.stack([z.sigmoid() for z in parts]).mean(dim=0)
        return torch.logit(p.clamp(1e-9, 1 - 1e-6))
    return torch.stack(parts).mean(dim=0)


@torch.no_grad()
def together(
    networks: list[NodeNetwork],
    known: LabelledGraph,
    objective: Objective,
    settings: NodeSettings,
) -> Tensor:
    """Logits [N, K] of the mean of what networks say."""
    said = [network.head(embedded(network, known, settings)) for network in networks]
    return averaged(said, objective)


@torch.no_grad()
def embedded(
    network: NodeNetwork, known: LabelledGraph, settings: NodeSettings
) -> Tensor:
    """Embeddings [N, hidden] of all nodes: at once, or where --memory has no room for
    that, layer by layer."""
    graph = known.graph
    size = graph.num_nodes, graph.num_edges
    needed = bytes_of_a_step(network.name, network.shape, *size)
    if isinstance(network, LayeredNetwork) and needed > 1e9 * settings.memory:
        make = in_room(1e9 * settings.memory / 4)
        given = known.x, graph, known.weight
        return layer_by_layer(network, *given, lambda *s: torch.from_numpy(make(*s)))
    return network.embed(known.x, graph, known.weight)
