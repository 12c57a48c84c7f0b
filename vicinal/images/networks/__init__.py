"""Architectures for pictures: one paper, one file, and one table of them all.

    >>> from vicinal.images.networks import NETWORKS, build
    >>> network = build("resnet18", num_classes=6)

Each network embeds pictures (`embed`, `[N, C, H, W]` to `[N, D]`) and scores the
embedding with one dense layer; `network.Network` says what they have in common.
The table names modules rather than importing them, so that listing it is quick.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from vicinal.errors import SettingError, near_names

if TYPE_CHECKING:
    from vicinal.images.networks.base import Network
    from vicinal.images.networks.mobilenet import Padding


@dataclass(frozen=True)
class Architecture:
    """One row of the table."""

    builder: str
    """The function that builds it, as `file.function` of this folder."""
    num_classes: int
    """Classes in the paper's task."""
    in_channels: int
    """Channels of the paper's pictures: 1 for grey, 3 for colour."""
    image_size: int
    """Pixels on a side of the pictures that it was designed for."""
    parameters: int
    """Numbers that it learns, with these classes, channels and pixels."""
    paper: str
    """Where it was published."""
    min_size: int = 8
    """Pixels on a side below which no map is left."""
    options: tuple[str, ...] = ()
    """What else its builder takes, of the arguments of `build`."""


_LECUN = "LeCun et al., Proc. IEEE 1998"
_VGG = "Simonyan and Zisserman, ICLR 2015"
_HE = "He et al., CVPR 2016"
_MOBILE = "Sandler et al., CVPR 2018"
_LIU = "Liu et al., CVPR 2022"
_WOO = "Woo et al., CVPR 2023"
_MLP = "Rumelhart et al., Nature 1986"
_OWN = "vicinal's own"

_SIZED = ("image_size",)
_TRAINED = ("padding", "norm_eps")

# fmt: off
NETWORKS: dict[str, Architecture] = {
    "dense": Architecture(
        "dense.dense", 10, 1, 28, 100_687, _MLP, options=_SIZED),
    "small": Architecture(
        "small.small", 10, 1, 28, 70_330, _OWN, options=_SIZED),
    "lenet5": Architecture(
        "lenet.lenet5", 10, 1, 28, 61_706, _LECUN, options=_SIZED),
    "resnet20": Architecture(
        "resnet.resnet20", 10, 3, 32, 269_722, _HE),
    "resnet18": Architecture(
        "resnet.resnet18", 1000, 3, 224, 11_689_512, _HE),
    "resnet34": Architecture(
        "resnet.resnet34", 1000, 3, 224, 21_797_672, _HE),
    "resnet50": Architecture(
        "resnet.resnet50", 1000, 3, 224, 25_557_032, _HE),
    "vgg11": Architecture(
        "vgg.vgg11", 1000, 3, 224, 132_863_336, _VGG, 32),
    "mobilenet_v2": Architecture(
        "mobilenet.mobilenet_v2", 1000, 3, 224, 3_504_872, _MOBILE, options=_TRAINED),
    "convnext_atto": Architecture(
        "convnext.convnext_atto", 1000, 3, 224, 3_695_520, _WOO, 32),
    "convnext_tiny": Architecture(
        "convnext.convnext_tiny", 1000, 3, 224, 28_589_128, _LIU, 32),
}
# fmt: on
"""Every network here, by the name that `build` knows it by."""


def architecture(name: str) -> Architecture:
    """The row of a network: of the table, or what timm says of `timm:NAME`.

    Raises SettingError for an unknown name, MissingExtraError where timm is wanted.
    """
    if name in NETWORKS:
        return NETWORKS[name]
    if name.startswith("timm:"):
        return _of_timm(name.removeprefix("timm:"))
    raise SettingError(
        f"There is no backbone {name!r}. {near_names(name, NETWORKS)} Or timm:NAME."
    )


def _of_timm(name: str) -> Architecture:
    from vicinal.images.networks.timm_network import (
        SMALLEST,
        parameters_of,
        timm_config,
    )

    config = timm_config(name)
    channels, size, _ = config.input_size
    return Architecture(
        "of_timm.TimmNetwork",
        max(config.num_classes, 1),  # weights may come without a head
        channels,
        size,
        parameters_of(name),
        config.paper_name or "timm",
        SMALLEST,
    )


def build(
    name: str,
    *,
    num_classes: int,
    in_channels: int = 3,
    image_size: int | None = None,
    padding: Padding | None = None,
    norm_eps: float | None = None,
) -> Network:
    """Build a network with fresh weights, by its name in `NETWORKS` or `timm:NAME`.

    in_channels: 1 for grey pictures, 3 for colour.
    image_size: pixels on a side, the architecture's own unless given; networks that
        take pictures of any size ignore it.
    padding, norm_eps: what the weights to be loaded were trained with, see
        `mobilenet.mobilenet_v2`.
    Raises SettingError for an unknown name, or where the network has no such option.
    """
    row = architecture(name)
    trained = {"padding": padding, "norm_eps": norm_eps}
    given = {option: value for option, value in trained.items() if value is not None}
    for option in given.keys() - set(row.options):
        takers = ", ".join(n for n, r in NETWORKS.items() if option in r.options)
        raise SettingError(
            f"{option} must be left out for network {name!r}, which has no choice "
            f"there. Got {option}={given[option]!r}. It is an option of: {takers}."
        )
    if name.startswith("timm:"):
        from vicinal.images.networks.timm_network import TimmNetwork

        own = name.removeprefix("timm:")
        return TimmNetwork(own, num_classes, in_channels, image_size)
    sized = {"image_size": image_size or row.image_size}
    options = given | (sized if "image_size" in row.options else {})
    file, function = row.builder.split(".")
    builder = getattr(import_module(f"{__name__}.{file}"), function)
    return builder(num_classes, in_channels, **options)
