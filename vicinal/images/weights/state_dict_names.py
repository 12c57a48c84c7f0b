"""The names that other libraries give to the same tensors, turned into ours.

Ours are torchvision's where torchvision has the network; timm's resnets have the same.
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

from vicinal.core.storage.checkpoint import Tensors, under
from vicinal.images.networks import NETWORKS, architecture, build
from vicinal.images.networks.base import Network
from vicinal.images.networks.mobilenet import STAGES

WRAPPERS = ("module", "model", "_orig_mod", "network", "backbone", "state_dict")
"""what wraps a whole network: DataParallel, a trainer, torch.compile, a dictionary"""

SHOWN = 10
"""rows of a table of misfits, at most"""


class Misfit(NamedTuple):
    """A tensor that is not as the network wants it."""

    name: str
    wanted: tuple[int, ...] | None
    """its shape in the network; None: there is none of this name"""

    got: tuple[int, ...] | None
    """its shape in the weights; None: there is none of this name"""


def recognise(tensors: Tensors) -> str | None:
    """The name in NETWORKS of the network whose body is in the tensors, or None.

    Names and shapes must agree, and nothing may be left over: a ResNet-18 is the
    beginning of a ResNet-34. Networks that are built for one size of pictures are
    recognised in their paper's.
    """
    names = (n for n in NETWORKS if not misfits(convert(tensors, n), n))
    return next(names, None)


def convert(tensors: Tensors, backbone: str) -> Tensors:
    """The tensors with the names and shapes of a network that is known here.

    What has no place in the network keeps its name, for `misfits` to find. Counters of
    batches, which many files leave out, are set to zero: nothing here reads them.
    """
    renamed = {_rename(name, backbone): t for name, t in _unwrapped(tensors).items()}
    wanted = outline(backbone).state_dict()
    shaped = {
        k: _shaped(t, wanted[k]) if k in wanted else t for k, t in renamed.items()
    }
    return _counters(shaped) | shaped


def misfits(
    tensors: Tensors, backbone: str, image_size: int | None = None
) -> list[Misfit]:
    """What does not fit in converted tensors; the head's classes are left out of it."""
    network = outline(backbone, channels(tensors, backbone), image_size)
    head = f"{network.head_name}."
    wanted = {name: tuple(t.shape) for name, t in network.state_dict().items()}
    got = {name: tuple(t.shape) for name, t in tensors.items()}
    names = [name for name in wanted | got if not name.startswith(head)]
    pairs = [Misfit(name, wanted.get(name), got.get(name)) for name in names]
    return [pair for pair in pairs if pair.wanted != pair.got]


def table(found: list[Misfit]) -> str:
    """Misfits as lines of text under a heading; of many, the first few."""
    rows = [("tensor", "wanted", "got")]
    rows += [(name, _told(wanted), _told(got)) for name, wanted, got in found[:SHOWN]]
    wide = [max(map(len, column)) + 2 for column in zip(*rows, strict=True)]
    lines = [f"{a:{wide[0]}}{b:{wide[1]}}{c}" for a, b, c in rows]
    rest = len(found) - SHOWN
    return "\n".join([*lines, f"and {rest:,} more"] if rest > 0 else lines)


def channels(tensors: Tensors, backbone: str) -> int:
    """Channels of the pictures that converted tensors are for: 1 grey, 3 colour."""
    inside = outline(backbone).named_modules()
    stem = next((name for name, m in inside if isinstance(m, nn.Conv2d)), None)
    weight = tensors.get(f"{stem}.weight")
    if weight is None or weight.ndim != 4:  # [out, in, K, K] of a convolution
        return architecture(backbone).in_channels
    return weight.shape[1]


def classes(tensors: Tensors, backbone: str) -> int | None:
    """Classes that the head of converted tensors tells apart; None without a head."""
    head = tensors.get(f"{outline(backbone).head_name}.weight")
    return None if head is None else head.shape[0]


@cache
def outline(
    backbone: str, in_channels: int | None = None, image_size: int | None = None
) -> Network:
    """A network without memory for its numbers: names and shapes only."""
    row = architecture(backbone)
    with torch.device("meta"):
        return build(
            backbone,
            num_classes=row.num_classes,
            in_channels=in_channels or row.in_channels,
            image_size=image_size,
        )


def _unwrapped(tensors: Tensors) -> Tensors:
    for wrapper in WRAPPERS:
        if tensors and all(name.startswith(f"{wrapper}.") for name in tensors):
            return _unwrapped(under(wrapper, tensors))
    return tensors


def _shaped(t: Tensor, wanted: Tensor) -> Tensor:
    """The same numbers in the shape wanted, where only ones at its end differ.

    A dense layer [out, in] is a convolution [out, in, 1, 1], and a scale [C] is one of
    [C, 1, 1]. Other shapes of as many numbers mean something else.
    """
    same = _without_ones(t) == _without_ones(wanted)
    return t.reshape(wanted.shape) if same else t


def _without_ones(t: Tensor) -> tuple[int, ...]:
    shape = tuple(t.shape)
    while shape and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def _counters(tensors: Tensors) -> Tensors:
    """A counter of batches for every batch norm."""
    norms = [
        n.removesuffix("running_mean") for n in tensors if n.endswith("running_mean")
    ]
    return {f"{norm}num_batches_tracked": torch.tensor(0) for norm in norms}


def _told(shape: tuple[int, ...] | None) -> str:
    return "nothing" if shape is None else str(list(shape))


# --- timm's names --------------------------------------------------------------------

_BLOCKS = [(str(i), str(j)) for i, row in enumerate(STAGES) for j in range(row[2])]
_NUMBER = {place: number for number, place in enumerate(_BLOCKS, start=1)}
_LAST = len(_BLOCKS) + 1
_WIDENED = {  # 1x1 to more channels, 3x3, 1x1 to fewer; each with its batch norm
    "conv_pw": "0.0",
    "bn1": "0.1",
    "conv_dw": "1.0",
    "bn2": "1.1",
    "conv_pwl": "2",
    "bn3": "3",
}
_NOT_WIDENED = {"conv_dw": "0.0", "bn1": "0.1", "conv_pw": "1", "bn2": "2"}
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
        case ["blocks", i, j, layer, leaf] if (i, j) in _NUMBER:
            inside = _NOT_WIDENED if i == "0" else _WIDENED
            return f"features.{_NUMBER[i, j]}.conv.{inside.get(layer, layer)}.{leaf}"
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
