"""A model of sets of three drugs or more, for tables that have them.

    logit P(effect | S) = w . f(S, effect)

with f: the log odds by pairs and members (`sets.join`), the sum over the drugs of the
log of how often each is in a set with the effect, the highest probability of a pair,
and the number of drugs. All are sums or maxima over members and pairs, so the order
does not matter. Negatives are sets in which one drug is replaced by one that is in as
many sets, so that how common the drugs are gives nothing away.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import logit

from vicinal.graphs.links.metrics import auroc
from vicinal.interactions.fitted_model import FittedInteractions
from vicinal.interactions.models.combination import Combination, fit_combination
from vicinal.interactions.prediction.set_predictions import predict_sets

FEATURES = (
    "pairs and members",
    "how often the drugs have the effect in sets",
    "highest probability of a pair",
    "number of drugs",
)
INCREASING = (0, 1, 2)
"""features that never lower the logit"""

MIN_SETS = 100
"""sets with effects, from which on a model of sets is fitted"""

NEAREST = 10
"""drugs of the most similar frequency, of which one replaces another in a negative"""

SHARES = (0.6, 0.2)
"""of the sets: for counting, and for fitting the weights; the rest tests"""


class SetCells(NamedTuple):
    """Sets with one effect each, true or not."""

    sets: list[tuple[int, ...]]
    effects: np.ndarray
    truth: np.ndarray


class SetModelResult(NamedTuple):
    """AUROC of the model and of what it has to beat, on sets that it has not seen."""

    weights: dict[str, float]
    """of each of FEATURES, per standard deviation"""

    sets_tested: int
    cells_tested: int
    scores: dict[str, float]
    """AUROC by name: set model, pairs and members, frequency of the drugs"""


def fit_set_model(
    model: FittedInteractions,
    sets: Sequence[tuple[int, ...]],
    effects: Sequence[tuple[int, ...]],
    seed: int,
) -> SetModelResult | None:
    """Fit the model to sets of three drugs or more, and test it on others of them.

    sets, effects: numbers of drugs and of effects in `model`, which was not fitted to
    them. None where there are fewer than MIN_SETS.
    """
    has_effect = [row for row, own in enumerate(effects) if own]
    sets, effects = [sets[k] for k in has_effect], [effects[k] for k in has_effect]
    if len(sets) < MIN_SETS:
        return None
    rng = np.random.default_rng(seed)
    counted, fitted, tested = split_sets(len(sets), rng)
    shape = len(model.drugs), len(model.effects)
    counts = count_members(
        [sets[k] for k in counted], [effects[k] for k in counted], shape
    )
    members = [drug for drugs in sets for drug in drugs]
    frequency = np.bincount(members, minlength=shape[0])
    drawn = []
    for chosen in (fitted, tested):
        cells = draw_set_cells(chosen, sets, effects, frequency, rng)
        parts = [found.values for found in predict_sets(model, cells.sets)]
        features = set_features(cells.sets, cells.effects, counts, parts)
        drawn.append((cells, features))
    (cells, features), (test, tested_features) = drawn
    if not len(cells.truth) or not len(test.truth):
        return None
    combination = fit_combination(features, cells.truth, 0, seed, INCREASING)
    weights = map(float, combination.first_weights[0])
    return SetModelResult(
        dict(zip(FEATURES, weights, strict=True)),
        len(tested),
        len(test.truth),
        evaluate_sets(combination, test, tested_features),
    )


def set_features(
    sets: Sequence[tuple[int, ...]],
    effects: np.ndarray,
    counts: np.ndarray,
    parts: Sequence[np.ndarray],
) -> np.ndarray:
    """Return FEATURES [N, 4] float32 of sets with one effect each.

    parts: of each set the probabilities [K, E] of its members and pairs (NaN: none).
    """
    rows = []
    for drugs, effect, values in zip(sets, effects, parts, strict=True):
        own = np.nan_to_num(values[:, effect])
        whole = -np.expm1(np.log1p(-np.minimum(own, 1 - 1e-9)).sum())
        rows.append(
            [
                logit(np.clip(whole, 1e-6, 1 - 1e-6)),
                np.log1p(counts[list(drugs), effect]).sum(),
                own.max(initial=0.0),
                len(drugs),
            ]
        )
    return np.array(rows, np.float32).reshape(-1, len(FEATURES))


def count_members(
    sets: Sequence[tuple[int, ...]],
    effects: Sequence[tuple[int, ...]],
    shape: tuple[int, int],
) -> np.ndarray:
    """Return in how many sets with each effect each drug is, [D, E]."""
    counts = np.zeros(shape)
    for drugs, own in zip(sets, effects, strict=True):
        counts[np.ix_(list(drugs), list(own))] += 1
    return counts


def draw_set_cells(
    chosen: np.ndarray,
    sets: Sequence[tuple[int, ...]],
    effects: Sequence[tuple[int, ...]],
    frequency: np.ndarray,
    rng: np.random.Generator,
) -> SetCells:
    """Return each fact of the chosen sets, and beside it one with a drug replaced.

    frequency: [D] sets that each drug is in.
    """
    known = {(drugs, e) for drugs, own in zip(sets, effects, strict=True) for e in own}
    by_frequency = np.argsort(frequency, kind="stable")
    by_frequency = by_frequency[frequency[by_frequency] > 0]
    place = {int(drug): k for k, drug in enumerate(by_frequency)}
    found: list[tuple[int, ...]] = []
    kinds, truth = [], []
    for row in chosen:
        drugs = sets[row]
        for effect in effects[row]:
            removed = int(rng.choice(drugs))
            k = place[removed]
            near = by_frequency[max(0, k - NEAREST) : k + NEAREST + 1]
            near = np.setdiff1d(near, drugs)
            rest = [drug for drug in drugs if drug != removed]
            options = [tuple(sorted([*rest, int(drug)])) for drug in near]
            options = [option for option in options if (option, effect) not in known]
            if options:
                found += [drugs, options[rng.integers(len(options))]]
                kinds += [effect, effect]
                truth += [True, False]
    return SetCells(found, np.array(kinds, int), np.array(truth, bool))


def split_sets(count: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Return the sets for counting, for fitting the weights, and for testing."""
    order = rng.permutation(count)
    first = round(SHARES[0] * count)
    return order[:first], *np.split(order[first:], [round(SHARES[1] * count)])


def evaluate_sets(
    model: Combination, cells: SetCells, features: np.ndarray
) -> dict[str, float]:
    """Return the AUROC of the model, and of two of its features alone."""
    scores = {
        "set model": model.logits(features),
        "pairs and members": features[:, 0],
        "frequency of the drugs": features[:, 1],
    }
    return {name: auroc(cells.truth, values) for name, values in scores.items()}
