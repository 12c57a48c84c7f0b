"""Which example is for training, which for choosing the epoch, which for testing.

Stratified by class, and honest: examples of one group (copies of one picture, say)
stay on one side.
"""

from typing import NamedTuple

import numpy as np

TRAIN, VAL, TEST = "train", "val", "test"
NAMES = (TRAIN, VAL, TEST)


class Fractions(NamedTuple):
    """Share of the examples that goes to each part."""

    train: float = 0.7
    val: float = 0.15
    test: float = 0.15


def split(
    strata: np.ndarray,
    groups: np.ndarray | None = None,
    *,
    fractions: Fractions = Fractions(),  # noqa: B008 - an immutable value
    seed: int = 0,
) -> np.ndarray:
    """Give each example its part: an array [N] of "train", "val", "test".

    strata: [N] class of each example; every class is divided in the same shares.
    groups: [N] examples with the same number stay together; their stratum is that
    of the first of them.

    A class with one group is for training alone; one with two also has a test group;
    from three on it is in every part. A group larger than a held-out part should be is
    for training, where the others allow it, and the shares are those of the others.
    """
    n = len(strata)
    groups = np.arange(n) if groups is None else groups
    _, first, members = np.unique(groups, return_index=True, return_inverse=True)
    sizes = np.bincount(members, minlength=len(first))
    part_of_group = np.empty(len(first), dtype=object)
    rng = np.random.default_rng(seed)
    for stratum in np.unique(strata[first]):
        rows = rng.permutation(np.flatnonzero(strata[first] == stratum))
        large = _too_large(sizes[rows], fractions)
        rows = rows[np.argsort(large * sizes[rows], kind="stable")]
        part_of_group[rows] = _share_out(sizes[rows], fractions)
    return part_of_group[members].astype("U5")


def deal(
    strata: np.ndarray, groups: np.ndarray | None = None, *, folds: int, seed: int = 0
) -> np.ndarray:
    """Give each example a fold, 0 to folds - 1, for cross-validation; [N].

    Like `split`: each class is dealt out evenly, and a group stays together. Large
    groups are dealt first, each to the fold that has least of its class.
    """
    groups = np.arange(len(strata)) if groups is None else groups
    _, first, members = np.unique(groups, return_index=True, return_inverse=True)
    sizes = np.bincount(members, minlength=len(first))
    fold_of_group = np.empty(len(first), dtype=np.int64)
    rng, total = np.random.default_rng(seed), np.zeros(folds)
    for stratum in np.unique(strata[first]):
        rows = rng.permutation(np.flatnonzero(strata[first] == stratum))
        own = np.zeros(folds)
        for row in rows[np.argsort(-sizes[rows], kind="stable")]:
            fold = np.lexsort([total, own])[0]  # least of the class, then of all
            fold_of_group[row] = fold
            own[fold] += sizes[row]
            total[fold] += sizes[row]
    return fold_of_group[members]


def _too_large(sizes: np.ndarray, fractions: Fractions) -> np.ndarray:
    """A mask of the groups that are larger than a whole held-out part should be."""
    held_out = [share for share in (fractions.val, fractions.test) if share]
    return sizes > min(held_out, default=1.0) * sizes.sum()


def _share_out(sizes: np.ndarray, fractions: Fractions) -> list[str]:
    """Parts of the groups of one stratum, in the order given: test, val, train."""
    small = sizes[~_too_large(sizes, fractions)]
    total, count = small.sum() or sizes.sum(), len(sizes)
    wanted = {TEST: fractions.test * total, VAL: fractions.val * total}
    parts: list[str] = []
    for part in (TEST, VAL):
        filled = 0.0
        left_for_others = 2 if part == TEST and fractions.val and count > 2 else 1
        while wanted[part] and len(parts) < count - left_for_others:
            size = sizes[len(parts)]
            if filled and filled + size / 2 > wanted[part]:
                break
            parts.append(part)
            filled += size
    return parts + [TRAIN] * (count - len(parts))


def stratified_sample(strata: np.ndarray, most: int, seed: int) -> np.ndarray:
    """Rows of at most so many examples, each stratum in its share, in their order.

    strata: [N] names. Every stratum's examples are spread evenly over 0..1, in a random
    order, and those nearest to 0 are taken.
    """
    n = len(strata)
    if n <= most:
        return np.arange(n)
    order = np.random.default_rng(seed).permutation(n)
    names, of = np.unique(strata[order], return_inverse=True)
    place = np.empty(n)
    for k in range(len(names)):
        own = np.flatnonzero(of == k)
        place[own] = (np.arange(len(own)) + 0.5) / len(own)
    return np.sort(order[np.argsort(place, kind="stable")[:most]])
