"""Open a prediction to its sum: parts of the set, scores of the pair, similar drugs."""

from dataclasses import dataclass
from math import factorial
from typing import NamedTuple

import numpy as np
from scipy.special import expit

from vicinal.errors import DataError, suggest_names
from vicinal.interactions.data.cells import fold_name
from vicinal.interactions.evaluation.splits import SITUATIONS
from vicinal.interactions.fitted_model import FittedInteractions
from vicinal.interactions.models.combination import Combination
from vicinal.interactions.models.scores import COLUMNS
from vicinal.interactions.prediction.set_predictions import SetPrediction, predict_sets

NUM_NEIGHBOURS = 5
"""similar drugs that are named"""

MAX_TARGETS = 10
"""shared targets that are named"""


class ScoreTerm(NamedTuple):
    """What one score adds to the log odds."""

    name: str
    value: float
    typical: float
    """mean over the cells that the combination was fitted to"""

    contribution: float


class SimilarDrug(NamedTuple):
    """A drug like one of the pair that has the effect with the other one."""

    drug: str
    like: str
    partner: str
    weight: float
    """its term of the score "similar drugs"; they add up to it"""


@dataclass(frozen=True)
class PairExplanation:
    """The probability of one effect of one pair."""

    pair: tuple[str, str]
    effect: str
    situation: str
    probability: float
    """NaN: nothing supports a prediction"""

    known: bool
    prior: float
    """log odds of the effect among pairs in this situation"""

    base: float
    """log odds of the combination for typical scores"""

    terms: list[ScoreTerm]
    """add up, with `prior` and `base`, to the log odds of the probability"""

    similar: list[SimilarDrug]
    shared_targets: list[str]

    @property
    def logit(self) -> float:
        """Return the sum of the terms."""
        return self.prior + self.base + sum(term.contribution for term in self.terms)


@dataclass(frozen=True)
class SetExplanation:
    """The probability of one effect of a set of drugs."""

    prediction: SetPrediction
    effect: int
    pairs: list[PairExplanation]
    """of the pairs, those that add most first"""

    @property
    def probability(self) -> float:
        return float(self.prediction.probabilities[self.effect])


def effect_row(model: FittedInteractions, name: str) -> int:
    """Return the number of an effect; DataError for an unknown one."""
    rows = {fold_name(effect): row for row, effect in enumerate(model.effects)}
    row = rows.get(fold_name(name))
    if row is None:
        names = [str(effect) for effect in model.effects]
        raise DataError(
            f"There is no effect {name!r} in the model. {suggest_names(name, names)}"
        )
    return row


def most_probable(prediction: SetPrediction) -> int:
    """Return the most probable effect that is not known; else that which is."""
    p = np.nan_to_num(prediction.probabilities, nan=-1.0)
    unknown = ~prediction.known.any(axis=0)
    return int(np.argmax(np.where(unknown, p, -1.0) if unknown.any() else p))


def explain_set(
    model: FittedInteractions, drugs: tuple[int, ...], effect: str | None = None
) -> SetExplanation:
    """Explain one effect of a set of drugs by number; None: the most probable one."""
    prediction = predict_sets(model, [drugs])[0]
    row = most_probable(prediction) if effect is None else effect_row(model, effect)
    numbers = {str(model.drugs[drug]): drug for drug in drugs}
    by_part = dict(prediction.contributions(row))
    pairs = [part for part in prediction.parts if len(part) == 2]
    pairs.sort(key=lambda part: -by_part.get(part, 0.0))
    found = [
        explain_pair(model, (numbers[first], numbers[second]), row)
        for first, second in pairs
    ]
    return SetExplanation(prediction, row, found)


def explain_pair(
    model: FittedInteractions, pair: tuple[int, int], effect: int
) -> PairExplanation:
    """Explain the probability of one effect of a pair of drugs by number."""
    pairs = np.array([pair])
    found = model.predict_pairs(pairs)
    situation = SITUATIONS[int(found.situations[0])]
    key = model.key_of(pairs)
    prior, base, terms = float("nan"), float("nan"), []
    if key is not None:
        model.scores.represent_new_drugs(model.features, key[1])
        x = model.scores.columns(pairs)[:, 0, effect]
        combination = model.combinations[key]
        prior = float(model.prior_logits(key)[effect])
        base, values = shapley_values(combination, x)
        typical = combination.mean.numpy()
        terms = [
            ScoreTerm(name, float(x[k]), float(typical[k]), float(values[k]))
            for k, name in enumerate(COLUMNS)
            if values[k]
        ]
        terms.sort(key=lambda term: -abs(term.contribution))
    similar = [
        SimilarDrug(
            str(model.drugs[drug]),
            str(model.drugs[pair[side]]),
            str(model.drugs[pair[1 - side]]),
            weight,
        )
        for side, drug, weight in model.scores.drugs.neighbour_terms(pair, effect)
    ]
    probability = float(found.probabilities[0, effect])
    is_known = bool(found.known[0, effect])
    return PairExplanation(
        pair=(str(model.drugs[pair[0]]), str(model.drugs[pair[1]])),
        effect=str(model.effects[effect]),
        situation=situation,
        probability=probability,
        known=is_known,
        prior=prior,
        base=base,
        terms=terms,
        similar=similar,
        shared_targets=_shared_targets(model, pair),
    )


def shapley_values(combination: Combination, x: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the logit of typical scores, and what each of K scores adds to it.

    Shapley values of the scores x [K]: the mean, over all orders in which scores are
    replaced by their own value, of the change of the logit (L. Shapley 1953; S.
    Lundberg and S.-I. Lee, NeurIPS 2017). All 2^K subsets are computed, so that base
    and values add up to the logit.
    """
    size = len(x)
    masks = (np.arange(2**size)[:, None] >> np.arange(size)) & 1
    typical = combination.mean.numpy()
    inputs = np.where(masks > 0, x, typical).astype(np.float32)
    logits = combination.logits(inputs).astype(float)
    counts = masks.sum(axis=1)
    weights = np.array(
        [factorial(k) * factorial(size - 1 - k) / factorial(size) for k in range(size)]
    )
    values = np.zeros(size)
    for k in range(size):
        without = np.flatnonzero(masks[:, k] == 0)
        gains = logits[without + 2**k] - logits[without]
        values[k] = (weights[counts[without]] * gains).sum()
    return float(logits[0]), values


def _shared_targets(model: FittedInteractions, pair: tuple[int, int]) -> list[str]:
    """Return the proteins that both drugs bind to."""
    table = model.features.targets
    if table is None:
        return []
    first, second = (set(table[drug].indices.tolist()) for drug in pair)
    return sorted(str(model.proteins[row]) for row in first & second)


def explanation_lines(found: SetExplanation) -> list[str]:
    """Return an explanation as text."""
    prediction, effect = found.prediction, found.effect
    name, p = prediction.effects[effect], found.probability
    shown = "nothing supports a prediction" if np.isnan(p) else f"probability {p:.3f}"
    lines = [
        f"{' + '.join(prediction.drugs)}: {name}",
        f"{shown} ({prediction.evidence(effect)})",
    ]
    parts = prediction.contributions(effect)
    if len(prediction.drugs) > 2 or any(len(part) == 1 for part, _ in parts):
        lines.append("parts, which add up to the probability:")
        lines += [f"  {' + '.join(part):<40} {share:+.4f}" for part, share in parts]
    for pair in found.pairs[:NUM_NEIGHBOURS]:
        lines += ["", *_pair_lines(pair)]
    return lines


def _pair_lines(found: PairExplanation) -> list[str]:
    first, second = found.pair
    head = f"{first} + {second} ({found.situation})"
    if found.known:
        return [f"{head}: in the table"]
    if np.isnan(found.probability):
        return [f"{head}: nothing is known that would support a prediction"]
    lines = [f"{head}: {found.probability:.4f}, a sum of log odds:"]
    lines.append(f"  {'frequency of the effect':<38} {found.prior:+8.3f}")
    lines.append(f"  {'a pair with typical scores':<38} {found.base:+8.3f}")
    lines += [
        f"  {term.name:<38} {term.contribution:+8.3f}   "
        f"({term.value:.2f}, typically {term.typical:.2f})"
        for term in found.terms
    ]
    odds = f"= {expit(found.logit):.4f}"
    lines.append(f"  {'sum':<38} {found.logit:+8.3f}   {odds}")
    if found.similar:
        lines.append("  similar drugs that have the effect with the other one:")
    lines += [
        f"    {each.drug} is like {each.like}, and has it with {each.partner} "
        f"({each.weight:+.3f})"
        for each in found.similar[:NUM_NEIGHBOURS]
    ]
    if found.shared_targets:
        shown = ", ".join(found.shared_targets[:MAX_TARGETS])
        more = len(found.shared_targets) - MAX_TARGETS
        lines.append(
            f"  shared targets: {shown}{f' and {more} more' if more > 0 else ''}"
        )
    return lines
