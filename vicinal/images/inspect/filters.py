"""The filters of the first convolution, as images."""

import torch
from torch import Tensor, nn

from vicinal.errors import SettingError


def first_convolution(network: nn.Module) -> tuple[str, nn.Conv2d]:
    """Return name and layer; SettingError for a network without convolutions."""
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            return name, module
    raise SettingError(
        f"{type(network).__name__} has no convolution, so it has no filters to show."
    )


def filter_images(network: nn.Module) -> Tensor:
    """Return the first kernels [O, kh, kw, C] in 0 to 1; weight 0 is grey.

    Each is scaled by its own largest weight.
    """
    kernels = first_convolution(network)[1].weight.detach().float().cpu()
    largest = kernels.abs().amax(dim=(1, 2, 3), keepdim=True).clamp(min=1e-12)
    return (0.5 + kernels / largest / 2).permute(0, 2, 3, 1).contiguous()


def classify_filter(kernel: Tensor) -> str:
    """Return what a filter [C, kh, kw] detects, in words.

    If most of its energy is in the mean over positions, it detects colour (channels
    differ) or brightness. Otherwise a filter of one sign is a blur, and any other
    detects edges across the direction in which it changes most, or a texture.
    """
    kernel = kernel.detach().double()
    energy = float(kernel.square().sum())
    if not energy:
        return "nothing (all weights are 0)"
    mean = kernel.mean(dim=(1, 2), keepdim=True)
    if float(mean.square().sum()) * kernel[0].numel() > 0.9 * energy:
        between_channels = float((mean - mean.mean()).square().sum())
        is_color = between_channels > 0.5 * float(mean.square().sum())
        return "colour" if is_color else "brightness"
    grey = kernel.sum(dim=0)
    if float((grey.sum()).abs()) > 0.9 * float(grey.abs().sum()):
        return "blurred brightness"
    rows, columns = torch.gradient(grey) if min(grey.shape) > 1 else (grey, grey)
    vertical, horizontal = float(rows.square().sum()), float(columns.square().sum())
    if max(vertical, horizontal) > 2 * min(vertical, horizontal):
        return "horizontal edges" if vertical > horizontal else "vertical edges"
    return "diagonal edges or textures"
