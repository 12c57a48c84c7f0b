"""A network that aggregates scores instead of vectors, as GENI does.

::

    s^0_h(i) = scoring network of the features of i
    e_ij     = LeakyReLU(a_h [s_h(i), phi(p_ij), s_h(j)])
    alpha_ij = exp e_ij / sum over edges k of i of exp e_ik
    s^l_h(i) = sum over edges j of i, and itself, of  alpha_ij s^{l-1}_h(j)
    s*(i)    = mean over heads h of  (gamma_h log(d(i) + 1) + beta_h) s^L_h(i)

phi(p): a vector of each predicate in each direction, and of the self-loop. From the
second layer on, all heads read the mean of the heads below. Unlike in the paper,
several predicates between two entities are separate edges, and the last activation is
the identity, as targets are standardised.

N. Park, A. Kan, X. L. Dong, T. Zhao, C. Faloutsos: Estimating Node Importance in
Knowledge Graphs Using Graph Neural Networks, KDD 2019.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, linear

from vicinal.graphs.sparse.adjacency import Adjacency
from vicinal.graphs.sparse.aggregation import weighted_sum
from vicinal.graphs.sparse.edge_functions import add_endpoints, edge_softmax
from vicinal.knowledge.triple_graph import TripleGraph

LEAK, DROPOUT = 0.2, 0.3
"""factor of negative values in the leaky ReLU, and dropout of hidden features"""


class PredicateEdges(NamedTuple):
    """The edges of a knowledge graph in both directions, with self-loops."""

    graph: Adjacency
    predicates: Tensor
    """[A] int64, in the order of incoming edges: directed relations; 2R: self-loop"""

    log_degree: Tensor
    """[E] float32 log(triples + 1)"""

    @classmethod
    def from_graph(cls, graph: TripleGraph) -> "PredicateEdges":
        heads, relations, tails = map(torch.from_numpy, graph.directed.T.copy())
        own = torch.arange(graph.num_entities, dtype=torch.int32)
        source, target = torch.cat([tails, own]), torch.cat([heads, own])
        loops = torch.full_like(own, graph.num_directed)
        adjacency = Adjacency.from_coo(source, target, graph.num_entities)
        predicates = torch.cat([relations, loops]).long()
        degree = torch.from_numpy(np.log1p(graph.degrees).astype(np.float32))
        order = adjacency.incoming.edge_ids.long()
        return cls(adjacency, predicates[order], degree)


class NetworkConfig(NamedTuple):
    """Sizes of a network of scores."""

    features: int
    predicates: int
    hidden: int = 48
    heads: int = 4
    layers: int = 2
    predicate_features: int = 10


class ScoreLayer(nn.Module):
    """Attention over scores: [N, K] to [N, K], for K heads."""

    def __init__(self, heads: int, predicate_features: int) -> None:
        super().__init__()
        self.source = nn.Parameter(torch.zeros(heads))
        self.target = nn.Parameter(torch.zeros(heads))
        self.predicate = nn.Parameter(torch.zeros(predicate_features, heads))
        for parameter in (self.source, self.target, self.predicate):
            nn.init.normal_(parameter, std=0.1)

    def attention(self, scores: Tensor, phi: Tensor, edges: PredicateEdges) -> Tensor:
        """Return alpha [A, K]; scores: [N, K], phi: [P, F] of the predicates."""
        ends = add_endpoints(scores * self.source, scores * self.target, edges.graph)
        e = ends + (phi @ self.predicate).index_select(0, edges.predicates)
        return edge_softmax(leaky_relu(e, LEAK), edges.graph)

    def forward(self, scores: Tensor, phi: Tensor, edges: PredicateEdges) -> Tensor:
        alpha = self.attention(scores, phi, edges)
        heads = zip(scores.split(1, dim=1), alpha.unbind(1), strict=True)
        return torch.cat([weighted_sum(s, edges.graph, a) for s, a in heads], dim=1)


class ScoreNetwork(nn.Module):
    """Features [E, D] to standardised scores [E]."""

    mean: Tensor
    scale: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.zeros(config.features))
        self.register_buffer("scale", torch.ones(config.features))
        self.hidden = nn.Linear(config.features, config.hidden)
        self.scoring = nn.Linear(config.hidden, config.heads)
        self.dropout = nn.Dropout(DROPOUT)
        shape = config.predicates, config.predicate_features
        self.phi = nn.Parameter(torch.randn(shape) * 0.3)
        self.layers = nn.ModuleList(
            ScoreLayer(config.heads, config.predicate_features)
            for _ in range(config.layers)
        )
        self.gamma = nn.Parameter(torch.zeros(config.heads))
        self.beta = nn.Parameter(torch.ones(config.heads))
        self.bias = nn.Parameter(torch.zeros(()))

    def layer_scores(self, x: Tensor, edges: PredicateEdges) -> list[Tensor]:
        """Return the input [E, K] of each layer, and the output of the last."""
        weight = self.hidden.weight / self.scale  # standardises x without a copy of it
        hidden = linear(x, weight, self.hidden.bias - weight @ self.mean)
        z = self.dropout(torch.relu(hidden))
        found = [self.scoring(z)]
        for number, layer in enumerate(self.layers):
            scores = layer(found[-1], self.phi, edges)
            if number + 1 < len(self.layers):
                scores = scores.mean(dim=1, keepdim=True).expand_as(scores)
            found.append(scores)
        return found

    def forward(self, x: Tensor, edges: PredicateEdges) -> Tensor:
        scores = self.layer_scores(x, edges)[-1]
        centrality = edges.log_degree[:, None] * self.gamma + self.beta
        return (centrality * scores).mean(dim=1) + self.bias

    @torch.inference_mode()
    def predicate_attention(self, x: Tensor, edges: PredicateEdges) -> np.ndarray:
        """Return [L, P] how much attention an edge gets by its predicate.

        The mean over heads and edges of alpha times the number of edges of the entity:
        1 is as much as an average edge. NaN for predicates without edges.
        """
        rows = edges.graph.incoming
        number = rows.degrees.index_select(0, rows.row_indices).float()
        size, found = self.config.predicates, []
        counts = torch.bincount(edges.predicates, minlength=size)
        for layer, scores in zip(
            self.layers, self.layer_scores(x, edges), strict=False
        ):
            assert isinstance(layer, ScoreLayer)
            alpha = layer.attention(scores, self.phi, edges).mean(dim=1) * number
            total = torch.bincount(edges.predicates, alpha, minlength=size)
            found.append((total / counts).numpy())
        return np.stack(found)
