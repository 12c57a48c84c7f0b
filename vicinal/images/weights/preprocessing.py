"""The preprocessing that a file of weights was trained with.

A JSON file beside it may say so; for `body.safetensors` it is `body.safetensors.json`:

    {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "image_size": 224,
     "store_size": 256, "resize": "crop", "padding": "tensorflow", "norm_eps": 0.001}

Missing values are those of timm, where the user names a network of timm, or those of
most ImageNet weights.
"""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeGuard, get_args

from vicinal.core.storage.files import read_json
from vicinal.core.storage.schema import Integer, ListOf, Schema, SchemaError, Text
from vicinal.errors import ModelFileError, suggest_names
from vicinal.images.data.decoding.decode import Preprocessing
from vicinal.images.networks import architecture
from vicinal.images.networks.mobilenet import Padding
from vicinal.images.networks.timm_network import PREFIX, timm_config
from vicinal.images.settings import Resize
from vicinal.images.weights.model_schema import (
    IMAGE_SIZE,
    MEAN,
    NORM_EPS,
    STD,
    min_image_size,
)

IMAGENET = Preprocessing(
    224, 256, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
)
"""preprocessing of most ImageNet weights in torchvision and timm"""


def read_sidecar(path: Path, backbone: str, channels: int) -> dict[str, Any]:
    """Read and check the JSON file beside a file of weights; {} without one."""
    sidecar = _sidecar_path(path)
    if not sidecar.is_file():
        return {}
    try:
        values = read_json(sidecar)
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{sidecar} cannot be read as JSON: {error}.") from error
    if not isinstance(values, dict):
        raise ModelFileError(
            f"{sidecar} must hold an object, {{...}}. Got {values!r} instead."
        )
    checks = _checks(channels, backbone)
    for name, value in values.items():
        if name not in checks:
            hint = suggest_names(name, checks)
            raise ModelFileError(f"{sidecar} has an unknown key, {name!r}. {hint}")
        expected, schema = checks[name]
        if not _is_valid(value, schema):
            raise ModelFileError(
                f"{sidecar}: {name} must be {expected}. Got {value!r} instead."
            )
    return values


def infer_preprocessing(
    path: Path,
    backbone: str,
    channels: int,
    sidecar: dict[str, Any],
    requested: str | None,
) -> Preprocessing:
    """Return the preprocessing for the weights in a file.

    sidecar: values that take precedence. requested: the backbone as the user named it;
    missing values are timm's for a network of timm, else ImageNet's mean and std at the
    architecture's image size.
    """
    size = sidecar.get("image_size") or architecture(backbone).image_size
    default = replace(IMAGENET, image_size=size, store_size=_store_size(size))
    if _is_timm_name(requested):
        default = timm_preprocessing(timm_config(_without_prefix(requested)))
        size = sidecar.get("image_size") or default.image_size
        store_size = default.store_size * size // default.image_size
        default = replace(default, image_size=size, store_size=store_size)
    if channels != len(IMAGENET.mean):
        store_size, resize = default.store_size, default.resize
        default = Preprocessing(size, store_size, channels, resize=resize)
    preprocessing = Preprocessing.from_dict(asdict(default) | sidecar)
    if preprocessing.store_size < size:
        raise ModelFileError(
            f"{_sidecar_path(path)}: store_size must be image_size ({size}) or more, "
            "because the network's input is cropped from the stored image. Got "
            f"{preprocessing.store_size} instead."
        )
    return preprocessing


def describe_preprocessing(
    path: Path, sidecar: dict[str, Any], requested: str | None
) -> str:
    """Return where the preprocessing comes from, as text."""
    name = _sidecar_path(path).name
    if {"mean", "std", "image_size"} <= sidecar.keys():
        return f"preprocessing from {name}"
    known = f"{', '.join(sidecar)} from {name}; " if sidecar else ""
    if _is_timm_name(requested):
        return f"{known}preprocessing of timm's {_without_prefix(requested)}"
    return (
        f"{known}assuming the preprocessing of most ImageNet weights (set another in "
        f"{name})"
    )


def timm_preprocessing(config: Any) -> Preprocessing:
    """Return the preprocessing of weights by timm's configuration of them."""
    size = config.input_size[1]
    return Preprocessing(
        size,
        int(size / config.crop_pct),
        resize="squish" if config.crop_mode == "squash" else "crop",
        mean=tuple(config.mean),
        std=tuple(config.std),
    )


def _sidecar_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _store_size(image_size: int) -> int:
    """Return 256 for 224, as usual; small images, such as CIFAR's, are not cropped."""
    return image_size * 256 // 224 if image_size >= 64 else image_size


def _is_timm_name(name: str | None) -> TypeGuard[str]:
    return name is not None and name.startswith(PREFIX)


def _without_prefix(name: str) -> str:
    return name.removeprefix(PREFIX)


def _checks(channels: int, backbone: str) -> dict[str, tuple[str, Schema]]:
    """Return what is expected of each key, as text and as a schema."""
    smallest, largest = min_image_size(backbone), IMAGE_SIZE.high
    pixels = f"{smallest} to {largest} pixels", Integer(smallest, largest)
    checks: dict[str, tuple[str, Schema]] = {
        "mean": (f"a list of {channels} numbers", ListOf(MEAN, channels, channels)),
        "std": (
            f"a list of {channels} numbers above 0, from {STD.low:g} to {STD.high:g}",
            ListOf(STD, channels, channels),
        ),
        "image_size": pixels,
        "store_size": pixels,
        "resize": (" or ".join(get_args(Resize)), Text(get_args(Resize))),
        "padding": (" or ".join(get_args(Padding)), Text(get_args(Padding))),
        "norm_eps": ("a number above 0, at most 1", NORM_EPS),
    }
    options = architecture(backbone).options
    unsupported = {"padding", "norm_eps"}.difference(options)
    return {name: check for name, check in checks.items() if name not in unsupported}


def _is_valid(value: Any, schema: Schema) -> bool:
    try:
        schema.check(value)
    except SchemaError:
        return False
    return True
