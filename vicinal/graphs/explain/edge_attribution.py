"""What each edge, and each feature, adds to the answer for a node.

Every message on an edge is multiplied by the same number m, from none (m = 0) to all
(m = 1), and what each edge adds on the way is summed up::

    a_e = integral from 0 to 1 of  df(m, ..., m) / dm_e  dm
    sum over edges of a_e = f(all messages) - f(no message)

f is the log-odds of a class, or the number. It is the path method of integrated
gradients (M. Sundararajan, A. Taly, Q. Yan: Axiomatic Attribution for Deep Networks,
ICML 2017, section 3) with messages in place of pixels; an edge in several layers is one
edge. The same with features in place of messages says what those add. Nothing is
learned and nothing drawn, so another seed gives the same, and only the node's
surroundings are computed. GNNExplainer's masks (Ying et al., NeurIPS 2019) answer the
same question by some hundred steps of learning.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from vicinal.core.objective import Numeric
from vicinal.errors import SettingError
from vicinal.graphs.nodes.labelled_graph import LabelledGraph
from vicinal.graphs.nodes.receptive_field import field_of
from vicinal.graphs.sparse.adjacency import Adjacency, WeightedAdjacency, weighted_sum

if TYPE_CHECKING:
    from vicinal.graphs.node_model import NodeModel

STEPS = 16
"""points on the way"""


@dataclass(frozen=True, kw_only=True)
class Masked(Adjacency):
    """A graph whose messages are multiplied by a mask; degrees stay what they are."""

    mask: Tensor  # pyright: ignore[reportIncompatibleVariableOverride]
    """[E], in the order of arriving edges"""

    whole: Adjacency
    weight: Tensor | None
    """[E] of the whole, as edges are listed"""

    is_part: ClassVar[bool] = True

    @cached_property
    def without_self_loop(self) -> Tensor:
        return self.whole.without_self_loop

    @cached_property
    def add_self_loops(self) -> "Masked":
        """Loops that are added have the mask 1: they are no messages of others."""
        graph = self.whole.add_self_loops
        new = len(graph.incoming.sources) - len(self.mask)
        listed = torch.cat([self.mask, self.mask.new_ones(new)])
        mask = listed[graph.incoming.edges]
        given = graph.incoming, graph.num_sources
        return Masked(*given, mask=mask, whole=graph, weight=None)

    @cached_property
    def normalised(self) -> "MaskedWeights":  # pyright: ignore[reportIncompatibleVariableOverride]
        """GCN's weights, as the whole has them."""
        return MaskedWeights(self.add_self_loops, normalised(self.whole, self.weight))


class MaskedWeights(NamedTuple):
    """Weights that do not change, of messages that are masked."""

    graph: Masked
    weights: WeightedAdjacency

    def sum(self, x: Tensor) -> Tensor:
        """[N, F], of x [N, F]."""
        return weighted_sum(x, self.graph, self.weights.incoming)


def normalised(graph: Adjacency, weight: Tensor | None) -> WeightedAdjacency:
    """GCN's weights of a graph whose edges have weights [E], as they are listed."""
    if weight is None:
        return graph.normalised
    loops, rows = graph.add_self_loops, graph.incoming
    own = weight[rows.edges]
    ones = torch.ones(graph.num_sources, 1)
    degree = (weighted_sum(ones, graph, own) + graph.without_self_loop)[:, 0]
    root = torch.where(degree > 0, degree, torch.inf).rsqrt()
    new = loops.num_edges - graph.num_edges
    listed = torch.cat([own, own.new_ones(new)])[loops.incoming.edges]
    ends = loops.incoming
    return WeightedAdjacency(loops, listed * root[ends.sources] * root[ends.targets])


def masked(graph: Adjacency, mask: Tensor, weight: Tensor | None = None) -> Masked:
    """A graph with a mask [E], in the order of its arriving edges."""
    given = graph.incoming, graph.num_sources
    return Masked(*given, mask=mask, whole=graph, weight=weight)


class Attribution(NamedTuple):
    """What edges and features add to the answer for one node."""

    nodes: np.ndarray
    """[M] rows of the whole graph: the surroundings that were computed"""

    source: np.ndarray
    target: np.ndarray
    """[P] rows of the whole graph; of an edge both ways the smaller first"""

    edges: np.ndarray
    """[P] what the edges add, both ways together, the most first"""

    features: np.ndarray
    """[M, F] what each feature of each node adds"""

    all_messages: float
    no_message: float
    """log-odds of the class, or the number"""

    off_edges: float
    """how far the sum of the edges is from the difference of the two"""

    no_feature: float
    """the same where no feature is anything"""


def added(
    model: "NodeModel", node: int, target: int, steps: int = STEPS, member: int = 0
) -> Attribution:
    """What edges and features add, by one network of a model. target: a class row.

    SettingError where no network answers: `surroundings` takes the first answer apart.
    """
    if model.networks_ is None:
        raise SettingError(
            "The first answer has no messages to mask: `vicinal explain RUN NODE` "
            "takes it apart."
        )
    network = model.networks_[member].eval()
    near = field_of(model.known_, np.array([node]), network.hops)
    known, row = near.known, int(near.rows[0])

    def answer(x: Tensor, graph: Adjacency) -> Tensor:
        said = network(x, graph, known.weight)[row]
        if isinstance(model.objective_, Numeric):
            return said[0] * model.objective_.std + model.objective_.mean
        if model.objective_.kind == "multi_label":
            return said[target]
        others = torch.cat([said[:target], said[target + 1 :]])
        return said[target] - others.logsumexp(dim=0)

    def by_mask(mask: Tensor) -> Tensor:
        return answer(known.x, masked(known.graph, mask, known.weight))

    count = known.graph.num_edges
    slopes, first, last = along(by_mask, torch.ones(count), steps)
    of_features, nothing, _ = along(lambda x: answer(x, known.graph), known.x, steps)
    source, target_rows, edges = _pairs(known, slopes)
    lacks = abs(float(slopes.sum()) - (last - first))
    return Attribution(
        near.nodes,
        near.nodes[source],
        near.nodes[target_rows],
        edges,
        of_features.numpy(),
        last,
        first,
        lacks,
        nothing,
    )


def along(
    f: Callable[[Tensor], Tensor], end: Tensor, steps: int
) -> tuple[Tensor, float, float]:
    """Integrated gradients on the straight way from 0 to `end`; f of both.

    The midpoint rule, with `steps` points.
    """
    total = torch.zeros_like(end)
    for k in range(steps):
        point = (end * ((k + 0.5) / steps)).requires_grad_()
        total += torch.autograd.grad(f(point), point)[0]
    with torch.no_grad():
        first, last = float(f(torch.zeros_like(end))), float(f(end))
    return total * end / steps, first, last


def _pairs(known: LabelledGraph, slopes: Tensor) -> tuple[np.ndarray, ...]:
    """Edges both ways as one: ends [P] and sums [P], the largest first."""
    rows, nodes = known.graph.incoming, known.graph.num_nodes
    ends = torch.stack([rows.sources, rows.targets]).long().numpy()
    low, high = ends.min(axis=0), ends.max(axis=0)
    key, member = np.unique(low * nodes + high, return_inverse=True)
    total = np.bincount(member, slopes.numpy(), minlength=len(key))
    there = total != 0  # others lie too far away to have a say
    key, total = key[there], total[there]
    order = np.argsort(-total, kind="stable")
    return key[order] // nodes, key[order] % nodes, total[order]
