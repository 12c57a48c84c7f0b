"""Image networks: one paper per file, and one table of them all.

    >>> from vicinal.images.networks import NETWORKS, build
    >>> network = build("resnet18", num_classes=6)

Each network embeds images (`embed`, `[N, C, H, W]` to `[N, D]`) and classifies the
embedding with one dense layer; `base.Network` is their interface. The table names
modules rather than importing them, so that listing it is fast.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from vicinal.errors import SettingError, suggest_names

if TYPE_CHECKING:
    from vicinal.images.networks.base import Network
    from vicinal.images.networks.mobilenet import Padding


@dataclass(frozen=True)
class Architecture:
    """One row of the table."""

    builder: str
    """the function that builds it, as `module.function` of this package"""
    num_classes: int
    """classes in the paper's task"""
    in_channels: int
    """input channels in the paper: 1 for grey, 3 for colour"""
    image_size: int
    """pixels per side of the images that it was designed for"""
    parameters: int
    """number of trainable parameters, with these classes, channels and pixels"""
    paper: str
    """where it was published"""
    min_size: int = 8
    """pixels per side below which a feature map would be empty"""
    options: tuple[str, ...] = ()
    """further arguments of `build` that its builder takes"""


_LECUN = "LeCun et al., Proc. IEEE 1998"
_VGG = "Simonyan and Zisserman, ICLR 2015"
_HE = "He et al., CVPR 2016"
_MOBILE = "Sandler et al., CVPR 2018"
_LIU = "Liu et al., CVPR 2022"
_WOO = "Woo et al., CVPR 2023"
_MLP = "Rumelhart et al., Nature 1986"
_OWN = "vicinal's own"

_IMAGE_SIZE = ("image_size",)
_WEIGHT_OPTIONS = ("padding", "norm_eps")

# fmt: off
NETWORKS: dict[str, Architecture] = {
    "dense": Architecture(
        "dense.dense", 10, 1, 28, 100_687, _MLP, options=_IMAGE_SIZE),
    "small": Architecture(
        "small.small", 10, 1, 28, 70_330, _OWN, options=_IMAGE_SIZE),
    "lenet5": Architecture(
        "lenet.lenet5", 10, 1, 28, 61_706, _LECUN, options=_IMAGE_SIZE),
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
        "mobilenet.mobilenet_v2", 1000, 3, 224, 3_504_872, _MOBILE,
        options=_WEIGHT_OPTIONS),
    "convnext_atto": Architecture(
        "convnext.convnext_atto", 1000, 3, 224, 3_695_520, _WOO, 32),
    "convnext_tiny": Architecture(
        "convnext.convnext_tiny", 1000, 3, 224, 28_589_128, _LIU, 32),
}
# fmt: on
"""All networks, by their name for `build`."""


def architecture(name: str) -> Architecture:
    """Return the row of a network: of the table, or timm's values for `timm:NAME`.

    Raises SettingError for an unknown name, MissingExtraError without timm.
    """
    if name in NETWORKS:
        return NETWORKS[name]
    if name.startswith("timm:"):
        return _timm_architecture(name.removeprefix("timm:"))
    raise SettingError(
        f"backbone must be a name of `vicinal info` or timm:NAME. Got {name!r} "
        f"instead. {suggest_names(name, NETWORKS)}"
    )


def _timm_architecture(name: str) -> Architecture:
    from vicinal.images.networks.timm_network import (
        MIN_SIZE,
        count_parameters,
        timm_config,
    )

    config = timm_config(name)
    channels, size, _ = config.input_size
    return Architecture(
        "timm_network.TimmNetwork",
        max(config.num_classes, 1),  # weights may come without a head
        channels,
        size,
        count_parameters(name),
        config.paper_name or "timm",
        MIN_SIZE,
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
    """Return a network with random weights, by its name in `NETWORKS` or `timm:NAME`.

    in_channels: 1 for grey images, 3 for colour.
    image_size: pixels per side; None: that of the architecture. Ignored by networks
        that take images of any size.
    padding, norm_eps: those that the weights to be loaded were trained with, see
        `mobilenet.mobilenet_v2`.
    Raises SettingError for an unknown name or an option that the network lacks.
    """
    row = architecture(name)
    weight_options = {"padding": padding, "norm_eps": norm_eps}
    options: dict[str, Any] = {
        k: value for k, value in weight_options.items() if value is not None
    }
    for option in options.keys() - set(row.options):
        supported = ", ".join(n for n, r in NETWORKS.items() if option in r.options)
        raise SettingError(
            f"{option} must be left out for network {name!r}, which lacks it. "
            f"Got {option}={options[option]!r}. Networks with it: {supported}."
        )
    if name.startswith("timm:"):
        from vicinal.images.networks.timm_network import TimmNetwork

        timm_name = name.removeprefix("timm:")
        return TimmNetwork(timm_name, num_classes, in_channels, image_size)
    if "image_size" in row.options:
        options["image_size"] = image_size or row.image_size
    module, function = row.builder.split(".")
    builder: Any = getattr(import_module(f"{__name__}.{module}"), function)
    return builder(num_classes, in_channels, **options)
