"""Intervals cover what they say, whatever the errors are like."""

import numpy as np
import pytest

from vicinal.molecules.baseline.conformal import (
    conformal_factor,
    cross_conformal_coverage,
)


def test_the_factor_by_hand():
    scores = np.array([5.0, 1, 2, np.nan, 3, 4, 6, 7, 8, 9])
    assert conformal_factor(scores, 0.9) == 9  # rank ceil(.9 * 10) of nine
    assert conformal_factor(scores, 0.5) == 5
    assert conformal_factor(scores, 0.95) == np.inf


@pytest.mark.parametrize("coverage", [0.5, 0.9])
def test_intervals_of_exchangeable_errors_cover_their_share(coverage):
    rng = np.random.default_rng(0)
    scores = np.abs(rng.standard_cauchy(4000))  # heavy tails
    scores[::7] = np.nan
    inside = cross_conformal_coverage(scores, np.arange(4000) % 5, coverage)
    assert np.isnan(inside[::7]).all()
    assert np.nanmean(inside) == pytest.approx(coverage, abs=0.015)
