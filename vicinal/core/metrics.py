"""Metrics with 95 % confidence intervals.

Accuracy has Wilson's interval (1927), a mean absolute error Student's (1908), every
other score the percentile bootstrap (Efron & Tibshirani 1993, chapter 13); that is too
narrow for few examples, so there is none below ten, and that of a proportion is never
narrower than Wilson's. With groups (copies, bursts, patients) an interval is as wide as
that of the effective sample size, and the bootstrap resamples groups.
"""

from collections.abc import Callable
from math import inf, isnan, nan, sqrt
from typing import Any, NamedTuple

import numpy as np

from vicinal.core.storage.files import json_ready

Z95 = 1.959963984540054  # the standard normal's 97.5 % point

MIN_GROUPS = 10
"""examples, or groups of them, below which the bootstrap gives no interval"""

PROPORTIONS = {"accuracy", "f1_micro", "f1_macro", "all_labels_right"}
"""metrics that are proportions, shown in percent"""

LOWER_IS_BETTER = {"mae", "rmse", "nrmse", "nll", "nll_per_fragment"}

Groups = np.ndarray | None
"""[N] group numbers of examples; None: all are independent"""

Measure = Callable[[np.ndarray, np.ndarray], float]
"""a metric: (targets, predictions) -> value"""


class Score(NamedTuple):
    """A metric's value, its 95 % interval, and the number of examples."""

    metric: str
    value: float
    low: float
    high: float
    n: int

    def to_dict(self) -> dict[str, Any]:
        """Return the fields for JSON, with None for NaN."""
        return json_ready(self._asdict())

    def __str__(self) -> str:
        if self.metric in PROPORTIONS:
            value, low, high = (f"{100 * v:.1f}" for v in self[1:4])
            return f"{value} % [{low}, {high}] (n = {self.n})"
        if isnan(self.low):
            return f"{self.value:.4g} (n = {self.n}, too few for an interval)"
        value, low, high = (f"{v:.4g}" for v in self[1:4])
        note = ", lower is better" if self.metric in LOWER_IS_BETTER else ""
        return f"{value} [{low}, {high}] (n = {self.n}{note})"


def _score(metric: str, value: float, low: float, high: float, n: int) -> Score:
    """Return a score whose interval contains its value, whatever rounding did."""
    low, high = (bound if isnan(bound) else float(bound) for bound in (low, high))
    return Score(
        metric,
        value,
        low if isnan(low) else min(low, value),
        high if isnan(high) else max(high, value),
        n,
    )


def is_better(metric: str, a: float, b: float) -> bool:
    """Return True if value a of a metric is better than value b."""
    return a < b if metric in LOWER_IS_BETTER else a > b


# --- intervals ------------------------------------------------------------------------


def wilson(successes: float, n: float, z: float = Z95) -> tuple[float, float]:
    """Return Wilson's interval of a proportion; n may be fractional.

    center = (p + z^2 / 2n) / (1 + z^2 / n)
    half = z / (1 + z^2 / n) * sqrt(p (1 - p) / n + z^2 / 4n^2)
    """
    if n == 0:
        return 0.0, 1.0
    p = successes / n
    scale = 1 + z * z / n
    center = (p + z * z / (2 * n)) / scale
    half = z / scale * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    # rounding may leave p outside
    return min(p, max(0.0, center - half)), max(p, min(1.0, center + half))


def effective_sample_size(values: np.ndarray, groups: Groups) -> float:
    """Return the number of independent examples that N grouped values [N] are worth.

    The variance of the mean m is that of the G groups' sums,

        v = G / (G - 1) * sum_g (sum_{i in g} (x_i - m))^2 / N^2,

    and s^2 / v independent examples of variance s^2 have the same (Rao and Scott 1992,
    "A simple method for the analysis of clustered binary data"). At most N, and at
    least N^2 / sum_g N_g^2, the value for groups without variance inside (Kish 1965,
    section 5.4), which is also used where all values are equal.
    """
    n = len(values)
    if groups is None or n < 2:
        return float(n)
    rows = np.unique(groups, return_inverse=True)[1]
    sizes = np.bincount(rows)
    if len(sizes) == n:
        return float(n)
    least, count = n**2 / (sizes**2).sum(), len(sizes)
    deviations = values - values.mean()
    sums = np.bincount(rows, deviations)
    variance = count / max(count - 1, 1) * (sums**2).sum() / n**2
    if not variance or count < 2:
        return float(least)
    return float(np.clip((deviations**2).mean() / variance, least, n))


def bootstrap(
    metric: str,
    measure: Measure,
    y: np.ndarray,
    predicted: np.ndarray,
    groups: Groups = None,
    *,
    samples: int = 1000,
    seed: int = 0,
) -> Score:
    """Return a score with the 2.5 and 97.5 % points over resampled groups.

    Resamples for which the metric is undefined (NaN) are ignored. Below MIN_GROUPS
    groups the interval is NaN, or for a proportion Wilson's.
    """
    n = len(y)
    if not n:
        return Score(metric, nan, nan, nan, 0)
    value = float(measure(y, predicted))
    correct = y == predicted
    correct = correct if correct.ndim == 1 else correct.mean(axis=1)
    effective_n = effective_sample_size(correct, groups)
    proportion = metric in PROPORTIONS
    least = wilson(value * effective_n, effective_n) if proportion else (nan, nan)
    resamples = _resamples(n, groups, samples, seed)
    if resamples is None:
        return _score(metric, value, *least, n)
    values = np.array([measure(y[rows], predicted[rows]) for rows in resamples])
    values = values[~np.isnan(values)]
    low, high = np.quantile(values, [0.025, 0.975]) if len(values) else (nan, nan)
    low, high = np.fmin(low, least[0]), np.fmax(high, least[1])
    return _score(metric, value, float(low), float(high), n)


def _resamples(n: int, groups: Groups, samples: int, seed: int) -> Any:
    """Rows of each resample, group by group; None for fewer than MIN_GROUPS groups."""
    own = np.arange(n)
    if groups is not None:
        own = np.unique(groups, return_inverse=True)[1]
    count = int(own.max()) + 1
    if count < MIN_GROUPS:
        return None
    rng = np.random.default_rng(seed)
    drawn = (rng.integers(0, count, count) for _ in range(samples))
    if count == n:
        return drawn
    order, sizes = np.argsort(own, kind="stable"), np.bincount(own)
    starts = sizes.cumsum() - sizes

    def rows_of(groups: np.ndarray) -> np.ndarray:
        lengths = sizes[groups]
        offsets = np.repeat(lengths.cumsum() - lengths, lengths)
        within = np.arange(lengths.sum()) - offsets
        return order[np.repeat(starts[groups], lengths) + within]

    return map(rows_of, drawn)


# --- metrics --------------------------------------------------------------------------
# f1, rmse and r2 are written out rather than taken from scikit-learn, whose argument
# checks take 1 to 10 ms a call: ten seconds for the 1,000 resamples of `bootstrap`.


def accuracy(y: np.ndarray, predicted: np.ndarray, groups: Groups = None) -> Score:
    """Return the fraction of correct class rows; y and predicted [N]."""
    n, correct = len(y), y == predicted
    value = float(correct.mean()) if n else 0.0
    effective_n = effective_sample_size(correct, groups)
    return _score("accuracy", value, *wilson(value * effective_n, effective_n), n)


def mean_absolute_error(
    y: np.ndarray, predicted: np.ndarray, groups: Groups = None
) -> Score:
    """Return the mean absolute error with Student's interval; NaN for one group."""
    return mean_score("mae", np.abs(y - predicted), groups)


def mean_score(
    metric: str, values: np.ndarray, groups: Groups = None, upper: float = inf
) -> Score:
    """Return the mean of values [N], between 0 and `upper`, with Student's interval.

    mean +- t(0.975, G - 1) s / sqrt(n), with s the standard deviation of the values, n
    their effective sample size, and G groups; NaN for one group.
    """
    from scipy.stats import t

    n = len(values)
    if not n:
        return Score(metric, nan, nan, nan, 0)
    mean = float(values.mean())
    num_groups = n if groups is None else len(np.unique(groups))
    if num_groups < 2:
        return Score(metric, mean, nan, nan, n)
    effective_n = effective_sample_size(values, groups)
    half = t.ppf(0.975, num_groups - 1) * values.std(ddof=1) / sqrt(effective_n)
    return _score(metric, mean, max(0.0, mean - half), min(upper, mean + half), n)


def f1_micro(y: np.ndarray, predicted: np.ndarray) -> float:
    """2 TP / (2 TP + FP + FN), counted over all labels; y, predicted [N, K] of 0/1."""
    hits = 2 * np.logical_and(y, predicted).sum()
    total = y.sum() + predicted.sum()
    return float(hits / total) if total else 1.0


def f1_macro(y: np.ndarray, predicted: np.ndarray) -> float:
    """Mean F1 over the classes that occur; y and predicted [N] of class rows."""
    size = int(max(y.max(), predicted.max())) + 1 if len(y) else 0
    support, predictions, hits = (
        np.bincount(rows, minlength=size) for rows in (y, predicted, y[y == predicted])
    )
    occurs = support > 0
    f1 = 2 * hits[occurs] / (support + predictions)[occurs]
    return float(f1.mean()) if len(f1) else 0.0


def mae(y: np.ndarray, predicted: np.ndarray) -> float:
    """Mean absolute error, in the unit of the target."""
    return float(np.abs(y - predicted).mean())


def rmse(y: np.ndarray, predicted: np.ndarray) -> float:
    """Root mean squared error, in the unit of the target."""
    return float(np.sqrt(((y - predicted) ** 2).mean()))


def r2(y: np.ndarray, predicted: np.ndarray) -> float:
    """1 - residual / total sum of squares; NaN for a constant target."""
    if y.min() == y.max():  # rounding would leave the sum of squares above 0
        return nan
    total = ((y - y.mean()) ** 2).sum()
    return float(1 - ((y - predicted) ** 2).sum() / total)


def confusion_matrix(
    y: np.ndarray, predicted: np.ndarray, num_classes: int
) -> np.ndarray:
    """Return counts [K, K]: row is the true class, column the predicted one.

    scikit-learn's takes most of a second of every command to import.
    """
    cells = num_classes * np.asarray(y, np.int64) + np.asarray(predicted, np.int64)
    counts = np.bincount(cells, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)
