"""The loss of the fold networks: none sees the molecules of its fold."""

import numpy as np
import pytest
import torch

from vicinal.core.objective import MultiLabel, MultiNumeric, Numeric, SingleLabel
from vicinal.molecules.network.choice import (
    AVERAGE,
    BASELINE,
    NETWORKS,
    choose,
    choose_by_fold,
    compare,
)
from vicinal.molecules.network.training import FoldLoss, weighted_loss

OBJECTIVES = [
    SingleLabel(("a", "b")),
    MultiLabel(("a", "b")),
    Numeric(2.0, 3.0),
    MultiNumeric(("a", "b"), (1.0, 2.0), (3.0, 4.0)),
]


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: o.kind)
def test_no_network_has_a_gradient_of_its_own_fold(objective):
    torch.manual_seed(0)
    targets = torch.randint(0, 2, (6, 1 if objective.kind[0] in "sn" else 2)).double()
    folds = torch.tensor([0, 1, 2, 0, 1, 2])
    logits = torch.randn(6, 3, objective.outputs, requires_grad=True)
    y = torch.cat([targets, folds[:, None], torch.ones(6, 1)], dim=1)
    FoldLoss(objective).loss(logits, y).backward()
    assert logits.grad is not None
    used = logits.grad.abs().sum(dim=2) > 0
    assert torch.equal(~used, folds[:, None] == torch.arange(3))


def test_the_loss_is_the_mean_of_those_of_the_networks():
    objective = Numeric(2.0, 3.0)
    logits = torch.zeros(3, 2, 1)
    y = torch.tensor([[2.0, 0, 1], [5.0, 0, 3], [8.0, 1, 1]])
    # standardised targets 0, 1, 2: network 0 sees the last, network 1 the first two
    expected = (2.0**2 + (1 * 0.0 + 3 * 1.0) / 4) / 2
    assert FoldLoss(objective).loss(logits, y) == pytest.approx(expected)


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: o.kind)
@pytest.mark.parametrize("missing", [False, True])
def test_of_equal_weights_the_loss_is_that_of_the_objective(objective, missing):
    torch.manual_seed(0)
    targets = torch.randint(0, 2, (6, 1 if objective.kind[0] in "sn" else 2)).double()
    if missing and targets.shape[1] > 1:
        targets[torch.tensor([0, 3]), torch.tensor([0, 1])] = torch.nan
    logits, kind = torch.randn(6, objective.outputs), objective.kind
    own = {"single_label": targets[:, 0].long(), "numeric": targets[:, 0]}
    expected = objective.loss(
        logits, own.get(kind, targets.float() if kind == "multi_label" else targets)
    )
    for weight in (1.0, 2.5):
        weights = torch.full((6,), weight)
        found = weighted_loss(objective, logits, targets, weights)
        assert float(found) == pytest.approx(float(expected), rel=1e-6)
    repeated = torch.tensor([0, 0, 0, 1, 2, 3, 4, 5])
    expected = weighted_loss(
        objective, logits[repeated], targets[repeated], torch.ones(8)
    )
    thrice = torch.tensor([3.0, 1, 1, 1, 1, 1])
    found = weighted_loss(objective, logits, targets, thrice)
    assert float(found) == pytest.approx(float(expected), rel=1e-6)


def problem(network_noise: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return truth, baseline and network predictions of 300 numbers."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(300, 1))
    baseline = truth + rng.normal(0, 0.5, truth.shape)
    return truth, baseline, truth + rng.normal(0, network_noise, truth.shape)


@pytest.mark.parametrize(
    ("noise", "weight"), [(5.0, BASELINE), (0.5, AVERAGE), (0.05, NETWORKS)]
)
def test_what_predicts_is_what_has_the_smaller_errors(noise, weight):
    truth, baseline, networks = problem(noise)
    groups = np.arange(300)
    found = choose(Numeric(), truth, baseline, networks, groups)
    assert found.weight == weight
    kept = choose(Numeric(), truth, baseline, networks, groups, always=True)
    assert kept.weight == NETWORKS


def test_groups_that_are_not_independent_decide_less():
    truth, baseline, networks = problem(0.45)
    alone = compare(Numeric(), truth, networks, baseline, np.arange(300))
    grouped = compare(Numeric(), truth, networks, baseline, np.arange(300) // 60)
    assert (alone.groups, grouped.groups) == (300, 5)
    assert alone.ours == grouped.ours == pytest.approx(((networks - truth) ** 2).mean())


def test_few_large_errors_do_not_decide_but_their_mean_must_be_lower():
    truth, groups = np.zeros((300, 1)), np.arange(300)
    baseline = np.full((300, 1), 1.0)
    better = np.where(groups[:, None] < 200, 0.9, 1.05)
    assert compare(Numeric(), truth, better, baseline, groups).p < 0.001
    better[0], baseline[1] = 9.0, 9.0  # as large an error of each
    found = compare(Numeric(), truth, better, baseline, groups)
    assert found.p < 0.001 and found.ours < found.theirs
    better[2] = 9.0
    found = compare(Numeric(), truth, better, baseline, groups)
    assert found.p == 1 and found.ours > found.theirs


def test_the_choice_for_a_fold_is_made_by_the_other_folds():
    truth, baseline, networks = problem(0.05)
    folds = np.arange(300) % 3
    networks = np.where(folds[:, None] == 1, networks, truth + 9)  # bad but in fold 1
    found = choose_by_fold(Numeric(), truth, baseline, networks, folds, np.arange(300))
    np.testing.assert_array_equal(found, baseline)
    good = folds[:, None] != 1
    found = choose_by_fold(
        Numeric(),
        truth,
        baseline,
        np.where(good, problem(0.05)[2], truth + 9),
        folds,
        np.arange(300),
    )
    np.testing.assert_array_equal(found[folds == 1, 0] > truth[folds == 1, 0] + 4, True)
