"""Shortcut learning: does a small region of an image determine the prediction?

A hospital's token in a corner or a photographer's watermark separates the classes of a
data set, and a network that relies on it fails elsewhere (R. Geirhos et al. 2020,
"Shortcut learning in deep neural networks").

The test is a transplant. Images are divided into grid cells, plus the border and the
corners. A region of one image, the donor, is pasted at the same position into another,
the host. A region is a shortcut to class k if it is

    sufficient: donors of class k turn hosts of other classes into k
                (control: donors of other classes)
    necessary:  donors of other classes turn hosts of class k into another class
                (control: donors of class k, which have what all images of k share)

One cell of an object does not make another object; a shortcut does. An object may need
its own middle, so necessity is tested only for cells along the border, where objects
are rare. All regions are screened with few pairs. The best candidates are confirmed
with new pairs: the lower bound of Wilson's interval must exceed the control.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np

from vicinal.core.metrics import Score, accuracy, wilson
from vicinal.core.text import format_percent

Classifier = Callable[[np.ndarray], np.ndarray]
"""maps images [N, H, W, C] to class indices [N]"""

GRID = 6
"""rows and columns of grid cells; fewer where a cell would be under two pixels"""

SCREENING_PAIRS, SCREENING_PAIRS_PER_CLASS = 96, 8
"""transplants per region while screening: in all, or at least for each class"""

MAX_SCREENING_PAIRS = 480

FRAME_WIDTH = 1 / 24
"""of the side; a wider frame would contain much of a large object"""

CONFIRMATION_PAIRS = 60

MAX_CANDIDATES = 6
"""candidates that are confirmed"""

MIN_FLIP_RATE = 0.25
"""fraction of hosts that must change class, above the control"""

Z = 2.576
"""99.5 % quantile of the normal distribution"""

BATCH = 64


class Region(NamedTuple):
    """A region of an image."""

    name: str
    mask: np.ndarray
    """[H, W] bool"""

    composite: bool = False
    """True for the border and the corners, which objects may reach into"""

    @property
    def touches_border(self) -> bool:
        m = self.mask
        return bool(m[0].any() or m[-1].any() or m[:, 0].any() or m[:, -1].any())


Kind = Literal["sufficient", "necessary"]
KINDS: tuple[Kind, ...] = "sufficient", "necessary"


class Shortcut(NamedTuple):
    """A region that is sufficient or necessary for the prediction of a class."""

    class_index: int
    kind: Kind
    region: Region
    flip_rate: Score
    """fraction of hosts that became the class (sufficient) or left it (necessary)"""

    control_rate: float
    """the same with donors of the control"""

    accuracy: Score
    """accuracy on the unchanged images"""

    swapped_accuracy: Score
    """accuracy when the region comes from another image, of any class"""

    hosts: list[int]
    """some images that changed class"""

    donors: list[int]
    """the donors of these images"""


class LabelledImages(NamedTuple):
    """A classifier, images [N, H, W, C], their classes [N] and predictions [N]."""

    classify: Classifier
    x: np.ndarray
    y: np.ndarray
    predicted: np.ndarray

    def pairs(
        self, kind: Kind, class_index: int, count: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draw hosts, donors and control donors, [count] each; empty if impossible.

        Hosts can change: they are not predicted as the class yet (sufficient), or are
        predicted as the class (necessary).
        """
        own, others = self.y == class_index, self.y != class_index
        predicted = self.predicted == class_index
        sufficient = kind == "sufficient"
        hosts = others & ~predicted if sufficient else own & predicted
        donors = own & predicted if sufficient else others
        controls = others if sufficient else own
        groups = [np.flatnonzero(group) for group in (hosts, donors, controls)]
        if not all(map(len, groups)):
            none = np.empty(0, dtype=int)
            return none, none, none
        first, second, third = (rng.choice(group, count) for group in groups)
        return first, second, third

    def flipped(
        self,
        kind: Kind,
        class_index: int,
        hosts: np.ndarray,
        donors: np.ndarray,
        region: Region,
    ) -> np.ndarray:
        """Return whether each host [P] changed class after the transplant."""
        predicted = predict_transplants(
            self.classify, self.x, hosts, donors, region.mask
        )
        return (predicted == class_index) == (kind == "sufficient")


def find_shortcuts(
    classify: Classifier,
    x: np.ndarray,
    y: np.ndarray,
    num_classes: int,
    seed: int = 0,
    predicted: np.ndarray | None = None,
) -> list[Shortcut]:
    """Return the shortcuts of a classifier on images x [N, H, W, C] of classes y [N].

    Pass held-out images, because a memorised image tells nothing. Empty where fewer
    than two classes have two images. predicted: [N], if the predictions are known.
    """
    rng = np.random.default_rng(seed)
    eligible = np.flatnonzero(np.bincount(y, minlength=num_classes) >= 2)
    if len(eligible) < 2:
        return []
    if predicted is None:
        predicted = predict_in_batches(classify, x)
    images = LabelledImages(classify, x, y, predicted)
    regions = candidate_regions(x.shape[1:3])
    found = []
    for kind in KINDS:
        if kind == "necessary":
            regions = [r for r in regions if r.touches_border and not r.composite]
        rates = np.array([_screen(images, kind, r, eligible, rng) for r in regions])
        sizes = np.repeat([region.mask.sum() for region in regions], len(eligible))
        # of equal rates, the smaller region first
        order = np.lexsort((sizes, -rates.ravel()))[:MAX_CANDIDATES]
        for r, k in zip(*np.unravel_index(order, rates.shape), strict=True):
            if rates[r, k] >= MIN_FLIP_RATE / 2:
                found += _confirm(images, kind, regions[r], int(eligible[k]), rng)
    return [s for s in found if not _is_redundant(s, found)]


def _screen(
    images: LabelledImages,
    kind: Kind,
    region: Region,
    eligible: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return the fraction of hosts that change class, for each eligible class."""
    per_class = max(SCREENING_PAIRS // len(eligible), SCREENING_PAIRS_PER_CLASS)
    count = min(per_class, max(1, MAX_SCREENING_PAIRS // len(eligible)))
    drawn = [images.pairs(kind, int(k), count, rng) for k in eligible]
    hosts, donors = (np.concatenate([d[i] for d in drawn]) for i in (0, 1))
    predicted = predict_transplants(
        images.classify, images.x, hosts, donors, region.mask
    )
    ends = np.cumsum([len(d[0]) for d in drawn])[:-1]
    return np.array(
        [
            ((own == k) == (kind == "sufficient")).mean() if len(own) else 0.0
            for own, k in zip(np.split(predicted, ends), eligible, strict=True)
        ]
    )


def _confirm(
    images: LabelledImages,
    kind: Kind,
    region: Region,
    class_index: int,
    rng: np.random.Generator,
) -> list[Shortcut]:
    """Return the shortcut if new pairs confirm it, else nothing."""
    hosts, donors, controls = images.pairs(kind, class_index, CONFIRMATION_PAIRS, rng)
    if not len(hosts):
        return []
    flipped = images.flipped(kind, class_index, hosts, donors, region)
    control = images.flipped(kind, class_index, hosts, controls, region)
    control_rate, count = float(control.mean()), int(flipped.sum())
    if wilson(count, CONFIRMATION_PAIRS, Z)[0] < MIN_FLIP_RATE + control_rate:
        return []
    examples = np.unique(hosts[flipped], return_index=True)[1][:4]
    swapped = predict_with_swapped_region(images.classify, images.x, region.mask, rng)
    return [
        Shortcut(
            class_index,
            kind,
            region,
            Score(
                "flip_rate",
                count / CONFIRMATION_PAIRS,
                *wilson(count, CONFIRMATION_PAIRS),
                CONFIRMATION_PAIRS,
            ),
            control_rate,
            accuracy(images.y, images.predicted),
            accuracy(images.y, swapped),
            hosts[flipped][examples].tolist(),
            donors[flipped][examples].tolist(),
        )
    ]


def _is_redundant(shortcut: Shortcut, found: list[Shortcut]) -> bool:
    """Return whether an overlapping shortcut implies this one.

    It does if it is smaller and of the same class, or if it is sufficient and this one
    necessary: if a region makes any image a class, all other classes need its absence.
    """
    for other in found:
        if not (other.region.mask & shortcut.region.mask).any():
            continue
        smaller = other.region.mask.sum() < shortcut.region.mask.sum()
        same_class = other.class_index == shortcut.class_index
        if (same_class and smaller) or (other.kind, shortcut.kind) == KINDS:
            return True
    return False


def predict_with_swapped_region(
    classify: Classifier,
    x: np.ndarray,
    mask: np.ndarray,
    rng: np.random.Generator,
    donor_pixels: np.ndarray | None = None,
) -> np.ndarray:
    """Return predictions [N] with a region of each image taken from a random other.

    mask: [H, W] for all images, or [N, H, W]. donor_pixels: [N, H, W, C], pasted
    instead of the pixels of x.
    """
    hosts, donors = np.arange(len(x)), rng.permutation(len(x))
    return predict_transplants(classify, x, hosts, donors, mask, donor_pixels)


def predict_transplants(
    classify: Classifier,
    x: np.ndarray,
    hosts: np.ndarray,
    donors: np.ndarray,
    mask: np.ndarray,
    donor_pixels: np.ndarray | None = None,
) -> np.ndarray:
    """Return predictions [P] for hosts [P] with a region of the donors [P].

    mask: [H, W], or [N, H, W] with a mask for each host. donor_pixels: [N, H, W, C],
    pasted instead of the pixels of x.
    """
    donor_pixels = x if donor_pixels is None else donor_pixels
    predictions = []
    for k in range(0, len(hosts), BATCH):
        batch = hosts[k : k + BATCH]
        batch_mask = mask if mask.ndim == 2 else mask[batch]
        pasted = donor_pixels[donors[k : k + BATCH]]
        predictions.append(classify(paste_region(x[batch], pasted, batch_mask)))
    return np.concatenate(predictions) if predictions else np.empty(0, dtype=int)


def paste_region(hosts: np.ndarray, donors: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return hosts [P, H, W, C] with the pixels of the donors inside a mask."""
    return np.where(mask[..., None], donors, hosts)


def predict_in_batches(classify: Classifier, x: np.ndarray) -> np.ndarray:
    """Return predictions [N]."""
    return np.concatenate([classify(x[k : k + BATCH]) for k in range(0, len(x), BATCH)])


# --- regions of an image -------------------------------------------------------------


def candidate_regions(size: tuple[int, ...]) -> list[Region]:
    """Return the grid cells of an image of H x W pixels, its border and its corners."""
    regions = []
    for top, bottom, left, right in grid_cells(size):
        mask = np.zeros(size, dtype=bool)
        mask[top:bottom, left:right] = True
        regions.append(Region(describe_cell((top, bottom, left, right), size), mask))
    if min(size) >= 2 * GRID:
        regions += [
            Region("the border", border_mask(size, FRAME_WIDTH), True),
            Region("the corners", corner_mask(size), True),
        ]
    return regions


def border_mask(size: tuple[int, ...], fraction: float = 1 / (2 * GRID)) -> np.ndarray:
    """Return a mask [H, W] of the border; its width is a fraction of each side."""
    height, width = size
    mask = np.ones(size, dtype=bool)
    rows, columns = (max(1, round(fraction * n)) for n in (height, width))
    mask[rows : height - rows, columns : width - columns] = False
    return mask


def corner_mask(size: tuple[int, ...]) -> np.ndarray:
    """Return a mask [H, W] of the four grid cells in the corners."""
    mask = np.zeros(size, dtype=bool)
    height, width = size
    for top, bottom, left, right in grid_cells(size):
        if (top == 0 or bottom == height) and (left == 0 or right == width):
            mask[top:bottom, left:right] = True
    return mask


def grid_cells(size: tuple[int, ...]) -> list[tuple[int, int, int, int]]:
    """Return the boxes (top, bottom, left, right) of the grid on H x W pixels."""
    num_rows, num_columns = (max(1, min(GRID, n // 2)) for n in size)
    rows = np.linspace(0, size[0], num_rows + 1).round().astype(int)
    columns = np.linspace(0, size[1], num_columns + 1).round().astype(int)
    return [
        (int(rows[i]), int(rows[i + 1]), int(columns[j]), int(columns[j + 1]))
        for i in range(num_rows)
        for j in range(num_columns)
    ]


def describe_cell(box: tuple[int, int, int, int], size: tuple[int, ...]) -> str:
    """Return the position of a cell in words: a corner, a side, or the inside."""
    top, bottom, left, right = box
    height, width = size
    vertical = "top" if top == 0 else "bottom" if bottom == height else ""
    horizontal = "left" if left == 0 else "right" if right == width else ""
    pixels = f"rows {top} to {bottom - 1}, columns {left} to {right - 1}"
    if vertical and horizontal:
        return f"the {vertical} {horizontal} corner"
    if vertical or horizontal:
        return f"the {vertical or horizontal} border ({pixels})"
    return f"an inner cell ({pixels})"


# --- description ---------------------------------------------------------------------


def describe_shortcuts(shortcuts: list[Shortcut], classes: tuple[str, ...]) -> str:
    """Describe the shortcuts in a few sentences."""
    if not shortcuts:
        return (
            "No shortcut found: no single region determines the predicted class when "
            "it is pasted into images of other classes, and no class depends on a "
            "single region at the border."
        )
    lines = [_describe(s, classes[s.class_index]) for s in shortcuts]
    advice = (
        "Unless the object itself lies there, the model will fail on images in which "
        "this region looks different."
    )
    return " ".join(["Shortcut:", *lines, advice])


def _describe(s: Shortcut, name: str) -> str:
    rate, low, high = (f"{100 * v:.0f}" for v in s.flip_rate[1:4])
    flip_rate = f"{rate} % (95 % CI {low} to {high})"
    control = f"{100 * s.control_rate:.0f} %"
    if s.kind == "sufficient":
        text = (
            f"{s.region.name} of images of {name}, pasted into images of other classes,"
            f" changes {flip_rate} of the predictions to {name} (control, pasted from "
            f"other classes: {control})."
        )
    else:
        text = (
            f"{s.region.name} is necessary for {name}: replaced by that of other "
            f"classes, {flip_rate} of the images of {name} are predicted as another "
            f"class (control, replaced by that of other images of {name}: {control})."
        )
    swapped, plain = (
        format_percent(score.value) for score in (s.swapped_accuracy, s.accuracy)
    )
    return (
        f"{text} With this region from a random other image, accuracy is {swapped} "
        f"instead of {plain}."
    )
