"""Random graphs for training."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.data.read import read_graph


def blocks(
    seed: int = 0, nodes: int = 150, classes: int = 3, signal: float = 0.8
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return node and edge tables of a stochastic block model.

    About four of five neighbours have the same class; the class shifts one feature by
    `signal` standard deviations.
    """
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, nodes)
    features = rng.normal(size=(nodes, 4))
    features[np.arange(nodes), y] += signal
    same = y[:, None] == y[None]
    near, far = 8 / nodes * classes / 2, 1 / nodes * classes / 2
    adjacent = np.triu(rng.random((nodes, nodes)) < np.where(same, near, far), 1)
    table = pd.DataFrame(features, columns=list("abcd"))
    table.insert(0, "id", [f"n{k}" for k in range(nodes)])
    table["label"] = [f"k{k}" for k in y]
    source, target = (table["id"].to_numpy()[ends] for ends in np.nonzero(adjacent))
    return table, pd.DataFrame({"source": source, "target": target})


@pytest.fixture(scope="session")
def block_tables() -> Callable[..., tuple[pd.DataFrame, pd.DataFrame]]:
    return blocks


@pytest.fixture
def block_graph() -> GraphTable:
    nodes, edges = blocks()
    return read_graph(nodes, edges=edges)
