"""What a linear model sees in the pixels: the score that a CNN has to beat.

Ridge regression (on class marks for classes) over a picture shrunk to a few pixels a
side: no locality, no shared weights, a closed solution. It is kept in the run folder,
so that the model is held against it on other pictures too.
"""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.linalg import LinAlgWarning

from vicinal.core.objective import Objective
from vicinal.core.storage.checkpoint import load_tensors, save_tensors
from vicinal.images.data.dataset import ImageDataset

NAME = "linear model on pixels"
FILE = "baseline.safetensors"
SIDE = 16  # pixels
MOST = 4000  # pictures it is fitted on
FEW = 3  # pictures of which none can be left out to choose the penalty by


@dataclass(frozen=True)
class LinearModel:
    """Decisions d = x W + b over F shrunken pixels x."""

    weights: np.ndarray
    """W [F, K]; for two classes, one label or a number [F, 1]"""

    offset: np.ndarray
    """b [K]"""

    classes: np.ndarray
    """[K] class rows, for one label a picture; else empty"""

    marks: bool = False
    """whether a picture may have several labels"""

    def decide(self, pictures: ImageDataset | np.ndarray) -> np.ndarray:
        """Class rows [N], marks [N, K] or numbers [N], of pictures or thumbnails."""
        x = _small(pictures, np.arange(len(pictures)))
        d = x @ self.weights + self.offset
        if len(self.classes) > 2:
            return self.classes[d.argmax(axis=1)]
        if len(self.classes):
            return self.classes[(d[:, 0] > 0).astype(int)]
        return (d > 0).astype(np.int64) if self.marks else d[:, 0]

    def save(self, folder: Path) -> None:
        arrays = {k: torch.from_numpy(a) for k, a in vars(self).items() if k != "marks"}
        save_tensors(folder / FILE, arrays, {"marks": self.marks})

    @classmethod
    def load(cls, folder: Path) -> "LinearModel | None":
        """The one that a run left in its folder, if it left one."""
        if not (folder / FILE).exists():
            return None
        arrays, told = load_tensors(folder / FILE)
        return cls(**{name: t.numpy() for name, t in arrays.items()}, **told)


def fit_linear(
    objective: Objective, train: ImageDataset | np.ndarray, y: np.ndarray, seed: int = 0
) -> LinearModel:
    """Fit on (a sample of) the train part; the penalty by leave-one-out error.

    train: pictures, or their `thumbnails` [N, F] where they are needed more than once.
    """
    from sklearn.linear_model import RidgeClassifierCV, RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    alphas = np.logspace(0, 5, 6) if len(train) > FEW else [1e3]
    numeric = objective.kind == "numeric"
    ridge: Any = RidgeCV(alphas) if numeric else RidgeClassifierCV(alphas)
    scaler = StandardScaler()
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(len(train))[:MOST])
    if not numeric and len(np.unique(y[rows], axis=0)) < 2:
        rows = np.arange(len(train))
    with warnings.catch_warnings():
        # constant pixels make a singular matrix, which ridge is there to cure
        warnings.simplefilter("ignore", LinAlgWarning)
        make_pipeline(scaler, ridge).fit(_small(train, rows), _flat(y[rows]))
    w = np.atleast_2d(ridge.coef_).T / np.asarray(scaler.scale_)[:, None]
    offset = np.atleast_1d(ridge.intercept_) - np.asarray(scaler.mean_) @ w
    single, marks = (objective.kind == k for k in ("single_label", "multi_label"))
    if marks and y.shape[1] == 1 and len(np.unique(y)) == 1:
        offset = 2 * y[0] - 1  # one label that all have, or none: nothing to fit
    return LinearModel(
        weights=np.ascontiguousarray(w),
        offset=offset,
        classes=np.asarray(ridge.classes_ if single else [], dtype=np.int64),
        marks=marks,
    )


def thumbnails(
    pictures: ImageDataset, rows: np.ndarray, side: int = SIDE
) -> np.ndarray:
    """Pictures shrunk by averaging blocks, to below 2 * side pixels a side; [N, F]."""
    parts = [rows[i : i + 256] for i in range(0, len(rows), 256)]
    shrunk = [_shrink(pictures.batch(part), side) for part in parts]
    return np.concatenate(shrunk) if shrunk else np.empty((0, 1), np.float32)


def _small(pictures: ImageDataset | np.ndarray, rows: np.ndarray) -> np.ndarray:
    if isinstance(pictures, np.ndarray):
        return pictures[rows]
    return thumbnails(pictures, rows)


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
