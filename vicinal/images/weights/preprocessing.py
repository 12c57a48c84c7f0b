"""How pictures were prepared for the weights of a file.

A file beside it may say so, for `body.safetensors` it is `body.safetensors.json`:

    {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "image_size": 224,
     "store_size": 256, "resize": "crop", "padding": "tensorflow", "norm_eps": 0.001}

What is left out is as timm says of its network, where the user has named it so, or as
for most ImageNet weights.
"""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeGuard, get_args

from vicinal.core.settings import is_number, is_whole
from vicinal.core.storage.files import read_json
from vicinal.errors import ModelFileError, near_names
from vicinal.images.data.decode import Preprocessing
from vicinal.images.networks import architecture
from vicinal.images.networks.mobilenet import Padding
from vicinal.images.networks.timm_network import PREFIX, timm_config
from vicinal.images.settings import Resize

IMAGENET = Preprocessing(
    224, 256, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
)
"""How torchvision and timm prepare pictures for most ImageNet weights."""


def told_beside(path: Path, backbone: str, channels: int) -> dict[str, Any]:
    """What the JSON file beside a file of weights says, checked; {} without one."""
    beside = _beside(path)
    if not beside.is_file():
        return {}
    try:
        told = read_json(beside)
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{beside} cannot be read as JSON: {error}.") from error
    if not isinstance(told, dict):
        raise ModelFileError(f"{beside} must hold an object, {{...}}. Got {told!r}.")
    checks = _checks(channels, architecture(backbone).options)
    for name, value in told.items():
        if name not in checks:
            hint = near_names(name, checks)
            raise ModelFileError(f"{beside} says {name!r}, which is unknown. {hint}")
        wanted, holds = checks[name]
        if not holds(value):
            raise ModelFileError(f"{beside}: {name} must be {wanted}. Got {value!r}.")
    return told


def prepared(
    path: Path,
    backbone: str,
    channels: int,
    told: dict[str, Any],
    as_named: str | None,
) -> Preprocessing:
    """What is told; for the rest what timm says of its network, or what is usual.

    That is ImageNet's mean and spread at the usual size.
    """
    size = told.get("image_size") or architecture(backbone).image_size
    assumed = replace(IMAGENET, image_size=size, store_size=_store_size(size))
    if _is_timm_s(as_named):
        usual = prepared_for(timm_config(_short(as_named)))
        size = told.get("image_size") or usual.image_size
        store = usual.store_size * size // usual.image_size
        assumed = replace(usual, image_size=size, store_size=store)
    if channels != len(IMAGENET.mean):
        store, resize = assumed.store_size, assumed.resize
        assumed = Preprocessing(size, store, channels, resize=resize)
    found = Preprocessing.from_dict(asdict(assumed) | told)
    if found.store_size < size:
        raise ModelFileError(
            f"{_beside(path)}: store_size must be image_size ({size}) or more, for the "
            f"input is the centre of what is stored. Got {found.store_size}."
        )
    return found


def how_known(path: Path, told: dict[str, Any], as_named: str | None) -> str:
    beside = _beside(path).name
    if {"mean", "std", "image_size"} <= told.keys():
        return f"pictures prepared as {beside} says"
    some = f"{', '.join(told)} from {beside}; " if told else ""
    if _is_timm_s(as_named):
        return f"{some}pictures prepared as timm says of {_short(as_named)}"
    return (
        f"{some}for want of better knowledge, pictures are prepared as for most "
        f"ImageNet weights (say otherwise in {beside})"
    )


def prepared_for(config: Any) -> Preprocessing:
    """How timm prepared the pictures for weights."""
    size = config.input_size[1]
    return Preprocessing(
        size,
        int(size / config.crop_pct),
        resize="squish" if config.crop_mode == "squash" else "crop",
        mean=tuple(config.mean),
        std=tuple(config.std),
    )


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _store_size(image_size: int) -> int:
    """256 for 224 as usual; small pictures, such as CIFAR's, are taken whole."""
    return image_size * 256 // 224 if image_size >= 64 else image_size


def _is_timm_s(as_named: str | None) -> TypeGuard[str]:
    return as_named is not None and as_named.startswith(PREFIX)


def _short(name: str) -> str:
    return name.removeprefix(PREFIX)


def _checks(
    channels: int, options: tuple[str, ...]
) -> dict[str, tuple[str, Callable[[Any], bool]]]:
    """What each name may be, in words and as a test."""

    def numbers(value: Any) -> bool:
        listed = isinstance(value, list) and len(value) == channels
        return listed and all(map(is_number, value))

    def pixels(value: Any) -> bool:
        return is_whole(value, 8) and value <= 2048

    checks: dict[str, tuple[str, Callable[[Any], bool]]] = {
        "mean": (f"a list of {channels} numbers", numbers),
        "std": (
            f"a list of {channels} numbers above 0",
            lambda value: numbers(value) and min(value) > 0,
        ),
        "image_size": ("8 to 2048 pixels", pixels),
        "store_size": ("8 to 2048 pixels", pixels),
        "resize": (" or ".join(get_args(Resize)), lambda v: v in get_args(Resize)),
        "padding": (" or ".join(get_args(Padding)), lambda v: v in get_args(Padding)),
        "norm_eps": ("a number above 0", lambda v: is_number(v) and v > 0),
    }
    of_others = {"padding", "norm_eps"}.difference(options)
    return {name: check for name, check in checks.items() if name not in of_others}
