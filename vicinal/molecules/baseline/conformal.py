"""Prediction intervals with a stated coverage, from out-of-fold predictions.

V. Vovk: Cross-conformal predictors, Annals of Mathematics and Artificial Intelligence
2015; scores are errors over predicted standard deviations, as in J. Lei et al.:
Distribution-Free Predictive Inference for Regression, JASA 2018, section 5.2.
"""

import numpy as np


def conformal_factor(scores: np.ndarray, coverage: float) -> float:
    """Return the standard deviations on either side of an interval.

    scores: [n] |y - mean| / deviation of predictions for molecules that were held out;
    NaN where there is no target. Infinite if they are too few for the coverage.
    """
    known = np.sort(scores[~np.isnan(scores)])
    rank = int(np.ceil(coverage * (len(known) + 1)))
    return float(known[rank - 1]) if rank <= len(known) else float("inf")


def cross_conformal_coverage(
    scores: np.ndarray, folds: np.ndarray, coverage: float
) -> np.ndarray:
    """Return whether each target [N] is in its interval; NaN without a target.

    The interval of a fold has the factor of the scores of the other folds: no score of
    the fold itself is used.
    """
    inside = np.full(len(scores), np.nan)
    for fold in np.unique(folds):
        own = folds == fold
        factor = conformal_factor(scores[~own], coverage)
        inside[own] = np.where(np.isnan(scores[own]), np.nan, scores[own] <= factor)
    return inside
