"""Known effects divided into train, validation and test, for four situations.

- *known pair*: of each effect a part of its pairs is left out; most of these pairs have
  other effects in training (M. Zitnik et al., Bioinformatics 2018).
- *new pair*: pairs are left out with all of their effects; both drugs are known from
  other pairs.
- *one new drug*: drugs are left out with all of their pairs; these with known drugs.
- *two new drugs*: the pairs among the drugs that were left out.

Figures of different situations say different things and are never averaged.
"""

from typing import Literal, NamedTuple

import numpy as np

from vicinal.interactions.evaluation.cells import Cells, draw_cells
from vicinal.interactions.evaluation.negatives import NegativeKind, Negatives
from vicinal.interactions.pair_effects import PairEffects

Situation = Literal["known pair", "new pair", "one new drug", "two new drugs"]
SITUATIONS: tuple[Situation, ...] = (
    "known pair",
    "new pair",
    "one new drug",
    "two new drugs",
)


DRUG_FOLDS = 8
"""how often drugs are left out for validation"""


class Part(NamedTuple):
    """Facts that are held out in one situation, and where negatives are drawn from."""

    facts: PairEffects
    negatives: dict[NegativeKind, Negatives]

    def draw(self, kind: NegativeKind, seed: int, most: int | None = None) -> Cells:
        """Return cells with and without each effect; see `draw_cells`."""
        return draw_cells(self.facts, self.negatives[kind], seed, most)


class Fold(NamedTuple):
    """Facts that simple models are fitted to, and others that a combination is."""

    train: PairEffects
    parts: dict[Situation, Part]


class Split(NamedTuple):
    """Known effects divided into training, validation and test parts."""

    train: PairEffects
    """facts that the simple models are fitted to before the test"""

    validation: list[Fold]
    """facts for the combination; none of them is in the test part"""

    test: dict[Situation, Part]


def split_by_effect(pair_effects: PairEffects, held_out: float, seed: int) -> Split:
    """Leave out the share `held_out` of each effect's pairs for validation and test."""
    rng = np.random.default_rng(seed)
    rows, effects = pair_effects.table.nonzero()
    order = np.lexsort((rng.random(len(rows)), effects))
    counts = np.bincount(effects, minlength=pair_effects.num_effects)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    share = (np.arange(len(rows)) - starts + 0.5) / np.repeat(counts, counts)
    part = np.empty(len(rows), np.int64)
    part[order] = np.where(share < held_out, 2, np.where(share < 2 * held_out, 1, 0))
    train, *others = _select(pair_effects, rows, effects, part)
    negatives: dict[NegativeKind, Negatives] = {
        "random": Negatives(pair_effects),
        "interacting": Negatives(pair_effects, train.codes),
    }
    parts: list[dict[Situation, Part]] = [
        {"known pair": Part(facts, negatives)} for facts in others
    ]
    return Split(train, [Fold(train, parts[0])], parts[1])


def split_by_pair(pair_effects: PairEffects, held_out: float, seed: int) -> Split:
    """Leave out the share `held_out` of all pairs for validation and for test."""
    order = np.random.default_rng(seed).permutation(len(pair_effects.codes))
    of_pair = np.zeros(len(order), np.int64)
    size = round(held_out * len(order))
    of_pair[order[:size]], of_pair[order[size : 2 * size]] = 2, 1
    rows, effects = pair_effects.table.nonzero()
    train, *others = _select(pair_effects, rows, effects, of_pair[rows])
    random = Negatives(pair_effects, excluded=train.codes)
    parts: list[dict[Situation, Part]] = []
    for facts in others:
        interacting = Negatives(pair_effects, facts.codes)
        own = Part(facts, {"random": random, "interacting": interacting})
        parts.append({"new pair": own})
    return Split(train, [Fold(train, parts[0])], parts[1])


def split_by_drug(pair_effects: PairEffects, held_out: float, seed: int) -> Split:
    """Leave out the share `held_out` of all drugs for the test.

    For validation as many of the others are left out, DRUG_FOLDS times: how well drugs
    are predicted differs more between drugs than between their pairs. Between the
    folds training and validation parts overlap; the test drugs are in none.
    """
    rng = np.random.default_rng(seed)
    drugs = rng.permutation(np.flatnonzero(pair_effects.degrees > 0))
    size = max(round(held_out * len(drugs)), min(2, len(drugs) // 3))
    folds = min(DRUG_FOLDS, max((len(drugs) - size) // max(size, 1) - 1, 1))
    test, others = drugs[:size], drugs[size:]
    validation = [
        _leave_drugs_out(pair_effects, new, np.setdiff1d(others, new))
        for new in (others[k * size : (k + 1) * size] for k in range(folds))
    ]
    fold = _leave_drugs_out(pair_effects, test, others)
    return Split(fold.train, validation, fold.parts)


def _leave_drugs_out(
    pair_effects: PairEffects, new: np.ndarray, known: np.ndarray
) -> Fold:
    """Return the facts among `known` drugs, and those of `new` ones."""
    group = np.full(pair_effects.num_drugs, -1)
    group[known], group[new] = 0, 1
    sides = np.sort(group[pair_effects.pairs], axis=1)  # [P, 2]
    rows, effects = pair_effects.table.nonzero()

    def facts_between(low: int, high: int) -> PairEffects:
        own = (sides == (low, high)).all(axis=1)[rows]
        return pair_effects.select(rows[own], effects[own])

    parts: dict[Situation, Part] = {}
    for low, situation in enumerate(SITUATIONS[2:]):
        pool = _all_pairs(pair_effects, new, new if low else known)
        interacting = np.intersect1d(pool, pair_effects.codes)
        negatives: dict[NegativeKind, Negatives] = {
            "random": Negatives(pair_effects, pool),
            "interacting": Negatives(pair_effects, interacting),
        }
        parts[situation] = Part(facts_between(low, 1), negatives)
    return Fold(facts_between(0, 0), parts)


def _all_pairs(
    pair_effects: PairEffects, new: np.ndarray, others: np.ndarray
) -> np.ndarray:
    """Return the codes of all pairs of two sets of drugs."""
    pairs = np.stack(np.meshgrid(new, others, indexing="ij"), axis=-1).reshape(-1, 2)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    return np.unique(pair_effects.code(np.concatenate([pairs, pairs[:, ::-1]])))


def _select(
    pair_effects: PairEffects, rows: np.ndarray, effects: np.ndarray, part: np.ndarray
) -> list[PairEffects]:
    """Return the tables of the cells of parts 0, 1 and 2."""
    return [pair_effects.select(rows[part == k], effects[part == k]) for k in range(3)]
