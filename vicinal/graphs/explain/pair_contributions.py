"""Contributions of pair features to the linear baseline's probability of an edge.

The baseline is logistic regression on features x_i of the pair (`links.features`), so
its log-odds are a sum,

    log(p / (1 - p)) = base + sum over i of  w_i (x_i - mean_i) / (std_i T)

with temperature T. The plot shows the common neighbours of both nodes, on which most
features depend, or a shortest path if there are none.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import breadth_first_order

from vicinal.core.report.plots import BLUE
from vicinal.graphs.explain.graph_plot import (
    CONNECTING,
    MAX_NODES,
    OPPOSING,
    SUPPORTING,
    EdgeStyle,
    GraphPlot,
    LegendEntry,
    hidden_note,
)
from vicinal.graphs.inspect.plot_style import NEUTRAL
from vicinal.graphs.links.features import adjacency_matrix

NODE_SIZE = 0.3
EDGE_WIDTH = 0.3


class PairContribution(NamedTuple):
    """One feature of a pair, and its contribution."""

    name: str
    value: float
    contribution: float
    """to log(p / (1 - p))"""


class PairExplanation(NamedTuple):
    """The probability of an edge as a sum of contributions to its log-odds."""

    probability: float
    base: float
    """log-odds of a pair whose features all have the mean of the training pairs"""

    contributions: list[PairContribution]
    """largest first"""

    @property
    def log_odds(self) -> float:
        """Return the sum of the base and all contributions."""
        return self.base + sum(c.contribution for c in self.contributions)

    @property
    def max_error(self) -> float:
        """Return the difference between the sum and the model, as probabilities."""
        return abs(1 / (1 + math.exp(-self.log_odds)) - self.probability)


class Pair(NamedTuple):
    """Two nodes of the training graph."""

    ends: tuple[int, int]
    """their rows"""

    relation: str | None
    is_edge: bool
    """whether the data has this edge, by this relation"""

    is_training_edge: bool
    ids: np.ndarray
    """[N] names"""

    training_edges: np.ndarray
    """[E, 2] of all relations"""

    @property
    def title(self) -> str:
        """Return the names of both nodes and of the relation."""
        arrow = f"- {self.relation} -" if self.relation else "-"
        return f"{self.ids[self.ends[0]]} {arrow} {self.ids[self.ends[1]]}"


TRAINING_EDGE = LegendEntry(SUPPORTING, "edge of the training split")
HELD_OUT_EDGE = LegendEntry(OPPOSING, "held-out edge")
NO_EDGE = LegendEntry(EdgeStyle(OPPOSING.color, ":"), "no edge in the data")
OTHER_RELATION = LegendEntry(
    EdgeStyle(SUPPORTING.color, ":"), "edge by another relation"
)


def plot_pair(pair: Pair) -> GraphPlot:
    """Return a plot of the common neighbours, by Adamic and Adar's 1 / log(degree).

    L. Adamic, E. Adar: Friends and neighbors on the web, Social Networks 25, 2003.
    """
    graph, (a, b) = adjacency_matrix(len(pair.ids), pair.training_edges), pair.ends
    common, weights = _common_neighbors(graph, a, b)
    shown = common[:MAX_NODES] if common else _shortest_path(graph, a, b)
    path_length = len(shown) + 1
    if path_length > MAX_NODES and not common:
        shown = []
    nodes = [a, b, *shown]
    block = graph[nodes][:, nodes].tocoo()
    ends = zip(block.row.tolist(), block.col.tolist(), strict=True)
    edges = {(i, j) for i, j in ends if i < j}
    direct = _direct_edge(pair, (0, 1) in edges)
    others = sorted(edges - {(0, 1)})
    sizes = np.full(len(nodes), NODE_SIZE)
    if common:
        sizes[2:] = weights[: len(shown)] / weights.max()
    assert isinstance(direct.style, EdgeStyle)
    return GraphPlot(
        names=[str(pair.ids[node]) for node in nodes],
        edges=np.array([(0, 1), *others]),
        node_colors=[BLUE, BLUE, *[NEUTRAL] * len(shown)],
        node_sizes=sizes,
        edge_styles=[direct.style, *[CONNECTING] * len(others)],
        edge_widths=np.array([EDGE_WIDTH, *[0.0] * len(others)]),
        edge_labels=[""] * (len(others) + 1),
        caption=_caption(len(common), len(shown), path_length, (0, 1) in edges),
        highlighted=(0, 1),
        legend=[direct],
    )


def _common_neighbors(
    graph: csr_matrix, a: int, b: int
) -> tuple[list[int], np.ndarray]:
    """Return the common neighbours of two nodes and their weights, largest first."""
    of_a, of_b = (graph.indices[graph.indptr[v] : graph.indptr[v + 1]] for v in (a, b))
    common = np.setdiff1d(np.intersect1d(of_a, of_b), [a, b])
    weights = 1 / np.log(np.maximum(np.diff(graph.indptr)[common], 2))
    order = np.argsort(-weights, kind="stable")
    return common[order].tolist(), weights[order]


def _direct_edge(pair: Pair, is_connected: bool) -> LegendEntry:
    if pair.is_training_edge:
        return TRAINING_EDGE
    if pair.is_edge:
        return HELD_OUT_EDGE
    return OTHER_RELATION if is_connected else NO_EDGE


def _caption(
    num_common: int, num_shown: int, path_length: int, is_connected: bool
) -> str:
    if num_common:
        return (
            "nodes between: common neighbours, larger for fewer other neighbours"
            f"{hidden_note(num_common - num_shown, 'neighbour')}"
        )
    if num_shown:
        return "no common neighbours; the plot shows a shortest path"
    if path_length > MAX_NODES:
        return f"no common neighbours; a shortest path has {path_length:,} steps"
    if is_connected:
        return "no common neighbours"
    return "no path connects the two nodes"


def _shortest_path(graph: csr_matrix, a: int, b: int) -> list[int]:
    """Return the nodes between a and b on a shortest path; empty without a path."""
    _, predecessors = breadth_first_order(graph, a, directed=False)
    path, node = [], int(predecessors[b])
    while node >= 0 and node != a:
        path.append(node)
        node = int(predecessors[node])
    return path[::-1] if node == a else []
