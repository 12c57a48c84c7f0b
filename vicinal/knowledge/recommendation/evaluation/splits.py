"""Items of each user that are held out, and users who are held out."""

from typing import Literal, NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

SplitKind = Literal["random", "time"]
MIN_ITEMS = 5
"""items of a user of whom some are held out"""

MAX_NEW_USERS = 1000


class HeldOut(NamedTuple):
    """A table in two parts."""

    known: csr_matrix
    """[U, I] what a model may see"""

    hidden: csr_matrix
    """[U, I] what it should find"""


def hold_items_out(
    weights: csr_matrix,
    times: np.ndarray | None,
    share: float,
    rng: np.random.Generator,
    least: int = MIN_ITEMS,
) -> tuple[HeldOut, np.ndarray]:
    """Hold out items of each user who has `least` or more.

    weights: [U, I]. times: [E] of its entries: each user's last item is held out; None:
    a share of the items at random, one at least. Also return which entries [E] are
    hidden.
    """
    sizes = weights.getnnz(1)
    users = np.repeat(np.arange(len(sizes)), sizes)
    random = rng.random(weights.nnz)
    if times is None:
        order = np.lexsort((random, users))
        counts = np.maximum(np.round(share * sizes), 1)
    else:  # the latest first; items of the same time in random order
        order = np.lexsort((random, -times, users))
        counts = np.ones(len(sizes))
    counts[sizes < least] = 0
    places = np.empty(weights.nnz, np.int64)
    places[order] = np.arange(weights.nnz) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    hidden = places < counts[users]
    return HeldOut(_part(weights, ~hidden), _part(weights, hidden)), hidden


def hold_users_out(
    weights: csr_matrix, share: float, rng: np.random.Generator
) -> np.ndarray:
    """Return [U] bool: users with MIN_ITEMS or more who are tested as new users."""
    able = np.flatnonzero(weights.getnnz(1) >= MIN_ITEMS)
    count = min(round(share * len(able)), MAX_NEW_USERS)
    chosen = np.zeros(weights.get_shape()[0], bool)
    chosen[rng.choice(able, count, replace=False)] = True
    return chosen


def keep_rows(weights: csr_matrix, rows: np.ndarray) -> csr_matrix:
    """Return a table in which only some rows [U] bool have entries."""
    users = np.repeat(np.arange(len(rows)), weights.getnnz(1))
    return _part(weights, rows[users])


def _part(weights: csr_matrix, kept: np.ndarray) -> csr_matrix:
    """Return a table with some of its entries [E] bool."""
    starts = np.concatenate([[0], np.cumsum(kept)])[weights.indptr]
    shape = weights.get_shape()
    return csr_matrix((weights.data[kept], weights.indices[kept], starts), shape=shape)
