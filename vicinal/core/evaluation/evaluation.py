"""An evaluation: scores on held-out examples, beside the baselines to beat."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from vicinal.core.data.quarantine import Quarantined, quarantine_lines
from vicinal.core.evaluation.calibration import (
    Bin,
    expected_calibration_error,
    reliability_bins,
)
from vicinal.core.evaluation.significance import SignTest, sign_test
from vicinal.core.metrics import (
    Groups,
    Score,
    confusion_matrix,
    effective_sample_size,
    is_better,
    wilson,
)
from vicinal.core.objective import Objective
from vicinal.core.storage.files import json_ready

if TYPE_CHECKING:
    import pandas as pd


Scored = Literal["test", "validation", "cross-validation"]
"""examples that a model was not trained on"""

MAX_OVERLAP = 0.05
"""fraction of the examples that may have been trained on for a verdict to be given"""


@dataclass(frozen=True)
class Evaluation:
    """Scores of a model on examples that it was not trained on."""

    score: Score
    scores: list[Score]
    """secondary scores of the same predictions"""

    baselines: dict[str, Score]
    """scores of simpler models on the same examples"""

    predictions: "pd.DataFrame"
    """a row per example: path, label, predicted, and probabilities by class"""

    decisions: np.ndarray
    """predicted class rows or numbers [N], or label indicators [N, K]"""

    classes: tuple[str, ...] = ()
    confusion: np.ndarray | None = None
    """counts [K, K]: row is the true class, column the predicted one"""

    notes: list[str] = field(default_factory=list)

    reliability: list[Bin] = field(default_factory=list)
    """accuracy by confidence; empty for regression"""

    calibration_error: float | None = None
    """expected calibration error, 0 to 1 (`core.evaluation.calibration`)"""

    comparisons: dict[str, SignTest] = field(default_factory=dict)
    """a sign test against each baseline, example by example"""

    groups: Groups = None
    """[N] group numbers of examples that are not independent"""

    effective_n: float = 1.0
    """effective sample size per example, at most 1 (`effective_sample_size`)"""

    training_overlap: int = 0
    """examples that the model was trained or pretrained on"""

    constant_name: str = ""
    """the baseline that always predicts the same"""

    scored: Scored = "test"
    """the examples that the scores are of"""

    def with_training_overlap(self, count: int, note: str = "") -> "Evaluation":
        """Return the evaluation of a model trained on `count` of the examples.

        note: how that is known; by default there is one only where the examples are too
        few for the verdict to say it.
        """
        if not count:
            return self
        found = replace(self, training_overlap=count)
        if not note and not found._has_overlap:
            note = f"{count} of these {self.score.n} examples were in the training data"
        return replace(found, notes=[*self.notes, *([note] if note else [])])

    def with_quarantine(self, rows: Sequence[Quarantined]) -> "Evaluation":
        """Return the evaluation with notes that list quarantined rows of its data."""
        lines = quarantine_lines(rows, "`vicinal check DATA` lists all")
        return replace(self, notes=[*self.notes, *lines])

    def add_baseline(
        self, name: str, objective: Objective, y: np.ndarray, decisions: np.ndarray
    ) -> None:
        """Add a baseline by its decisions for the same examples."""
        self.baselines[name] = objective.score(y, decisions, self.groups)
        self.comparisons[name] = sign_test(
            objective, y, self.decisions, decisions, self.groups
        )

    # --- the verdict ------------------------------------------------------------------

    @property
    def not_beaten(self) -> list[str]:
        """Baselines that the model is not significantly better than.

        By example (`significance`): two intervals may overlap although one model is
        better on nearly every example on which they differ.
        """
        ours = self.score
        return [
            name
            for name, theirs in self.baselines.items()
            if not is_better(ours.metric, ours.value, theirs.value)
            or not self.comparisons[name].better
        ]

    @property
    def beats_baselines(self) -> bool:
        """True if the model is significantly better than every baseline."""
        return not self.not_beaten

    @property
    def verdict(self) -> str:
        """Say in one or two sentences what the score is worth."""
        if self._has_overlap:
            return (
                f"{self.training_overlap:,} of these {self.score.n:,} examples were in "
                "the training data, so the score says little about new examples."
            )
        not_beaten = self.not_beaten
        if self.constant_name in not_beaten:
            return (
                f"Not significantly better than a constant ({self.constant_name}): do "
                "not rely on it. More examples, other weights or longer training may "
                "help."
            )
        if not_beaten:
            ours = self.score
            better = [
                name
                for name in not_beaten
                if is_better(ours.metric, self.baselines[name].value, ours.value)
            ]
            if better:
                names = _join(better)
                return f"Worse than a simpler model: use the {names} instead."
            return (
                "Not significantly better than a simpler model: the "
                f"{_join(not_beaten)} will do as well."
            )
        missed = self._never_predicted
        if missed:
            return (
                "The model beats every baseline (sign test, p <= 0.05), but its recall "
                f"is 0 for {_join(missed)}."
            )
        return "The model beats every baseline (sign test, p <= 0.05)."

    @property
    def is_reliable(self) -> bool:
        """True if the verdict contains no warning."""
        return (
            self.beats_baselines and not self._never_predicted and not self._has_overlap
        )

    @property
    def _never_predicted(self) -> list[str]:
        """Classes that occur and have a recall of 0."""
        rows = self.class_scores()
        return [row["class"] for row in rows if row["n"] and not row["recall"]]

    @property
    def _has_overlap(self) -> bool:
        return self.training_overlap > MAX_OVERLAP * self.score.n

    # --- by class ---------------------------------------------------------------------

    def confused_pairs(self, count: int = 5) -> list[tuple[str, str, int]]:
        """Return the most frequent errors: (true class, predicted class, count)."""
        if self.confusion is None:
            return []
        errors = self.confusion * (1 - np.eye(len(self.confusion), dtype=np.int64))
        order = np.argsort(-errors, axis=None, kind="stable")[:count]
        rows = [np.unravel_index(i, errors.shape) for i in order]
        pairs = [(self.classes[i], self.classes[j], int(errors[i, j])) for i, j in rows]
        return [pair for pair in pairs if pair[2] > 0]

    def class_scores(self) -> list[dict[str, Any]]:
        """Return precision, recall, F1 and support (n) of each class, with intervals.

        With groups, intervals are widened by the effective sample size of the score.
        A rate without a denominator is None.
        """
        if self.confusion is None:
            return []
        hits = np.diag(self.confusion)
        support, predicted = self.confusion.sum(axis=1), self.confusion.sum(axis=0)

        def rate(count: Any, total: Any) -> float | None:
            return float(count / total) if total else None

        def interval(count: Any, total: Any) -> list[float]:
            return [*wilson(self.effective_n * int(count), self.effective_n * total)]

        return [
            {
                "class": name,
                "n": int(support[k]),
                "recall": rate(hits[k], support[k]),
                "recall_interval": interval(hits[k], int(support[k])),
                "precision": rate(hits[k], predicted[k]),
                "precision_interval": interval(hits[k], int(predicted[k])),
                "f1": rate(2 * hits[k], support[k] + predicted[k]),
            }
            for k, name in enumerate(self.classes)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return all but the predictions for JSON; undefined numbers are None."""
        return json_ready(
            {
                "score": self.score.to_dict(),
                "scores": [score.to_dict() for score in self.scores],
                "baselines": {k: s.to_dict() for k, s in self.baselines.items()},
                "classes": self.class_scores(),
                "confusion": (
                    None if self.confusion is None else self.confusion.tolist()
                ),
                "calibration_error": self.calibration_error,
                "notes": self.notes,
            }
        )

    def __str__(self) -> str:
        lines = [f"{self.score.metric:<14} {self.score}"]
        lines += [f"{s.metric:<14} {s}" for s in self.scores]
        lines += [f"  baseline: {k:<22} {s}" for k, s in self.baselines.items()]
        return "\n".join(lines + self.notes)


def _join(names: list[str]) -> str:
    return " and ".join(names)


def evaluate_predictions(
    objective: Objective,
    y: np.ndarray,
    predicted: np.ndarray,
    predictions: "pd.DataFrame",
    constant: np.ndarray | list[float] | float,
    constant_name: str,
    notes: list[str] | None = None,
    groups: Groups = None,
) -> Evaluation:
    """Score predictions (probabilities [N, K] or values [N]) against targets y [N].

    constant: what the constant baseline predicts; constant_name: its name, such as
    `most frequent class`. groups: [N] numbers of examples that are not independent.
    """
    decisions = objective.decide(predicted)
    counts, bins, calibration_error = None, [], None
    if objective.kind != "numeric" and len(y):
        bins = reliability_bins(predicted, y)
        calibration_error = expected_calibration_error(predicted, y)
    if objective.kind == "single_label":
        counts = confusion_matrix(y, decisions, len(objective.classes))
    effective_n = effective_sample_size(_correct(decisions, y), groups)
    evaluation = Evaluation(
        score=objective.score(y, decisions, groups),
        scores=objective.secondary_scores(y, decisions, groups) if len(y) else [],
        baselines={},
        predictions=predictions,
        decisions=decisions,
        classes=objective.classes,
        confusion=counts,
        reliability=bins,
        calibration_error=calibration_error,
        notes=notes or [],
        groups=groups,
        effective_n=effective_n / max(len(y), 1),
        constant_name=constant_name,
    )
    blind = np.broadcast_to(np.asarray(constant), y.shape)
    evaluation.add_baseline(constant_name, objective, y, blind)
    return evaluation


def _correct(decisions: np.ndarray, y: np.ndarray) -> np.ndarray:
    """[N]: 1 for correct, 0 for wrong; with several labels the fraction correct."""
    correct = decisions == y
    return correct if correct.ndim == 1 else correct.mean(axis=1)
