"""What a user may set when a network learns from pictures."""

import re
from dataclasses import dataclass, replace
from typing import Literal, Self

from vicinal.core.settings import TrainingSettings, is_number, is_whole

Resize = Literal["crop", "squish", "pad"]

MAX_PIXELS = 89_478_485
"""Pillow's own limit: a picture of 256 MB in RGB"""


VAL_SHARE, VAL_COUNT = 0.15, 200

ENOUGH, ENOUGH_MINUTES = 100, 15.0
"""pictures that judge, and minutes if they are set, from which on shortcuts are looked
for without being asked"""

REGULAR = r"a regular expression, such as patient(\d+)"


def is_regular(pattern: str) -> bool:
    """Whether a text is a regular expression."""
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


@dataclass(frozen=True, kw_only=True)
class ImageSettings(TrainingSettings):
    """How a network learns from pictures."""

    backbone: str | None = None
    """the network: small, lenet5, resnet18 ... (`vicinal info` lists them); auto: the
    best of --weights A,B,..., or of the trained weights on disk; None: the one of
    --weights, else small"""

    max_ms: float | None = None
    """with --backbone auto: milliseconds a picture may take on this machine"""

    max_mb: float | None = None
    """with --backbone auto: megabytes that the weights may take"""

    image_size: int | None = None
    """pixels: height and width of the input; None: chosen from the data"""

    resize: Resize | None = None
    """a picture that is not square: crop its sides, squish it, or pad it with black;
    None: as --weights had it, else crop"""

    augment: Literal["auto", "none", "light", "photo"] = "auto"
    """random views: light shifts, turns, zooms; photo also crops, mirrors, recolours;
    auto: photo for colour pictures of 64 pixels or more, else light"""

    weights: str | None = None
    """trained weights to start from: a name (`vicinal info` lists them), a .safetensors
    file, or the folder of a model; several, with commas, for --backbone auto"""

    freeze: str = "none"
    """with --weights: none: all layers learn, the earlier the slower; all: the last
    layer is fitted and that is the model; a number N: the first N blocks stay; auto:
    with --minutes as many learn as there is time for, else all"""

    stages: int = 1
    """with --weights: in how many stages layers begin to learn, the last ones first; 1:
    all from the beginning"""

    layer_decay: float = 0.85
    """with --weights: each block's share of the learning rate of the next one"""

    ema: float = 0.99
    """with --weights: decay a step of the weights' running mean, which is kept"""

    batch_norm: Literal["auto", "frozen", "batch"] = "auto"
    """with --weights, what batch norms are scaled by: frozen, the mean and spread that
    the weights came with; batch, those of each batch; auto: frozen from 64 pixels on"""

    false_alarm: float = 0.05
    """share of pictures like those learned from that may be called unknown; 0: never
    say so"""

    shortcuts: Literal["auto", "on", "off"] = "auto"
    """whether parts of the picture are looked for that give the answer by themselves;
    auto: where the network itself learns, 100 pictures or more judge it, and --minutes,
    if set, are 15 or more: it takes half a minute"""

    scratch: bool = True
    """with --weights: whether the network is also trained from nothing, for as long as
    the first answer took, to show what the weights brought"""

    val_fraction: float | None = None
    """share of the pictures for choosing the epoch or, with --weights, for testing
    whether fine-tuning is better, unless the data say which; None: 0.15, and with
    --weights no more than 200 pictures or a twentieth"""

    test_fraction: float = 0.15
    """share of the pictures for the score, unless the data say which"""

    near_duplicates: bool = True
    """whether near copies (encoded anew, shrunk, trimmed) stay on one side"""

    group_column: str | None = None
    """pictures of one group stay on one side: the column of the CSV that names it"""

    group_pattern: str | None = None
    """pictures of one group stay on one side: a regular expression whose first group
    names it, such as patient(\\d+)"""

    max_pixels: int = MAX_PIXELS
    """pixels above which a picture is refused as a decompression bomb"""

    cache: bool = True
    """whether decoded pictures are kept on disk for the next run"""

    def __post_init__(self) -> None:
        super().__post_init__()
        size = self.image_size
        sized = size is None or (is_whole(size, 8) and size <= 2048)
        self.require("image_size", sized, "from 8 to 2048 pixels")
        for name in ("val_fraction", "test_fraction", "false_alarm"):
            value = getattr(self, name)
            if name == "val_fraction" and value is None:
                continue
            self.require(name, is_number(value) and 0 <= value < 1, "from 0 to below 1")
        total = self.val_share(0) + self.test_fraction
        self.require("test_fraction", total < 0.95, "below 0.95 with val_fraction")
        self.require("max_pixels", self.max_pixels > 0, "above 0")
        known = self.freeze in ("none", "all", "auto") or self.freeze.isdecimal()
        self.require("freeze", known, "none, all, auto, or a number of blocks")
        trained = self.weights is not None or self.backbone == "auto"
        frozen = self.freeze == "none" or trained
        self.require("freeze", frozen, "none unless --weights is given")
        self.require("weights", self.weights != "", "a name, a file or a folder")
        if self.group_pattern is not None:
            self.require("group_pattern", is_regular(self.group_pattern), REGULAR)
        self.require("stages", is_whole(self.stages, 1), "1 or more")
        staged = self.stages == 1 or trained
        self.require("stages", staged, "1 unless --weights is given")
        for name in ("max_ms", "max_mb"):
            value = getattr(self, name)
            fine = value is None or (is_number(value) and value > 0)
            self.require(name, fine, "above 0")
            wanted = value is None or self.backbone == "auto"
            self.require(name, wanted, "left out unless --backbone is auto")
        for name in ("layer_decay", "ema"):
            value = getattr(self, name)
            self.require(name, is_number(value) and 0 <= value <= 1, "from 0 to 1")

    def val_share(self, n: int) -> float:
        """The share of n pictures that chooses the epoch.

        Trained weights need fewer: their epochs differ little, and 200 pictures tell a
        gain of eight points in a hundred from chance. All others are learned from.
        """
        if self.val_fraction is not None:
            return self.val_fraction
        if self.weights is None:
            return VAL_SHARE
        return min(VAL_SHARE, max(VAL_COUNT / max(n, 1), 0.05))

    def looks_for_shortcuts(self, *, tuned: bool, judged: int) -> bool:
        """Whether a run that so many pictures judge looks for shortcuts.

        tuned: whether the network itself has learned.
        """
        if self.shortcuts != "auto":
            return self.shortcuts == "on"
        time_for_it = self.minutes is None or self.minutes >= ENOUGH_MINUTES
        return tuned and judged >= ENOUGH and time_for_it

    def filled(self) -> Self:
        """The settings with what is left open chosen: fine-tuning takes small steps."""
        plain = (30, 64, 2e-3) if self.weights is None else (12, 32, 1e-3)
        return replace(
            self,
            epochs=self.epochs or plain[0],
            batch_size=self.batch_size or plain[1],
            lr=self.lr or plain[2],
        )
