"""What ImageClassifier and ImageRegressor find in `fit`, and its file format."""

from dataclasses import dataclass
from typing import Any, Self

from vicinal.core.compute.runtime import Runtime, find_device
from vicinal.core.estimators.supervised_model import FittedModel
from vicinal.core.metrics import Score
from vicinal.core.objective import Objective
from vicinal.core.storage.checkpoint import Tensors, with_prefix
from vicinal.errors import SettingError
from vicinal.images.data.decoding.decode import Preprocessing
from vicinal.images.inference.out_of_distribution import OutlierDetector
from vicinal.images.networks import build
from vicinal.images.networks.base import Network
from vicinal.images.settings import ImageSettings
from vicinal.images.training.linear_probe import LinearProbe
from vicinal.images.weights.transfer import DETECTOR_PREFIX


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
        preprocessing = Preprocessing.from_dict(description["preprocessing"])
        network = build_image_network(
            backbone, options, shared["objective"], preprocessing
        )
        network.load_state_dict(
            {k: t for k, t in tensors.items() if not k.startswith(DETECTOR_PREFIX)}
        )
        values, detector = description["outlier_detector"], None
        if values is not None:
            arrays = with_prefix(DETECTOR_PREFIX[:-1], tensors)
            detector = OutlierDetector.from_arrays(arrays, values)
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


def _available(runtime: Runtime) -> Runtime:
    """Return the saved runtime, or the default one if its device is not here."""
    try:
        find_device(runtime.device)
    except SettingError:
        return Runtime()
    return runtime
