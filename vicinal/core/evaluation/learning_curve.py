"""Learning curves: the score to expect from more examples.

The error of a head trained on n examples follows approximately

    err(n) = a + b n^-c        a, b >= 0, c in EXPONENTS

(Hestness et al. 2017, "Deep Learning Scaling is Predictable, Empirically", section 2).
Heads are trained on nested subsets of the training folds and evaluated on the held-out
fold. For each exponent of a grid, a and b are the weighted least squares, and the best
fit is the curve, so it never rises. The interval contains 95 % of the curves of
bootstrapped examples and subsets (Efron & Tibshirani 1993, chapter 13). The grid is
solved for all bootstrap curves at once, unlike `curve_fit`.

It takes a few seconds: heads of one size are solved together, on the first MAX_AXES
principal axes of the features.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import torch

from vicinal.core.metrics import LOWER_IS_BETTER
from vicinal.core.objective import Objective
from vicinal.core.training.linear_solver import RegularizedProblem
from vicinal.errors import SettingError

SIZES = (1 / 8, 1 / 4, 1 / 2, 1.0)
"""fractions of the training folds"""

NUM_SUBSETS = 2
"""random sequences of nested subsets of each training fold"""

MAX_AXES = 256
"""principal axes that the heads use; on 2,521 photographs and 1,280 features, 256 cost
0.2 points of accuracy"""

EXPONENTS = np.geomspace(0.1, 2.0, 61)
"""c: from the slowest observed in practice to faster than any statistic"""

BOOTSTRAP_SAMPLES = 200


class Estimate(NamedTuple):
    """An extrapolated score with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class LearningCurve:
    """A score against the number of examples."""

    metric: str
    """accuracy, f1_micro, mae; recall for one class"""

    num_examples: int
    """N, the examples available"""

    sizes: np.ndarray
    """[S] training examples of the heads"""

    errors: np.ndarray
    """[S] mean error of the heads: 1 less the score, or the score for regression"""

    std: np.ndarray
    """[S] standard deviation of the error over bootstrap samples"""

    fit: np.ndarray
    """[3] a, b, c of the error as a function of n / N"""

    bootstrap_fits: np.ndarray
    """[B, 3] the same for bootstrap samples"""

    by_class: dict[str, "LearningCurve"] = field(default_factory=dict)
    """recall of each class, against the number of examples of all classes"""

    def predict(self, n: float) -> Estimate:
        """Return the score to expect from n examples of the same distribution."""
        x = n / self.num_examples
        value = _errors(self.fit, x)
        low, high = np.quantile(_errors(self.bootstrap_fits, x), [0.025, 0.975])
        low, high = min(low, value), max(high, value)
        if not self._is_proportion:
            return Estimate(float(value), float(low), float(high))
        # an extrapolated proportion stays within 0 and 1
        return Estimate(*(float(min(max(1 - e, 0), 1)) for e in (value, high, low)))

    def gain(self, factor: float) -> Estimate:
        """Return the decrease of the error with `factor` times as many examples.

        Both errors are of the same bootstrap samples, so the interval is narrower than
        that of a difference of independent scores.
        """
        value, samples = (
            _errors(fit, 1.0) - _errors(fit, factor)
            for fit in (self.fit, self.bootstrap_fits)
        )
        low, high = np.quantile(samples, [0.025, 0.975])
        return Estimate(float(value), float(min(low, value)), float(max(high, value)))

    @property
    def is_conclusive(self) -> bool:
        """True if the gain from twice as many examples exceeds the interval's width."""
        gain = self.gain(2)
        return gain.value > gain.high - gain.low

    def describe(self, unit: str = "", example: str = "image") -> str:
        """Summarise what more examples would bring, in one or two sentences.

        unit: of the target; example: singular noun.
        """
        n, factors = self.num_examples, (1, 2, 4)
        now, two, four = (self._format(self.predict(k * n), unit) for k in factors)
        start = f"Expected {self._name} {now} with {n:,} {example}s"
        if self.is_conclusive:
            return f"{start}, {two} with {2 * n:,}, {four} with {4 * n:,}."
        gain = self.gain(2)
        if self._is_proportion:
            low, high = (f"{100 * v:.1f}" for v in gain[1:])
            most = f"{high} points"
        else:
            low, high = (f"{v:.3g}" for v in gain[1:])
            most = f"{high} {unit}".rstrip()
        return (
            f"{start}. The gain from more {example}s is uncertain: twice as many may "
            f"improve it by {low} to {most}."
        )

    @property
    def _name(self) -> str:
        names = {"mae": "mean absolute error", "f1_micro": "micro F1"}
        return names.get(self.metric, self.metric)

    @property
    def _is_proportion(self) -> bool:
        return self.metric not in LOWER_IS_BETTER

    def _format(self, score: Estimate, unit: str) -> str:
        proportion = self._is_proportion
        format_value = (lambda v: f"{100 * v:.1f}") if proportion else "{:.4g}".format
        value, low, high = map(format_value, score)
        suffix = " %" if proportion else f" {unit}".rstrip()
        return f"{value}{suffix} [{low}, {high}]"


def learning_curve(
    features: np.ndarray,
    y: np.ndarray,
    objective: Objective,
    folds: np.ndarray,
    penalty: float,
    *,
    sizes: Sequence[float] = SIZES,
    num_subsets: int = NUM_SUBSETS,
    seed: int = 0,
) -> LearningCurve:
    """Return the curve of heads on features [N, D] with targets y and folds [N] from 0.

    penalty: the best one for all examples. A head of fewer gets a larger one, so that
    penalty times examples is constant, as the prior of a Bayesian model would be.

    Raises SettingError for fewer than three sizes: the curve has three parameters.
    """
    fractions = sorted({float(s) for s in sizes})
    if len(fractions) < 3 or not 0 < fractions[0] < fractions[-1] <= 1:
        raise SettingError(
            "sizes must be three or more different fractions of the training folds, "
            f"above 0 and at most 1. Got {list(sizes)}. Leave them out for {SIZES}."
        )
    rng = np.random.default_rng(seed)
    problem = RegularizedProblem.from_features(features, y, objective)
    problem = _first_axes(problem)
    ranks = [_subset_ranks(y, objective, folds, rng) for _ in range(num_subsets)]
    counts, terms, start = [], [], None
    for fraction in fractions:
        train = np.concatenate([rank < fraction for rank in ranks], axis=1)
        counts.append(train.sum(axis=0).mean())
        start = problem.solve(train, penalty / fraction, start)
        logits = problem.logits(start)  # [N, P, K]
        logits = logits.view(len(y), num_subsets, -1, problem.outputs)
        # for each row and subset, the head trained without the row's fold
        held_out = logits[torch.arange(len(y)), :, torch.from_numpy(folds)]
        heads = [objective.predict(held_out[:, d]) for d in range(num_subsets)]
        terms.append([_error_terms(y, objective.decide(p), objective) for p in heads])
    return _fit_curves(np.array(counts), terms, objective, len(y), rng)


# --- training subsets -----------------------------------------------------------------


def _subset_ranks(
    y: np.ndarray, objective: Objective, folds: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return ranks [N, F], 0 to 1, of the rows in a random order of each training fold.

    Rows with a rank below s form the subset of size s: subsets are nested, stratified,
    and have at least one row of each class. Rows of the held-out fold have rank 2.
    """
    strata = y if objective.kind == "single_label" else np.zeros(len(y), dtype=int)
    ranks = np.full((len(y), int(folds.max()) + 1), 2.0)
    for f in range(ranks.shape[1]):
        for stratum in np.unique(strata):
            rows = rng.permutation(np.flatnonzero((folds != f) & (strata == stratum)))
            ranks[rows, f] = np.arange(len(rows)) / max(len(rows), 1)
    return ranks


def _first_axes(problem: RegularizedProblem) -> RegularizedProblem:
    """Return the problem on the MAX_AXES axes of largest variance."""
    first = problem.curvature.argsort(descending=True)[:MAX_AXES]
    return replace(
        problem,
        z=problem.z[:, first].contiguous(),
        curvature=problem.curvature[first],
        axes=problem.axes[:, first],
    )


# --- errors ---------------------------------------------------------------------------


def _error_terms(
    y: np.ndarray, decisions: np.ndarray, objective: Objective
) -> np.ndarray:
    """Return each row's terms [1 + K, 2, N] of errors that are a ratio of two sums.

    First the overall error: wrong / rows, absolute error / rows, or for micro F1
    (FP + FN) / (2 TP + FP + FN). Then 1 - recall of each class: missed / present.
    """
    if objective.kind == "numeric":
        return np.stack([np.abs(y - decisions), np.ones(len(y))])[None]
    if objective.kind == "single_label":
        present = y[:, None] == np.arange(objective.outputs)
        missed = present & (decisions != y)[:, None]
        whole = np.stack([decisions != y, np.ones(len(y))])
    else:
        present, predicted = np.asarray(y, bool), np.asarray(decisions, bool)
        missed = present & ~predicted
        wrong = (present ^ predicted).sum(axis=1)
        hits = (present & predicted).sum(axis=1)
        whole = np.stack([wrong, 2 * hits + wrong])
    each = np.stack([missed.T, present.T], axis=1)  # [K, 2, N]
    return np.concatenate([whole[None], each]).astype(np.float32)


def _fit_curves(
    counts: np.ndarray,
    terms: list[list[np.ndarray]],
    objective: Objective,
    n: int,
    rng: np.random.Generator,
) -> LearningCurve:
    """Return the overall curve with those of the classes; terms [S][D][1 + K, 2, N].

    A bootstrap sample draws the same examples for all sizes, and the subsets D for each
    size.
    """
    num_subsets, samples = len(terms[0]), BOOTSTRAP_SAMPLES
    weights = rng.multinomial(n, np.full(n, 1 / n), samples)
    weights = weights.T.astype(np.float32)  # [N, B]
    even = np.full(num_subsets, 1 / num_subsets)
    subsets = rng.multinomial(num_subsets, even, (samples, len(counts)))  # [B, S, D]
    names = ("", *objective.classes)
    curves: dict[str, LearningCurve] = {}
    for k in range(len(terms[0][0])):
        own = np.array([[term[k] for term in size] for size in terms])
        sums = np.einsum("sdtb,bsd->tbs", own @ weights, subsets)
        errors, sampled = _ratio(own.sum(axis=(1, 3)).T), _ratio(sums)  # [S], [B, S]
        if not k:  # no label present and none predicted: no error
            errors, sampled = np.nan_to_num(errors), np.nan_to_num(sampled)
        if not np.isnan(errors).any():  # else a class without examples
            metric = "recall" if k else objective.metric
            curves[names[k]] = _fit_curve(metric, n, counts, errors, sampled)
    return replace(curves.pop(""), by_class=curves)


def _ratio(sums: np.ndarray) -> np.ndarray:
    """Return the ratio of two sums [2, ...]; NaN for a denominator of 0."""
    numerator, denominator = sums.astype(np.float64)
    positive = denominator > 0
    return np.where(positive, numerator / np.where(positive, denominator, 1), np.nan)


def _fit_curve(
    metric: str, n: int, counts: np.ndarray, errors: np.ndarray, sampled: np.ndarray
) -> LearningCurve:
    """Fit the errors [S], and those of bootstrap samples [B, S].

    Sizes are weighted by the inverse variance of their error, within a factor of 100.
    """
    sampled = sampled[~np.isnan(sampled).any(axis=1)]  # a rare class may not be drawn
    sampled = sampled if len(sampled) else errors[None]
    std = sampled.std(axis=0)
    weights = 1 / (std**2 + (0.1 * std.max()) ** 2 + 1e-12)
    x = counts / n
    bootstrap_fits = fit_power_laws(x, sampled, weights)
    fit = fit_power_laws(x, errors[None], weights)[0]
    return LearningCurve(metric, n, counts, errors, std, fit, bootstrap_fits)


# --- the power law --------------------------------------------------------------------


def _errors(fits: np.ndarray, x: float) -> np.ndarray:
    """Return a + b x^-c for parameters [..., 3]."""
    a, b, c = np.moveaxis(fits, -1, 0)
    return a + b * x**-c


def fit_power_laws(
    x: np.ndarray, errors: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Return weighted least squares fits [B, 3] of errors [B, S] >= 0 at sizes x [S].

    For a given exponent c the law is a line in x^-c. Where its level a or factor b
    would be negative, it is fixed at 0: the problem is convex, so that is the optimum.
    """
    w = weights / weights.sum()
    best = np.zeros((len(errors), 3))
    least = np.full(len(errors), np.inf)
    for c in EXPONENTS:
        u = x**-c
        mean_u, mean_e = w @ u, errors @ w
        factor = ((errors - mean_e[:, None]) @ (w * (u - mean_u))) / (
            w @ (u - mean_u) ** 2
        )
        factor = np.maximum(factor, 0)
        level = mean_e - factor * mean_u
        through_0 = (errors @ (w * u)) / (w @ u**2)  # b of the line with a = 0
        factor = np.where(level < 0, through_0, factor)
        level = np.maximum(level, 0)
        residuals = errors - level[:, None] - factor[:, None] * u
        loss = residuals**2 @ w
        fits = np.stack([level, factor, np.full(len(errors), c)], axis=1)
        best = np.where((loss < least)[:, None], fits, best)
        least = np.minimum(loss, least)
    return best
