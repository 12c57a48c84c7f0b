"""Questions whose answers are probably missing in a graph.

An entity is asked for a relation that it has, if entities have several tails, and for
one that it lacks, if most entities with one of its other relations have that too.
"""

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix, diags

from vicinal.knowledge.data.cardinality import MANY
from vicinal.knowledge.models.fact_rules import PRIOR
from vicinal.knowledge.triple_graph import TripleGraph

EXPECTED = 0.5
"""share of the entities with another relation that have the one that is asked for"""


class Questions(NamedTuple):
    """Questions (head, relation, ?)."""

    heads: np.ndarray
    """[N]"""

    relations: np.ndarray
    """[N]"""

    num_possible: int
    """questions before the number was limited"""


def find_questions(
    graph: TripleGraph, relations: np.ndarray, most: int, seed: int
) -> Questions:
    """Return questions about relations, at most so many for each, drawn at random."""
    rng, heads, kinds, possible = np.random.default_rng(seed), [], [], 0
    having = _relations_of_entities(graph)
    for relation in relations.tolist():
        found = _candidates(graph, having, relation)
        possible += len(found)
        if len(found) > most:
            found = np.sort(rng.choice(found, most, replace=False))
        heads.append(found)
        kinds.append(np.full(len(found), relation))
    return Questions(np.concatenate(heads), np.concatenate(kinds), possible)


def _relations_of_entities(graph: TripleGraph) -> csr_matrix:
    """Return [E, 2R] float32 with 1 where an entity has a directed relation."""
    heads, relations, _ = graph.directed.T
    ones = np.ones(len(heads), np.float32)
    shape = graph.num_entities, graph.num_directed
    found = csr_matrix((ones, (heads, relations)), shape)
    found.data[:] = 1
    return found


def _candidates(graph: TripleGraph, having: csr_matrix, relation: int) -> np.ndarray:
    """Return the entities that are asked for one relation."""
    start, end = graph.relation_starts[relation : relation + 2]
    has = having[:, [relation]].toarray().ravel() > 0
    counts = np.asarray(having.sum(axis=0)).ravel()
    both = np.asarray(having[has].sum(axis=0)).ravel()
    confidences = both / (counts + PRIOR)
    confidences[relation] = 0
    expected = csr_matrix(having @ diags(confidences)).max(axis=1).toarray().ravel()
    lacks = ~has & (expected >= EXPECTED)
    several = (end - start) / max(has.sum(), 1) >= MANY
    return np.flatnonzero(lacks | has if several else lacks)
