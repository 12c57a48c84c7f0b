"""Label issues: examples that are probably mislabelled, or ambiguous.

The support of a class for an example is the mean of two fractions:

- the out-of-fold probability of the class;
- the fraction of the example's nearest neighbours by feature with that label.

An example has a label issue if another class has more support than its label, or about
as much; issues are ranked by the support of the label. As in confident learning
(Northcutt et al. 2021, "Confident Learning: Estimating Uncertainty in Dataset Labels",
JAIR 70, section 3.1), each class has a threshold, the mean support of that class among
the examples labelled with it. If the other class reaches its threshold the label is
probably wrong, else the example is ambiguous. With several labels, presence and absence
of each label are two such classes.

The score was chosen by its precision on randomly planted errors, at the number planted
(mean and standard deviation of five draws):

==============================================  ===============  ===============
TrashNet (2,521 photographs, 1,280 features)    5 % planted      10 % planted
==============================================  ===============  ===============
other class's probability less the label's      0.58 +- 0.03     0.68 +- 0.01
the same, above the threshold first             0.58 +- 0.04     0.63 +- 0.02
the label's probability                         0.68 +- 0.03     0.75 +- 0.02
mean of that and the share of 15 neighbours     0.74 +- 0.04     0.79 +- 0.02
the same, heads refitted without issues         0.71 +- 0.03     0.79 +- 0.01
==============================================  ===============  ===============

So thresholds decide the kind but not the rank, and heads are not refitted.
"""

from typing import Literal, NamedTuple

import numpy as np
import torch

from vicinal.core.objective import Numeric, Objective
from vicinal.errors import SettingError

NUM_NEIGHBORS = 15
"""neighbours that vote on a label"""

NEIGHBORS_LISTED = 5
"""neighbours that an issue lists"""

MARGIN = 0.1
"""difference of support below which a label is ambiguous"""


class Neighbor(NamedTuple):
    """A similar example."""

    row: int
    labels: tuple[int, ...]
    """its class rows: one, or any number for several labels"""


class LabelIssue(NamedTuple):
    """An example whose label is suspect."""

    row: int
    labels: tuple[int, ...]
    """class rows of its label: one, or any number for several labels"""

    proposed: tuple[int, ...]
    """class rows with more support, or about as much"""

    score: float
    """1 less the support of the label: 0 (certainly right) to 1 (certainly wrong)"""

    kind: Literal["label", "ambiguous"]
    """probably mislabelled, or ambiguous"""

    neighbors: tuple[Neighbor, ...]
    """the nearest examples, nearest first; empty without features"""


def find_label_issues(
    probabilities: np.ndarray,
    y: np.ndarray,
    objective: Objective,
    features: np.ndarray | None = None,
    *,
    num_neighbors: int = NUM_NEIGHBORS,
) -> list[LabelIssue]:
    """Return the label issues, most suspect first.

    probabilities: [N, K] out of fold. y: class rows [N], or [N, K] for several labels.
    features: [N, D]; with them the nearest neighbours vote, and are listed.

    Raises SettingError for a regression target, which has no classes.
    """
    if isinstance(objective, Numeric):
        raise SettingError(
            "Label issues need classes. Got a numeric target: look at the largest "
            "errors of its predictions instead."
        )
    multi_label = objective.kind == "multi_label"
    marks = np.asarray(y, bool) if multi_label else _one_hot(y, objective.outputs)
    support, nearest = np.asarray(probabilities, np.float64), None
    if features is not None and len(features) > 1:
        nearest = nearest_rows(features, num_neighbors)
        support = (support + marks[nearest].mean(axis=1)) / 2
    rate = _rate_multi_label if multi_label else _rate_single_label
    proposed, label_support, margin, confident = rate(support, marks)
    rows = np.flatnonzero(margin > -MARGIN)
    return [
        LabelIssue(
            row=int(i),
            labels=_class_rows(marks[i]),
            proposed=_class_rows(proposed[i]),
            score=float(1 - label_support[i]),
            kind="label" if confident[i] else "ambiguous",
            neighbors=_listed_neighbors(nearest, marks, i),
        )
        for i in rows[np.argsort(label_support[rows], kind="stable")]
    ]


def correct_labels(y: np.ndarray, issues: list[LabelIssue]) -> np.ndarray:
    """Return labels y, [N] or [N, K], with each issue of kind "label" as proposed."""
    y = y.copy()
    for issue in issues:
        if issue.kind == "label":
            if y.ndim == 1:
                (y[issue.row],) = issue.proposed
            else:
                y[issue.row] = np.isin(np.arange(y.shape[1]), issue.proposed)
    return y


def nearest_rows(features: np.ndarray, count: int) -> np.ndarray:
    """Return the `count` nearest rows of each row of features [N, D], nearest first.

    By the cosine of centred features; [N, count], at most N - 1 neighbours.
    """
    x = torch.from_numpy(np.asarray(features, np.float32))
    x = torch.nn.functional.normalize(x - x.mean(dim=0))
    nearest = []
    for start in range(0, len(x), 1024):
        cosine = x[start : start + 1024] @ x.T
        cosine.diagonal(start).fill_(-2)  # below any: no row is its own neighbour
        nearest.append(cosine.topk(min(count, len(x) - 1), dim=1).indices)
    return torch.cat(nearest).numpy()


class _Rating(NamedTuple):
    """The support of the labels, and of what is proposed instead."""

    proposed: np.ndarray
    """proposed labels [N, K]"""

    label_support: np.ndarray
    """[N] support of the label; with several labels of the least supported one"""

    margin: np.ndarray
    """[N] support of what is proposed, less that of the label"""

    confident: np.ndarray
    """[N] True where what is proposed reaches its threshold"""


def _rate_single_label(support: np.ndarray, marks: np.ndarray) -> _Rating:
    """Rate one label an example: support [N, K] and one-hot labels [N, K]."""
    label_support = support[marks]
    others = np.where(marks, -1.0, support)
    other, best = others.argmax(axis=1), others.max(axis=1)
    confident = best > label_support
    confident &= best >= _thresholds(support, marks)[other]
    proposed = _one_hot(other, support.shape[1])
    return _Rating(proposed, label_support, best - label_support, confident)


def _rate_multi_label(support: np.ndarray, marks: np.ndarray) -> _Rating:
    """Rate presence or absence of each label; the opposite is what is proposed."""
    own = np.where(marks, support, 1 - support)
    present, absent = _thresholds(support, marks), _thresholds(1 - support, ~marks)
    wrong = (own < 0.5) & (1 - own >= np.where(marks, absent, present))
    # where no label is confidently wrong, propose to change the least supported one
    least = _one_hot(own.argmin(axis=1), support.shape[1])
    changed = np.where(wrong.any(axis=1, keepdims=True), wrong, least)
    label_support = np.where(changed, own, 1).min(axis=1)
    confident = np.asarray(wrong.any(axis=1))
    return _Rating(marks ^ changed, label_support, 1 - 2 * label_support, confident)


def _thresholds(support: np.ndarray, marks: np.ndarray) -> np.ndarray:
    """Return the mean support [K] of each class among its examples; 1 without any."""
    count = marks.sum(axis=0)
    total = (support * marks).sum(axis=0)
    return np.where(count, total / np.maximum(count, 1), 1.0)


def _one_hot(rows: np.ndarray, num_classes: int) -> np.ndarray:
    return np.asarray(rows)[:, None] == np.arange(num_classes)


def _class_rows(marks: np.ndarray) -> tuple[int, ...]:
    return tuple(np.flatnonzero(marks).tolist())


def _listed_neighbors(
    nearest: np.ndarray | None, marks: np.ndarray, row: int
) -> tuple[Neighbor, ...]:
    rows = [] if nearest is None else nearest[row, :NEIGHBORS_LISTED].tolist()
    return tuple(Neighbor(j, _class_rows(marks[j])) for j in rows)
