"""Facts in the rows of a table of interactions: which drugs have which effect.

Everything is computed from numbers of drugs and effects, for all rows at once.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from vicinal.interactions.data.cells import BLANK, CellParts

MAX_DRUGS = 30
"""drugs of the largest set that is read"""

MIN_REVERSED_PAIRS = 10
"""pairs given in both orders, from which on their effects show whether the order
matters"""

MIN_POSITIONS, RANDOM_DISPERSION = 4, 1.5
"""facts of a drug with one effect, from which on its positions are counted, and the
dispersion of positions up to which they may be random"""


class Rows(NamedTuple):
    """N rows of a table of interactions; K drugs at most."""

    drugs: np.ndarray
    """[K, N] int32 numbers of drugs; BLANK where a row has fewer"""

    effects: np.ndarray
    """[N] int32 numbers of the cells of effects; BLANK: blank"""

    labels: np.ndarray | None
    """[N] int8: 1 where the effect is known, 0 where it is not, BLANK: not given"""


@dataclass(frozen=True)
class Facts:
    """F combinations of K drugs, each with an effect of theirs."""

    drugs: np.ndarray
    """[K, F] numbers of drugs"""

    effects: np.ndarray
    """[F] numbers of effects"""

    rows: np.ndarray
    """[F] rows of the table; [0] where duplicates are removed"""

    def take(self, selected: np.ndarray) -> "Facts":
        """Return some of the facts."""
        return Facts(
            self.drugs[:, selected], self.effects[selected], self.rows[selected]
        )

    def without_order(self) -> "Facts":
        """Return the facts with the drugs of each in ascending order."""
        return replace(self, drugs=np.sort(self.drugs, axis=0))

    def codes(self) -> np.ndarray:
        """Return [F] int64, equal for equal drugs and effects."""
        num_effects = int(self.effects.max(initial=0)) + 1
        return _combination_codes(self.drugs) * num_effects + self.effects

    def unique(self) -> "Facts":
        """Return every fact once, the first time that it is given, in that order."""
        _, first = np.unique(self.codes(), return_index=True)
        return self.take(np.sort(first))


def _combination_codes(drugs: np.ndarray) -> np.ndarray:
    """Return [F] int64, equal for equal columns of drugs [K, F]."""
    if len(drugs) > 2:
        _, codes = np.unique(drugs, axis=1, return_inverse=True)
        return codes.astype(np.int64).ravel()
    codes = drugs[0].astype(np.int64)
    for others in drugs[1:]:
        codes = codes * (int(drugs.max(initial=0)) + 1) + others
    return codes


# --- rows that cannot be used --------------------------------------------------------

PROBLEMS = (
    *("", "blank drugs", "blank drug", "many drugs", "name of a drug"),
    *("repeated drug", "blank effect", "name of an effect", "blank label"),
)
"""what may be wrong with a row; the first is reported"""


def find_problems(
    rows: Rows, parts: CellParts, bad_drugs: np.ndarray, bad_effects: np.ndarray
) -> np.ndarray:
    """Return the problem [N] int8 of each row as its position in PROBLEMS; 0: none.

    parts: the effects of each cell. bad_drugs, bad_effects: bool, names that cannot be
    used.
    """
    given = rows.drugs != BLANK
    count = given.sum(axis=0)
    in_order = np.sort(rows.drugs, axis=0)
    repeated = (in_order[1:] == in_order[:-1]) & (in_order[1:] != BLANK)
    cells = {
        "blank effect": parts.lengths == 0,
        "name of an effect": parts.any(bad_effects),
    }
    found = {
        "blank drugs": count == 0,
        "blank drug": (given[1:] > given[:-1]).any(axis=0),
        "many drugs": count > MAX_DRUGS,
        "name of a drug": np.append(bad_drugs, False)[rows.drugs].any(axis=0),
        "repeated drug": repeated.any(axis=0),
        "blank effect": np.append(cells["blank effect"], True)[rows.effects],
        "name of an effect": np.append(cells["name of an effect"], False)[rows.effects],
    }
    if rows.labels is not None:
        found["blank label"] = rows.labels == BLANK
    problems = np.zeros(rows.drugs.shape[1], np.int8)
    for name, flags in reversed(found.items()):
        problems[flags] = PROBLEMS.index(name)
    return problems


# --- facts ---------------------------------------------------------------------------


def facts_of_rows(
    rows: Rows, parts: CellParts, usable: np.ndarray
) -> tuple[Facts, Facts, Facts]:
    """Return the facts of single drugs, of pairs and of larger sets.

    usable: [N] bool. Drugs of sets are in ascending order, behind BLANK.
    """
    count = (rows.drugs != BLANK).sum(axis=0)
    width = len(rows.drugs)
    return (
        _expand(rows, parts, np.flatnonzero(usable & (count == 1)), 1),
        _expand(rows, parts, np.flatnonzero(usable & (count == 2)), 2),
        _expand(
            rows, parts, np.flatnonzero(usable & (count > 2)), width
        ).without_order(),
    )


def _expand(rows: Rows, parts: CellParts, selected: np.ndarray, width: int) -> Facts:
    """Return a fact for each effect of the selected rows, which have `width` drugs."""
    positions, effects = parts.take(rows.effects[selected])
    selected = selected[positions]
    if len(rows.drugs) < width:
        return Facts(np.zeros((width, 0), np.int32), effects[:0], selected[:0])
    return Facts(rows.drugs[:width, selected], effects, selected)


def remove_conflicts(facts: Facts, labels: np.ndarray) -> tuple[Facts, np.ndarray]:
    """Return the facts whose label is 1, and the rows [C] that contradict others.

    Rows contradict each other that give one fact with the labels 1 and 0; all of their
    facts are removed. labels: [N] of the rows.
    """
    positive, codes = labels[facts.rows] == 1, facts.codes()
    both = np.intersect1d(codes[positive], codes[~positive])
    conflicting = np.unique(facts.rows[np.isin(codes, both)])
    kept = positive & ~np.isin(facts.rows, conflicting)
    return facts.take(np.flatnonzero(kept)), conflicting


class OrderCounts(NamedTuple):
    """By what is decided whether the order of two drugs matters."""

    reversed_pairs: int
    """pairs that are given in both orders"""

    differing: int
    """those that have fewer than half of their effects in both orders"""

    dispersion: float = np.inf
    """mean of (n - m)^2 / (n + m), with n and m how often a drug that has an effect
    repeatedly is given first and second; 1 if the order is random, infinite where no
    drug has an effect repeatedly"""

    @property
    def order_matters(self) -> bool:
        """Return whether most of the pairs given in both orders differ.

        Facts that are given once, in a random order, differ too; but then drugs are
        as often first as second.
        """
        enough = self.reversed_pairs >= MIN_REVERSED_PAIRS
        differ = 2 * self.differing > self.reversed_pairs
        return enough and differ and self.dispersion > RANDOM_DISPERSION


def count_orders(pairs: Facts) -> OrderCounts:
    """Compare the effects of pairs that are given in both orders."""
    forward = pairs.drugs[0] < pairs.drugs[1]
    if forward.all() or not forward.any():
        return OrderCounts(0, 0)
    combinations = _combination_codes(np.sort(pairs.drugs, axis=0))
    both = np.intersect1d(combinations[forward], combinations[~forward])
    num_effects = int(pairs.effects.max(initial=0)) + 1
    selected = np.isin(combinations, both)
    places = np.searchsorted(both, combinations[selected])
    codes, forward = places * num_effects + pairs.effects[selected], forward[selected]
    one, other = np.unique(codes[forward]), np.unique(codes[~forward])
    either, shared = np.union1d(one, other), np.intersect1d(one, other)
    num_either, num_shared = (
        np.bincount(codes // num_effects, minlength=len(both))
        for codes in (either, shared)
    )
    differing = int((2 * num_shared < num_either).sum())
    return OrderCounts(len(both), differing, _dispersion_of_positions(pairs))


def _dispersion_of_positions(pairs: Facts) -> float:
    """Return how unevenly drugs are first and second, effect by effect; 1: at random.

    Of drugs that have an effect MIN_POSITIONS times or more; infinite where none has.
    """
    num_effects = int(pairs.effects.max(initial=0)) + 1
    codes = pairs.drugs.astype(np.int64) * num_effects + pairs.effects
    drugs, numbers = np.unique(codes, return_inverse=True)
    first, second = (
        np.bincount(own, minlength=len(drugs)) for own in numbers.reshape(2, -1)
    )
    used = first + second >= MIN_POSITIONS
    squares = (first - second)[used] ** 2 / (first + second)[used]
    return float(squares.mean()) if len(squares) else np.inf
