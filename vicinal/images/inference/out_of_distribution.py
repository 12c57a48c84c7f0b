"""Out-of-distribution detection for images, by embeddings and by pixel statistics.

Each has a detector of `core.evaluation.out_of_distribution`; either may flag an image.
They share the false alarm rate, which bounds the sum of both (Boole's inequality).
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from vicinal.core.evaluation.out_of_distribution import NearestNeighborDetector
from vicinal.core.storage.checkpoint import Tensors, with_prefix
from vicinal.errors import ModelFileError

PIXEL_SHARE = 0.2
"""share of the false alarm rate for pixel statistics; embeddings have the rest"""


class ImageFeatures(NamedTuple):
    """The features of N images that the detectors compare."""

    embeddings: np.ndarray
    """[N, D] the input of the last layer"""

    pixel_statistics: np.ndarray
    """[N, K] see `compute_pixel_statistics`"""


@dataclass(frozen=True)
class OutlierDetector:
    """Flags images that are unlike the training images."""

    embeddings: NearestNeighborDetector
    pixel_statistics: NearestNeighborDetector
    false_alarm_rate: float
    """share of in-distribution images that may be flagged"""

    @classmethod
    def fit(
        cls,
        train: ImageFeatures,
        false_alarm_rate: float,
        seed: int,
        *,
        held_out: ImageFeatures | None = None,
        groups: np.ndarray | None = None,
    ) -> "OutlierDetector":
        """Fit both detectors.

        held_out: features of images that no weight was fitted on. groups: [N] of the
        training images; without held_out, members of one group are not compared.
        """
        z, x = (None, None) if held_out is None else held_out
        pixel_rate = PIXEL_SHARE * false_alarm_rate
        embedding_rate = (1 - PIXEL_SHARE) * false_alarm_rate
        return cls(
            NearestNeighborDetector.fit(
                train.embeddings, embedding_rate, seed, z, groups=groups
            ),
            NearestNeighborDetector.fit(
                train.pixel_statistics,
                pixel_rate,
                seed,
                x,
                standardize=True,
                groups=groups,
            ),
            false_alarm_rate,
        )

    def check_widths(self, embedding_size: int, channels: int) -> None:
        """Raise ValueError for a detector of a network of another kind."""
        statistics = 2 * channels + (2 if channels == 1 else 3)
        own = [d.prototypes.shape[1] for d in (self.embeddings, self.pixel_statistics)]
        if own != [embedding_size, statistics]:
            raise ValueError(
                f"the outlier detector takes {own} features, not "
                f"{[embedding_size, statistics]}"
            )

    @property
    def can_detect(self) -> bool:
        """True if there were enough images to flag any image."""
        return self.embeddings.threshold < np.inf

    def is_unknown(self, features: ImageFeatures) -> np.ndarray:
        """Return a mask [N] of the images that are out of distribution."""
        by_embedding = self.embeddings.is_unknown(features.embeddings)
        return by_embedding | self.pixel_statistics.is_unknown(
            features.pixel_statistics
        )

    def to_arrays(self) -> tuple[Tensors, dict[str, Any]]:
        """Return tensors and JSON values for a model file, without loss."""
        tensors, values = {}, {"false_alarm_rate": self.false_alarm_rate}
        for name in ("embeddings", "pixel_statistics"):
            arrays, values[name] = getattr(self, name).to_arrays()
            tensors |= {f"{name}.{key}": t for key, t in arrays.items()}
        return tensors, values

    @classmethod
    def from_arrays(cls, tensors: Tensors, values: dict[str, Any]) -> "OutlierDetector":
        """Restore what `to_arrays` returned; ModelFileError when a part is missing."""
        try:
            rate = float(values["false_alarm_rate"])
            detectors = {
                name: NearestNeighborDetector.from_arrays(
                    with_prefix(name, tensors), values[name]
                )
                for name in ("embeddings", "pixel_statistics")
            }
        except KeyError as error:
            raise ModelFileError(
                f"The model file lacks {error} of the outlier detector. Train the "
                "model again."
            ) from error
        return cls(**detectors, false_alarm_rate=rate)
