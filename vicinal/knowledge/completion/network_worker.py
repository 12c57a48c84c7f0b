"""A path network that is trained in a process of its own, beside an embedding.

Its steps keep a single core busy, so that another one trains the embedding meanwhile.
"""

import time
import warnings
from typing import Any

import numpy as np
import torch

from vicinal.core.compute.processes import is_broken_pool, process_pool
from vicinal.core.compute.signals import block_signals
from vicinal.core.compute.threads import num_cores
from vicinal.errors import NoteWarning
from vicinal.knowledge.models.path_network import PathNetwork
from vicinal.knowledge.models.path_network_training import (
    PathTrainingOptions,
    train_path_network,
)
from vicinal.knowledge.triple_graph import TripleGraph

OPTIONS = PathTrainingOptions()
LATE_SECONDS = 60.0
"""time after its deadline in which a worker must have ended"""


class PathNetworkWorker:
    """A worker process; leaving the context ends it."""

    def __init__(self) -> None:
        self._pool: Any = None
        self._future: Any = None
        self._threads = torch.get_num_threads()
        self.cpu_seconds = 0.0

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
        self._deadline = time.time() + seconds
        work = graph.triples, *sizes, self._deadline, seed
        with block_signals():  # the main process ends its worker
            self._future = self._pool.submit(train, *work)
        torch.set_num_threads(max(min(self._threads, num_cores() - 1), 1))

    def result(self) -> PathNetwork | None:
        """Wait for the network; None if none is trained.

        A worker that fails for lack of memory, or never ends, costs only its network: a
        NoteWarning says so.
        """
        if self._future is None:
            return None
        try:
            late = self._deadline + LATE_SECONDS - time.time()
            weights, self.cpu_seconds = self._future.result(max(late, LATE_SECONDS))
        except (MemoryError, TimeoutError) as error:
            return _without_network(type(error).__name__)
        except Exception as error:
            if not is_broken_pool(error):
                raise
            return _without_network("its process died, perhaps for lack of memory")
        network = PathNetwork(self.graph.num_directed, OPTIONS.dim, OPTIONS.num_layers)
        network.load_state_dict({k: torch.from_numpy(v) for k, v in weights.items()})
        return network


def _without_network(reason: str) -> None:
    warnings.warn(
        f"No path network is trained ({reason}): rules and embedding answer without "
        "it. --no-path-network does not try.",
        NoteWarning,
        stacklevel=3,
    )


def train(
    triples: np.ndarray,
    num_entities: int,
    num_relations: int,
    deadline: float,
    seed: int,
) -> tuple[dict[str, np.ndarray], float]:
    """Return the weights of a network that is trained until a time, and CPU seconds."""
    start = time.process_time()
    graph = TripleGraph(triples, num_entities, num_relations)
    seconds = max(deadline - time.time(), 1e-9)
    *_, last = train_path_network(graph, OPTIONS, seconds, seed)
    weights = {k: v.numpy() for k, v in last.model.state_dict().items()}
    return weights, time.process_time() - start
