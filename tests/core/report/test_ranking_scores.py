"""AUROC and average precision of both classes, and of rare classes."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from vicinal.core.evaluation.evaluation import Evaluation, evaluate_predictions
from vicinal.core.metrics import Groups
from vicinal.core.objective import MultiLabel, Numeric, Objective, SingleLabel
from vicinal.core.report import ranking_scores
from vicinal.core.report.ranking_scores import ranking_table
from vicinal.core.report.report import Table


def evaluate(
    objective: Objective, y: np.ndarray, p: np.ndarray, groups: Groups = None
) -> Evaluation:
    labels = [
        "|".join(np.array(objective.classes)[row > 0]) or "-" if y.ndim == 2 else row
        for row in (y if y.ndim == 2 else np.array(objective.classes)[y])
    ]
    frame = pd.DataFrame({"label": labels})
    for k, name in enumerate(objective.classes):
        frame[f"p_{name}"] = p[:, k]
    constant = np.zeros(y.shape[1:]) if y.ndim == 2 else 0
    return evaluate_predictions(
        objective, y, p, frame, constant, "constant", groups=groups
    )


@pytest.fixture(autouse=True)
def few_samples(monkeypatch) -> None:
    """Draw few samples for the intervals."""
    monkeypatch.setattr(ranking_scores, "BOOTSTRAP_SAMPLES", 50)


def random_probabilities(n: int, k: int, seed: int = 0) -> np.ndarray:
    p = np.random.default_rng(seed).random((n, k)) + 0.01
    return p / p.sum(axis=1, keepdims=True)


def test_two_classes_have_the_scores_of_scikit_learn():
    y, p = np.arange(60) % 3 // 2, random_probabilities(60, 2)
    p[:, 1] += 0.3 * y
    p /= p.sum(axis=1, keepdims=True)
    (table,) = ranking_table(evaluate(SingleLabel(("no", "yes")), y, p))
    assert isinstance(table, Table)
    assert [row[0] for row in table.rows] == ["yes", "no"]  # the rarer class first
    _, auroc, precision, prevalence, support = table.rows[0]
    assert auroc.startswith(f"{roc_auc_score(y, p[:, 1]):.3f} [")
    assert precision.startswith(f"{average_precision_score(y, p[:, 1]):.3f} [")
    assert (prevalence, support) == ("33.3 %", 20)


def test_copies_in_one_group_do_not_narrow_the_intervals(monkeypatch):
    # resampled by group, four copies of each example have the scores of one
    monkeypatch.setattr(ranking_scores, "BOOTSTRAP_SAMPLES", 20)
    y, p = np.arange(24) % 3 // 2, random_probabilities(24, 2)
    objective, groups = SingleLabel(("no", "yes")), np.repeat(np.arange(24), 4)
    copies = np.repeat(y, 4), np.repeat(p, 4, axis=0)
    once, grouped, independent = (
        ranking_table(evaluate(objective, *data))[0]
        for data in ((y, p), (*copies, groups), copies)
    )
    assert isinstance(once, Table) and isinstance(grouped, Table)
    assert isinstance(independent, Table)
    scores = [[row[:-1] for row in table.rows] for table in (once, grouped)]
    assert scores[0] == scores[1]
    assert [row[1] for row in independent.rows] != [row[1] for row in once.rows]


def test_only_rare_classes_are_listed_among_many():
    y = np.array([0] * 50 + [1] * 45 + [2] * 5)
    objective = SingleLabel(("a", "b", "rare"))
    (table,) = ranking_table(evaluate(objective, y, random_probabilities(100, 3)))
    assert isinstance(table, Table)
    assert [row[0] for row in table.rows] == ["rare"]
    balanced = np.arange(99) % 3
    p = random_probabilities(99, 3)
    assert ranking_table(evaluate(objective, balanced, p)) == []


def test_several_labels_per_image():
    y = np.zeros((40, 3), int)
    y[::2, 0], y[::3, 1], y[:3, 2] = 1, 1, 1
    p = np.random.default_rng(0).random((40, 3))
    (table,) = ranking_table(evaluate(MultiLabel(("a", "b", "rare")), y, p))
    assert isinstance(table, Table)
    ((name, auroc, _, _, support),) = table.rows
    assert (name, support) == ("rare", 3)
    assert float(auroc.split()[0]) == pytest.approx(
        roc_auc_score(y[:, 2], p[:, 2]), abs=1e-3
    )


def test_a_regression_has_no_ranking_scores():
    y = np.linspace(0, 1, 20)
    frame = pd.DataFrame({"label": y, "predicted": y})
    found = evaluate_predictions(Numeric(), y, y, frame, 0.5, "median")
    assert ranking_table(found) == []
