"""A deterministic training of graph networks depends on no clock, also if resumed."""

import copy
import itertools
import time
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
import torch

from vicinal.core.storage.checkpoint import Tensors
from vicinal.core.training.trainer import TrainingInterrupted
from vicinal.core.training.training_clock import TrainingClock
from vicinal.errors import SettingError
from vicinal.graphs.graph_estimators import GraphClassifier
from vicinal.graphs.link_predictor import LinkPredictor
from vicinal.graphs.node_estimators import NodeClassifier
from vicinal.graphs.settings import GraphLevelSettings, LinkSettings, NodeSettings

SETTINGS: dict[str, Any] = {
    "epochs": 4,
    "hidden": 8,
    "layers": 2,
    "keep": "network",
    "deterministic": True,
}
rings = [nx.cycle_graph(3 + k % 5) for k in range(12)]
stars = [nx.star_graph(3 + k % 5) for k in range(12)]

CASES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "nodes": (
        lambda: NodeClassifier(network="gcn", ensemble_size=2, **SETTINGS),
        (nx.karate_club_graph(), [f"k{k % 2}" for k in range(34)]),
    ),
    "nodes in mini-batches": (
        lambda: NodeClassifier(
            network="sage", ensemble_size=1, num_neighbors=(3, 3), batch_size=8,
            **SETTINGS,
        ),
        (nx.karate_club_graph(), [f"k{k % 2}" for k in range(34)]),
    ),
    "links": (
        lambda: LinkPredictor(decoder="dot", **SETTINGS),
        (nx.karate_club_graph(),),
    ),
    "graphs": (
        lambda: GraphClassifier(batch_size=40, **SETTINGS),
        (rings + stars, ["ring"] * 12 + ["star"] * 12),
    ),
}  # fmt: skip


def train(
    fitted: Any, checkpoint: Path | None = None, interrupt_at: int = 0
) -> Tensors:
    """Train networks beside a fitted baseline; return the weights of all."""
    model, calls = copy.copy(fitted), itertools.count(1)
    epochs = model.train_network(
        time.monotonic(), checkpoint, lambda: next(calls) == interrupt_at
    )
    model.train_to_end(epochs)
    return {
        f"{k}.{name}": tensor
        for k, network in enumerate(model.final_networks)
        for name, tensor in network.state_dict().items()
    }


@pytest.mark.parametrize("case", CASES)
def test_a_slow_run_that_was_interrupted_has_the_same_weights(
    case, tmp_path, monkeypatch
):
    make, data = CASES[case]
    fitted = make()
    fitted.fit_epochs(*data)  # the linear baseline
    quick = train(fitted)
    monkeypatch.setattr(TrainingClock, "used", 1000.0)  # seconds
    with pytest.raises(TrainingInterrupted):
        train(fitted, tmp_path / "last", interrupt_at=3)
    slow = train(fitted, tmp_path / "last")
    assert quick and quick.keys() == slow.keys()
    assert all(torch.equal(slow[name], tensor) for name, tensor in quick.items())


@pytest.mark.parametrize("settings", [NodeSettings, LinkSettings, GraphLevelSettings])
def test_a_time_limit_and_deterministic_exclude_each_other(settings):
    with pytest.raises(SettingError, match=r"minutes must be None with .*Got 2\.0"):
        settings(deterministic=True, minutes=2.0)
    assert settings().for_trainer().minutes == 1.0
    assert settings(minutes=2.0).for_trainer().minutes == 2.0
    assert settings(minutes=None).for_trainer().minutes is None
    assert settings(deterministic=True).for_trainer().minutes is None
    with pytest.raises(SettingError, match=r"minutes must be above 0.*Got 'soon'"):
        settings(minutes="soon")
