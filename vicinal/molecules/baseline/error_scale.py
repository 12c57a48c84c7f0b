"""How large the error of a prediction will be: a linear model of its logarithm.

Errors are larger for molecules unlike those of training, for which the process has a
large deviation, but also for some kinds of molecules. Intervals are this scale times a
factor that the errors for held-out molecules give (`conformal`). H. Papadopoulos et
al.: Regression Conformal Prediction with Nearest Neighbours, JAIR 2011, section 4:
errors are normalised by an estimate of their size.
"""

from typing import NamedTuple

import numpy as np

PENALTIES = (30.0, 100.0, 300.0, 1000.0, 3000.0, 10000.0)
"""of the squared coefficients; features are standardised"""

MIN_ERRORS = 100
"""errors for held-out molecules below which the deviation of the process is taken"""

MAX_LOGARITHM = 700.0
"""whose exponential is finite"""

SMALL_ERROR = 0.1
"""added to each error before the logarithm, as a share of the mean error"""


class ErrorScale(NamedTuple):
    """The logarithm of an error, from the deviation of the process and descriptors."""

    intercept: float
    coefficients: np.ndarray
    """[D + 1] of the logarithm of the deviation, and of the scaled descriptors"""

    low: float
    high: float
    """range of the logarithms in training, to which others are clipped"""

    def __call__(self, deviations: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return scales [M] for deviations [M] and scaled descriptors [M, D]."""
        logarithms = self.intercept + _features(deviations, x) @ self.coefficients
        return np.exp(np.clip(logarithms, self.low, self.high))


def fit_error_scale(
    errors: np.ndarray, deviations: np.ndarray, x: np.ndarray, folds: np.ndarray
) -> ErrorScale:
    """Return the scale of absolute errors [M] for molecules held out in folds [M].

    deviations: [M] of the process. x: [M, D] scaled descriptors. The penalty has the
    smallest squared error in a cross-validation over the folds.
    """
    z = _features(deviations, x)
    y = np.log(errors + SMALL_ERROR * errors.mean() + np.finfo(float).tiny)
    losses = np.zeros(len(PENALTIES))
    for fold in np.unique(folds):
        own = folds == fold
        if own.all():
            continue
        for k, (intercept, w) in enumerate(_ridge_path(z[~own], y[~own])):
            losses[k] += ((y[own] - intercept - z[own] @ w) ** 2).sum()
    intercept, w = _ridge_path(z, y)[int(losses.argmin())]
    fitted = intercept + z @ w
    return ErrorScale(intercept, w, float(fitted.min()), float(fitted.max()))


def cross_fitted_scales(
    errors: np.ndarray, deviations: np.ndarray, x: np.ndarray, folds: np.ndarray
) -> tuple[np.ndarray, ErrorScale | None]:
    """Return scales [N] by fits to the errors of other folds, and the fit to all.

    errors: [N] absolute errors, NaN where there is none. Without MIN_ERRORS of them, or
    without two folds, the scales are the deviations [N] and there is no fit.
    """
    known = ~np.isnan(errors)
    scales = deviations.astype(float).copy()
    parts = np.unique(folds[known])
    if known.sum() < MIN_ERRORS or len(parts) < 3:
        return scales, None
    for fold in parts:
        own, others = folds == fold, known & (folds != fold)
        fitted = fit_error_scale(
            errors[others], deviations[others], x[others], folds[others]
        )
        scales[own] = fitted(deviations[own], x[own])
    args = errors[known], deviations[known], x[known], folds[known]
    return scales, fit_error_scale(*args)


def scales_to_arrays(
    scales: tuple[ErrorScale | None, ...], width: int
) -> dict[str, np.ndarray]:
    """Return scales as arrays of a model file; a row of NaN for None.

    width: number of coefficients of each.
    """
    if not scales:
        return {}
    weights, limits = np.full((len(scales), width), np.nan), []
    for k, scale in enumerate(scales):
        if scale is not None:
            weights[k] = scale.coefficients
        limits.append(
            (np.nan,) * 3 if scale is None else (scale.intercept, scale.low, scale.high)
        )
    return {"error_scales.weights": weights, "error_scales.limits": np.array(limits)}


def scales_from_arrays(
    weights: np.ndarray, limits: np.ndarray
) -> tuple[ErrorScale | None, ...]:
    """Return the scales of arrays; ValueError where limits do not fit each other."""
    scales: list[ErrorScale | None] = []
    for w, (intercept, low, high) in zip(weights, limits.tolist(), strict=True):
        missing = np.isnan([*w, intercept, low, high])
        if missing.all():
            scales.append(None)
            continue
        if missing.any() or not -MAX_LOGARITHM <= low <= high <= MAX_LOGARITHM:
            raise ValueError("the scales of the errors are damaged")
        scales.append(ErrorScale(intercept, w, low, high))
    return tuple(scales)


def _features(deviations: np.ndarray, x: np.ndarray) -> np.ndarray:
    return np.column_stack([np.log(deviations), x])


def _ridge_path(z: np.ndarray, y: np.ndarray) -> list[tuple[float, np.ndarray]]:
    """Return intercept and coefficients [F] for each penalty, of features z [M, F]."""
    center, scale = z.mean(axis=0), z.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    standardized = (z - center) / scale
    values, vectors = np.linalg.eigh(standardized.T @ standardized)
    right = vectors.T @ (standardized.T @ (y - y.mean()))
    found = []
    for penalty in PENALTIES:
        w = vectors @ (right / (np.maximum(values, 0) + penalty)) / scale
        found.append((float(y.mean() - center @ w), w))
    return found
