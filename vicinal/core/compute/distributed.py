"""Data-parallel training: several processes share every batch.

    torchrun --nproc-per-node=4 -m vicinal train FOLDER

Rank 0 alone reads, splits, validates, decides, saves and reports; it broadcasts a
message before each step. With w_k the weight of the part of a batch on rank k and g_k
its mean gradient, all ranks step along

    g = sum_k w_k g_k / sum_k w_k

the gradient of the whole batch. So the result is that of one process, up to rounding,
except for batch norms in training mode, which use the statistics of their own part.
(Goyal et al. 2017, "Accurate, Large Minibatch SGD", section 3.)

At the start rank 0 sends the model and the loader to the other ranks as a pickle, from
process to process of one training; no file is read that way.
"""

import contextlib
import os
import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from vicinal.core.compute.threads import (
    call_interruptibly,
    is_distributed,
    num_cores,
)
from vicinal.errors import LostProcessError, VicinalError


class Command(IntEnum):
    """What the ranks do next."""

    TRAIN = 0
    """start a training; its objects are broadcast next"""

    EPOCH = 1
    STEP = 2

    STOP = 3
    """end this training"""

    EXIT = 4
    """leave the group"""


class StepMessage(NamedTuple):
    """A command with its epoch, step and learning rate."""

    command: Command
    epoch: int = 0
    step: int = 0
    lr: float = 0.0


@dataclass(frozen=True)
class ProcessGroup:
    """The processes of a distributed training, seen from one of them."""

    rank: int = 0
    world_size: int = 1
    local_world_size: int = 1
    """processes on this machine"""

    @property
    def is_leader(self) -> bool:
        """True for rank 0."""
        return self.rank == 0

    def broadcast(self, message: StepMessage) -> None:
        """Send a message from rank 0 to all others, if there are any."""
        global _is_training
        if self.world_size > 1:
            _is_training = message.command not in (Command.STOP, Command.EXIT)
            _broadcast(torch.tensor(message, dtype=torch.float64))

    def receive(self) -> StepMessage:
        """Wait for the next message of rank 0."""
        values = torch.zeros(len(StepMessage._fields), dtype=torch.float64)
        _broadcast(values)
        command, epoch, step, lr = values.tolist()
        return StepMessage(Command(int(command)), int(epoch), int(step), lr)

    def broadcast_object(self, value: Any) -> None:
        """Send an object that can be pickled from rank 0 to all others."""
        _broadcast_objects([value])

    def receive_object(self) -> Any:
        """Wait for an object of rank 0."""
        values = [None]
        _broadcast_objects(values)
        return values[0]

    def all_reduce(
        self, parameters: Iterable[nn.Parameter], weight: float, loss: float
    ) -> float:
        """Replace gradients by their weighted mean over all ranks; return that loss.

        weight: of this rank's part of the batch; with 0, its gradients and loss are
        ignored.
        """
        if self.world_size == 1:
            return loss
        trained = [p for p in parameters if p.requires_grad]
        own = [torch.zeros_like(p) if p.grad is None else p.grad for p in trained]
        loss_and_one = [loss if weight else 0.0, 1.0]
        rest = torch.tensor(loss_and_one, device=trained[0].device)
        flat = torch.cat([*(g.flatten() for g in own), rest]) * weight
        with _lost_process_errors():
            torch.distributed.all_reduce(flat)
        flat /= flat[-1].clone()
        gradients = flat[:-2].split([p.numel() for p in trained])
        for p, g in zip(trained, gradients, strict=True):
            p.grad = g.view_as(p)
        return flat[-2].item()

    @torch.no_grad()
    def average_buffers(self, model: nn.Module) -> None:
        """Replace the buffers (batch statistics) of a model by their mean."""
        if self.world_size == 1:
            return
        for buffer in model.buffers():
            if buffer.is_floating_point():
                with _lost_process_errors():
                    torch.distributed.all_reduce(buffer)
                buffer /= self.world_size

    @contextlib.contextmanager
    def thread_share(self) -> Iterator[None]:
        """Use only this process's share of the machine's cores in the `with` block."""
        before = torch.get_num_threads()
        if self.world_size > 1:
            torch.set_num_threads(max(1, num_cores() // self.local_world_size))
        try:
            yield
        finally:
            torch.set_num_threads(before)


SINGLE_PROCESS = ProcessGroup()
_group = SINGLE_PROCESS
_is_training = False
"""rank 0 has started a training and not ended it: others may be within a step"""


def current_process_group() -> ProcessGroup:
    """Return the group that this process has joined, or SINGLE_PROCESS."""
    return _group


@contextlib.contextmanager
def join_process_group() -> Iterator[ProcessGroup]:
    """Join the processes started by torchrun; SINGLE_PROCESS without torchrun.

    At the end of the `with` block rank 0 tells the others to exit, unless it left a
    training in the middle of a step, where they do not listen.
    """
    global _group, _is_training
    if not is_distributed():
        yield SINGLE_PROCESS
        return
    # imported late, by an optimizer, it would keep the group alive to a crash at exit
    import torch._dynamo

    try:
        _group = _join()
    except (RuntimeError, ValueError) as error:
        names = "WORLD_SIZE RANK LOCAL_WORLD_SIZE LOCAL_RANK MASTER_ADDR MASTER_PORT"
        got = ", ".join(f"{name}={os.environ.get(name)}" for name in names.split())
        raise LostProcessError(
            f"The processes of torchrun cannot be joined with {got}: {error}. Start "
            "with `torchrun --nproc-per-node=N -m vicinal train ...`, or unset "
            "WORLD_SIZE to train in one process."
        ) from error
    if _group.is_leader:  # outside of training, rank 0 uses all cores
        torch.set_num_threads(num_cores())
    try:
        yield _group
        _broadcast_exit()
    except LostProcessError:
        raise
    except VicinalError:
        _broadcast_exit()
        raise
    finally:
        _group, _is_training = SINGLE_PROCESS, False
        with contextlib.suppress(RuntimeError):
            torch.distributed.destroy_process_group()


def _join() -> ProcessGroup:
    """Join the group that the environment describes; ValueError for a wrong value."""
    rank, world_size = (int(os.environ[name]) for name in ("RANK", "WORLD_SIZE"))
    if not 0 <= rank < world_size:
        raise ValueError("RANK must be 0 or more, and below WORLD_SIZE")
    local_world_size = int(os.environ.get("LOCAL_WORLD_SIZE", world_size))
    if not 1 <= local_world_size <= world_size:
        raise ValueError("LOCAL_WORLD_SIZE must be 1 or more, WORLD_SIZE at most")
    backend = "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        backend = "cpu:gloo,cuda:nccl"
    # rank 0 may read data for hours before it broadcasts
    limit = timedelta(days=30)
    call_interruptibly(
        lambda: torch.distributed.init_process_group(backend, timeout=limit)
    )
    return ProcessGroup(rank, world_size, local_world_size)


def _broadcast_exit() -> None:
    if _group.is_leader and not _is_training:
        with contextlib.suppress(LostProcessError):
            _group.broadcast(StepMessage(Command.EXIT))


def ignore_signals() -> None:
    """Ignore Ctrl-C and SIGTERM in a worker: rank 0 saves, and ends the others."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _broadcast(tensor: Tensor) -> None:
    with _lost_process_errors():
        torch.distributed.broadcast(tensor, 0)


def _broadcast_objects(values: list[Any]) -> None:
    with _lost_process_errors():
        torch.distributed.broadcast_object_list(values, 0, device=torch.device("cpu"))


@contextlib.contextmanager
def _lost_process_errors() -> Iterator[None]:
    """Raise LostProcessError when another process has ended."""
    try:
        yield
    except RuntimeError as error:
        raise LostProcessError("Another process of this training ended.") from error
