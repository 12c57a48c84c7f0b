"""Grad-CAM: where in the last maps is what speaks for an answer.

::

    a_k = 1 / (H W) sum over i, j of dy / dA_k[i, j]        (1)
    L = ReLU(sum over k of a_k A_k)                         (2)

y is the number that is explained, A_k the maps of a layer: by default the last one that
has places, where a map stands for a part or an object. L is as coarse as these maps;
it is enlarged to the picture's size between its points.

R. Selvaraju, M. Cogswell, A. Das, R. Vedantam, D. Parikh, D. Batra: Grad-CAM, ICCV
2017, https://arxiv.org/abs/1610.02391, section 3.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vicinal.errors import SettingError
from vicinal.images.tracing.trace import PICTURE, Run, answering, record, traced

Number = Callable[[Tensor], Tensor]
"""gives what is explained, [N], of logits [N, K]"""


def grad_cam(
    network: nn.Module, x: Tensor, target: Number, layer: str | None = None
) -> Tensor:
    """The map L [H, W] for a picture x [C, H, W], 0 or more.

    layer: the step whose maps are taken; None: the last one that has places.
    SettingError for one that is unknown, or has none.
    """
    return grad_cams(network, x[None], target, layer)[0]


def grad_cams(
    network: nn.Module, x: Tensor, target: Number, layer: str | None = None
) -> Tensor:
    """The maps [N, H, W] of pictures x [N, C, H, W]: each by its own slopes."""
    kept: list[Tensor] = []

    def watch(name: str, value: Tensor) -> Tensor | None:
        wanted = name == layer if layer else name != PICTURE and value[0].ndim == 3
        if not wanted or value[0, 0].numel() < 2:
            return None
        kept.append(value.detach().requires_grad_())
        return kept[-1]

    with answering(network), torch.enable_grad():
        y = target(Run(traced(network), watch).run(x))
        if not kept or kept[-1].ndim != 4:
            raise _no_maps(network, x[0], layer)
        maps = kept[-1]
        (slope,) = torch.autograd.grad(y.sum(), maps)  # [N, K, h, w]
    share = slope.mean((2, 3), keepdim=True)
    found = (share * maps.detach()).sum(dim=1, keepdim=True).relu()
    size = x.shape[-2:]
    return F.interpolate(found, size, mode="bilinear", align_corners=False)[:, 0]


def _no_maps(network: nn.Module, x: Tensor, layer: str | None) -> SettingError:
    """Why there are none; it raises what is known better of a layer by its name."""
    recording = record(network, x)
    last = recording.layer_of_maps().name
    name = recording.step(layer).name if layer else last
    return SettingError(
        f"{name} gives numbers in a row, and Grad-CAM needs maps. Name a layer before "
        f"it, such as {last}."
    )
