"""Members that learn in processes of their own, one core each, beside the first.

A small graph keeps one core busy: several threads would wait for each other more than
they work. So where there are more cores, other members learn on them meanwhile. Each
process is given the members as they are, trains the one of its number exactly as this
process would, and leaves weights and history in a file. Whatever goes wrong there, that
member learns here, in its turn.
"""

import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from torch import nn

from vicinal.core.storage.checkpoint import load_tensors, save_tensors
from vicinal.core.training.trainer import Epoch, Interrupted
from vicinal.errors import VicinalError

TRIED = 20
"""epochs of the first member by which the seconds of one are told"""

WORTH = 10.0
"""seconds of one member from which a process is worth it; it takes three to begin"""

EVERY = 0.05
"""seconds between two looks at a process"""


class Ensemble(Protocol):
    """Networks that learn by their numbers (`members`)."""

    stop_requested: Callable[[], bool]

    def new(self, number: int) -> Any:
        """The network of a number, before it has learned."""
        ...

    def train(self, network: Any, number: int) -> Iterator[Epoch]:
        """Train it."""
        ...

    def bare(self) -> "Ensemble":
        """The same for another process: nothing learned yet, nothing kept."""
        ...


@dataclass
class WorkerPool:
    """The processes; on leaving the context those that still run are ended."""

    _running: dict[int, subprocess.Popen] = field(default_factory=dict)
    _folder: Any = None

    def __enter__(self) -> "WorkerPool":
        return self

    def __exit__(self, *error: object) -> None:
        for process in self._running.values():
            process.kill()
            process.wait()
        if self._folder is not None:
            self._folder.cleanup()

    def has(self, number: int) -> bool:
        """Whether the member of a number learns in a process."""
        return number in self._running

    def begin(self, members: Ensemble, numbers: list[int]) -> None:
        """Train members of these numbers, a process each."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="vicinal-")
        job = Path(self._folder.name) / "members.pickle"
        if not job.exists():
            job.write_bytes(pickle.dumps(members.bare()))
        for number in numbers:
            words = [job, self._file(number), number, os.getpid()]
            self._running[number] = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "vicinal.graphs.nodes.ensemble_processes",
                    *map(str, words),
                ],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
                start_new_session=True,  # Ctrl-C is for this process
            )

    def _file(self, number: int) -> Path:
        return Path(self._folder.name) / f"member-{number}.safetensors"

    def take(
        self, number: int, stop_requested: Callable[[], bool]
    ) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Weights and what is told of a member, once it has learned; None where that
        went wrong. Interrupted where a stop is asked for meanwhile."""
        process = self._running[number]
        while process.poll() is None:
            if stop_requested():
                raise Interrupted("Training was interrupted.")
            time.sleep(EVERY)
        del self._running[number]
        try:
            return load_tensors(self._file(number))
        except VicinalError:
            return None


def main(job: str, file: str, number: str, parent: str) -> None:
    """Train one member; end with the process that wants it."""
    import torch

    torch.set_num_threads(1)
    members: Ensemble = pickle.loads(Path(job).read_bytes())
    members.stop_requested = lambda: os.getppid() != int(parent)
    network: nn.Module = members.new(int(number))
    history = [epoch._asdict() for epoch in members.train(network, int(number))]
    save_tensors(Path(file), dict(network.state_dict()), {"history": history})


if __name__ == "__main__":
    main(*sys.argv[1:])
