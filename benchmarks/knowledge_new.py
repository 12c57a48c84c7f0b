"""New entities of a knowledge graph: left out whole, answered from a few facts."""

import time

import numpy as np

from vicinal.knowledge.data.triple_table import TripleTable
from vicinal.knowledge.evaluation.ranking import Block, rank_scores, ranks_of
from vicinal.knowledge.models.completion import RuleModel, popularity
from vicinal.knowledge.triple_graph import TripleGraph

NUM_NEW, MIN_FACTS, NUM_GIVEN, MAX_ASKED = 400, 15, 12, 5
"""entities left out, facts that each has at least, that are given, that are asked"""


def run(table: TripleTable, seed: int) -> None:
    """Print how facts of new entities are ranked, by rules and by popularity.

    Nothing is fitted to them. Facts between two of them are not used.
    """
    rng, start = np.random.default_rng(seed), time.process_time()
    splits = [k for k in (table.triples, table.validation, table.test) if k is not None]
    full = TripleGraph(np.concatenate(splits), table.num_entities, table.num_relations)
    enough = np.flatnonzero(full.degrees >= MIN_FACTS)
    if len(enough) < 2 * NUM_NEW:
        print(f"new: too few entities with {MIN_FACTS} facts or more: {len(enough)}")
        return
    is_new = np.zeros(full.num_entities, bool)
    is_new[rng.permutation(enough)[:NUM_NEW]] = True
    ends = is_new[full.triples[:, [0, 2]]]
    graph = TripleGraph(
        full.triples[~ends.any(axis=1)], full.num_entities, full.num_relations
    )
    rules = RuleModel.mine(graph, seed)
    rules.facts.mine_all()
    mined = time.process_time() - start
    own = full.directed[is_new[full.directed[:, 0]] & ~is_new[full.directed[:, 2]]]
    own = own[rng.permutation(len(own))]
    own = own[np.argsort(own[:, 0], kind="stable")]
    place = np.arange(len(own)) - np.searchsorted(own[:, 0], own[:, 0])
    counts = np.bincount(own[:, 0], minlength=full.num_entities)[own[:, 0]]
    num_given = np.minimum(NUM_GIVEN, counts - MAX_ASKED)
    is_given = place < num_given
    asked = own[~is_given & (place < num_given + MAX_ASKED)]
    start = time.process_time()
    ranks = _ranks(rules, own[is_given], asked, full)
    seconds = time.process_time() - start
    print(
        f"new: {len(np.unique(asked[:, 0]))} entities, {is_given.sum() / NUM_NEW:.1f} "
        f"facts given each, {len(asked):,} questions; mining {mined:.1f} CPU s, "
        f"answers {seconds:.1f}"
    )
    for name, values in ranks.items():
        found, error = rank_scores(values), (1 / values).std() / len(values) ** 0.5
        print(
            f"  {name:<12} MRR {found['mrr']:.4f} (se {error:.4f})  hits@1 "
            f"{found['hits@1']:.4f}  hits@10 {found['hits@10']:.4f}",
            flush=True,
        )


def _ranks(
    rules: RuleModel, given: np.ndarray, asked: np.ndarray, full: TripleGraph
) -> dict[str, np.ndarray]:
    """Return the filtered ranks [N] of the tails of the triples asked, by model."""
    found = {"rules": np.zeros(len(asked)), "popularity": np.zeros(len(asked))}
    for relation in np.unique(asked[:, 1]).tolist():
        rows = np.flatnonzero(asked[:, 1] == relation)
        heads, right = asked[rows, 0], asked[rows, 2]
        entities, numbers = np.unique(heads, return_inverse=True)
        own = given[np.isin(given[:, 0], entities)]
        places = np.searchsorted(entities, own[:, 0])
        known = rules.new_heads(places, own[:, 1:], len(entities))
        scores = rules.score(known, relation)[numbers]
        block = Block(rows, heads, relation, right)
        found["rules"][rows] = ranks_of(scores, block, full)
        counts = np.broadcast_to(popularity(rules.graph, relation), scores.shape)
        found["popularity"][rows] = ranks_of(counts, block, full)
    return found
