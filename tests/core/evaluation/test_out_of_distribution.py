"""Out-of-distribution detection: against scikit-learn, and its rate by simulation."""

from dataclasses import replace
from math import inf, sqrt

import numpy as np
import pytest
from scipy.stats import zscore
from sklearn.neighbors import NearestNeighbors

from vicinal.core.evaluation import out_of_distribution as module
from vicinal.core.evaluation.out_of_distribution import NearestNeighborDetector
from vicinal.core.storage.checkpoint import load_tensors, save_tensors
from vicinal.errors import DataError, ModelFileError, NoDataError, SettingError


def simulated_features(n: int, d: int = 6, seed: int = 0) -> np.ndarray:
    """Return features [n, d] like a network's: non-negative, around three centres."""
    centres = np.random.default_rng(99).gamma(1.0, 1.0, (3, d))
    rng = np.random.default_rng(seed)
    spread = rng.gamma(4.0, 0.25, (n, d))
    return (centres[rng.integers(0, 3, n)] * spread).astype(np.float32)


def unit(x: np.ndarray) -> np.ndarray:
    return x.astype(np.float64) / np.linalg.norm(x, axis=1, keepdims=True)


@pytest.mark.parametrize("rows", [7, 1_024])
def test_distance_and_threshold_equal_scikit_learn(monkeypatch, rows):
    monkeypatch.setattr(module, "BATCH_ROWS", rows)
    x, new = simulated_features(99), simulated_features(40, seed=1)
    found = NearestNeighborDetector.fit(x, 0.1)
    tree = NearestNeighbors(n_neighbors=5).fit(unit(x))
    wanted = tree.kneighbors(unit(new))[0].mean(axis=1)
    np.testing.assert_allclose(found.distance(new), wanted, atol=1e-4)
    own = np.sort(tree.kneighbors()[0].mean(axis=1))  # each without itself
    assert found.threshold == pytest.approx(own[-10], abs=1e-4)  # 0.1 (99 + 1)
    assert (found.is_unknown(new) == (wanted > own[-10])).all()


def rates(
    n: int, false_alarm_rate: float, held_out: int, times: int = 300
) -> np.ndarray:
    """Return the alarm rates of 40 new examples, for many draws of all data."""
    found = []
    for seed in range(times):
        x = simulated_features(n + held_out + 40, seed=seed)
        known, other, new = np.split(x, [n, n + held_out])
        flag = NearestNeighborDetector.fit(
            known, false_alarm_rate, held_out=other if held_out else None
        )
        found.append(flag.is_unknown(new).mean())
    return np.array(found)


@pytest.mark.parametrize("false_alarm_rate", [0.05, 0.1, 0.3])
def test_the_alarm_rate_is_the_specified_one(false_alarm_rate):
    rate = rates(100, false_alarm_rate, held_out=99)
    margin = 3.5 * rate.std() / sqrt(len(rate))
    assert (
        abs(rate.mean() - false_alarm_rate) < margin < 0.02
    )  # 0.05, 0.1, 0.3 of 99 + 1


@pytest.mark.parametrize("n", [25, 100])
def test_leaving_one_out_keeps_the_promise_and_is_near_it(n):
    rate = rates(n, 0.1, held_out=0)
    margin = 3.5 * rate.std() / sqrt(len(rate))
    assert 0.1 - 0.05 - margin < rate.mean() < 0.1 + margin


def test_what_is_far_away_is_unknown():
    x = simulated_features(400, 32)
    found = NearestNeighborDetector.fit(x, 0.05)
    shuffled = simulated_features(200, 32, seed=1)[
        :, np.random.default_rng(0).permutation(32)
    ]
    assert found.is_unknown(shuffled).mean() > 0.95
    odd = np.stack([np.zeros(32), np.full(32, np.nan), np.full(32, np.inf), -x[0]])
    assert found.is_unknown(odd).all()
    assert not found.is_unknown(x[:1]).any()


def test_length_says_nothing():
    x, new = simulated_features(80), simulated_features(30, seed=1)
    a, b = NearestNeighborDetector.fit(x), NearestNeighborDetector.fit(1_000 * x)
    np.testing.assert_allclose(a.distance(new), b.distance(new / 50), atol=1e-4)


def test_examples_of_one_group_are_not_neighbors():
    x = simulated_features(60)
    groups = np.concatenate([np.arange(60), np.arange(60)])
    doubled = NearestNeighborDetector.fit(np.concatenate([x, x]), 0.1, groups=groups)
    tree = NearestNeighbors(n_neighbors=6).fit(unit(x))
    # each neighbour is there twice, so 5 are two pairs and one more
    near = tree.kneighbors()[0][:, [0, 0, 1, 1, 2]].mean(axis=1)
    both = np.sort(np.concatenate([near, near]))
    assert doubled.threshold == pytest.approx(both[-12], abs=1e-4)  # 0.1 (120 + 1)
    assert (
        NearestNeighborDetector.fit(np.concatenate([x, x]), 0.1).threshold
        < doubled.threshold
    )
    one = NearestNeighborDetector.fit(x, 0.1, groups=np.zeros(60))
    assert one.threshold == inf  # nothing to hold them against


def test_copies_can_count_once():
    x, odd = simulated_features(100), -simulated_features(1)
    found = NearestNeighborDetector.fit(x, 0.1)
    z = np.concatenate([unit(x), *[unit(odd)] * 6]).astype(np.float32)
    copied = replace(found, prototypes=z)
    nearest = np.sort(np.linalg.norm(unit(x) - unit(odd), axis=1))[:4]
    assert copied.distance(odd)[0] == pytest.approx(0, abs=2e-3)
    once = copied.distance(odd, one_copy=True)[0]
    assert once == pytest.approx(nearest.sum() / 5, abs=1e-4)  # itself is the fifth
    new = simulated_features(5, seed=1)
    assert (found.distance(new, one_copy=True) == found.distance(new)).all()


def test_the_groups_go_with_the_examples_that_are_kept(monkeypatch):
    monkeypatch.setattr(module, "MAX_PROTOTYPES", 50)
    x, groups = simulated_features(200), np.arange(200) // 2
    found = NearestNeighborDetector.fit(x, 0.1, groups=groups)
    z = unit(found.prototypes)
    rows = np.array([np.abs(unit(x) - row).sum(axis=1).argmin() for row in z])
    apart = np.linalg.norm(z[:, None] - z, axis=2)
    apart[groups[rows][:, None] == groups[rows]] = inf
    own = np.sort(np.sort(apart, axis=1)[:, :5].mean(axis=1))
    assert found.threshold == pytest.approx(own[-5], abs=1e-4)


def test_features_can_be_standardized():
    scale = np.array([1, 10, 1000, 0.1])
    x, new = (
        simulated_features(99, 4) * scale,
        simulated_features(40, 4, seed=1) * scale,
    )
    found = NearestNeighborDetector.fit(x, 0.1, standardize=True)
    tree = NearestNeighbors(n_neighbors=5).fit(zscore(x))
    wanted = tree.kneighbors((new - x.mean(axis=0)) / x.std(axis=0))[0].mean(axis=1)
    np.testing.assert_allclose(found.distance(new), wanted, rtol=1e-3, atol=1e-3)
    own = np.sort(tree.kneighbors()[0].mean(axis=1))
    assert found.threshold == pytest.approx(own[-10], rel=1e-3)
    assert found.is_unknown(20 * new).mean() > 0.9  # here length does say something
    tensors, values = found.to_arrays()
    again = NearestNeighborDetector.from_arrays(tensors, values)
    assert (again.distance(new) == found.distance(new)).all()


def test_a_number_that_never_changes_does_not_divide_by_nothing():
    x = np.column_stack([np.full(60, 7.0), simulated_features(60, 2)])
    found = NearestNeighborDetector.fit(x, 0.1, standardize=True)
    assert np.isfinite(found.distance(x)).all()
    assert found.is_unknown(x[:1] + np.array([[1, 0, 0]])).all()


def test_a_larger_rate_flags_all_that_a_smaller_one_does():
    x, new = simulated_features(200), simulated_features(200, seed=1)
    few, more = (
        NearestNeighborDetector.fit(x, rate).is_unknown(new) for rate in (0.05, 0.2)
    )
    assert (more >= few).all() and more.sum() > few.sum()


def test_at_most_so_many_are_kept_and_the_seed_says_which(monkeypatch):
    monkeypatch.setattr(module, "MAX_PROTOTYPES", 50)
    x = simulated_features(200)
    kept = [NearestNeighborDetector.fit(x, 0.1, seed).prototypes for seed in (3, 3, 4)]
    assert kept[0].shape == (50, 6) and kept[0].dtype == np.float32
    assert len(np.unique(kept[0], axis=0)) == 50
    assert (kept[0] == kept[1]).all() and (kept[0] != kept[2]).any()


@pytest.mark.parametrize("n", [1, 3, 18, 19])
def test_too_few_to_say_are_never_unknown(n):
    found = NearestNeighborDetector.fit(simulated_features(n), 0.05)
    assert (found.threshold == inf) == (n < 19)  # 0.05 (19 + 1) = 1
    assert len(found.distance(simulated_features(4, seed=1))) == 4
    if n < 19:
        assert not found.is_unknown(-simulated_features(4, seed=1)).any()


@pytest.mark.parametrize("n", [5, 90])
def test_saved_and_loaded_it_is_the_same(tmp_path, n):
    found = NearestNeighborDetector.fit(simulated_features(n), 0.1)
    save_tensors(tmp_path / "known.safetensors", *found.to_arrays())
    again = NearestNeighborDetector.from_arrays(
        *load_tensors(tmp_path / "known.safetensors")
    )
    assert (again.prototypes == found.prototypes).all()
    assert again.prototypes.dtype == np.float32
    others = ("threshold", "false_alarm_rate", "num_neighbors")
    assert all(getattr(again, name) == getattr(found, name) for name in others)
    new = simulated_features(30, seed=1)
    assert (again.distance(new) == found.distance(new)).all()


def test_errors_say_what_was_wanted():
    found = NearestNeighborDetector.fit(simulated_features(30))
    with pytest.raises(DataError, match=r"\[n, 6\].*Got \[3, 5\]"):
        found.distance(simulated_features(3, 5))
    with pytest.raises(NoDataError, match="no features"):
        NearestNeighborDetector.fit(simulated_features(0))
    for share in (0.0, 1.0, 5.0):
        with pytest.raises(SettingError, match="between 0 and 1"):
            NearestNeighborDetector.fit(simulated_features(30), share)
    tensors, values = found.to_arrays()
    del tensors["threshold"]
    with pytest.raises(ModelFileError, match="'threshold'"):
        NearestNeighborDetector.from_arrays(tensors, values)
