"""How many more pictures? Heads on ever more of them, and where that leads.

The error of a head that learned from n pictures follows, as far as one can see,

    err(n) = a + b n^-c        a, b >= 0, c in POWERS

(Hestness et al. 2017, "Deep Learning Scaling is Predictable, Empirically", section 2).
Heads learn from nested parts of the training folds, and are judged on the fold that
they never saw. For every power of a grid, a and b are the weighted least squares, and
the best of all is the curve: so it never rises. The interval holds 95 % of the curves
of resampled pictures and drawn parts (bootstrap: Efron & Tibshirani 1993, chapter 13).

Two things keep it to a few seconds: the heads of one size are one product, and they
see the first AXES principal axes of the features.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import torch

from vicinal.core.metrics import SMALLER_IS_BETTER
from vicinal.core.objective import Objective
from vicinal.core.training.linear_head import RidgePath
from vicinal.errors import SettingError

SIZES = (1 / 8, 1 / 4, 1 / 2, 1.0)
"""shares of the training folds"""

DRAWS = 2
"""nested parts that are drawn of each training fold"""

AXES = 256
"""principal axes that the heads see; on 2,521 photographs and 1,280 features, 256 cost
0.2 points of accuracy"""

POWERS = np.geomspace(0.1, 2.0, 61)
"""c: from the slowest that was seen in practice to faster than any statistic"""

REPLICATES = 200
"""resampled curves"""


class Expected(NamedTuple):
    """A score to expect, and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Curve:
    """A score against the number of pictures."""

    metric: str
    """accuracy, f1_micro, mae; recall for one class"""

    pictures: int
    """N, all that there are"""

    sizes: np.ndarray
    """[S] pictures that heads learned from"""

    errors: np.ndarray
    """[S] mean error of the heads: 1 less the score, or for a number the score"""

    spread: np.ndarray
    """[S] standard deviation of the error over pictures and drawn parts"""

    law: np.ndarray
    """[3] a, b, c of the error at n / N pictures"""

    laws: np.ndarray
    """[B, 3] the same, of resampled pictures and drawn parts"""

    by_class: dict[str, "Curve"] = field(default_factory=dict)
    """recall of each class, against the number of pictures of all classes"""

    def at(self, n: float) -> Expected:
        """The score to expect of n pictures, with as many of each class as now."""
        value = _errors(self.law, n / self.pictures)
        low, high = np.quantile(_errors(self.laws, n / self.pictures), [0.025, 0.975])
        low, high = min(low, value), max(high, value)
        if not self._share:
            return Expected(float(value), float(low), float(high))
        # an extrapolated share stays a share
        return Expected(*(float(min(max(1 - e, 0), 1)) for e in (value, high, low)))

    def gain(self, times: float) -> Expected:
        """By how much the error falls with `times` as many pictures as now.

        The same resampled pictures are in both errors. So the interval is narrower
        than those of two scores that have nothing to do with each other.
        """
        value, many = (
            _errors(law, 1.0) - _errors(law, times) for law in (self.law, self.laws)
        )
        low, high = np.quantile(many, [0.025, 0.975])
        return Expected(float(value), float(min(low, value)), float(max(high, value)))

    @property
    def meaningful(self) -> bool:
        """Whether the gain of twice as many is larger than its interval is wide."""
        gain = self.gain(2)
        return gain.value > gain.high - gain.low

    def sentence(self, unit: str = "") -> str:
        """What more pictures would bring, in plain words; no promise without ground."""
        n, times = self.pictures, (1, 2, 4)
        now, two, four = (self._text(self.at(k * n), unit) for k in times)
        start = f"With {n:,} pictures expect {self._name} {now}"
        if self.meaningful:
            return f"{start}; with {2 * n:,} {two}; with {4 * n:,} {four}."
        gain = self.gain(2)
        if self._share:
            low, high = (f"{100 * v:.1f}" for v in gain[1:])
            most = f"{high} points"
        else:
            low, high = (f"{v:.3g}" for v in gain[1:])
            most = f"{high} {unit}".rstrip()
        return (
            f"{start}. What more would bring cannot be promised: twice as many could "
            f"improve it by anything from {low} to {most}."
        )

    @property
    def _name(self) -> str:
        names = {"mae": "a mean absolute error of", "f1_micro": "a micro F1 of"}
        return names.get(self.metric, f"{self.metric} of")

    @property
    def _share(self) -> bool:
        return self.metric not in SMALLER_IS_BETTER

    def _text(self, score: Expected, unit: str) -> str:
        form = (lambda v: f"{100 * v:.1f}") if self._share else "{:.4g}".format
        value, low, high = map(form, score)
        after = " %" if self._share else f" {unit}".rstrip()
        return f"{value}{after} [{low}, {high}]"


def learning_curve(
    features: np.ndarray,
    y: np.ndarray,
    objective: Objective,
    folds: np.ndarray,
    penalty: float,
    *,
    sizes: Sequence[float] = SIZES,
    draws: int = DRAWS,
    seed: int = 0,
) -> Curve:
    """The curve of heads on features [N, D] with targets y and folds [N] from 0.

    penalty: the one that is best for all pictures. A head of fewer gets more, so that
    penalty times pictures stays the same: what is known beforehand is then worth as
    many pictures at every size.

    Raises SettingError for fewer than three sizes: the law has three unknowns.
    """
    shares = sorted({float(s) for s in sizes})
    if len(shares) < 3 or not 0 < shares[0] < shares[-1] <= 1:
        raise SettingError(
            "sizes must be three or more different shares of the training folds, "
            f"above 0 and at most 1. Got {list(sizes)}. Leave them out for {SIZES}."
        )
    rng = np.random.default_rng(seed)
    problem = _shortened(RidgePath.of(features, y, objective))
    orders = [_order(y, objective, folds, rng) for _ in range(draws)]
    counts, parts, start = [], [], None
    for share in shares:
        used = np.concatenate([order < share for order in orders], axis=1)
        counts.append(used.sum(axis=0).mean())
        start = problem.solve(used, penalty / share, start)
        said = problem.logits(start)  # [N, P, K]
        said = said.view(len(y), draws, -1, problem.outputs)
        # of each row and draw, the head without the row's fold
        own = said[torch.arange(len(y)), :, torch.from_numpy(folds)]  # [N, draws, K]
        heads = [objective.predict(own[:, d]) for d in range(draws)]
        parts.append([_parts(y, objective.decide(p), objective) for p in heads])
    return _curves(np.array(counts), parts, objective, len(y), rng)


# --- which rows a head learns from ----------------------------------------------------


def _order(
    y: np.ndarray, objective: Objective, folds: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Places [N, F] of each row in the training rows of each fold, as shares.

    Those below s are a part of size s: parts are nested, and each class is divided in
    the same shares and has one row or more. Rows of the fold itself are at 2: never.
    """
    strata = y if objective.kind == "single_label" else np.zeros(len(y), dtype=int)
    places = np.full((len(y), int(folds.max()) + 1), 2.0)
    for f in range(places.shape[1]):
        for stratum in np.unique(strata):
            rows = rng.permutation(np.flatnonzero((folds != f) & (strata == stratum)))
            places[rows, f] = np.arange(len(rows)) / max(len(rows), 1)
    return places


def _shortened(problem: RidgePath) -> RidgePath:
    """The problem on the AXES along which the features vary most."""
    first = problem.curvature.argsort(descending=True)[:AXES]
    return replace(
        problem,
        z=problem.z[:, first].contiguous(),
        curvature=problem.curvature[first],
        axes=problem.axes[:, first],
    )


# --- errors ---------------------------------------------------------------------------


def _parts(y: np.ndarray, decided: np.ndarray, objective: Objective) -> np.ndarray:
    """What each row adds to errors that are one sum over another: [1 + K, 2, N].

    First comes the error of all: wrong / rows, absolute error / rows, or for micro F1
    (FP + FN) / (2 TP + FP + FN). Then 1 - recall of each class: missed / present.
    """
    if objective.kind == "numeric":
        return np.stack([np.abs(y - decided), np.ones(len(y))])[None]
    if objective.kind == "single_label":
        present = y[:, None] == np.arange(objective.outputs)
        missed = present & (decided != y)[:, None]
        whole = np.stack([decided != y, np.ones(len(y))])
    else:
        present, said = np.asarray(y, bool), np.asarray(decided, bool)
        missed = present & ~said
        wrong, hits = (present ^ said).sum(axis=1), (present & said).sum(axis=1)
        whole = np.stack([wrong, 2 * hits + wrong])
    each = np.stack([missed.T, present.T], axis=1)  # [K, 2, N]
    return np.concatenate([whole[None], each]).astype(np.float32)


def _curves(
    counts: np.ndarray,
    parts: list[list[np.ndarray]],
    objective: Objective,
    pictures: int,
    rng: np.random.Generator,
) -> Curve:
    """The curve of all, with those of the classes, from parts [S][draws][1 + K, 2, N].

    In every replicate the same pictures are drawn for all sizes, and for each size
    which of the heads are counted.
    """
    even = np.full(pictures, 1 / pictures)
    draws = len(parts[0])
    drawn = rng.multinomial(pictures, even, REPLICATES).T.astype(np.float32)  # [N, B]
    shape = (REPLICATES, len(counts))
    heads = rng.multinomial(draws, np.full(draws, 1 / draws), shape)  # [B, S, draws]
    names = ("", *objective.classes)
    found: dict[str, Curve] = {}
    for k in range(len(parts[0][0])):
        added = np.array([[one[k] for one in size] for size in parts])
        sums = np.einsum("sdtb,bsd->tbs", added @ drawn, heads)
        mean, many = _ratio(added.sum(axis=(1, 3)).T), _ratio(sums)  # [S], [B, S]
        if not k:  # no mark given and none said: nothing is wrong
            mean, many = np.nan_to_num(mean), np.nan_to_num(many)
        if not np.isnan(mean).any():  # else a class that no row has
            metric = "recall" if k else objective.metric
            found[names[k]] = _curve(metric, pictures, counts, mean, many)
    return replace(found.pop(""), by_class=found)


def _ratio(sums: np.ndarray) -> np.ndarray:
    """One sum over the other, of [2, ...]; NaN over 0."""
    above, below = sums.astype(np.float64)
    return np.where(below > 0, above / np.where(below > 0, below, 1), np.nan)


def _curve(
    metric: str, pictures: int, counts: np.ndarray, mean: np.ndarray, many: np.ndarray
) -> Curve:
    """Laws of the mean errors [S], and of those of the replicates [B, S].

    A size counts for more where its error is surer, within a factor of a hundred.
    """
    many = many[~np.isnan(many).any(axis=1)]  # a rare class may not be drawn
    many = many if len(many) else mean[None]
    spread = many.std(axis=0)
    weights = 1 / (spread**2 + (0.1 * spread.max()) ** 2 + 1e-12)
    x = counts / pictures
    laws = fit_laws(x, many, weights)
    law = fit_laws(x, mean[None], weights)[0]
    return Curve(metric, pictures, counts, mean, spread, law, laws)


# --- the law --------------------------------------------------------------------------


def _errors(law: np.ndarray, x: float) -> np.ndarray:
    """a + b x^-c of laws [..., 3]."""
    a, b, c = np.moveaxis(law, -1, 0)
    return a + b * x**-c


def fit_laws(x: np.ndarray, errors: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Laws [B, 3] of least weighted squares, for errors [B, S] at sizes x [S].

    Errors are not negative. For a power c the law is a line in x^-c. Where its level a
    or slope b would be below 0, the best line with that one at 0 is taken: the problem
    is convex, so that is the best of all.
    """
    w = weights / weights.sum()
    best = np.zeros((len(errors), 3))
    least = np.full(len(errors), np.inf)
    for c in POWERS:
        u = x**-c
        mean_u, mean_e = w @ u, errors @ w
        slope = ((errors - mean_e[:, None]) @ (w * (u - mean_u))) / (
            w @ (u - mean_u) ** 2
        )
        slope = np.maximum(slope, 0)
        level = mean_e - slope * mean_u
        through = (errors @ (w * u)) / (w @ u**2)  # the line with a = 0
        slope = np.where(level < 0, through, slope)
        level = np.maximum(level, 0)
        off = errors - level[:, None] - slope[:, None] * u
        loss = off**2 @ w
        better = loss < least
        found = np.stack([level, slope, np.full(len(errors), c)], axis=1)
        best = np.where(better[:, None], found, best)
        least = np.minimum(loss, least)
    return best
