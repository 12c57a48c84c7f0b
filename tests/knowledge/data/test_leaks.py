"""Relations that repeat each other, against a count with sets and networkx."""

import networkx as nx
import numpy as np

from vicinal.knowledge.data.cardinality import relation_cardinalities
from vicinal.knowledge.data.leaks import find_relation_pairs, leaked_test_triples
from vicinal.knowledge.data.triple_table import TripleTable

NUM_ENTITIES = 60
HYPERNYM, HYPONYM, COPY, SIMILAR, RANDOM = range(5)


def graph_with_pairs() -> np.ndarray:
    """Return triples: a relation, its inverse, a partial copy, and a symmetric one."""
    rng = np.random.default_rng(0)
    pairs = np.unique(rng.integers(0, NUM_ENTITIES, (100, 2)), axis=0)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    friends = pairs[pairs[:, 0] < pairs[:, 1]][:30]
    others = np.unique(rng.integers(0, NUM_ENTITIES, (100, 2)), axis=0)
    parts = [
        (pairs, HYPERNYM),
        (pairs[:, ::-1], HYPONYM),
        (pairs[:25], COPY),
        (np.concatenate([friends, friends[5:, ::-1]]), SIMILAR),
        (others, RANDOM),
        (np.arange(30)[:, None].repeat(2, axis=1), RANDOM),
    ]
    triples = [
        np.insert(ends, 1, relation, axis=1) for ends, relation in parts if len(ends)
    ]
    return np.unique(np.concatenate(triples), axis=0).astype(np.int32)


def pairs_by_sets(triples: np.ndarray) -> dict[tuple[int, int, str], tuple]:
    """Return share and support of all pairs, from sets of pairs of entities."""
    ends = [
        {(h, t) for h, k, t in triples.tolist() if k == r and h != t} for r in range(5)
    ]
    opposite = [{(t, h) for h, t in own} for own in ends]
    found = {}
    for r in range(5):
        for o in range(5):
            same, reverse = len(ends[r] & ends[o]), len(ends[r] & opposite[o])
            if r != o:
                found[r, o, "duplicate"] = (same / len(ends[r]), same)
            kind = "symmetric" if r == o else "inverse"
            found[r, o, kind] = (reverse / len(ends[r]), reverse)
    return {k: v for k, v in found.items() if v[0] >= 0.8 and v[1] >= 20}


def test_relation_pairs_agree_with_sets():
    triples = graph_with_pairs()
    pairs = find_relation_pairs(triples, NUM_ENTITIES, 5)
    found = {(k.relation, k.other, k.kind): (k.share, k.support) for k in pairs}
    assert found == pairs_by_sets(triples)
    assert (HYPERNYM, HYPONYM, "inverse") in found
    assert (COPY, HYPERNYM, "duplicate") in found
    assert (HYPERNYM, COPY, "duplicate") not in found
    assert (SIMILAR, SIMILAR, "symmetric") in found
    assert not any(RANDOM in key for key in found)
    assert pairs == sorted(pairs)


def test_symmetric_relations_have_networkx_reciprocity():
    triples = graph_with_pairs()
    graph = nx.DiGraph(triples[triples[:, 1] == SIMILAR][:, [0, 2]].tolist())
    pairs = find_relation_pairs(triples, NUM_ENTITIES, 5)
    share = next(pair.share for pair in pairs if pair.kind == "symmetric")
    assert share == nx.reciprocity(graph)


def table_with_test(train: np.ndarray, test: np.ndarray) -> TripleTable:
    names = np.array([f"e{k:02}" for k in range(NUM_ENTITIES)], object)
    relations = np.array(["a", "b", "c", "d", "e"], object)
    return TripleTable(names, relations, train, test=test)


def test_leaked_test_triples():
    triples = graph_with_pairs()
    is_test = np.zeros(len(triples), bool)
    is_test[np.flatnonzero(triples[:, 1] == HYPONYM)[:7]] = True
    train, test = triples[~is_test], triples[is_test]
    fresh = [[0, RANDOM, 59], [59, RANDOM, 0]]
    known = {(h, t) for h, _, t in train.tolist()}
    fresh = [k for k in fresh if (k[0], k[2]) not in known]
    test = np.concatenate([test, np.array(fresh, np.int32).reshape(-1, 3)])
    counts = leaked_test_triples(table_with_test(train, test))
    shared = sum((h, t) in known for h, _, t in test.tolist())
    assert counts == {
        "test": 7 + len(fresh),
        "duplicate": 0,
        "inverse": 7,
        "symmetric": 0,
        "paired": 7,
        "any_relation": shared,
    }


def test_a_symmetric_relation_gives_its_reversed_triple_away():
    triples = graph_with_pairs()
    similar = triples[triples[:, 1] == SIMILAR]
    known = {(h, t) for h, _, t in similar.tolist()}
    test = np.array(
        [(t, r, h) for h, r, t in similar.tolist() if (t, h) not in known], np.int32
    )
    counts = leaked_test_triples(table_with_test(triples, test))
    assert counts["symmetric"] == counts["paired"] == len(test) == 5


def test_a_pair_of_relations_counts_in_either_order():
    triples = graph_with_pairs()
    copied = triples[triples[:, 1] == COPY][0]
    test = np.array([[copied[0], HYPERNYM, copied[2]]], np.int32)
    is_test = (triples == test).all(axis=1)
    counts = leaked_test_triples(table_with_test(triples[~is_test], test))
    assert is_test.sum() == counts["duplicate"] == counts["any_relation"] == 1


def test_self_loops_do_not_make_a_relation_symmetric():
    loops = np.stack([np.arange(30), np.zeros(30, int), np.arange(30)], axis=1)
    assert find_relation_pairs(loops.astype(np.int32), 30, 1) == []


def test_without_triples():
    none = np.zeros((0, 3), np.int32)
    assert find_relation_pairs(none, 0, 0) == []
    counts = leaked_test_triples(table_with_test(graph_with_pairs(), none))
    assert set(counts.values()) == {0}


def test_cardinalities_by_hand():
    triples = [(0, 0, 1), (2, 0, 3)]  # 1-1
    triples += [(0, 1, k) for k in range(1, 5)]  # 1-N
    triples += [(k, 2, 0) for k in range(1, 4)] + [(4, 2, 5)]  # N-1
    triples += [(h, 3, t) for h in range(3) for t in range(3)]  # N-N
    found = relation_cardinalities(np.array(triples, np.int32), 6, 5)
    assert [k.kind for k in found] == ["1-1", "1-N", "N-1", "N-N", "1-1"]
    assert [k.num_triples for k in found] == [2, 4, 4, 9, 0]
    assert (found[2].num_heads, found[2].num_tails) == (4, 2)
    assert (found[2].tails_per_head, found[2].heads_per_tail) == (1, 2)
    assert (found[1].tails_per_head, found[1].heads_per_tail) == (4, 1)
    assert found[4].tails_per_head == 0
