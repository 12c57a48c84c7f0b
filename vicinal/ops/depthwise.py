"""Depthwise convolution: each channel has its own kernel.

::

    y[c, i, j] = b[c] + sum over u, v of w[c, u, v] x[c, s i + u, s j + v]

It is `convolve` with as many groups as channels (MobileNets, ConvNeXt). On a CPU torch
runs it fast, but for one gradient: that of the input in bfloat16 at a stride above 1
takes eight to fifty times as long as in float32 (torch 2.13 with oneDNN, two cores with
AVX-512 bf16). In MobileNetV2 those four layers of 52 took a third of a whole training
step. Here that one gradient is computed in float32.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

Pair = tuple[int, ...]


def depthwise(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: Pair, padding: Pair
) -> Tensor:
    """Convolve each channel with its own kernel, with zero padding.

    x: [N, C, H, W]; weight: [C, 1, k_h, k_w]; bias: [C] or none; gives [N, C, H', W']
    in the dtype of autocast if it is active, else in that of x.
    """
    if not _has_slow_gradient(x, stride):
        return F.conv2d(x, weight, bias, stride, padding, 1, weight.shape[0])
    low = torch.bfloat16
    bias = bias if bias is None else bias.to(low)
    return _Depthwise.apply(x.to(low), weight.to(low), bias, stride, padding)


def _has_slow_gradient(x: Tensor, stride: Pair) -> bool:
    """Return True for an input gradient in bfloat16 on a CPU with a stride."""
    needs_gradient = torch.is_grad_enabled() and x.requires_grad
    if not needs_gradient or max(stride) == 1 or x.device.type != "cpu":
        return False
    if torch.is_autocast_enabled("cpu"):
        return torch.get_autocast_dtype("cpu") == torch.bfloat16
    return x.dtype == torch.bfloat16


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        stride: Pair,
        padding: Pair,
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.options = stride, padding, (1, 1), False, (0, 0), weight.shape[0]
        return F.conv2d(x, weight, bias, stride, padding, 1, weight.shape[0])

    @staticmethod
    @once_differentiable  # its stub hides the parameters' names
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grads: Tensor
    ) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        (grad,) = grads
        for_x = for_weight = for_bias = None
        if ctx.needs_input_grad[0]:
            # the gradient depends only on the shape and memory format of x
            like = torch.empty_like(x, dtype=torch.float32)
            for_x = _gradients(ctx, grad.float(), like, weight.float(), 0).to(x.dtype)
        if ctx.needs_input_grad[1]:
            for_weight = _gradients(ctx, grad, x, weight, 1)
        if ctx.needs_input_grad[2]:
            for_bias = grad.sum((0, 2, 3), dtype=torch.float32).to(grad.dtype)
        return for_x, for_weight, for_bias, None, None


def _gradients(ctx: Any, grad: Tensor, x: Tensor, weight: Tensor, index: int) -> Tensor:
    """Return the gradient of the input (0) or of the weights (1)."""
    mask = [index == k for k in range(3)]
    back = torch.ops.aten.convolution_backward
    return back(grad, x, weight, None, *ctx.options, mask)[index]
