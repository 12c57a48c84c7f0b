"""A score, and what it has to beat."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from vicinal.core.evaluation.calibration import (
    Bin,
    expected_calibration_error,
    reliability,
)
from vicinal.core.evaluation.significance import SignTest, sign_test
from vicinal.core.metrics import (
    Groups,
    Score,
    better,
    confusion_matrix,
    effective_sample_size,
    wilson,
)
from vicinal.core.objective import Objective

if TYPE_CHECKING:
    import pandas as pd


MOST_SEEN = 0.05
"""share of the examples that may have been learned from, and yet there is a verdict"""


@dataclass(frozen=True)
class Evaluation:
    """How good a model is on examples it was not trained on."""

    score: Score
    scores: list[Score]
    """other scores of the same predictions"""

    baselines: dict[str, Score]
    """scores of simpler answers on the same examples"""

    predictions: "pd.DataFrame"
    """a row per example: path, label, predicted, and probabilities by class"""

    decided: np.ndarray
    """what the model decided: class rows or numbers [N], or marks [N, K]"""

    classes: tuple[str, ...] = ()
    confusion: np.ndarray | None = None
    """counts [K, K]: row is the true class, column the predicted one"""

    notes: list[str] = field(default_factory=list)

    plot_reliability: list[Bin] = field(default_factory=list)
    """how sure it says it is beside how often it is right; none for numbers"""

    calibration_error: float | None = None
    """0..1: mean gap between the two (`core.calibration`)"""

    against: dict[str, SignTest] = field(default_factory=dict)
    """how often the model did better than each baseline, example by example"""

    together: Groups = None
    """[N] group numbers: examples that are not independent"""

    effective_n: float = 1.0
    """independent examples that one of these is worth, by their groups"""

    seen: int = 0
    """examples that the model had learned from"""

    def with_training_overlap(self, count: int, note: str) -> "Evaluation":
        """The same of a model that had learned from so many; the note says so."""
        if not count:
            return self
        return replace(self, seen=count, notes=[*self.notes, note])

    @property
    def beats_baselines(self) -> bool:
        """Whether it is better than every baseline by more than chance explains.

        Example by example (`paired`): two intervals may overlap and yet one model be
        better on nearly every example on which they differ.
        """
        ours = self.score
        return all(
            better(ours.metric, ours.value, b.value) and self.against[name].better
            for name, b in self.baselines.items()
        )

    def add_baseline(
        self, name: str, objective: Objective, y: np.ndarray, said: np.ndarray
    ) -> None:
        """Add a baseline: what it decided for the same examples."""
        self.baselines[name] = objective.score(y, said, self.together)
        both = self.decided, said
        self.against[name] = sign_test(objective, y, *both, self.together)

    @property
    def verdict(self) -> str:
        """What the score is worth, in a sentence."""
        if self._flattered:
            return (
                f"It had learned from {self.seen} of these {self.score.n}, so this "
                "says little of how good it is on others."
            )
        ours, others = self.score, self.baselines.items()
        above = [k for k, b in others if better(ours.metric, b.value, ours.value)]
        if above:
            return (
                f"Do not rely on it: better here is the {' and the '.join(above)}. "
                "More examples may help, other weights, or longer training."
            )
        missed = [name for name in self.baselines if not self.against[name].better]
        if missed:
            return (
                f"It is not better than the {' and the '.join(missed)} by more than "
                "chance explains: do not rely on it. More examples may help, for "
                "learning and for telling."
            )
        rows = self.class_scores()
        lost = [row["class"] for row in rows if row["n"] and not row["recall"]]
        if lost:
            return (
                "It beats every baseline by more than chance explains, but never "
                f"finds {', '.join(lost)}."
            )
        return "It beats every baseline by more than chance explains."

    @property
    def is_sound(self) -> bool:
        """Whether the verdict has nothing to warn of."""
        lost = any(row["n"] and not row["recall"] for row in self.class_scores())
        return self.beats_baselines and not lost and not self._flattered

    @property
    def _flattered(self) -> bool:
        """Whether so many examples were learned from that the score says little."""
        return self.seen > MOST_SEEN * self.score.n

    def confused_pairs(self, most: int = 5) -> list[tuple[str, str, int]]:
        """Most frequent errors: (true class, predicted class, count)."""
        if self.confusion is None:
            return []
        errors = self.confusion * (1 - np.eye(len(self.confusion), dtype=np.int64))
        order = np.argsort(-errors, axis=None, kind="stable")[:most]
        rows = [np.unravel_index(i, errors.shape) for i in order]
        pairs = [(self.classes[i], self.classes[j], int(errors[i, j])) for i, j in rows]
        return [pair for pair in pairs if pair[2] > 0]

    def class_scores(self) -> list[dict[str, Any]]:
        """Recall and precision of each class, with their counts.

        With groups, intervals are as wide as that of the score has become by them.
        """
        if self.confusion is None:
            return []
        share = self.effective_n

        def interval(hits: np.integer, count: np.integer) -> list[float]:
            return [*wilson(share * int(hits), share * int(count))]

        right = np.diag(self.confusion)
        true, said = self.confusion.sum(axis=1), self.confusion.sum(axis=0)
        return [
            {
                "class": name,
                "n": int(true[k]),
                "recall": float(right[k] / true[k]) if true[k] else None,
                "recall_interval": interval(right[k], true[k]),
                "precision": float(right[k] / said[k]) if said[k] else None,
                "precision_interval": interval(right[k], said[k]),
            }
            for k, name in enumerate(self.classes)
        ]

    def to_dict(self) -> dict[str, Any]:
        return {
            "score": self.score.to_dict(),
            "scores": [score.to_dict() for score in self.scores],
            "baselines": {k: score.to_dict() for k, score in self.baselines.items()},
            "classes": self.class_scores(),
            "confusion": None if self.confusion is None else self.confusion.tolist(),
            "calibration_error": self.calibration_error,
            "notes": self.notes,
        }

    def __str__(self) -> str:
        lines = [f"{self.score.metric:<14} {self.score}"]
        lines += [f"{s.metric:<14} {s}" for s in self.scores]
        lines += [f"  to beat: {k:<22} {s}" for k, s in self.baselines.items()]
        return "\n".join(lines + self.notes)


def evaluate_predictions(
    objective: Objective,
    y: np.ndarray,
    predicted: np.ndarray,
    predictions: "pd.DataFrame",
    constant: np.ndarray | list[float] | float,
    constant_name: str,
    notes: list[str] | None = None,
    together: Groups = None,
) -> Evaluation:
    """Score predictions (probabilities [N, K] or values [N]) against targets y [N].

    together: [N] group numbers, where some examples are not independent.
    """
    decided = objective.decide(predicted)
    blind = np.broadcast_to(np.asarray(constant), y.shape)
    counts, bins, gap = None, [], None
    if objective.kind != "numeric" and len(y):
        bins = reliability(predicted, y)
        gap = expected_calibration_error(predicted, y)
    if objective.kind == "single_label":
        counts = confusion_matrix(y, decided, len(objective.classes))
    found = Evaluation(
        score=objective.score(y, decided, together),
        scores=objective.more_scores(y, decided, together) if len(y) else [],
        baselines={},
        predictions=predictions,
        decided=decided,
        classes=objective.classes,
        confusion=counts,
        plot_reliability=bins,
        calibration_error=gap,
        notes=notes or [],
        together=together,
        effective_n=effective_sample_size(_right(decided, y), together)
        / max(len(y), 1),
    )
    found.add_baseline(constant_name, objective, y, blind)
    return found


def _right(decided: np.ndarray, y: np.ndarray) -> np.ndarray:
    """[N]: whether, or to which share, each is right."""
    right = decided == y
    return right if right.ndim == 1 else right.mean(axis=1)
