"""Merge edges that are listed more than once."""

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
