"""The initial weights of a network, and the preprocessing that they require."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from vicinal.core.compute.runtime import candidate_runtimes
from vicinal.core.report.console import print_note
from vicinal.errors import SettingError
from vicinal.images.data.audit import ImageReader
from vicinal.images.data.cache import PixelCache
from vicinal.images.data.dataset import ImageDataset
from vicinal.images.data.decoding.decode import Preprocessing, to_channels
from vicinal.images.data.decoding.image_size import choose_image_size
from vicinal.images.data.decoding.intensity_range import measure_intensity_range
from vicinal.images.data.read import ImageTable
from vicinal.images.inference.engines import fastest_forward, make_engine
from vicinal.images.networks import architecture, build
from vicinal.images.networks.base import Network
from vicinal.images.settings import ImageSettings, IntensityRange
from vicinal.images.training.augment import PHOTO_SIZE
from vicinal.images.training.fine_tuning import freeze_blocks
from vicinal.images.weights.pretrained import (
    LoadedWeights,
    candidate_weights,
    load_weights,
)
from vicinal.images.weights.transfer import copy_body, read_description

NO_SEARCH: dict[str, Any] = {"backbone": None, "max_ms": None, "max_mb": None}
"""settings of a backbone that was chosen"""


class Initialization:
    """Pretrained or random weights, as the settings say, and what follows from them.

    Pretrained weights are read once, when first needed.
    """

    def __init__(self, settings: ImageSettings) -> None:
        self.settings = settings

    @cached_property
    def source(self) -> LoadedWeights | None:
        """The pretrained weights; None: random ones."""
        weights, backbone = self.settings.weights, self.settings.backbone
        if not weights:
            return None
        return load_weights(weights, backbone, log=print_note)

    @property
    def backbone(self) -> str:
        """The network's name: the setting, that of the weights, or "small".

        SettingError for an unknown name.
        """
        if self.source is not None:
            return self.source.backbone
        name = self.settings.backbone or "small"
        architecture(name)
        return name

    @cached_property
    def pretrained_preprocessing(self) -> Preprocessing | None:
        """The preprocessing of the pretrained weights.

        None for a bare file of a network that is built for one image size: then it
        depends on the images.
        """
        source, weights = self.source, self.settings.weights
        if source is None or weights is None:
            return None
        fixed_size = "image_size" in architecture(source.backbone).options
        if fixed_size and read_description(weights) is None:
            return None
        return source.preprocessing

    @property
    def channels(self) -> int | None:
        """Input channels of the pretrained weights; None: those of the images."""
        known = self.pretrained_preprocessing
        return known.channels if known else None

    def image_reader(self, table: ImageTable) -> ImageReader:
        """Return the reader for the images of a table: size, resizing, cache."""
        settings, known = self.settings, self.pretrained_preprocessing
        image_size, store_size = self._sizes(table)
        resize = settings.resize or (known.resize if known else "crop")
        cache, limits = PixelCache() if settings.cache else None, self._limits(table)
        return ImageReader(
            store_size, resize, cache, settings.max_pixels, image_size, limits
        )

    def _limits(self, table: ImageTable) -> IntensityRange | None:
        """Return the intensity range of images of more than 8 bits."""
        low_high = self.settings.intensity_range
        if low_high is not None:
            return low_high[0], low_high[1]  # JSON has a list
        return measure_intensity_range(table, self.settings.max_pixels)

    def _sizes(self, table: ImageTable) -> tuple[int, int]:
        """Return the pixels per side of the network's input and of stored images."""
        settings, known = self.settings, self.pretrained_preprocessing
        size = settings.image_size
        if known and size in (None, known.image_size):
            return known.image_size, known.store_size
        name = self.backbone
        size = size or choose_image_size(table, name)
        if size < (minimum := architecture(name).min_size):
            raise SettingError(
                f"image_size must be {minimum} pixels or more for {name}. Got {size} "
                "instead. Another --backbone may take smaller images."
            )
        photo = settings.augment == "photo" or (
            settings.augment == "auto" and size >= PHOTO_SIZE
        )
        return size, (round(size * 8 / 7 / 2) * 2 if photo else size)

    def preprocessing(self, train: ImageDataset) -> Preprocessing:
        """Return sizes, and the mean and std of the weights or of `train`."""
        reader, limits = train.reader, train.reader.intensity_range
        sizes = {
            "image_size": reader.crop_size or reader.size,
            "store_size": reader.size,
        }
        if known := self.pretrained_preprocessing:
            return replace(known, **sizes, resize=reader.resize, intensity_range=limits)
        pixels = train.sample(512).astype(np.float32) / 255
        mean, std = pixels.mean(axis=(0, 1, 2)), pixels.std(axis=(0, 1, 2))
        return Preprocessing(
            **sizes,
            channels=train.channels,
            resize=reader.resize,
            mean=tuple(np.round(mean, 4).tolist()),
            std=tuple(np.round(std.clip(0.02), 4).tolist()),
            intensity_range=limits,
        )

    def network(self, build_network: Callable[[], Network]) -> Network:
        """Return a new network, with the pretrained weights in its body if any."""
        network = build_network()
        if self.source is not None:
            copy_body(network, self.source.tensors, str(self.settings.weights))
        return network

    def embedding_timer(self, device: str) -> Callable[[np.ndarray], float] | None:
        """Return a function that times the frozen network, in seconds per image.

        It takes pixels [B, S, S, 3] uint8. None without pretrained weights.
        """
        network, settings = self._pretrained_network(), self.settings
        known, name = self.pretrained_preprocessing, self.backbone
        if network is None or known is None:
            return None

        def seconds_per_image(pixels: np.ndarray) -> float:
            preprocessing = replace(known, store_size=pixels.shape[1])
            runtimes = candidate_runtimes(
                device, settings.precision, settings.deterministic
            )
            options = {"many": True, "cache": settings.cache}
            runtime = fastest_forward(network, preprocessing, runtimes, name, **options)
            embed = make_engine(network, preprocessing, runtime, many=True)
            pixels = to_channels(pixels, known.channels)
            embed(pixels)
            started_at = time.perf_counter()
            embed(pixels)
            return (time.perf_counter() - started_at) / len(pixels)

        return seconds_per_image

    def check(self) -> None:
        """Raise SettingError where the weights or `freeze` do not fit the network."""
        network = self._pretrained_network()
        if network is not None and self.settings.freeze.isdecimal():
            freeze_blocks(network, self.settings.freeze)

    def _pretrained_network(self) -> Network | None:
        """Return the pretrained network with a head of two classes.

        None without pretrained weights, or where the network depends on the images.
        """
        known, name = self.pretrained_preprocessing, self.backbone
        if self.source is None or known is None:
            return None
        sizes: dict[str, Any] = {"num_classes": 2, "in_channels": known.channels}
        sizes["image_size"] = self.settings.image_size or known.image_size
        options = self.source.options
        return self.network(lambda: build(name, **sizes, **options))


def resolve_settings(settings: ImageSettings, weights: str | None) -> ImageSettings:
    """Return settings with a chosen backbone, and with defaults filled in.

    weights: those chosen for backbone="auto"; None: the first candidate.
    """
    if settings.backbone == "auto":
        weights = weights or candidate_weights(settings.weights)[0]
        settings = replace(settings, weights=weights, **NO_SEARCH)
    return settings.with_defaults()
