"""What the chance of an edge between two nodes adds up to, and where it is drawn.

The first answer is a layer on numbers x_i between the two (`link_features`), so its
log-odds are a sum,

    log(p / (1 - p)) = base + sum over i of  w_i (x_i - mean_i) / (spread_i T)

with T the temperature. Drawn are the neighbours that both have, which most of these
numbers count, or where there are none a shortest way from one to the other.
"""

import math
from typing import NamedTuple

import numpy as np

from vicinal.graphs.explain.graph_plot import (
    AGAINST,
    BLUE,
    FOR,
    LEADS,
    MOST_NODES,
    EdgeStyle,
    GraphPlot,
    LegendEntry,
    more_of,
)
from vicinal.graphs.inspect.plot_style import PLAIN
from vicinal.graphs.links.features import adjacency_of


class LinkPart(NamedTuple):
    """One number between two nodes, and what it adds."""

    name: str
    value: float
    adds: float
    """to log(p / (1 - p))"""


class PairExplanation(NamedTuple):
    """What the chance of an edge between two nodes adds up to."""

    chance: float
    """p"""

    base: float
    """log(p / (1 - p)) of a pair whose numbers are all as those learned from are on
    average"""

    parts: list[LinkPart]
    """those that add or take most first"""

    @property
    def log_odds(self) -> float:
        """All together."""
        return self.base + sum(part.adds for part in self.parts)

    @property
    def off(self) -> float:
        """How far all together is from what the model says."""
        return abs(1 / (1 + math.exp(-self.log_odds)) - self.chance)


class Pair(NamedTuple):
    """Two nodes in the graph that a model learned from."""

    ends: tuple[int, int]
    """their rows"""

    relation: str | None
    listed: bool
    """whether the two are an edge of the graph already, by this relation"""

    learned: bool
    """whether that edge was learned from"""

    ids: np.ndarray
    """[N] names"""

    edges: np.ndarray
    """[E, 2] pairs that were learned from, by any relation"""

    @property
    def title(self) -> str:
        """Both, and by what they would be joined."""
        by = f" {self.relation} -" if self.relation else ""
        return f"{self.ids[self.ends[0]]} -{by} {self.ids[self.ends[1]]}"


KNOWN = LegendEntry(FOR, "an edge that was learned from")
HELD_OUT = LegendEntry(AGAINST, "an edge that was not learned from")
ASKED = LegendEntry(EdgeStyle(AGAINST.colour, ":"), "asked for, no edge")
OTHER = LegendEntry(EdgeStyle(FOR.colour, ":"), "an edge by another relation")


def of_pair(pair: Pair) -> GraphPlot:
    """The neighbours that both have, by what Adamic and Adar count: 1 / log(degree).

    L. Adamic, E. Adar: Friends and neighbors on the web, Social Networks 25, 2003.
    """
    graph, (a, b) = adjacency_of(len(pair.ids), pair.edges), pair.ends
    rows = [graph.indices[graph.indptr[v] : graph.indptr[v + 1]] for v in (a, b)]
    degree = np.diff(graph.indptr)
    both = np.setdiff1d(np.intersect1d(*rows), [a, b])
    counts = 1 / np.log(np.maximum(degree[both], 2))
    order = np.argsort(-counts, kind="stable")[:MOST_NODES]
    between = both[order].tolist() if len(both) else _way(graph, a, b)
    steps = len(between) + 1
    if steps > MOST_NODES:
        between = []
    nodes = [a, b, *between]
    inside = graph[nodes][:, nodes].tocoo()
    ends = zip(inside.row.tolist(), inside.col.tolist(), strict=True)
    pairs = {(i, j) for i, j in ends if i < j}
    direct = KNOWN if pair.learned else HELD_OUT if pair.listed else ASKED
    if direct is ASKED and (0, 1) in pairs:
        direct = OTHER
    rest = sorted(pairs - {(0, 1)})
    sizes = np.full(len(nodes), 0.3)
    if len(both):
        sizes[2:] = counts[order] / counts.max()
        told = "nodes between are neighbours of both: the larger, the fewer others has"
        caption = f"{told} it{more_of(len(both) - len(between), 'neighbour')}"
    elif between:
        caption = "they have no neighbour in common: this is a shortest way"
    elif steps > MOST_NODES:
        caption = f"no neighbour in common: a shortest way has {steps:,} steps"
    elif (0, 1) in pairs:
        caption = "they have no neighbour in common"
    else:
        caption = "no way leads from one to the other"
    return GraphPlot(
        [str(pair.ids[node]) for node in nodes],
        np.array([(0, 1), *rest]),
        [BLUE, BLUE, *[PLAIN] * len(between)],
        sizes,
        [direct.look, *[LEADS] * len(rest)],  # pyright: ignore[reportArgumentType]
        np.array([0.3, *[0.0] * len(rest)]),
        [""] * (len(rest) + 1),
        caption,
        (0, 1),
        [direct],
    )


def _way(graph, a: int, b: int) -> list[int]:
    """The nodes of a shortest way from a to b, without the two; none: there is none."""
    from scipy.sparse.csgraph import breadth_first_order

    _, before = breadth_first_order(graph, a, directed=False)
    way, node = [], int(before[b])
    while node >= 0 and node != a:
        way.append(node)
        node = int(before[node])
    return way[::-1] if node == a else []
