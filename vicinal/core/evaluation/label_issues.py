"""Which labels are probably wrong, and which pictures could be either.

The support of a class is the mean of two shares:

- the probability of the class, by a head that never saw the picture (out of fold);
- the share of the picture's NEAREST pictures by feature that bear the class.

A picture is suspect when another class has more support than its label, or about as
much. It is ranked by how little support its label has. As in confident learning
(Northcutt et al. 2021, "Confident Learning: Estimating Uncertainty in Dataset Labels",
JAIR 70, section 3.1), each class has a threshold, the mean support of that class among
the pictures labelled so. A label is called wrong when the other class reaches its
threshold; if it does not, the picture is ambiguous. For several labels, presence and
absence of each label are two such classes.

Chosen by what is found of wrong labels that were planted at random. Precision at the
number planted, mean and standard deviation over five draws:

==============================================  ===============  ===============
TrashNet (2,521 photographs, 1,280 features)    5 % planted      10 % planted
==============================================  ===============  ===============
another class's probability less the label's    0.58 +- 0.03     0.68 +- 0.01
the same, above the threshold first             0.58 +- 0.04     0.63 +- 0.02
the label's probability                         0.68 +- 0.03     0.75 +- 0.02
the label's share of 15 nearest and the above   0.74 +- 0.04     0.79 +- 0.02
the same, heads refitted without suspects       0.71 +- 0.03     0.79 +- 0.01
==============================================  ===============  ===============

So the threshold names the kind but does not rank, and there is no second pass.
"""

from typing import Literal, NamedTuple

import numpy as np
import torch

from vicinal.core.objective import Numeric, Objective
from vicinal.errors import SettingError

NEAREST = 15
"""pictures that vote on a label"""

SHOWN = 5
"""of them, how many a suspect names"""

CLOSE = 0.1
"""supports that differ by less are about the same"""


class Neighbour(NamedTuple):
    """A picture that looks alike."""

    row: int
    labels: tuple[int, ...]
    """its class rows: one, or any number for several labels"""


class Suspect(NamedTuple):
    """A picture whose label deserves a look."""

    row: int
    given: tuple[int, ...]
    """class rows that it is labelled with: one, or any number for several labels"""

    proposed: tuple[int, ...]
    """class rows that have more support, or about as much"""

    score: float
    """1 less the support of what is given: 0, all speaks for it, to 1, nothing does"""

    kind: Literal["label", "ambiguous"]
    """probably labelled wrongly, or could be either"""

    neighbours: tuple[Neighbour, ...]
    """the nearest pictures, nearest first; none without features"""


def find_suspects(
    probabilities: np.ndarray,
    y: np.ndarray,
    objective: Objective,
    features: np.ndarray | None = None,
    *,
    nearest: int = NEAREST,
) -> list[Suspect]:
    """Suspected labels, worst first.

    probabilities: [N, K] of each picture, by a head that never saw it.
    y: class rows [N], or marks [N, K] for several labels.
    features: [N, D]; with them the nearest pictures vote too, and are named.

    Raises SettingError for a number, which has no classes to mix up.
    """
    if isinstance(objective, Numeric):
        raise SettingError(
            "Suspected labels need classes. Got a numeric target: look at the "
            "largest errors of its predictions instead."
        )
    several = objective.kind == "multi_label"
    marks = np.asarray(y, bool) if several else _one_hot(y, objective.outputs)
    support, near = np.asarray(probabilities, np.float64), None
    if features is not None and len(features) > 1:
        near = nearest_rows(features, nearest)
        support = (support + marks[near].mean(axis=1)) / 2
    evaluate_predictions = _judge_marks if several else _judge_classes
    proposed, least, margin, sure = evaluate_predictions(support, marks)
    rows = np.flatnonzero(margin > -CLOSE)
    return [
        Suspect(
            row=int(i),
            given=_classes(marks[i]),
            proposed=_classes(proposed[i]),
            score=float(1 - least[i]),
            kind="label" if sure[i] else "ambiguous",
            neighbours=_named(near, marks, i),
        )
        for i in rows[np.argsort(least[rows], kind="stable")]
    ]


def corrected(y: np.ndarray, suspects: list[Suspect]) -> np.ndarray:
    """Labels y, [N] or [N, K], with every suspect of kind "label" as proposed."""
    y = y.copy()
    for suspect in suspects:
        if suspect.kind == "label":
            if y.ndim == 1:
                (y[suspect.row],) = suspect.proposed
            else:
                y[suspect.row] = np.isin(np.arange(y.shape[1]), suspect.proposed)
    return y


def nearest_rows(features: np.ndarray, count: int) -> np.ndarray:
    """The `count` nearest of each row of features [N, D], nearest first: [N, count].

    Nearness is the cosine of features less their mean. At most N - 1 are given.
    """
    x = torch.from_numpy(np.asarray(features, np.float32))
    x = torch.nn.functional.normalize(x - x.mean(dim=0))
    found = []
    for start in range(0, len(x), 1024):
        cosine = x[start : start + 1024] @ x.T
        cosine.diagonal(start).fill_(-2)  # below any: no picture is its own neighbour
        found.append(cosine.topk(min(count, len(x) - 1), dim=1).indices)
    return torch.cat(found).numpy()


class _Judged(NamedTuple):
    """What speaks against the labels of each picture."""

    proposed: np.ndarray
    """marks [N, K]"""

    least: np.ndarray
    """[N] support of what is given; for several labels of the least supported one"""

    margin: np.ndarray
    """[N] support of what is proposed, less that"""

    sure: np.ndarray
    """[N] whether what is proposed is more than a possibility"""


def _judge_classes(support: np.ndarray, marks: np.ndarray) -> _Judged:
    """One label: supports [N, K] and marks [N, K], each row with one mark."""
    given = support[marks]
    others = np.where(marks, -1.0, support)
    other, best = others.argmax(axis=1), others.max(axis=1)
    sure = (best > given) & (best >= _thresholds(support, marks)[other])
    return _Judged(_one_hot(other, support.shape[1]), given, best - given, sure)


def _judge_marks(support: np.ndarray, marks: np.ndarray) -> _Judged:
    """Several labels: of each, presence or absence is given, and the other proposed."""
    given = np.where(marks, support, 1 - support)
    present, absent = _thresholds(support, marks), _thresholds(1 - support, ~marks)
    sure = (given < 0.5) & (1 - given >= np.where(marks, absent, present))
    # of a picture with no sure mistake, the one mark that has least support
    worst = _one_hot(given.argmin(axis=1), support.shape[1])
    turned = np.where(sure.any(axis=1, keepdims=True), sure, worst)
    least = np.where(turned, given, 1).min(axis=1)
    some = np.asarray(sure.any(axis=1))
    return _Judged(marks ^ turned, least, 1 - 2 * least, some)


def _thresholds(support: np.ndarray, marks: np.ndarray) -> np.ndarray:
    """Mean support [K] of each class among the pictures marked so; 1 without any."""
    count = marks.sum(axis=0)
    total = (support * marks).sum(axis=0)
    return np.where(count, total / np.maximum(count, 1), 1.0)


def _one_hot(rows: np.ndarray, classes: int) -> np.ndarray:
    return np.asarray(rows)[:, None] == np.arange(classes)


def _classes(marks: np.ndarray) -> tuple[int, ...]:
    return tuple(np.flatnonzero(marks).tolist())


def _named(
    near: np.ndarray | None, marks: np.ndarray, row: int
) -> tuple[Neighbour, ...]:
    rows = [] if near is None else near[row, :SHOWN].tolist()
    return tuple(Neighbour(j, _classes(marks[j])) for j in rows)
