"""Relational graph convolutions: CompGCN, and relational GCN with bases.

In each layer an entity v combines the messages of its neighbours u:

    m_uv = phi(x_u, z_r)                                  for edges (u, r, v)
    x_v' = tanh(W_loop x_v + sum over directions k of  W_k mean of m_uv)
    z_r' = W_relation z_r

The directions are those of the data, and back. phi is

    "product"      x_u * z_r                              CompGCN, section 3.1
    "difference"   x_u - z_r
    "bases"        [a_r1 x_u, .., a_rB x_u]               relational GCN, eq. 3

where a_r are the first B elements of z_r: with W_k = [V_1, .., V_B] each relation has
the matrix  sum over b of a_rb V_b.  Messages are those of questions (u, r, ?), so that
one with many answers is computed once. The last layer's vectors are scored by ComplEx
and trained with its loss (`embedding_training`), through the whole graph in each step.

S. Vashishth, S. Sanyal, V. Nitin, P. Talukdar: Composition-based multi-relational graph
convolutional networks, ICLR 2020. M. Schlichtkrull et al.: Modeling relational data
with graph convolutional networks, ESWC 2018 (whose means are over each relation).
"""

import time
from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from vicinal.graphs.sparse.adjacency import Adjacency, csr_by_target
from vicinal.graphs.sparse.aggregation import aggregate
from vicinal.knowledge.models.embedding import ComplEx
from vicinal.knowledge.models.embedding_training import (
    Batch,
    Questions,
    TrainingOptions,
)
from vicinal.knowledge.triple_graph import TripleGraph

Composition = Literal["product", "difference", "bases"]
NUM_BASES = 2


class RelationalOptions(NamedTuple):
    """How a relational network is trained."""

    composition: Composition = "product"
    dim: int = 64
    """complex numbers of each vector that is scored"""

    num_layers: int = 1
    batch: int = 2048
    """questions of a step"""

    sampled: int = 512
    """entities that are drawn in a step, beside the answers; all if there are fewer"""

    lr: float = 0.01
    n3: float = 0.0


class Direction(NamedTuple):
    """The questions (u, r, ?) of one direction of the relations, and who answers."""

    heads: Tensor
    """[M]"""

    relations: Tensor
    """[M]"""

    answers: Adjacency
    """from the M questions to the E entities"""


def directions(graph: TripleGraph) -> list[Direction]:
    """Return the questions of the relations of the data, and of their inverses."""
    questions, found = Questions(graph), []
    middle = np.searchsorted(questions.relations, graph.num_relations)
    for part in (slice(0, middle), slice(middle, len(questions))):
        numbers = np.arange(len(questions))[part]
        rows, tails = questions.answers(numbers)
        source, target = (torch.from_numpy(x.astype(np.int32)) for x in (rows, tails))
        incoming = csr_by_target(source, target, graph.num_entities)
        heads = torch.from_numpy(questions.heads[part])
        relations = torch.from_numpy(questions.relations[part].astype(np.int64))
        answers = Adjacency(incoming, len(numbers))
        found.append(Direction(heads, relations, answers))
    return found


class RelationalLayer(nn.Module):
    """Entities [E, d] and relations [2R, d] to new ones."""

    def __init__(self, width: int, composition: Composition) -> None:
        super().__init__()
        self.composition: Composition = composition
        wide = width * (NUM_BASES if composition == "bases" else 1)
        self.directed = nn.ModuleList(
            [nn.Linear(wide, width, bias=False) for _ in range(2)]
        )
        self.loop = nn.Linear(width, width)
        self.relation = nn.Linear(width, width, bias=False)

    def compose(self, x: Tensor, z: Tensor) -> Tensor:
        """Return phi [M, d], or [M, B d], of entities [M, d] and relations [M, d]."""
        if self.composition == "product":
            return x * z
        if self.composition == "difference":
            return x - z
        return (z[:, :NUM_BASES, None] * x[:, None, :]).flatten(1)

    def forward(
        self, x: Tensor, z: Tensor, graph: list[Direction]
    ) -> tuple[Tensor, Tensor]:
        """graph: see `directions`."""
        total = self.loop(x)
        for linear, own in zip(self.directed, graph, strict=True):
            messages = self.compose(
                x.index_select(0, own.heads), z.index_select(0, own.relations)
            )
            total = total + linear(aggregate(messages, own.answers, "mean"))
        return torch.tanh(total), self.relation(z)


class RelationalNetwork(nn.Module):
    """Vectors of entities and directed relations, and layers that combine them."""

    def __init__(self, graph: TripleGraph, options: RelationalOptions) -> None:
        super().__init__()
        width = 2 * options.dim
        self.graph = directions(graph)
        self.entities = nn.Parameter(torch.empty(graph.num_entities, width))
        self.relations = nn.Parameter(torch.empty(graph.num_directed, width))
        layers = range(options.num_layers)
        self.layers = nn.ModuleList(
            [RelationalLayer(width, options.composition) for _ in layers]
        )

    def reset_parameters(self, generator: torch.Generator) -> None:
        """Draw all weights (X. Glorot and Y. Bengio 2010); biases are 0."""
        with torch.no_grad():
            for parameter in self.parameters():
                if parameter.ndim == 1:
                    parameter.zero_()
                else:
                    nn.init.xavier_normal_(parameter, generator=generator)

    def forward(self) -> tuple[Tensor, Tensor]:
        """Return the vectors of entities [E, 2d] and relations [2R, 2d] to score."""
        x, z = self.entities, self.relations
        for layer in self.layers:
            x, z = layer(x, z, self.graph)
        return x, z

    @torch.no_grad()
    def embedding(self) -> ComplEx:
        """Return the vectors of the last layer, which need no graph to be scored."""
        x, z = self()
        model = ComplEx(len(x), len(z), x.shape[1] // 2)
        model.entities.copy_(x)
        model.relations.copy_(z)
        return model


class RelationalStep(NamedTuple):
    """State of a training after a step."""

    model: RelationalNetwork
    done: float
    """share of the time"""

    loss: float
    """of the step, for each answer"""

    lr: float


def train_relational_network(
    graph: TripleGraph, options: RelationalOptions, seconds: float, seed: int
) -> Iterator[RelationalStep]:
    """Yield the state after each step, until time is up; at least one step is made.

    The learning rate of Adam falls linearly to 0 over the budget.
    """
    rng = np.random.default_rng(seed)
    network = RelationalNetwork(graph, options)
    network.reset_parameters(torch.Generator().manual_seed(seed))
    optimizer = torch.optim.Adam(network.parameters(), options.lr)
    sampling = TrainingOptions(sampled=options.sampled)
    questions, start, steps = Questions(graph), time.perf_counter(), 0
    while True:
        order = rng.permutation(len(questions))
        for first in range(0, len(order), options.batch):
            done = (time.perf_counter() - start) / seconds
            if done >= 1 and steps:
                return
            lr, steps = options.lr * max(1 - done, 0.0), steps + 1
            optimizer.param_groups[0]["lr"] = lr
            numbers = order[first : first + options.batch]
            batch = Batch.draw(questions, numbers, graph.num_entities, sampling, rng)
            x, z = network()
            entities = x[torch.from_numpy(batch.entities)]
            relations = z[torch.from_numpy(batch.relations)]
            loss = batch.loss(entities, relations, options.n3) / batch.num_answers
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            yield RelationalStep(network, done, float(loss.detach()), lr)
