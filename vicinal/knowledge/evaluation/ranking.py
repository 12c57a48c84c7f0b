"""Filtered ranks of the right answers of questions (h, r, ?) and (?, r, t).

Other known answers are left out of the ranking (A. Bordes et al., NeurIPS 2013), and
among equal scores the rank is the mean of the best and the worst ("realistic" in M.
Berrendorf et al.: On the ambiguity of rank-based evaluation of entity alignment or link
prediction methods, 2020): a model that scores all entities alike has no good ranks.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from vicinal.knowledge.triple_graph import TripleGraph

Scorer = Callable[[np.ndarray, int], Mapping[str, np.ndarray]]
"""(heads [N], directed relation) to scores [N, E] of all entities, by model"""

HITS = (1, 3, 10)


class Block(NamedTuple):
    """Questions about one relation, with the answers that are asked for."""

    rows: np.ndarray
    """[N] of the tails, then of the heads, of all triples"""

    heads: np.ndarray
    """[N]"""

    relation: int
    right: np.ndarray
    """[N]"""


def question_blocks(triples: np.ndarray, known: TripleGraph) -> Iterator[Block]:
    """Yield the questions for tails and heads of triples [N, 3], relation by relation.

    Questions that ask the same are in the same block, as far as its size allows.
    """
    heads, relations, tails = np.asarray(triples).T
    asked, right = np.concatenate([heads, tails]), np.concatenate([tails, heads])
    kinds = np.concatenate([relations, known.inverse(relations)])
    size = known.questions_at_once
    order = np.lexsort((asked, kinds))
    starts = np.flatnonzero(np.r_[True, np.diff(kinds[order]) != 0])
    for rows in np.split(order, starts[1:]):
        for block in np.array_split(rows, -(-len(rows) // size)):
            yield Block(block, asked[block], int(kinds[block[0]]), right[block])


def filtered_ranks(
    score: Scorer, triples: np.ndarray, known: TripleGraph
) -> dict[str, np.ndarray]:
    """Return the ranks [2, N] of the tails and of the heads of triples, by model.

    known: all triples that are true, those that are ranked included.
    """
    found: dict[str, np.ndarray] = {}
    for block in question_blocks(triples, known):
        unique, rows = np.unique(block.heads, return_inverse=True)
        for name, scores in score(unique, block.relation).items():
            ranks = found.setdefault(name, np.empty(2 * len(triples)))
            ranks[block.rows] = ranks_of(scores[rows], block, known)
    return {name: ranks.reshape(2, -1) for name, ranks in found.items()}


def ranks_of(scores: np.ndarray, block: Block, known: TripleGraph) -> np.ndarray:
    """Return the ranks [N] of the right answers, by scores [N, E] of the questions.

    ValueError for NaN, which is neither above nor below another score.
    """
    if np.isnan(scores).any():
        raise ValueError("scores must not be NaN")
    count = len(block.heads)
    own = scores[np.arange(count), block.right]
    better = (scores > own[:, None]).sum(axis=1).astype(float)
    equal = (scores == own[:, None]).sum(axis=1).astype(float)
    starts, answers = known.answers(block.heads, np.full(count, block.relation))
    rows = np.repeat(np.arange(count), np.diff(starts))
    values = scores[rows, answers]
    better -= np.bincount(rows, values > own[rows], minlength=count)
    equal -= np.bincount(rows, values == own[rows], minlength=count)
    return 1 + better + equal / 2  # the right answer itself is among the known ones


def rank_scores(ranks: np.ndarray) -> dict[str, float]:
    """Return the mean reciprocal rank, the hits at HITS, and the mean rank."""
    found = {"mrr": float(np.mean(1 / ranks))}
    found |= {f"hits@{k}": float(np.mean(ranks <= k)) for k in HITS}
    return found | {"mean_rank": float(np.mean(ranks))}
