"""Scores with intervals: how good, and how sure one can be of it.

Accuracy is a share of n trials, so its 95 % interval is Wilson's (1927), which stays
inside 0..1 and is sound for small n. A mean error has Student's (1908). Every other
score gets the percentile interval of the bootstrap (Efron & Tibshirani 1993, chapter
13), which is too narrow for few examples: so there is none below ten, and that of
another share is never narrower than Wilson's.

Examples that belong together (copies, bursts, patients) are not so many witnesses: with
groups, an interval is as wide as that of the independent examples they are worth, and
the bootstrap draws groups.
"""

from collections.abc import Callable
from math import isnan, nan, sqrt
from typing import NamedTuple

import numpy as np

Z95 = 1.959963984540054  # the standard normal's 97.5 % point


class Score(NamedTuple):
    """A number, its 95 % interval, and the count of examples it rests on."""

    metric: str
    value: float
    low: float
    high: float
    n: int

    def to_dict(self) -> dict[str, str | float | int]:
        return self._asdict()

    def __str__(self) -> str:
        if self.metric in SHARES:
            value, low, high = (f"{100 * v:.1f}" for v in self[1:4])
            return f"{value} % [{low}, {high}] (n = {self.n})"
        if isnan(self.low):
            return f"{self.value:.4g} (n = {self.n}, too few for an interval)"
        value, low, high = (f"{v:.4g}" for v in self[1:4])
        small = ", smaller is better" if self.metric in SMALLER_IS_BETTER else ""
        return f"{value} [{low}, {high}] (n = {self.n}{small})"


SHARES = {"accuracy", "f1_micro", "f1_macro", "all_labels_right"}
"""metrics that are shares, shown in percent"""

SMALLER_IS_BETTER = {"mae", "rmse"}


def better(metric: str, a: float, b: float) -> bool:
    """Whether score a is better than score b."""
    return a < b if metric in SMALLER_IS_BETTER else a > b


def wilson(successes: float, n: float, z: float = Z95) -> tuple[float, float]:
    """Wilson's interval of a share: successes out of n trials.

    centre = (p + z^2 / 2n) / (1 + z^2 / n)
    half = z / (1 + z^2 / n) * sqrt(p (1 - p) / n + z^2 / 4n^2)
    """
    if n == 0:
        return 0.0, 1.0
    p = successes / n
    scale = 1 + z * z / n
    centre = (p + z * z / (2 * n)) / scale
    half = z / scale * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


Groups = np.ndarray | None
"""[N] group numbers of examples; None: each stands alone"""


def effective_sample_size(values: np.ndarray, together: Groups) -> float:
    """How many independent examples N in groups are worth, for the mean of values [N].

    The variance of the mean m is that of the G groups' sums,

        v = G / (G - 1) * sum_g (sum_{i in g} (x_i - m))^2 / N^2,

    and s^2 / v independent examples of variance s^2 have the same (Rao and Scott 1992,
    "A simple method for the analysis of clustered binary data"). No more than N, and no
    fewer than N^2 / sum_g N_g^2, where all of a group are of one mind (Kish 1965,
    section 5.4); that, where all values are alike.
    """
    n = len(values)
    if together is None or n < 2:
        return float(n)
    own = np.unique(together, return_inverse=True)[1]
    sizes = np.bincount(own)
    if len(sizes) == n:
        return float(n)
    least, count = n**2 / (sizes**2).sum(), len(sizes)
    apart = values - values.mean()
    sums = np.bincount(own, apart)
    spread = count / max(count - 1, 1) * (sums**2).sum() / n**2
    if not spread or count < 2:
        return float(least)
    return float(np.clip((apart**2).mean() / spread, least, n))


def accuracy(y: np.ndarray, predicted: np.ndarray, together: Groups = None) -> Score:
    """Share of examples whose class is right; y and predicted [N]."""
    n, right = len(y), y == predicted
    share = float(right.mean()) if n else 0.0
    effective_n = effective_sample_size(right, together)
    return Score("accuracy", share, *wilson(share * effective_n, effective_n), n)


Measure = Callable[[np.ndarray, np.ndarray], float]


def bootstrap(
    metric: str,
    measure: Measure,
    y: np.ndarray,
    predicted: np.ndarray,
    together: Groups = None,
    *,
    samples: int = 1000,
    seed: int = 0,
) -> Score:
    """A score and the 2.5 and 97.5 % points of it over resampled groups of examples.

    Draws for which the score has no value (NaN) are left out. Below FEWEST groups the
    interval is NaN, or for a share Wilson's.
    """
    n = len(y)
    if not n:
        return Score(metric, nan, nan, nan, 0)
    value = float(measure(y, predicted))
    own = np.arange(n)
    if together is not None:
        own = np.unique(together, return_inverse=True)[1]
    count = int(own.max()) + 1
    right = y == predicted
    right = right if right.ndim == 1 else right.mean(axis=1)
    effective_n = effective_sample_size(right, together)
    shares = metric in SHARES
    widest = wilson(value * effective_n, effective_n) if shares else (nan, nan)
    if count < FEWEST:
        return Score(metric, value, *widest, n)
    order, sizes = np.argsort(own, kind="stable"), np.bincount(own)
    starts = sizes.cumsum() - sizes

    def csr_by_target(groups: np.ndarray) -> np.ndarray:
        """The rows of groups that were drawn, one group behind the other."""
        many = sizes[groups]
        within = np.arange(many.sum()) - np.repeat(many.cumsum() - many, many)
        return order[np.repeat(starts[groups], many) + within]

    rng = np.random.default_rng(seed)
    drawn = (rng.integers(0, count, count) for _ in range(samples))
    draws = drawn if count == n else map(csr_by_target, drawn)
    values = np.array([measure(y[rows], predicted[rows]) for rows in draws])
    values = values[~np.isnan(values)]
    low, high = np.quantile(values, [0.025, 0.975]) if len(values) else (nan, nan)
    low, high = np.fmin(low, widest[0]), np.fmax(high, widest[1])
    return Score(metric, value, float(low), float(high), n)


FEWEST = 10
"""examples, or groups of them, below which resampling says little"""


def mean_error(y: np.ndarray, predicted: np.ndarray, together: Groups = None) -> Score:
    """Mean absolute error and Student's interval of the mean; NaN for one group.

    mean +- t(0.975, G - 1) s / sqrt(n), with s the spread of the absolute errors, n the
    independent examples that they are worth, and G groups.
    """
    from scipy.stats import t

    errors = np.abs(y - predicted)
    n = len(errors)
    if not n:
        return Score("mae", nan, nan, nan, 0)
    mean = float(errors.mean())
    groups = n if together is None else len(np.unique(together))
    if groups < 2:
        return Score("mae", mean, nan, nan, n)
    effective_n = effective_sample_size(errors, together)
    half = t.ppf(0.975, groups - 1) * errors.std(ddof=1) / sqrt(effective_n)
    return Score("mae", mean, max(0.0, mean - half), mean + half, n)


def f1_micro(y: np.ndarray, predicted: np.ndarray) -> float:
    """2 TP / (2 TP + FP + FN), counted over all labels; y, predicted [N, K] of 0/1."""
    hits = 2 * np.logical_and(y, predicted).sum()
    total = y.sum() + predicted.sum()
    return float(hits / total) if total else 1.0


def f1_macro(y: np.ndarray, predicted: np.ndarray) -> float:
    """Mean F1 over the classes that occur; y and predicted [N] of class rows."""
    size = int(max(y.max(), predicted.max())) + 1 if len(y) else 0
    true, said, hits = (
        np.bincount(rows, minlength=size) for rows in (y, predicted, y[y == predicted])
    )
    occurs = true > 0
    f1 = 2 * hits[occurs] / (true + said)[occurs]
    return float(f1.mean()) if len(f1) else 0.0


def mae(y: np.ndarray, predicted: np.ndarray) -> float:
    """Mean absolute error, in the unit of the target."""
    return float(np.abs(y - predicted).mean())


def rmse(y: np.ndarray, predicted: np.ndarray) -> float:
    """Root mean squared error, in the unit of the target."""
    return float(np.sqrt(((y - predicted) ** 2).mean()))


def r2(y: np.ndarray, predicted: np.ndarray) -> float:
    """1 - residual / total sum of squares; NaN when the target does not vary."""
    if y.min() == y.max():  # rounding would leave the sum of squares above 0
        return nan
    total = ((y - y.mean()) ** 2).sum()
    return float(1 - ((y - predicted) ** 2).sum() / total)


def confusion_matrix(y: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Counts [K, K]: row is the true class, column the predicted one."""
    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (y, predicted), 1)
    return counts
