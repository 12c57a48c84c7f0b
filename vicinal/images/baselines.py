"""What a linear model sees in the pixels: the score that a CNN has to beat.

Ridge regression (on class marks for classes) over a picture shrunk to a few pixels a
side: no locality, no shared weights, a closed solution.
"""

import warnings

import numpy as np
from scipy.linalg import LinAlgWarning

from vicinal.core.metrics import Score
from vicinal.core.objective import Objective
from vicinal.images.pictures import Pictures

SIDE = 16  # pixels
MOST = 4000  # pictures it is fitted on


def thumbnails(pictures: Pictures, rows: np.ndarray, side: int = SIDE) -> np.ndarray:
    """Pictures shrunk by averaging blocks, to below 2 * side pixels a side; [N, F]."""
    parts = [rows[i : i + 256] for i in range(0, len(rows), 256)]
    shrunk = [_shrink(pictures.batch(part), side) for part in parts]
    return np.concatenate(shrunk) if shrunk else np.empty((0, 1), np.float32)


def linear_baseline(
    objective: Objective,
    train: Pictures,
    y: np.ndarray,
    test: Pictures,
    y_test: np.ndarray,
    seed: int = 0,
) -> Score:
    """Score of a linear model on the pixels, fitted on (a sample of) the train part."""
    from sklearn.linear_model import RidgeClassifierCV, RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    alphas = np.logspace(0, 5, 6)
    numeric = objective.kind == "numeric"
    ridge = RidgeCV(alphas) if numeric else RidgeClassifierCV(alphas)
    model = make_pipeline(StandardScaler(), ridge)
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(len(train))[:MOST])
    if not numeric and len(np.unique(y[rows], axis=0)) < 2:
        rows = np.arange(len(train))
    with warnings.catch_warnings():
        # constant pixels make a singular matrix, which ridge is there to cure
        warnings.simplefilter("ignore", LinAlgWarning)
        model.fit(thumbnails(train, rows), _flat(y[rows]))
    decided = np.asarray(model.predict(thumbnails(test, np.arange(len(test)))))
    return objective.score(y_test, decided.reshape(y_test.shape))


def _flat(y: np.ndarray) -> np.ndarray:
    """Marks [N, 1] of a single label as [N], the form that scikit-learn wants."""
    return y[:, 0] if y.shape[1:] == (1,) else y


def _shrink(pixels: np.ndarray, side: int) -> np.ndarray:
    """Average over blocks; [B, S, S, C] uint8 to [B, s * s * C] float32 in 0..1.

    side <= s < 2 side where S >= side; smaller pictures stay as they are.
    """
    n, size, _, channels = pixels.shape
    block = max(1, size // side)
    count = size // block
    whole = pixels[:, : count * block, : count * block].astype(np.float32)
    blocks = whole.reshape(n, count, block, count, block, channels)
    return blocks.mean(axis=(2, 4)).reshape(n, -1) / 255
