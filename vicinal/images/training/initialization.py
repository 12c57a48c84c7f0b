"""What a network starts from, and how it wants to see pictures."""

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property

import numpy as np

from vicinal.errors import SettingError
from vicinal.images.data.audit import ImageReader
from vicinal.images.data.cache import PixelCache
from vicinal.images.data.dataset import ImageDataset
from vicinal.images.data.decode import Preprocessing
from vicinal.images.data.image_size import natural_size
from vicinal.images.data.read import ImageTable
from vicinal.images.networks import architecture, build
from vicinal.images.networks.base import Network
from vicinal.images.settings import ImageSettings
from vicinal.images.training.augment import PHOTO
from vicinal.images.weights.pretrained import Source, open_weights
from vicinal.images.weights.transfer import describe, freeze_first, start_from


def to_stderr(text: str) -> None:
    """Say something that is no result."""
    print(text, file=sys.stderr)


class Initialization:
    """Trained weights or none, as the settings say, and what follows from them.

    The weights are read once, when they are first asked for.
    """

    def __init__(self, settings: ImageSettings) -> None:
        self.settings = settings

    @cached_property
    def source(self) -> Source | None:
        """The weights to start from; None: random ones."""
        weights, backbone = self.settings.weights, self.settings.backbone
        return open_weights(weights, backbone, tell=to_stderr) if weights else None

    @property
    def backbone(self) -> str:
        """The network's name: the setting, that of the weights, or small.

        SettingError for one that is unknown.
        """
        if self.source is not None:
            return self.source.backbone
        name = self.settings.backbone or "small"
        architecture(name)
        return name

    @cached_property
    def known(self) -> Preprocessing | None:
        """The preprocessing that the weights were trained with.

        None for a bare file of a network whose shapes go with the picture's size: then
        the pictures at hand decide.
        """
        source, weights = self.source, self.settings.weights
        if source is None or weights is None:
            return None
        sized = "image_size" in architecture(source.backbone).options
        return None if sized and describe(weights) is None else source.preprocessing

    @property
    def channels(self) -> int | None:
        """Channels that the weights want; None: as the pictures have."""
        return self.known.channels if self.known else None

    def eye(self, table: ImageTable) -> ImageReader:
        """How to look at the pictures of a table: size, form, cache."""
        settings = self.settings
        view, size = self._sizes(table)
        resize = settings.resize or (self.known.resize if self.known else "crop")
        cache = PixelCache() if settings.cache else None
        return ImageReader(size, resize, cache, settings.max_pixels, view)

    def _sizes(self, table: ImageTable) -> tuple[int, int]:
        """Pixels of the input, and of the stored picture that views are cut from."""
        settings, known = self.settings, self.known
        size = settings.image_size
        if known and size in (None, known.image_size):
            return known.image_size, known.store_size
        name = self.backbone
        size = size or natural_size(table, name)
        if size < (least := architecture(name).min_size):
            raise SettingError(
                f"image_size must be {least} pixels or more for "
                f"{name}. Got {size} instead; another --backbone takes smaller ones."
            )
        photo = settings.augment == "photo" or (
            settings.augment == "auto" and size >= PHOTO
        )
        return size, (round(size * 8 / 7 / 2) * 2 if photo else size)

    def preprocessing(self, train: ImageDataset) -> Preprocessing:
        """Sizes as chosen; mean and spread of the weights, or of the train part."""
        eye = train.eye
        sizes = {"image_size": eye.view or eye.size, "store_size": eye.size}
        if self.known:
            return replace(self.known, **sizes, resize=eye.resize)
        pixels = train.sample(512).astype(np.float32) / 255
        mean, std = pixels.mean(axis=(0, 1, 2)), pixels.std(axis=(0, 1, 2))
        return Preprocessing(
            **sizes,
            channels=train.channels,
            resize=eye.resize,
            mean=tuple(np.round(mean, 4).tolist()),
            std=tuple(np.round(std.clip(0.02), 4).tolist()),
        )

    def network(self, fresh: Callable[[], Network]) -> Network:
        """A fresh network, with the weights in its body where there are some."""
        network = fresh()
        if self.source is not None:
            start_from(network, self.source.tensors, str(self.settings.weights))
        return network

    def check(self) -> None:
        """SettingError where weights or `freeze` do not fit the network."""
        source, known, name = self.source, self.known, self.backbone
        if source is None or known is None:  # then it is the pictures' size that counts
            return
        size = self.settings.image_size or known.image_size
        channels = known.channels
        network = self.network(
            lambda: build(name, num_classes=2, in_channels=channels, image_size=size)
        )
        if self.settings.freeze.isdecimal():
            freeze_first(network, self.settings.freeze)
