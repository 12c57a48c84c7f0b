"""What model.json of an image model holds of its network, and how it is checked."""

from math import isfinite
from typing import Any, get_args

from vicinal.core.compute.runtime import RUNTIME
from vicinal.core.objective import SCHEMA
from vicinal.core.storage.schema import (
    Flag,
    Integer,
    ListOf,
    Nullable,
    Number,
    Object,
    Text,
    schema_of_dataclass,
)
from vicinal.images.data.decoding.decode import Preprocessing
from vicinal.images.networks import NETWORKS
from vicinal.images.networks.mobilenet import Padding
from vicinal.images.networks.timm_network import MIN_SIZE
from vicinal.images.settings import Resize, is_range

IMAGE_SIZE = Integer(8, 2048)
"""pixels per side of a network's input, as in `ImageSettings`"""

STORE_SIZE = Integer(8, 2400)
"""pixels per side of a decoded image: 8/7 of the input where it is cropped"""

MEAN, STD = Number(-1e30, 1e30), Number(1e-30, 1e30)
"""of the pixels"""

NORM_EPS = Number(above=0, high=1)
"""added to the variance in batch norm"""

PREPROCESSING = Object(
    {
        "image_size": IMAGE_SIZE,
        "store_size": STORE_SIZE,
        "channels": Integer(1, 3),
        "resize": Text(get_args(Resize)),
        "mean": ListOf(MEAN, 1, 3),
        "std": ListOf(STD, 1, 3),
    },
    schema_of_dataclass(Preprocessing).optional,
)
NETWORK = Object(
    {"backbone": Text()},
    {"padding": Text(get_args(Padding)), "norm_eps": NORM_EPS},
)
DETECTOR = Object(
    {
        "false_alarm_rate": Number(0, 1),
        "num_neighbors": Integer(1),
        "standardize": Flag(),
    }
)
IMAGES = {
    "network": NETWORK,
    "preprocessing": PREPROCESSING,
    "runtime": RUNTIME,
    "outlier_detector": Nullable(
        Object(
            {
                "false_alarm_rate": Number(0, 1),
                "embeddings": DETECTOR,
                "pixel_statistics": DETECTOR,
            }
        )
    ),
}
"""keys that only image models have"""

WEIGHTS = Object(
    {"network": NETWORK, "preprocessing": PREPROCESSING, "objective": SCHEMA},
    more=True,
)
"""what pretrained weights are read from"""


def min_image_size(backbone: str) -> int:
    """Return the pixels per side of the smallest images that a network takes."""
    row = NETWORKS.get(backbone)
    return MIN_SIZE if row is None else row.min_size


def read_preprocessing(values: dict[str, Any], backbone: str) -> Preprocessing:
    """Return the preprocessing of a model file, of the schema PREPROCESSING.

    backbone: the network whose input it makes. ValueError for values that do not fit
    it, or each other.
    """
    found = Preprocessing.from_dict(values)
    minimum = min_image_size(backbone)
    if found.image_size < minimum:
        raise ValueError(
            f"image_size must be {minimum} or more for {backbone}. Got "
            f"{found.image_size} instead"
        )
    limits = found.intensity_range
    has_width = limits is None or (
        is_range(limits) and isfinite(float(limits[1]) - float(limits[0]))
    )
    if not has_width:
        raise ValueError(
            f"intensity_range must be two numbers, LOW below HIGH. Got {limits} instead"
        )
    if found.store_size < found.image_size:
        raise ValueError(
            f"store_size must be image_size ({found.image_size}) or more. Got "
            f"{found.store_size} instead"
        )
    for name in ("mean", "std"):
        count = len(getattr(found, name))
        if count not in (1, found.channels) or found.channels == 2:
            raise ValueError(f"there are {found.channels} channels, but {count} {name}")
    return found
