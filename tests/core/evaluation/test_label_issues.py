"""Label issues: planted errors are found, and scores equal those by hand."""

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from vicinal.core.data.splits import assign_folds
from vicinal.core.evaluation.label_issues import (
    correct_labels,
    find_label_issues,
    nearest_rows,
)
from vicinal.core.objective import MultiLabel, Numeric, Objective, SingleLabel
from vicinal.core.training.linear_head import fit_head
from vicinal.core.training.regularization_path import cross_validate_head
from vicinal.errors import SettingError

AB = SingleLabel(("a", "b"))
DIGITS = SingleLabel(tuple("0123456789"))


def digits(n: int = 900) -> tuple[np.ndarray, np.ndarray]:
    data: Any = load_digits()
    return (data.data[:n] / 16).astype(np.float32), data.target[:n].astype(np.int64)


def planted(
    y: np.ndarray, share: float, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return labels y [N] with a fraction of them wrong, and a mask [N] of those."""
    rng = np.random.default_rng(seed)
    wrong = np.zeros(len(y), dtype=bool)
    wrong[rng.choice(len(y), round(share * len(y)), replace=False)] = True
    return np.where(wrong, (y + rng.integers(1, 10, len(y))) % 10, y), wrong


def out_of_fold(x: np.ndarray, y: np.ndarray, objective: Objective) -> np.ndarray:
    strata = y if y.ndim == 1 else np.zeros(len(y))
    fit = cross_validate_head(x, y, objective, assign_folds(strata, folds=3))
    return objective.predict(fit.logits)


@pytest.mark.parametrize("share", [0.05, 0.1])
def test_planted_errors_are_found(share):
    x, true = digits()
    y, wrong = planted(true, share)
    found = find_label_issues(out_of_fold(x, y, DIGITS), y, DIGITS, x)
    first = [s.row for s in found[: wrong.sum()]]
    assert wrong[first].mean() >= 0.85
    better = correct_labels(y, found)
    assert (better == true).mean() > (y == true).mean() + share / 2


@pytest.mark.slow
def test_a_head_trained_on_corrected_labels_is_better():
    x, true = digits(1500)
    new = np.arange(len(x)) % 2 == 0
    gains = []
    for seed in range(3):
        y, _ = planted(true[~new], 0.1, seed)
        found = find_label_issues(out_of_fold(x[~new], y, DIGITS), y, DIGITS, x[~new])
        noisy, better = (
            fit_head(x[~new], labels, DIGITS, 0.01).logits(x[new]).argmax(dim=1).numpy()
            for labels in (y, correct_labels(y, found))
        )
        gains.append((better == true[new]).mean() - (noisy == true[new]).mean())
    assert np.mean(gains) > 0.005


def test_neighbors_improve_precision():
    x, true = digits()
    y, wrong = planted(true, 0.1)
    p = out_of_fold(x, y, DIGITS)
    plain, voted = (find_label_issues(p, y, DIGITS, f) for f in (None, x))
    share = [wrong[[s.row for s in f[: wrong.sum()]]].mean() for f in (plain, voted)]
    assert share[1] > share[0] >= 0.8


def test_scores_and_kinds_by_hand():
    p = np.array([[0.9, 0.1], [0.8, 0.2], [0.02, 0.98], [0.1, 0.9], [0.55, 0.45]])
    y = np.array([0, 0, 0, 1, 1])
    # thresholds: a (.9 + .8 + .02) / 3 = .573, b (.9 + .45) / 2 = .675
    found = find_label_issues(p, y, AB)
    assert [s.row for s in found] == [2, 4]
    assert [s.kind for s in found] == ["label", "ambiguous"]  # .98 > .675, .55 < .573
    assert [s.labels for s in found] == [(0,), (1,)]
    assert [s.proposed for s in found] == [(1,), (0,)]
    assert [s.score for s in found] == pytest.approx([0.98, 0.55])
    assert correct_labels(y, found).tolist() == [0, 0, 1, 1, 1]
    assert y.tolist() == [0, 0, 0, 1, 1]  # unchanged


def test_an_even_probability_is_ambiguous():
    p = np.array([[0.95, 0.05], [0.53, 0.47], [0.05, 0.95]])
    (one,) = find_label_issues(p, np.array([0, 0, 1]), AB)
    assert (one.row, one.kind, one.proposed) == (1, "ambiguous", (1,))


def test_neighbors_count_as_much_as_the_head():
    x = np.array([[1, 0.1], [1, 0], [1, -0.1], [-1, 0.1], [-1, 0], [-1, -0.1]])
    y = np.array([0, 0, 1, 1, 1, 0])
    p = np.full((6, 2), 0.5)
    found = {s.row: s for s in find_label_issues(p, y, AB, x, num_neighbors=2)}
    # row 2 has two neighbours, both a: support (0.5 + 0) / 2
    assert found[2].score == found[5].score == pytest.approx(0.75)
    assert {n.row for n in found[2].neighbors} == {0, 1}
    assert [n.labels for n in found[2].neighbors] == [(0,), (0,)]


def test_multilabel_issues_propose_the_changed_label():
    rng = np.random.default_rng(0)
    true = rng.integers(0, 2, (300, 3))
    x = (true @ rng.normal(0, 1, (3, 8)) + rng.normal(0, 0.2, (300, 8))).astype("f4")
    objective = MultiLabel(("a", "b", "c"))
    y = true.copy()
    y[:15, 1] = 1 - y[:15, 1]
    found = find_label_issues(out_of_fold(x, y, objective), y, objective, x)
    assert sum(s.row < 15 for s in found[:15]) >= 13
    better = correct_labels(y, found)
    assert (better != true).sum() < 5
    assert found[0].labels != found[0].proposed


@pytest.mark.parametrize("objective", [AB, MultiLabel(("a", "b"))])
def test_issues_are_sorted_unique_and_independent_of_order(objective: Any):
    rng = np.random.default_rng(3)
    p = rng.dirichlet([1, 1], 60)
    y = rng.integers(0, 2, 60 if objective is AB else (60, 2))
    found = find_label_issues(p, y, objective, rng.normal(size=(60, 4)))
    scores = [s.score for s in found]
    assert (
        scores == sorted(scores, reverse=True) and 0 <= min(scores) <= max(scores) <= 1
    )
    assert len({s.row for s in found}) == len(found)
    for s in found:
        assert s.labels != s.proposed and len(s.neighbors) == 5
        assert s.row not in [n.row for n in s.neighbors]
    shuffled = rng.permutation(60)
    again = find_label_issues(p[shuffled], y[shuffled], objective)
    plain = find_label_issues(p, y, objective)
    assert {int(shuffled[s.row]) for s in again} == {s.row for s in plain}


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_examples_have_few_neighbors(n):
    p = np.full((n, 2), 0.5)
    found = find_label_issues(p, np.zeros(n, int), AB, np.ones((n, 3)))
    assert all(len(s.neighbors) == n - 1 for s in found)


def test_nearest_rows_equal_all_pairs():
    x = np.random.default_rng(0).normal(size=(1500, 5))  # more than one batch
    z = x - x.mean(axis=0)
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    for i in (0, 1100, 1499):
        wanted = [j for j in np.argsort(-(z @ z[i])) if j != i][:4]
        assert nearest_rows(x, 4)[i].tolist() == wanted


def test_a_regression_target_is_rejected():
    with pytest.raises(SettingError, match="largest errors"):
        find_label_issues(np.zeros(3), np.zeros(3), Numeric())
