"""Cells: pairs of drugs with one effect each, true or not, to score models on."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from vicinal.interactions.evaluation.negatives import Negatives
from vicinal.interactions.pair_effects import PairEffects


class Cells(NamedTuple):
    """N pairs, each with one effect that it has or has not."""

    pairs: np.ndarray
    """[N, 2]"""

    effects: np.ndarray
    """[N]"""

    truth: np.ndarray
    """[N] bool"""

    @property
    def num_pairs(self) -> int:
        """Return the number of different pairs."""
        return len(np.unique(self.pairs, axis=0))

    def by_effect(self) -> Iterator[tuple[int, np.ndarray]]:
        """Yield each effect with the rows of its cells."""
        order = np.argsort(self.effects, kind="stable")
        numbers, starts = np.unique(self.effects[order], return_index=True)
        yield from zip(numbers.tolist(), np.split(order, starts[1:]), strict=False)


def draw_cells(
    part: PairEffects, negatives: Negatives, seed: int, most: int | None = None
) -> Cells:
    """Return the facts of a part, with as many pairs that do not have each effect.

    most: facts of each effect at most. Effects without negatives are left out; where
    there are fewer negatives than facts, there are as many facts.
    """
    rng = np.random.default_rng(seed)
    pairs, effects, truth = [], [], []
    for effect in range(part.num_effects):
        rows = rng.permutation(part.pairs_with(effect))[:most]
        without = negatives.draw(effect, len(rows), rng)
        positive = part.pairs[rows[: len(without)]]
        pairs += [positive, without]
        effects.append(np.full(2 * len(without), effect))
        truth.append(np.arange(2 * len(without)) < len(without))
    if not pairs:
        return Cells(np.zeros((0, 2), int), np.zeros(0, int), np.zeros(0, bool))
    return Cells(np.concatenate(pairs), np.concatenate(effects), np.concatenate(truth))
