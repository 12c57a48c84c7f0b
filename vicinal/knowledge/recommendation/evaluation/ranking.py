"""Scores of ranked lists: recall, NDCG, coverage and popularity.

::

    recall@k = hits among the first k / min(k, hidden items)
    ndcg@k   = sum over hits of 1 / log2(1 + rank) / the same of an ideal list

As in D. Liang et al., "Variational autoencoders for collaborative filtering" (WWW
2018); both are means over users. Items that a user is known to have are not ranked.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

K = 20
"""length of the lists that are scored"""

CELLS_PER_BLOCK = 1 << 23
"""scores in memory at once"""

Scorer = Callable[[np.ndarray], np.ndarray]
"""users [N] -> scores [N, I]"""


POPULAR_SHARE = 0.01
"""share of the items that are called popular"""


class PopularityProfile(NamedTuple):
    """How popular the items of lists are."""

    mean_rank: float
    """mean popularity rank; the most popular item has 1"""

    popular_share: float
    """share of the places that popular items have"""

    rare_share: float
    """share of the places that the half with the fewest users has"""

    @classmethod
    def of_counts(cls, shown: np.ndarray, ranks: np.ndarray) -> "PopularityProfile":
        """Return the profile of lists in which items were shown so often [I].

        ranks: [I] popularity ranks.
        """
        total, count = max(shown.sum(), 1), len(ranks)
        popular, rare = ranks <= max(1, POPULAR_SHARE * count), ranks > count / 2
        return cls(
            float((shown * ranks).sum() / total),
            float(shown[popular].sum() / total),
            float(shown[rare].sum() / total),
        )


class ListScores(NamedTuple):
    """Scores of the lists of N users."""

    recall: np.ndarray
    ndcg: np.ndarray
    """[N]"""

    coverage: float
    """share of the items that are in at least one list"""

    profile: PopularityProfile
    """of the items in the lists"""

    def mean_ndcg(self) -> float:
        return float(self.ndcg.mean())


def user_blocks(users: np.ndarray, num_items: int) -> Iterator[np.ndarray]:
    """Yield users in blocks whose scores fit in memory."""
    size = max(1, CELLS_PER_BLOCK // max(num_items, 1))
    for start in range(0, len(users), size):
        yield users[start : start + size]


def mask_known(scores: np.ndarray, known: csr_matrix) -> np.ndarray:
    """Set the scores [N, I] of known items to minus infinity, in place."""
    rows = np.repeat(np.arange(len(scores)), known.getnnz(1))
    scores[rows, known.indices] = -np.inf
    return scores


def top_items(scores: np.ndarray, k: int) -> np.ndarray:
    """Return the items [N, min(k, I)] of the highest scores [N, I], the best first.

    Equal scores: the item that comes first.
    """
    k = min(k, scores.shape[1])
    top = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    top.sort(axis=1)
    own = np.take_along_axis(scores, top, axis=1)
    return np.take_along_axis(top, np.argsort(-own, axis=1, kind="stable"), axis=1)


def score_lists(hits: np.ndarray, hidden: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return recall and NDCG [N] of lists.

    hits: [N, k] whether the item at each rank is hidden. hidden: [N] hidden items.
    """
    k = hits.shape[1]
    possible = np.minimum(hidden, k)
    discount = 1 / np.log2(np.arange(2, k + 2))
    ideal = np.cumsum(discount)[possible - 1]
    return hits.sum(axis=1) / possible, (hits * discount).sum(axis=1) / ideal


def popularity_ranks(counts: np.ndarray) -> np.ndarray:
    """Return the rank [I] of each item by its number of users [I], 1 for the most.

    Ties have their mean rank.
    """
    from scipy.stats import rankdata

    return rankdata(-counts)


class Evaluator(NamedTuple):
    """Users whose hidden items are to be found."""

    users: np.ndarray
    """[N] rows of the table"""

    known: csr_matrix
    hidden: csr_matrix
    """[U, I]"""

    popularity: np.ndarray
    """[I] popularity ranks"""

    @classmethod
    def of_split(
        cls, known: csr_matrix, hidden: csr_matrix, most: int, seed: int
    ) -> "Evaluator":
        """Return an evaluator of at most `most` users who have hidden items.

        Popularity is that of what is known.
        """
        users = np.flatnonzero(hidden.getnnz(1))
        if len(users) > most:
            rng = np.random.default_rng(seed)
            users = np.sort(rng.choice(users, most, replace=False))
        return cls(users, known, hidden, popularity_ranks(known.getnnz(0)))

    def with_popularity_of(self, table: csr_matrix) -> "Evaluator":
        """Return an evaluator by the popularity of items in another table [U', I]."""
        return self._replace(popularity=popularity_ranks(table.getnnz(0)))

    def score(self, scorer: Scorer, k: int = K) -> ListScores:
        """Return the scores of the lists that a model makes."""
        num_items = self.known.get_shape()[1]
        recalls, ndcgs, shown = [], [], np.zeros(num_items, np.int64)
        for users in user_blocks(self.users, num_items):
            scores = mask_known(scorer(users), self.known[users])
            top = top_items(scores, k)
            is_hidden = self.hidden[users].toarray() > 0
            hits = np.take_along_axis(is_hidden, top, axis=1)
            recall, ndcg = score_lists(hits, is_hidden.sum(axis=1))
            recalls.append(recall)
            ndcgs.append(ndcg)
            shown += np.bincount(top.ravel(), minlength=num_items)
        return ListScores(
            np.concatenate(recalls),
            np.concatenate(ndcgs),
            float((shown > 0).mean()),
            PopularityProfile.of_counts(shown, self.popularity),
        )

    def hidden_ranks(self, scorer: Scorer) -> np.ndarray:
        """Return (user, item, rank) [M, 3] of the hidden items; the best rank is 1."""
        rows = []
        for users in user_blocks(self.users, self.known.get_shape()[1]):
            scores = mask_known(scorer(users), self.known[users])
            hidden = self.hidden[users]
            for row, user in enumerate(users.tolist()):
                items = hidden.indices[hidden.indptr[row] : hidden.indptr[row + 1]]
                own = scores[row, items]
                ranks = 1 + (scores[row][None] > own[:, None]).sum(axis=1)
                rows += [(user, *pair) for pair in zip(items, ranks, strict=True)]
        return np.array(rows, np.int64).reshape(-1, 3)

    def own_profile(self) -> PopularityProfile:
        """Return the profile of the items that the users are known to have."""
        counts = self.known[self.users].getnnz(0)
        return PopularityProfile.of_counts(counts, self.popularity)
