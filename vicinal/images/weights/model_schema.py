"""What model.json of an image model holds of its network, and how it is checked."""

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
from vicinal.images.networks.mobilenet import Padding
from vicinal.images.settings import Resize

MAX_SIZE = 4096
"""pixels per side above which a model file is refused"""

PREPROCESSING = Object(
    {
        "image_size": Integer(1, MAX_SIZE),
        "store_size": Integer(1, MAX_SIZE),
        "channels": Integer(1, 3),
        "resize": Text(get_args(Resize)),
        "mean": ListOf(Number(), 1, 3),
        "std": ListOf(Number(above=0), 1, 3),
    },
    schema_of_dataclass(Preprocessing).optional,
)
NETWORK = Object(
    {"backbone": Text()},
    {"padding": Text(get_args(Padding)), "norm_eps": Number(above=0)},
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


def read_preprocessing(values: dict[str, Any]) -> Preprocessing:
    """Return the preprocessing of a model file, of the schema PREPROCESSING.

    ValueError for values that do not fit each other.
    """
    found = Preprocessing.from_dict(values)
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
