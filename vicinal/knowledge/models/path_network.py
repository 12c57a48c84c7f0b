"""A path network: the learned form of the rules of paths.

For a question (h, q, ?) with the vector z_q, a state of each entity v is computed as in
the algorithm of Bellman and Ford, with vectors instead of lengths:

    h_v^0 = z_q where v = h, 0 elsewhere
    s_v   = h_v^0 + sum over edges (u, r, v) of  h_u^{t-1} * (W_r^t z_q + b_r^t)
    h_v^t = relu(norm(U^t [h_v^{t-1}, s_v / d_v, log(1 + d_v) s_v / d_v])) + h_v^{t-1}
    score(v) = MLP([h_v^T, z_q]) + a_q log(n_qv + FLOOR)

* is the product by elements: a path r1, .., rT counts by the product of the weights of
its relations, and a product is learned where a rule is mined. d_v is the number of
edges of v, n_qv how often v answers q. Entities that no path of T edges leads to have
the state 0. Nothing is learned of an entity itself, so that a new one is answered like
any other.

Z. Zhu, Z. Zhang, L.-P. Xhonneux, J. Tang: Neural Bellman-Ford networks, NeurIPS 2021,
section 3.3 and algorithm 1. The mean and its scaling by degree are two of the twelve
parts of their aggregation (G. Corso et al.: Principal neighbourhood aggregation,
NeurIPS 2020). n_qv is added here.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from vicinal.graphs.sparse.adjacency import CSR
from vicinal.graphs.sparse.aggregation import sum_rows
from vicinal.knowledge.models.path_edges import (
    EntityEdges,
    Layer,
    PathQuestions,
    path_layers,
)
from vicinal.knowledge.triple_graph import TripleGraph

FLOOR = 0.01
"""answers that are added to those that are known of an entity"""


class PathNetwork(nn.Module):
    """Vectors and weights of directed relations; none of entities."""

    def __init__(self, num_directed: int, dim: int, num_layers: int) -> None:
        super().__init__()
        self.num_directed, self.dim, self.num_layers = num_directed, dim, num_layers
        self.questions = nn.Parameter(torch.empty(num_directed, dim))  # z
        shape = num_layers, num_directed, dim
        self.weight = nn.Parameter(torch.empty(*shape, dim))  # W
        self.bias = nn.Parameter(torch.empty(shape))  # b
        layers = range(num_layers)
        self.updates = nn.ModuleList([nn.Linear(3 * dim, dim) for _ in layers])  # U
        self.norms = nn.ModuleList([nn.LayerNorm(dim) for _ in layers])
        width = 2 * dim
        self.hidden = nn.Linear(width, width)  # the MLP
        self.output = nn.Linear(width, 1)
        self.popularity = nn.Parameter(torch.ones(num_directed))  # a

    def reset_parameters(self, generator: torch.Generator) -> None:
        """Draw all weights. The scores are those of popularity at first."""
        with torch.no_grad():
            self.questions.normal_(0, 1, generator=generator)
            self.weight.normal_(0, 0.3 / self.dim**0.5, generator=generator)
            self.bias.normal_(0, 1, generator=generator)
            for module in self.modules():
                if isinstance(module, nn.Linear):
                    bound = (6 / sum(module.weight.shape)) ** 0.5
                    module.weight.uniform_(-bound, bound, generator=generator)
                    module.bias.zero_()
            nn.init.zeros_(self.output.weight)

    def edge_weights(self, t: int, z: Tensor) -> Tensor:
        """Return W_r z + b_r [Q, 2R, d] of layer t for vectors of questions [Q, d]."""
        wide = z @ self.weight[t].reshape(-1, self.dim).T
        return wide.view(len(z), self.num_directed, self.dim) + self.bias[t]

    def update(
        self, t: int, previous: Tensor, total: Tensor, degrees: Tensor
    ) -> Tensor:
        """Return the states [P, d]. total: s [P, d]. degrees: [P, 1]."""
        mean = total / degrees.clamp(min=1)
        inputs = torch.cat([previous, mean, mean * torch.log1p(degrees)], dim=1)
        return torch.relu(self.norms[t](self.updates[t](inputs))) + previous

    def states(
        self, z: Tensor, layers: Iterable[Layer], degrees: np.ndarray
    ) -> tuple[Tensor, np.ndarray]:
        """Return the states [P + 1, d] of the last layer, the last 0, and its pairs.

        z: [Q, d]. degrees: [E].
        """
        state, pairs = _with_zeros(z), np.zeros(0)
        for t, layer in enumerate(layers):
            pairs = layer.pairs
            weights = self.edge_weights(t, z).flatten(0, 1)
            total = _SumMessages.apply(state, weights, layer)
            total = total.index_add(0, torch.from_numpy(layer.starts).long(), z)
            d = torch.from_numpy(degrees[pairs % len(degrees)]).float()[:, None]
            previous = state[torch.from_numpy(layer.previous).long()]
            state = _with_zeros(self.update(t, previous, total[:-1], d))
        return state, pairs

    def score(self, states: Tensor, relations: Tensor, counts: Tensor) -> Tensor:
        """Return the scores [N] of entities with states [N, d].

        relations: [N] q. counts: [N] n_qv.
        """
        inputs = torch.cat([states, self.questions[relations]], dim=1)
        by_popularity = self.popularity[relations] * (counts + FLOOR).log()
        return self.output(torch.relu(self.hidden(inputs)))[:, 0] + by_popularity


def score_candidates(
    network: PathNetwork,
    edges: EntityEdges,
    questions: PathQuestions,
    candidates: np.ndarray,
) -> Tensor:
    """Return the scores [Q, C] of some entities [Q, C] as answers to each question."""
    heads, relations, hidden = questions
    codes = np.arange(len(heads))[:, None] * edges.num_entities + candidates
    layers = path_layers(edges, questions, network.num_layers, codes.ravel())
    own = torch.from_numpy(relations.astype(np.int64))
    states, pairs = network.states(network.questions[own], layers, edges.degrees)
    places = np.searchsorted(pairs, codes)
    is_reached = np.append(pairs, -1)[places] == codes
    places = torch.from_numpy(np.where(is_reached, places, len(pairs))).flatten()
    counts = edges.answer_counts(relations, candidates)
    if hidden is not None:
        counts -= candidates == hidden[:, None]
    kinds = own.repeat_interleave(candidates.shape[1])
    counts = torch.from_numpy(counts).flatten()
    return network.score(states[places], kinds, counts).view(candidates.shape)


class PathScorer:
    """Scores of all entities of a graph by a path network."""

    def __init__(self, network: PathNetwork, graph: TripleGraph) -> None:
        """graph: may have other entities than the one of the training."""
        self.network, self.graph = network, graph
        self.edges = EntityEdges(graph)
        self.incoming, self.relations = self.edges.incoming()
        self.degrees = torch.from_numpy(graph.degrees).float()[:, None, None]

    @torch.inference_mode()
    def __call__(self, heads: np.ndarray, relation: int) -> np.ndarray:
        """Return the scores [N, E] of all entities as answers of heads [N]."""
        size = max(self.graph.questions_at_once // 8, 1)  # states are d scores wide
        blocks = [heads[k : k + size] for k in range(0, len(heads), size)]
        return np.concatenate([self._scores(block, relation) for block in blocks])

    def _scores(self, heads: np.ndarray, relation: int) -> np.ndarray:
        """The last layer, where nearly all pairs are reached, is a dense one."""
        net, size = self.network, (self.graph.num_entities, len(heads))
        questions = PathQuestions(heads, np.full(len(heads), relation))
        last = net.num_layers - 1
        layers = path_layers(self.edges, questions, last)
        z = net.questions[relation].expand(len(heads), -1)
        state, pairs = net.states(z, layers, self.graph.degrees)
        if not last:
            pairs = np.arange(len(heads)) * size[0] + heads
        numbers, entities = map(torch.from_numpy, np.divmod(pairs, size[0]))
        dense = torch.zeros(*size, net.dim)  # [E, N, d]
        dense[entities, numbers] = state[:-1]
        total = self._sums(dense, net.edge_weights(last, z[:1])[0])
        total[torch.from_numpy(heads).long(), torch.arange(len(heads))] += z
        reached = torch.zeros(size)
        reached[entities, numbers] = 1
        reached = (reached + sum_rows(reached, self.incoming)) > 0
        degrees = self.degrees.expand(*size, 1)[reached]
        dense[reached] = net.update(last, dense[reached], total[reached], degrees)
        counts = torch.from_numpy(self.graph.tail_counts[relation].toarray()[0])
        rows = dense.view(-1, net.dim)
        counts = counts[:, None].expand(size).reshape(-1)
        scores = net.score(rows, torch.full((len(rows),), relation), counts)
        return scores.view(size).T.numpy()

    def _sums(self, states: Tensor, weights: Tensor) -> Tensor:
        """Return the sums of messages [E, N, d]: a sparse product for each element.

        states: [E, N, d]. weights: [2R, d] of the relations.
        """
        of_edges = weights.T[:, torch.from_numpy(self.relations).long()]
        columns = states.permute(2, 0, 1).contiguous()
        sums = [
            sum_rows(x, self.incoming, w)
            for x, w in zip(columns, of_edges, strict=True)
        ]
        return torch.stack(sums, dim=2)


class _SumMessages(torch.autograd.Function):
    """Sum  state[source] * weight[kind]  over the messages of each pair: [P + 1, d]."""

    @staticmethod
    def forward(ctx: Any, state: Tensor, weight: Tensor, layer: Layer) -> Tensor:
        ctx.layer = layer
        ctx.save_for_backward(state, weight)
        messages = _rows(state, layer.sources).mul_(_rows(weight, layer.kinds))
        return sum_rows(messages, _grouped(layer.targets, len(layer.pairs) + 1))

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grads: Tensor
    ) -> tuple[Tensor | None, ...]:
        (state, weight), layer = ctx.saved_tensors, ctx.layer
        grad = _rows(grads[0], layer.targets)
        of_state = _rows(weight, layer.kinds).mul_(grad)
        of_weight = _rows(state, layer.sources).mul_(grad)
        return (
            sum_rows(of_state, _grouped(layer.sources, len(state))),
            sum_rows(of_weight, _grouped(layer.kinds, len(weight))),
            None,
        )


def _rows(x: Tensor, rows: np.ndarray) -> Tensor:
    return x.index_select(0, torch.from_numpy(rows))


def _grouped(rows: np.ndarray, count: int) -> CSR:
    """Return which entries [M] belong to each of `count` rows."""
    ids = np.arange(len(rows), dtype=np.int32)
    entries = np.ones(len(rows), np.int8), (rows, ids)
    found = csr_matrix(entries, (count, len(rows)))
    indptr, indices = map(torch.from_numpy, (found.indptr, found.indices))
    return CSR(indptr, indices, indices)


def _with_zeros(x: Tensor) -> Tensor:
    return torch.cat([x, x.new_zeros(1, x.shape[1])])
