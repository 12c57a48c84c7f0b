"""One dense layer on frozen features, cross-validated: all folds in one product.

For features z [D], standardised, and P problems that differ in the rows m they learn
from:

    J(W, b) = sum_i m_i l(y_i, W' z_i + b) / sum_i m_i + penalty / 2 |W|^2

l is cross-entropy for one label, binary cross-entropy for several, half the squared
error for a number. The curvature of l in its logits is at most c (1/2, 1/4, 1: Boehning
1992, "Multinomial logistic regression algorithm", eq. 2.4). So in the axes of
Z'Z / n = V diag(s) V' no problem curves more than c s / mean(m) + penalty, every
gradient is divided by that, and no step length has to be searched. The steps have
momentum (Nesterov 1983), restarted where it points uphill (O'Donoghue and Candes 2015,
section 3.2). Penalties are tried from strong to weak, each from where the last one
ended (Friedman et al. 2010, section 2.5), until none of the folds gains any more.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vicinal.core.objective import MultiLabel, Numeric, Objective, SingleLabel

PENALTIES = (10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
"""what is tried in turn, for features of mean 0 and variance 1"""

STEPS = 400
"""at most, for one penalty"""

TOLERANCE = 2e-3
"""a problem is solved when a step moves its logits by less than this share"""


@dataclass(frozen=True)
class Head:
    """Logits f W + b of features f [N, D] as the network gives them."""

    weights: np.ndarray
    """W [D, K] float32"""

    bias: np.ndarray
    """b [K] float32"""

    penalty: float = 0.0

    def logits(self, features: np.ndarray) -> Tensor:
        """[N, K]; for a number [N, 1] in standard deviations of the target."""
        return torch.from_numpy(features @ self.weights + self.bias)


@dataclass(frozen=True)
class CrossValidatedHead:
    """A head for all rows, and what heads said of rows that they never saw."""

    head: Head
    logits: Tensor
    """[N, K]: each row's, by the head of the folds that it is not in"""

    penalties: tuple[float, ...]
    """of each fold's head, chosen without that fold"""

    losses: dict[float, float]
    """mean held-out loss of each penalty that was tried"""


def cross_fit(
    features: np.ndarray, y: np.ndarray, objective: Objective, folds: np.ndarray
) -> CrossValidatedHead:
    """Fit heads to features [N, D] and targets y, with folds [N] of numbers from 0.

    Nested: the penalty of fold f's head is chosen by heads that leave out f and one
    more fold g, judged on g. So no row has a say in how it is judged itself. With two
    folds there is no third to choose by, and both take the penalty that is best for
    both.
    """
    count = int(folds.max()) + 1
    pairs = list(combinations(range(count), 2)) if count > 2 else []
    left_out = [{f} for f in range(count)] + [set(pair) for pair in pairs]
    used = np.stack([~np.isin(folds, list(out)) for out in left_out], axis=1)
    problem = RidgePath.of(features, y, objective)
    tried: list[_Tried] = []
    start = None
    for penalty in PENALTIES:
        start = problem.solve(used, penalty, start)
        said = problem.logits(start)  # [N, P, K]
        loss = problem.mean_losses(said, folds)  # [F, P]
        own = torch.stack([said[i, f] for i, f in enumerate(folds.tolist())])
        tried.append(_Tried(penalty, own, *_judged(loss, left_out)))
        if _past_the_best(tried):
            break
    final = min(tried, key=lambda t: t.mean_loss)
    logits, penalties = torch.empty_like(final.logits), []
    for f in range(count):
        best = min(tried, key=lambda t: t.inner[f]) if pairs else final
        rows = torch.from_numpy(folds == f)
        logits[rows] = best.logits[rows]
        penalties.append(best.penalty)
    return CrossValidatedHead(
        head=problem.head(final.penalty),
        logits=logits,
        penalties=tuple(penalties),
        losses={t.penalty: t.mean_loss for t in tried},
    )


def out_of_fold(
    features: np.ndarray,
    y: np.ndarray,
    objective: Objective,
    folds: np.ndarray,
    penalty: float,
) -> Tensor:
    """Logits [N, K] of each row by the head of the other folds, at one penalty."""
    used = np.stack([folds != f for f in range(int(folds.max()) + 1)], axis=1)
    problem = RidgePath.of(features, y, objective)
    said = problem.logits(problem.solve(used, penalty, None))  # [N, F, K]
    return torch.stack([said[i, f] for i, f in enumerate(folds.tolist())])


class _Tried(NamedTuple):
    """What one penalty gave."""

    penalty: float
    logits: Tensor
    """[N, K]: each row's, by the head without its fold"""

    mean_loss: float
    """on the folds, each by the head without it"""

    inner: np.ndarray
    """[F]: on the other folds, by heads without f and without the fold judged"""


def _judged(loss: np.ndarray, left_out: list[set[int]]) -> tuple[float, np.ndarray]:
    """The mean loss over the folds, and the inner one of each fold; loss [F, P]."""
    count = len(loss)
    mean = float(np.mean([loss[f, f] for f in range(count)]))
    pairs = [(p, out) for p, out in enumerate(left_out) if len(out) == 2]
    inner = [
        np.mean([loss[g, p] for p, out in pairs if f in out for g in out - {f}])
        for f in range(count)
        if pairs
    ]
    return mean, np.array(inner)


def _past_the_best(tried: list[_Tried]) -> bool:
    """Whether the last penalty was worse than an earlier one, for every fold."""
    *before, last = tried
    if not before:
        return False
    worse = last.mean_loss > min(t.mean_loss for t in before)
    return worse and bool(
        (last.inner > np.min([t.inner for t in before], axis=0)).all()
    )


def fit_head(
    features: np.ndarray,
    y: np.ndarray,
    objective: Objective,
    penalty: float,
) -> Head:
    """The head of all rows, with a penalty that is known."""
    return RidgePath.of(features, y, objective).head(penalty)


@dataclass(frozen=True)
class RidgePath:
    """Features in their principal axes, and a loss of their logits."""

    z: Tensor
    """[N, R] standardised features along the axes, R <= min(N, D)"""

    curvature: Tensor
    """s [R], the mean square of z along each axis"""

    axes: Tensor
    """[D, R]; standardised features are z axes'"""

    mean: Tensor
    scale: Tensor
    """[D] of the features"""

    pull: Callable[[Tensor], Tensor]
    """logits [N, P, K] to dl/dlogits, weighted"""

    lose: Callable[[Tensor], Tensor]
    """logits [N, K] to losses [N]"""

    bound: float
    """c, times the largest weight of an example"""

    outputs: int

    @classmethod
    def of(
        cls,
        features: np.ndarray,
        y: np.ndarray,
        objective: Objective,
        *,
        scaled: bool = False,
    ) -> "RidgePath":
        """scaled: whether features are to be compared as they are; else each of them is
        divided by its spread."""
        f = torch.from_numpy(np.ascontiguousarray(features, dtype=np.float32))
        mean = f.mean(dim=0)
        scale = f.std(dim=0, correction=0)
        scale = torch.where(scale > 1e-6 * scale.max().clamp(min=1e-12), scale, 1.0)
        scale = torch.ones_like(scale) if scaled else scale
        z = (f - mean) / scale
        axes, curvature = _principal(z)
        pull, lose, bound = _loss(y, objective)
        return cls(
            z @ axes, curvature, axes, mean, scale, pull, lose, bound, objective.outputs
        )

    def solve(
        self, used: np.ndarray, penalty: float, start: Tensor | None = None
    ) -> Tensor:
        """Solutions [R + 1, P, K] for the rows used [N, P]; last comes the bias."""
        n, problems = used.shape
        mask = torch.from_numpy(used).float()
        share = mask.mean(dim=0)  # [P]
        part = (mask / (n * share))[..., None]  # m / sum m
        size = len(self.curvature) + 1
        bounds = self.bound * torch.cat([self.curvature, torch.ones(1)])
        decay = torch.full((size, 1, 1), penalty)
        decay[-1] = 0  # the bias is free
        divide = (bounds[:, None] / share)[..., None] + decay  # [R + 1, P, 1]
        w = torch.zeros(size, problems, self.outputs) if start is None else start
        at, momentum = w, torch.ones(problems)
        for _ in range(STEPS):
            pulled = self.pull(self.logits(at)) * part
            gradient = self._transposed(pulled) + decay * at
            new = at - gradient / divide
            moved = new - w
            uphill = (gradient * moved).sum(dim=(0, 2)) > 0
            momentum = torch.where(uphill, 1.0, momentum)
            grown = (1 + (1 + 4 * momentum**2).sqrt()) / 2
            at = new + ((momentum - 1) / grown)[:, None] * moved
            step, length = (((v**2) * divide).sum(dim=(0, 2)) for v in (moved, new))
            w, momentum = new, grown
            if bool((step <= TOLERANCE**2 * length).all()):
                break
        return w

    def logits(self, w: Tensor) -> Tensor:
        """[N, P, K] of all problems."""
        flat = torch.addmm(w[-1].reshape(1, -1), self.z, w[:-1].flatten(1))
        return flat.view(len(self.z), *w.shape[1:])

    def _transposed(self, pulled: Tensor) -> Tensor:
        """[N, P, K] summed over the rows, along each axis and for the bias."""
        along = (self.z.T @ pulled.flatten(1)).view(-1, *pulled.shape[1:])
        return torch.cat([along, pulled.sum(dim=0)[None]])

    def mean_losses(self, said: Tensor, folds: np.ndarray) -> np.ndarray:
        """Mean loss [F, P] on each fold, of the logits [N, P, K] of every problem."""
        each = torch.stack([self.lose(one) for one in said.unbind(1)], dim=1)
        numbers = range(int(folds.max()) + 1)
        masks = (torch.from_numpy(folds == f) for f in numbers)
        return torch.stack([each[mask].mean(dim=0) for mask in masks]).numpy()

    def head(self, penalty: float) -> Head:
        """The solution for all rows."""
        found = self.solve(np.ones((len(self.z), 1), dtype=bool), penalty)
        return self.in_own_axes(found, penalty)

    def in_own_axes(self, found: Tensor, penalty: float) -> Head:
        """The head of a solution [R + 1, 1, K], in the features' own axes."""
        w = found[:, 0]
        weights = (self.axes @ w[:-1]) / self.scale[:, None]
        bias = w[-1] - self.mean @ weights
        return Head(weights.numpy(), bias.numpy(), penalty)


def _principal(z: Tensor) -> tuple[Tensor, Tensor]:
    """Axes V [D, R] and mean squares s [R] of z [N, D], by the smaller Gram matrix."""
    n, d = z.shape
    z = z.double()
    if n < d:
        s, u = torch.linalg.eigh(z @ z.T)
    else:
        s, u = torch.linalg.eigh(z.T @ z)
    keep = s > 1e-7 * s[-1].clamp(min=1e-12)
    s, u = s[keep], u[:, keep]
    axes = z.T @ u / s.sqrt() if n < d else u
    return axes.float(), (s / n).float()


def _loss(
    y: np.ndarray, objective: Objective
) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor], float]:
    """Pull, loss and curvature bound of an objective on targets y."""
    weights = torch.tensor(getattr(objective, "weights", ()))
    if isinstance(objective, SingleLabel):
        return _softmax(torch.from_numpy(y), objective.outputs, weights)
    if isinstance(objective, MultiLabel):
        return _sigmoid(torch.from_numpy(y).float(), weights)
    return _squares(torch.from_numpy(y), objective)


def _softmax(y: Tensor, classes: int, weights: Tensor) -> tuple:
    marks = torch.nn.functional.one_hot(y, classes).float()
    weight = weights[y] if len(weights) else torch.ones(len(y))

    def pull(logits: Tensor) -> Tensor:
        return (logits.softmax(dim=-1) - marks[:, None]) * weight[:, None, None]

    def lose(logits: Tensor) -> Tensor:
        return -(logits.log_softmax(dim=-1) * marks).sum(dim=-1) * weight

    return pull, lose, float(weight.max()) / 2


def _sigmoid(y: Tensor, weights: Tensor) -> tuple:
    weight = 1 + (weights - 1) * y if len(weights) else torch.ones_like(y)

    def pull(logits: Tensor) -> Tensor:
        return (logits.sigmoid() - y[:, None]) * weight[:, None]

    def lose(logits: Tensor) -> Tensor:
        each = torch.nn.functional.binary_cross_entropy_with_logits
        return (each(logits, y, reduction="none") * weight).mean(dim=-1)

    return pull, lose, float(weight.max()) / 4


def _squares(y: Tensor, objective: Numeric) -> tuple:
    z = ((y - objective.mean) / objective.std).float()[:, None]

    def pull(logits: Tensor) -> Tensor:
        return logits - z[:, None]

    def lose(logits: Tensor) -> Tensor:
        return ((logits - z) ** 2).mean(dim=-1) / 2

    return pull, lose, 1.0
