"""Which edges an answer rests on: each is taken away, and the answer asked for again.

That is exact: no mask is learned, so there is no seed and nothing to be unstable. It
asks once for every edge near a node, each time of the node's receptive field alone;
where there are many, the order is that of what they add (`masks`), which asks 16 times.

What counts is how far the log-odds of the class move, or the number, up or down: a
probability near 1 hardly moves itself, and an edge may speak against the answer. How
good the order is is held against chance: the first k edges that speak one way, taken
away together, should move it further that way than k edges at random do.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

import numpy as np
import torch

from vicinal.core.objective import Objective
from vicinal.core.text import counted
from vicinal.graphs.explain.random_control import RandomControl, compare_to_random
from vicinal.graphs.nodes.labelled_graph import LabelledGraph
from vicinal.graphs.nodes.receptive_field import field_of, k_hop_nodes
from vicinal.graphs.sparse.adjacency import Adjacency

if TYPE_CHECKING:
    from vicinal.graphs.node_model import NodeModel

MOST = 400
"""edges that are taken away one by one: the nearest"""

FEW = 60
"""edges up to which each is taken away, where the user does not say"""

FAR = 3
"""hops within which edges are taken away, where the answer reaches further"""


class Edge(NamedTuple):
    """One edge, and what taking it away costs."""

    source: int
    target: int
    """rows of the whole graph; of an edge without a direction the smaller first"""

    cost: float
    """the log-odds of the class (or the number) less those without the edge; by masks,
    what the edge adds to them. Below 0: the edge speaks against the class"""


@dataclass(frozen=True)
class EdgeExplanation:
    """What an answer for a node rests on, edge by edge."""

    node: int
    target: int
    """class row"""

    answer: float
    """its probability, or the number"""

    edges: list[Edge]
    """those that move the log-odds furthest first, for or against"""

    chance: RandomControl
    """the order beside chance"""

    left_out: int
    """edges near that were not tried"""

    whole: float | None = None
    """by masks: what all edges add, those far away and not listed as well"""

    method: str = "deletion"
    """deletion: each edge is taken away; masks: what each adds, of the networks on
    average"""

    what: str = "log-odds"
    """that edges move: log-odds of the class, or number"""

    @property
    def verdict(self) -> str:
        """What the order is worth, in a sentence."""
        if not self.edges:
            return "No edge leads here: the answer rests on the node's own features."
        return self.chance.verdict("edges near", self.what)

    @property
    def way(self) -> str:
        """How the order was found, in a sentence."""
        if self.method == "masks":
            listed = sum(edge.cost for edge in self.edges)
            return (
                "Many edges are near, so each is told by what it adds on the way from "
                "no message at all to all of them (integrated slopes of a mask on "
                f"every edge). All edges add {self.whole:+.4f}, those that are not "
                f"listed {(self.whole or 0.0) - listed:+.4f}. No seed changes it."
            )
        more = ""
        if self.left_out:
            more = f" {counted(self.left_out, 'more edge')} near were not tried."
        return (
            "Each edge near was taken away, and the model asked again: exact, one at a "
            f"time. No seed changes it.{more}"
        )


def edges_that_count(
    model: "NodeModel",
    node: int,
    target: int | None = None,
    seed: int = 0,
    method: Literal["auto", "deletion", "masks"] = "auto",
) -> EdgeExplanation:
    """The edges near a node, those that count most first.

    target: a class row; None: the one it names. seed: of the edges at random that the
    order is held against. method: auto: deletion where few edges are near, or where no
    network answers.
    """
    hops = min(model.hops, FAR)
    near = field_of(model.known_, np.array([node]), model.hops)
    known, row = near.known, int(near.rows[0])
    numeric = model.objective_.kind == "numeric"
    logits = model._logits(known)[row]
    answer = np.atleast_1d(model._predict(logits[None])[0])
    target = int(answer.argmax()) if target is None else target

    def size(known: LabelledGraph) -> float:
        """What is asked: the log-odds of the class, or the number."""
        z = model._logits(known)[row]
        return float(model._predict(z[None])[0]) if numeric else odds(model, z, target)

    whole, all_add = size(known), None
    pairs, rest = _pairs_near(known.graph, row, hops)
    if method == "auto":
        few = len(pairs) <= FEW or model.networks_ is None
        method = "deletion" if few else "masks"
    if method == "masks":
        costs, all_add = _added(model, node, target, near.nodes[pairs])
    else:
        each = [whole - size(without(known, pair[None])) for pair in pairs]
        costs = np.array(each)
    order = np.argsort(-np.abs(costs), kind="stable")

    def lost(sets: np.ndarray) -> np.ndarray:
        return np.array([whole - size(without(known, pairs[rows])) for rows in sets])

    edges = []
    for k in order:
        low, high = np.sort(near.nodes[pairs[k]]).tolist()
        edges.append(Edge(low, high, float(costs[k])))
    return EdgeExplanation(
        node,
        target,
        float(answer[target]),
        edges,
        compare_to_random(costs, lost, seed),
        rest,
        all_add,
        method,
        "number" if numeric else "log-odds",
    )


def _added(
    model: "NodeModel", node: int, target: int, pairs: np.ndarray
) -> tuple[np.ndarray, float]:
    """What each of the pairs [P, 2] of rows adds to the log-odds, or to the number, and
    what all edges do: means over the networks."""
    from vicinal.graphs.explain.edge_attribution import added

    members = model.networks_ or []
    total, whole = np.zeros(len(pairs)), 0.0
    low, high = np.sort(pairs, axis=1).T.reshape(2, -1)
    keys = low * len(model.known_.x) + high
    for member in range(len(members)):
        found = added(model, node, target, member=member)
        own = found.source * len(model.known_.x) + found.target
        place = dict(zip(own.tolist(), found.edges.tolist(), strict=True))
        total += [place.get(key, 0.0) for key in keys.tolist()]
        whole += found.all_messages - found.no_message
    return total / max(len(members), 1), whole / max(len(members), 1)


class Calibrated(Protocol):
    """What knows how its logits become probabilities."""

    objective_: Objective
    temperature_: float


def odds(model: Calibrated, logits: torch.Tensor, k: int) -> float:
    """log p_k / (1 - p_k) of logits [K], calibrated; also where p itself is rounded to
    1."""
    z = logits.double() / model.temperature_
    if model.objective_.kind == "multi_label":
        return float(z[k])
    others = torch.cat([z[:k], z[k + 1 :]])
    return float(z[k] - others.logsumexp(dim=0))


def _pairs_near(graph: Adjacency, row: int, hops: int) -> tuple[np.ndarray, int]:
    """Pairs [P, 2] that are joined within so many hops of a node, the nearest first,
    and how many there are beside."""
    found: dict[tuple[int, int], None] = {}
    sources = graph.incoming.sources.numpy()
    targets = graph.incoming.targets.numpy()
    for far in range(hops):
        inner = k_hop_nodes(graph, np.array([row]), far)
        own = np.isin(targets, inner) & (sources != targets)
        for a, b in zip(sources[own].tolist(), targets[own].tolist(), strict=True):
            found.setdefault((min(a, b), max(a, b)))
    pairs = np.array(list(found), np.int64).reshape(-1, 2)
    return pairs[:MOST], max(0, len(pairs) - MOST)


def without(known: LabelledGraph, pairs: np.ndarray) -> LabelledGraph:
    """The same graph without some pairs [P, 2] joined, in both directions."""
    graph = known.graph
    rows = graph.incoming
    sources, targets = rows.sources.long(), rows.targets.long()
    nodes = graph.num_nodes
    key = torch.minimum(sources, targets) * nodes + torch.maximum(sources, targets)
    low, high = torch.from_numpy(np.sort(pairs, axis=1)).unbind(1)
    kept = ~torch.isin(key, low * nodes + high)
    ends = torch.stack([sources[kept], targets[kept]])
    weight = None
    if known.weight is not None:
        weight = known.weight[rows.edges[kept].long()]
    return known._replace(graph=Adjacency.of(ends, nodes), weight=weight)
