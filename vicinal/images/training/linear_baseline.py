"""Linear model on the pixels: the score that a CNN has to beat.

Ridge regression (on one-hot targets for classes) on images reduced to a few pixels per
side: no locality, no shared weights, a closed-form solution. It is saved in the run
directory, so that `vicinal evaluate` compares the model with it on other images too.
"""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.linalg import LinAlgWarning

from vicinal.core.estimators.estimator import describe_not_finite
from vicinal.core.estimators.model_files import FLOATS, TensorOf, check_tensors
from vicinal.core.objective import Objective
from vicinal.core.storage.checkpoint import Tensors, load_tensors, save_tensors
from vicinal.core.storage.files import refuse_links
from vicinal.core.storage.schema import Flag, Object
from vicinal.errors import ModelFileError
from vicinal.images.data.dataset import ImageDataset
from vicinal.images.data.decoding.decode import Preprocessing

BASELINE_NAME = "linear model on pixels"
FILE = "baseline.safetensors"
METADATA = Object({"multi_label": Flag()})
TENSORS = {
    "weights": TensorOf(FLOATS, ("features", "outputs")),
    "intercept": TensorOf(FLOATS, ("outputs",)),
    "classes": TensorOf((torch.int64, *FLOATS), ("classes",)),
}
"""what the file holds"""

SIDE = 16
"""pixels per side of a thumbnail"""

MAX_IMAGES = 4000
"""images that it is fitted on"""

MIN_IMAGES_TO_CROSS_VALIDATE = 4
"""with fewer images, none can be left out to choose the penalty"""


@dataclass(frozen=True)
class LinearBaseline:
    """Decision values d = x W + b of F thumbnail pixels x."""

    weights: np.ndarray
    """W [F, K]; [F, 1] for two classes, one label or a number"""

    intercept: np.ndarray
    """b [K]"""

    classes: np.ndarray
    """[K] class indices for single-label targets; else empty"""

    multi_label: bool = False

    def predict(self, images: ImageDataset | np.ndarray) -> np.ndarray:
        """Return class indices [N], labels [N, K] or numbers [N].

        images: a dataset, or thumbnails [N, F].
        """
        x = _thumbnails_of(images, np.arange(len(images)))
        d = x @ self.weights + self.intercept
        if len(self.classes) > 2:
            return self.classes[d.argmax(axis=1)]
        if len(self.classes):
            return self.classes[(d[:, 0] > 0).astype(int)]
        return (d > 0).astype(np.int64) if self.multi_label else d[:, 0]

    def save(self, folder: Path) -> None:
        """Write the model into a run directory."""
        names = "weights", "intercept", "classes"
        tensors = {name: torch.from_numpy(getattr(self, name)) for name in names}
        metadata = {"multi_label": self.multi_label}
        save_tensors(refuse_links(folder, folder / FILE), tensors, metadata)

    @classmethod
    def load(
        cls, folder: Path, objective: Objective, preprocessing: Preprocessing
    ) -> "LinearBaseline | None":
        """Read the model from a run directory; None where there is none.

        ModelFileError where it is not one for this objective and these images.
        """
        if not (folder / FILE).exists():
            return None
        tensors, values = load_tensors(folder / FILE)
        try:
            METADATA.check(values)
            _check_fit(tensors, values["multi_label"], objective, preprocessing)
        except ValueError as error:
            raise ModelFileError(
                f"{folder / FILE} is damaged: {error}. Restore the file from a copy, "
                "or train again with another --out."
            ) from error
        return cls(**{name: tensors[name].numpy() for name in TENSORS}, **values)


def fit_linear_baseline(
    objective: Objective, train: ImageDataset | np.ndarray, y: np.ndarray, seed: int = 0
) -> LinearBaseline:
    """Fit on (a sample of) the train split; the penalty by leave-one-out error.

    train: images, or their thumbnails [N, F] where they are needed more than once.
    """
    from sklearn.linear_model import RidgeClassifierCV, RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    cross_validate = len(train) >= MIN_IMAGES_TO_CROSS_VALIDATE
    alphas = np.logspace(0, 5, 6) if cross_validate else [1e3]
    numeric = objective.kind == "numeric"
    ridge: Any = RidgeCV(alphas) if numeric else RidgeClassifierCV(alphas)
    scaler = StandardScaler()
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(len(train))[:MAX_IMAGES])
    if not numeric and len(np.unique(y[rows], axis=0)) < 2:
        rows = np.arange(len(train))
    with warnings.catch_warnings():
        # constant pixels make a singular matrix, which the penalty regularizes
        warnings.simplefilter("ignore", LinAlgWarning)
        x = _thumbnails_of(train, rows)
        make_pipeline(scaler, ridge).fit(x, _flatten_single_column(y[rows]))
    weights = np.atleast_2d(ridge.coef_).T / np.asarray(scaler.scale_)[:, None]
    intercept = np.atleast_1d(ridge.intercept_) - np.asarray(scaler.mean_) @ weights
    multi_label = objective.kind == "multi_label"
    if multi_label and y.shape[1] == 1 and len(np.unique(y)) == 1:
        intercept = 2 * y[0] - 1  # one label, constant: nothing to fit
    classes = ridge.classes_ if objective.kind == "single_label" else []
    return LinearBaseline(
        weights=np.ascontiguousarray(weights),
        intercept=intercept,
        classes=np.asarray(classes, dtype=np.int64),
        multi_label=multi_label,
    )


def _check_fit(
    tensors: Tensors,
    multi_label: bool,
    objective: Objective,
    preprocessing: Preprocessing,
) -> None:
    """Raise ValueError unless these are the tensors of a model of such images."""
    _, count = _blocks(preprocessing.store_size, SIDE)
    features = count * count * preprocessing.channels
    sizes = check_tensors(tensors, TENSORS, features=features)
    rows, outputs = tensors["classes"].numpy(), objective.outputs
    if objective.kind == "single_label":
        fits = len(rows) >= 2 and np.isin(rows, range(outputs)).all()
        outputs = len(rows) if len(rows) > 2 else 1
    else:
        fits = not len(rows)
    fits = fits and multi_label == (objective.kind == "multi_label")
    if not fits or sizes["outputs"] != outputs:
        raise ValueError("its classes are not those of the model")
    if flaw := describe_not_finite(tensors):
        raise ValueError(flaw)


def make_thumbnails(
    images: ImageDataset, rows: np.ndarray, side: int = SIDE
) -> np.ndarray:
    """Return flat thumbnails [N, F] of the images at `rows`, averaged over blocks.

    They have `side` to 2 * side - 1 pixels per side.
    """
    batches = [rows[i : i + 256] for i in range(0, len(rows), 256)]
    thumbnails = [_shrink(images.batch(batch), side) for batch in batches]
    return np.concatenate(thumbnails) if thumbnails else np.empty((0, 1), np.float32)


def _thumbnails_of(images: ImageDataset | np.ndarray, rows: np.ndarray) -> np.ndarray:
    if isinstance(images, np.ndarray):
        return images[rows]
    return make_thumbnails(images, rows)


def _flatten_single_column(y: np.ndarray) -> np.ndarray:
    """Return targets [N, 1] as [N], the shape that scikit-learn expects."""
    return y[:, 0] if y.shape[1:] == (1,) else y


def _blocks(size: int, side: int) -> tuple[int, int]:
    """Return the pixels per side of a block, and the blocks per side of an image."""
    block = max(1, size // side)
    return block, size // block


def _shrink(pixels: np.ndarray, side: int) -> np.ndarray:
    """Average over blocks: [B, S, S, C] uint8 to [B, s * s * C] float32 in 0..1.

    side <= s < 2 side where S >= side; smaller images keep their size.
    """
    n, size, _, channels = pixels.shape
    block, count = _blocks(size, side)
    cropped = pixels[:, : count * block, : count * block].astype(np.float32)
    blocks = cropped.reshape(n, count, block, count, block, channels)
    return blocks.mean(axis=(2, 4)).reshape(n, -1) / 255
