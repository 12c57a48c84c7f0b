"""Effects of sets of drugs, from those of their pairs and members.

    P(effect | set) = 1 - prod_i (1 - p_i) prod_ij (1 - p_ij)

with p_i of each drug alone and p_ij of each pair: at least one of them leads to the
effect, independently of the others, and no effect needs three drugs (noisy-or; J.
Pearl: Probabilistic reasoning in intelligent systems, 1988, 4.3.2). The order of the
drugs does not matter, and one more drug never lowers the probability. There are no
trustworthy data for more than two drugs by which this could be checked.
"""

from collections.abc import Sequence
from itertools import combinations, permutations

import numpy as np


def members_of(drugs: Sequence[int]) -> tuple[int, ...]:
    """Return the different drugs of a set in ascending order."""
    return tuple(sorted(set(drugs)))


def pairs_of(drugs: Sequence[int], *, ordered: bool) -> list[tuple[int, int]]:
    """Return the pairs of a set; ordered: each in both orders."""
    choose = permutations if ordered else combinations
    return list(choose(members_of(drugs), 2))


def join(parts: np.ndarray) -> np.ndarray:
    """Return 1 - prod(1 - p) [E] of parts [K, E]; NaN is no part."""
    with np.errstate(divide="ignore"):
        logs = np.log1p(-np.nan_to_num(parts, nan=0.0))
    return -np.expm1(logs.sum(axis=0))


def shares(parts: np.ndarray) -> np.ndarray:
    """Return what each part adds to `join`, [K, E]; the sum over K is exact.

    In proportion to -log(1 - p), the logarithm of what a part leaves over. Where parts
    are certain, these share the whole equally.
    """
    parts = np.nan_to_num(parts, nan=0.0)
    certain = parts >= 1
    with np.errstate(divide="ignore"):
        weights = np.where(certain, 0.0, -np.log1p(-np.where(certain, 0.0, parts)))
    weights = np.where(certain.any(axis=0), certain.astype(float), weights)
    total = weights.sum(axis=0)
    return join(parts) * weights / np.where(total > 0, total, 1.0)
