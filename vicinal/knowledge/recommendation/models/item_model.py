"""What all models share: a score is a sum over the items that the user has.

::

    s_ui = base_ui + sum_j phi(x_u)_j B_ji

x_u [I] are the weights of the user's items, phi keeps where they are, B [I, I] says how
much an item adds to another one's score. So a score is broken down into its parts.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from scipy.sparse import csr_matrix


class ItemModel(Protocol):
    """A model that scores I items for users."""

    @property
    def num_items(self) -> int: ...

    def prepare(self, rows: csr_matrix) -> csr_matrix:
        """Return phi(x) [N, I] of weights [N, I], with entries in the same places."""
        ...

    def score_prepared(self, rows: csr_matrix) -> np.ndarray:
        """Return phi(x) B [N, I] float32."""
        ...

    def item_weights(self, own: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Return B[own][:, items] [N, M]."""
        ...

    def base(self, users: np.ndarray | None, items: np.ndarray) -> np.ndarray:
        """Return what the score has without any item, [M] or [N, M].

        users: [N] rows of the table; None: new users.
        """
        ...


def score_items(
    model: ItemModel, rows: csr_matrix, users: np.ndarray | None = None
) -> np.ndarray:
    """Return the scores [N, I] float32 of all items for users with weights [N, I]."""
    scores = model.score_prepared(model.prepare(rows))
    scores += model.base(users, np.arange(model.num_items)).astype(np.float32)
    return scores


class ScoreParts(NamedTuple):
    """What the scores of M items for one user are made of."""

    base: np.ndarray
    """[M]"""

    own: np.ndarray
    """[N] the user's items"""

    parts: np.ndarray
    """[N, M] what each of them adds"""

    @property
    def total(self) -> np.ndarray:
        """Return the scores [M]."""
        return self.base + self.parts.sum(axis=0)


def score_parts(
    model: ItemModel, row: csr_matrix, user: int | None, items: np.ndarray
) -> ScoreParts:
    """Return what each of a user's items adds to the scores of items [M].

    row: [1, I] weights of the user's items. user: row of the table; None: a new user.
    """
    prepared = model.prepare(row)
    own = prepared.indices
    users = None if user is None else np.array([user])
    base = np.broadcast_to(model.base(users, items), (1, len(items)))[0]
    parts = prepared.data[:, None] * model.item_weights(own, items)
    return ScoreParts(base.astype(float), own, parts.astype(float))


def no_base(items: np.ndarray) -> np.ndarray:
    """Return zeros [M]: nothing is added to the sum over items."""
    return np.zeros(len(items))


def binary(rows: csr_matrix) -> csr_matrix:
    """Return 1 where weights [N, I] are given."""
    ones = np.ones(rows.nnz, np.float32)
    return csr_matrix((ones, rows.indices, rows.indptr), shape=rows.get_shape())


def damped(rows: csr_matrix) -> csr_matrix:
    """Return log(1 + w), divided by its root mean square over each row [N, I].

    Much used items count more than others, but not in proportion. A row with equal
    weights becomes one of ones.
    """
    values = np.log1p(rows.data.astype(float))
    squares = csr_matrix((values**2, rows.indices, rows.indptr), shape=rows.get_shape())
    mean = np.asarray(squares.sum(axis=1)).ravel() / np.maximum(rows.getnnz(1), 1)
    values /= np.sqrt(np.repeat(mean, rows.getnnz(1)))
    shape = rows.get_shape()
    return csr_matrix((values.astype(np.float32), rows.indices, rows.indptr), shape)


def scale_columns(rows: csr_matrix, scale: np.ndarray) -> csr_matrix:
    """Return rows [N, I] times a number for each column [I], float32."""
    values = rows.data * scale[rows.indices]
    shape = rows.get_shape()
    return csr_matrix((values.astype(np.float32), rows.indices, rows.indptr), shape)


def item_counts(rows: csr_matrix) -> np.ndarray:
    """Return the number of users of each item [I], 1 at least."""
    return np.maximum(rows.getnnz(0), 1).astype(float)


class Popularity(NamedTuple):
    """The number of users of each item, for everyone the same."""

    counts: np.ndarray
    """[I] float32"""

    @classmethod
    def fit(cls, weights: csr_matrix) -> "Popularity":
        return cls(weights.getnnz(0).astype(np.float32))

    @property
    def num_items(self) -> int:
        return len(self.counts)

    def prepare(self, rows: csr_matrix) -> csr_matrix:
        return binary(rows)

    def score_prepared(self, rows: csr_matrix) -> np.ndarray:
        return np.zeros(rows.get_shape(), np.float32)

    def item_weights(self, own: np.ndarray, items: np.ndarray) -> np.ndarray:
        return np.zeros((len(own), len(items)))

    def base(self, users: np.ndarray | None, items: np.ndarray) -> np.ndarray:
        return self.counts[items]


class Blend(NamedTuple):
    """A weighted sum of models; itself one: s = sum_k c_k s_k."""

    models: Sequence[ItemModel]
    coefficients: Sequence[float]

    @property
    def num_items(self) -> int:
        return self.models[0].num_items

    @property
    def weighted(self) -> list[tuple[float, ItemModel]]:
        """Return the models with their coefficients."""
        return [*zip(self.coefficients, self.models, strict=True)]

    def scores(self, rows: csr_matrix, users: np.ndarray | None = None) -> np.ndarray:
        """Return the scores [N, I], as `score_items` does for one model."""
        total = np.zeros(rows.get_shape(), np.float32)
        for coefficient, model in self.weighted:
            total += np.float32(coefficient) * score_items(model, rows, users)
        return total

    def parts(self, row: csr_matrix, user: int | None, items: np.ndarray) -> ScoreParts:
        """Return what each item adds, as `score_parts` does for one model."""
        found = [(c, score_parts(m, row, user, items)) for c, m in self.weighted]
        return ScoreParts(
            np.sum([c * each.base for c, each in found], axis=0),
            found[0][1].own,
            np.sum([c * each.parts for c, each in found], axis=0),
        )

    def similarities(self, item: int) -> np.ndarray:
        """Return how much each item [I], of weight 1, adds to an item's score."""
        every = np.arange(self.num_items)
        one = binary(csr_matrix(np.ones((1, self.num_items), np.float32)))
        found = np.zeros(self.num_items)
        for coefficient, model in self.weighted:
            scale = model.prepare(one).toarray()[0]
            weights = model.item_weights(every, np.array([item]))[:, 0]
            found += coefficient * scale * weights
        return found
