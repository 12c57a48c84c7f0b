"""Rename the tensors of other libraries' state dicts to the names used here.

Ours are torchvision's where torchvision has the network; timm's ResNets have the same.
These differ:

====================================  ====================================
timm, MobileNetV2                     ours, k counting the blocks from 1
------------------------------------  ------------------------------------
conv_stem, bn1                        features.0.0, features.0.1
blocks.0.0.{conv_dw,bn1}              features.1.conv.{0.0,0.1}
blocks.0.0.{conv_pw,bn2}              features.1.conv.{1,2}
blocks.i.j.{conv_pw,bn1}              features.k.conv.{0.0,0.1}
blocks.i.j.{conv_dw,bn2}              features.k.conv.{1.0,1.1}
blocks.i.j.{conv_pwl,bn3}             features.k.conv.{2,3}
conv_head, bn2, classifier            features.18.0, features.18.1, classifier.1
timm, ConvNeXt                        ours
------------------------------------  ------------------------------------
stem.{0,1}                            features.0.{0,1}
stages.i.downsample.{0,1}             features.2i.{0,1}
stages.i.blocks.j.conv_dw             features.(2i+1).j.block.0
stages.i.blocks.j.norm                features.(2i+1).j.block.2
stages.i.blocks.j.mlp.{fc1,fc2}       features.(2i+1).j.block.{3,5}
stages.i.blocks.j.gamma               features.(2i+1).j.layer_scale
head.{norm,fc}                        classifier.{0,2}
====================================  ====================================
"""

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor, nn

from vicinal.core.storage.checkpoint import Tensors, with_prefix
from vicinal.images.networks import NETWORKS, architecture, build
from vicinal.images.networks.base import Network
from vicinal.images.networks.mobilenet import STAGES

WRAPPERS = ("module", "model", "_orig_mod", "network", "backbone", "state_dict")
"""prefixes of a wrapped network: DataParallel, a trainer, torch.compile, a dict"""

MAX_ROWS = 10
"""rows of a table of mismatches"""


class Mismatch(NamedTuple):
    """A tensor that differs from the network's."""

    name: str
    expected: tuple[int, ...] | None
    """its shape in the network; None: the network has no such tensor"""

    got: tuple[int, ...] | None
    """its shape in the weights; None: the weights have no such tensor"""


def identify_backbone(tensors: Tensors) -> str | None:
    """Return the name in NETWORKS of the network that the tensors are of, or None.

    All names and shapes of the body must match, without any left over: the tensors of a
    ResNet-18 are among those of a ResNet-34. Networks built for one image size are
    identified at that of their paper.
    """
    names = (n for n in NETWORKS if not find_mismatches(convert_names(tensors, n), n))
    return next(names, None)


def convert_names(tensors: Tensors, backbone: str) -> Tensors:
    """Return the tensors with the names and shapes of one of our networks.

    Tensors that the network lacks keep their names, for `find_mismatches`. Missing
    batch counters of batch norms, which are not used here, are set to zero.
    """
    unwrapped = _remove_wrappers(tensors)
    renamed = {_rename(name, backbone): t for name, t in unwrapped.items()}
    expected = meta_network(backbone).state_dict()
    reshaped = {
        name: _reshape(t, expected[name]) if name in expected else t
        for name, t in renamed.items()
    }
    return _zero_counters(reshaped) | reshaped


def find_mismatches(
    tensors: Tensors, backbone: str, image_size: int | None = None
) -> list[Mismatch]:
    """Return the converted tensors that do not fit the network's body."""
    channels = count_input_channels(tensors, backbone)
    network = meta_network(backbone, channels, image_size)
    head = f"{network.head_name}."
    expected = {name: tuple(t.shape) for name, t in network.state_dict().items()}
    got = {name: tuple(t.shape) for name, t in tensors.items()}
    names = [name for name in expected | got if not name.startswith(head)]
    pairs = [Mismatch(name, expected.get(name), got.get(name)) for name in names]
    return [pair for pair in pairs if pair.expected != pair.got]


def format_mismatches(mismatches: list[Mismatch]) -> str:
    """Return mismatches as a text table of at most MAX_ROWS rows."""
    rows = [("tensor", "expected", "got")]
    rows += [
        (name, _format_shape(expected), _format_shape(got))
        for name, expected, got in mismatches[:MAX_ROWS]
    ]
    widths = [max(map(len, column)) + 2 for column in zip(*rows, strict=True)]
    lines = [f"{a:{widths[0]}}{b:{widths[1]}}{c}" for a, b, c in rows]
    rest = len(mismatches) - MAX_ROWS
    return "\n".join([*lines, f"and {rest:,} more"] if rest > 0 else lines)


def count_input_channels(tensors: Tensors, backbone: str) -> int:
    """Return the input channels of converted tensors: 1 for grey, 3 for colour."""
    modules = meta_network(backbone).named_modules()
    stem = next((name for name, m in modules if isinstance(m, nn.Conv2d)), None)
    weight = tensors.get(f"{stem}.weight")
    if weight is None or weight.ndim != 4:  # [out, in, K, K] of a convolution
        return architecture(backbone).in_channels
    return weight.shape[1]


def count_classes(tensors: Tensors, backbone: str) -> int | None:
    """Return the number of classes of converted tensors' head; None without a head."""
    head = tensors.get(f"{meta_network(backbone).head_name}.weight")
    return None if head is None else head.shape[0]


@cache
def meta_network(
    backbone: str, in_channels: int | None = None, image_size: int | None = None
) -> Network:
    """Return a network on torch's meta device: names and shapes without data."""
    row = architecture(backbone)
    with torch.device("meta"):
        return build(
            backbone,
            num_classes=row.num_classes,
            in_channels=in_channels or row.in_channels,
            image_size=image_size,
        )


def _remove_wrappers(tensors: Tensors) -> Tensors:
    for wrapper in WRAPPERS:
        if tensors and all(name.startswith(f"{wrapper}.") for name in tensors):
            return _remove_wrappers(with_prefix(wrapper, tensors))
    return tensors


def _reshape(t: Tensor, expected: Tensor) -> Tensor:
    """Return `t` in the expected shape where they differ by trailing ones only.

    A dense layer [out, in] is a convolution [out, in, 1, 1], and a scale [C] is one of
    [C, 1, 1]. Other shapes of the same size mean something else.
    """
    same = _without_trailing_ones(t) == _without_trailing_ones(expected)
    return t.reshape(expected.shape) if same else t


def _without_trailing_ones(t: Tensor) -> tuple[int, ...]:
    shape = tuple(t.shape)
    while shape and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def _zero_counters(tensors: Tensors) -> Tensors:
    """Return a batch counter of zero for every batch norm."""
    norms = [
        n.removesuffix("running_mean") for n in tensors if n.endswith("running_mean")
    ]
    return {f"{norm}num_batches_tracked": torch.tensor(0) for norm in norms}


def _format_shape(shape: tuple[int, ...] | None) -> str:
    return "missing" if shape is None else str(list(shape))


# --- timm's names --------------------------------------------------------------------

_BLOCKS = [(str(i), str(j)) for i, row in enumerate(STAGES) for j in range(row[2])]
_BLOCK_NUMBER = {block: number for number, block in enumerate(_BLOCKS, start=1)}
_LAST = len(_BLOCKS) + 1
_EXPANDED = {  # 1x1 to more channels, 3x3, 1x1 to fewer; each with its batch norm
    "conv_pw": "0.0",
    "bn1": "0.1",
    "conv_dw": "1.0",
    "bn2": "1.1",
    "conv_pwl": "2",
    "bn3": "3",
}
_NOT_EXPANDED = {"conv_dw": "0.0", "bn1": "0.1", "conv_pw": "1", "bn2": "2"}
_CONVNEXT_BLOCK = {"conv_dw": "0", "norm": "2", "mlp.fc1": "3", "mlp.fc2": "5"}


def _rename(name: str, backbone: str) -> str:
    if backbone == "mobilenet_v2":
        return _mobilenet(name)
    if backbone.startswith("timm:"):
        return f"network.{name}"
    return _convnext(name) if backbone.startswith("convnext") else name


def _mobilenet(name: str) -> str:
    match name.split("."):
        case ["conv_stem", leaf]:
            return f"features.0.0.{leaf}"
        case ["bn1", leaf]:
            return f"features.0.1.{leaf}"
        case ["blocks", i, j, layer, leaf] if (i, j) in _BLOCK_NUMBER:
            layers = _NOT_EXPANDED if i == "0" else _EXPANDED
            return (
                f"features.{_BLOCK_NUMBER[i, j]}.conv.{layers.get(layer, layer)}.{leaf}"
            )
        case ["conv_head", leaf]:
            return f"features.{_LAST}.0.{leaf}"
        case ["bn2", leaf]:
            return f"features.{_LAST}.1.{leaf}"
        case ["classifier", leaf]:
            return f"classifier.1.{leaf}"
    return name


def _convnext(name: str) -> str:
    match name.split("."):
        case ["stem", layer, leaf]:
            return f"features.0.{layer}.{leaf}"
        case ["stages", i, "downsample", layer, leaf] if i.isdigit():
            return f"features.{2 * int(i)}.{layer}.{leaf}"
        case ["stages", i, "blocks", j, "gamma"] if i.isdigit():
            return f"features.{2 * int(i) + 1}.{j}.layer_scale"
        case ["stages", i, "blocks", j, *layers, leaf] if i.isdigit():
            layer = ".".join(layers)
            layer = _CONVNEXT_BLOCK.get(layer, layer)
            return f"features.{2 * int(i) + 1}.{j}.block.{layer}.{leaf}"
        case ["head", "norm", leaf]:
            return f"classifier.0.{leaf}"
        case ["head", "fc", leaf]:
            return f"classifier.2.{leaf}"
    return name
