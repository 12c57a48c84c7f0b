"""Networks trained in worker processes equal those of the serial path."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vicinal.core.objective import SingleLabel
from vicinal.core.training.trainer import TrainingInterrupted
from vicinal.errors import ResumeError, TrainingError
from vicinal.graphs.nodes import ensemble
from vicinal.graphs.nodes.ensemble import Ensemble
from vicinal.graphs.nodes.ensemble_processes import (
    WorkerPool,
    train_network,
)
from vicinal.graphs.nodes.labelled_graph import LabelledGraph
from vicinal.graphs.settings import NodeSettings
from vicinal.graphs.sparse.adjacency import Adjacency


def make_ensemble(
    *,
    checkpoint: Path | None = None,
    size: int | None = 3,
    epochs: int = 12,
    minutes: float | None = None,
) -> Ensemble:
    """Return an ensemble for a random graph, not trained yet."""
    g = torch.Generator().manual_seed(0)
    edge_index = torch.randint(0, 60, (2, 200), generator=g)
    graph = LabelledGraph(
        torch.randn(60, 4, generator=g),
        Adjacency.from_edge_index(edge_index, 60),
        None,
        torch.randint(0, 3, (60,), generator=g).numpy(),
        np.arange(60) < 40,
    )
    return Ensemble(
        settings=NodeSettings(
            network="gcn",
            epochs=epochs,
            ensemble_size=size,
            minutes=minutes,
            hidden=8,
        ),
        graph=graph,
        val_mask=np.arange(60) >= 40,
        objective=SingleLabel(("a", "b", "c")),
        seed=0,
        started_at=time.monotonic(),
        checkpoint=checkpoint,
        stop_requested=lambda: False,
    )


def have_equal_networks(a: Ensemble, b: Ensemble) -> bool:
    states = zip(
        (network.state_dict() for network in a.networks),
        (network.state_dict() for network in b.networks),
        strict=True,
    )
    return all(x[k].equal(y[k]) for x, y in states for k in x)


@pytest.fixture
def submitted(monkeypatch) -> list[list[int]]:
    """Pretend to have two cores and to need workers; list the networks they get."""
    numbers: list[list[int]] = []
    submit = WorkerPool.submit

    def spy(self: WorkerPool, trainable: Any, networks: list[int]) -> None:
        numbers.append(networks)
        submit(self, trainable, networks)

    monkeypatch.setattr(ensemble, "num_cores", lambda: 2)
    monkeypatch.setattr(ensemble, "TIMED_EPOCHS", 2)
    monkeypatch.setattr(ensemble, "MIN_WORKER_SECONDS", 0.0)
    monkeypatch.setattr(WorkerPool, "submit", spy)
    return numbers


@pytest.fixture(scope="module")
def serial() -> Ensemble:
    """Three networks trained one after the other in this process."""
    trained = make_ensemble()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ensemble, "num_cores", lambda: 1)
        list(trained.epochs())
    return trained


def test_workers_give_the_networks_of_the_serial_path(serial, submitted, tmp_path):
    checkpoint = tmp_path / "checkpoint.safetensors"
    parallel = make_ensemble(checkpoint=checkpoint)
    records = list(parallel.epochs())
    assert submitted == [[1]]  # the third trains here, when the second is done
    assert [r.epoch for r in records] == 3 * [*range(1, 13)]  # also of the worker
    assert records == parallel.history
    assert len(parallel.networks) == 3 and have_equal_networks(parallel, serial)
    for name in ("epoch", "train_loss", "val_loss", "val_score", "lr", "best"):
        values = [getattr(epoch, name) for epoch in parallel.history]
        assert values == [getattr(epoch, name) for epoch in serial.history]
    assert parallel.logits().equal(serial.logits())

    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == [f"network-{k}.safetensors" for k in range(3)]
    resumed = make_ensemble(checkpoint=checkpoint)
    assert not list(resumed.epochs())  # nothing is trained again
    assert have_equal_networks(resumed, serial) and len(submitted) == 1


@pytest.mark.slow
def test_with_enough_cores_all_networks_train_at_once(serial, submitted, monkeypatch):
    monkeypatch.setattr(ensemble, "num_cores", lambda: 8)
    parallel = make_ensemble()
    list(parallel.epochs())
    assert submitted == [[1, 2]] and have_equal_networks(parallel, serial)


@pytest.mark.parametrize(
    ("cores", "min_seconds", "distributed"),
    [(1, 0.0, False), (2, 1e9, False), (2, 0.0, True)],
)
def test_no_worker_starts_where_none_pays_off(
    submitted, monkeypatch, cores, min_seconds, distributed
):
    monkeypatch.setattr(ensemble, "num_cores", lambda: cores)
    monkeypatch.setattr(ensemble, "MIN_WORKER_SECONDS", min_seconds)
    monkeypatch.setattr(ensemble, "is_distributed", lambda: distributed)
    list(make_ensemble(epochs=3).epochs())
    assert submitted == []


@pytest.mark.parametrize(
    ("size", "note"),
    [
        (2, "1 of 2 networks trained: another takes about 0 s, more than was left of "),
        (None, ""),  # as many as fit into the time
    ],
)
def test_a_note_says_if_time_ends_before_all_requested_networks(
    monkeypatch, size, note
):
    monkeypatch.setattr(ensemble, "num_cores", lambda: 1)
    trained = make_ensemble(size=size, minutes=5.0)
    monkeypatch.setattr(Ensemble, "_seconds_left", lambda self: -1.0)
    list(trained.epochs())
    assert len(trained.networks) == 1
    assert trained.notes == ([note + "--minutes 5"] if note else [])


def test_a_trained_network_is_restored_though_time_is_over(monkeypatch, tmp_path):
    checkpoint = tmp_path / "checkpoint.safetensors"
    monkeypatch.setattr(ensemble, "num_cores", lambda: 1)
    list(make_ensemble(checkpoint=checkpoint, size=2).epochs())
    resumed = make_ensemble(checkpoint=checkpoint, size=2)
    monkeypatch.setattr(Ensemble, "_seconds_left", lambda self: -1.0)
    assert not list(resumed.epochs())
    assert len(resumed.networks) == 2 and not resumed.notes


def test_a_trained_network_of_other_data_is_refused(tmp_path):
    checkpoint = tmp_path / "checkpoint.safetensors"
    list(make_ensemble(checkpoint=checkpoint, size=1).epochs())
    resumed = make_ensemble(checkpoint=checkpoint, size=2)
    resumed.fingerprint = "other data"
    with pytest.raises(ResumeError, match=r"network-0.*made from other data"):
        list(resumed.epochs())


def test_a_resumed_network_keeps_its_earlier_epochs(serial, monkeypatch, tmp_path):
    checkpoint = tmp_path / "checkpoint.safetensors"
    monkeypatch.setattr(ensemble, "num_cores", lambda: 1)
    interrupted = make_ensemble(checkpoint=checkpoint)
    interrupted.stop_requested = lambda: len(interrupted.history) == 5
    with pytest.raises(TrainingInterrupted):
        list(interrupted.epochs())
    resumed = make_ensemble(checkpoint=checkpoint)
    records = list(resumed.epochs())
    assert [r.epoch for r in resumed.history] == 3 * [*range(1, 13)]
    assert len(records) < 36 and have_equal_networks(resumed, serial)


class FakeEnsemble:
    """Stand-in for an ensemble that calls a function in the worker."""

    def __init__(self, work: Callable[[int], Any]) -> None:
        self.work = work

    def build(self, number: int) -> Any:
        return self.work(number)

    def train(self, network: Any, number: int) -> Any:
        raise AssertionError("`work` does not return")


def fail(number: int) -> None:
    raise TrainingError(f"the loss of network {number} is not a number")


def die(number: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)  # as Linux does when memory runs out


def test_the_death_of_a_worker_is_one_clear_error():
    with WorkerPool() as workers:
        workers.submit(FakeEnsemble(die), [1])
        with pytest.raises(TrainingError, match="process that trained network 2 of"):
            workers.result(1, lambda: False)


def test_errors_are_raised_here_and_an_interruption_ends_the_workers(tmp_path):
    file = tmp_path / "pid"

    def sleep(number: int) -> None:
        file.write_text(str(os.getpid()))
        time.sleep(600)

    with WorkerPool() as workers:
        workers.submit(FakeEnsemble(fail), [1])
        with pytest.raises(TrainingError, match="loss of network 1 is not a number"):
            workers.result(1, lambda: False)
        workers.submit(FakeEnsemble(sleep), [2])
        with pytest.raises(TrainingInterrupted):
            workers.result(2, lambda: bool(file.exists() and file.read_text()))
        pid = int(file.read_text())
        os.kill(pid, signal.SIGINT)  # Ctrl-C reaches workers too, which ignore it
        time.sleep(0.2)
        assert is_running(pid, seconds=0)
    assert not is_running(pid, seconds=20)


def is_running(pid: int, seconds: float) -> bool:
    """Return True if a process still runs after so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        if time.monotonic() >= deadline:
            return True
        time.sleep(0.05)


def test_a_worker_returns_weights_and_history(serial):
    weights, history = train_network(make_ensemble(), 0)
    assert len(history) == 12
    network = serial.networks[0].state_dict()
    assert all(np.array_equal(weights[k], network[k]) for k in network)
