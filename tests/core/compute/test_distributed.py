"""Data-parallel training gives the result of one process."""

import socket
import textwrap
from collections.abc import Callable

import numpy as np
import pytest
import torch

from vicinal.core.compute.distributed import SINGLE_PROCESS, join_process_group
from vicinal.core.compute.threads import is_distributed, is_worker
from vicinal.core.objective import MultiLabel, Numeric, SingleLabel
from vicinal.errors import LostProcessError

PROBLEM = '''
    import dataclasses, os, sys
    import torch
    from torch import nn
    from vicinal.core.compute import distributed
    from vicinal.core.objective import SingleLabel
    from vicinal.core.compute.runtime import Runtime, seeded_generator
    from vicinal.core.settings import TrainingSettings
    from vicinal.core.training.trainer import (
        Checkpointing, Trainer, TrainerOptions, run_worker)

    @dataclasses.dataclass
    class Rows:
        """19 examples in batches of 6: the last batch has one, for one rank."""
        share: tuple = (0, 1)
        steps = 4
        x = torch.randn(19, 2, 5, 5, generator=seeded_generator(1))
        y = torch.arange(19) % 3

        def shard(self, rank, world_size):
            return Rows((rank, world_size))

        def batches(self, epoch, start):
            order = torch.randperm(19, generator=seeded_generator(2, epoch)).split(6)
            for rows in order[start:]:
                rows = rows[self.share[0] :: self.share[1]]
                yield self.x[rows], self.y[rows]

    def network(norm=False):
        torch.manual_seed(0)
        layers = [nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(36, 3)]
        if norm:
            layers.insert(1, nn.BatchNorm2d(4))
        return nn.Sequential(*layers)

    def trainer(model, path=None, group=None):
        settings = TrainingSettings(epochs=3, batch_size=6, lr=0.05)
        weights = (1.0, 2.0, 0.5)
        made = Trainer(model, Rows(), SingleLabel(("a", "b", "c"), 0.0, weights),
            settings, Runtime(deterministic=True), lambda m: (0.0, 0.0),
            TrainerOptions(select_epoch=False), Checkpointing(path))
        made.process_group = group or made.process_group
        return made

    def sums(model):
        tensors = model.state_dict().values()
        return [t.sum().item() for t in tensors if t.is_floating_point()]

    def difference(a, b):
        pairs = zip(a.state_dict().values(), b.state_dict().values())
        return max((p.double() - q.double()).abs().max().item() for p, q in pairs)
'''


RunRanks = Callable[..., list[tuple[int, str]]]


@pytest.fixture
def run_ranks(run_in_forks) -> RunRanks:
    """Return a function: the exit code and output of each rank that runs `work`."""

    def run(work: str, processes: int = 2) -> list[tuple[int, str]]:
        code = textwrap.dedent(PROBLEM) + textwrap.dedent(work)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        address |= {"WORLD_SIZE": str(processes)}
        ranks = run_in_forks(
            *((code, [], address | {"RANK": str(rank)}) for rank in range(processes))
        )
        return [(rank.code, rank.out + rank.err) for rank in ranks]

    return run


@pytest.mark.parametrize("processes", [pytest.param(2, marks=pytest.mark.slow), 3])
def test_the_gradient_equals_that_of_the_whole_batch(run_ranks, processes):
    """Uneven shards, an empty one, class weights: the trained weights are the same."""
    work = """
    with distributed.join_process_group() as group:
        if group.is_leader:
            led, alone = network(), network()
            history = list(trainer(led).epochs())
            again = list(trainer(alone, group=distributed.SINGLE_PROCESS).epochs())
            far = difference(network(), alone)
            off = [abs(a.train_loss - b.train_loss) for a, b in zip(history, again)]
            print(far > 0.1, difference(led, alone) < 1e-5, len(off), max(off) < 1e-5)
        else:
            run_worker(group)
    """
    codes = run_ranks(work, processes)
    assert codes[0] == (0, "True True 3 True\n")
    assert codes[1:] == [(0, "")] * (processes - 1)


def test_all_ranks_end_with_the_same_weights(run_ranks):
    """Batch statistics are averaged as well."""
    work = """
    with distributed.join_process_group() as group:
        if group.is_leader:
            model = network(norm=True)
            list(trainer(model).epochs())
            print(sums(model))
        else:
            def follow_steps(self, plain=Trainer.follow_steps):
                plain(self)
                print(sums(self.model))
            Trainer.follow_steps = follow_steps
            run_worker(group)
    """
    (leader, one), (follower, other) = run_ranks(work)
    assert leader == follower == 0
    assert len(one) > 20 and one == other


def test_workers_leave_when_training_stops_early(run_ranks):
    work = """
    with distributed.join_process_group() as group:
        if group.is_leader:
            for epoch in trainer(network()).epochs():
                break
            second = trainer(network())  # the workers take part in a second training
            print(len(list(second.epochs())))
        else:
            run_worker(group)
            print("left")
    """
    assert run_ranks(work) == [(0, "3\n"), (0, "left\n")]


def test_an_interrupt_within_a_step_sends_no_message(run_ranks):
    """The other rank waits for the gradients: it is not to get a message instead."""
    work = """
    from vicinal.core.compute.signals import SignalInterrupt
    from vicinal.errors import Interruption, LostProcessError

    def interrupted(*_):
        raise SignalInterrupt

    try:
        with distributed.join_process_group() as group:
            if group.is_leader:
                led = trainer(network())
                led._backward = interrupted
                try:
                    list(led.epochs())
                except KeyboardInterrupt:
                    raise Interruption("Interrupted.") from None
            else:
                run_worker(group)
    except (Interruption, LostProcessError) as error:
        print(type(error).__name__)
    """
    assert run_ranks(work) == [(0, "Interruption\n"), (0, "LostProcessError\n")]


def test_a_stop_behind_the_last_step_of_an_epoch(run_ranks):
    """The other rank averages the batch statistics before it listens again."""
    work = """
    from vicinal.core.training.trainer import TrainingInterrupted
    with distributed.join_process_group() as group:
        if group.is_leader:
            led = trainer(network(norm=True))
            stop = lambda: led.progress.step == led.loader.steps
            led.checkpointing = dataclasses.replace(
                led.checkpointing, stop_requested=stop)
            try:
                list(led.epochs())
            except TrainingInterrupted:
                print(led.progress.step)
        else:
            run_worker(group)
            print("left")
    """
    assert run_ranks(work) == [(0, "4\n"), (0, "left\n")]


def test_rank_0_reports_a_loss_that_is_nan(run_ranks):
    work = """
    from vicinal.errors import TrainingError
    with distributed.join_process_group() as group:
        Rows.x[3] = float("nan")
        if group.is_leader:
            try:
                list(trainer(network()).epochs())
            except TrainingError as error:
                print("The loss became nan" in str(error))
        else:
            run_worker(group)
            print("left")
    """
    assert run_ranks(work) == [(0, "True\n"), (0, "left\n")]


def test_a_lost_worker_is_reported_and_the_work_saved(tmp_path, run_ranks):
    work = f"""
    from pathlib import Path
    from vicinal.errors import LostProcessError
    file = Path({str(tmp_path)!r}) / "checkpoint.safetensors"
    with distributed.join_process_group() as group:
        if group.is_leader:
            model = network()
            learning = trainer(model, file)
            try:
                list(learning.epochs())
            except LostProcessError as error:
                print(error)
            before = {{k: t.clone() for k, t in model.state_dict().items()}}
            resumed = trainer(network(), file, distributed.SINGLE_PROCESS)
            position = resumed.progress.epoch, resumed.progress.step
            kept = resumed.model.state_dict()
            print(position, all(t.equal(kept[k]) for k, t in before.items()))
            print(len(list(resumed.epochs())))
        else:
            def step(self, x, y, lr, plain=Trainer._step):
                if (self.progress.epoch, self.progress.step) == (1, 2):
                    os._exit(9)
                return plain(self, x, y, lr)
            Trainer._step = step
            run_worker(group)
    """
    (code, words), (other, _) = run_ranks(work)
    assert (code, other) == (0, 9)
    assert words.splitlines() == [
        "Another process of this training ended.",
        "(1, 2) True",
        "2",
    ]


@pytest.mark.parametrize(
    "objective",
    [
        SingleLabel(("a", "b", "c"), 0.1, (1.0, 3.0, 0.2)),
        SingleLabel(("a", "b", "c")),
        MultiLabel(("a", "b", "c"), (1.0, 3.0, 0.2)),
        Numeric(2.0, 3.0),
    ],
)
def test_the_weighted_mean_of_shard_losses_is_the_loss_of_the_batch(objective):
    rng = np.random.default_rng(0)
    logits = torch.from_numpy(rng.normal(size=(11, objective.outputs)))
    y = {
        "single_label": torch.from_numpy(rng.integers(0, 3, 11)),
        "multi_label": torch.from_numpy(rng.integers(0, 2, (11, 3)).astype(float)),
        "numeric": torch.from_numpy(rng.normal(size=11)),
    }[objective.kind]
    shards = [slice(0, 4), slice(4, 11)]
    batch_weights = [objective.batch_weight(y[part]) for part in shards]
    losses = [objective.loss(logits[part], y[part]).item() for part in shards]
    whole = objective.loss(logits, y).item()
    assert np.average(losses, weights=batch_weights) == pytest.approx(whole, rel=1e-9)


def test_a_single_process_without_torchrun(monkeypatch):
    assert not is_distributed() and not is_worker()
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert not is_distributed()
    with join_process_group() as group:
        assert group is SINGLE_PROCESS
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert is_distributed() and not is_worker()
    monkeypatch.setenv("RANK", "1")
    assert is_worker()


@pytest.mark.parametrize(
    ("changes", "got"),
    [
        ({"MASTER_PORT": None}, "MASTER_PORT=None"),
        ({"MASTER_PORT": "http"}, "MASTER_PORT=http"),
        ({"WORLD_SIZE": "many"}, "WORLD_SIZE=many"),
        ({"RANK": "2"}, "RANK must be 0 or more, and below WORLD_SIZE"),
        ({"LOCAL_WORLD_SIZE": "0"}, "LOCAL_WORLD_SIZE must be 1 or more"),
        ({"LOCAL_WORLD_SIZE": "3"}, "WORLD_SIZE at most"),
    ],
)
def test_wrong_variables_of_torchrun_are_one_message(changes, got, monkeypatch):
    values = {"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "127.0.0.1"}
    for name, value in {**values, "MASTER_PORT": "1", **changes}.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    with pytest.raises(LostProcessError, match="cannot be joined") as caught:
        with join_process_group():
            pytest.fail("joined")
    assert got in str(caught.value) and "unset WORLD_SIZE" in str(caught.value)
