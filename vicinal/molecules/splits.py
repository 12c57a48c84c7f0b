"""Groups of molecules that stay in one split: compounds, scaffolds and clusters.

A model is used on molecules that differ from those it was trained on, while a random
split tests it on near copies of them. Groups make the test molecules as different as
the new ones will be.

=========  ==========================================================================
scaffold   molecules of one scaffold; those without a ring by cluster, since they have
           nothing in common (one group of all of them moves an RMSE of ESOL by 0.12)
butina     molecules of one cluster of similar fingerprints
random     only stereoisomers, tautomers and charge states of one compound, as in the
           other two
=========  ==========================================================================
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from vicinal.core.data.splits import assign_folds
from vicinal.errors import DataError
from vicinal.molecules.baseline.features import morgan_counts
from vicinal.molecules.baseline.tanimoto import tanimoto
from vicinal.molecules.data.grouping import compound_key, scaffold
from vicinal.molecules.settings import SplitMethod

MAX_CLUSTERED = 20_000
"""molecules of which all pairs are compared; of more without a ring none are"""

CLUSTER_SIMILARITY = 0.35
"""Tanimoto similarity of counts from which on molecules are neighbours in a cluster"""

ROWS_PER_BLOCK = 512


def molecule_groups(mols: Sequence[Any], method: SplitMethod) -> np.ndarray:
    """Return the group [N] of each molecule."""
    compounds = _enumerate_names([compound_key(mol) for mol in mols])
    if method == "random":
        return compounds
    if method == "butina":
        if len(mols) > MAX_CLUSTERED:
            raise DataError(
                f"The butina split compares all pairs of at most {MAX_CLUSTERED:,} "
                f"molecules. Got {len(mols):,}. Use --split scaffold."
            )
        return merge_groups(compounds, butina_clusters(morgan_counts(mols)))
    names = [scaffold(mol) for mol in mols]
    groups = _enumerate_names(names)
    acyclic = np.flatnonzero([not name for name in names])
    if len(acyclic) > MAX_CLUSTERED:  # only their compounds are groups
        groups[acyclic] = groups.max() + 1 + np.arange(len(acyclic))
    elif len(acyclic):
        clusters = butina_clusters(morgan_counts([mols[k] for k in acyclic.tolist()]))
        groups[acyclic] = groups.max() + 1 + clusters
    return merge_groups(compounds, groups)


def butina_clusters(
    counts: np.ndarray, similarity: float = CLUSTER_SIMILARITY
) -> np.ndarray:
    """Return the cluster [N] of each of N fingerprints [N, F].

    The molecule with the most neighbours takes them as its cluster, then that of those
    left, and so on. D. Butina: Unsupervised Data Base Clustering Based on Daylight's
    Fingerprint and Tanimoto Similarity, J. Chem. Inf. Comput. Sci. 1999.
    """
    neighbors: list[np.ndarray] = []
    for start in range(0, len(counts), ROWS_PER_BLOCK):
        block = tanimoto(counts[start : start + ROWS_PER_BLOCK], counts) >= similarity
        neighbors += [np.flatnonzero(row) for row in block]
    clusters = np.full(len(counts), -1)
    order = np.argsort([-len(rows) for rows in neighbors], kind="stable")
    number = 0
    for center in order:
        if clusters[center] < 0:
            members = neighbors[center]
            clusters[members[clusters[members] < 0]] = number
            number += 1
    return clusters


def merge_groups(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return groups [N] that join examples which are together in either of two."""
    n = len(first)
    size = n + int(first.max(initial=-1)) + int(second.max(initial=-1)) + 2
    nodes = np.arange(n)
    ends = np.concatenate([n + first, n + int(first.max(initial=-1)) + 1 + second])
    edges = coo_array((np.ones(2 * n), (np.tile(nodes, 2), ends)), shape=(size, size))
    return _enumerate_names(connected_components(edges, directed=False)[1][:n].tolist())


def _enumerate_names(names: Sequence[Any]) -> np.ndarray:
    """Return 0, 1, ... for names, in the order of their first appearance."""
    known: dict[Any, int] = {}
    return np.array([known.setdefault(name, len(known)) for name in names], np.int64)


def parts_of_groups(groups: np.ndarray, rows: np.ndarray, count: int) -> np.ndarray:
    """Return a part [N] from 0 to count - 1 for each molecule.

    rows: those that matter, which are divided equally by whole groups; by single
    molecules where they have fewer groups than parts.
    """
    own = groups[rows]
    if len(np.unique(own)) < count:
        own = np.arange(len(rows))
    parts = np.zeros(len(groups), np.int64)
    parts[rows] = assign_folds(np.zeros(len(rows)), own, folds=count)
    return parts


def most_groups_first(folds: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return folds [N] renumbered, so that those of more groups come first."""
    count = [-len(np.unique(groups[folds == fold])) for fold in range(folds.max() + 1)]
    return np.argsort(np.argsort(count, kind="stable"))[folds]
