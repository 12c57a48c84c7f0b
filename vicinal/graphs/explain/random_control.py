"""A permutation test of a ranking of edges or nodes against random choices.

The top of the ranking is removed at once, and so are random sets of the same size. p is
the share of all sets tried, the top itself included, that change the prediction as much
or more (R. A. Fisher, The Design of Experiments, 1935). If there are few sets of that
size, all of them are tried.
"""

import math
from collections.abc import Callable
from itertools import combinations
from typing import NamedTuple

import numpy as np

from vicinal.core.text import pluralize

NUM_DRAWS = 39
REMOVED_SHARE = 0.2
"""of all edges or nodes, which are removed at once"""

TOLERANCE = 1e-4
"""relative difference of changes that counts as equal in float32"""

LEVEL = 0.05
"""significance level"""


class RandomControl(NamedTuple):
    """The effect of removing the top of a ranking, compared with random removals.

    The top holds only effects of one sign, because opposite effects would cancel.
    """

    num_removed: int
    sign: int
    """1: the top supports the prediction; -1: it opposes the prediction"""

    change: float
    """decrease of the log-odds, or of the number, without the top"""

    sum_of_effects: float
    """of the top, one by one; it differs from `change` where effects interact"""

    random_change: float
    """mean decrease over the random removals"""

    p: float
    num_candidates: int
    """edges or nodes that could be removed"""

    num_tried: int
    """random sets, or all other sets of that size if there are no more than that"""

    def verdict(self, unit: str, quantity: str) -> str:
        """Return the result in words. unit: edge or node; quantity: what changes."""
        if not self.change and not self.sum_of_effects:
            return f"Removing {unit}s does not change {quantity}."
        if not self.num_tried:
            return f"There are no other {unit}s to compare the ranking with."
        text = self._describe_changes(unit, quantity)
        if self.change * self.sum_of_effects < 0:
            text += (
                f" One by one, their effects sum to {self.sum_of_effects:+.3g}, the "
                "opposite sign, because effects depend on each other. Do not interpret "
                "the signs."
            )
        if self.p <= LEVEL:
            return f"{text} The ranking is better than random."
        text += " The ranking is not shown to be better than random."
        if 1 / self.num_sets > LEVEL:
            text += f" With {self.num_candidates} {unit}s no ranking could be."
        return text

    @property
    def num_sets(self) -> int:
        """Return the number of sets of the removed size."""
        return math.comb(self.num_candidates, self.num_removed)

    def _describe_changes(self, unit: str, quantity: str) -> str:
        side = "supporting" if self.sign > 0 else "opposing"
        top = f"{side} {unit}"
        if self.num_removed > 1:
            top = pluralize(self.num_removed, top)
        random = pluralize(self.num_removed, f"random {unit}")
        sets = f"{NUM_DRAWS} draws"
        if self.num_sets <= NUM_DRAWS:
            sets = f"all {self.num_sets} possible choices"
        return (
            f"Removing the {top} ranked highest {_verb(self.change)} {quantity} by "
            f"{abs(self.change):.3g}; removing {random} {_verb(self.random_change)} it "
            f"by {abs(self.random_change):.3g} on average ({sets}, p = {self.p:.2g})."
        )


def _verb(decrease: float) -> str:
    return "lowers" if decrease >= 0 else "raises"


def compare_to_random(
    effects: np.ndarray, removal_effect: Callable[[np.ndarray], np.ndarray], seed: int
) -> RandomControl:
    """Return the random control of a ranking by the size of effects.

    effects: [E] decrease without each one alone; negative: it opposes the prediction.
    removal_effect: maps sets of rows [C, M] to the decreases [C] without each set.
    """
    count = len(effects)
    if not count:
        return RandomControl(0, 1, 0.0, 0.0, 0.0, 1.0, 0, 0)
    order = np.argsort(-np.abs(effects), kind="stable")
    sign = 1 if effects[order[0]] >= 0 else -1
    same_sign = order[sign * effects[order] > 0]
    size = max(1, round(REMOVED_SHARE * count))
    top = (same_sign if len(same_sign) else order)[:size]
    if math.comb(count, len(top)) <= NUM_DRAWS:
        sets = map(list, combinations(range(count), len(top)))
        drawn = [rows for rows in sets if set(rows) != set(top.tolist())]
    else:
        rng = np.random.default_rng(seed)
        drawn = [rng.permutation(count)[: len(top)] for _ in range(NUM_DRAWS)]
    changes = sign * removal_effect(np.array([top, *drawn]))
    as_large = changes >= changes[0] - TOLERANCE * abs(changes[0])
    return RandomControl(
        num_removed=len(top),
        sign=sign,
        change=float(sign * changes[0]),
        sum_of_effects=float(effects[top].sum()),
        random_change=float(sign * changes[1:].mean()) if drawn else 0.0,
        p=float(as_large.mean()),
        num_candidates=count,
        num_tried=len(drawn),
    )
