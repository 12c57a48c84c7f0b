"""Settings of training on images."""

import re
from dataclasses import dataclass, replace
from math import inf
from typing import Literal, Self

from vicinal.core.settings import Settings, TrainingSettings, is_integer, is_number

Resize = Literal["crop", "squish", "pad"]

IntensityRange = tuple[float, float]
"""lowest and highest value of the pixels of an image of more than 8 bits"""

MAX_PIXELS = 89_478_485
"""Pillow's own limit: an image of 256 MB in RGB"""

VAL_FRACTION = 0.15
"""default fraction of the images for validation"""

VAL_COUNT, MIN_VAL_FRACTION = 200, 0.05
"""with pretrained weights: number of validation images that is enough, and the fraction
that is always held out"""

MIN_IMAGES_FOR_SHORTCUTS = 100
"""number of test images from which on `shortcuts="auto"` searches for shortcuts"""

MIN_MINUTES_FOR_SHORTCUTS = 15.0
"""time budget, if there is one, from which on `shortcuts="auto"` searches for them"""

FROM_SCRATCH, FINE_TUNING = (30, 64, 2e-3), (12, 32, 1e-3)
"""default epochs, batch size and learning rate, without and with pretrained weights"""


@dataclass(frozen=True, kw_only=True)
class ImageSettings(TrainingSettings):
    """Settings of an image classifier or regressor."""

    free_on_resume = Settings.free_on_resume | {"cache"}

    epochs: int | None = None
    """maximum number of passes over the training split; None: as many as --minutes
    allow, or without those 30 (12 with --weights)"""

    batch_size: int | None = None
    """maximum number of examples per step; None: 64 (32 with --weights)"""

    lr: float | None = None
    """peak learning rate of the one-cycle schedule; None: 2e-3 (1e-3 with --weights)"""

    backbone: str | None = None
    """network architecture, such as small, lenet5, resnet18 (`vicinal info` lists
    them); auto: the best of --weights A,B,..., or of the pretrained weights on disk;
    None: that of --weights, else small"""

    max_ms: float | None = None
    """with --backbone auto: maximum prediction time per image on this machine, in
    milliseconds"""

    max_mb: float | None = None
    """with --backbone auto: maximum size of the weights in megabytes"""

    image_size: int | None = None
    """height and width of the network's input in pixels; None: chosen from the data"""

    resize: Resize | None = None
    """how to make an image square: crop its sides, squish it, or pad it with black;
    None: as the pretrained weights expect, else crop"""

    intensity_range: IntensityRange | None = None
    """lowest and highest value in images of more than 8 bits (16-bit or float), which
    are scaled to 0..255; None: measured on the images. Images of 8 bits stay as they
    are"""

    predict_size: Literal["auto", "train"] = "auto"
    """with --weights: part of an image that the fine-tuned network predicts. train: the
    centre, of the size that it was trained on; auto: the whole stored image, which
    takes a third longer, if its validation loss is lower"""

    augment: Literal["auto", "none", "light", "photo"] = "auto"
    """data augmentation: light shifts, rotates and zooms; photo also crops, flips and
    changes colours; auto: photo for colour images of 64 pixels or more, else light"""

    weights: str | None = None
    """pretrained weights: a name (`vicinal info` lists them), a .safetensors file, a
    run directory or a model directory; several names, separated by commas, for
    --backbone auto"""

    freeze: str = "auto"
    """with --weights: which layers are frozen. none: all are trained, earlier ones with
    a smaller learning rate; all: only the last layer is fitted; a number N: the first N
    blocks are frozen; auto: with --minutes as many are trained as time allows, else
    all"""

    unfreeze_stages: int = 1
    """with --weights: number of stages in which layers are unfrozen, the last ones
    first; 1: all from the start"""

    layer_decay: float = 0.85
    """with --weights: learning rate of a block relative to that of the next one"""

    ema: float = 0.99
    """with --weights: decay per step of the exponential moving average of the weights,
    which is the trained model"""

    batch_norm: Literal["auto", "frozen", "batch"] = "auto"
    """with --weights: statistics of batch normalisation. frozen: the pretrained mean
    and variance; batch: those of each batch; auto: frozen for inputs of 64 pixels or
    more"""

    false_alarm_rate: float = 0.05
    """fraction of in-distribution images that may be flagged as out-of-distribution; 0:
    never flag any"""

    shortcuts: Literal["auto", "on", "off"] = "auto"
    """whether to search for image regions that predict the class on their own (takes
    half a minute); auto: if the network was trained, there are 100 test images or more,
    and --minutes is 15 or more, or not set"""

    compare_scratch: bool = True
    """with --weights: whether to also train the network from scratch, for as long as
    the linear probe took, to show what the pretrained weights contribute"""

    val_fraction: float | None = None
    """fraction of the images for validation, unless the data give a split: to choose
    the epoch or, with --weights, to test whether fine-tuning is better; None: 0.15, and
    with --weights at most 200 images or 0.05, whichever is more"""

    test_fraction: float = 0.15
    """fraction of the images for the test score, unless the data give a split"""

    near_duplicates: bool = True
    """whether near duplicates (resized, cropped, saved again) stay in one split"""

    group_column: str | None = None
    """CSV column of the group, such as a patient: a group stays in one split"""

    group_pattern: str | None = None
    """regular expression whose first group, searched in the path, is the group, such as
    patient(\\d+): a group stays in one split"""

    max_pixels: int = MAX_PIXELS
    """number of pixels above which an image is refused as a decompression bomb"""

    cache: bool = True
    """whether to keep decoded images on disk for the next run"""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_ranges()
        self._check_weights()
        self._check_backbone_limits()
        if self.group_pattern is not None:
            valid = _is_regular_expression(self.group_pattern)
            expected = r"a regular expression, such as patient(\d+)"
            self.require("group_pattern", valid, expected)

    def _check_ranges(self) -> None:
        size = self.image_size
        in_range = size is None or (is_integer(size, 8) and size <= 2048)
        self.require("image_size", in_range, "from 8 to 2048 pixels")
        for name in ("val_fraction", "test_fraction", "false_alarm_rate"):
            value = getattr(self, name)
            if name == "val_fraction" and value is None:
                continue
            self.require(name, is_number(value) and 0 <= value < 1, "from 0 to below 1")
        total = self.choose_val_fraction(0) + self.test_fraction
        self.require("test_fraction", total < 0.95, "below 0.95 with val_fraction")
        limits = self.intensity_range
        self.require("intensity_range", is_range(limits), "two numbers, LOW below HIGH")
        positive = is_number(self.max_pixels) and self.max_pixels > 0
        self.require("max_pixels", positive, "above 0")
        for name in ("layer_decay", "ema"):
            value = getattr(self, name)
            self.require(name, is_number(value) and 0 <= value <= 1, "from 0 to 1")

    def _check_weights(self) -> None:
        self.require("weights", self.weights != "", "a name, a file or a directory")
        is_choice = self.freeze in ("none", "all", "auto") or self.freeze.isdecimal()
        self.require("freeze", is_choice, "none, all, auto, or a number of blocks")
        pretrained = self.weights is not None or self.backbone == "auto"
        allowed = self.freeze in ("none", "auto") or pretrained
        self.require("freeze", allowed, "auto or none unless --weights is given")
        stages = self.unfreeze_stages
        self.require("unfreeze_stages", is_integer(stages, 1), "1 or more")
        allowed = stages == 1 or pretrained
        self.require("unfreeze_stages", allowed, "1 unless --weights is given")

    def _check_backbone_limits(self) -> None:
        for name in ("max_ms", "max_mb"):
            value = getattr(self, name)
            positive = value is None or (is_number(value) and value > 0)
            self.require(name, positive, "above 0")
            allowed = value is None or self.backbone == "auto"
            self.require(name, allowed, "None unless --backbone is auto")

    def choose_val_fraction(self, n: int) -> float:
        """Return the fraction of n images for validation.

        Pretrained weights need fewer: their epochs differ little, and 200 images are
        enough to detect a gain of eight percentage points.
        """
        if self.val_fraction is not None:
            return self.val_fraction
        if self.weights is None:
            return VAL_FRACTION
        return min(VAL_FRACTION, max(VAL_COUNT / max(n, 1), MIN_VAL_FRACTION))

    def should_find_shortcuts(self, *, fine_tuned: bool, num_test_images: int) -> bool:
        """Return whether a run searches for shortcuts.

        fine_tuned: whether the network itself was trained, not only its head.
        """
        if self.shortcuts != "auto":
            return self.shortcuts == "on"
        has_time = self.minutes is None or self.minutes >= MIN_MINUTES_FOR_SHORTCUTS
        enough = num_test_images >= MIN_IMAGES_FOR_SHORTCUTS
        return fine_tuned and enough and has_time

    def with_defaults(self) -> Self:
        """Return the settings with epochs, batch size and learning rate filled in."""
        epochs, batch_size, lr = FROM_SCRATCH if self.weights is None else FINE_TUNING
        return replace(
            self,
            epochs=self.epochs or epochs,
            batch_size=self.batch_size or batch_size,
            lr=self.lr or lr,
        )


def is_range(limits: object) -> bool:
    """Return whether limits are None, or a lower and a higher finite number."""
    if limits is None:
        return True
    if not isinstance(limits, (tuple, list)) or len(limits) != 2:
        return False
    return all(map(is_number, limits)) and -inf < limits[0] < limits[1] < inf


def _is_regular_expression(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True
