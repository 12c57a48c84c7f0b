"""Read images and compute what predictions are made of: embeddings and logits."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from vicinal.core.compute.runtime import Runtime
from vicinal.core.compute.threads import network_lock
from vicinal.core.settings import Precision
from vicinal.errors import IntensityWarning
from vicinal.images.data.audit import ImageReader, decode_images
from vicinal.images.data.dataset import ImageDataset
from vicinal.images.data.decoding.decode import Preprocessing, to_channels
from vicinal.images.data.image_notes import describe_16_bits, describe_outside
from vicinal.images.data.read import ImageTable
from vicinal.images.inference.engines import (
    MANY_IMAGES,
    Engines,
    make_engine,
    rows_per_batch,
)
from vicinal.images.inference.out_of_distribution import ImageFeatures
from vicinal.images.inference.pixel_statistics import compute_pixel_statistics
from vicinal.images.networks.base import Network

BATCH = 64
"""images that are read at once, fewer if they are large"""

Batch = tuple[list[str], list[str | None], np.ndarray]
"""names, why an image cannot be read, and the pixels of those that can"""


@dataclass
class FeatureExtractor:
    """A network on this machine, in the fastest runtime for few or for many images."""

    network: Network
    preprocessing: Preprocessing
    runtime: Runtime
    backbone: str
    precision: Precision = "auto"
    cache: bool = True
    training: bool = False
    """the weights are changing: engines for many images would be outdated"""

    @cached_property
    def engines(self) -> Engines:
        """The engines, made when first needed."""
        return Engines(
            self.network,
            self.preprocessing,
            self.runtime,
            self.backbone,
            self.precision,
            self.cache,
        )

    def embed(self, pixels: np.ndarray, *, many: bool) -> Tensor:
        """Return embeddings [B, D] of pixels [B, S, S, C]; many: of many images."""
        if not len(pixels):
            return torch.empty(0, self.network.embedding_size)
        return self.engines.embed(pixels, many=many and not self.training)

    def embed_exactly(self, pixels: np.ndarray) -> Tensor:
        """Return embeddings [B, D] by the network itself, in float32."""
        plain = Runtime(self.runtime.device)
        with network_lock():
            engine = make_engine(self.network, self.preprocessing, plain, many=False)
            z = engine(pixels)
            self.runtime.prepare(self.network)
        return z

    def logits(self, embeddings: Tensor | np.ndarray) -> Tensor:
        """Return logits [N, K] of embeddings [N, D]."""
        return self.engines.logits(torch.as_tensor(embeddings))

    def features(self, pixels: np.ndarray, *, many: bool) -> ImageFeatures:
        """Return embeddings and pixel statistics of pixels [B, S, S, C]."""
        z = self.embed(pixels, many=many).numpy()
        return ImageFeatures(z, compute_pixel_statistics(pixels))

    def dataset_features(self, images: ImageDataset) -> ImageFeatures:
        """Return embeddings and pixel statistics of decoded images."""
        many = len(images) >= MANY_IMAGES
        return concatenate_features(
            [self.features(images.batch(rows), many=many) for rows in _batches(images)]
        )

    def dataset_logits(self, images: ImageDataset) -> Tensor:
        """Return logits [N, K] of decoded images."""
        many = len(images) >= MANY_IMAGES
        parts = [self.embed(images.batch(r), many=many) for r in _batches(images)]
        return self.logits(torch.cat(parts))

    def read_batches(self, table: ImageTable, max_pixels: int) -> Iterator[Batch]:
        """Yield names, reasons and pixels of the images of a table, batch by batch."""
        size, channels = self.preprocessing.store_size, self.preprocessing.channels
        # one pass over many images would only push useful entries out of the cache
        reader = ImageReader.for_model(self.preprocessing, None, max_pixels)
        decoded = zip(table.names, decode_images(table, reader), strict=True)
        outside: dict[str, float] = {}
        deep: list[str] = []
        rows = rows_per_batch(size, channels, BATCH)
        while part := list(islice(decoded, rows)):
            outside |= {name: image.outside for name, image in part if image.outside}
            deep += [name for name, image in part if image.has_16_bits]
            pixels = [
                to_channels(image.pixels, channels)
                for _, image in part
                if image.pixels is not None
            ]
            empty = np.empty((0, size, size, channels), np.uint8)
            yield (
                [name for name, _ in part],
                [image.reason for _, image in part],
                np.stack(pixels) if pixels else empty,
            )
        fractions = np.array(list(outside.values()))
        notes = describe_outside([*outside], fractions, reader.intensity_range)
        if deep and reader.intensity_range is None:
            notes += [describe_16_bits(deep)]
        for note in notes:
            warnings.warn(note, IntensityWarning, stacklevel=2)


def _batches(images: ImageDataset) -> list[np.ndarray]:
    count = rows_per_batch(images.reader.size, images.channels, BATCH)
    rows = np.arange(len(images))
    return [rows[start : start + count] for start in rows[::count]]


def concatenate_features(parts: list[ImageFeatures]) -> ImageFeatures:
    """Return the features of several batches as one."""
    return ImageFeatures(*map(np.concatenate, zip(*parts, strict=True)))


def dataset_pixel_statistics(images: ImageDataset) -> np.ndarray:
    """Return the pixel statistics [N, K] of decoded images."""
    parts = [compute_pixel_statistics(images.batch(rows)) for rows in _batches(images)]
    return np.concatenate(parts)
