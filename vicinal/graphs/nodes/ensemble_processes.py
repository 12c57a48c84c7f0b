"""Train networks of an ensemble in worker processes, one core each.

A small graph keeps a single core busy, so other networks of the ensemble train on the
other cores meanwhile. A worker does exactly what the serial path does: same seeds,
same weights. loky's processes work in notebooks and in scripts without a main guard.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from typing import Any, Protocol

from vicinal.core.compute.signals import block_signals
from vicinal.core.training.trainer import Epoch, TrainingInterrupted
from vicinal.errors import TrainingError

POLL_SECONDS = 0.05
"""seconds between two checks for a stop request"""

PARENT_POLL_SECONDS = 1.0
"""seconds between two checks of a worker that the main process still runs"""

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
            from joblib.externals.loky import ProcessPoolExecutor

            self._executor = ProcessPoolExecutor(
                max_workers=len(numbers),
                initializer=_initialize_worker,
                initargs=(os.getpid(),),
                env={"OMP_NUM_THREADS": "1"},
            )
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
        from joblib.externals.loky.process_executor import BrokenProcessPool

        try:
            return future.result()
        except BrokenProcessPool as error:
            raise TrainingError(
                f"The worker process that trained network {number + 1} of the ensemble "
                "died, most likely for lack of memory. Train fewer networks with "
                "--ensemble-size, or a smaller network with --hidden."
            ) from error


def _initialize_worker(parent: int) -> None:
    """Use one thread, and end with the main process."""
    import torch

    torch.set_num_threads(1)
    threading.Thread(target=exit_with_parent, args=(parent,), daemon=True).start()


def exit_with_parent(parent: int) -> None:
    """End this process once `parent` has ended, even by SIGKILL."""
    while os.getppid() == parent:
        time.sleep(PARENT_POLL_SECONDS)
    os._exit(1)


def train_network(ensemble: Trainable, number: int) -> State:
    """Train one network in a worker and return its weights and history."""
    network = ensemble.build(number)
    history = [epoch._asdict() for epoch in ensemble.train(network, number)]
    return {k: t.numpy() for k, t in network.state_dict().items()}, history
