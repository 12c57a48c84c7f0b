"""The baselines that a model has to beat, and the test that chooses between models.

A trained network replaces the linear baseline only where a paired test on held-out
data shows it to be better. Each model is calibrated by itself before the test.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from vicinal.core.evaluation.calibration import fit_temperature
from vicinal.core.evaluation.evaluation import Evaluation, evaluate_predictions
from vicinal.core.evaluation.significance import (
    PairedComparison,
    paired_permutation_test,
)
from vicinal.core.objective import Objective

CONSTANT_NAMES = {
    "single_label": "most frequent class",
    "multi_label": "most frequent labels",
    "numeric": "median",
}
LINEAR_BASELINE = "linear baseline"


def constant_baseline(objective: Objective, y: np.ndarray) -> list[float]:
    """Return the most frequent class, the most frequent labels, or the median of y."""
    return np.atleast_1d(objective.constant_baseline(y)).tolist()


def evaluate_against_constant(
    objective: Objective,
    y: np.ndarray,
    predicted: np.ndarray,
    predictions: Any,
    constant: list[float],
    notes: list[str] | None = None,
    groups: np.ndarray | None = None,
) -> Evaluation:
    """Evaluate predictions beside a constant prediction.

    Of single labels the constant is the most frequent class of y itself, which is no
    easier to beat than that of the train split; where all of y are of one class, it
    is that of the train split, or nothing could beat it.
    """
    value: Any = constant if objective.kind == "multi_label" else constant[0]
    if objective.kind == "single_label" and len(np.unique(y)) > 1:
        value = objective.constant_baseline(y)
    name = CONSTANT_NAMES[objective.kind]
    return evaluate_predictions(
        objective, y, predicted, predictions, value, name, notes, groups
    )


def calibrated_predictions(
    objective: Objective, logits: Tensor, y: np.ndarray
) -> np.ndarray:
    """Return predictions at the temperature that fits y best."""
    return objective.predict(logits / fit_temperature(logits, y, objective))


def compare_at_own_temperature(
    objective: Objective,
    y: np.ndarray,
    network_logits: Tensor,
    baseline_logits: Tensor,
    groups: np.ndarray | None = None,
) -> PairedComparison:
    """Compare two models on held-out targets y, each calibrated by itself.

    Overconfidence can be corrected afterwards, so it does not decide which is better.
    groups: [N] numbers of examples that are not independent.
    """
    ours, theirs = (
        calibrated_predictions(objective, logits, y)
        for logits in (network_logits, baseline_logits)
    )
    return paired_permutation_test(objective, y, ours, theirs, groups)


@dataclass(frozen=True)
class ModelChoice:
    """Whether a trained network replaces the linear baseline, and why."""

    keep_network: bool
    comparison: PairedComparison


def choose_better(
    objective: Objective,
    y: np.ndarray,
    network_logits: Tensor,
    baseline_logits: Tensor,
    *,
    always_network: bool = False,
) -> ModelChoice:
    """Keep the network where a paired test on held-out targets y says it is better.

    always_network: keep it in any case, as the user may ask.
    """
    found = compare_at_own_temperature(objective, y, network_logits, baseline_logits)
    return ModelChoice(found.better or always_network, found)


def describe_choice(
    comparison: PairedComparison | None, kept: bool, better: bool | None = None
) -> str:
    """Return the outcome of the test in one sentence; empty where there was none.

    better: what the test decided, where that is stricter than `comparison.better`.
    """
    if comparison is None:
        return ""
    better = comparison.better if better is None else better
    verdict = comparison.verdict
    if kept:
        verdict = "kept" if better else "kept because the settings ask for it"
    elif comparison.better:
        verdict = "not kept: the difference is too small to matter"
    return f"{comparison}: {verdict}"


def describe_untested(networks: int) -> str:
    """Return which networks predict where there was nothing to compare them on."""
    subject = "the networks are" if networks > 1 else "the network is"
    kept = "kept" if networks else "not kept"
    return f"no validation split to compare on: {subject} {kept}"
