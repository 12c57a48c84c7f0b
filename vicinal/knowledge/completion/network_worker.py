"""A path network that is trained in a process of its own, beside an embedding.

Its steps keep a single core busy, so that another one trains the embedding meanwhile.
"""

import time
from typing import Any

import numpy as np
import torch

from vicinal.core.compute.processes import is_broken_pool, process_pool
from vicinal.core.compute.signals import block_signals
from vicinal.core.compute.threads import num_cores
from vicinal.errors import TrainingError
from vicinal.knowledge.models.path_network import PathNetwork
from vicinal.knowledge.models.path_network_training import (
    PathTrainingOptions,
    train_path_network,
)
from vicinal.knowledge.triple_graph import TripleGraph

OPTIONS = PathTrainingOptions()
START_SECONDS = 60.0
"""after which a worker that has not begun is given up"""


class PathNetworkWorker:
    """A worker process; leaving the context ends it."""

    def __init__(self) -> None:
        self._pool: Any = None
        self._future: Any = None
        self._threads = torch.get_num_threads()

    def __enter__(self) -> "PathNetworkWorker":
        return self

    def __exit__(self, *error: object) -> None:
        torch.set_num_threads(self._threads)
        if self._pool is not None:
            self._pool.shutdown(kill_workers=True)

    def start(self, graph: TripleGraph, seconds: float, seed: int) -> None:
        """Train a network for so many seconds from now; torch leaves it a core."""
        self.graph, self._pool = graph, process_pool(1)
        sizes = graph.num_entities, graph.num_relations
        work = graph.triples, *sizes, time.time() + seconds, seed
        with block_signals():  # the main process ends its worker
            self._future = self._pool.submit(train, *work)
        torch.set_num_threads(max(min(self._threads, num_cores() - 1), 1))

    def result(self) -> PathNetwork | None:
        """Wait for the network; None if none is trained.

        TrainingError if the worker died.
        """
        if self._future is None:
            return None
        try:
            weights = self._future.result()
        except Exception as error:
            if not is_broken_pool(error):
                raise
            raise TrainingError(
                "The worker process that trained the path network died, most likely "
                "for lack of memory. Train without it: --no-path-network."
            ) from error
        network = PathNetwork(self.graph.num_directed, OPTIONS.dim, OPTIONS.num_layers)
        network.load_state_dict({k: torch.from_numpy(v) for k, v in weights.items()})
        return network


def train(
    triples: np.ndarray,
    num_entities: int,
    num_relations: int,
    deadline: float,
    seed: int,
) -> dict[str, np.ndarray]:
    """Return the weights of a network that is trained until a time."""
    graph = TripleGraph(triples, num_entities, num_relations)
    seconds = max(deadline - time.time(), 1e-9)
    *_, last = train_path_network(graph, OPTIONS, seconds, seed)
    return {k: v.numpy() for k, v in last.model.state_dict().items()}
