"""The best answers of other models, scored by a path network.

    by_network(v) = logit(v) - the least logit of the candidates,  0 for all others

The candidates are CANDIDATES answers that are not known; all other entities stay below
them, and known answers are raised as much as the best of them. A path
network takes more time for each answer than an embedding for all of them.
"""

import numpy as np
import torch

from vicinal.knowledge.models.path_edges import EntityEdges, PathQuestions
from vicinal.knowledge.models.path_network import PathNetwork, score_candidates
from vicinal.knowledge.triple_graph import TripleGraph

CANDIDATES = 100
"""answers to each question that are scored: those that are best by other models"""

AT_ONCE, MAX_CODES = 16, 1 << 24
"""questions that are scored at a time, and their pairs with all entities"""


class PathReranker:
    """Scores some answers to questions by a path network."""

    def __init__(self, network: PathNetwork, graph: TripleGraph) -> None:
        self.network, self.graph, self.edges = network, graph, EntityEdges(graph)

    def scores(
        self,
        heads: np.ndarray,
        relation: int,
        totals: np.ndarray,
        hidden: int | None = None,
    ) -> np.ndarray:
        """Return by_network [N, E] of answers to (h, relation, ?) for heads [N].

        totals: [N, E] by other models; -inf where an answer is impossible. hidden: a
        known answer of all heads that is scored as if it were not known.
        """
        is_known = self.graph.known_answers(heads, relation)
        if hidden is not None:
            is_known[:, hidden] = False
        totals = np.where(is_known, -np.inf, totals)
        found = np.zeros(totals.shape, np.float32)
        count = min(CANDIDATES, totals.shape[1])
        best = np.argpartition(-totals, count - 1, axis=1)[:, :count]
        size = max(min(AT_ONCE, MAX_CODES // totals.shape[1]), 1)
        for first in range(0, len(heads), size):
            rows = slice(first, first + size)
            logits = self.logits(heads[rows], relation, best[rows], hidden)
            possible = np.isfinite(np.take_along_axis(totals[rows], best[rows], 1))
            least = np.where(possible, logits, np.inf).min(axis=1, keepdims=True)
            values = np.where(possible, logits - least, 0)
            np.put_along_axis(found[rows], best[rows], values, axis=1)
        return np.where(is_known, found.max(axis=1, keepdims=True), found)

    @torch.inference_mode()
    def logits(
        self,
        heads: np.ndarray,
        relation: int,
        candidates: np.ndarray,
        hidden: int | None = None,
    ) -> np.ndarray:
        """Return [N, K] the network's scores of candidates [N, K] for heads [N].

        hidden: as for `scores`; its edge is left out.
        """
        tails = None if hidden is None else np.full(len(heads), hidden)
        asked = PathQuestions(heads, np.full(len(heads), relation), tails)
        return score_candidates(self.network, self.edges, asked, candidates).numpy()
