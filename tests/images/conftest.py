"""Fixtures of the image tests: networks, layers, CSVs and fitted estimators."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import vicinal
from vicinal.images.networks import build
from vicinal.images.networks.base import Network

CASES: dict[str, tuple[str, int, int, dict[str, Any]]] = {
    "dense": ("dense", 12, 1, {}),
    "small": ("small", 33, 3, {}),
    "small-strided": ("small", 70, 3, {}),
    "lenet5": ("lenet5", 28, 1, {}),
    "resnet20": ("resnet20", 30, 3, {}),
    "resnet18": ("resnet18", 65, 3, {}),
    "resnet50": ("resnet50", 64, 3, {}),
    "mobilenet_v2": ("mobilenet_v2", 64, 3, {}),
    "mobilenet_v2-tensorflow": ("mobilenet_v2", 50, 3, {"padding": "tensorflow"}),
    "convnext_atto": ("convnext_atto", 64, 3, {}),
}
"""name, input size, channels and further arguments of `build`; VGG-11, whose 500 MB
take long to initialise, is tested among the slow tests"""


def make_network(
    case: str, dtype: torch.dtype = torch.float32
) -> tuple[Network, Tensor]:
    """Make a network with random scales, shifts and statistics, and an image for it."""
    name, size, channels, options = CASES.get(case) or (case, 32, 3, {})
    torch.manual_seed(0)
    network = build(
        name, num_classes=5, in_channels=channels, image_size=size, **options
    )
    network.to(dtype)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim == 1 or parameter.shape[1:] == (1, 1):
                parameter.copy_(1 + torch.randn_like(parameter) / 2)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2)
    return network, torch.randn(channels, size, size, dtype=dtype)


LAYERS: dict[str, Callable[[], nn.Module]] = {
    "dilated": lambda: nn.Conv2d(4, 6, 3, dilation=2, padding=2),
    "grouped": lambda: nn.Conv2d(4, 6, 3, groups=2, padding=1, stride=2),
    "uneven": lambda: nn.Conv2d(4, 6, (1, 5), stride=(2, 1), padding=(0, 2)),
    "same": lambda: nn.Conv2d(4, 6, (3, 5), padding="same"),
    "valid": lambda: nn.Conv2d(4, 6, 3, padding="valid"),
    "edge": lambda: nn.Conv2d(4, 6, 3, padding=1, padding_mode="replicate"),
    "reflect": lambda: nn.Conv2d(4, 6, 5, padding=2, padding_mode="reflect"),
    "circular": lambda: nn.Conv2d(4, 6, 3, padding=1, padding_mode="circular"),
    "max pool": lambda: nn.MaxPool2d(3, stride=2, padding=1, dilation=2),
    "average pool": lambda: nn.AvgPool2d(3, stride=2, padding=1),
    "average pool without padding": lambda: nn.AvgPool2d(
        3, padding=1, count_include_pad=False
    ),
    "adaptive": lambda: nn.AdaptiveAvgPool2d((3, 5)),
    "plain norm": lambda: nn.BatchNorm2d(4, affine=False),
    "sigmoid": lambda: nn.Sigmoid(),
    "silu": lambda: nn.SiLU(),
}
"""layers with options that no architecture here uses"""


LARGE = ("resnet18", "resnet50", "mobilenet_v2")
"""whose layers and sums resnet20 and mobilenet_v2-tensorflow have as well"""


@pytest.fixture(
    params=[
        pytest.param(name, marks=pytest.mark.slow) if name in LARGE else name
        for name in CASES
    ]
)
def architecture(request) -> str:
    """Name of a case of `network_of`."""
    return request.param


@pytest.fixture
def network_of() -> Callable[..., tuple[Network, Tensor]]:
    """Return a function that makes a network and an image, by case and dtype."""
    return make_network


@pytest.fixture(params=LAYERS)
def layer(request) -> nn.Module:
    """A layer with four input channels."""
    torch.manual_seed(0)
    return LAYERS[request.param]()


@pytest.fixture
def csv(tmp_path) -> Callable[..., Path]:
    """Return a function that writes a CSV."""

    def write(text: str, name: str = "table.csv", encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.write_bytes(text.encode(encoding))
        return path

    return write


# --- estimators ------------------------------------------------------------------

NUM_IMAGES, IMAGE_SIZE = 24, 8

FAST: dict[str, Any] = {
    "epochs": 3,
    "batch_size": 8,
    "augment": "none",
    "deterministic": True,
    "cache": False,
}
"""parameters with which an estimator is fitted within a fraction of a second"""


class EstimatorCase(NamedTuple):
    """An estimator, and labels for the images of `make_shades`, the darkest first."""

    name: str
    y: Any
    classes: list[Any] | None
    num_outputs: int
    metric: str

    @property
    def estimator(self) -> type[Any]:
        """The class, imported where it is used: most tests of images do not need it."""
        return getattr(vicinal, self.name)


def _half_and_parity(k: int) -> list[str]:
    """Return the labels of image k: dark, or light and, every second one, even."""
    if k < NUM_IMAGES / 2:
        return ["dark"]
    return ["light", "even"][: 2 - k % 2]


HALF = NUM_IMAGES // 2
ESTIMATOR_CASES = {
    "names": EstimatorCase(
        "ImageClassifier",
        ["dark"] * HALF + ["Light"] * HALF,
        ["Light", "dark"],
        2,
        "accuracy",
    ),
    "integers": EstimatorCase(
        "ImageClassifier",
        np.repeat([10, 9, 2], NUM_IMAGES // 3),
        [2, 9, 10],
        3,
        "accuracy",
    ),
    "several names": EstimatorCase(
        "ImageClassifier",
        [_half_and_parity(k) for k in range(NUM_IMAGES)],
        ["dark", "even", "light"],
        3,
        "f1_micro",
    ),
    "label matrix": EstimatorCase(
        "ImageClassifier",
        np.array([[k >= HALF, 1, 0, k % 2] for k in range(NUM_IMAGES)], dtype=int),
        [0, 1, 2, 3],
        4,
        "f1_micro",
    ),
    "numbers": EstimatorCase(
        "ImageRegressor", np.linspace(-1, 9, NUM_IMAGES) ** 2, None, 1, "mae"
    ),
}


def make_shades(
    channels: int = 1, side: int = IMAGE_SIZE, n: int = NUM_IMAGES
) -> np.ndarray:
    """Make images [n, side, side(, 3)] of uint8, each brighter than the one before."""
    rng = np.random.default_rng(0)
    brightness = np.linspace(30, 220, n)[:, None, None]
    x = brightness + rng.normal(0, 4, (n, side, side))
    x = np.rint(x.clip(0, 255)).astype(np.uint8)
    return x if channels == 1 else np.repeat(x[..., None], channels, axis=-1)


@pytest.fixture
def shades() -> Callable[..., np.ndarray]:
    """Return a function that makes images of increasing brightness."""
    return make_shades


@pytest.fixture
def fast() -> dict[str, Any]:
    """Parameters with which an estimator is fitted quickly."""
    return dict(FAST)


LIKE_NAMES = ("integers", "label matrix")
"""cases that are fitted as names and several names are"""


@pytest.fixture
def cases() -> dict[str, EstimatorCase]:
    """All cases by name."""
    return ESTIMATOR_CASES


@pytest.fixture(
    params=[
        pytest.param(name, marks=pytest.mark.slow if name in LIKE_NAMES else ())
        for name in ESTIMATOR_CASES
    ]
)
def case(request) -> EstimatorCase:
    """An estimator and labels for it."""
    return ESTIMATOR_CASES[request.param]


@pytest.fixture(scope="session", params=ESTIMATOR_CASES)
def fitted(request) -> tuple[EstimatorCase, Any]:
    """A case and a model fitted to it; tests do not change the model."""
    case = ESTIMATOR_CASES[request.param]
    return case, case.estimator(**FAST).fit(make_shades(), case.y)


@pytest.fixture
def files(tmp_path) -> list[Path]:
    """The images of `make_shades` as files, sorted by name."""
    (tmp_path / "new").mkdir()
    paths = [tmp_path / "new" / f"{k:02}.png" for k in range(NUM_IMAGES)]
    for path, pixels in zip(paths, make_shades(), strict=True):
        Image.fromarray(pixels).save(path)
    return paths
