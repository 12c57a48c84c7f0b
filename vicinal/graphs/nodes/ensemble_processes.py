"""Train networks of an ensemble in worker processes, one core each.

A small graph keeps a single core busy, so other networks of the ensemble train on the
other cores meanwhile. A worker does exactly what the serial path does: same seeds,
same weights.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from typing import Any, Protocol

from vicinal.core.compute.processes import is_broken_pool, process_pool
from vicinal.core.compute.signals import block_signals
from vicinal.core.training.trainer import Epoch, TrainingInterrupted
from vicinal.errors import TrainingError

POLL_SECONDS = 0.05
"""seconds between two checks for a stop request"""

State = tuple[dict[str, Any], list[dict[str, Any]]]
"""the weights of a trained network as arrays, and its history"""


class Trainable(Protocol):
    """An ensemble that a worker can train a network of (`ensemble.Ensemble`)."""

    def build(self, number: int) -> Any:
        """Return the untrained network of a number."""
        ...

    def train(self, network: Any, number: int) -> Iterator[Epoch]:
        """Train it."""
        ...


class WorkerPool:
    """Worker processes; leaving the context ends those that still run."""

    def __init__(self) -> None:
        self._futures: dict[int, Future[State]] = {}
        self._executor: Any = None

    def __enter__(self) -> "WorkerPool":
        return self

    def __exit__(self, *error: object) -> None:
        if self._executor is not None:
            self._executor.shutdown(kill_workers=True)

    def is_training(self, number: int) -> bool:
        """Return True if a worker trains the network of a number."""
        return number in self._futures

    def submit(self, ensemble: Trainable, numbers: list[int]) -> None:
        """Train the networks of these numbers, each in its own worker."""
        if self._executor is None:
            self._executor = process_pool(len(numbers))
        with block_signals():  # the main process ends its workers
            for number in numbers:
                self._futures[number] = self._executor.submit(
                    train_network, ensemble, number
                )

    def result(self, number: int, stop_requested: Callable[[], bool]) -> State:
        """Wait for a network and return its weights and history.

        TrainingInterrupted if a stop is requested meanwhile, TrainingError if the
        worker died.
        """
        future = self._futures.pop(number)
        while not wait([future], POLL_SECONDS).done:
            if stop_requested():
                raise TrainingInterrupted("Training was interrupted.")
        try:
            return future.result()
        except Exception as error:
            if not is_broken_pool(error):
                raise
            raise TrainingError(
                f"The worker process that trained network {number + 1} of the ensemble "
                "died, most likely for lack of memory. Train fewer networks with "
                "--ensemble-size, or a smaller network with --hidden."
            ) from error


def train_network(ensemble: Trainable, number: int) -> State:
    """Train one network in a worker and return its weights and history."""
    network = ensemble.build(number)
    history = [epoch._asdict() for epoch in ensemble.train(network, number)]
    return {k: t.numpy() for k, t in network.state_dict().items()}, history
