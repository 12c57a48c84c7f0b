"""Merge edges that are listed more than once."""

from typing import Any

import numpy as np
import torch

from vicinal.core.text import pluralize


def merge_duplicate_edges(
    source: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray | None,
    num_nodes: int,
    directed: bool,
    relation: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray | None, list[str]]:
    """Return each edge once, in the order of first occurrence, and notes.

    Weights of duplicates are added. In an undirected graph u - v and v - u are the same
    edge. Edges of different relations are different.
    """
    if directed:
        keys = source * num_nodes + target
    else:
        keys = np.minimum(source, target)
        keys *= num_nodes
        keys += np.maximum(source, target)
    if relation is not None:
        keys += relation * num_nodes**2
    key, order = torch.from_numpy(keys).sort(stable=True)
    del keys  # these arrays are large, and freed as soon as possible
    is_new = torch.ones(len(key), dtype=torch.bool)
    is_new[1:] = key[1:] != key[:-1]
    del key
    first = order[is_new].numpy()  # first of equal ones: the sort is stable
    num_duplicates = len(is_new) - len(first)
    if not num_duplicates:
        return source, target, weight, relation, []
    by_position = np.argsort(first)
    effect = "their weights are added" if weight is not None else "each counts once"
    notes = [f"{pluralize(num_duplicates, 'duplicate edge')} merged; {effect}"]
    if weight is not None:
        group = is_new.cumsum(0).numpy() - 1
        totals = np.bincount(group, weight[order.numpy()])
        weight = totals[by_position].astype(np.float32)
    kept = first[by_position]
    del first, by_position, order, is_new
    relation = None if relation is None else relation[kept]
    return source[kept], target[kept], weight, relation, notes


def first_of_each_edge(
    source: np.ndarray, target: np.ndarray, num_nodes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows [E'] at which each undirected edge is listed first, ascending.

    Also the row [E] of the first listing of each edge that is listed.
    """
    keys = np.minimum(source, target) * num_nodes + np.maximum(source, target)
    _, first, edge = np.unique(keys, return_index=True, return_inverse=True)
    return np.sort(first), first[edge]


def select_edges(features: Any, rows: np.ndarray) -> Any:
    """Return the features of some edges; None if there are none."""
    if features is None:
        return None
    return features.iloc[rows] if hasattr(features, "iloc") else features[rows]


def note_differing_directions(features: Any, first: np.ndarray) -> list[str]:
    """Return a note if edges that are listed twice have different features.

    first: [E] row of the first listing of each edge.
    """
    repeated = np.flatnonzero(first != np.arange(len(first)))
    if features is None or not len(repeated):
        return []
    one, other = (select_edges(features, rows) for rows in (repeated, first[repeated]))
    if hasattr(features, "iloc"):
        one, other = (part.reset_index(drop=True) for part in (one, other))
        differ = ((one != other) & ~(one.isna() & other.isna())).any(axis=1).to_numpy()
    else:
        differ = ~np.isclose(one, other, equal_nan=True).all(axis=1)
    if not differ.any():
        return []
    count = pluralize(int(differ.sum()), "edge")
    return [f"{count} listed again with other features: the first ones are used"]
