"""Features against naive computations, PageRank and centralities against networkx."""

import networkx as nx
import numpy as np
import pytest
from scipy.sparse import csr_matrix

from vicinal.knowledge.importance.features.centralities import (
    MEANINGS,
    centralities,
    centrality_table,
)
from vicinal.knowledge.importance.features.graph_features import (
    DEGREE_NAMES,
    GraphFeatures,
    NewFacts,
)
from vicinal.knowledge.importance.features.pagerank import pagerank, pagerank_of_new
from vicinal.knowledge.importance.features.shared_labels import (
    SHRINKAGE,
    SharedLabels,
    out_of_fold_columns,
)
from vicinal.knowledge.importance.models.stacked import make_folds
from vicinal.knowledge.triple_graph import TripleGraph

ENTITIES, RELATIONS = 60, 4


@pytest.fixture(scope="module")
def graph() -> TripleGraph:
    rng = np.random.default_rng(1)
    rows = [rng.integers(ENTITIES, size=300), rng.integers(RELATIONS, size=300)]
    tails = (rng.random(300) ** 2 * (ENTITIES - 5)).astype(int)  # the last are no tails
    triples = np.unique(np.stack([*rows, tails], axis=1), axis=0)
    return TripleGraph(triples, ENTITIES, RELATIONS)


@pytest.fixture(scope="module")
def features(graph) -> GraphFeatures:
    return GraphFeatures(graph)


def digraph(graph: TripleGraph) -> nx.DiGraph:
    found = nx.DiGraph()
    found.add_nodes_from(range(graph.num_entities))
    for head, _, tail in graph.triples.tolist():
        weight = found.get_edge_data(head, tail, {"weight": 0})["weight"]
        found.add_edge(head, tail, weight=weight + 1)
    return found


def test_pagerank_is_that_of_networkx(graph, features):
    expected = nx.pagerank(digraph(graph), tol=1e-12, max_iter=500)
    found = pagerank(features.edges)
    np.testing.assert_allclose(found, [expected[k] for k in range(ENTITIES)], atol=1e-8)
    restart = np.zeros(ENTITIES)
    restart[[3, 7]] = 1, 2
    people = {3: 1, 7: 2}
    expected = nx.pagerank(
        digraph(graph), tol=1e-12, max_iter=500, personalization=people
    )
    found = pagerank(features.edges, restart)
    np.testing.assert_allclose(found, [expected[k] for k in range(ENTITIES)], atol=1e-8)


def test_pagerank_of_a_new_entity_is_nearly_that_after_adding_it(features):
    edges = features.both_edges.toarray()
    sources = np.array([0, 4, 9])
    larger = np.zeros((ENTITIES + 1, ENTITIES + 1))
    larger[:-1, :-1] = edges
    larger[-1, sources] = larger[sources, -1] = 1
    exact = pagerank(csr_matrix(larger))[-1]
    found = pagerank_of_new(features.ranks, edges.sum(axis=1), sources)
    assert found == pytest.approx(exact, rel=0.1)


def test_centralities_are_those_of_networkx(graph):
    found = centralities(graph, sources=None)
    simple = nx.Graph(digraph(graph))
    simple.remove_edges_from(nx.selfloop_edges(simple))
    expected = {
        "betweenness": nx.betweenness_centrality(simple),
        "closeness": nx.closeness_centrality(simple),
        "k_core": nx.core_number(simple),
        "in_degree": dict(enumerate(np.bincount(graph.triples[:, 2], minlength=60))),
        "degree": dict(enumerate(graph.degrees)),
    }
    for name, values in expected.items():
        truth = [values[k] for k in range(ENTITIES)]
        np.testing.assert_allclose(found[name], truth, atol=1e-9, err_msg=name)
    assert set(found) == set(MEANINGS)
    sampled = centralities(graph, sources=30)
    assert np.corrcoef(sampled["betweenness"], found["betweenness"])[0, 1] > 0.8


def test_centrality_table_is_in_the_order_of_pagerank(graph):
    names = np.array([f"e{k}" for k in range(ENTITIES)], object)
    frame = centrality_table(graph, names)
    assert (np.diff(frame["pagerank"]) <= 0).all() and len(frame) == ENTITIES


def facts_of(graph: TripleGraph, entity: int) -> set[tuple[int, int]]:
    rows = graph.directed[graph.directed[:, 0] == entity]
    return {(int(r), int(t)) for _, r, t in rows}


def test_mean_label_of_sharers_is_that_of_a_loop(graph, features):
    rng = np.random.default_rng(2)
    labelled = rng.permutation(ENTITIES)[:40]
    labels = rng.normal(size=40).astype(np.float32) + 3
    shared = SharedLabels.fit(graph.facts, labelled, labels)
    entities = np.arange(ENTITIES)
    found = shared.columns(features.rows, entities)
    known = dict(zip(labelled.tolist(), labels.tolist(), strict=True))
    facts = [facts_of(graph, k) for k in range(ENTITIES)]
    for entity in range(ENTITIES):
        terms = [
            known[other] - labels.mean()
            for fact in facts[entity]
            for other in known
            if other != entity and fact in facts[other]
        ]
        mean = sum(terms) / (len(terms) + SHRINKAGE)
        assert found[entity, 0] == pytest.approx(mean, abs=1e-4)
        near = [o for _, o in facts[entity] if o in known and o != entity]
        neighbours = [o for _, o in facts[entity] if o in known]
        assert len(near) <= len(neighbours)
        mean = sum(known[o] - labels.mean() for o in near) / (len(near) + 1)
        assert found[entity, 6] == pytest.approx(mean, abs=1e-4)


def test_label_features_do_not_depend_on_the_own_label(graph, features):
    labelled = np.arange(40)
    labels = np.random.default_rng(3).normal(size=40).astype(np.float32)
    folds, rows = make_folds(40, 5, 0), features.rows.take(labelled)
    before = out_of_fold_columns(rows, graph.facts, (labelled, labels), folds)
    changed = labels.copy()
    changed[folds[2]] += 100
    after = out_of_fold_columns(rows, graph.facts, (labelled, changed), folds)
    np.testing.assert_allclose(after[folds[2]], before[folds[2]], atol=1e-5)
    assert np.abs(after - before).max() > 1


def test_a_new_entity_with_the_facts_of_a_known_one_has_its_features(graph, features):
    """All but PageRank, which a new entity has in the first order."""
    entity = 5
    rows = graph.directed[graph.directed[:, 0] == entity]
    new = features.new_rows([NewFacts(rows[:, 1], rows[:, 2])])
    own = features.rows.take(np.array([entity]))
    ranks = DEGREE_NAMES.index("log PageRank")
    keep = np.setdiff1d(np.arange(own.dense.shape[1]), [ranks, ranks + 1])
    np.testing.assert_allclose(new.dense[:, keep], own.dense[:, keep], atol=1e-5)
    for name in ("facts", "all_facts", "neighbours"):
        difference = getattr(new, name) - getattr(own, name)
        assert abs(difference).max() < 1e-6


def test_position_is_a_projection_on_singular_vectors(features):
    facts = features.rows.facts.toarray()
    position = features.rows.dense[:, features.groups["position"]]
    u, s, _ = np.linalg.svd(facts, full_matrices=False)
    size = position.shape[1]
    # the leading vectors, up to signs
    expected = np.abs(u[:, :3] * s[:3])
    np.testing.assert_allclose(np.abs(position[:, :3]), expected, atol=1e-3)
    assert size <= min(facts.shape) - 1
