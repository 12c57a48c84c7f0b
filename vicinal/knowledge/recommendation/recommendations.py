"""Ranked items for users, and the items of a user by which they are recommended."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

from vicinal.knowledge.recommendation.evaluation.ranking import mask_known, top_items
from vicinal.knowledge.recommendation.fitted_model import FittedRecommender
from vicinal.knowledge.recommendation.models.item_model import ScoreParts

NUM_REASONS = 3
"""items of a user that are named beside a recommendation"""

POPULAR = "popular with all users"


class Asker(NamedTuple):
    """Someone who gets recommendations."""

    name: str
    row: csr_matrix
    """[1, I] weights of the items that are known of them"""

    user: int | None
    """row of the table; None: a new user"""


def recommend(
    model: FittedRecommender,
    askers: Iterable[Asker],
    top: int,
    exclude_known: bool = True,
) -> Any:
    """Return a table: user, rank, item, score, reasons.

    Items that the model gives the lowest possible score, 0 without any part, are listed
    only after all others.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for asker in askers:
        users = None if asker.user is None else np.array([asker.user])
        scores = model.scorer.scores(asker.row, users)
        if exclude_known:
            scores = mask_known(scores, asker.row)
        items = top_items(scores, top)[0]
        items = items[np.isfinite(scores[0, items])]
        parts = model.scorer.parts(asker.row, asker.user, items)
        rows += [
            {
                "user": asker.name,
                "rank": rank + 1,
                "item": str(model.items[item]),
                "score": float(scores[0, item]),
                "reasons": describe_reasons(model, parts, rank),
            }
            for rank, item in enumerate(items.tolist())
        ]
    return pd.DataFrame(rows, columns=["user", "rank", "item", "score", "reasons"])


def describe_reasons(model: FittedRecommender, parts: ScoreParts, column: int) -> str:
    """Return the user's items that add most to the score of one item, as text."""
    own = parts.parts[:, column]
    order = np.argsort(-own, kind="stable")[:NUM_REASONS]
    names = [
        f"{model.items[parts.own[k]]} ({own[k]:+.3f})" for k in order if own[k] > 0
    ]
    if not names or parts.base[column] > own.sum():
        names.append(POPULAR)
    return ", ".join(names)


class Explanation(NamedTuple):
    """The score of an item for a user, and its parts."""

    user: str
    item: str
    score: float
    base: float
    """what the score has without any item of the user"""

    parts: list[tuple[str, float]]
    """the user's items and what each adds, the largest first; all add up to the score
    with the base"""

    rank: int | None
    """among the items that the user has not; None: the user has it"""

    users: int
    """who chose the item"""

    shared_facts: list[tuple[str, list[str]]]
    """facts about the item, and the user's items that share them"""


def explain(model: FittedRecommender, asker: Asker, item: int) -> Explanation:
    """Return what each of a user's items adds to the score of an item."""
    users = None if asker.user is None else np.array([asker.user])
    scores = model.scorer.scores(asker.row, users)[0]
    parts = model.scorer.parts(asker.row, asker.user, np.array([item]))
    order = np.argsort(-parts.parts[:, 0], kind="stable")
    own = {*parts.own.tolist()}
    others = np.delete(scores, parts.own)
    rank = None if item in own else 1 + int((others > scores[item]).sum())
    return Explanation(
        user=asker.name,
        item=str(model.items[item]),
        score=float(scores[item]),
        base=float(parts.base[0]),
        parts=[
            (str(model.items[parts.own[k]]), float(parts.parts[k, 0])) for k in order
        ],
        rank=rank,
        users=int(model.counts[item]),
        shared_facts=_shared_facts(model, parts.own, item),
    )


def _shared_facts(
    model: FittedRecommender, own: np.ndarray, item: int
) -> list[tuple[str, list[str]]]:
    """Return facts about an item, and which of a user's items share them."""
    table, found = model.facts.table, []
    for fact in facts_of(model, item):
        row = table.indices[table.indptr[fact] : table.indptr[fact + 1]]
        names = [str(model.items[k]) for k in np.intersect1d(row, own) if k != item]
        if names:
            found.append((str(model.facts.names[fact]), names))
    return found


def facts_of(model: FittedRecommender, item: int) -> list[int]:
    """Return the rows of the facts about an item."""
    return np.flatnonzero(model.facts.table[:, item].toarray()[:, 0]).tolist()


def describe_facts(model: FittedRecommender, facts: list[int]) -> list[str]:
    """Return facts as text, each with how many items share it."""
    sizes = model.facts.table.getnnz(1)
    return [f"{model.facts.names[k]} ({sizes[k]:,} items)" for k in facts]


def similar_items(
    model: FittedRecommender, item: int, top: int
) -> list[tuple[str, float, int]]:
    """Return (item, weight, common users) of the items that add most to a score."""
    weights = model.scorer.similarities(item)
    weights[item] = 0
    order = np.argsort(-weights, kind="stable")[:top]
    chosen = model.weights[:, item].nonzero()[0]
    common = model.weights[chosen].getnnz(0)
    return [
        (str(model.items[k]), float(weights[k]), int(common[k]))
        for k in order.tolist()
        if weights[k] > 0
    ]
