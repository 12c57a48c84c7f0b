"""An ensemble of graph networks, trained from different random weights and averaged.

Averaging reduces the variance that comes from the random start (Lakshminarayanan et
al.: Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles, 2017).
Unless `ensemble_size` is given, as many networks are trained as the time budget allows.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vicinal.core.compute.runtime import Runtime, seed_for
from vicinal.core.compute.signals import defer_signals
from vicinal.core.compute.threads import is_distributed, num_cores
from vicinal.core.objective import Objective
from vicinal.core.storage.checkpoint import load_checkpoint, save_tensors
from vicinal.core.storage.schema import ListOf, Object, Text
from vicinal.core.training.history import EPOCH, Epoch
from vicinal.core.training.trainer import (
    Loader,
    Trainer,
    loss_and_score,
    no_validation,
)
from vicinal.core.training.trainer_options import Checkpointing, TrainerOptions
from vicinal.errors import ResumeError, SettingError
from vicinal.graphs.nodes.ensemble_processes import WorkerPool
from vicinal.graphs.nodes.labelled_graph import LabelledGraph
from vicinal.graphs.nodes.minibatches import (
    NUM_NEIGHBORS,
    NodeLoader,
    SampledNetwork,
    estimate_step_bytes,
    layerwise_embeddings,
)
from vicinal.graphs.nodes.networks import (
    NETWORKS,
    FullGraphNetwork,
    LayeredNetwork,
    NetworkConfig,
    NodeNetwork,
    build_network,
    l2_penalties,
)
from vicinal.graphs.settings import NodeSettings
from vicinal.graphs.sparse.memmap import matrix_allocator
from vicinal.graphs.sparse.neighbor_sampler import NeighborSampler

METADATA = Object({"history": ListOf(EPOCH), "fingerprint": Text()})
"""schema of what the file of a trained network stores beside tensors"""

MAX_ENSEMBLE_SIZE = 5
"""networks, unless `ensemble_size` is given"""

EPOCHS, LR = 500, 1e-2
MINIBATCH_EPOCHS, MINIBATCH_LR = 30, 3e-3

MAX_VALIDATION_NODES = 10_000
"""validation nodes scored after each mini-batch epoch, drawn at random"""

SINGLE_THREAD_SIZE = 1 << 18
"""N x hidden up to which one thread is faster than several"""

TIMED_EPOCHS = 20
"""epochs of the first network from which the training time of one is estimated"""

MIN_WORKER_SECONDS = 10.0
"""estimated training time from which a worker process pays off; it starts in three"""


@dataclass
class FullBatch:
    """All training nodes as the single batch of an epoch."""

    rows: Tensor
    y: Tensor
    steps: int = 1
    share: tuple[int, int] = (0, 1)
    """(rank, world size) of this process, which takes every n-th node"""

    def batches(self, epoch: int, start: int) -> Iterator[tuple[Tensor, Tensor]]:
        if start == 0:
            k, n = self.share
            yield self.rows[k::n], self.y[k::n]

    def shard(self, rank: int, world_size: int) -> Loader:
        return replace(self, share=(rank, world_size))


@dataclass
class Ensemble:
    """Networks trained on the same graph."""

    settings: NodeSettings
    graph: LabelledGraph
    val_mask: np.ndarray
    """[N] bool: nodes that select the epoch"""

    objective: Objective
    seed: int
    started_at: float
    """`time.monotonic()` at the start of the time budget"""

    checkpoint: Path | None
    stop_requested: Callable[[], bool]
    fingerprint: str = ""
    """what a resumed training must agree on"""

    networks: list[NodeNetwork] = field(default_factory=list)
    history: list[Epoch] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """why fewer networks were trained than were requested"""

    # --- what is trained ---------------------------------------------------------

    @cached_property
    def num_neighbors(self) -> tuple[int, ...] | None:
        """Neighbours sampled per layer; None: full-batch training.

        SettingError if the network cannot be trained on samples, or if the setting does
        not have one number for each layer.
        """
        settings, adjacency = self.settings, self.graph.adjacency
        requested, auto = settings.num_neighbors, settings.network == "auto"
        if requested is None:
            name = "gcnii" if auto else settings.network
            size = adjacency.num_nodes, adjacency.num_edges
            step_bytes = estimate_step_bytes(name, self._config(name), *size)
            if step_bytes <= 1e9 * settings.memory:
                return None
        name = "sage" if auto else settings.network
        if not NETWORKS[name].is_layered:
            others = ", ".join(
                k for k, network in NETWORKS.items() if network.is_layered
            )
            raise SettingError(
                f"{name} cannot be trained on mini-batches, which --num-neighbors or a "
                f"graph larger than --memory {settings.memory:g} needs. Choose another "
                f"--network ({others}), or allow more memory."
            )
        layers = self._config(name).layers
        numbers = requested or NUM_NEIGHBORS[:layers]
        if len(numbers) != layers:
            raise SettingError(
                f"--num-neighbors must have a number for each of {layers} layers. Got "
                f"{len(numbers)}: {' '.join(map(str, numbers))}."
            )
        return numbers

    @property
    def network_name(self) -> str:
        if self.settings.network != "auto":
            return self.settings.network
        return "gcnii" if self.num_neighbors is None else "sage"

    @property
    def config(self) -> NetworkConfig:
        return self._config(self.network_name)

    def _config(self, name: str) -> NetworkConfig:
        settings = self.settings
        return NetworkConfig(
            features=self.graph.x.shape[1],
            hidden=settings.hidden,
            layers=settings.layers or NETWORKS[name].layers,
            outputs=self.objective.outputs,
            dropout=settings.dropout,
            heads=settings.heads,
        )

    def build(self, number: int) -> NodeNetwork:
        """Return the untrained network of a number, with the weights of its seed."""
        torch.manual_seed(seed_for(self.seed, number))
        return build_network(self.network_name, self.config)

    # --- training all of them ----------------------------------------------------

    def epochs(self) -> Iterator[Epoch]:
        """Train the networks in turn, within the time budget.

        Where there are spare cores, further networks train in worker processes; their
        records are yielded when they are done.
        """
        longest = 0.0
        with WorkerPool() as workers:
            for number in range(self._max_size):
                started = time.monotonic()
                in_worker = workers.is_training(number)
                is_trained = in_worker or self._is_saved(number)
                if number and not is_trained and self._seconds_left() < longest:
                    self.notes += note_time_limit(number, self.settings, longest)
                    return
                network, file = self.build(number), self._network_file(number)
                if file is not None and file.exists():
                    self._restore(network, file)
                elif in_worker:
                    weights, history = workers.result(number, self.stop_requested)
                    tensors = {k: torch.from_numpy(v) for k, v in weights.items()}
                    network.load_state_dict(tensors)
                    self._save(network, file, history)
                    for epoch in map(Epoch.from_dict, history):
                        self.history.append(epoch)
                        yield epoch
                else:
                    first = len(self.history)
                    yield from self._train_alongside(network, number, workers)
                    history = [epoch._asdict() for epoch in self.history[first:]]
                    self._save(network, file, history)
                    longest = max(longest, time.monotonic() - started)
                self.networks.append(network.eval())

    def _train_alongside(
        self, network: NodeNetwork, number: int, workers: WorkerPool
    ) -> Iterator[Epoch]:
        """Train a network; start workers once its training time can be estimated."""
        serial = is_distributed() or self._threads != 1
        spare_cores = 0 if serial else num_cores() - 1
        pending = [
            k
            for k in range(number + 1, self._max_size)
            if not workers.is_training(k) and not self._is_saved(k)
        ][:spare_cores]
        started = time.monotonic()
        for epoch in self.train(network, number):
            if epoch.epoch == TIMED_EPOCHS and pending:
                per_epoch = (time.monotonic() - started) / TIMED_EPOCHS
                seconds = per_epoch * (self.settings.epochs or EPOCHS)
                if MIN_WORKER_SECONDS <= seconds <= self._seconds_left():
                    workers.submit(self._for_worker(), pending)
            yield epoch

    def _for_worker(self) -> "Ensemble":
        """Return a copy without results and files, to send to a worker process."""
        return replace(
            self,
            checkpoint=None,
            stop_requested=bool,
            networks=[],
            history=[],
            notes=[],
        )

    @property
    def _max_size(self) -> int:
        return self.settings.ensemble_size or MAX_ENSEMBLE_SIZE

    def _seconds_left(self) -> float:
        """Return the seconds left of the time budget."""
        if self.settings.time_limit is None:
            return math.inf
        return 60 * self.settings.time_limit - (time.monotonic() - self.started_at)

    def _network_file(self, number: int) -> Path | None:
        """Return the file of a trained network, beside the checkpoint."""
        if self.checkpoint is None:
            return None
        return self.checkpoint.with_name(f"network-{number}.safetensors")

    def _is_saved(self, number: int) -> bool:
        file = self._network_file(number)
        return file is not None and file.exists()

    def _save(
        self, network: NodeNetwork, file: Path | None, history: list[dict[str, Any]]
    ) -> None:
        """Write a trained network to its file, which replaces the checkpoint."""
        if file is None or self.checkpoint is None:
            return
        metadata = {"history": history, "fingerprint": self.fingerprint}
        with defer_signals():
            save_tensors(file, dict(network.state_dict()), metadata)
            self.checkpoint.unlink(missing_ok=True)

    def _restore(self, network: NodeNetwork, file: Path) -> None:
        """Load a trained network from its file, which has its history as well."""
        tensors, metadata = load_checkpoint(file, METADATA, self.fingerprint)
        try:
            network.load_state_dict(tensors)
        except RuntimeError as error:
            raise ResumeError(f"{file} holds another network. Delete it.") from error
        self.history += map(Epoch.from_dict, metadata["history"])

    # --- training one of them ----------------------------------------------------

    def train(self, network: NodeNetwork, number: int) -> Iterator[Epoch]:
        """Train the network of a number, as returned by `build`."""
        settings, seed = self.settings, seed_for(self.seed, 100 + number)
        model: nn.Module = self._full_graph(network)
        loader: Loader = self._full_batch
        epochs, lr = settings.epochs or EPOCHS, settings.lr or LR
        if self.num_neighbors is not None:
            model = self._sampled(network)
            batch = self._full_batch
            loader = NodeLoader(batch.rows, batch.y, settings.batch_size, seed)
            epochs = settings.epochs or MINIBATCH_EPOCHS
            lr = settings.lr or MINIBATCH_LR
        trainer = Trainer(
            model=model,
            loader=loader,
            objective=self.objective,
            settings=settings.for_trainer(epochs=epochs, lr=lr, weight_decay=0.0),
            runtime=Runtime(
                precision="bfloat16" if self._use_bfloat16 else "float32",
                deterministic=settings.deterministic,
                threads=self._threads,
            ),
            validate=self._validate if self.val_mask.any() else no_validation,
            options=TrainerOptions(
                seed=seed,
                penalties=l2_penalties(model, settings.weight_decay),
                time_limited=settings.time_limit is not None,
                started_at=self.started_at,
                select_epoch=bool(self.val_mask.any()),
                select_by_loss=True,
            ),
            checkpointing=Checkpointing(
                self.checkpoint,
                f"network {number} {self.fingerprint}",
                self.stop_requested,
            ),
        )
        self.history += trainer.progress.history  # of the epochs before a resumption
        for epoch in trainer.epochs():
            self.history.append(epoch)
            yield epoch
        trainer.load_best()

    @property
    def _full_batch(self) -> FullBatch:
        rows = np.flatnonzero(self.graph.train_mask)
        return FullBatch(torch.from_numpy(rows), torch.from_numpy(self.graph.y[rows]))

    def _full_graph(self, network: NodeNetwork) -> FullGraphNetwork:
        graph = self.graph
        return FullGraphNetwork(network, self._x, graph.adjacency, graph.edge_weight)

    def _sampled(self, network: NodeNetwork) -> SampledNetwork:
        assert isinstance(network, LayeredNetwork) and self.num_neighbors is not None
        return SampledNetwork(network, self._x, self.sampler, self.num_neighbors)

    @cached_property
    def sampler(self) -> NeighborSampler:
        return NeighborSampler(self.graph.adjacency, self.graph.edge_weight)

    @cached_property
    def _x(self) -> Tensor:
        return self.graph.x.bfloat16() if self._use_bfloat16 else self.graph.x

    @property
    def _use_bfloat16(self) -> bool:
        settings = self.settings
        return settings.precision == "bfloat16" and not settings.deterministic

    @property
    def _threads(self) -> int:
        small = len(self.graph.x) * self.settings.hidden <= SINGLE_THREAD_SIZE
        return 1 if small else 0

    def _validate(self, model: nn.Module) -> tuple[float, float]:
        """Return loss and metric on the validation nodes."""
        with Runtime(threads=self._threads).threaded():
            logits, y = self._validation_logits(model)
        return loss_and_score(self.objective, logits, y)

    def _validation_logits(self, model: nn.Module) -> tuple[Tensor, np.ndarray]:
        """Return logits and targets of (at most MAX_VALIDATION_NODES) nodes."""
        y = self.graph.y
        if isinstance(model, FullGraphNetwork):
            return model.logits()[self.val_mask], y[self.val_mask]
        assert isinstance(model, SampledNetwork)
        rows = np.flatnonzero(self.val_mask)
        if len(rows) > MAX_VALIDATION_NODES:
            rng = np.random.default_rng(0)
            rows = rng.choice(rows, MAX_VALIDATION_NODES, replace=False)
        logits = model.logits(torch.from_numpy(rows), self.settings.batch_size)
        return logits, y[rows]

    def logits(self) -> Tensor:
        """Return the averaged logits [N, K] of all nodes."""
        return ensemble_logits(self.networks, self.graph, self.objective, self.settings)


def note_time_limit(count: int, settings: NodeSettings, seconds: float) -> list[str]:
    """Return a note if time ended after `count` networks and more were requested.

    seconds: the longest training of a network.
    """
    if settings.ensemble_size is None:
        return []
    return [
        f"{count} of {settings.ensemble_size} networks trained: another takes about "
        f"{seconds:.0f} s, more than was left of --minutes {settings.time_limit:g}"
    ]


def average_logits(logits: list[Tensor], objective: Objective) -> Tensor:
    """Return logits [N, K] of the mean probabilities, or the mean numbers."""
    if objective.kind == "single_label":
        log_p = torch.stack([z.log_softmax(dim=1) for z in logits])
        return log_p.logsumexp(dim=0) - math.log(len(logits))
    if objective.kind == "multi_label":
        p = torch.stack([z.sigmoid() for z in logits]).mean(dim=0)
        return torch.logit(p.clamp(1e-9, 1 - 1e-6))
    return torch.stack(logits).mean(dim=0)


@torch.no_grad()
def ensemble_logits(
    networks: list[NodeNetwork],
    graph: LabelledGraph,
    objective: Objective,
    settings: NodeSettings,
) -> Tensor:
    """Return the averaged logits [N, K] of several networks for all nodes."""
    logits = [
        network.head(node_embeddings(network, graph, settings)) for network in networks
    ]
    return average_logits(logits, objective)


@torch.no_grad()
def node_embeddings(
    network: NodeNetwork, graph: LabelledGraph, settings: NodeSettings
) -> Tensor:
    """Return the embeddings [N, hidden] of all nodes.

    Computed layer by layer, on disk if needed, where a full-batch pass needs more than
    `settings.memory`.
    """
    adjacency = graph.adjacency
    size = adjacency.num_nodes, adjacency.num_edges
    step_bytes = estimate_step_bytes(network.name, network.config, *size)
    if isinstance(network, LayeredNetwork) and step_bytes > 1e9 * settings.memory:
        allocate = matrix_allocator(1e9 * settings.memory / 4)
        return layerwise_embeddings(
            network,
            graph.x,
            adjacency,
            graph.edge_weight,
            lambda height, width: torch.from_numpy(allocate(height, width)),
        )
    return network.embed(graph.x, adjacency, graph.edge_weight)
