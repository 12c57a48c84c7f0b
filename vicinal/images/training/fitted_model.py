"""What ImageClassifier and ImageRegressor find in `fit`, and its file format."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch

from vicinal.core.compute.runtime import Runtime, find_device, is_bfloat16_slow
from vicinal.core.estimators.model_files import load_network
from vicinal.core.estimators.supervised_model import SHARED, FittedModel
from vicinal.core.metrics import Score
from vicinal.core.objective import Objective
from vicinal.core.storage.checkpoint import Tensors, with_prefix
from vicinal.core.storage.schema import Object
from vicinal.errors import SettingError
from vicinal.images.data.dataset import ImageDataset
from vicinal.images.data.decoding.decode import Preprocessing
from vicinal.images.inference.extractor import dataset_pixel_statistics
from vicinal.images.inference.out_of_distribution import ImageFeatures, OutlierDetector
from vicinal.images.networks import build
from vicinal.images.networks.base import Network
from vicinal.images.settings import ImageSettings
from vicinal.images.training.linear_probe import LinearProbe
from vicinal.images.weights.model_schema import IMAGES, read_preprocessing
from vicinal.images.weights.transfer import DETECTOR_PREFIX

MAX_DETECTOR_IMAGES = 2_000
"""training images that the outlier detector compares with"""


def build_image_network(
    backbone: str,
    options: dict[str, Any],
    objective: Objective,
    preprocessing: Preprocessing,
) -> Network:
    """Return a network with random weights for a task and an image size."""
    return build(
        backbone,
        num_classes=objective.outputs,
        in_channels=preprocessing.channels,
        image_size=preprocessing.image_size,
        **options,
    )


@dataclass(frozen=True, kw_only=True)
class FittedImageModel(FittedModel):
    """A network with its preprocessing, and how it was trained."""

    schema = Object({**SHARED, **IMAGES}, more=True)

    network: Network
    preprocessing: Preprocessing
    backbone: str
    options: dict[str, Any]
    """of the backbone"""

    runtime: Runtime
    """the network was trained in; predictions of few images use it"""

    outlier_detector: OutlierDetector | None = None
    """flags images unlike the training images; None: not asked for, or nothing was
    held out to fit it on"""

    linear_probe: LinearProbe | None = None
    """with pretrained weights: the cross-validated linear head"""

    probe_val_score: Score | None = None
    """of the linear probe on the validation split, where there is one"""

    epochs: int = 0
    """epochs that were planned"""

    expected_seconds: float = 0.0
    """of all planned epochs"""

    chose_epoch: bool = False
    """the validation split chose the epoch; else the last one was kept"""

    fine_tuning_skipped: str = ""
    """why there was no fine-tuning although it was asked for"""

    @property
    def probe(self) -> LinearProbe:
        """Return the linear probe; AttributeError without pretrained weights."""
        if self.linear_probe is None:
            raise AttributeError("there is no linear probe without pretrained weights")
        return self.linear_probe

    @property
    def is_fine_tuned(self) -> bool:
        """Return whether the network is more than the linear probe."""
        kept = self.comparison is None or self.comparison.better
        return bool(self.history) and kept

    def to_files(self) -> tuple[dict[str, Any], Tensors]:
        """Return what model.json and model.safetensors hold."""
        description = {
            **self.shared_description(),
            "network": {"backbone": self.backbone, **self.options},
            "preprocessing": self.preprocessing.to_dict(),
            "runtime": self.runtime.to_dict(),
            "outlier_detector": None,
        }
        tensors = dict(self.network.state_dict())
        if self.outlier_detector is not None:
            arrays, values = self.outlier_detector.to_arrays()
            description["outlier_detector"] = values
            tensors |= {f"{DETECTOR_PREFIX}{name}": t for name, t in arrays.items()}
        return description, tensors

    @classmethod
    def from_files(
        cls, description: dict[str, Any], tensors: Tensors, settings: ImageSettings
    ) -> Self:
        """Return the model that `to_files` described."""
        shared = cls.shared_fields(description)
        options = dict(description["network"])
        backbone = options.pop("backbone")
        preprocessing = read_preprocessing(description["preprocessing"], backbone)
        objective = shared["objective"]
        network = load_network(
            lambda: build_image_network(backbone, options, objective, preprocessing),
            {k: t for k, t in tensors.items() if not k.startswith(DETECTOR_PREFIX)},
        )
        values, detector = description["outlier_detector"], None
        if values is not None:
            arrays = with_prefix(DETECTOR_PREFIX[:-1], tensors)
            detector = OutlierDetector.from_arrays(arrays, values)
            detector.check_widths(network.embedding_size, preprocessing.channels)
        runtime = _available(Runtime(**description["runtime"]))
        runtime.prepare(network).eval()
        return cls(
            **shared,
            network=network,
            preprocessing=preprocessing,
            backbone=backbone,
            options=options,
            runtime=runtime,
            outlier_detector=detector,
        )


def fit_outlier_detector(
    model: FittedImageModel,
    train: ImageDataset,
    val: ImageDataset,
    compute_features: Callable[[ImageDataset], ImageFeatures],
    rate: float,
    seed: int,
) -> OutlierDetector | None:
    """Return the detector of a model, by images that were held out; None without any.

    compute_features: by the network as it is; for the linear probe those it was fitted
    on are used. rate: fraction of in-distribution images that may be flagged.
    """
    order = np.random.default_rng(seed).permutation(len(train))
    rows = np.sort(order[:MAX_DETECTOR_IMAGES])
    images, groups = train.rows(rows), train.groups[rows]
    if model.linear_probe is not None and not model.is_fine_tuned:
        embeddings = model.linear_probe.features[rows]
        features = ImageFeatures(embeddings, dataset_pixel_statistics(images))
        return OutlierDetector.fit(features, rate, seed, groups=groups)
    if not len(val):
        return None
    features, held_out = compute_features(images), compute_features(val)
    return OutlierDetector.fit(features, rate, seed, held_out=held_out)


def _available(runtime: Runtime) -> Runtime:
    """Return the saved runtime as it is best used on this machine.

    The default one if its device is not here; float32 if its CPU is slow in bfloat16.
    """
    try:
        find_device(runtime.device)
    except SettingError:
        return Runtime()
    low = runtime.precision == "bfloat16" and torch.device(runtime.device).type == "cpu"
    return (
        replace(runtime, precision="float32") if low and is_bfloat16_slow() else runtime
    )
