"""The combination ranks better than the scores that it combines."""

import numpy as np
import pytest

from vicinal.graphs.links.metrics import auroc
from vicinal.interactions.models import combination
from vicinal.interactions.models.combination import (
    HIDDEN,
    MIN_PAIRS,
    find_confidence,
    fit_combination,
)


def draw(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return three scores of which two are noisy, and one is constant."""
    rng = np.random.default_rng(seed)
    truth = rng.random(count) < 0.5
    noisy = truth[:, None] + rng.normal(size=(count, 2))
    noisy[:, 1] *= 100
    return np.c_[noisy, np.ones(count)].astype(np.float32), truth


@pytest.mark.parametrize("num_pairs", [10, MIN_PAIRS])
def test_two_noisy_scores_together_are_better(num_pairs, monkeypatch):
    monkeypatch.setattr(combination, "MIN_STEPS", 500)
    combined = fit_combination(*draw(4000, 0), num_pairs, seed=0)
    assert combined.config.hidden == (0 if num_pairs < MIN_PAIRS else HIDDEN)
    x, truth = draw(4000, 1)
    alone = max(auroc(truth, x[:, k]) for k in (0, 1))
    logits = combined.logits(x)
    assert auroc(truth, logits) > alone + 0.05
    # the true log odds of two normal scores: their sum, less 1 in this scale
    expected = x[:, 0] + x[:, 1] / 100 - 1
    assert np.abs(logits - expected).mean() < 0.25


def test_increasing_scores_have_no_negative_weights():
    x, truth = draw(400, 0)
    x[:, 2] = 1 - x[:, 0]
    free = fit_combination(x, truth, 10, 0).first_weights[0]
    bound = fit_combination(x, truth, 10, 0, increasing=(0, 1, 2)).first_weights[0]
    assert free[2] < 0 and bound[2] == 0 and (bound[:2] > 0).all()


def test_the_confidence_is_the_factor_that_was_taken_out():
    logits = np.random.default_rng(0).normal(size=20_000)
    truth = np.random.default_rng(1).random(20_000) < 1 / (1 + np.exp(-logits))
    assert find_confidence(logits, truth) == pytest.approx(1, abs=0.05)
    assert find_confidence(logits / 0.4, truth) == pytest.approx(0.4, abs=0.02)


def test_folds_that_differ_lower_the_confidence():
    # the score means the opposite in one of three folds: less is to be trusted
    x, truth = draw(3000, 0)
    folds = np.arange(3000) % 3
    truth[folds == 2] = ~truth[folds == 2]
    plain = fit_combination(x, truth, 10, 0)
    divided = fit_combination(x, truth, 10, 0, folds=folds)
    same = fit_combination(x, truth, 10, 0, folds=np.zeros(3000))
    ratio = divided.logits(x) / plain.logits(x)
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-3)
    assert ratio[0] < 0.9
    np.testing.assert_array_equal(same.logits(x), plain.logits(x))


def test_the_seed_decides(monkeypatch):
    monkeypatch.setattr(combination, "MIN_STEPS", 50)
    x, truth = draw(500, 0)
    one, same, other = (
        fit_combination(x, truth, MIN_PAIRS, seed).logits(x) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
