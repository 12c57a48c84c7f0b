"""A path network against its formula, counted paths, differences and new entities."""

from itertools import islice

import numpy as np
import pytest
import torch
from torch import Tensor

from vicinal.knowledge.evaluation.ranking import filtered_ranks
from vicinal.knowledge.models.path_edges import EntityEdges, PathQuestions, path_layers
from vicinal.knowledge.models.path_network import FLOOR, PathNetwork, PathScorer
from vicinal.knowledge.models.path_network_training import (
    PathTrainingOptions,
    train_path_network,
    triple_loss,
)
from vicinal.knowledge.triple_graph import TripleGraph

ENTITIES, RELATIONS = 8, 3


def random_graph(seed: int, count: int = 14) -> TripleGraph:
    rng = np.random.default_rng(seed)
    codes = rng.choice(ENTITIES * RELATIONS * ENTITIES, count, replace=False)
    triples = np.stack(np.unravel_index(codes, (ENTITIES, RELATIONS, ENTITIES)), 1)
    return TripleGraph(triples, ENTITIES, RELATIONS)


@torch.no_grad()
def scores_by_formula(
    network: PathNetwork,
    graph: TripleGraph,
    head: int,
    relation: int,
    hidden: int | None = None,
) -> Tensor:
    """Return the scores [E], edge by edge and entity by entity."""
    z = network.questions[relation]
    states, reached = torch.zeros(graph.num_entities, network.dim), {head}
    states[head] = z
    back = int(graph.inverse(np.array(relation)))
    removed = {(head, relation, hidden), (hidden, back, head)}
    edges = [e for e in map(tuple, graph.directed.tolist()) if e not in removed]
    for t in range(network.num_layers):
        sums, following = torch.zeros_like(states), set(reached)
        sums[head] = z
        for u, r, v in edges:
            if u in reached:
                weight = network.weight[t, r] @ z + network.bias[t, r]
                sums[v] += states[u] * weight
                following.add(v)
        new = torch.zeros_like(states)
        for v in following:
            d = torch.tensor(float(graph.degrees[v]))
            mean = sums[v] / max(d, 1)
            inputs = torch.cat([states[v], mean, mean * torch.log(1 + d)])
            linear = network.norms[t](network.updates[t](inputs))
            new[v] = torch.relu(linear) + states[v]
        states, reached = new, following
    counts = torch.from_numpy(graph.tail_counts[relation].toarray()[0])
    inputs = torch.cat([states, z.expand_as(states)], dim=1)
    by_paths = network.output(torch.relu(network.hidden(inputs)))[:, 0]
    return by_paths + network.popularity[relation] * torch.log(counts + FLOOR)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_scores_equal_the_formula(layers, random_network):
    graph, network = random_graph(layers), random_network(RELATIONS, layers)
    scorer = PathScorer(network, graph)
    heads = np.array([5, 0, 3])
    for relation in (1, 4):
        expected = [
            scores_by_formula(network, graph, int(h), relation).numpy() for h in heads
        ]
        found = scorer(heads, relation)
        np.testing.assert_allclose(found, np.stack(expected), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_candidates_are_scored_without_the_hidden_edge(layers, random_network):
    graph, network = random_graph(3), random_network(RELATIONS, layers)
    edges = EntityEdges(graph)
    heads, relations, tails = graph.directed[[0, 4, 9, 20]].T
    candidates = np.stack([tails, (tails + 3) % ENTITIES], axis=1)
    codes = (np.arange(4)[:, None] * ENTITIES + candidates).ravel()
    asked = PathQuestions(heads, relations, tails)
    own = torch.from_numpy(relations.astype(np.int64))
    z = network.questions[own]
    steps = path_layers(edges, asked, layers, codes)
    states, pairs = network.states(z, steps, edges.degrees)
    assert set(pairs) <= set(codes)
    wide = torch.zeros(4 * ENTITIES, network.dim)
    wide[torch.from_numpy(pairs)] = states[:-1].detach()
    kinds = own.repeat_interleave(2)
    rows = torch.from_numpy(candidates.ravel()).long()
    counts = torch.from_numpy(graph.tail_counts.toarray())[kinds, rows]
    found = network.score(wide[torch.from_numpy(codes)], kinds, counts)
    expected = [
        scores_by_formula(network, graph, int(h), int(r), int(t))[list(c)]
        for h, r, t, c in zip(heads, relations, tails, candidates, strict=True)
    ]
    torch.testing.assert_close(found, torch.cat(expected), rtol=1e-4, atol=1e-5)


def test_an_entity_without_edges_can_be_asked_about(random_network):
    graph = TripleGraph(np.array([(0, 0, 1), (1, 2, 2)]), ENTITIES, RELATIONS)
    network = random_network(RELATIONS, 3)
    found = PathScorer(network, graph)(np.array([7, 0]), 0)
    for row, head in enumerate((7, 0)):
        expected = scores_by_formula(network, graph, head, 0).numpy()
        np.testing.assert_allclose(found[row], expected, rtol=1e-4, atol=1e-5)


class CountingNetwork(PathNetwork):
    """States are sums of messages."""

    def update(self, t: int, previous: Tensor, total: Tensor, degrees: Tensor):
        return total


def test_with_weights_of_1_paths_are_counted():
    graph, network = random_graph(5), CountingNetwork(2 * RELATIONS, 2, 3)
    for parameter, value in (
        (network.questions, 1.0),
        (network.weight, 0.0),
        (network.bias, 1.0),
    ):
        torch.nn.init.constant_(parameter, value)
    heads = np.arange(ENTITIES)
    asked = PathQuestions(heads, np.zeros(ENTITIES, int))
    layers = path_layers(EntityEdges(graph), asked, 3)
    states, pairs = network.states(network.questions[asked.relations], layers, heads)
    step = sum(graph.adjacency(r).toarray() for r in range(2 * RELATIONS))
    expected = sum(np.linalg.matrix_power(step, k) for k in range(4))
    counts = np.zeros(ENTITIES**2)
    counts[pairs] = states[:-1, 0].detach().numpy()
    np.testing.assert_array_equal(counts.reshape(ENTITIES, -1), expected)


def test_gradients_equal_differences(random_network):
    graph, network = random_graph(1), random_network(RELATIONS, 3).double()
    options = PathTrainingOptions(sampled=100)
    triples, generator = graph.directed[:6], torch.Generator().manual_seed(0)

    def loss() -> Tensor:
        rng = np.random.default_rng(0)
        return triple_loss(network, EntityEdges(graph), triples, options, rng)

    loss().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        step = torch.randn(parameter.shape, generator=generator).double() * 1e-6
        values = []
        for sign in (1, -2):  # from theta to theta + step to theta - step
            parameter.data += sign * step
            values.append(float(loss().detach()))
        parameter.data += step
        expected = float((parameter.grad * step).sum())
        difference = (values[0] - values[1]) / 2
        assert difference == pytest.approx(expected, rel=1e-3, abs=1e-11), name


def test_scores_do_not_depend_on_the_order_of_entities(random_network):
    graph, network = random_graph(7), random_network(RELATIONS, 3)
    order = np.random.default_rng(1).permutation(ENTITIES)
    heads, relations, tails = graph.triples.T
    other = np.stack([order[heads], relations, order[tails]], axis=1)
    moved = TripleGraph(other, ENTITIES, RELATIONS)
    asked = np.arange(ENTITIES)
    before = PathScorer(network, graph)(asked, 2)
    after = PathScorer(network, moved)(order[asked], 2)
    np.testing.assert_allclose(after[:, order], before, rtol=1e-4, atol=1e-5)


PARENT, GRANDPARENT = 0, 1


def family(people: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return parents, and grandparents, of people with two parents: triples [N, 3]."""
    rng = np.random.default_rng(seed)
    parents = {child: rng.choice(child, 2, replace=False) for child in range(8, people)}
    first = [(c, PARENT, p) for c, both in parents.items() for p in both]
    second = {
        (c, GRANDPARENT, g)
        for c, both in parents.items()
        for p in both
        for g in parents.get(p, ())
    }
    return np.array(first), np.array(sorted(second))


def test_a_rule_of_composition_is_learned_for_new_entities():
    graph = TripleGraph(np.concatenate(family(80, 0)), 80, 2)
    options = PathTrainingOptions(dim=8, num_layers=2, lr=0.03)
    *_, last = islice(train_path_network(graph, options, 1e9, 0), 80)
    parents, grandparents = family(60, 1)
    held_out = np.arange(len(grandparents)) % 4 == 0
    facts = np.concatenate([parents, grandparents[~held_out]])
    known = TripleGraph(np.concatenate([parents, grandparents]), 60, 2)
    scorer = PathScorer(last.model, TripleGraph(facts, 60, 2))
    ranks = filtered_ranks(
        lambda heads, relation: {"paths": scorer(heads, relation)},
        grandparents[held_out],
        known,
    )["paths"]
    assert np.mean(1 / ranks) > 0.95
