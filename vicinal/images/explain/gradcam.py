"""Grad-CAM: the regions of the last feature map that support a prediction.

::

    a_k = 1 / (H W) sum over i, j of dy / dA_k[i, j]        (1)
    L = ReLU(sum over k of a_k A_k)                         (2)

y is the explained output, A_k are the channels of a feature map, by default the last
one. L has its resolution and is interpolated to the size of the image.

R. Selvaraju, M. Cogswell, A. Das, R. Vedantam, D. Parikh, D. Batra: Grad-CAM, ICCV
2017, https://arxiv.org/abs/1610.02391, section 3.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vicinal.errors import SettingError
from vicinal.images.tracing.trace import (
    INPUT,
    StepInterpreter,
    eval_mode,
    record,
    trace_network,
)

TargetFunction = Callable[[Tensor], Tensor]
"""maps logits [N, K] to the explained output [N]"""


def grad_cam(
    network: nn.Module, x: Tensor, target: TargetFunction, layer: str | None = None
) -> Tensor:
    """Return the map L [H, W], at least 0, for an image x [C, H, W].

    layer: the step whose feature map is used; None: the last one with a feature map.
    SettingError for an unknown layer or one without a feature map.
    """
    return grad_cam_batch(network, x[None], target, layer)[0]


def grad_cam_batch(
    network: nn.Module, x: Tensor, target: TargetFunction, layer: str | None = None
) -> Tensor:
    """Return the maps [N, H, W] of images x [N, C, H, W]."""
    outputs: list[Tensor] = []

    def keep(name: str, value: Tensor) -> Tensor | None:
        is_candidate = name == layer if layer else name != INPUT and value[0].ndim == 3
        if not is_candidate or value[0, 0].numel() < 2:
            return None
        outputs.append(value.detach().requires_grad_())
        return outputs[-1]

    with eval_mode(network), torch.enable_grad():
        y = target(StepInterpreter(trace_network(network), keep).run(x))
        if not outputs or outputs[-1].ndim != 4:
            raise _no_feature_map(network, x[0], layer)
        maps = outputs[-1]
        (gradient,) = torch.autograd.grad(y.sum(), maps)  # [N, K, h, w]
    weights = gradient.mean((2, 3), keepdim=True)
    cam = (weights * maps.detach()).sum(dim=1, keepdim=True).relu()
    size = x.shape[-2:]
    return F.interpolate(cam, size, mode="bilinear", align_corners=False)[:, 0]


def _no_feature_map(network: nn.Module, x: Tensor, layer: str | None) -> SettingError:
    """Return the error for a missing feature map; raises one for an unknown layer."""
    recording = record(network, x)
    last = recording.last_feature_map().name
    name = recording.step(layer).name if layer else last
    return SettingError(
        f"Grad-CAM needs a feature map, and the output of {name} is a vector. Name an "
        f"earlier layer, such as {last}."
    )
