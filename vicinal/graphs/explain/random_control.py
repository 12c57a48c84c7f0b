"""What an order of edges, or of nodes, is worth beside chance.

The first of those that speak one way are taken away together, and so are as many at
random, over and over. An order that says more than chance moves the answer further than
most of these do; the share that does as well, the order itself counted, is p (a
permutation test: R. A. Fisher, The Design of Experiments, 1935). Where there are few
ways to take as many, each of them is tried.
"""

import math
from collections.abc import Callable
from itertools import combinations
from typing import NamedTuple

import numpy as np

RANDOM = 39
"""draws of as many at random"""

SHARE = 0.2
"""of all that are taken away together"""

TINY = 1e-4
"""by which the same may differ in float32, as a share"""

LEVEL = 0.05
"""p up to which an order is said to do better"""


class RandomControl(NamedTuple):
    """What an order is worth: the first of those that speak one way are taken away
    together, and as many at random."""

    taken: int
    """how many those are"""

    way: int
    """1: of those that speak for the answer; -1: of those against it"""

    change: float
    """what the log-odds, or the number, lose without the first"""

    listed: float
    """the sum of what is listed of them, which may be another where they stand in for
    one another"""

    at_random: float
    """the mean of what is lost without as many in the other ways that were tried"""

    p: float
    """share of all that were tried that lose as much, the order itself counted"""

    among: int
    """how many there are to take from"""

    tried: int
    """draws, or all ways to take as many where those are no more, without the order"""

    def verdict(self, units: str, what: str) -> str:
        """The same in a sentence."""
        if not self.change and not self.listed:
            return f"Nothing that was taken away moves the {what}."
        if not self.tried:
            return "There is nothing else to hold this against."
        side = "for" if self.way > 0 else "against"
        one = "s" if self.taken == 1 else ""
        ways = math.comb(self.among, self.taken)
        drawn = f"{RANDOM} draws" if ways > RANDOM else f"all {ways} ways to take them"
        beside = (
            f"without the {self.taken} that speak{one} {side} it most the {what} "
            f"{_moves(self.change, what)}, without as many at random "
            f"{_moves(self.at_random, what)} on average (p = {self.p:.2g}, of {drawn})."
        )
        if self.change * self.listed < 0:
            beside += (
                f" Listed one by one they add up to {self.listed:+.3g}, the other way: "
                "what one counts depends on the others, so their signs do not hold for "
                "all together."
            )
        if self.p <= LEVEL:
            return f"What it marks counts more than other {units}: {beside}"
        if 1 / ways > LEVEL:
            beside += f" With {self.among} {units} no order could be."
        return f"This order is not shown to do better than chance: {beside}"


def _moves(lost: float, what: str) -> str:
    s = "" if what == "log-odds" else "s"
    return f"{'fall' if lost >= 0 else 'rise'}{s} by {abs(lost):.3g}"


def compare_to_random(
    costs: np.ndarray, lost: Callable[[np.ndarray], np.ndarray], seed: int
) -> RandomControl:
    """Hold an order against chance. costs [E]: of each, below 0: it speaks against the
    answer. lost: what is lost [C] without some of them together, rows [C, M].

    Those that speak the way of the largest are taken: for and against together would
    cancel.
    """
    count = len(costs)
    if not count:
        return RandomControl(0, 1, 0.0, 0.0, 0.0, 1.0, 0, 0)
    order = np.argsort(-np.abs(costs), kind="stable")
    way = 1 if costs[order[0]] >= 0 else -1
    speak = order[way * costs[order] > 0]
    first = (speak if len(speak) else order)[: max(1, round(SHARE * count))]
    if math.comb(count, len(first)) <= RANDOM:
        every = map(list, combinations(range(count), len(first)))
        drawn = [rows for rows in every if set(rows) != set(first.tolist())]
    else:
        rng = np.random.default_rng(seed)
        drawn = [rng.permutation(count)[: len(first)] for _ in range(RANDOM)]
    found = way * lost(np.array([first, *drawn]))
    as_good = found >= found[0] - TINY * abs(found[0])
    return RandomControl(
        len(first),
        way,
        float(way * found[0]),
        float(costs[first].sum()),
        float(way * found[1:].mean()) if drawn else 0.0,
        float(as_good.mean()),
        count,
        len(drawn),
    )
