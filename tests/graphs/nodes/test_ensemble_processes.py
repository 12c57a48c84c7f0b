"""Members in processes of their own are those that this process would have trained."""

import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vicinal.core.training.trainer import Interrupted
from vicinal.graphs.node_estimators import NodeClassifier
from vicinal.graphs.nodes import ensemble as members
from vicinal.graphs.nodes import ensemble_processes as aside

SETTINGS: dict[str, Any] = {
    "network": "gcn",
    "epochs": 12,
    "members": 3,
    "minutes": None,
    "deliver": "networks",
    "hidden": 8,
}


@pytest.fixture
def beside(monkeypatch):
    """Two cores, and members that are worth a process at once."""
    started_at: list[list[int]] = []
    plain = aside.WorkerPool.begin

    def noted(self: aside.WorkerPool, of: Any, numbers: list[int]) -> None:
        started_at.append(numbers)
        plain(self, of, numbers)

    monkeypatch.setattr(members, "cores", lambda: 2)
    monkeypatch.setattr(members, "TRIED", 2)
    monkeypatch.setattr(members, "WORTH", 0.0)
    monkeypatch.setattr(aside.WorkerPool, "begin", noted)
    return started_at


def learned(tables: Any, **settings: Any) -> NodeClassifier:
    nodes, edges = tables(nodes=120)
    return NodeClassifier(**{**SETTINGS, **settings}).fit(nodes, edges=edges)


def states(model: NodeClassifier) -> list[dict[str, torch.Tensor]]:
    return [dict(network.state_dict()) for network in model.networks_ or []]


def same(a: NodeClassifier, b: NodeClassifier) -> bool:
    both = zip(states(a), states(b), strict=True)
    return all(x[k].equal(y[k]) for x, y in both for k in x)


@pytest.fixture
def alone(block_tables) -> NodeClassifier:
    """One after the other, in this process."""
    return learned(block_tables)


def test_they_are_the_same(alone, beside, block_tables):
    model = learned(block_tables)
    assert beside == [[1]]  # the third begins when the second core is free
    assert len(states(model)) == 3 and same(model, alone)
    told = [e._replace(seconds=0, per_second=0) for e in model.history_]
    wanted = [e._replace(seconds=0, per_second=0) for e in alone.history_]
    assert [e.epoch for e in told] == [e.epoch for e in wanted]
    assert [e.val_loss for e in told] == [e.val_loss for e in wanted]
    assert np.array_equal(model.predict_proba(), alone.predict_proba())


def test_with_cores_for_all_they_begin_together(
    alone, beside, block_tables, monkeypatch
):
    monkeypatch.setattr(members, "cores", lambda: 8)
    model = learned(block_tables)
    assert beside == [[1, 2]] and same(model, alone)


def test_a_process_that_fails_changes_nothing(alone, beside, block_tables, monkeypatch):
    monkeypatch.setattr(aside.sys, "executable", "/bin/false")
    model = learned(block_tables)
    assert beside == [[1], [2]] and same(model, alone)  # 1 learned here, 2 was tried


@pytest.mark.parametrize(
    ("cores", "effective_n", "rank"), [(1, 0.0, None), (2, 1e9, None), (2, 0.0, "0")]
)
def test_where_it_is_not_worth_it_there_is_none(
    beside, block_tables, monkeypatch, cores, effective_n, rank
):
    monkeypatch.setattr(members, "cores", lambda: cores)
    monkeypatch.setattr(members, "WORTH", effective_n)
    if rank is not None:
        monkeypatch.setattr(members, "is_one_of_several", lambda: True)
    learned(block_tables, epochs=3)
    assert beside == []


def test_whoever_stops_ends_the_processes(beside, block_tables, monkeypatch):
    nodes, edges = block_tables(nodes=120)
    seen: list[Any] = []
    plain = aside.subprocess.Popen

    def started(*args: Any, **named: Any) -> Any:
        seen.append(plain([sys.executable, "-c", "import time; time.sleep(60)"]))
        return seen[-1]

    monkeypatch.setattr(aside.subprocess, "Popen", started)
    model = NodeClassifier(**{**SETTINGS, "members": 2})
    done: list[Any] = []
    epochs = model.fit_epochs(
        nodes, edges=edges, stop_requested=lambda: len(done) == 12
    )
    started_at = time.monotonic()
    with pytest.raises(Interrupted):
        for epoch in epochs:
            done.append(epoch)
    assert seen and all(process.poll() is not None for process in seen)
    assert time.monotonic() - started_at < 50  # it was not waited for


def test_a_process_ends_with_the_one_that_wants_it(tmp_path, block_tables, beside):
    model = learned(block_tables, epochs=3, members=1)
    bare = model._members(time.monotonic(), None, lambda: False).bare()
    job = tmp_path / "job"
    job.write_bytes(aside.pickle.dumps(bare))
    with pytest.raises(Interrupted):  # its parent is another
        aside.main(str(job), str(tmp_path / "member"), "0", "1234567")
    assert not (tmp_path / "member").exists()
    aside.main(str(job), str(tmp_path / "member"), "0", str(os.getppid()))
    assert (tmp_path / "member").exists()


def test_members_are_kept_for_a_run_that_goes_on(beside, block_tables, tmp_path):
    nodes, edges = block_tables(nodes=120)
    checkpoint: Path = tmp_path / "checkpoint.safetensors"
    model = NodeClassifier(**SETTINGS)
    list(model.fit_epochs(nodes, edges=edges, checkpoint=checkpoint))
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert kept == [f"member-{k}.safetensors" for k in range(3)]
    again = NodeClassifier(**SETTINGS)
    assert not list(again.fit_epochs(nodes, edges=edges, checkpoint=checkpoint))
    assert same(again, model) and len(beside) == 1
