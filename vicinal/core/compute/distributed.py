"""Many processes, one training: each takes its share of every batch.

    torchrun --nproc-per-node=4 -m vicinal train FOLDER

The first process leads. It alone reads, divides, validates, decides, saves and reports;
the others follow its orders, one a step. With w_k the weight of what process k has of
a batch and g_k the mean gradient there, all of them step along

    g = sum_k w_k g_k / sum_k w_k

which is the gradient of the whole batch: the result is that of one process, but for
rounding, and for batch norms that follow the batch, which see their process's share.
(Goyal et al. 2017, "Accurate, Large Minibatch SGD", section 3.)

What the others need to begin with, the first one sends them pickled, from process to
process of one training; no file is read so.
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

from vicinal.core.compute.threads import cores, is_one_of_several
from vicinal.errors import LostProcessError, VicinalError


class Command(IntEnum):
    """What the first process orders."""

    TRAINING = 0
    """a training begins; what it needs comes next"""

    EPOCH = 1
    STEP = 2

    STOP = 3
    """the training is over"""

    END = 4
    """no other comes"""


class StepMessage(NamedTuple):
    """What all processes do next, at which place, and at which learning rate."""

    what: Command
    epoch: int = 0
    step: int = 0
    lr: float = 0.0


@dataclass(frozen=True)
class ProcessGroup:
    """The processes of a training, as one of them sees them."""

    rank: int = 0
    """of this process; 0 leads"""

    size: int = 1
    here: int = 1
    """processes on this machine"""

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def tell(self, order: StepMessage) -> None:
        """To all others; nothing where this process is alone."""
        if self.size > 1:
            self._broadcast(torch.tensor(order, dtype=torch.float64))

    def hear(self) -> StepMessage:
        """The next order; waits as long as it takes."""
        told = torch.zeros(len(StepMessage._fields), dtype=torch.float64)
        self._broadcast(told)
        what, epoch, step, lr = told.tolist()
        return StepMessage(Command(int(what)), int(epoch), int(step), lr)

    def give(self, thing: Any) -> None:
        """Send a thing that can be pickled to all others."""
        self._hand_round([thing])

    def get(self) -> Any:
        """What the first process gives."""
        hands = [None]
        self._hand_round(hands)
        return hands[0]

    def average(
        self, parameters: Iterable[nn.Parameter], weight: float, loss: float
    ) -> float:
        """Put the mean gradient of all processes in each of them; gives the mean loss.

        weight: of this process's share; 0 where it has none, and then its gradients and
        its loss count for nothing.
        """
        if self.size == 1:
            return loss
        learned = [p for p in parameters if p.requires_grad]
        device = learned[0].device
        mine = [torch.zeros_like(p) if p.grad is None else p.grad for p in learned]
        rest = torch.tensor([loss if weight else 0.0, 1.0], device=device)
        flat = torch.cat([*(g.flatten() for g in mine), rest]) * weight
        with _told():
            torch.distributed.all_reduce(flat)
        flat /= flat[-1].clone()
        gradients = flat[:-2].split([p.numel() for p in learned])
        for p, g in zip(learned, gradients, strict=True):
            p.grad = g.view_as(p)
        return flat[-2].item()

    @torch.no_grad()
    def share_statistics(self, model: nn.Module) -> None:
        """Put the mean of all processes' batch statistics in each of them."""
        if self.size == 1:
            return
        for buffer in model.buffers():
            if buffer.is_floating_point():
                with _told():
                    torch.distributed.all_reduce(buffer)
                buffer /= self.size

    @contextlib.contextmanager
    def threads(self) -> Iterator[None]:
        """Take no more than this process's share of the machine's cores."""
        before = torch.get_num_threads()
        if self.size > 1:
            torch.set_num_threads(max(1, cores() // self.here))
        try:
            yield
        finally:
            torch.set_num_threads(before)

    def _broadcast(self, tensor: Tensor) -> None:
        with _told():
            torch.distributed.broadcast(tensor, 0)

    def _hand_round(self, hands: list[Any]) -> None:
        with _told():
            torch.distributed.broadcast_object_list(
                hands, 0, device=torch.device("cpu")
            )


ALONE = ProcessGroup()
_team = ALONE


def current() -> ProcessGroup:
    """The team that this process has joined, or none but itself."""
    return _team


@contextlib.contextmanager
def joined() -> Iterator[ProcessGroup]:
    """Be one of the processes that torchrun started; alone where it started one.

    When the first one leaves, the others are told that no training comes.
    """
    global _team
    if not is_one_of_several():
        yield ALONE
        return
    # what an optimizer imports late would keep the group alive to a crash at the end
    import torch._dynamo

    there = {name: int(os.environ[name]) for name in ("RANK", "WORLD_SIZE")}
    here = int(os.environ.get("LOCAL_WORLD_SIZE", there["WORLD_SIZE"]))
    backend = "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        backend = "cpu:gloo,cuda:nccl"
    with _told():  # data may take hours to read, and the others wait for it
        torch.distributed.init_process_group(backend, timeout=timedelta(days=30))
    _team = ProcessGroup(there["RANK"], there["WORLD_SIZE"], here)
    if _team.leads:  # what it does by itself, it does with all cores
        torch.set_num_threads(cores())
    try:
        yield _team
        _dismiss()
    except LostProcessError:
        raise
    except VicinalError:  # between two orders: the others listen
        _dismiss()
        raise
    finally:
        _team = ALONE
        with contextlib.suppress(RuntimeError):
            torch.distributed.destroy_process_group()


def _dismiss() -> None:
    """Tell the others that no training comes, where there are any left."""
    if _team.leads:
        with contextlib.suppress(LostProcessError):
            _team.tell(StepMessage(Command.END))


def leave_signals_to_the_leader() -> None:
    """It saves and says so; the others end with it."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """LostProcessError where another process is not there any more."""
    try:
        yield
    except RuntimeError as error:
        raise LostProcessError("Another process of this training ended.") from error
