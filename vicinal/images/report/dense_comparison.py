"""Compare a CNN with a dense network of equal size on the user's own images.

Both are trained on the same small images without augmentation. The inductive biases of
the CNN show when the images change:

- **shifted and rotated**: a filter is the same at every position (parameter sharing,
  translation equivariance); a dense network learns each position separately;
- **permuted pixels**, the same permutation for all images, in training and test:
  irrelevant to a dense network; a CNN loses the locality of its inputs.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy import ndimage

from vicinal.core.compute.runtime import count_parameters
from vicinal.core.metrics import Score
from vicinal.core.objective import Objective
from vicinal.core.report.report import (
    Block,
    Section,
    Table,
    Text,
    percent_with_interval,
)
from vicinal.core.text import pluralize
from vicinal.images.classifier import ImageClassifier
from vicinal.images.data.decoding.decode import Preprocessing
from vicinal.images.networks.base import Network
from vicinal.images.networks.dense import dense

MAX_SIDE = 32
"""pixels per side"""

MAX_TRAIN, MAX_TEST = 4000, 1000
"""images"""

EPOCHS = 20

SHIFT = 1 / 8
"""of the side, in eight directions in turn"""

ROTATION = 15.0
"""degrees, in both directions in turn"""

TITLE = "CNN and dense network"

CNN, DENSE = "CNN", "dense network"
UNCHANGED, SHIFTED, ROTATED = "unchanged", "shifted", "rotated"
PERMUTED = "pixels permuted"


class DenseClassifier(ImageClassifier):
    """An ImageClassifier with a dense network of at least a number of parameters."""

    min_parameters = 0

    def build_network(
        self,
        backbone: str,
        options: dict[str, Any],
        objective: Objective,
        preprocessing: Preprocessing,
    ) -> Network:
        return dense(
            objective.outputs,
            preprocessing.channels,
            preprocessing.image_size,
            self.min_parameters,
        )


class LabelledImages(NamedTuple):
    """Small images [N, S, S, C] of uint8, and their classes [N]."""

    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class DenseComparison:
    """The scores of both networks."""

    size: int
    """pixels per side"""

    train_images: int
    parameters: dict[str, int]
    """by network"""

    scores: dict[str, dict[str, Score]]
    """by network and change of the images"""

    seconds: float

    def to_dict(self) -> dict[str, Any]:
        return {
            "size": self.size,
            "train_images": self.train_images,
            "parameters": self.parameters,
            "scores": {
                name: {change: score.to_dict() for change, score in row.items()}
                for name, row in self.scores.items()
            },
            "seconds": self.seconds,
        }


def compare_dense(
    train: LabelledImages,
    test: LabelledImages,
    *,
    seed: int = 0,
    epochs: int = EPOCHS,
    print_line: Callable[[str], None] = lambda text: None,
) -> DenseComparison:
    """Train both networks on small images, and test them on changed ones."""
    started_at = time.monotonic()
    size = train.x.shape[1]
    order = np.random.default_rng(seed).permutation(size * size)
    settings: dict[str, Any] = {"image_size": size, "epochs": epochs, "lr": 5e-3}
    settings |= {"augment": "none", "layer_decay": 1.0, "ema": 0.0, "cache": False}
    settings |= {"backbone": "small", "random_state": seed, "weights": None}
    estimators: dict[str, type[ImageClassifier]] = {
        CNN: ImageClassifier,
        DENSE: DenseClassifier,
    }
    parameters: dict[str, int] = {}
    scores: dict[str, dict[str, Score]] = {}
    for name, estimator in estimators.items():
        print_line(f"training the {name} twice, {pluralize(epochs, 'epoch')} each")
        models = []
        for x in (train.x, permute_pixels(train.x, order)):
            model = estimator(**settings)
            if isinstance(model, DenseClassifier):
                model.min_parameters = parameters[CNN]
            model.fit(x, train.y)
            parameters[name] = count_parameters(model.network_)
            models.append(model)
        plain, permuted = models
        permuted_test = test._replace(x=permute_pixels(test.x, order))
        scores[name] = {
            UNCHANGED: _evaluate(plain, test),
            SHIFTED: _evaluate(plain, test._replace(x=shift_images(test.x))),
            ROTATED: _evaluate(plain, test._replace(x=rotate_images(test.x))),
            PERMUTED: _evaluate(permuted, permuted_test),
        }
    seconds = time.monotonic() - started_at
    return DenseComparison(size, len(train.x), parameters, scores, seconds)


def _evaluate(model: ImageClassifier, test: LabelledImages) -> Score:
    return model.evaluate((test.x, test.y)).score


# --- changes of the images -----------------------------------------------------------


def shrink(pixels: np.ndarray, size: int) -> np.ndarray:
    """Return images [N, S, S, C] of uint8 with at most `size` pixels a side."""
    import torch
    import torch.nn.functional as F

    if pixels.shape[1] <= size:
        return pixels
    planes = torch.from_numpy(pixels).movedim(-1, 1)
    batches = [
        F.interpolate(b.float(), (size, size), mode="area") for b in planes.split(256)
    ]
    return torch.cat(batches).round().byte().movedim(1, -1).contiguous().numpy()


def shift_images(x: np.ndarray) -> np.ndarray:
    """Shift each image by an eighth of its side, in eight directions in turn.

    Edge pixels are repeated.
    """
    distance = max(1, round(SHIFT * x.shape[1]))
    steps = (-1, 0, 1)
    directions = [(dy, dx) for dy in steps for dx in steps if dy or dx]
    widths = ((0, 0), (distance, distance), (distance, distance), (0, 0))
    padded = np.pad(x, widths, mode="edge")
    side, shifted = x.shape[1], np.empty_like(x)
    for k in range(len(x)):
        dy, dx = directions[k % len(directions)]
        top, left = distance + dy * distance, distance + dx * distance
        shifted[k] = padded[k, top : top + side, left : left + side]
    return shifted


def rotate_images(x: np.ndarray) -> np.ndarray:
    """Rotate each image by 15 degrees, in both directions in turn."""
    rotated = np.empty_like(x)
    for k, image in enumerate(x):
        angle = ROTATION if k % 2 else -ROTATION
        rotated[k] = ndimage.rotate(
            image, angle, reshape=False, order=1, mode="nearest"
        )
    return rotated


def permute_pixels(x: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Return images [N, S, S, C] with their pixels in another order."""
    flat = x.reshape(len(x), -1, x.shape[-1])
    return np.ascontiguousarray(flat[:, order].reshape(x.shape))


# --- the section of the report -------------------------------------------------------


def section(comparison: DenseComparison) -> Section:
    """Return the section of the report."""
    changes = list(comparison.scores[CNN])
    rows: list[list[Any]] = [
        [
            name,
            comparison.parameters[name],
            *(percent_with_interval(row[change]) for change in changes),
        ]
        for name, row in comparison.scores.items()
    ]
    n = comparison.scores[CNN][UNCHANGED].n
    caption = (
        f"Accuracy on {pluralize(n, 'held-out image')}; both networks were trained on "
        f"{comparison.train_images:,} unchanged images of {comparison.size} x "
        f"{comparison.size} pixels."
    )
    table = Table(["network", "parameters", *changes], rows, caption)
    blocks: list[Block] = [table, Text(_describe(comparison))]
    return Section(TITLE, blocks)


def _describe(comparison: DenseComparison) -> str:
    """Describe the effect of each change on both networks."""
    cnn, plain = comparison.scores[CNN], comparison.scores[DENSE]

    def effect(change: str) -> str:
        differences = [
            100 * (row[change].value - row[UNCHANGED].value) for row in (cnn, plain)
        ]
        return "CNN {:+.1f}, dense {:+.1f} percentage points".format(*differences)

    return (
        f"Change of accuracy. Shifted by an eighth of the side: {effect(SHIFTED)}; "
        f"rotated by {ROTATION:.0f} degrees: {effect(ROTATED)}: a CNN applies its "
        f"filters at every position. Pixels permuted: {effect(PERMUTED)}"
        f"{_describe_locality(cnn, plain)}."
    )


def _describe_locality(cnn: dict[str, Score], plain: dict[str, Score]) -> str:
    """State whether the CNN relies on neighbouring pixels, if that is significant."""
    if cnn[PERMUTED].high < cnn[UNCHANGED].low:
        return ": the CNN relies on neighbouring pixels, the dense network does not"
    n = pluralize(plain[UNCHANGED].n, "image")
    return f"; the effect on the CNN is not significant with {n}"
