"""Training of a path network: cross-entropy of one answer among sampled entities.

Each step takes triples of the graph, removes each of them from the graph in which its
own question is answered (Z. Zhu et al. 2021, section 4.1), and scores its tail and a
sample of entities. Half of these are drawn at random, half as often as they answer the
relation; the logarithm of how many entities each stands for corrects its score (S. Jean
et al.: On using very large target vocabulary for neural machine translation, ACL 2015,
section 3). Other known answers are left out.
"""

import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vicinal.knowledge.models.path_edges import EntityEdges, PathQuestions
from vicinal.knowledge.models.path_network import PathNetwork, score_candidates
from vicinal.knowledge.triple_graph import TripleGraph


class PathTrainingOptions(NamedTuple):
    """How a path network is trained."""

    dim: int = 16
    num_layers: int = 3
    batch: int = 16
    """triples of a step"""

    sampled: int = 32
    """entities that are drawn for each triple; all if there are at most so many"""

    lr: float = 0.02


class PathStep(NamedTuple):
    """State of a training after a step."""

    model: PathNetwork
    done: float
    """share of the time"""

    loss: float
    """of the step, for each triple"""

    lr: float


def train_path_network(
    graph: TripleGraph, options: PathTrainingOptions, seconds: float, seed: int
) -> Iterator[PathStep]:
    """Yield the state after each step, until time is up; at least one step is made.

    The learning rate of Adam falls linearly to 0 over the budget.
    """
    rng = np.random.default_rng(seed)
    network = PathNetwork(graph.num_directed, options.dim, options.num_layers)
    network.reset_parameters(torch.Generator().manual_seed(seed))
    optimizer = torch.optim.Adam(network.parameters(), options.lr)
    edges, start, steps = EntityEdges(graph), time.perf_counter(), 0
    while True:
        order = rng.permutation(len(graph.directed))
        for first in range(0, len(order), options.batch):
            done = (time.perf_counter() - start) / seconds
            if done >= 1 and steps:
                return
            lr, steps = options.lr * max(1 - done, 0.0), steps + 1
            optimizer.param_groups[0]["lr"] = lr
            triples = graph.directed[order[first : first + options.batch]]
            loss = triple_loss(network, edges, triples, options, rng)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            yield PathStep(network, done, float(loss.detach()), lr)


def triple_loss(
    network: PathNetwork,
    edges: EntityEdges,
    triples: np.ndarray,
    options: PathTrainingOptions,
    rng: np.random.Generator,
) -> Tensor:
    """Return the mean cross-entropy of the tails of triples [Q, 3] of a graph."""
    entities, weights = _candidates(edges, triples, options.sampled, rng)
    scores = score_candidates(network, edges, PathQuestions(*triples.T), entities)
    logits = scores + torch.from_numpy(weights)
    return (torch.logsumexp(logits, dim=1) - logits[:, 0]).mean()


def _candidates(
    edges: EntityEdges, triples: np.ndarray, sampled: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return entities [Q, C], the tails first, and log weights; -inf: left out."""
    graph = edges.graph
    heads, relations, tails = triples.T
    rows = np.arange(len(triples))[:, None]
    if sampled >= graph.num_entities:
        drawn = np.tile(np.arange(graph.num_entities), (len(triples), 1))
        weights = np.zeros(drawn.shape, np.float32)
    else:
        drawn = rng.integers(graph.num_entities, size=(len(triples), sampled))
        first, last = (graph.relation_starts[relations + k][:, None] for k in (0, 1))
        half = sampled // 2
        answered = rng.integers(first, last, (len(triples), half))
        drawn[:, :half] = graph.directed[answered, 2]
        counts = edges.answer_counts(relations, drawn)
        expected = half * counts / (last - first)
        expected += (sampled - half) / graph.num_entities
        weights = -np.log(expected).astype(np.float32)
    is_known = np.zeros((len(triples), graph.num_entities), bool)
    starts, answers = graph.answers(heads, relations)
    is_known[np.repeat(rows[:, 0], np.diff(starts)), answers] = True
    weights[is_known[rows, drawn]] = -np.inf
    entities = np.concatenate([tails[:, None], drawn], axis=1)
    return entities, np.pad(weights, ((0, 0), (1, 0)))
