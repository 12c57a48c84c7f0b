"""Fit a combination for each situation, and score it beside what it has to beat.

In each situation facts are held out twice. The simple models are fitted to the rest,
the combination to the first held-out part, and the second part tests it. Drugs are held
out several times for the first part, with simple models of their own. Then the simple
models are fitted to all facts, and the combination is kept.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import expit

from vicinal.core.compute.runtime import seed_for
from vicinal.core.evaluation.calibration import binary_calibration_error
from vicinal.graphs.links.metrics import ranking_gains
from vicinal.interactions.data.features import DrugFeatures
from vicinal.interactions.evaluation.cells import Cells
from vicinal.interactions.evaluation.negatives import NegativeKind
from vicinal.interactions.evaluation.ranking import evaluate
from vicinal.interactions.evaluation.splits import (
    Part,
    Situation,
    Split,
    split_by_drug,
    split_by_effect,
    split_by_pair,
)
from vicinal.interactions.models.combination import Combination, fit_combination
from vicinal.interactions.models.feature_kernels import nearest_mean
from vicinal.interactions.models.scores import INCREASING, PairScores
from vicinal.interactions.pair_effects import PairEffects

NEGATIVES: dict[Situation, NegativeKind] = {
    "known pair": "interacting",
    "new pair": "random",
    "one new drug": "random",
    "two new drugs": "random",
}
"""what a combination distinguishes facts from: a pair that is known to interact has
other effects, of any other pair it is open whether it has any"""

KINDS: tuple[NegativeKind, ...] = ("random", "interacting")
MOST_FITTED, MOST_TESTED = 40, 40
"""facts of an effect that a combination is fitted to, and that it is tested on"""

TEMPERATURE_FOLDS = 4
"""folds of cells by which the temperature of a combination is found at most: several
folds of drugs form one"""

MIN_CELLS = 40
"""cells that a combination is fitted to at least; with fewer a situation has none"""

Key = tuple[Situation, tuple[str, ...]]
"""a situation, and the kinds of features by which new drugs are represented"""


class SituationResult(NamedTuple):
    """Scores in one situation beside one kind of negatives."""

    situation: Situation
    kinds: tuple[str, ...]
    """features by which new drugs are represented"""

    negatives: NegativeKind
    cells: Cells
    logits: np.ndarray
    """[N] of the combination, for these cells"""

    scores: dict[str, np.ndarray]
    """[E, 3] of each model, the combination first (`RankingScores`)"""

    calibration_error: float
    """of the probabilities, of pairs half of which have the effect"""

    comparisons: dict[str, tuple[int, int]]
    """by model: facts that the combination ranks above a negative where that model
    does not, and the other way round; each fact is paired with one negative"""

    @property
    def decides(self) -> bool:
        """Return whether the combination was fitted to negatives of this kind."""
        return NEGATIVES[self.situation] == self.negatives

    @property
    def title(self) -> str:
        """Return the situation in words."""
        if not self.kinds:
            return self.situation
        return f"{self.situation}, by {', '.join(self.kinds).replace('_', ' ')}"


def feature_sets(features: DrugFeatures) -> list[tuple[str, ...]]:
    """Return the kinds of features by which new drugs are represented: all, or one.

    Structure alone is the second set, as it is what is known of most new drugs.
    """
    everything, structure = tuple(features.names), ("structure",)
    if not everything:
        return []
    has_both = "structure" in everything and everything != structure
    return [everything, structure] if has_both else [everything]


class ValidationScores(NamedTuple):
    """What the combination of one situation is fitted to."""

    x: np.ndarray
    """[N, K] float32 scores of the simple models"""

    truth: np.ndarray
    """[N] bool"""

    num_pairs: int
    """different pairs, of all folds together"""

    folds: np.ndarray
    """[N] the fold of each cell, one of TEMPERATURE_FOLDS at most"""

    def fit_combination(self, seed: int) -> Combination:
        """Return the combination that is fitted to these cells."""
        cells = self.x, self.truth, self.num_pairs
        return fit_combination(*cells, seed, INCREASING, self.folds)


def fit_situations(
    pair_effects: PairEffects, features: DrugFeatures, held_out: float, seed: int
) -> Iterator[tuple[Key, Combination, list[SituationResult]]]:
    """Yield each situation's combination and scores, as far as there are enough facts.

    The combination of new drugs depends on the features that they have.
    """
    for number, divide in enumerate((split_by_effect, split_by_pair, split_by_drug)):
        split = divide(pair_effects, held_out, seed_for(seed, number))
        sets = feature_sets(features) if divide is split_by_drug else []
        if not len(split.train.codes):
            continue
        scores = PairScores.fit(split.train)
        validation = validation_scores(split, scores, features, sets, seed)
        for (key, negatives), found in validation.items():
            if negatives != NEGATIVES[key[0]] or len(found.truth) < MIN_CELLS:
                continue
            combination = found.fit_combination(seed)
            scores.represent_new_drugs(features, key[1])
            results = _score_all(scores, key, split.test[key[0]], combination, seed)
            for result in results:
                _add_nearest(result, scores, features)
            yield key, combination, results


def validation_scores(
    split: Split,
    scores: PairScores,
    features: DrugFeatures,
    sets: Sequence[tuple[str, ...]],
    seed: int,
    most: int = MOST_FITTED,
    kinds: Sequence[NegativeKind] = (),
) -> dict[tuple[Key, NegativeKind], ValidationScores]:
    """Return the scores of the validation cells in each situation, of all folds.

    scores: fitted to the training part. sets: kinds of features for new drugs. most:
    facts of each effect, of all folds together; up to four times as many of two new
    drugs, as a fold has few pairs of them. kinds: of negatives; none: NEGATIVES.
    """
    folds = len(split.validation)
    groups = min(folds, TEMPERATURE_FOLDS)
    per_fold = -(-most // folds)
    found: dict[tuple[Key, NegativeKind], list[ValidationScores]] = {}
    for number, fold in enumerate(split.validation):
        fitted = scores
        if fold.train is not split.train:
            fitted = PairScores.fit(fold.train)
        for own in sets or [()]:
            fitted.represent_new_drugs(features, own)
            for situation, part in fold.parts.items():
                if situation == "two new drugs" and not own:
                    continue  # nothing is known of either
                limit = per_fold
                if situation == "two new drugs":
                    limit = min(4 * per_fold, most)
                for kind in kinds or [NEGATIVES[situation]]:
                    cells = part.draw(kind, seed, limit)
                    x = fitted.of_cells(cells.pairs, cells.effects)
                    numbers = np.full(len(x), number * groups // folds)
                    values = ValidationScores(x, cells.truth, cells.num_pairs, numbers)
                    found.setdefault(((situation, own), kind), []).append(values)
    return {key: _merge(folds) for key, folds in found.items()}


def _merge(folds: Sequence[ValidationScores]) -> ValidationScores:
    """Return the cells of several folds together."""
    x, truth, num_pairs, numbers = zip(*folds, strict=True)
    return ValidationScores(
        np.concatenate(x),
        np.concatenate(truth),
        sum(num_pairs),
        np.concatenate(numbers),
    )


def _score_all(
    scores: PairScores, key: Key, test: Part, combination: Combination, seed: int
) -> list[SituationResult]:
    """Return the scores of a combination beside each kind of negatives."""
    drawn: list[tuple[NegativeKind, Cells]] = [
        (kind, test.draw(kind, seed, MOST_TESTED)) for kind in KINDS
    ]
    return [
        _score(scores, key, kind, cells, combination)
        for kind, cells in drawn
        if len(cells.truth)
    ]


def _score(
    scores: PairScores,
    key: Key,
    kind: NegativeKind,
    cells: Cells,
    combination: Combination,
) -> SituationResult:
    """Return the scores of a combination and of what it has to beat."""
    x = scores.of_cells(cells.pairs, cells.effects)
    logits = combination.logits(x)
    models = {"combination": logits}
    if key[0] == "known pair":
        models["other effects of the pair"] = x[:, 0]
    if key[0] in ("known pair", "new pair"):
        models["popularity of both drugs"] = x[:, 1] + x[:, 2]
    if key[0] == "one new drug":
        models["popularity of the known drug"] = x[:, 1]
    if key[0] == "two new drugs":
        models["popularity, estimated from features"] = x[:, 1] + x[:, 2]
    found = {name: evaluate(values, cells) for name, values in models.items()}
    error = binary_calibration_error(expit(logits.astype(float)), cells.truth)
    result = SituationResult(*key, kind, cells, logits, found, error, {})
    for name, values in models.items():
        if values is not logits:
            _compare(result, name, values)
    return result


def _compare(result: SituationResult, name: str, values: np.ndarray) -> None:
    """Add the comparison of the combination with the scores [N] of another model."""
    wins = losses = 0
    for _, rows in result.cells.by_effect():
        truth = result.cells.truth[rows].astype(int)
        gains = ranking_gains(truth, result.logits[rows], values[rows])
        wins, losses = wins + int((gains > 0).sum()), losses + int((gains < 0).sum())
    result.comparisons[name] = wins, losses


def _add_nearest(
    result: SituationResult, scores: PairScores, features: DrugFeatures
) -> None:
    """Add the score of the known drugs whose structures are nearest to new ones."""
    if features.structure is None or "new drug" not in result.situation:
        return
    counts = np.log1p(scores.pair_effects.drug_counts.sum(axis=0))
    means = nearest_mean(features.structure, scores.is_known, counts)
    cells = result.cells
    values = np.sum([means[drugs, cells.effects] for drugs in cells.pairs.T], axis=0)
    result.scores["nearest drugs by structure"] = evaluate(values, cells)
    _compare(result, "nearest drugs by structure", values)
