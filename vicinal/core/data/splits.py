"""Train, validation and test splits, and folds: stratified, with groups kept together.

Examples of one group, such as copies of one image, are in one split.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from vicinal.core.text import pluralize
from vicinal.errors import NoDataError

TRAIN, VAL, TEST = "train", "val", "test"
SPLITS = (TRAIN, VAL, TEST)

UNUSED = ""
"""split of an example without a label, or outside the user's splits"""


class Fractions(NamedTuple):
    """Fractions of the examples in each split."""

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
    """Assign each example to a split: an array [N] of "train", "val", "test".

    strata: [N] class of each example; every class is split in the same fractions.
    groups: [N] numbers; a group is in one split, and has the stratum of its first
    example.

    A class with one group is in train only; with two, also in test; from three on, in
    every split. A group larger than a held-out split should be is in train, if the
    others allow it, and the fractions are those of the others.
    """
    n = len(strata)
    groups = np.arange(n) if groups is None else groups
    _, first, group_of = np.unique(groups, return_index=True, return_inverse=True)
    sizes = np.bincount(group_of, minlength=len(first))
    split_of_group = np.empty(len(first), dtype=object)
    rng = np.random.default_rng(seed)
    for stratum in np.unique(strata[first]):
        rows = rng.permutation(np.flatnonzero(strata[first] == stratum))
        large = _too_large(sizes[rows], fractions)
        rows = rows[np.argsort(large * sizes[rows], kind="stable")]
        split_of_group[rows] = _assign_groups(sizes[rows], fractions)
    return split_of_group[group_of].astype("U5")


def complete_split(
    given: np.ndarray,
    draw: Callable[[np.ndarray, Fractions], np.ndarray],
    *,
    val: float,
    test: float,
) -> np.ndarray:
    """Return the user's split [N]; what it lacks of val and test is taken from train.

    draw: returns the split of some rows [R] in some fractions, as `split` does. val,
    test: fractions of train; 0: none is taken.
    """
    splits = given.astype("U5")
    for name, fraction in ((TEST, test), (VAL, val)):
        rows = np.flatnonzero(splits == TRAIN)
        if fraction and len(rows) and not (splits == name).any():
            drawn = draw(rows, Fractions(1 - fraction, 0.0, fraction))
            splits[rows[drawn == TEST]] = name
    return splits


def split_labelled(
    label_mask: np.ndarray,
    given: np.ndarray | None,
    classes: np.ndarray | None,
    groups: np.ndarray | None = None,
    *,
    val: float,
    test: float,
    seed: int,
) -> np.ndarray:
    """Return the split of each example [N]; UNUSED without a label.

    label_mask: [N] bool. given: [N] the user's split, which is kept and completed;
    None: all examples with a label are split. classes: [N] names, each split in the
    same fractions; None: not stratified. groups: [N] numbers, as for `split`.
    """

    def draw(rows: np.ndarray, fractions: Fractions) -> np.ndarray:
        strata = np.zeros(len(rows)) if classes is None else classes[rows].astype(str)
        own_groups = None if groups is None else groups[rows]
        return split(strata, own_groups, fractions=fractions, seed=seed)

    splits = np.full(len(label_mask), UNUSED, dtype="U5")
    rows = np.flatnonzero(label_mask)
    if given is None:
        splits[rows] = draw(rows, Fractions(1 - val - test, val, test))
        return splits
    splits[rows] = given[rows]
    return complete_split(splits, draw, val=val, test=test)


def check_train_split(size: int, unit: str) -> None:
    """Raise NoDataError unless the train split has two examples or more.

    unit: singular noun, such as `labelled graph`.
    """
    if size < 2:
        raise NoDataError(
            f"{pluralize(size, unit)} in the train split; at least 2 are needed."
        )


def check_test_split(size: int, other_data: str = "") -> None:
    """Raise NoDataError if the test split is empty.

    other_data: what can be evaluated in its place; empty: nothing.
    """
    if not size:
        hint = f"Pass {other_data}, or fit" if other_data else "Fit"
        raise NoDataError(f"There is no test split. {hint} with test_fraction above 0.")


def assign_folds(
    strata: np.ndarray, groups: np.ndarray | None = None, *, folds: int, seed: int = 0
) -> np.ndarray:
    """Assign each example to a fold, 0 to folds - 1, for cross-validation; [N].

    Stratified, with groups in one fold, like `split`. Large groups come first, each
    into the fold with the fewest examples of its class.
    """
    groups = np.arange(len(strata)) if groups is None else groups
    _, first, group_of = np.unique(groups, return_index=True, return_inverse=True)
    sizes = np.bincount(group_of, minlength=len(first))
    fold_of_group = np.empty(len(first), dtype=np.int64)
    rng, total = np.random.default_rng(seed), np.zeros(folds)
    for stratum in np.unique(strata[first]):
        rows = rng.permutation(np.flatnonzero(strata[first] == stratum))
        own = np.zeros(folds)
        for row in rows[np.argsort(-sizes[rows], kind="stable")]:
            fold = np.lexsort([total, own])[0]  # fewest of the class, then of all
            fold_of_group[row] = fold
            own[fold] += sizes[row]
            total[fold] += sizes[row]
    return fold_of_group[group_of]


def _too_large(sizes: np.ndarray, fractions: Fractions) -> np.ndarray:
    """Return a mask of the groups that are larger than a held-out split should be."""
    held_out = [f for f in (fractions.val, fractions.test) if f]
    return sizes > min(held_out, default=1.0) * sizes.sum()


def _assign_groups(sizes: np.ndarray, fractions: Fractions) -> list[str]:
    """Return the splits of a stratum's groups, in their order: test, val, train."""
    small = sizes[~_too_large(sizes, fractions)]
    total, count = small.sum() or sizes.sum(), len(sizes)
    wanted = {TEST: fractions.test * total, VAL: fractions.val * total}
    splits: list[str] = []
    for name in (TEST, VAL):
        filled = 0.0
        left_for_others = 2 if name == TEST and fractions.val and count > 2 else 1
        while wanted[name] and len(splits) < count - left_for_others:
            size = sizes[len(splits)]
            if filled and filled + size / 2 > wanted[name]:
                break
            splits.append(name)
            filled += size
    return splits + [TRAIN] * (count - len(splits))


def stratified_sample(strata: np.ndarray, size: int, seed: int) -> np.ndarray:
    """Return the sorted rows of a stratified random sample of at most `size` examples.

    strata: [N] names. The examples of a stratum get evenly spaced ranks in 0..1, in
    random order, and the lowest ranks are taken.
    """
    n = len(strata)
    if n <= size:
        return np.arange(n)
    order = np.random.default_rng(seed).permutation(n)
    names, stratum = np.unique(strata[order], return_inverse=True)
    rank = np.empty(n)
    for k in range(len(names)):
        own = np.flatnonzero(stratum == k)
        rank[own] = (np.arange(len(own)) + 0.5) / len(own)
    return np.sort(order[np.argsort(rank, kind="stable")[:size]])
