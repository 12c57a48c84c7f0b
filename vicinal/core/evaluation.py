"""A score, and what it has to beat."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from vicinal.core.metrics import Score, better, confusion_matrix
from vicinal.core.objective import Objective

if TYPE_CHECKING:
    import pandas as pd


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

    classes: tuple[str, ...] = ()
    confusion: np.ndarray | None = None
    """counts [K, K]: row is the true class, column the predicted one"""

    notes: list[str] = field(default_factory=list)

    @property
    def beats_baselines(self) -> bool:
        """Whether the whole interval lies on the better side of every baseline."""
        metric = self.score.metric
        worst = self.score.high if better(metric, 0, 1) else self.score.low
        return all(better(metric, worst, b.value) for b in self.baselines.values())

    @property
    def verdict(self) -> str:
        """What the score is worth, in a sentence."""
        if not self.beats_baselines:
            names = ", ".join(self.baselines)
            return (
                f"Its interval does not clear every baseline ({names}): do not rely "
                "on it. Train longer, or with more pictures."
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
        return self.beats_baselines and not lost

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
        """Recall and precision of each class, with their counts."""
        if self.confusion is None:
            return []
        right = np.diag(self.confusion)
        true, said = self.confusion.sum(axis=1), self.confusion.sum(axis=0)
        return [
            {
                "class": name,
                "n": int(true[k]),
                "recall": float(right[k] / true[k]) if true[k] else None,
                "precision": float(right[k] / said[k]) if said[k] else None,
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
            "notes": self.notes,
        }

    def __str__(self) -> str:
        lines = [f"{self.score.metric:<14} {self.score}"]
        lines += [f"{s.metric:<14} {s}" for s in self.scores]
        lines += [f"  to beat: {k:<22} {s}" for k, s in self.baselines.items()]
        return "\n".join(lines + self.notes)


def judge(
    objective: Objective,
    y: np.ndarray,
    predicted: np.ndarray,
    predictions: "pd.DataFrame",
    constant: np.ndarray | list[float] | float,
    constant_name: str,
    notes: list[str] | None = None,
) -> Evaluation:
    """Score predictions (probabilities [N, K] or values [N]) against targets y [N]."""
    decided = objective.decide(predicted)
    blind = np.broadcast_to(np.asarray(constant), y.shape)
    counts = None
    if objective.kind == "single_label":
        counts = confusion_matrix(y, decided, len(objective.classes))
    return Evaluation(
        score=objective.score(y, decided),
        scores=objective.more_scores(y, decided) if len(y) else [],
        baselines={constant_name: objective.score(y, blind)},
        predictions=predictions,
        classes=objective.classes,
        confusion=counts,
        notes=notes or [],
    )
