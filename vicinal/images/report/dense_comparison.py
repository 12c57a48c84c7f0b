"""A CNN and a dense network side by side, on the user's own pictures.

Both have as many parameters, learn from the same small pictures and see nothing moved
while they learn. What a CNN takes for granted shows when the pictures change:

- **moved and turned**: a filter is the same at all places, so what it finds it finds
  elsewhere too (parameter sharing, translation equivariance); a dense network has to
  learn each place by itself;
- **pixels permuted**, in the same way in all pictures, for learning and for the test:
  nothing changes for a dense network, which has no neighbours to lose. What a CNN loses
  is what locality gave it.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy import ndimage

from vicinal.core.compute.runtime import count_parameters
from vicinal.core.metrics import Score
from vicinal.core.report.report import Block, Section, Table, Text, share_cell
from vicinal.core.text import counted
from vicinal.images.classifier import ImageClassifier
from vicinal.images.networks.base import Network
from vicinal.images.networks.dense import dense

SIZE = 32
"""pixels a side, at most"""

MOST, MOST_TEST = 4000, 1000
"""pictures that are learned from, and tested on"""

EPOCHS = 20

SHIFT = 1 / 8
"""of the side, in each direction in turn"""

TURN = 15.0
"""degrees, to either side in turn"""

TITLE = "A CNN beside a dense network"


class DenseClassifier(ImageClassifier):
    """The same training for a plain dense network as large as a CNN."""

    min_parameters = 0

    def _build(self) -> Network:
        how = self.preprocessing_
        return dense(
            self.objective_.outputs, how.channels, how.image_size, self.min_parameters
        )


class Labelled(NamedTuple):
    """Small pictures [N, S, S, C] of uint8, and their classes [N]."""

    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class Beside:
    """What became of both."""

    size: int
    learned: int
    parameters: dict[str, int]
    scores: dict[str, dict[str, Score]]
    """by network, by what was done to the pictures"""
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        return {
            "size": self.size,
            "learned": self.learned,
            "parameters": self.parameters,
            "scores": {
                name: {k: s.to_dict() for k, s in row.items()}
                for name, row in self.scores.items()
            },
            "seconds": self.seconds,
        }


def beside_dense(
    train: Labelled,
    test: Labelled,
    *,
    seed: int = 0,
    epochs: int = EPOCHS,
    say: Callable[[str], None] = lambda text: None,
) -> Beside:
    """Train both on small pictures, and test both on what was done to others."""
    started_at = time.monotonic()
    size = train.x.shape[1]
    order = np.random.default_rng(seed).permutation(size * size)
    settings: dict[str, Any] = {"image_size": size, "epochs": epochs, "lr": 5e-3}
    settings |= {"augment": "none", "layer_decay": 1.0, "ema": 0.0, "cache": False}
    settings |= {"backbone": "small", "random_state": seed, "weights": None}
    kinds: dict[str, type[ImageClassifier]] = {
        "CNN": ImageClassifier,
        "dense network": DenseClassifier,
    }
    parameters: dict[str, int] = {}
    scores: dict[str, dict[str, Score]] = {}
    for name, kind in kinds.items():
        say(f"training the {name}, {counted(epochs, 'epoch')}, twice")
        found = []
        for change in (lambda x: x, lambda x: permuted(x, order)):
            model = kind(**settings)
            if isinstance(model, DenseClassifier):
                model.min_parameters = parameters["CNN"]
            model.fit(change(train.x), train.y)
            parameters[name] = count_parameters(model.network_)
            found.append(model)
        plain, shuffled = found
        scores[name] = {
            "as they are": _score(plain, test),
            "moved": _score(plain, test._replace(x=moved(test.x))),
            "turned": _score(plain, test._replace(x=turned(test.x))),
            "pixels permuted": _score(
                shuffled, test._replace(x=permuted(test.x, order))
            ),
        }
    seconds = time.monotonic() - started_at
    return Beside(size, len(train.x), parameters, scores, seconds)


def _score(model: ImageClassifier, test: Labelled) -> Score:
    return model.evaluate((test.x, test.y)).score


def small(pixels: np.ndarray, size: int) -> np.ndarray:
    """Pictures [N, S, S, C] of uint8 in `size` pixels: each a mean over its part."""
    import torch
    import torch.nn.functional as F

    if pixels.shape[1] <= size:
        return pixels
    planes = torch.from_numpy(pixels).movedim(-1, 1)
    parts = [
        F.interpolate(p.float(), (size, size), mode="area") for p in planes.split(256)
    ]
    return torch.cat(parts).round().byte().movedim(1, -1).contiguous().numpy()


def moved(x: np.ndarray) -> np.ndarray:
    """Each picture by an eighth of its side, to one of eight directions in turn.

    What comes in at the other side has the edge's values.
    """
    far = max(1, round(SHIFT * x.shape[1]))
    ways = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx]
    padded = np.pad(x, ((0, 0), (far, far), (far, far), (0, 0)), mode="edge")
    side, found = x.shape[1], np.empty_like(x)
    for k in range(len(x)):
        dy, dx = ways[k % len(ways)]
        top, left = far + dy * far, far + dx * far
        found[k] = padded[k, top : top + side, left : left + side]
    return found


def turned(x: np.ndarray) -> np.ndarray:
    """Each picture by fifteen degrees, to either side in turn; edges go on."""
    found = np.empty_like(x)
    for k, picture in enumerate(x):
        angle = TURN if k % 2 else -TURN
        found[k] = ndimage.rotate(
            picture, angle, reshape=False, order=1, mode="nearest"
        )
    return found


def permuted(x: np.ndarray, order: np.ndarray) -> np.ndarray:
    """The same pixels [N, S, S, C] at other places, in all pictures alike."""
    flat = x.reshape(len(x), -1, x.shape[-1])
    return np.ascontiguousarray(flat[:, order].reshape(x.shape))


# --- the section ---------------------------------------------------------------------


def section(found: Beside) -> Section:
    """The section of the report."""
    changes = list(next(iter(found.scores.values())))
    rows: list[list[Any]] = [
        [name, found.parameters[name], *(share_cell(row[k]) for k in changes)]
        for name, row in found.scores.items()
    ]
    n = found.scores["CNN"]["moved"].n
    caption = (
        f"Accuracy on {counted(n, 'picture')} held out; both learned from "
        f"{found.learned:,} of {found.size} x {found.size} pixels, none of them moved."
    )
    blocks: list[Block] = [Table(["", "parameters", *changes], rows, caption)]
    return Section(TITLE, [*blocks, Text(_told(found))])


def _told(found: Beside) -> str:
    """What the figures say, whichever way they came out."""
    cnn, plain = found.scores["CNN"], found.scores["dense network"]

    def lost(row: dict[str, Score], change: str) -> str:
        points = 100 * (row["as they are"].value - row[change].value)
        return f"{abs(points):.1f} points {'less' if points > 0 else 'more'}"

    return (
        f"Moved by an eighth of its side, the CNN is right {lost(cnn, 'moved')}, the "
        f"dense network {lost(plain, 'moved')}; turned by {TURN:.0f} degrees, "
        f"{lost(cnn, 'turned')} and {lost(plain, 'turned')}: filters are shared by all "
        "places. With the pixels permuted, in all pictures alike, the CNN is right "
        f"{lost(cnn, 'pixels permuted')} and the dense network "
        f"{lost(plain, 'pixels permuted')}{_neighbours(cnn, plain)}."
    )


def _neighbours(cnn: dict[str, Score], plain: dict[str, Score]) -> str:
    """What permuted pixels say of neighbours, where they say it."""
    fell = cnn["pixels permuted"].high < cnn["as they are"].low
    if fell:
        return ": only the CNN has neighbours to lose"
    return (
        "; a CNN that uses neighbours would lose by it, and that cannot be told from "
        f"{counted(plain['moved'].n, 'picture')}"
    )
