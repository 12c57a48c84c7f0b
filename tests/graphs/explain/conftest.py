"""Models that several tests of explanations share."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.data.read import read_graph
from vicinal.graphs.layers.sage import GraphSAGE
from vicinal.graphs.node_estimators import NodeClassifier
from vicinal.graphs.node_model import NodeModel
from vicinal.graphs.nodes.networks import (
    NetworkConfig,
    NodeNetwork,
    build_network,
)


@pytest.fixture(scope="session")
def linear_baseline(block_tables: Callable[..., Any]) -> NodeClassifier:
    nodes, edges = block_tables()
    return NodeClassifier(network="none").fit(read_graph(nodes, edges=edges))


@pytest.fixture
def model(linear_baseline: NodeClassifier) -> NodeClassifier:
    """The linear baseline on a graph of three blocks; tests may change it."""
    return copy.deepcopy(linear_baseline)


@pytest.fixture
def add_network() -> Callable[..., NodeNetwork]:
    """Give a model an untrained network, which then makes its predictions."""

    def add(model: NodeModel, name: str = "gcn", layers: int = 2) -> NodeNetwork:
        torch.manual_seed(0)
        width = model.labelled_graph_.x.shape[1]
        config = NetworkConfig(width, 16, layers, 3, 0.0, 2)
        network = build_network(name, config).eval()
        model.update(networks=[network])
        return network

    return add


@pytest.fixture
def hub_table() -> GraphTable:
    """A hub with ten neighbours, of which n3 alone has the feature that matters."""
    rng = np.random.default_rng(0)
    ids = ["hub", *(f"n{k}" for k in range(10)), *(f"far{k}" for k in range(10))]
    nodes = pd.DataFrame({"id": ids, "f": 0, "g": rng.random(21).round(3)})
    nodes.loc[nodes["id"] == "n3", "f"] = 1
    nodes["label"] = ["a", "b"] * 10 + ["a"]
    edges = pd.DataFrame(
        [("hub", f"n{k}") for k in range(10)]
        + [(f"n{k}", f"far{k}") for k in range(10)],
        columns=["source", "target"],
    )
    return read_graph(nodes, edges=edges)


@pytest.fixture
def build_mean_network() -> Callable[[int], NodeNetwork]:
    """Build a one-layer network whose embedding is 30 times the neighbours' mean f."""

    def build(num_outputs: int) -> NodeNetwork:
        config = NetworkConfig(2, 4, 1, num_outputs, 0.0, 1)
        network = build_network("sage", config).eval()
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.zero_()
            layer = next(m for m in network.modules() if isinstance(m, GraphSAGE))
            layer.neighbor_linear.weight[0, 0] = 30.0
        return network

    return build
